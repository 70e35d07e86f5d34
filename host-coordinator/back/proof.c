/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the started VM says of itself: its agent, its server, its data. See back.h. */
#include "host-coordinator/back/back.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#include <string.h>

#define GREET_EVERY_MS 2000
#define ASK_EVERY_MS   500

/* ---- the agent ------------------------------------------------------------------------------- */

static void on_event(void *arg, const Cbsnap__Envelope *m)
{
    struct back *b = arg;
    const Cbsnap__DataCheckProgress *p;

    if (m->body_case != CBSNAP__ENVELOPE__BODY_DATA_CHECK_PROGRESS)
        return;
    p = m->data_check_progress;
    if (p->what && p->has_done && p->has_total) {
        AUTO_FREE char *text = xasprintf("reading %.100s (%u of %u)", p->what, p->done, p->total);

        err_plain(text);
        b->run.report.begin(b->run.report.arg, text);
    }
}

static int open_port(struct back *b, int64_t deadline_us, struct err *e)
{
    const struct domain_channel *ch = domain_xml_channel(&b->run.xml, b->run.conf->channel);
    int fd;

    if (!ch || !*ch->path)
        return err_set(e, ERR_REFUSED, "the VM has no channel '%s' to ask its agent through",
                       b->run.conf->channel);
    if (run_reach_port(&b->run, ch, deadline_us, &fd, e) < 0)
        return -1;
    return guest_begin(&b->run.guest, b->run.loop, fd, ch->path, on_event, b, e);
}

/* A guest that boots reads nothing yet: it is greeted again and again. */
static int greet(struct back *b, int64_t deadline_us, struct err *e)
{
    for (;;) {
        int64_t until = mono_in_ms(GREET_EVERY_MS);
        struct err why = ERR_INIT;

        if (guest_greet(b->run.guest, until < deadline_us ? until : deadline_us, &why) == 0)
            return 0;
        /* busy: one who watches the VM has the port, and lets go when he sees our lock */
        if ((why.code != ERR_TIMEOUT && why.code != ERR_BUSY) || mono_us() >= deadline_us ||
            guest_gone(b->run.guest, NULL)) {
            *e = why;
            return -1;
        }
    }
}

int step_agent(void *back, struct err *e)
{
    struct back *b = back;
    int64_t deadline = mono_in_ms(b->run.conf->boot_ms);

    if (!b->start)
        return 0;
    if (open_port(b, deadline, e) < 0 || greet(b, deadline, e) < 0)
        return err_prefix(e, "the started VM");
    record_set_told(b->run.record, "agent_version", guest_hello(b->run.guest)->agent_version,
                    RUN_TOLD_MAX);
    return 0;
}

/* ---- the server ------------------------------------------------------------------------------ */

static int ask_certificate(struct back *b, int64_t deadline_us, struct err *e)
{
    int64_t patience = mono_in_ms(b->run.conf->answer_ms + 10000);
    Cbsnap__CertificateQuery query = CBSNAP__CERTIFICATE_QUERY__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    struct guest_request req = {.done = false};
    const char *file = record_text(b->set, "position.binlog_file");
    int rc;

    query.set = (char *)b->id;
    query.binlog_file = (char *)file;
    MSG_BODY(&m, certificate_query, CERTIFICATE_QUERY, &query);
    rc = guest_call(b->run.guest, &req, &m, CBSNAP__ENVELOPE__BODY_CERTIFICATE,
                    patience < deadline_us ? patience : deadline_us, e);
    if (rc == 0) {
        message_free(b->certificate);
        b->certificate = STEAL_PTR(req.answer);
    }
    guest_request_release(&req);
    return rc;
}

/* An agent that restarts meanwhile, as units do at boot, is asked again. */
static int wait_ready(struct back *b, int64_t deadline_us, struct err *e)
{
    bool never = false;

    for (;;) {
        int64_t again = mono_in_ms(ASK_EVERY_MS);
        struct err why = ERR_INIT;

        if (ask_certificate(b, deadline_us, &why) == 0 && b->certificate->certificate->has_ready &&
            b->certificate->certificate->ready)
            return 0;
        if (err_is_set(&why) && why.code != ERR_LOST && why.code != ERR_TIMEOUT &&
            why.code != ERR_BUSY) {
            *e = why;
            return -1;
        }
        if (guest_gone(b->run.guest, e) || loop_check(b->run.loop, e) < 0)
            return -1;
        if (mono_us() >= deadline_us)
            return 1;
        (void)loop_wait(b->run.loop, &never, again < deadline_us ? again : deadline_us, NULL);
    }
}

static void report_times(struct back *b, const Cbsnap__Certificate *c)
{
    struct record *rec = b->run.record;

    if (c->has_recovery_ms)
        record_set_int(rec, "recovery_ms", c->recovery_ms);
    if (c->has_recovered_lsn && c->recovered_lsn <= INT64_MAX)
        record_set_int(rec, "recovered_lsn", (int64_t)c->recovered_lsn);
    record_set_told(rec, "server_version", c->server_version, RUN_TOLD_MAX);
}

static void not_ready(struct back *b)
{
    const Cbsnap__Certificate *c = b->certificate ? b->certificate->certificate : NULL;
    AUTO_FREE char *why = xasprintf("it does not answer after %d ms: %s", b->run.conf->recovery_ms,
                                    c && c->problem ? c->problem : "the agent gives no reason");

    certificate_differs(&b->result, "server", "recovers and answers", why);
}

/* Was the guest booted to verify this very set? */
static bool verifying(const struct back *b, const Cbsnap__Certificate *c)
{
    return c->verifying && strcmp(c->verifying, b->id) == 0;
}

/* Differences are no failure of the step: they are its result, and the next steps still look. */
int step_certify(void *back, struct err *e)
{
    struct back *b = back;
    const Cbsnap__Certificate *c;
    int rc;

    if (!b->start)
        return 0;
    rc = wait_ready(b, mono_in_ms(b->run.conf->recovery_ms), e);
    if (rc < 0)
        return err_prefix(e, "the server of the started VM");
    b->served_us = mono_us();
    b->concluded = true;
    if (rc > 0) {
        not_ready(b);
        return 0;
    }
    c = b->certificate->certificate;
    report_times(b, c);
    if (b->method == BACK_VERIFY && !verifying(b, c))
        run_note(&b->run,
                 "the agent in set '%s' knows no verification: its server started as usual, which "
                 "may have written already",
                 b->id);
    certificate_compare(&b->result, b->set, c, verifying(b, c));
    /* nobody held that server still, and nobody reads its data: that is less than verified */
    if (b->method == BACK_VERIFY && !verifying(b, c))
        b->result.unproven = true;
    return 0;
}

/* ---- the data -------------------------------------------------------------------------------- */

/* "a.b, c.d" to its names, which point into *ret_text. */
static size_t split_tables(const char *tables, char **ret_text, char ***ret)
{
    char *text = xstrdup(tables), *save = NULL;
    char **list = NULL;
    size_t count = 0;

    for (char *one = strtok_r(text, ", ", &save); one; one = strtok_r(NULL, ", ", &save)) {
        list = xrealloc(list, (count + 1) * sizeof(*list));
        list[count++] = one;
    }
    *ret_text = text;
    *ret = list;
    return count;
}

int back_check_tables(const char *tables, struct err *e)
{
    AUTO_FREE char *text = NULL;
    AUTO_FREE char **list = NULL;
    size_t count = split_tables(tables, &text, &list);

    for (size_t n = 0; n < count; n++) {
        const char *dot = strchr(list[n], '.');

        if (!dot || dot == list[n] || !dot[1])
            return err_set(e, ERR_USAGE, "'%.100s' is no schema.table", list[n]);
    }
    return count > 0 ? 0 : err_set(e, ERR_USAGE, "it names no table");
}

/* What differs besides is told all the same, with a note of this. */
static int check_read(const struct back *b, struct err *e)
{
    if (!b->result.unread || b->result.count > 0)
        return 0;
    return err_set(e, ERR_NOT_FOUND,
                   "set '%s' is not verified: there is no table '%.200s' in its copy, and no "
                   "record tells whether there was one; look at --tables",
                   b->id, b->checked->data_checked->absent_table[0]);
}

int step_check_data(void *back, struct err *e)
{
    struct back *b = back;
    Cbsnap__DataCheck body = CBSNAP__DATA_CHECK__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    struct guest_request req = {.done = false};
    AUTO_FREE char *text = NULL;
    AUTO_FREE char **tables = NULL;
    int rc;

    if (b->certificate_only || !b->certificate || !b->certificate->certificate->ready ||
        !verifying(b, b->certificate->certificate))
        return 0;
    if (b->tables)
        body.n_table = split_tables(b->tables, &text, &tables);
    body.table = tables;
    MSG_BODY(&m, data_check, DATA_CHECK, &body);
    rc = guest_call(b->run.guest, &req, &m, CBSNAP__ENVELOPE__BODY_DATA_CHECKED,
                    mono_in_ms(b->run.conf->check_ms), e);
    if (rc == 0) {
        b->checked = STEAL_PTR(req.answer);
        certificate_data(&b->result, b->checked->data_checked);
        if (b->checked->data_checked->has_ms)
            record_set_int(b->run.record, "check_ms", b->checked->data_checked->ms);
    }
    guest_request_release(&req);
    return rc < 0 ? err_prefix(e, "reading all data") : check_read(b, e);
}
