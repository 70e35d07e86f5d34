/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One request per volume and second, as long as nobody minds; see volumes_watch.h. */
#include "host-coordinator/plan/volumes_watch.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/clock.h"

struct watched {
    const struct set_volume *of;
    struct storage_op stats, history;
    bool asked;    /* stats is under way, or done and not yet taken */
    bool answered; /* for good or ill, not taken back */
    bool asked_history;
    bool told, told_history;  /* what went wrong was noted */
    struct volume_past *past; /* the answer to history */
    size_t past_count;
};

struct volumes_watch {
    struct run *run;
    uv_timer_t timer;
    uv_prepare_t look; /* runs before the loop sleeps: after every answer */
    unsigned open;     /* handles */
    bool suspended;
    size_t count;
    struct watched volumes[];
};

/* ---- answers --------------------------------------------------------------------------------- */

/* Two volumes of a set may have the same name, on two appliances; ids differ. */
static const char *instance(const struct volumes_watch *w, const struct watched *v)
{
    for (size_t n = 0; n < w->count; n++) {
        const struct watched *other = &w->volumes[n];

        if (other != v && strcmp(other->of->volume.name, v->of->volume.name) == 0)
            return v->of->volume.id;
    }
    return v->of->volume.name;
}

static void add(struct volumes_watch *w, const struct watched *v, const char *what, bool had,
                double value)
{
    char *name;

    if (!had)
        return;
    name = xasprintf("volume.%s.%s", instance(w, v), what);
    series_add(w->run->series, name, v->stats.ended_us, value);
    free(name);
}

static void take_stats(struct volumes_watch *w, struct watched *v)
{
    const struct volume_stats *s = &v->stats.stats;

    v->asked = false;
    v->answered |= v->stats.err.code != ERR_CANCELLED;
    if (err_is_set(&v->stats.err)) {
        if (!v->told && v->stats.err.code != ERR_CANCELLED)
            run_note(w->run, "readings of volume '%s' are missing: %s", v->of->volume.name,
                     v->stats.err.msg);
        v->told |= v->stats.err.code != ERR_CANCELLED;
    } else {
        add(w, v, "iops", s->has_iops, s->iops);
        add(w, v, "throughput", s->has_throughput, s->throughput_kb_s);
        add(w, v, "latency", s->has_latency, s->latency);
        add(w, v, "throttle", s->has_throttle, s->throttle);
        add(w, v, "used", s->has_used, s->used_bytes);
    }
    storage_op_release(&v->stats);
}

static void take_history(struct volumes_watch *w, struct watched *v)
{
    struct storage_op *op = &v->history;

    v->asked_history = false;
    if (err_is_set(&op->err) && op->err.code != ERR_CANCELLED && !v->told_history) {
        run_note(w->run, "what the appliance remembers of volume '%s' is missing: %s",
                 v->of->volume.name, op->err.msg);
        v->told_history = true;
    }
    v->past = op->history;
    v->past_count = op->history_count;
    op->history = NULL;
    op->history_count = 0;
    storage_op_release(op);
}

static void take_all(struct volumes_watch *w)
{
    for (size_t n = 0; n < w->count; n++) {
        struct watched *v = &w->volumes[n];

        if (v->asked && v->stats.done)
            take_stats(w, v);
        if (v->asked_history && v->history.done)
            take_history(w, v);
    }
}

/* ---- requests -------------------------------------------------------------------------------- */

static void ask(struct volumes_watch *w)
{
    for (size_t n = 0; n < w->count; n++) {
        struct watched *v = &w->volumes[n];
        struct storage *s = v->of->storage;

        if (v->asked)
            continue; /* late: waited for, not asked again */
        v->asked = true;
        s->ops->stats(s, &v->of->volume, mono_in_ms(v->of->timeout_ms), &v->stats);
    }
}

static void ask_history(struct volumes_watch *w)
{
    for (size_t n = 0; n < w->count; n++) {
        struct watched *v = &w->volumes[n];
        struct storage *s = v->of->storage;

        v->asked_history = true;
        s->ops->history(s, &v->of->volume, mono_in_ms(v->of->timeout_ms), &v->history);
    }
}

/* Takes back what is under way; an answer that is there already is kept. */
static void take_back(struct volumes_watch *w)
{
    for (size_t n = 0; n < w->count; n++) {
        struct watched *v = &w->volumes[n];

        if (v->asked)
            storage_cancel(v->of->storage, &v->stats);
        if (v->asked_history)
            storage_cancel(v->of->storage, &v->history);
    }
    take_all(w);
}

/* ---- the loop -------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer)
{
    struct volumes_watch *w = timer->data;

    take_all(w);
    ask(w);
}

static void on_look(uv_prepare_t *look)
{
    take_all(look->data);
}

struct volumes_watch *volumes_watch_start(struct run *r)
{
    struct volumes_watch *w = xcalloc(1, sizeof(*w) + r->volume_count * sizeof(w->volumes[0]));

    w->run = r;
    w->count = r->volume_count;
    for (size_t n = 0; n < w->count; n++)
        w->volumes[n].of = &r->volumes[n];
    (void)uv_timer_init(loop_uv(r->loop), &w->timer);
    (void)uv_prepare_init(loop_uv(r->loop), &w->look);
    w->timer.data = w->look.data = w;
    w->open = 2;
    uv_update_time(loop_uv(r->loop)); /* else the first second is shorter by the work before */
    (void)uv_timer_start(&w->timer, on_timer, VOLUMES_WATCH_MS, VOLUMES_WATCH_MS);
    (void)uv_prepare_start(&w->look, on_look);
    ask_history(w);
    ask(w);
    return w;
}

void volumes_watch_suspend(struct volumes_watch *w, bool suspended)
{
    if (!w || suspended == w->suspended)
        return;
    w->suspended = suspended;
    if (suspended) {
        (void)uv_timer_stop(&w->timer);
        take_back(w);
        return;
    }
    uv_update_time(loop_uv(w->run->loop));
    (void)uv_timer_start(&w->timer, on_timer, 0, VOLUMES_WATCH_MS);
}

static void on_closed(uv_handle_t *handle)
{
    struct volumes_watch *w = handle->data;

    if (--w->open > 0)
        return;
    for (size_t n = 0; n < w->count; n++) {
        for (size_t p = 0; p < w->volumes[n].past_count; p++)
            free(w->volumes[n].past[p].time);
        free(w->volumes[n].past);
    }
    free(w);
}

void volumes_watch_stop(struct volumes_watch *w)
{
    if (!w)
        return;
    take_back(w);
    uv_close((uv_handle_t *)&w->timer, on_closed);
    uv_close((uv_handle_t *)&w->look, on_closed);
}

bool volumes_watch_answered(const struct volumes_watch *w)
{
    for (size_t n = 0; n < w->count; n++) {
        if (!w->volumes[n].answered)
            return false;
    }
    return true;
}

size_t volumes_watch_history(const struct volumes_watch *w, size_t volume,
                             const struct volume_past **ret)
{
    *ret = w->volumes[volume].past;
    return w->volumes[volume].past_count;
}
