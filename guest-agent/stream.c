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

static int send_one(struct peer *peer, const struct sample *s, uint64_t lost)
{
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    Cbsnap__Sample sample = CBSNAP__SAMPLE__INIT;
    AUTO_FREE Cbsnap__Metric *metrics = xcalloc(s->count + 1, sizeof(*metrics));
    AUTO_FREE Cbsnap__Metric **ptrs = xcalloc(s->count + 1, sizeof(Cbsnap__Metric *));
    Cbsnap__Transaction trx[3], *trx_ptrs[3];

    MSG_SET(&sample, mono_us, s->mono_us);
    MSG_SET(&sample, wall_us, s->wall_us);
    for (size_t n = 0; n < s->count; n++) {
        cbsnap__metric__init(&metrics[n]);
        metrics[n].name = s->metrics[n].name;
        MSG_SET(&metrics[n], value, s->metrics[n].value);
        ptrs[n] = &metrics[n];
    }
    sample.n_metric = s->count;
    sample.metric = ptrs;
    for (size_t n = 0; n < s->trx_count; n++) {
        cbsnap__transaction__init(&trx[n]);
        trx[n].id = (char *)s->trx[n].id;
        MSG_SET(&trx[n], thread, s->trx[n].thread);
        trx[n].user = (char *)s->trx[n].user;
        MSG_SET(&trx[n], age_s, s->trx[n].age_s);
        MSG_SET(&trx[n], rows_modified, s->trx[n].rows_modified);
        trx_ptrs[n] = &trx[n];
    }
    sample.n_transaction = s->trx_count;
    sample.transaction = trx_ptrs;
    if (s->missed + lost)
        MSG_SET(&sample, missed, (uint32_t)(s->missed + lost));
    MSG_BODY(&m, sample, SAMPLE, &sample);
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
        if (send_one(peer, sample, lost) < 0)
            return; /* goes on when the queue has drained */
        st->last_us = sample->mono_us;
        st->next++;
    }
}
