/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the guest sends, taken with a grain of salt; see series.h. */
#include "host-coordinator/series/series_internal.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"

void series_names(struct series *s, const Cbsnap__Names *m)
{
    if (!s->by_id)
        s->by_id = xcalloc(SERIES_NAMES_MAX, sizeof(*s->by_id));
    for (size_t n = 0; n < m->n_name; n++) {
        const Cbsnap__Name *name = m->name[n];
        struct series_row *row = NULL;

        if (name->name && *name->name && name->has_id && name->id < SERIES_NAMES_MAX)
            row = series_row(s, name->name, false);
        if (row && !row->host)
            s->by_id[name->id] = (uint16_t)(row - s->rows + 1);
        else
            s->dropped++;
    }
}

static struct series_row *row_of(struct series *s, uint32_t id)
{
    if (!s->by_id || id >= SERIES_NAMES_MAX || !s->by_id[id])
        return NULL;
    return &s->rows[s->by_id[id] - 1];
}

void series_sample(struct series *s, const Cbsnap__Sample *m)
{
    size_t count = m->n_id < m->n_value ? m->n_id : m->n_value;
    int64_t at_us;

    if (!m->has_mono_us || m->n_id != m->n_value) {
        s->dropped++;
        return;
    }
    at_us = series_host_time(m->mono_us, s->offset_us);
    for (size_t n = 0; n < count; n++)
        series_push(s, row_of(s, m->id[n]), at_us, m->value[n]);
    series_lists_take(s, m, at_us);
    s->missed += m->has_missed ? m->missed : 0;
    s->any = true;
    s->newest_us = m->mono_us;
    s->newest_wall_us = m->has_wall_us ? m->wall_us : 0;
}

/* ---- lists ----------------------------------------------------------------------------------- */

/* Room for one more, or NULL. The list is made whole at its first item: it is bounded. */
#define ROOM(s, list, count)                                                                       \
    ((s)->count == SERIES_LIST_MAX                                                                 \
         ? ((s)->dropped++, NULL)                                                                  \
         : ((s)->list = (s)->list ? (s)->list : xcalloc(SERIES_LIST_MAX, sizeof(*(s)->list)),      \
            &(s)->list[(s)->count++]))

static char *copy(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

static bool same(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

static void take_text(struct series *s, const Cbsnap__TextValue *m, int64_t at_us)
{
    const struct series_row *row = m->has_id ? row_of(s, m->id) : NULL;
    struct series_text *to;

    if (!row || !m->text) {
        s->dropped++;
        return;
    }
    for (size_t n = s->text_count; n-- > 0;) {
        if (strcmp(s->texts[n].name, row->name) != 0)
            continue;
        if (strcmp(s->texts[n].text, m->text) == 0)
            return; /* unchanged */
        break;
    }
    to = ROOM(s, texts, text_count);
    if (to)
        *to = (struct series_text){.at_us = at_us, .name = row->name, .text = xstrdup(m->text)};
}

static void take_trx(struct series *s, const Cbsnap__Transaction *m, int64_t at_us)
{
    struct series_trx *to = NULL;

    for (size_t n = 0; n < s->trx_count && !to; n++) {
        if (same(s->trxs[n].id, m->id))
            to = &s->trxs[n];
    }
    if (to) {
        free(to->id);
        free(to->user);
        free(to->statement);
    } else {
        to = ROOM(s, trxs, trx_count);
    }
    if (to)
        *to = (struct series_trx){.at_us = at_us,
                                  .id = copy(m->id),
                                  .user = copy(m->user),
                                  .statement = copy(m->statement),
                                  .thread = m->has_thread ? m->thread : 0,
                                  .rows_modified = m->has_rows_modified ? m->rows_modified : 0,
                                  .age_s = m->has_age_s ? m->age_s : 0};
}

static void take_line(struct series *s, const Cbsnap__ServerLine *m, int64_t at_us)
{
    struct series_line *to = m->text ? ROOM(s, lines, line_count) : NULL;

    if (to)
        *to = (struct series_line){.at_us = at_us,
                                   .at_wall_us = m->has_at_wall_us ? m->at_wall_us : 0,
                                   .level = m->has_level ? (int)m->level : 0,
                                   .text = xstrdup(m->text)};
}

static void take_file(struct series *s, const Cbsnap__OpenFile *m, int64_t at_us)
{
    struct series_file_open *to = NULL;

    if (!m->path)
        return;
    for (size_t n = 0; n < s->file_count && !to; n++) {
        if (same(s->files[n].path, m->path))
            to = &s->files[n];
    }
    if (!to) {
        to = ROOM(s, files, file_count);
        if (to)
            to->path = xstrdup(m->path);
    }
    if (to) {
        to->at_us = at_us;
        to->bytes = m->has_bytes ? m->bytes : 0;
    }
}

void series_lists_take(struct series *s, const Cbsnap__Sample *m, int64_t at_us)
{
    for (size_t n = 0; n < m->n_text; n++)
        take_text(s, m->text[n], at_us);
    for (size_t n = 0; n < m->n_transaction; n++)
        take_trx(s, m->transaction[n], at_us);
    for (size_t n = 0; n < m->n_line; n++)
        take_line(s, m->line[n], at_us);
    for (size_t n = 0; n < m->n_deleted; n++)
        take_file(s, m->deleted[n], at_us);
}

static void shift(int64_t *at_us, int64_t by_us)
{
    *at_us = (int64_t)((uint64_t)*at_us + (uint64_t)by_us);
}

void series_lists_shift(struct series *s, int64_t shift_us)
{
    for (size_t n = 0; n < s->text_count; n++)
        shift(&s->texts[n].at_us, shift_us);
    for (size_t n = 0; n < s->trx_count; n++)
        shift(&s->trxs[n].at_us, shift_us);
    for (size_t n = 0; n < s->line_count; n++)
        shift(&s->lines[n].at_us, shift_us);
    for (size_t n = 0; n < s->file_count; n++)
        shift(&s->files[n].at_us, shift_us);
}

void series_lists_release(struct series *s)
{
    for (size_t n = 0; n < s->text_count; n++)
        free(s->texts[n].text);
    for (size_t n = 0; n < s->trx_count; n++) {
        free(s->trxs[n].id);
        free(s->trxs[n].user);
        free(s->trxs[n].statement);
    }
    for (size_t n = 0; n < s->line_count; n++)
        free(s->lines[n].text);
    for (size_t n = 0; n < s->file_count; n++)
        free(s->files[n].path);
    free(s->texts);
    free(s->trxs);
    free(s->lines);
    free(s->files);
}

size_t series_texts(const struct series *s, const struct series_text **ret)
{
    *ret = s->texts;
    return s->text_count;
}

size_t series_trxs(const struct series *s, const struct series_trx **ret)
{
    *ret = s->trxs;
    return s->trx_count;
}

size_t series_lines(const struct series *s, const struct series_line **ret)
{
    *ret = s->lines;
    return s->line_count;
}

size_t series_files(const struct series *s, const struct series_file_open **ret)
{
    *ret = s->files;
    return s->file_count;
}
