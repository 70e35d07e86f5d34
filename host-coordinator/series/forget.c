/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Letting go of what is too old to be of use; see series_forget() in series.h. */
#include "host-coordinator/series/series_internal.h"

#include <stdlib.h>
#include <string.h>

static void forget_points(struct series *s, struct series_row *row, int64_t before_us)
{
    size_t old = 0;

    while (old < row->count && row->points[old].at_us < before_us)
        old++;
    if (old == 0)
        return;
    row->count -= old;
    s->points -= old;
    memmove(row->points, row->points + old, row->count * sizeof(*row->points));
}

/* A later text of the same name that holds at that time too has replaced this one. */
static bool replaced(const struct series *s, size_t n, int64_t before_us)
{
    for (size_t later = n + 1; later < s->text_count; later++) {
        if (s->texts[later].at_us <= before_us &&
            strcmp(s->texts[later].name, s->texts[n].name) == 0)
            return true;
    }
    return false;
}

static void forget_texts(struct series *s, int64_t before_us)
{
    size_t kept = 0;

    for (size_t n = 0; n < s->text_count; n++) {
        if (s->texts[n].at_us < before_us && replaced(s, n, before_us))
            free(s->texts[n].text);
        else
            s->texts[kept++] = s->texts[n];
    }
    s->text_count = kept;
}

static void forget_trxs(struct series *s, int64_t before_us)
{
    size_t kept = 0;

    for (size_t n = 0; n < s->trx_count; n++) {
        struct series_trx *t = &s->trxs[n];

        if (t->at_us >= before_us) {
            s->trxs[kept++] = *t;
            continue;
        }
        free(t->id);
        free(t->user);
        free(t->statement);
    }
    s->trx_count = kept;
}

static void forget_lines(struct series *s, int64_t before_us)
{
    size_t kept = 0;

    for (size_t n = 0; n < s->line_count; n++) {
        if (s->lines[n].at_us >= before_us)
            s->lines[kept++] = s->lines[n];
        else
            free(s->lines[n].text);
    }
    s->line_count = kept;
}

static void forget_files(struct series *s, int64_t before_us)
{
    size_t kept = 0;

    for (size_t n = 0; n < s->file_count; n++) {
        if (s->files[n].at_us >= before_us)
            s->files[kept++] = s->files[n];
        else
            free(s->files[n].path);
    }
    s->file_count = kept;
}

void series_forget(struct series *s, int64_t before_us)
{
    for (size_t n = 0; n < s->count; n++)
        forget_points(s, &s->rows[n], before_us);
    forget_texts(s, before_us);
    forget_trxs(s, before_us);
    forget_lines(s, before_us);
    forget_files(s, before_us);
}
