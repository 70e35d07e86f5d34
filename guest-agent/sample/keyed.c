/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "KEY VALUE" lines by the rows of the catalogue; see keyed.h. */
#include "guest-agent/sample/keyed.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest-agent/sample/procfile.h"
#include "guest-agent/sample/rate.h"

struct entry {
    const struct metric_row *row;
    char key[64], less[64]; /* less: what is taken off, "" for nothing */
    bool has, has_less, has_previous;
    double value, less_value, previous;
};

struct keyed {
    struct entry *entries;
    size_t count;
    bool begins[UCHAR_MAX + 1]; /* by a key's first character: most lines are told by it */
    int64_t previous_us;
    double page;
};

static void add_row(struct keyed *k, const struct metric_row *row)
{
    const char *dash = strchr(row->source, '-');
    size_t len = dash ? (size_t)(dash - row->source) : strlen(row->source);
    struct entry *x;

    k->entries = xrealloc(k->entries, (k->count + 1) * sizeof(*k->entries));
    x = &k->entries[k->count++];
    *x = (struct entry){.row = row};
    (void)snprintf(x->key, sizeof(x->key), "%.*s", (int)len, row->source);
    (void)snprintf(x->less, sizeof(x->less), "%s", dash ? dash + 1 : "");
    k->begins[(unsigned char)x->key[0]] = true;
    if (*x->less)
        k->begins[(unsigned char)x->less[0]] = true;
}

struct keyed *keyed_new(enum metric_family family)
{
    struct keyed *k = xcalloc(1, sizeof(*k));

    for (size_t n = 0; n < metric_row_count; n++) {
        if (metric_rows[n].family == family)
            add_row(k, &metric_rows[n]);
    }
    k->page = (double)sysconf(_SC_PAGESIZE);
    return k;
}

void keyed_free(struct keyed *k)
{
    if (!k)
        return;
    free(k->entries);
    free(k);
}

void keyed_forget(struct keyed *k)
{
    k->previous_us = 0;
}

static double scale_of(const struct keyed *k, const struct entry *x, bool kib)
{
    if (kib)
        return 1024;
    return x->row->unit == UNIT_BYTES_PER_S ? k->page : 1;
}

static void take(struct keyed *k, const char *key, char *rest)
{
    uint64_t number;
    bool parsed = false, kib = false;

    for (size_t n = 0; n < k->count; n++) {
        struct entry *x = &k->entries[n];
        bool first = strcmp(key, x->key) == 0;

        if (!first && strcmp(key, x->less) != 0)
            continue;
        if (!parsed) {
            if (!text_number(&rest, &number))
                return;
            kib = strcmp(text_word(&rest), "kB") == 0;
            parsed = true;
        }
        if (first)
            x->value = (double)number * scale_of(k, x, kib), x->has = true;
        else
            x->less_value = (double)number * scale_of(k, x, kib), x->has_less = true;
    }
}

static void emit(struct entry *x, double seconds, struct sample *to)
{
    double value = x->value - (*x->less ? x->less_value : 0);
    bool known = x->has && (!*x->less || x->has_less) && value >= 0;

    if (known && x->row->kind != KIND_RATE)
        sample_emit(to, x->row->name, value);
    /* a counter that went back has no rate */
    if (known && x->row->kind == KIND_RATE && x->has_previous && seconds > 0 &&
        value >= x->previous)
        sample_emit(to, x->row->name, (value - x->previous) / seconds);
    x->previous = value;
    x->has_previous = known;
}

void keyed_read(struct keyed *k, char *text, struct sample *to)
{
    double seconds = seconds_between(k->previous_us, to->mono_us);
    char *line;

    for (size_t n = 0; n < k->count; n++)
        k->entries[n].has = k->entries[n].has_less = false;
    while ((line = text_line(&text))) {
        char *key;
        size_t len;

        if (!k->begins[(unsigned char)*line])
            continue;
        key = text_word(&line);
        len = strlen(key);
        if (len > 0 && key[len - 1] == ':')
            key[len - 1] = '\0';
        take(k, key, line);
    }
    for (size_t n = 0; n < k->count; n++)
        emit(&k->entries[n], seconds, to);
    k->previous_us = to->mono_us;
}
