/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading a series file, whatever became of it; see series_file.h. */
#include "host-coordinator/series/series_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

#define PORTION      65536
#define HOST_IDS_MAX 1024

struct reader {
    struct wire_reader wire;
    struct series *into;
    struct series_head *head;
    bool headed, ended; /* a head was seen, and the one at the end */
    uint32_t last_id;
    uint64_t lost;
    char *host[HOST_IDS_MAX]; /* names of the coordinator's own metrics by id */
};

static void copy_text(char *to, size_t size, const char *from)
{
    (void)snprintf(to, size, "%s", from ? from : "");
    err_plain(to);
}

static void take_head(struct reader *r, const Cbsnap__SeriesHead *m)
{
    struct series_head *h = r->head;

    r->ended = r->last_id > 1;
    if (r->headed)
        return;
    r->headed = true;
    copy_text(h->set, sizeof(h->set), m->set);
    copy_text(h->domain, sizeof(h->domain), m->domain);
    h->started_us = m->started_us;
    h->started_wall_us = m->started_wall_us;
    h->related = m->has_clock_offset_us && clock_sane(m->clock_offset_us);
    h->clock_offset_us = m->clock_offset_us;
    h->clock_uncertainty_us = m->clock_uncertainty_us;
    h->freeze_from_us = m->freeze_from_us;
    h->freeze_to_us = m->freeze_to_us;
    h->dropped = m->dropped;
}

/* The guest's go to the series; ours are kept here. */
static void take_names(struct reader *r, const Cbsnap__Names *m)
{
    for (size_t n = 0; n < m->n_name; n++) {
        const Cbsnap__Name *name = m->name[n];
        Cbsnap__Names one = {.base = m->base, .n_name = 1, .name = &m->name[n]};

        if (!name->has_id || name->id < SERIES_NAMES_MAX) {
            series_names(r->into, &one);
        } else if (name->name && name->id - SERIES_NAMES_MAX < HOST_IDS_MAX) {
            free(r->host[name->id - SERIES_NAMES_MAX]);
            r->host[name->id - SERIES_NAMES_MAX] = xstrdup(name->name);
        }
    }
}

static void take_host_sample(struct reader *r, const Cbsnap__Sample *m)
{
    for (size_t n = 0; n < m->n_id && n < m->n_value && m->has_mono_us; n++) {
        uint32_t at = m->id[n] - SERIES_NAMES_MAX; /* wraps to beyond the list if too small */

        if (at < HOST_IDS_MAX && r->host[at])
            series_add(r->into, r->host[at], m->mono_us, m->value[n]);
    }
}

static void take(struct reader *r, const Cbsnap__Envelope *m)
{
    if (m->has_id && m->id > r->last_id) {
        r->lost += m->id - r->last_id - 1;
        r->last_id = m->id;
    }
    switch (m->body_case) {
    case CBSNAP__ENVELOPE__BODY_SERIES_HEAD:
        take_head(r, m->series_head);
        break;
    case CBSNAP__ENVELOPE__BODY_NAMES:
        take_names(r, m->names);
        break;
    case CBSNAP__ENVELOPE__BODY_SAMPLE:
        if (m->sample->has_host && m->sample->host)
            take_host_sample(r, m->sample);
        else
            series_sample(r->into, m->sample);
        break;
    default: /* of a later coordinator */
        break;
    }
}

static void feed(struct reader *r, const void *data, size_t len)
{
    Cbsnap__Envelope *m;

    wire_reader_feed(&r->wire, data, len);
    while ((m = message_next(&r->wire, NULL))) {
        take(r, m);
        message_free(m);
    }
}

/* A frame that was cut off may have whole ones inside what it takes for its payload. */
static void feed_end(struct reader *r)
{
    while (wire_reader_partial(&r->wire)) {
        wire_reader_stalled(&r->wire);
        feed(r, "", 0);
    }
}

static int finish(struct reader *r, const char *what, struct series_damage *ret, struct err *e)
{
    feed_end(r);
    *ret = (struct series_damage){.frames = r->lost + !r->ended, .bytes = r->wire.skipped};
    if (r->headed && r->head->related)
        series_set_clock(r->into, r->head->clock_offset_us);
    for (size_t n = 0; n < HOST_IDS_MAX; n++)
        free(r->host[n]);
    wire_reader_release(&r->wire);
    if (r->headed)
        return 0;
    return err_set(e, ERR_PROTOCOL,
                   "'%s' is no series file, or is damaged at both ends: its times mean nothing",
                   what);
}

static struct reader begin(struct series *into, struct series_head *head)
{
    *head = (struct series_head){.related = false};
    return (struct reader){.into = into, .head = head};
}

int series_file_parse(const void *data, size_t len, const char *what, struct series *into,
                      struct series_head *ret_head, struct series_damage *ret_damage, struct err *e)
{
    struct reader r = begin(into, ret_head);
    const uint8_t *at = data;

    for (size_t n; len > 0; at += n, len -= n) {
        n = len < PORTION ? len : PORTION;
        feed(&r, at, n);
    }
    return finish(&r, what, ret_damage, e);
}

int series_file_read(const char *path, struct series *into, struct series_head *ret_head,
                     struct series_damage *ret_damage, struct err *e)
{
    struct reader r = begin(into, ret_head);
    AUTO_FCLOSE FILE *f = fopen(path, "re");
    uint8_t portion[PORTION];
    size_t n;

    if (!f)
        return err_set_sys(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "cannot read '%s'",
                           path);
    while ((n = fread(portion, 1, sizeof(portion), f)) > 0)
        feed(&r, portion, n);
    if (ferror(f)) {
        (void)finish(&r, path, ret_damage, NULL);
        return err_set_sys(e, ERR_IO, errno, "cannot read '%s'", path);
    }
    return finish(&r, path, ret_damage, e);
}
