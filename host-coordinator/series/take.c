/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the guest sends, taken with a grain of salt; see series.h. */
#include "host-coordinator/series/series_internal.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/clock.h"
#include "proto/base/plain.h"

/* What an appliance measures is read by ourselves: the guest must not be the first to name it. */
static bool of_host(const char *name)
{
    return strncmp(name, "volume.", strlen("volume.")) == 0;
}

/* A disk or a mount point may be called nearly anything. But a terminal obeys these, and a record,
 * where each takes six bytes and the name stands three times, would grow beyond what is read. */
static bool has_controls(const char *name)
{
    while (*name && !plain_control(name))
        name++;
    return *name;
}

static bool fit_for_a_row(struct series *s, const char *name)
{
    if (!name || !*name || strlen(name) > SERIES_NAME_MAX || of_host(name))
        return false;
    if (!has_controls(name))
        return true;
    s->odd_names = true;
    return false;
}

void series_names(struct series *s, const Cbsnap__Names *m)
{
    if (!s->by_id)
        s->by_id = xcalloc(SERIES_NAMES_MAX, sizeof(*s->by_id));
    for (size_t n = 0; n < m->n_name; n++) {
        const Cbsnap__Name *name = m->name[n];
        struct series_row *row = NULL;

        if (fit_for_a_row(s, name->name) && name->has_id && name->id < SERIES_NAMES_MAX)
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

    if (!m->has_mono_us || !clock_sane(m->mono_us) || m->n_id != m->n_value) {
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

static void release_text(void *item)
{
    free(((struct series_text *)item)->text);
}

static void release_trx(void *item)
{
    struct series_trx *t = item;

    free(t->id);
    free(t->user);
    free(t->statement);
}

static void release_line(void *item)
{
    free(((struct series_line *)item)->text);
}

static void release_file(void *item)
{
    free(((struct series_file_open *)item)->path);
}

#define OLDEST (SERIES_LIST_MAX / 4) /* go at once when a list is full: moving the rest costs */

/* The list with room for one more at its end; it is made whole at its first item. */
static void *with_room(struct series *s, void *list, size_t *count, size_t size,
                       void (*release)(void *item))
{
    char *items = list ? list : xcalloc(SERIES_LIST_MAX, size);

    if (*count == SERIES_LIST_MAX) {
        for (size_t n = 0; n < OLDEST; n++)
            release(items + n * size);
        *count -= OLDEST;
        memmove(items, items + OLDEST * size, *count * size);
        s->dropped += OLDEST;
    }
    return items;
}

/* A new item at the end of the list. */
#define ROOM(s, list, count, release)                                                              \
    ((s)->list = with_room(s, (s)->list, &(s)->count, sizeof(*(s)->list), release),                \
     &(s)->list[(s)->count++])

/* The guest's texts are kept as far as anybody reads them: in whole characters of UTF-8. */
static size_t kept_length(const char *text)
{
    size_t len = strnlen(text, SERIES_TEXT_MAX + 1);

    if (len <= SERIES_TEXT_MAX)
        return len;
    for (len = SERIES_TEXT_MAX; len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80;)
        len--;
    return len;
}

static char *copy(const char *text)
{
    char *to = text ? strndup(text, kept_length(text)) : NULL;

    if (text && !to)
        abort(); /* like the allocators of buf.h */
    return to;
}

/* Is `kept` what is kept of `told`? */
static bool same(const char *kept, const char *told)
{
    size_t len = told ? kept_length(told) : 0;

    return kept && told && strncmp(kept, told, len) == 0 && kept[len] == '\0';
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
        if (same(s->texts[n].text, m->text))
            return; /* unchanged */
        break;
    }
    to = ROOM(s, texts, text_count, release_text);
    *to = (struct series_text){.at_us = at_us, .name = row->name, .text = copy(m->text)};
}

static void take_trx(struct series *s, const Cbsnap__Transaction *m, int64_t at_us)
{
    struct series_trx *to = NULL;

    for (size_t n = 0; n < s->trx_count && !to; n++) {
        if (same(s->trxs[n].id, m->id))
            to = &s->trxs[n];
    }
    if (to)
        release_trx(to);
    else
        to = ROOM(s, trxs, trx_count, release_trx);
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
    struct series_line *to;

    if (!m->text)
        return;
    to = ROOM(s, lines, line_count, release_line);
    *to = (struct series_line){.at_us = at_us,
                               .at_wall_us = m->has_at_wall_us ? m->at_wall_us : 0,
                               .level = m->has_level ? (int)m->level : 0,
                               .text = copy(m->text)};
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
        to = ROOM(s, files, file_count, release_file);
        to->path = copy(m->path);
    }
    to->at_us = at_us;
    to->bytes = m->has_bytes ? m->bytes : 0;
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
        release_text(&s->texts[n]);
    for (size_t n = 0; n < s->trx_count; n++)
        release_trx(&s->trxs[n]);
    for (size_t n = 0; n < s->line_count; n++)
        release_line(&s->lines[n]);
    for (size_t n = 0; n < s->file_count; n++)
        release_file(&s->files[n]);
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
