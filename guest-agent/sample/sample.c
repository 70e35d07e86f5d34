/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One reading; see sample.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest-agent/sample/names.h"
#include "guest-agent/sample/procfile.h"
#include "proto/base/buf.h"
#include "proto/base/clock.h"

#define NAME_BYTES 512 /* a mount point may be long; what is longer is left out, never cut */

struct sample *sample_new(struct names *names)
{
    struct sample *s = xcalloc(1, sizeof(*s));

    s->names = names;
    s->mono_us = mono_us();
    s->wall_us = wall_us();
    return s;
}

void sample_free(struct sample *s)
{
    if (!s)
        return;
    for (size_t n = 0; n < s->trx_count; n++)
        free(s->trx[n].statement);
    for (size_t n = 0; n < s->line_count; n++)
        free(s->lines[n].text);
    for (size_t n = 0; n < s->file_count; n++)
        free(s->files[n].path);
    for (size_t n = 0; n < s->text_count; n++)
        free(s->texts[n].text);
    free(s->trx);
    free(s->lines);
    free(s->files);
    free(s->texts);
    free(s->ids);
    free(s->values);
    free(s);
}

static void resize(struct sample *s, size_t cap)
{
    s->cap = cap;
    s->ids = xrealloc(s->ids, cap * sizeof(*s->ids));
    s->values = xrealloc(s->values, cap * sizeof(*s->values));
}

static void push(struct sample *s, uint16_t id, double value)
{
    if (s->count == s->cap)
        resize(s, s->cap ? s->cap * 2 : 64);
    s->ids[s->count] = id;
    s->values[s->count++] = value;
}

static void emit(struct sample *s, int id, double value)
{
    if (id >= 0)
        push(s, (uint16_t)id, value);
}

void sample_emit(struct sample *s, const char *name, double value)
{
    if (isfinite(value))
        emit(s, names_id(s->names, name), value);
}

void sample_emit_of(struct sample *s, const char *pattern, const char *instance, double value)
{
    const char *star = strchr(pattern, '*');
    char clean[NAME_BYTES], name[NAME_BYTES];
    size_t given = strlen(instance);
    int len;

    if (!star || given == 0 || given >= sizeof(clean) || !isfinite(value))
        return;
    text_clean(clean, sizeof(clean), instance, given);
    len = snprintf(name, sizeof(name), "%.*s%s%s", (int)(star - pattern), pattern, clean, star + 1);
    if (len > 0 && len < (int)sizeof(name))
        emit(s, names_instance_id(s->names, name), value);
}

void sample_add_text(struct sample *s, const char *name, const char *text)
{
    int id = names_id(s->names, name);

    if (id < 0 || s->text_count == SAMPLE_TEXTS_MAX)
        return;
    if (!s->texts)
        s->texts = xcalloc(SAMPLE_TEXTS_MAX, sizeof(*s->texts));
    s->texts[s->text_count++] = (struct sample_text){.id = (uint16_t)id, .text = xstrdup(text)};
}

void sample_add_trx(struct sample *s, const struct sample_trx *t)
{
    struct sample_trx *to;

    if (s->trx_count == SAMPLE_TRX_MAX)
        return;
    if (!s->trx)
        s->trx = xcalloc(SAMPLE_TRX_MAX, sizeof(*s->trx));
    to = &s->trx[s->trx_count++];
    *to = *t;
    to->statement = t->statement ? xstrdup(t->statement) : NULL;
}

void sample_add_line(struct sample *s, int64_t at_wall_us, enum sample_line_level level,
                     const char *text)
{
    if (s->line_count == SAMPLE_LINES_MAX)
        return;
    if (!s->lines)
        s->lines = xcalloc(SAMPLE_LINES_MAX, sizeof(*s->lines));
    s->lines[s->line_count++] =
        (struct sample_line){.at_wall_us = at_wall_us, .level = level, .text = xstrdup(text)};
}

void sample_add_file(struct sample *s, const char *path, uint64_t bytes)
{
    if (s->file_count == SAMPLE_FILES_MAX)
        return;
    if (!s->files)
        s->files = xcalloc(SAMPLE_FILES_MAX, sizeof(*s->files));
    s->files[s->file_count++] = (struct sample_file){.path = xstrdup(path), .bytes = bytes};
}

void sample_merge(struct sample *to, struct sample *from)
{
    for (size_t n = 0; n < from->count; n++)
        push(to, from->ids[n], from->values[n]);
    for (size_t n = 0; n < from->trx_count; n++)
        sample_add_trx(to, &from->trx[n]);
    for (size_t n = 0; n < from->line_count; n++)
        sample_add_line(to, from->lines[n].at_wall_us, from->lines[n].level, from->lines[n].text);
    for (size_t n = 0; n < from->file_count; n++)
        sample_add_file(to, from->files[n].path, from->files[n].bytes);
    for (size_t n = 0; n < from->text_count; n++)
        sample_add_text(to, names_at(from->names, from->texts[n].id), from->texts[n].text);
    sample_free(from);
}

const double *sample_get(const struct sample *s, const char *name)
{
    for (size_t n = 0; n < s->count; n++) {
        if (strcmp(names_at(s->names, s->ids[n]), name) == 0)
            return &s->values[n];
    }
    return NULL;
}

void sample_trim(struct sample *s)
{
    if (s->count > 0 && s->count < s->cap)
        resize(s, s->count);
}

static size_t text_bytes(const char *text)
{
    return text ? strlen(text) + 17 : 0; /* with malloc's own */
}

size_t sample_bytes(const struct sample *s)
{
    size_t sum = sizeof(*s) + s->cap * (sizeof(*s->ids) + sizeof(*s->values));

    sum += s->trx ? SAMPLE_TRX_MAX * sizeof(*s->trx) : 0;
    sum += s->lines ? SAMPLE_LINES_MAX * sizeof(*s->lines) : 0;
    sum += s->files ? SAMPLE_FILES_MAX * sizeof(*s->files) : 0;
    sum += s->texts ? SAMPLE_TEXTS_MAX * sizeof(*s->texts) : 0;
    for (size_t n = 0; n < s->trx_count; n++)
        sum += text_bytes(s->trx[n].statement);
    for (size_t n = 0; n < s->line_count; n++)
        sum += text_bytes(s->lines[n].text);
    for (size_t n = 0; n < s->file_count; n++)
        sum += text_bytes(s->files[n].path);
    for (size_t n = 0; n < s->text_count; n++)
        sum += text_bytes(s->texts[n].text);
    return sum;
}
