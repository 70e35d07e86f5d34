/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is on the page: the table of panels, in the order of the screen; see view_internal.h. */
#include "host-coordinator/watch/view_internal.h"

#include <stdio.h>
#include <string.h>

#include "proto/base/cleanup.h"

#define LIST_LINES 3
#define BAR_WIDTH  40

static const struct cell system_cells[] = {
    {"load 1 min", "system.load1", false},
    {"5 min", "system.load5", false},
    {"15 min", "system.load15", false},
    {"memory", "system.mem.total", false},
    {"available", "system.mem.available", false},
    {"dirty", "system.mem.dirty", false},
    {"writeback", "system.mem.writeback", false},
    {"swap used", "system.swap.used", false},
    {"swap in", "system.swap.in", false},
    {"swap out", "system.swap.out", false},
    {NULL, NULL, false},
};

static const struct cell mysql_cells[] = {
    {"connected", "mysql.threads_connected", false},
    {"running", "mysql.threads_running", false},
    {"questions", "mysql.questions", false},
    {"writes", "mysql.writes", false},
    {"commits", "mysql.commits", false},
    {"slow", "mysql.slow_queries", false},
    {"tmp on disk", "mysql.tmp_disk_tables", false},
    {"full joins", "mysql.select_full_join", false},
    {"aborted conn", "mysql.aborted_connects", false},
    {"aborted clnt", "mysql.aborted_clients", false},
    {"memory", "mysql.rss", false},
    {"swapped", "mysql.swap", false},
    {"uptime", "mysql.uptime", false},
    {NULL, NULL, false},
};

static const struct cell innodb_cells[] = {
    {"log written", "innodb.lsn", true},
    {"checkpoint", "innodb.checkpoint_age", false},
    {"pool dirty", "innodb.pool_dirty", false},
    {"history", "innodb.history_length", false},
    {"lock waits", "innodb.row_lock_waits", false},
    {"waiting now", "innodb.row_lock_current", false},
    {"deadlocks", "innodb.deadlocks", false},
    {"pool waits", "innodb.pool_wait_free", false},
    {"transactions", "innodb.trx_active", false},
    {"oldest", "innodb.trx_oldest", false},
    {NULL, NULL, false},
};

static const struct cell repl_cells[] = {
    {"lag", "repl.lag", false},
    {"receives", "repl.io_running", false},
    {"applies", "repl.sql_running", false},
    {NULL, NULL, false},
};

static const struct cell agent_cells[] = {
    {"CPU", "agent.cpu", false},
    {"memory", "agent.rss", false},
    {"reading took", "agent.sample_time", false},
    {"missed", "agent.missed", false},
    {NULL, NULL, false},
};

static const struct column disk_columns[] = {
    {"read/s", "disk.*.read_bytes", 8, false, NULL},
    {"written/s", "disk.*.write_bytes", 9, false, NULL},
    {"write ms", "disk.*.write_time", 8, false, NULL},
    {"busy", "disk.*.util", 5, false, NULL},
    {"read", "disk.*.read_bytes", 0, true, NULL},
    {"written", "disk.*.write_bytes", 0, true, NULL},
    {"write time", "disk.*.write_time", 0, true, NULL},
    {NULL, NULL, 0, false, NULL},
};

static const struct column fs_columns[] = {
    {"full", "fs.*.used", 5, false, "fs.*.size"},
    {"size", "fs.*.size", 8, false, NULL},
    {"free", "fs.*.avail", 8, false, NULL},
    {"inodes", "fs.*.inodes_free", 7, false, NULL},
    {NULL, NULL, 0, false, NULL},
};

static const struct column net_columns[] = {
    {"received", "net.*.rx", 9, false, NULL},
    {"sent", "net.*.tx", 9, false, NULL},
    {"received", "net.*.rx", 0, true, NULL},
    {"sent", "net.*.tx", 0, true, NULL},
    {NULL, NULL, 0, false, NULL},
};

static const struct column volume_columns[] = {
    {"IOPS", "volume.*.iops", 7, false, NULL},
    {"moved", "volume.*.throughput", 9, false, NULL},
    {"latency", "volume.*.latency", 7, false, NULL},
    {"used", "volume.*.used", 8, false, NULL},
    {"IOPS", "volume.*.iops", 0, true, NULL},
    {NULL, NULL, 0, false, NULL},
};

/* ---- panels of their own kind ---------------------------------------------------------------- */

static void add_bar(struct buf *line, const struct view_input *in, size_t width)
{
    static const struct {
        const char *metric;
        char mark;
    } parts[] = {{"system.cpu.user", '|'},
                 {"system.cpu.system", ':'},
                 {"system.cpu.iowait", 'w'},
                 {"system.cpu.steal", 's'}};
    size_t used = 0;
    double sum = 0, value;

    buf_add(line, "[", 1);
    for (size_t n = 0; n < ARRAY_SIZE(parts); n++) {
        sum += view_value(in, parts[n].metric, &value) && value > 0 ? value : 0;
        while (used < width && (double)used + 0.5 < sum / 100 * (double)width) {
            buf_add(line, &parts[n].mark, 1);
            used++;
        }
    }
    buf_addf(line, "%*s] ", (int)(width - used), "");
}

static void fill_system(struct page *p, const struct panel *panel)
{
    static const struct {
        const char *label, *metric;
    } cpu[] = {{"| user", "system.cpu.user"},
               {": system", "system.cpu.system"},
               {"w iowait", "system.cpu.iowait"},
               {"s steal", "system.cpu.steal"}};
    size_t bar = p->in->width > 100 ? BAR_WIDTH : p->in->width > 60 ? 16 : 0;
    struct buf line = BUF_INIT;

    buf_addf(&line, "CPU ");
    if (bar > 0)
        add_bar(&line, p->in, bar);
    for (size_t n = 0; n < ARRAY_SIZE(cpu); n++) {
        char text[NUMBER_SIZE];
        double value;

        buf_addf(&line, "%s %s  ", cpu[n].label,
                 view_value(p->in, cpu[n].metric, &value) ? number_text(text, value, UNIT_PERCENT)
                                                          : "-");
    }
    page_add(p, TONE_PLAIN, buf_text(&line));
    buf_release(&line);
    draw_cells(p, panel);
}

/* Those that the newest readings still told, the oldest transaction first. */
static void fill_trx(struct page *p, const struct panel *panel)
{
    const struct series_trx *list;
    size_t count = series_trxs(p->in->facts.series, &list), shown = 0;

    (void)panel;
    for (size_t n = 0; n < count && shown < LIST_LINES; n++) {
        struct buf line = BUF_INIT;
        char age[NUMBER_SIZE], rows[NUMBER_SIZE];

        if (list[n].at_us < p->in->facts.newest_us - INT64_C(2500) * p->in->facts.pace_ms)
            continue;
        buf_addf(&line, "%9s %6s rows  ", number_text(age, list[n].age_s, UNIT_S),
                 number_text(rows, (double)list[n].rows_modified, UNIT_ONE));
        text_safe(&line, list[n].user, 16, p->in->utf8);
        buf_add(&line, "  ", 2);
        text_safe(&line, list[n].statement ? list[n].statement : "(idle, or not told)", 200,
                  p->in->utf8);
        page_add(p, TONE_WARN, buf_text(&line));
        buf_release(&line);
        shown++;
    }
}

static void fill_errors(struct page *p, const struct panel *panel)
{
    const struct series_line *list;
    size_t count = series_lines(p->in->facts.series, &list);

    (void)panel;
    for (size_t n = count > LIST_LINES ? count - LIST_LINES : 0; n < count; n++) {
        time_t at = (time_t)(list[n].at_wall_us / 1000000);
        struct buf line = BUF_INIT;
        char when[16] = "--:--:--";
        struct tm tm;

        if (list[n].at_wall_us && localtime_r(&at, &tm))
            (void)strftime(when, sizeof(when), "%H:%M:%S", &tm);
        buf_addf(&line, "%s ", when);
        text_safe(&line, list[n].text, 400, p->in->utf8);
        page_add(p, list[n].level == CBSNAP__SERVER_LINE__LEVEL__ERROR ? TONE_BAD : TONE_WARN,
                 buf_text(&line));
        buf_release(&line);
    }
}

static const char *text_of(const struct series *s, const char *name)
{
    const struct series_text *list;
    size_t count = series_texts(s, &list);

    while (count-- > 0) {
        if (strcmp(list[count].name, name) == 0)
            return list[count].text;
    }
    return NULL;
}

static void fill_repl(struct page *p, const struct panel *panel)
{
    const char *role = text_of(p->in->facts.series, "repl.role");
    struct buf line = BUF_INIT;

    if (!role || strcmp(role, "standalone") == 0)
        return;
    buf_addf(&line, "%-12s", "role");
    text_safe(&line, role, 40, p->in->utf8);
    page_add(p, TONE_PLAIN, buf_text(&line));
    buf_release(&line);
    draw_cells(p, panel);
}

static void fill_deleted(struct page *p, const struct panel *panel)
{
    const struct series_file_open *list;
    size_t count = series_files(p->in->facts.series, &list), shown = 0;

    (void)panel;
    for (size_t n = 0; n < count && shown < LIST_LINES; n++) {
        struct buf line = BUF_INIT;
        char size[NUMBER_SIZE];

        if (list[n].at_us < p->in->facts.newest_us - INT64_C(30000000))
            continue;
        buf_addf(&line, "%9s  ", number_text(size, (double)list[n].bytes, UNIT_BYTES));
        text_safe(&line, list[n].path, 400, p->in->utf8);
        page_add(p, TONE_WARN, buf_text(&line));
        buf_release(&line);
        shown++;
    }
}

/* A panel that has nothing to show is not there. */
const struct panel panels[] = {
    {"system", 1, fill_system, system_cells, NULL},
    {"MySQL", 0, draw_cells, mysql_cells, NULL},
    {"InnoDB", 2, draw_cells, innodb_cells, NULL},
    {"disks", 3, draw_table, NULL, disk_columns},
    {"longest transactions", 5, fill_trx, NULL, NULL},
    {"server's error log", 4, fill_errors, NULL, NULL},
    {"replication", 7, fill_repl, repl_cells, NULL},
    {"filesystems", 6, draw_table, NULL, fs_columns},
    {"appliance", 8, draw_table, NULL, volume_columns},
    {"deleted and still open", 9, fill_deleted, NULL, NULL},
    {"network", 10, draw_table, NULL, net_columns},
    {"agent", 11, draw_cells, agent_cells, NULL},
};
const size_t panel_count = ARRAY_SIZE(panels);
