/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The system's metrics from made-up /proc trees: each family's values, to the digit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "guest-agent/sample/absent.h"
#include "tests/unit/guest-agent/reading.h"

struct world {
    char *root;
    struct source_config config;
    const struct source *source;
    void *self;
};

static void use(struct world *w, const struct source *source)
{
    if (w->self)
        w->source->close(w->self);
    w->source = source;
    w->self = source->open(&w->config);
}

/* The second reading, two seconds after the first. */
static struct sample *later(struct world *w)
{
    return read_at(w->source, w->self, 3000000);
}

static struct sample *first(struct world *w)
{
    return read_at(w->source, w->self, 1000000);
}

static int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));

    names = names_new();
    w->root = tree_new();
    w->config.root = w->root;
    w->config.server = server_facts_new();
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    if (w->self)
        w->source->close(w->self);
    server_facts_free(w->config.server);
    tree_free(w->root);
    free(w);
    names_free(names);
    return 0;
}

static void load_is_told(void **state)
{
    struct world *w = *state;
    struct sample *s;

    tree_file(w->root, "proc/loadavg", "0.50 1.25 2.00 3/400 12345\n");
    use(w, &loadavg_source);
    s = first(w);
    check_value(s, "system.load1", 0.5);
    check_value(s, "system.load5", 1.25);
    check_value(s, "system.load15", 2);
    sample_free(s);
}

static void cpu_is_shared_out(void **state)
{
    struct world *w = *state;
    struct sample *s;

    tree_file(w->root, "proc/stat", "cpu  1000 0 500 8000 100 0 0 400 0 0\ncpu0 1 2 3 4\n");
    use(w, &cpu_source);
    s = first(w);
    assert_int_equal(s->count, 0);
    sample_free(s);
    tree_file(w->root, "proc/stat", "cpu  1100 20 560 8200 110 5 5 500 0 0\n");
    s = later(w);
    check_value(s, "system.cpu.user", 100.0 * 120 / 500);
    check_value(s, "system.cpu.system", 100.0 * 70 / 500);
    check_value(s, "system.cpu.iowait", 2);
    check_value(s, "system.cpu.steal", 20);
    check_value(s, "system.cpu.idle", 40);
    sample_free(s);
}

static void memory_is_told_in_bytes(void **state)
{
    struct world *w = *state;
    struct sample *s;

    tree_file(w->root, "proc/meminfo",
              "MemTotal:        1000 kB\nMemFree: 1 kB\nMemAvailable:     600 kB\n"
              "SwapTotal:        50 kB\nSwapFree:         20 kB\nDirty:             8 kB\n"
              "Writeback:         0 kB\nWritebackTmp:      7 kB\n");
    use(w, &meminfo_source);
    s = first(w);
    check_value(s, "system.mem.total", 1000 * 1024);
    check_value(s, "system.mem.available", 600 * 1024);
    check_value(s, "system.mem.dirty", 8192);
    check_value(s, "system.mem.writeback", 0);
    check_value(s, "system.swap.used", 30 * 1024);
    assert_int_equal(s->count, 5);
    sample_free(s);
}

/* Linux before 3.14 has no MemAvailable; half of a difference is no difference. */
static void memory_that_is_not_told_is_absent(void **state)
{
    struct world *w = *state;
    struct sample *s;

    tree_file(w->root, "proc/meminfo", "MemTotal: 1000 kB\nSwapTotal: 50 kB\n");
    use(w, &meminfo_source);
    s = first(w);
    check_value(s, "system.mem.total", 1000 * 1024);
    assert_int_equal(s->count, 1);
    sample_free(s);
}

static void swapping_is_a_rate_of_bytes(void **state)
{
    struct world *w = *state;
    struct sample *s;

    tree_file(w->root, "proc/vmstat", "nr_free_pages 5\npswpin 100\npswpout 200\n");
    use(w, &vmstat_source);
    s = first(w);
    assert_int_equal(s->count, 0);
    sample_free(s);
    tree_file(w->root, "proc/vmstat", "nr_free_pages 5\npswpin 104\npswpout 190\n");
    s = later(w);
    check_value(s, "system.swap.in", 2.0 * (double)sysconf(_SC_PAGESIZE));
    assert_null(sample_get(s, "system.swap.out")); /* it went back */
    sample_free(s);
}

static void interfaces_but_loopback(void **state)
{
    static const char head[] = "Inter-|   Receive    |  Transmit\n face |bytes packets|bytes\n";
    struct world *w = *state;
    struct sample *s;
    char text[512];

    (void)snprintf(text, sizeof(text),
                   "%s    lo: 50 1 0 0 0 0 0 0 50 1 0 0 0 0 0 0\n"
                   "  eth0:1000 9 0 0 0 0 0 0 500 9 0 0 0 0 0 0\n"
                   "eth1.7: 10 9 0 0 0 0 0 0 20 9 0 0 0 0 0 0\n",
                   head);
    tree_file(w->root, "proc/net/dev", text);
    use(w, &net_source);
    s = first(w);
    assert_int_equal(s->count, 0);
    sample_free(s);
    (void)snprintf(text, sizeof(text),
                   "%s    lo: 90 1 0 0 0 0 0 0 90 1 0 0 0 0 0 0\n"
                   "  eth0: 3000 9 0 0 0 0 0 0 600 9 0 0 0 0 0 0\n"
                   "eth1.7: 9 9 0 0 0 0 0 0 21 9 0 0 0 0 0 0\n",
                   head);
    tree_file(w->root, "proc/net/dev", text);
    s = later(w);
    check_value(s, "net.eth0.rx", 1000);
    check_value(s, "net.eth0.tx", 50);
    assert_int_equal(s->count, 2); /* eth1.7 is another device by now */
    sample_free(s);
}

static const char diskstats[] =
    " 253       0 vda 100 0 2000 300 50 0 800 500 2 400 900 0 0 0 0 7 3\n"
    " 253       1 vda1 90 0 1000 300 50 0 800 500 0 400 900\n"
    "   7       0 loop0 9 0 9 9 9 0 9 9 0 9 9\n"
    " 252       0 dm-0 9 0 9 9 9 0 9 9 0 9 9\n"
    " 259       0 nvme0n1 1 0 8 1 1 0 8 1 0 1 1\n"
    " 259       1 nvme0n1p1 1 0 8 1 1 0 8 1 0 1 1\n";

static void whole_disks_only(void **state)
{
    struct world *w = *state;
    struct sample *s;

    tree_file(w->root, "proc/diskstats", diskstats);
    use(w, &disk_source);
    s = first(w);
    check_value(s, "disk.vda.inflight", 2);
    check_value(s, "disk.nvme0n1.inflight", 0);
    assert_int_equal(s->count, 2);
    sample_free(s);
}

static void disk_values(void **state)
{
    struct world *w = *state;
    struct sample *s;

    tree_file(w->root, "proc/diskstats", diskstats);
    use(w, &disk_source);
    sample_free(first(w));
    tree_file(w->root, "proc/diskstats",
              " 253 0 vda 110 0 2040 340 70 0 1000 600 0 500 1000 0 0 0 0 9 3\n"
              " 259 0 nvme0n1 1 0 8 1 1 0 8 1 0 1 1\n");
    s = later(w);
    check_value(s, "disk.vda.inflight", 0);
    check_value(s, "disk.vda.reads", 5);
    check_value(s, "disk.vda.writes", 10);
    check_value(s, "disk.vda.flushes", 1);
    check_value(s, "disk.vda.read_bytes", 40 * 512 / 2.0);
    check_value(s, "disk.vda.write_bytes", 200 * 512 / 2.0);
    check_value(s, "disk.vda.read_time", 4);
    check_value(s, "disk.vda.write_time", 5);
    check_value(s, "disk.vda.queue", 100.0 / 2000);
    check_value(s, "disk.vda.util", 5);
    check_value(s, "disk.vda.wait", (140.0 - 100) / 30);
    /* without requests no time per request; an old kernel tells no flushes */
    check_value(s, "disk.nvme0n1.reads", 0);
    assert_null(sample_get(s, "disk.nvme0n1.read_time"));
    assert_null(sample_get(s, "disk.nvme0n1.write_time"));
    assert_null(sample_get(s, "disk.nvme0n1.wait"));
    assert_null(sample_get(s, "disk.nvme0n1.flushes"));
    sample_free(s);
}

static void counters_that_go_back_have_no_rate(void **state)
{
    struct world *w = *state;
    struct sample *s;

    tree_file(w->root, "proc/diskstats", diskstats);
    use(w, &disk_source);
    sample_free(first(w));
    tree_file(w->root, "proc/diskstats", " 253 0 vda 1 0 2 3 4 0 8 5 0 4 9\n");
    s = later(w);
    check_value(s, "disk.vda.inflight", 0);
    assert_int_equal(s->count, 1);
    sample_free(s);
}

/* More disks than are read: the last line is not taken for whole when it is cut within a number. */
static void a_cut_line_is_left_out(void **state)
{
    struct world *w = *state;
    struct buf text = BUF_INIT;
    struct sample *s;

    while (text.len < 128 * 1024 - 90)
        buf_addf(&text, "   7 0 loop0 9 0 9 9 9 0 9 9 0 9 9\n");
    buf_addf(&text, " 253 0 vda 1 0 2 3 4 0 8 5 7 4 ");
    while (text.len < 128 * 1024 + 20)
        buf_addf(&text, "9");
    buf_addf(&text, "\n");
    tree_file(w->root, "proc/diskstats", buf_text(&text));
    use(w, &disk_source);
    s = first(w);
    assert_int_equal(s->count, 0);
    sample_free(s);
    buf_release(&text);
}

static void the_servers_process_is_followed(void **state)
{
    struct world *w = *state;
    struct sample *s;

    tree_file(w->root, "proc/77/status", "Name:\tmysqld\nVmRSS:\t  500 kB\nVmSwap:\t 20 kB\n");
    tree_file(w->root, "proc/88/status", "Name:\tmysqld\nVmRSS:\t  600 kB\n");
    use(w, &process_source);
    s = first(w);
    assert_int_equal(s->count, 0); /* not known which one it is */
    sample_free(s);
    server_facts_set(w->config.server, 77, NULL, NULL, NULL);
    s = first(w);
    check_value(s, "mysql.rss", 500 * 1024);
    check_value(s, "mysql.swap", 20 * 1024);
    sample_free(s);
    server_facts_set(w->config.server, 88, NULL, NULL, NULL);
    s = later(w);
    check_value(s, "mysql.rss", 600 * 1024);
    assert_null(sample_get(s, "mysql.swap"));
    sample_free(s);
    server_facts_set(w->config.server, 99, NULL, NULL, NULL);
    s = later(w);
    assert_int_equal(s->count, 0);
    sample_free(s);
}

static void the_agent_itself(void **state)
{
    struct world *w = *state;
    struct sample *s;

    tree_file(w->root, "proc/self/statm", "900 10 5 1 0 4 0\n");
    use(w, &agent_source);
    s = first(w);
    check_value(s, "agent.rss", 10.0 * (double)sysconf(_SC_PAGESIZE));
    assert_null(sample_get(s, "agent.cpu"));
    sample_free(s);
    s = later(w);
    assert_non_null(sample_get(s, "agent.cpu"));
    sample_free(s);
}

/* A mount of /tmp's device under a made-up disk; the same again as a bind mount; tmpfs; NFS. */
static void filesystems_of_disks_once(void **state)
{
    struct world *w = *state;
    AUTO_FREE char *text = NULL, *link = NULL, *used = NULL, *size = NULL;
    struct statvfs v;
    struct sample *s;

    assert_int_equal(statvfs(w->root, &v), 0);
    text = xasprintf("30 1 253:1 / %s rw - ext4 /dev/vda1 rw\n"
                     "31 30 253:1 / %s/proc/self rw - ext4 /dev/vda1 rw\n"
                     "32 30 0:30 / /run rw - tmpfs tmpfs rw\n"
                     "33 30 0:44 / /mnt/nfs rw - nfs4 server:/x rw\n",
                     w->root, w->root);
    tree_file(w->root, "proc/self/mountinfo", text);
    tree_dirs(w->root, "sys/devices/vda", 1);
    tree_link(w->root, "sys/dev/block/253:1", "sys/devices/vda");
    use(w, &fs_source);
    s = first(w);
    size = xasprintf("fs.%s.size", w->root);
    used = xasprintf("fs.%s.used", w->root);
    check_value(s, size, (double)v.f_blocks * (double)v.f_frsize);
    assert_non_null(sample_get(s, used));
    assert_int_equal(s->count, v.f_files ? 4 : 3);
    sample_free(s);
}

static void what_is_missing_is_absent(void **state)
{
    struct world *w = *state;

    for (size_t n = 0; n < os_source_count; n++) {
        struct sample *s;

        use(w, os_sources[n]);
        sample_free(first(w));
        s = later(w);
        /* our own CPU time needs no /proc */
        assert_int_equal(s->count, os_sources[n] == &agent_source ? 1 : 0);
        sample_free(s);
    }
}

static void reads_the_live_system(void **state)
{
    static const struct {
        const struct source *source;
        const char *name;
    } cases[] = {{&loadavg_source, "system.load1"},     {&cpu_source, "system.cpu.idle"},
                 {&meminfo_source, "system.mem.total"}, {&meminfo_source, "system.swap.used"},
                 {&vmstat_source, "system.swap.in"},    {&agent_source, "agent.rss"},
                 {&process_source, "mysql.rss"}};
    struct world *w = *state;

    w->config.root = "";
    server_facts_set(w->config.server, getpid(), NULL, NULL, NULL);
    for (size_t n = 0; n < ARRAY_SIZE(cases); n++) {
        struct sample *s;

        use(w, cases[n].source);
        sample_free(first(w));
        usleep(50000); /* some clock ticks for the CPU's shares */
        s = later(w);
        if (!sample_get(s, cases[n].name))
            fail_msg("%s is absent here", cases[n].name);
        sample_free(s);
    }
}

static void note_absent(void *arg, const char *name, const char *reason)
{
    struct buf *to = arg;

    assert_true(*reason != '\0');
    buf_addf(to, "%s ", name);
}

/* As CentOS 6 would be: an old kernel's rows are named, and no others. */
static void what_a_kernel_lacks_is_named(void **state)
{
    struct world *w = *state;
    AUTO_FREE char *mounts = xasprintf("30 1 253:1 / %s rw - ext4 /dev/vda1 rw\n", w->root);
    struct buf text = BUF_INIT;

    tree_file(w->root, "proc/loadavg", "0.50 1.25 2.00 3/400 12345\n");
    tree_file(w->root, "proc/meminfo",
              "MemTotal: 1 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\nDirty: 8 kB\nWriteback: 0 kB\n");
    tree_file(w->root, "proc/vmstat", "pswpin 1\npswpout 2\n");
    tree_file(w->root, "proc/net/dev", " eth0:1000 9 0 0 0 0 0 0 500 9 0 0 0 0 0 0\n");
    tree_file(w->root, "proc/diskstats", " 253 0 vda 1 0 2 3 4 0 8 5 0 4 9\n");
    tree_file(w->root, "proc/self/mountinfo", mounts);
    tree_dirs(w->root, "sys/devices/vda", 1);
    tree_link(w->root, "sys/dev/block/253:1", "sys/devices/vda");
    os_rows_absent(w->root, note_absent, &text);
    assert_string_equal(buf_text(&text),
                        "system.cpu.user system.cpu.system system.cpu.iowait system.cpu.steal "
                        "system.cpu.idle system.mem.available disk.*.flushes ");
    buf_release(&text);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(load_is_told),
        T(cpu_is_shared_out),
        T(memory_is_told_in_bytes),
        T(memory_that_is_not_told_is_absent),
        T(swapping_is_a_rate_of_bytes),
        T(interfaces_but_loopback),
        T(whole_disks_only),
        T(disk_values),
        T(counters_that_go_back_have_no_rate),
        T(a_cut_line_is_left_out),
        T(the_servers_process_is_followed),
        T(the_agent_itself),
        T(filesystems_of_disks_once),
        T(what_is_missing_is_absent),
        T(reads_the_live_system),
        T(what_a_kernel_lacks_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
