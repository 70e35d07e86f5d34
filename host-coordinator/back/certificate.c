/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What came back against what was taken; see certificate.h. */
#include "host-coordinator/back/certificate.h"

#include "host-coordinator/rank/when.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A guest that lies at length is told of no longer than this. */
#define DIFFERENCES_MAX 100
#define TEXT_MAX        2000

/* ---- the result ------------------------------------------------------------------------------ */

static char *plain(const char *text)
{
    char *copy = strndup(text, TEXT_MAX);

    if (!copy)
        abort();
    err_plain(copy);
    return copy;
}

static void free_texts(char **texts, size_t count)
{
    for (size_t n = 0; n < count; n++)
        free(texts[n]);
    free(texts);
}

void certificate_release(struct certificate_result *r)
{
    for (size_t n = 0; n < r->count; n++) {
        free(r->differences[n].what);
        free(r->differences[n].expected);
        free(r->differences[n].found);
    }
    free(r->differences);
    free_texts(r->compared, r->compared_count);
    free_texts(r->notes, r->note_count);
    *r = (struct certificate_result){.count = 0};
}

void certificate_differs(struct certificate_result *r, const char *what, const char *expected,
                         const char *found)
{
    if (r->count == DIFFERENCES_MAX)
        return;
    r->differences = xrealloc(r->differences, (r->count + 1) * sizeof(*r->differences));
    r->differences[r->count++] = (struct certificate_difference){
        .what = plain(what), .expected = plain(expected), .found = plain(found)};
}

static void add_text(char ***texts, size_t *count, const char *text)
{
    *texts = xrealloc(*texts, (*count + 1) * sizeof(**texts));
    (*texts)[(*count)++] = plain(text);
}

static void equal(struct certificate_result *r, const char *what)
{
    add_text(&r->compared, &r->compared_count, what);
}

static void note(struct certificate_result *r, const char *text)
{
    add_text(&r->notes, &r->note_count, text);
}

static void compare_text(struct certificate_result *r, const char *what, const char *expected,
                         const char *found)
{
    if (found && strcmp(expected, found) == 0)
        equal(r, what);
    else
        certificate_differs(r, what, expected, found ? found : "not told");
}

/* ---- the log volume -------------------------------------------------------------------------- */

static const Cbsnap__BinlogFile *find_binlog(const Cbsnap__Certificate *c, const char *name)
{
    for (size_t n = 0; n < c->n_binlog; n++) {
        if (c->binlog[n]->name && strcmp(c->binlog[n]->name, name) == 0)
            return c->binlog[n];
    }
    return NULL;
}

static void compare_binlog(struct certificate_result *r, const struct record *set,
                           const Cbsnap__Certificate *c)
{
    const char *name = record_text(set, "position.binlog_file");
    int64_t offset = 0;
    const Cbsnap__BinlogFile *file;
    AUTO_FREE char *expected = NULL;
    AUTO_FREE char *found = NULL;

    if (!name || !record_int(set, "position.binlog_offset", &offset)) {
        note(r, "the record has no position in a binary log");
        return;
    }
    file = find_binlog(c, name);
    r->position = true;
    expected = xasprintf("%s with %lld bytes", name, (long long)offset);
    if (!file)
        found = xstrdup("no such file");
    else if (!file->has_bytes)
        found = xstrdup("a file of a size that is not told");
    else
        found = xasprintf("%s with %llu bytes", name, (unsigned long long)file->bytes);
    compare_text(r, "binary log", expected, found);
    /* the start opens a new file: without one, who wrote how much into this one is not known */
    if (file && c->n_binlog > 0 && c->binlog[c->n_binlog - 1] == file)
        certificate_differs(r, "binary log", "a newer file, opened by the start",
                            "the record's is the newest");
}

static void compare_gtid(struct certificate_result *r, const struct record *set,
                         const Cbsnap__Certificate *c, bool verifying)
{
    const char *expected = record_text(set, "position.gtid_set");

    if (!expected)
        note(r, "the record has no GTID set");
    else if (verifying)
        compare_text(r, "GTID set", expected, c->gtid_set);
    else if (c->gtid_at_start)
        compare_text(r, "GTID set at the server's start", expected, c->gtid_at_start);
    else
        note(r, "the GTID set at the server's start could not be read: the agent's account needs "
                "REPLICATION SLAVE (MariaDB: BINLOG MONITOR) for that");
}

/* ---- the data volume ------------------------------------------------------------------------- */

static void compare_lsn(struct certificate_result *r, const struct record *set,
                        const Cbsnap__Certificate *c)
{
    int64_t taken = 0, checkpoint = 0, found;
    AUTO_FREE char *told = NULL;
    AUTO_FREE char *expected = NULL;

    if (!record_int(set, "position.innodb_lsn", &taken) || taken < 0) {
        note(r, "the record has no log sequence number");
        return;
    }
    if (c->has_recovered_lsn && c->recovered_lsn <= INT64_MAX) {
        found = (int64_t)c->recovered_lsn;
        told = xasprintf("recovered up to %lld", (long long)found);
        expected = xasprintf("%lld, at most %lld before or %lld after it", (long long)taken,
                             (long long)CERTIFICATE_LSN_BEHIND, (long long)CERTIFICATE_LSN_AHEAD);
        /* both are the guest's words, and not negative: their difference cannot overflow */
        if (found - taken < -CERTIFICATE_LSN_BEHIND || found - taken > CERTIFICATE_LSN_AHEAD)
            certificate_differs(r, "InnoDB log sequence number", expected, told);
        else
            equal(r, "InnoDB log sequence number");
        r->data = true;
        return;
    }
    if (!c->has_innodb_lsn || c->innodb_lsn > INT64_MAX) {
        note(r, "the server tells no log sequence number");
        return;
    }
    /* nothing to recover, or not told: it can only have grown since the checkpoint */
    found = (int64_t)c->innodb_lsn;
    if (!record_int(set, "position.innodb_lsn_checkpoint", &checkpoint))
        checkpoint = taken - CERTIFICATE_LSN_BEHIND;
    told = xasprintf("%lld", (long long)found);
    expected = xasprintf("%lld or more", (long long)checkpoint);
    if (found < checkpoint)
        certificate_differs(r, "InnoDB log sequence number", expected, told);
    else
        note(r, "how far recovery went is not told; the log sequence number is not below the "
                "record's checkpoint");
}

/* Was that mark written before the set ended? Ids begin with the time of the host, and that of one
 * of the two may have been wrong. The guest's clock tells besides: the mark has its time, and the
 * record by how much it differed from the host's. */
static bool mark_is_older(const struct record *set, const Cbsnap__Mark *mark)
{
    int64_t offset_ms = 0, ended_us = 0;
    const char *ended = record_text(set, "ended");

    if (!mark->has_at_wall_us || !ended || !when_rfc3339(ended, &ended_us) ||
        !record_int(set, "guest.wall_offset_ms", &offset_ms))
        return false;
    /* all three may be any number: reals cannot overflow */
    return (double)mark->at_wall_us < (double)ended_us + (double)offset_ms * 1000.0;
}

/* Of a set without a mark of its own: one that is newer came from a newer data volume. */
static void compare_later_mark(struct certificate_result *r, const struct record *set,
                               const Cbsnap__Mark *mark)
{
    AUTO_FREE char *text = NULL;

    if (!mark || !mark->set || strcmp(mark->set, record_text(set, "set")) <= 0)
        return;
    if (!mark_is_older(set, mark)) {
        certificate_differs(r, "mark row", "none that is newer than the set", mark->set);
        return;
    }
    text =
        xasprintf("the last mark row is of set %s, which by the guest's clock is older than this "
                  "one: the host's clock was wrong for one of the two",
                  mark->set);
    note(r, text);
}

static void compare_mark(struct certificate_result *r, const struct record *set,
                         const Cbsnap__Certificate *c)
{
    if (!record_bool(set, "instance.manifest.marked")) {
        compare_later_mark(r, set, c->mark);
        return;
    }
    if (!c->mark && c->mark_problem) {
        AUTO_FREE char *why = xasprintf("the mark row could not be read: %s", c->mark_problem);

        note(r, why);
        return;
    }
    compare_text(r, "mark row", record_text(set, "set"),
                 c->mark && c->mark->set ? c->mark->set : "none");
    r->data = true;
}

/* ---- the root volume ------------------------------------------------------------------------- */

static void compare_manifest(struct certificate_result *r, const struct record *set,
                             const Cbsnap__Certificate *c)
{
    if (record_text(set, "instance.manifest.path"))
        compare_text(r, "manifest on the root volume", record_text(set, "set"),
                     c->manifest ? c->manifest : "none");
}

/* ---- the start ------------------------------------------------------------------------------- */

static void add_log_lines(struct certificate_result *r, const Cbsnap__Certificate *c)
{
    AUTO_FREE char *count = xasprintf("%u errors", c->errors);

    certificate_differs(r, "error log since the start", "no errors", count);
    for (size_t n = 0; n < c->n_line; n++) {
        if (c->line[n]->has_level && c->line[n]->text &&
            c->line[n]->level == CBSNAP__SERVER_LINE__LEVEL__ERROR)
            certificate_differs(r, "error log since the start", "no errors", c->line[n]->text);
    }
}

static void compare_stillness(struct certificate_result *r, const Cbsnap__Certificate *c)
{
    if (!c->has_read_only || !c->read_only)
        certificate_differs(r, "server held still", "read only", "writable");
    if (c->has_events_run && c->events_run)
        certificate_differs(r, "server held still", "no event scheduler", "it runs");
    if (c->has_replica_runs && c->replica_runs)
        certificate_differs(r, "server held still", "no replication", "it runs");
}

void certificate_compare(struct certificate_result *r, const struct record *set,
                         const Cbsnap__Certificate *c, bool verifying)
{
    const char *uuid = record_text(set, "position.server_uuid");

    if (uuid)
        compare_text(r, "server UUID", uuid, c->server_uuid);
    compare_binlog(r, set, c);
    compare_gtid(r, set, c, verifying);
    compare_lsn(r, set, c);
    compare_mark(r, set, c);
    compare_manifest(r, set, c);
    if (c->has_errors && c->errors > 0)
        add_log_lines(r, c);
    else if (c->has_errors)
        equal(r, "error log since the start");
    else
        note(r, "the server's error log could not be read: whether it complained is not known");
    if (verifying)
        compare_stillness(r, c);
    r->unproven = !r->data;
    if (r->unproven && r->position)
        note(r,
             "nothing tells how old the data volume is, neither recovery nor a mark row: that it "
             "is the set's is not proven");
}

/* No record tells which tables the set had: most often it is the name that is wrong. */
static void note_absent(struct certificate_result *r, const Cbsnap__DataChecked *d)
{
    AUTO_FREE char *text =
        xasprintf("no data was read: there is no table '%.200s'", d->absent_table[0]);

    note(r, text);
    r->unread = true;
}

void certificate_data(struct certificate_result *r, const Cbsnap__DataChecked *d)
{
    AUTO_FREE char *tables = xasprintf("%u tables read whole", d->tables);
    AUTO_FREE char *files = xasprintf("checksums of %u files", d->files);
    bool sound;

    for (size_t n = 0; n < d->n_problem; n++)
        certificate_differs(r, d->problem[n]->object ? d->problem[n]->object : "data", "sound",
                            d->problem[n]->text ? d->problem[n]->text : "not sound");
    if (d->n_absent_table > 0)
        note_absent(r, d);
    sound = d->n_problem == 0 && !(d->has_problems && d->problems > 0) && !r->unread;
    if (d->has_problems && d->problems > d->n_problem) {
        AUTO_FREE char *more = xasprintf("%u in all", d->problems);

        certificate_differs(r, "data", "sound", more);
    }
    if (d->tables_problem && !r->unread)
        certificate_differs(r, "tables", "all can be checked", d->tables_problem);
    else if (sound)
        equal(r, tables);
    if (d->files_problem)
        note(r, d->files_problem);
    else if (sound && d->files > 0)
        equal(r, files);
}

/* Without a position to compare, that it recovers and is sound is all that is known. */
bool certificate_same(const struct certificate_result *r)
{
    return r->count == 0 && r->position && !r->unproven && !r->unread;
}

static const char *result_word(const struct certificate_result *r)
{
    if (r->count > 0)
        return "different";
    return certificate_same(r) ? "same" : "sound";
}

void certificate_report(struct record *to, const struct certificate_result *r)
{
    record_set_text(to, "result", result_word(r));
    for (size_t n = 0; n < r->count; n++) {
        struct record *one = record_append(to, "differences");

        record_set_text(one, "what", r->differences[n].what);
        record_set_text(one, "expected", r->differences[n].expected);
        record_set_text(one, "found", r->differences[n].found);
    }
    for (size_t n = 0; n < r->compared_count; n++)
        record_append_text(to, "compared", r->compared[n]);
    for (size_t n = 0; n < r->note_count; n++)
        record_append_text(to, "notes", r->notes[n]);
}
