/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the steps share: the run's life, its clock, its phases, calls to libvirt. See run.h. */
#include "host-coordinator/plan/run.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/compat.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* "20161104T101500Z-7f3a": sorts by time; the tail keeps two runs of one second apart. */
static void make_set_id(char id[40], int64_t at_wall_us)
{
    time_t sec = (time_t)(at_wall_us / 1000000);
    char head[24];
    uint16_t tail = 0;
    struct tm tm;

    gmtime_r(&sec, &tm);
    strftime(head, sizeof(head), "%Y%m%dT%H%M%SZ", &tm);
    if (random_fill(&tail, sizeof(tail)) < 0)
        tail = (uint16_t)(at_wall_us ^ getpid());
    (void)snprintf(id, 40, "%s-%04x", head, tail);
}

void run_init(struct run *r, const struct config *conf, const struct domain_ops *ops,
              struct loop *loop, const char *uri, const char *domain_name)
{
    *r = (struct run){.conf = conf, .ops = ops, .loop = loop, .uri = uri};
    r->domain_name = domain_name;
    r->lock_fd = -1;
    r->started_us = mono_us();
    r->started_wall_us = wall_us();
    r->record = record_new();
    r->series = series_new();
    r->log = series_log_new(SERIES_LOG_BYTES);
    make_set_id(r->set, r->started_wall_us);
}

static void release_volume(struct set_volume *v)
{
    if (v->asked && !v->op.done)
        storage_cancel(v->storage, &v->op);
    storage_op_release(&v->op);
    volume_release(&v->volume);
    free(v->mounts);
    free(v->path);
    free(v->listed_time);
}

void run_release(struct run *r)
{
    for (size_t n = 0; n < r->volume_count; n++)
        release_volume(&r->volumes[n]);
    free(r->volumes);
    for (size_t n = 0; r->storages && n < r->conf->appliance_count; n++)
        storage_close(r->storages[n]);
    free(r->storages);
    guest_request_release(&r->prepared);
    guest_close(r->guest);
    message_free(r->freeze.locked);
    message_free(r->freeze.state);
    message_free(r->freeze.released);
    series_free(r->series);
    series_log_free(r->log);
    free(r->writes_before);
    free(r->writes_after);
    domain_fs_list_release(&r->fs);
    domain_xml_release(&r->xml);
    r->ops->close(r->domain);
    if (r->lock_fd >= 0)
        close(r->lock_fd);
    journal_close(r->journal, false);
    record_free(r->record);
}

double run_ms(const struct run *r, int64_t at_us)
{
    return ((double)at_us - (double)r->started_us) / 1000.0;
}

void run_relate_clocks(struct run *r)
{
    int64_t offset, uncertainty;

    if (!r->guest || !guest_clock(r->guest, &offset, &uncertainty))
        return; /* what was known before the link was closed still holds */
    r->clocks_related = true;
    r->clock_offset_us = offset;
    r->clock_uncertainty_us = uncertainty;
    series_set_clock(r->series, offset);
}

bool run_from_guest(const struct run *r, int64_t guest_us, int64_t *ret_host_us)
{
    if (!r->clocks_related)
        return false;
    /* the guest may send any number: no overflow, as it would be undefined */
    *ret_host_us = (int64_t)((uint64_t)guest_us - (uint64_t)r->clock_offset_us);
    return true;
}

static void note(struct run *r, const char *text)
{
    record_append_text(r->record, "notes", text);
    r->report.note(r->report.arg, text);
}

void run_note(struct run *r, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    err_plain(text);
    note(r, text);
}

void run_note_once(struct run *r, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    err_plain(text);
    if (!record_has_text(r->record, "notes", text))
        note(r, text);
}

/* ---- phases -------------------------------------------------------------------------------- */

static void watch_begin(void *ctx, const struct step *s, bool undo)
{
    struct run *r = ctx;

    /* what is begun is undone whole, however often somebody presses ^C */
    loop_shield(r->loop, undo);
    /* while writers wait nothing may wait for our own disk */
    journal_step(r->journal, s->name, undo ? "undo" : "begin", !s->critical);
    r->report.begin(r->report.arg, s->name);
    r->phase_us[r->phase_depth++] = mono_us();
}

static void watch_end(void *ctx, const struct step *s, bool undo, const struct err *why)
{
    struct run *r = ctx;
    int64_t now = mono_us(), began = r->phase_us[--r->phase_depth];
    AUTO_FREE char *name = undo ? xasprintf("undo %s", s->name) : xstrdup(s->name);
    /* the thaw is what the freeze's undo is for: people look for it under its own name */
    bool thaw = undo && s->when == UNDO_ALWAYS && s->critical;
    struct record *phase = record_append(r->record, "phases");

    record_set_text(phase, "name", thaw ? "thaw" : name);
    record_set_real(phase, "start_ms", run_ms(r, began));
    record_set_real(phase, "end_ms", run_ms(r, now));
    /* the thaw lasts until qemu-ga has heard of it; writers waited only for its part "release" */
    if (s->critical && !thaw)
        record_set_bool(phase, "critical", true);
    if (why)
        record_set_text(phase, "error", why->msg);
    r->report.end(r->report.arg, thaw ? "thaw" : name, (double)(now - began) / 1000.0, why);
    journal_step(r->journal, s->name, why ? "failed" : undo ? "undone" : "done", false);
    loop_shield(r->loop, false);
}

const struct plan_watch run_watch = {.begin = watch_begin, .end = watch_end};

/* ---- libvirt, off the loop ----------------------------------------------------------------- */

struct domain_thread {
    struct domain_call call; /* first: the job's argument is both */
    domain_call_fn *fn;
};

static int domain_thread_run(void *arg, struct err *e)
{
    struct domain_thread *t = arg;

    return t->fn(&t->call, e);
}

void domain_call_free(void *call)
{
    struct domain_call *c = call;

    if (!c)
        return;
    c->ops->close(c->domain);
    c->ops->close(c->opened);
    free(c->uri);
    free(c->name);
    free(c->channel);
    free(c->text);
    free(c->xml);
    free(c->definition);
    domain_host_release(&c->host);
    domain_fs_list_release(&c->fs);
    free(c->writes);
    if (c->fd >= 0)
        close(c->fd);
    free(c);
}

static int domain_call_open(struct domain_call *c, struct err *e)
{
    return c->ops->open(&c->opened, c->uri, c->name, e);
}

int domain_call_thaw(struct domain_call *c, struct err *e)
{
    return c->ops->thaw(c->domain, &c->filesystems, e);
}

int run_check_released(const Cbsnap__Released *rel, struct err *e)
{
    for (size_t n = 0; n < rel->n_mount; n++) {
        const Cbsnap__Mount *m = rel->mount[n];

        /* with an answer of the kernel in `frozen` the problem is that it never was frozen */
        if (m->problem && !m->has_frozen)
            return err_set(e, ERR_FREEZE, "filesystem '%.100s' was not thawed: %.200s",
                           m->path ? m->path : "?", m->problem);
    }
    return 0;
}

struct domain_job domain_job_start(struct run *r, domain_call_fn *fn)
{
    return domain_job_start_with(r, fn, NULL, DOMAIN_BY_AGENT);
}

struct domain_job domain_job_start_with(struct run *r, domain_call_fn *fn, const char *text,
                                        enum domain_shutdown how)
{
    struct domain_thread *t = xcalloc(1, sizeof(*t));

    t->fn = fn;
    t->call.ops = r->ops;
    t->call.fd = -1;
    t->call.domain = r->domain ? r->ops->hold(r->domain) : NULL;
    t->call.uri = xstrdup(r->uri);
    t->call.name = xstrdup(r->domain_name);
    t->call.channel = xstrdup(r->conf->channel);
    t->call.text = text ? xstrdup(text) : NULL;
    t->call.how = how;
    return (struct domain_job){
        .call = &t->call,
        .job = job_start(r->loop, domain_thread_run, t, domain_call_free),
    };
}

int domain_job_wait(struct run *r, struct domain_job *j, int64_t deadline_us,
                    struct domain_call **ret_call, const char *what, struct err *e)
{
    bool abandoned = false;
    int rc = job_wait(r->loop, j->job, deadline_us, &abandoned, e);

    j->job = NULL;
    if (abandoned) {
        err_prefix(e, "%s: libvirt", what);
        return -1;
    }
    if (rc < 0) {
        domain_call_free(j->call);
        return -1;
    }
    *ret_call = j->call;
    return 0;
}

int run_open_domain(struct run *r, struct err *e)
{
    struct domain_job job = domain_job_start(r, domain_call_open);
    struct domain_call *c;

    if (domain_job_wait(r, &job, mono_in_ms(r->conf->libvirt_ms), &c, "open", e) < 0)
        return -1;
    r->domain = STEAL_PTR(c->opened);
    domain_call_free(c);
    return 0;
}
