/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages kept in memory during a run, and written as one file at its end; see series_file.h. */
#include "host-coordinator/series/series_file.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/replace.h"

#define HOST_NAMES_MAX   1024 /* metrics of our own: a handful for each volume */
#define NAME_LENGTH_MAX  255
#define NAMES_IN_MESSAGE 512

struct entry {
    struct entry *next;
    uint32_t len;
    bool names;
    uint8_t packed[]; /* an Envelope without its id */
};

struct series_log {
    struct entry *first, *last;
    size_t bytes, max_bytes;
    uint64_t dropped;
    char *known[SERIES_NAMES_MAX]; /* names by id, as told by entries that were pushed out */
    char *host[HOST_NAMES_MAX];    /* by id - SERIES_NAMES_MAX */
    size_t host_count;
};

struct series_log *series_log_new(size_t max_bytes)
{
    struct series_log *log = xcalloc(1, sizeof(*log));

    log->max_bytes = max_bytes;
    return log;
}

void series_log_free(struct series_log *log)
{
    if (!log)
        return;
    while (log->first) {
        struct entry *old = log->first;

        log->first = old->next;
        free(old);
    }
    for (size_t n = 0; n < ARRAY_SIZE(log->known); n++)
        free(log->known[n]);
    for (size_t n = 0; n < log->host_count; n++)
        free(log->host[n]);
    free(log);
}

uint64_t series_log_dropped(const struct series_log *log)
{
    return log->dropped;
}

/* ---- taking ---------------------------------------------------------------------------------- */

/* Names outlive the entry that told them: samples that stay need them. */
static void fold_names(struct series_log *log, const struct entry *old)
{
    AUTO_MESSAGE Cbsnap__Envelope *m = message_unpack(old->packed, old->len);

    for (size_t n = 0; m && n < m->names->n_name; n++) {
        const Cbsnap__Name *name = m->names->name[n];

        free(log->known[name->id]);
        log->known[name->id] = xstrdup(name->name);
    }
}

static void push_out_oldest(struct series_log *log)
{
    struct entry *old = log->first;

    if (old->names)
        fold_names(log, old);
    else
        log->dropped++;
    log->first = old->next;
    if (!log->first)
        log->last = NULL;
    log->bytes -= sizeof(*old) + old->len;
    free(old);
}

static void keep(struct series_log *log, const Cbsnap__Envelope *m)
{
    size_t len = cbsnap__envelope__get_packed_size(m);
    struct entry *added = xcalloc(1, sizeof(*added) + len);

    added->len = (uint32_t)len; /* it came in a frame: at most 1 MiB */
    added->names = m->body_case == CBSNAP__ENVELOPE__BODY_NAMES;
    cbsnap__envelope__pack(m, added->packed);
    if (log->last)
        log->last->next = added;
    else
        log->first = added;
    log->last = added;
    log->bytes += sizeof(*added) + len;
    while (log->bytes > log->max_bytes)
        push_out_oldest(log);
}

static bool good_name(const Cbsnap__Name *n)
{
    return n->has_id && n->id < SERIES_NAMES_MAX && n->name && *n->name &&
           strlen(n->name) <= NAME_LENGTH_MAX;
}

/* Only what a reader may take: the guest cannot name a metric of ours. */
static void keep_names(struct series_log *log, const Cbsnap__Names *m)
{
    AUTO_FREE Cbsnap__Name **good = xcalloc(m->n_name, sizeof(*good));
    Cbsnap__Names names = CBSNAP__NAMES__INIT;
    Cbsnap__Envelope kept = CBSNAP__ENVELOPE__INIT;

    names.name = good;
    for (size_t n = 0; n < m->n_name; n++) {
        if (good_name(m->name[n]))
            good[names.n_name++] = m->name[n];
    }
    MSG_BODY(&kept, names, NAMES, &names);
    if (names.n_name > 0)
        keep(log, &kept);
}

void series_log_take(struct series_log *log, const Cbsnap__Envelope *m)
{
    Cbsnap__Envelope kept = CBSNAP__ENVELOPE__INIT;
    Cbsnap__Sample sample;

    if (m->body_case == CBSNAP__ENVELOPE__BODY_NAMES)
        keep_names(log, m->names);
    if (m->body_case != CBSNAP__ENVELOPE__BODY_SAMPLE)
        return;
    sample = *m->sample;
    sample.has_host = 0; /* whatever it says of itself */
    MSG_BODY(&kept, sample, SAMPLE, &sample);
    keep(log, &kept);
}

/* False when there are too many. */
static bool host_id(struct series_log *log, const char *name, uint32_t *ret_id)
{
    size_t at = 0;

    while (at < log->host_count && strcmp(log->host[at], name) != 0)
        at++;
    if (at == HOST_NAMES_MAX || strlen(name) > NAME_LENGTH_MAX)
        return false;
    if (at == log->host_count)
        log->host[log->host_count++] = xstrdup(name);
    *ret_id = (uint32_t)(SERIES_NAMES_MAX + at);
    return true;
}

void series_log_take_host(struct series_log *log, const char *name, int64_t at_us, double value)
{
    Cbsnap__Envelope kept = CBSNAP__ENVELOPE__INIT;
    Cbsnap__Sample sample = CBSNAP__SAMPLE__INIT;
    uint32_t id;

    if (!host_id(log, name, &id)) {
        log->dropped++;
        return;
    }
    MSG_SET(&sample, mono_us, at_us);
    MSG_SET(&sample, host, 1);
    sample.n_id = sample.n_value = 1;
    sample.id = &id;
    sample.value = &value;
    MSG_BODY(&kept, sample, SAMPLE, &sample);
    keep(log, &kept);
}

/* ---- writing --------------------------------------------------------------------------------- */

struct writer {
    struct replace file;
    struct buf out; /* gathers frames, so that each write is worth its call */
    uint32_t id;
};

static int flush(struct writer *w, struct err *e)
{
    int rc = replace_add(&w->file, w->out.data, w->out.len, e);

    buf_clear(&w->out);
    return rc;
}

/* Fields may come in any order: the message's number is put before what is packed already. */
static int write_packed(struct writer *w, const uint8_t *packed, size_t len, struct err *e)
{
    Cbsnap__Envelope number = CBSNAP__ENVELOPE__INIT;
    struct buf whole = BUF_INIT;
    size_t head;
    int rc;

    MSG_SET(&number, id, ++w->id);
    head = cbsnap__envelope__get_packed_size(&number);
    cbsnap__envelope__pack(&number, buf_reserve(&whole, head + len));
    whole.len = head;
    buf_add(&whole, packed, len);
    rc = wire_frame(&w->out, whole.data, whole.len, e);
    buf_release(&whole);
    if (rc == 0 && w->out.len > 65536)
        rc = flush(w, e);
    return rc;
}

static int write_message(struct writer *w, const Cbsnap__Envelope *m, struct err *e)
{
    size_t len = cbsnap__envelope__get_packed_size(m);
    AUTO_FREE uint8_t *packed = xcalloc(1, len);

    cbsnap__envelope__pack(m, packed);
    return write_packed(w, packed, len, e);
}

static int write_head(struct writer *w, const struct series_head *head, uint64_t dropped,
                      struct err *e)
{
    Cbsnap__SeriesHead h = CBSNAP__SERIES_HEAD__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

    h.set = (char *)head->set;
    h.domain = (char *)head->domain;
    MSG_SET(&h, started_us, head->started_us);
    MSG_SET(&h, started_wall_us, head->started_wall_us);
    if (head->related) {
        MSG_SET(&h, clock_offset_us, head->clock_offset_us);
        MSG_SET(&h, clock_uncertainty_us, head->clock_uncertainty_us);
    }
    if (head->freeze_from_us) {
        MSG_SET(&h, freeze_from_us, head->freeze_from_us);
        MSG_SET(&h, freeze_to_us, head->freeze_to_us);
    }
    if (dropped > 0)
        MSG_SET(&h, dropped, dropped);
    MSG_BODY(&m, series_head, SERIES_HEAD, &h);
    return write_message(w, &m, e);
}

/* The names in `list`, whose ids count from `first`; NULL in it: none. */
static int write_names(struct writer *w, char *const *list, size_t count, uint32_t first,
                       struct err *e)
{
    Cbsnap__Name one[NAMES_IN_MESSAGE], *ptrs[NAMES_IN_MESSAGE];
    int rc = 0;

    for (size_t n = 0; rc == 0 && n < count;) {
        Cbsnap__Names names = CBSNAP__NAMES__INIT;
        Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

        for (; n < count && names.n_name < NAMES_IN_MESSAGE; n++) {
            Cbsnap__Name *name = &one[names.n_name];

            if (!list[n])
                continue;
            cbsnap__name__init(name);
            MSG_SET(name, id, first + (uint32_t)n);
            name->name = list[n];
            ptrs[names.n_name++] = name;
        }
        names.name = ptrs;
        MSG_BODY(&m, names, NAMES, &names);
        if (names.n_name > 0)
            rc = write_message(w, &m, e);
    }
    return rc;
}

static int write_all(struct writer *w, const struct series_head *head, const struct series_log *log,
                     struct err *e)
{
    if (write_head(w, head, log->dropped, e) < 0 ||
        write_names(w, log->known, ARRAY_SIZE(log->known), 0, e) < 0 ||
        write_names(w, log->host, log->host_count, SERIES_NAMES_MAX, e) < 0)
        return -1;
    for (const struct entry *at = log->first; at; at = at->next) {
        if (write_packed(w, at->packed, at->len, e) < 0)
            return -1;
    }
    return write_head(w, head, log->dropped, e) < 0 ? -1 : flush(w, e);
}

char *series_file_path(const char *state_dir, const char *domain, const char *set)
{
    return xasprintf("%s/records/%s/%s.series", state_dir, domain, set);
}

int series_file_write(const char *path, const struct series_head *head,
                      const struct series_log *log, struct err *e)
{
    struct writer w = {.id = 0};
    int rc = replace_begin(&w.file, path, 0640, e);

    if (rc == 0)
        rc = write_all(&w, head, log, e);
    buf_release(&w.out);
    return replace_end(&w.file, rc == 0, e);
}
