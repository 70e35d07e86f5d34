/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the catalogue's `source` texts to what is asked, and back to values; see plan.h. */
#include "guest-agent/mysql/plan.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

size_t plan_term(struct plan *p, enum term_from from, const char *name)
{
    for (size_t n = 0; n < p->term_count; n++) {
        if (p->terms[n].from == from && strcasecmp(p->terms[n].name, name) == 0)
            return n;
    }
    p->terms = xrealloc(p->terms, (p->term_count + 1) * sizeof(*p->terms));
    p->terms[p->term_count] = (struct plan_term){.from = from, .name = xstrdup(name)};
    return p->term_count++;
}

bool plan_asks(const struct plan *p, enum term_from from)
{
    for (size_t n = 0; n < p->term_count; n++) {
        if (p->terms[n].from == from)
            return true;
    }
    return false;
}

/* ---- the grammar ---- */

static size_t parse_term(struct plan *p, const char *text)
{
    if (*text == '@')
        return plan_term(p, FROM_VARIABLE, text + 1);
    if (*text == '%')
        return plan_term(p, FROM_INNODB_METRICS, text + 1);
    return plan_term(p, FROM_STATUS, text);
}

static void parse_sum(struct plan *p, struct plan_sum *sum, char *text)
{
    char *save = NULL;

    for (char *t = strtok_r(text, "+", &save); t; t = strtok_r(NULL, "+", &save)) {
        sum->terms = xrealloc(sum->terms, (sum->count + 1) * sizeof(*sum->terms));
        sum->terms[sum->count++] = parse_term(p, t);
    }
}

static void parse_row(struct plan *p, struct plan_row *r)
{
    AUTO_FREE char *source = xstrdup(r->row->source);
    char *save = NULL;

    if (*source == '(')
        return;
    for (char *t = strtok_r(source, "|", &save); t; t = strtok_r(NULL, "|", &save)) {
        r->sums = xrealloc(r->sums, (r->count + 1) * sizeof(*r->sums));
        r->sums[r->count] = (struct plan_sum){.count = 0};
        parse_sum(p, &r->sums[r->count++], t);
    }
}

void plan_make(struct plan *p, const struct metric_row *rows, size_t count)
{
    *p = (struct plan){.terms = NULL};
    for (size_t n = 0; n < count; n++) {
        if (rows[n].family != FAMILY_SERVER)
            continue;
        p->rows = xrealloc(p->rows, (p->row_count + 1) * sizeof(*p->rows));
        p->rows[p->row_count] = (struct plan_row){.row = &rows[n]};
        parse_row(p, &p->rows[p->row_count++]);
    }
}

static void release_row(struct plan_row *r)
{
    for (size_t n = 0; n < r->count; n++)
        free(r->sums[n].terms);
    free(r->sums);
}

void plan_release(struct plan *p)
{
    for (size_t n = 0; n < p->row_count; n++)
        release_row(&p->rows[n]);
    for (size_t n = 0; n < p->term_count; n++)
        free(p->terms[n].name);
    free(p->rows);
    free(p->terms);
    *p = (struct plan){.terms = NULL};
}

/* ---- values ---- */

/* Plain decimal numbers only: strtod() would take "infinity" and "0x10" as well. */
static bool parse_number(const char *text, double *ret)
{
    char *end;

    if (!isdigit((unsigned char)text[*text == '-']) || text[strspn(text, "-0123456789.")] != '\0')
        return false;
    *ret = strtod(text, &end);
    return *end == '\0';
}

static struct plan_value *find(const struct plan *p, struct plan_value *values, enum term_from from,
                               const char *name)
{
    for (size_t n = 0; n < p->term_count; n++) {
        if (p->terms[n].from == from && strcasecmp(p->terms[n].name, name) == 0)
            return &values[n];
    }
    return NULL;
}

void plan_take(const struct plan *p, struct plan_value *values, enum term_from from,
               const char *name, const char *text)
{
    struct plan_value *v = find(p, values, from, name);

    if (v)
        v->has = text && parse_number(text, &v->value);
}

void plan_take_disabled(const struct plan *p, struct plan_value *values, enum term_from from,
                        const char *name)
{
    struct plan_value *v = find(p, values, from, name);

    if (v)
        v->disabled = true;
}

int plan_eval(const struct plan_row *r, const struct plan_value *values, double *ret)
{
    for (size_t n = 0; n < r->count; n++) {
        const struct plan_sum *sum = &r->sums[n];
        double total = 0;
        bool any = false;

        for (size_t k = 0; k < sum->count; k++) {
            const struct plan_value *v = &values[sum->terms[k]];

            any |= v->has;
            total += v->has ? v->value : 0;
        }
        if (any) {
            *ret = total;
            return (int)n;
        }
    }
    return -1;
}
