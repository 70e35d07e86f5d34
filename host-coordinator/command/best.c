/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cbsnap-coord best DOMAIN: which sets to go back to, and why. docs/best.md has the formula. */
#include "host-coordinator/command/catalogue.h"

#include "host-coordinator/rank/rank.h"
#include "host-coordinator/rank/when.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/plain.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_LIMIT 5

struct question {
    const char *domain;
    bool explain, before; /* before: a time was given */
    int64_t wanted_us;
    size_t limit;
};

static int read_limit(const char *text, size_t *ret, struct err *e)
{
    char *end;
    unsigned long value;

    errno = 0;
    value = text ? strtoul(text, &end, 10) : DEFAULT_LIMIT;
    if (text && (*text < '0' || *text > '9' || *end || errno || value == 0))
        return err_set(e, ERR_USAGE, "--limit '%s' is not a number of sets above 0", text);
    *ret = value;
    return 0;
}

static int read_question(const struct command_context *c, struct question *q, struct err *e)
{
    const char *before = command_option(c, "before");

    *q = (struct question){
        .domain = c->args[0],
        .explain = command_option(c, "explain") != NULL,
        .before = before != NULL,
        .wanted_us = wall_us(),
    };
    if (before && when_parse(before, q->wanted_us, &q->wanted_us, e) < 0)
        return err_prefix(e, "--before");
    return read_limit(command_option(c, "limit"), &q->limit, e);
}

/* ---- the ranking ----------------------------------------------------------------------------- */

/* The readable ones; the caller frees. Nothing is too young when no time was given, though clocks
 * may have been set back. */
static const struct set_facts **readable(const struct index_list *l, struct question *q,
                                         size_t *ret_count)
{
    const struct set_facts **sets = xcalloc(l->count + 1, sizeof(*sets));
    int64_t at_us;

    *ret_count = 0;
    for (size_t n = 0; n < l->count; n++) {
        const struct set_facts *f = &l->entries[n].facts;

        if (l->entries[n].problem)
            continue;
        sets[(*ret_count)++] = f;
        if (!q->before && when_rfc3339(f->started, &at_us) && at_us > q->wanted_us)
            q->wanted_us = at_us;
    }
    return sets;
}

/* "3 void, 2 younger than the time wanted"; empty when none was left out. */
static char *left_out(const struct ranking *r)
{
    struct buf text = BUF_INIT;

    buf_add(&text, "", 0);
    for (int why = RANK_IN + 1; why < RANK_OUT_COUNT; why++) {
        if (r->out[why] > 0)
            buf_addf(&text, "%s%zu %s", text.len ? ", " : "", r->out[why],
                     rank_out_words((enum rank_out)why));
    }
    return buf_steal(&text);
}

static int nothing_found(const struct command_context *c, const struct question *q,
                         const struct ranking *r, const struct index_list *l, struct err *e)
{
    AUTO_FREE char *out = left_out(r);

    if (l->count == 0)
        err_set(e, ERR_NOT_FOUND, "there is no record of a VM '%s' in '%s/records'", q->domain,
                c->conf->state_dir);
    else
        err_set(e, ERR_NOT_FOUND,
                "there is no set of '%s' to go back to (%s); cbsnap-coord list %s shows all",
                q->domain, *out ? out : "no record can be read", q->domain);
    return EXIT_USAGE;
}

/* ---- for people ------------------------------------------------------------------------------ */

static void print_set(const struct ranking *r, size_t n, const struct question *q)
{
    const struct ranked *set = &r->sets[n];
    char age[24], recovery[24] = "-", words[RANK_WORDS];

    (void)when_length((double)(q->wanted_us - set->at_us) / 1e6, age);
    if (!isnan(set->recovery_s))
        (void)when_length(set->recovery_s, recovery);
    plain_line(stdout, "%2zu  %-21s  %8.1f  %8s  %-11s  %-8s  %8s%s", n + 1, set->facts->set ?: "?",
               set->cost, age, set->facts->verdict, catalogue_verified(set->facts), recovery,
               set->recovery_measured ? " measured" : "");
    for (size_t p = 0; q->explain && p < RANK_PARTS; p++)
        plain_line(stdout, "    %+9.1f  %s%s", set->parts[p].cost, rank_words(r, set, p, words),
                   set->parts[p].read ? "" : ": the middle of the others");
}

/* The newest of them, as many as are ranked; the sum below counts all. */
static void print_different(const struct set_facts *const *sets, size_t count,
                            const struct question *q)
{
    size_t shown = 0;

    for (size_t n = 0; n < count && shown < q->limit; n++) {
        if (rank_judge(sets[n], q->wanted_us) != RANK_OUT_DIFFERENT)
            continue;
        shown++;

        plain_line(stdout, "left out: %s %s", sets[n]->set ?: "?",
                   rank_out_words(RANK_OUT_DIFFERENT));
    }
}

static void print_ranking(const struct ranking *r, const struct set_facts *const *sets,
                          size_t count, const struct question *q)
{
    AUTO_FREE char *out = left_out(r);
    char at[32], *fraction = strchr(clock_iso(q->wanted_us, at), '.');

    *fraction = '\0';
    plain_line(stdout,
               "sets of %s to go back to, as of %sZ, best first; cost in minutes of data age",
               q->domain, at);
    plain_line(stdout, "%2s  %-21s  %8s  %8s  %-11s  %-8s  %8s", "", "SET", "COST", "AGE",
               "VERDICT", "VERIFIED", "RECOVERY");
    for (size_t n = 0; n < r->count && n < q->limit; n++)
        print_set(r, n, q);
    if (r->count > q->limit)
        plain_line(stdout, "    and %zu more; --limit %zu shows them", r->count - q->limit,
                   r->count);
    print_different(sets, count, q);
    if (*out)
        plain_line(stdout, "left out: %s", out);
}

/* ---- for programs ---------------------------------------------------------------------------- */

static void answer_set(struct record *item, const struct ranking *r, size_t n)
{
    const struct ranked *set = &r->sets[n];
    char words[RANK_WORDS];

    record_set_int(item, "place", (int64_t)n + 1);
    record_set_real(item, "cost", set->cost);
    facts_report(item, set->facts, fact_row_count);
    if (!isnan(set->recovery_s)) {
        record_set_number(item, "recovery.seconds", set->recovery_s);
        record_set_bool(item, "recovery.measured", set->recovery_measured);
    }
    for (size_t p = 0; p < RANK_PARTS; p++) {
        struct record *part = record_append(item, "parts");

        record_set_text(part, "name", rank_part_rows[p].name);
        record_set_real(part, "cost", set->parts[p].cost);
        record_set_bool(part, "read", set->parts[p].read);
        record_set_text(part, "words", rank_words(r, set, p, words));
    }
}

static const char *out_name(enum rank_out why)
{
    static const char *const names[RANK_OUT_COUNT] = {
        [RANK_IN] = "ranked",     [RANK_OUT_VOID] = "void",   [RANK_OUT_DIFFERENT] = "different",
        [RANK_OUT_GONE] = "gone", [RANK_OUT_AFTER] = "after", [RANK_OUT_TIME] = "no_time",
    };

    return names[why];
}

static void answer_ranking(struct record *answer, const struct ranking *r,
                           const struct set_facts *const *sets, size_t count,
                           const struct question *q)
{
    char at[32];

    record_set_text(answer, "domain", q->domain);
    record_set_text(answer, "as_of", clock_iso(q->wanted_us, at));
    record_set_text(answer, "unit", "minutes of data age");
    record_set_real(answer, "recovery.factor", r->factor);
    record_set_int(answer, "recovery.verified", (int64_t)r->factor_from);
    record_set_empty(answer, "sets");
    for (size_t n = 0; n < r->count && n < q->limit; n++)
        answer_set(record_append(answer, "sets"), r, n);
    for (int why = RANK_IN; why < RANK_OUT_COUNT; why++) {
        AUTO_FREE char *path = xasprintf("count.%s", out_name((enum rank_out)why));

        record_set_int(answer, path, (int64_t)r->out[why]);
    }
    record_set_empty(answer, "different");
    for (size_t n = 0; n < count; n++) {
        if (rank_judge(sets[n], q->wanted_us) == RANK_OUT_DIFFERENT)
            record_append_text(answer, "different", sets[n]->set ?: "?");
    }
}

int cmd_best(const struct command_context *c, struct err *e)
{
    struct record *answer = NULL;
    struct index_list l = {.count = 0};
    struct ranking r;
    struct question q;
    size_t count;
    int status = EXIT_DONE;

    if (read_question(c, &q, e) < 0)
        return EXIT_USAGE;
    answer = c->json ? record_new() : NULL;
    if (catalogue_read(c, q.domain, &l, answer, e) < 0) {
        record_free(answer);
        return EXIT_USAGE;
    }
    AUTO_FREE const struct set_facts **sets = readable(&l, &q, &count);

    rank_sets(&r, sets, count, q.wanted_us);
    if (r.count == 0) {
        status = nothing_found(c, &q, &r, &l, e);
    } else if (answer) {
        answer_ranking(answer, &r, sets, count, &q);
        command_answer(c, answer);
    } else {
        print_ranking(&r, sets, count, &q);
    }
    rank_release(&r);
    index_release(&l);
    record_free(answer);
    return status;
}
