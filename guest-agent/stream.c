/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sending samples to one subscriber; see stream.h. */
#include "guest-agent/stream.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

#define INTERVAL_MIN_MS 100
#define NAMES_BYTES     (64 * 1024) /* in one message; far below the limit of a frame */
#define NAME_OVERHEAD   8
#define INTERVAL_MAX_MS 60000

void stream_set(struct stream *st, const struct sampler *s, const Cbsnap__Subscribe *m)
{
    int64_t from_us = mono_us() - (m->has_history_ms ? (int64_t)m->history_ms * 1000 : 0);

    *st = (struct stream){.on = !m->has_interval_ms || m->interval_ms > 0, .next = sampler_next(s)};
    if (m->has_interval_ms && m->interval_ms > 0)
        st->interval_ms = m->interval_ms < INTERVAL_MIN_MS   ? INTERVAL_MIN_MS
                          : m->interval_ms > INTERVAL_MAX_MS ? INTERVAL_MAX_MS
                                                             : (int)m->interval_ms;
    if (m->has_history_ms)
        while (st->next > sampler_first(s) && sampler_at(s, st->next - 1)->mono_us >= from_us)
            st->next--;
    st->since = st->next;
}

/* Names from `first` on, as many as one message should hold. */
static size_t names_portion(const struct names *names, size_t first, size_t count)
{
    size_t bytes = 0, n;

    for (n = first; n < count && bytes < NAMES_BYTES; n++)
        bytes += strlen(names_at(names, n)) + NAME_OVERHEAD;
    return n - first;
}

static int send_portion(struct stream *st, const struct names *names, size_t count,
                        struct peer *peer)
{
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    Cbsnap__Names list = CBSNAP__NAMES__INIT;
    AUTO_FREE Cbsnap__Name *items = xcalloc(count, sizeof(*items));
    AUTO_FREE Cbsnap__Name **ptrs = xcalloc(count, sizeof(Cbsnap__Name *));

    for (size_t n = 0; n < count; n++) {
        cbsnap__name__init(&items[n]);
        MSG_SET(&items[n], id, (uint32_t)(st->names_told + n));
        items[n].name = (char *)names_at(names, st->names_told + n);
        ptrs[n] = &items[n];
    }
    list.n_name = count;
    list.name = ptrs;
    MSG_BODY(&m, names, NAMES, &list);
    if (peer_send(peer, &m, PEER_MUST) < 0)
        return -1;
    st->names_told += count;
    return 0;
}

/* The names that this subscriber has not been told. Never dropped: samples are worth nothing
 * without. All that a sample uses are in the table before the sample comes here. */
static int send_names(struct stream *st, const struct names *names, struct peer *peer)
{
    size_t count = names_count(names);

    while (st->names_told < count) {
        if (send_portion(st, names, names_portion(names, st->names_told, count), peer) < 0)
            return -1;
    }
    return 0;
}

/* A sample as its message; what the lists point at is the sample's. */
struct packed {
    Cbsnap__Sample m;
    Cbsnap__Transaction trx[SAMPLE_TRX_MAX], *trx_ptrs[SAMPLE_TRX_MAX];
    Cbsnap__ServerLine line[SAMPLE_LINES_MAX], *line_ptrs[SAMPLE_LINES_MAX];
    Cbsnap__OpenFile file[SAMPLE_FILES_MAX], *file_ptrs[SAMPLE_FILES_MAX];
    Cbsnap__TextValue text[SAMPLE_TEXTS_MAX], *text_ptrs[SAMPLE_TEXTS_MAX];
};

static void pack_trx(struct packed *p, const struct sample *s)
{
    for (size_t n = 0; n < s->trx_count; n++) {
        cbsnap__transaction__init(&p->trx[n]);
        p->trx[n].id = s->trx[n].id;
        MSG_SET(&p->trx[n], thread, s->trx[n].thread);
        p->trx[n].user = s->trx[n].user;
        MSG_SET(&p->trx[n], age_s, s->trx[n].age_s);
        MSG_SET(&p->trx[n], rows_modified, s->trx[n].rows_modified);
        p->trx[n].statement = s->trx[n].statement;
        p->trx_ptrs[n] = &p->trx[n];
    }
    p->m.n_transaction = s->trx_count;
    p->m.transaction = p->trx_ptrs;
}

static void pack_lines(struct packed *p, const struct sample *s)
{
    for (size_t n = 0; n < s->line_count; n++) {
        cbsnap__server_line__init(&p->line[n]);
        if (s->lines[n].at_wall_us)
            MSG_SET(&p->line[n], at_wall_us, s->lines[n].at_wall_us);
        MSG_SET(&p->line[n], level, (Cbsnap__ServerLine__Level)s->lines[n].level);
        p->line[n].text = s->lines[n].text;
        p->line_ptrs[n] = &p->line[n];
    }
    p->m.n_line = s->line_count;
    p->m.line = p->line_ptrs;
}

static void pack_files(struct packed *p, const struct sample *s)
{
    for (size_t n = 0; n < s->file_count; n++) {
        cbsnap__open_file__init(&p->file[n]);
        p->file[n].path = s->files[n].path;
        MSG_SET(&p->file[n], bytes, s->files[n].bytes);
        p->file_ptrs[n] = &p->file[n];
    }
    p->m.n_deleted = s->file_count;
    p->m.deleted = p->file_ptrs;
}

static void pack_texts(struct packed *p, const struct sample *s)
{
    for (size_t n = 0; n < s->text_count; n++) {
        cbsnap__text_value__init(&p->text[n]);
        MSG_SET(&p->text[n], id, s->texts[n].id);
        p->text[n].text = s->texts[n].text;
        p->text_ptrs[n] = &p->text[n];
    }
    p->m.n_text = s->text_count;
    p->m.text = p->text_ptrs;
}

/* Values by id, each once. */
struct values {
    uint32_t *ids;
    double *values;
    size_t count;
    bool has[NAMES_MAX];
};

static void add_values(struct values *v, const struct sample *s)
{
    v->ids = xrealloc(v->ids, (v->count + s->count + 1) * sizeof(*v->ids));
    v->values = xrealloc(v->values, (v->count + s->count + 1) * sizeof(*v->values));
    for (size_t n = 0; n < s->count; n++) {
        if (v->has[s->ids[n]])
            continue;
        v->has[s->ids[n]] = true;
        v->ids[v->count] = s->ids[n];
        v->values[v->count++] = s->values[n];
    }
}

/* Of sample `number`, and of those skipped before it what it has not, the newest first. */
static struct values *gather(const struct stream *st, const struct sampler *s, uint64_t number)
{
    struct values *v = xcalloc(1, sizeof(*v));
    uint64_t from = st->since > sampler_first(s) ? st->since : sampler_first(s);

    add_values(v, sampler_at(s, number));
    while (number-- > from)
        add_values(v, sampler_at(s, number));
    return v;
}

static void values_free(struct values *v)
{
    free(v->ids);
    free(v->values);
    free(v);
}

static int send_one(const struct stream *st, const struct sampler *from, struct peer *peer)
{
    const struct sample *s = sampler_at(from, st->next);
    AUTO_FREE struct packed *p = xcalloc(1, sizeof(*p));
    struct values *v = gather(st, from, st->next);
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    int rc;

    cbsnap__sample__init(&p->m);
    MSG_SET(&p->m, mono_us, s->mono_us);
    MSG_SET(&p->m, wall_us, s->wall_us);
    p->m.n_id = p->m.n_value = v->count;
    p->m.id = v->ids;
    p->m.value = v->values;
    pack_trx(p, s);
    pack_lines(p, s);
    pack_files(p, s);
    pack_texts(p, s);
    if (s->missed + st->lost)
        MSG_SET(&p->m, missed, (uint32_t)(s->missed + st->lost));
    MSG_BODY(&m, sample, SAMPLE, &p->m);
    rc = peer_send(peer, &m, PEER_DROPPABLE);
    values_free(v);
    return rc;
}

/* Before its time; a quarter of slack, since the sampler's own pace is not exact either. */
static bool is_early(const struct stream *st, const struct sample *s)
{
    return (st->due_us - s->mono_us) * 4 > (int64_t)st->interval_ms * 1000;
}

static bool has_list(const struct sample *s)
{
    return s->line_count || s->trx_count || s->file_count || s->text_count;
}

/* The times that samples are due at do not move with when one came, else one late sample would make
 * the next, in time, look early. */
static void advance(struct stream *st, const struct sample *s)
{
    int64_t step_us = (int64_t)st->interval_ms * 1000;

    if (is_early(st, s))
        return; /* sent for its list */
    st->due_us = s->mono_us < st->due_us + step_us ? st->due_us + step_us : s->mono_us + step_us;
}

void stream_pump(struct stream *st, const struct sampler *s, struct peer *peer)
{
    while (st->on && st->next < sampler_next(s)) {
        const struct sample *sample;

        if (st->next < sampler_first(s)) {
            st->lost += sampler_first(s) - st->next;
            st->next = st->since = sampler_first(s);
        }
        sample = sampler_at(s, st->next);
        if (is_early(st, sample) && !has_list(sample)) {
            st->next++;
            continue;
        }
        if (send_names(st, sampler_names(s), peer) < 0 || send_one(st, s, peer) < 0)
            return; /* goes on when the queue has drained */
        advance(st, sample);
        st->since = ++st->next;
        st->lost = 0;
    }
}
