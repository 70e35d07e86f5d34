/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an act that goes back writes down: its journal before, its report after. See back.h. */
#include "host-coordinator/back/back.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#include <string.h>

const char *back_method_name(enum back_method method)
{
    static const char *const names[] = {
        [BACK_SWITCH] = "switch",
        [BACK_IN_PLACE] = "in-place",
        [BACK_COPY] = "copy",
        [BACK_VERIFY] = "verify",
    };

    return names[method];
}

static void report_begun(struct back *b)
{
    struct record *rec = b->run.record;
    char at[32];

    record_set_text(rec, "id", b->run.set);
    record_set_text(rec, "set", b->id);
    record_set_text(rec, "method", back_method_name(b->method));
    record_set_text(rec, "to", b->to);
    record_set_text(rec, "cbsnap", CBSNAP_VERSION);
    record_set_text(rec, "started", clock_iso(b->run.started_wall_us, at));
}

int step_journal(void *back, struct err *e)
{
    struct back *b = back;
    struct record *head;
    int rc;

    if (loop_check(b->run.loop, e) < 0 ||
        store_prepare(b->run.conf->state_dir, record_text(b->set, "domain.name"), e) < 0 ||
        journal_open(&b->run.journal, b->run.conf->state_dir, b->run.set, e) < 0)
        return -1;
    report_begun(b);
    head = record_new();
    record_copy(head, b->run.record, "started");
    record_set_text(head, "act", back_method_name(b->method));
    record_set_text(head, "id", b->run.set);
    record_set_text(head, "set", b->id);
    record_set_text(head, "uri", b->run.uri);
    record_set_text(head, "to", b->to);
    record_copy(head, b->set, "domain");
    if (b->run.domain) /* what is locked: a set of long ago may not tell */
        record_set_text(head, "domain.uuid", b->run.ops->uuid(b->run.domain));
    record_set_bool(head, "ran", b->ran);
    record_set_bool(head, "start", b->start);
    record_set_bool(head, "no_safety", !b->safety);
    record_set_text(head, "old_definition", b->old_definition);
    for (size_t n = 0; n < b->count; n++) {
        struct record *v = record_append(head, "volumes");

        record_set_text(v, "target", b->volumes[n].target);
        record_set_text(v, "appliance", b->volumes[n].appliance);
        record_set_text(v, "id", b->volumes[n].volume.id);
        record_set_text(v, "name", b->volumes[n].volume.name);
    }
    /* nothing is done yet, and what this does without it nobody could undo */
    rc = back_write(b, head, e);
    if (rc == 0)
        return 0;
    journal_close(b->run.journal, true);
    b->run.journal = NULL;
    return -1;
}

int back_write(struct back *b, struct record *note, struct err *e)
{
    int rc = journal_write(b->run.journal, note, true, e);

    record_free(note);
    return rc;
}

int back_note(struct back *b, const char *what, bool is, struct err *e)
{
    struct record *note = record_new();

    record_set_bool(note, what, is);
    return back_write(b, note, e);
}

void back_note_as_before(struct back *b)
{
    struct err why = ERR_INIT;

    if (back_note(b, "vm_as_before", true, &why) < 0)
        log_warn("%s", why.msg); /* other restores wait for a recover, then */
}

static void report_volumes(struct back *b)
{
    for (size_t n = 0; n < b->count; n++) {
        const struct back_volume *v = &b->volumes[n];
        struct record *rec = record_append(b->run.record, "volumes");

        record_set_text(rec, "target", v->target);
        record_set_text(rec, "snapshot", v->at < 0 ? NULL : v->snapshots[v->at].path);
        if (!v->clone.id)
            continue;
        record_set_text(rec, "id", v->clone.id);
        record_set_text(rec, "name", v->clone.name);
        record_set_text(rec, "iqn", v->clone.iqn);
    }
}

static void report_ended(struct back *b)
{
    struct record *rec = b->run.record;
    char at[32];

    if (b->method != BACK_VERIFY)
        report_volumes(b);
    if (b->down_us && b->served_us)
        record_set_real(rec, "out_of_service_ms", (double)(b->served_us - b->down_us) / 1000.0);
    if (b->concluded)
        certificate_report(rec, &b->result);
    else
        record_set_text(rec, "result", "not compared");
    record_set_text(rec, "ended", clock_iso(wall_us(), at));
    record_set_real(rec, "duration_ms", run_ms(&b->run, mono_us()));
}

int step_report(void *back, struct err *e)
{
    struct back *b = back;

    /* it may have changed since, for this took its time */
    struct record *now = store_load(b->run.conf->state_dir, b->id, e);
    int rc;

    if (!now)
        return -1;
    report_ended(b);
    if (b->method == BACK_VERIFY)
        record_put(now, "verify", b->run.record);
    else
        record_append_copy(now, "restores", b->run.record);
    rc = store_save(b->run.conf->state_dir, record_text(now, "domain.name"), b->id, now, e);
    record_free(now);
    return rc;
}

static bool is_told(const struct record *set, const char *id)
{
    for (size_t n = 0; n < record_count(set, "restores"); n++) {
        const char *told = record_text(record_at(set, "restores", n), "id");

        if (told && strcmp(told, id) == 0)
            return true;
    }
    return false;
}

int back_report_recovered(struct back *b, const struct record *journal, struct err *e)
{
    struct record *rec = b->run.record, *now;
    int rc = 0;

    if (!(now = store_load(b->run.conf->state_dir, b->id, e)))
        return -1;
    /* it may have died with all done, or recover may */
    if (!is_told(now, b->run.set)) {
        report_begun(b);
        record_copy(rec, journal, "started");
        if (b->method != BACK_COPY) /* whose VM is told by "to" */
            record_copy(rec, journal, "domain");
        record_set_text(rec, "safety", b->safety ? b->run.set : NULL);
        record_append_text(rec, "notes", "the run died, and recover brought it to its end");
        report_ended(b);
        record_clear(rec, "duration_ms"); /* of recover alone */
        record_append_copy(now, "restores", rec);
        rc = store_save(b->run.conf->state_dir, record_text(now, "domain.name"), b->id, now, e);
    }
    record_free(now);
    return rc;
}

int back_exit(const struct back *b, const struct plan_result *result, const struct err *e)
{
    if (result->undo_failed || e->code == ERR_LOOK)
        return 5;
    if (result->rc == 0)
        return b->result.count > 0 ? 6 : 0;
    if (b->run.journal)
        return 4;
    return e->code == ERR_CONFIG || e->code == ERR_USAGE ? 2 : 3;
}
