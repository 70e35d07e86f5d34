/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One rule from text; the grammar is in policy.h. */
#include "host-coordinator/policy/policy_internal.h"

#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/duration.h"

#define SPACE      " \t"
#define EXAMPLE    "write it like innodb.trx_oldest > 120"
#define DIGITS_MAX 15 /* a double holds so many exactly */
#define LIMIT_MAX  1e18
#define SHOWN_MAX  60 /* of what is wrong, in messages */

struct cursor {
    const char *text;
    size_t at;
};

static const char *here(const struct cursor *c)
{
    return c->text + c->at;
}

static void skip_space(struct cursor *c)
{
    c->at += strspn(here(c), SPACE);
}

/* What stands here up to the next space, for messages. */
static int shown(const struct cursor *c)
{
    size_t len = strcspn(here(c), SPACE);

    return (int)(len < SHOWN_MAX ? len : SHOWN_MAX);
}

/* ---- the metric ------------------------------------------------------------------------------ */

static int unknown(const char *name, struct err *e)
{
    const char *nearest = policy_nearest(name);

    if (nearest)
        return err_set(e, ERR_CONFIG, "there is no metric '%.*s'; did you mean '%s'?", SHOWN_MAX,
                       name, nearest);
    return err_set(e, ERR_CONFIG, "there is no metric '%.*s'; docs/metrics.md lists all", SHOWN_MAX,
                   name);
}

static int parse_metric(struct cursor *c, struct policy_rule *r, struct err *e)
{
    size_t len = strcspn(here(c), SPACE "<>=!");

    if (len == 0)
        return err_set(e, ERR_CONFIG, "a rule begins with a metric: " EXAMPLE);
    r->pattern = xasprintf("%.*s", (int)len, here(c));
    r->row = metric_of_pattern(r->pattern);
    if (!r->row)
        return unknown(r->pattern, e);
    c->at += len;
    skip_space(c);
    return 0;
}

/* ---- the operator ---------------------------------------------------------------------------- */

static int parse_op(struct cursor *c, struct policy_rule *r, struct err *e)
{
    static const struct {
        const char *name;
        enum policy_op op;
    } ops[] = {{">=", OP_AT_LEAST}, {"<=", OP_AT_MOST}, {"==", OP_IS},
               {"!=", OP_IS_NOT},   {">", OP_OVER},     {"<", OP_UNDER}};
    bool whether = r->row->unit == UNIT_TEXT || r->row->unit == UNIT_BOOL;

    for (size_t n = 0; n < ARRAY_SIZE(ops); n++) {
        size_t len = strlen(ops[n].name);

        if (strncmp(here(c), ops[n].name, len) != 0)
            continue;
        if (whether && ops[n].op != OP_IS && ops[n].op != OP_IS_NOT)
            return err_set(e, ERR_CONFIG,
                           "'%.*s' is no number: compare it with == or !=", SHOWN_MAX, r->pattern);
        r->op = ops[n].op;
        c->at += len;
        skip_space(c);
        return 0;
    }
    return err_set(e, ERR_CONFIG, "behind the metric comes one of > >= < <= == !=");
}

/* ---- numbers and units ----------------------------------------------------------------------- */

struct unit {
    const char *name;
    double times, by; /* two, so that no factor is a rounded one */
};

#define K 1024.0
static const struct unit byte_units[] = {{"", 1, 1},           {"B", 1, 1},
                                         {"K", K, 1},          {"KiB", K, 1},
                                         {"M", K *K, 1},       {"MiB", K *K, 1},
                                         {"G", K *K *K, 1},    {"GiB", K *K *K, 1},
                                         {"T", K *K *K *K, 1}, {"TiB", K *K *K *K, 1},
                                         {NULL, 0, 0}};
static const struct unit kb_units[] = {{"", 1, 1},   {"K", 1, 1},    {"KB", 1, 1}, {"M", K, 1},
                                       {"MB", K, 1}, {"G", K *K, 1}, {NULL, 0, 0}};
static const struct unit percent_units[] = {{"", 1, 1}, {"%", 1, 1}, {NULL, 0, 0}};
static const struct unit ms_units[] = {{"", 1, 1},     {"us", 1, 1000}, {"ms", 1, 1},
                                       {"s", 1000, 1}, {"m", 60000, 1}, {"h", 3600000, 1},
                                       {NULL, 0, 0}};
static const struct unit s_units[] = {{"", 1, 1},  {"us", 1, 1000000}, {"ms", 1, 1000},
                                      {"s", 1, 1}, {"m", 60, 1},       {"h", 3600, 1},
                                      {NULL, 0, 0}};
static const struct unit no_units[] = {{"", 1, 1}, {NULL, 0, 0}};

static const struct {
    const struct unit *units;
    const char *fitting; /* for messages */
    bool per_s;          /* "/s" may follow */
} by_unit[UNIT_COUNT] = {
    [UNIT_ONE] = {no_units, "none", false},
    [UNIT_PER_S] = {no_units, "/s", true},
    [UNIT_BYTES] = {byte_units, "K, M, G, T", false},
    [UNIT_BYTES_PER_S] = {byte_units, "K/s, M/s, G/s, T/s", true},
    [UNIT_KB_PER_S] = {kb_units, "KB/s, MB/s", true},
    [UNIT_PERCENT] = {percent_units, "%", false},
    [UNIT_MS] = {ms_units, "us, ms, s, m, h", false},
    [UNIT_S] = {s_units, "us, ms, s, m, h", false},
    [UNIT_BOOL] = {no_units, "none", false},
    [UNIT_REPORTED] = {no_units, "none", false},
    [UNIT_TEXT] = {no_units, "none", false},
};

/* Digits with at most one point, by hand: no locale, no signs, no exponents, no names. */
static int parse_digits(struct cursor *c, double *ret, struct err *e)
{
    double number = 0, scale = 1;
    size_t digits = 0, start = c->at;
    bool point = false;

    for (;; c->at++) {
        char d = *here(c);

        if (d == '.' && !point && digits > 0) {
            point = true;
        } else if (d >= '0' && d <= '9' && digits < DIGITS_MAX) {
            number = number * 10 + (d - '0');
            scale *= point ? 10 : 1;
            digits++;
        } else {
            break;
        }
    }
    if (digits == 0)
        return err_set(e, ERR_CONFIG, "behind the operator comes a number from 0: " EXAMPLE);
    if (c->text[c->at - 1] == '.' || *here(c) == '.' || (*here(c) >= '0' && *here(c) <= '9')) {
        c->at = start;
        return err_set(e, ERR_CONFIG, "'%.*s' is no number of at most %d digits", shown(c), here(c),
                       DIGITS_MAX);
    }
    *ret = number / scale;
    return 0;
}

static const struct unit *find_unit(enum metric_unit kind, const char *name, size_t len)
{
    if (by_unit[kind].per_s && len >= 2 && strncmp(name + len - 2, "/s", 2) == 0)
        len -= 2;
    for (const struct unit *u = by_unit[kind].units; u->name; u++) {
        if (strlen(u->name) == len && strncmp(u->name, name, len) == 0)
            return u;
    }
    return NULL;
}

static int parse_number(struct cursor *c, struct policy_rule *r, struct err *e)
{
    enum metric_unit kind = r->row->unit;
    size_t start = c->at, len;
    const struct unit *u;
    double number = 0;

    if (parse_digits(c, &number, e) < 0)
        return -1;
    len = strcspn(here(c), SPACE);
    u = find_unit(kind, here(c), len);
    if (!u)
        return err_set(e, ERR_CONFIG, "unit '%.*s' does not fit '%.*s', which is in %s: write %s%s",
                       shown(c), here(c), SHOWN_MAX, r->row->name, metric_unit_name(kind),
                       by_unit[kind].fitting, *by_unit[kind].fitting == 'n' ? "" : ", or none");
    r->limit = number * u->times / u->by;
    if (r->limit > LIMIT_MAX || (kind == UNIT_PERCENT && r->limit > 100)) {
        c->at = start;
        return err_set(e, ERR_CONFIG, "%.*s is more than '%.*s' can be", shown(c), here(c),
                       SHOWN_MAX, r->row->name);
    }
    c->at += len;
    return 0;
}

/* ---- words ----------------------------------------------------------------------------------- */

static int parse_truth(struct cursor *c, struct policy_rule *r, struct err *e)
{
    static const struct {
        const char *word;
        double value;
    } words[] = {{"0", 0}, {"1", 1}, {"no", 0}, {"yes", 1}};
    size_t len = strcspn(here(c), SPACE);

    for (size_t n = 0; n < ARRAY_SIZE(words); n++) {
        if (strlen(words[n].word) == len && strncmp(here(c), words[n].word, len) == 0) {
            r->limit = words[n].value;
            c->at += len;
            return 0;
        }
    }
    return err_set(e, ERR_CONFIG, "'%.*s' is yes or no: compare it with 0, 1, yes or no", SHOWN_MAX,
                   r->pattern);
}

/* What a text can be, where that is a closed list: a misspelt word would never be met. */
static const struct {
    const char *metric, *words[3];
} texts[] = {{"repl.role", {"replica", "source", "standalone"}}};

static int check_word(const struct policy_rule *r, struct err *e)
{
    for (size_t n = 0; n < ARRAY_SIZE(texts); n++) {
        if (strcmp(texts[n].metric, r->row->name) != 0)
            continue;
        for (size_t w = 0; w < ARRAY_SIZE(texts[n].words); w++) {
            if (strcmp(texts[n].words[w], r->word) == 0)
                return 0;
        }
        return err_set(e, ERR_CONFIG, "'%s' is never '%.*s': write %s, %s or %s", r->row->name,
                       SHOWN_MAX, r->word, texts[n].words[0], texts[n].words[1], texts[n].words[2]);
    }
    return 0;
}

static int parse_word(struct cursor *c, struct policy_rule *r, struct err *e)
{
    size_t len = strcspn(here(c), SPACE);

    if (len == 0)
        return err_set(e, ERR_CONFIG, "behind the operator comes a word");
    r->word = xasprintf("%.*s", (int)len, here(c));
    if (check_word(r, e) < 0)
        return -1;
    c->at += len;
    return 0;
}

/* ---- the end --------------------------------------------------------------------------------- */

static int parse_for(struct cursor *c, struct policy_rule *r, struct err *e)
{
    size_t len;

    skip_space(c);
    if (!*here(c))
        return 0;
    if (strncmp(here(c), "for", 3) != 0 || !strchr(SPACE, here(c)[3]))
        return err_set(e, ERR_CONFIG, "'%.*s' is not expected: a rule ends here, or with 'for 5s'",
                       shown(c), here(c));
    c->at += 3;
    skip_space(c);
    len = duration_parse(here(c), &r->for_us);
    if (len == 0 || r->for_us == 0 || !strchr(SPACE, here(c)[len]))
        return err_set(e, ERR_CONFIG, "behind 'for' comes a time such as 500ms, 5s, 2m or 1h");
    c->at += len;
    skip_space(c);
    if (*here(c))
        return err_set(e, ERR_CONFIG, "'%.*s' is not expected: a rule ends here", shown(c),
                       here(c));
    return 0;
}

static int parse_limit(struct cursor *c, struct policy_rule *r, struct err *e)
{
    if (r->row->unit == UNIT_TEXT)
        return parse_word(c, r, e);
    if (r->row->unit == UNIT_BOOL)
        return parse_truth(c, r, e);
    return parse_number(c, r, e);
}

int policy_parse(struct policy_rule *r, const char *text, size_t *ret_at, struct err *e)
{
    struct cursor c = {.text = text};

    skip_space(&c);
    if (parse_metric(&c, r, e) == 0 && parse_op(&c, r, e) == 0 && parse_limit(&c, r, e) == 0 &&
        parse_for(&c, r, e) == 0)
        return 0;
    *ret_at = c.at;
    return -1;
}
