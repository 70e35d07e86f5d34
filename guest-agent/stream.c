/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sending samples to one subscriber; see stream.h. */
#include "guest-agent/stream.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

#define INTERVAL_MIN_MS 100
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
}

/* The names that this subscriber has not been told. Never dropped: samples are worth nothing
 * without. */
static int send_names(struct stream *st, const struct names *names, struct peer *peer)
{
    size_t count = names_count(names) - st->names_told;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    Cbsnap__Names list = CBSNAP__NAMES__INIT;
    AUTO_FREE Cbsnap__Name *items = NULL;
    AUTO_FREE Cbsnap__Name **ptrs = NULL;

    if (count == 0)
        return 0;
    items = xcalloc(count, sizeof(*items));
    ptrs = xcalloc(count, sizeof(*ptrs));
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

static int send_one(struct peer *peer, const struct sample *s, uint64_t lost)
{
    AUTO_FREE struct packed *p = xcalloc(1, sizeof(*p));
    AUTO_FREE uint32_t *ids = xcalloc(s->count + 1, sizeof(*ids));
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

    cbsnap__sample__init(&p->m);
    MSG_SET(&p->m, mono_us, s->mono_us);
    MSG_SET(&p->m, wall_us, s->wall_us);
    for (size_t n = 0; n < s->count; n++)
        ids[n] = s->ids[n];
    p->m.n_id = p->m.n_value = s->count;
    p->m.id = ids;
    p->m.value = s->values;
    pack_trx(p, s);
    pack_lines(p, s);
    pack_files(p, s);
    pack_texts(p, s);
    if (s->missed + lost)
        MSG_SET(&p->m, missed, (uint32_t)(s->missed + lost));
    MSG_BODY(&m, sample, SAMPLE, &p->m);
    return peer_send(peer, &m, PEER_DROPPABLE);
}

void stream_pump(struct stream *st, const struct sampler *s, struct peer *peer)
{
    while (st->on && st->next < sampler_next(s)) {
        uint64_t lost = 0;
        const struct sample *sample;

        if (st->next < sampler_first(s)) {
            lost = sampler_first(s) - st->next;
            st->next = sampler_first(s);
        }
        sample = sampler_at(s, st->next);
        /* a tenth of slack: the sampler's own pace is not exact either */
        if (st->last_us && (sample->mono_us - st->last_us) * 10 < (int64_t)st->interval_ms * 9000) {
            st->next++;
            continue;
        }
        if (send_names(st, sampler_names(s), peer) < 0 || send_one(peer, sample, lost) < 0)
            return; /* goes on when the queue has drained */
        st->last_us = sample->mono_us;
        st->next++;
    }
}
