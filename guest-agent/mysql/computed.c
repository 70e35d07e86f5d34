/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rows of the catalogue that no variable of some servers gives as it is: put together from several.
 * A new one is a function and a row of computed[].
 *
 * Source: MySQL manual "Server Status Variables" (Innodb_redo_log_* since 8.0.30),
 * "INNODB_METRICS"; MariaDB "InnoDB Status Variables" (Innodb_lsn_* in 5.5 to 10.1 and since 10.5).
 */
#include "guest-agent/mysql/status_internal.h"
#include "proto/base/cleanup.h"

#include <string.h>

struct pair {
    enum term_from from;
    const char *name, *other;
};

/* Both from one server: a pair is there whole, or not at all. */
static const struct pair log_pairs[] = {
    {FROM_STATUS, "Innodb_redo_log_current_lsn", "Innodb_redo_log_checkpoint_lsn"},
    {FROM_STATUS, "Innodb_lsn_current", "Innodb_lsn_last_checkpoint"},
    {FROM_INNODB_METRICS, "log_lsn_current", "log_lsn_last_checkpoint"},
};
static const struct pair dirty_pair = {FROM_STATUS, "Innodb_buffer_pool_pages_dirty",
                                       "Innodb_page_size"};

static const struct plan_value *find(const struct plan *p, const struct plan_value *values,
                                     enum term_from from, const char *name)
{
    for (size_t n = 0; n < p->term_count; n++) {
        if (p->terms[n].from == from && strcmp(p->terms[n].name, name) == 0)
            return values[n].has ? &values[n] : NULL;
    }
    return NULL;
}

static bool checkpoint_age(const struct plan *p, const struct plan_value *values, double *ret)
{
    for (size_t n = 0; n < ARRAY_SIZE(log_pairs); n++) {
        const struct pair *pair = &log_pairs[n];
        const struct plan_value *now = find(p, values, pair->from, pair->name);
        const struct plan_value *then = find(p, values, pair->from, pair->other);

        /* read without a lock, a checkpoint may be ahead for a moment */
        if (!now || !then || now->value < then->value)
            continue;
        *ret = now->value - then->value;
        return true;
    }
    return false;
}

static bool pool_dirty(const struct plan *p, const struct plan_value *values, double *ret)
{
    const struct plan_value *pages = find(p, values, dirty_pair.from, dirty_pair.name);
    const struct plan_value *size = find(p, values, dirty_pair.from, dirty_pair.other);

    if (!pages || !size)
        return false;
    *ret = pages->value * size->value;
    return true;
}

static const struct {
    const char *name;
    bool (*value)(const struct plan *p, const struct plan_value *values, double *ret);
} computed[] = {
    {"innodb.checkpoint_age", checkpoint_age},
    {"innodb.pool_dirty", pool_dirty},
};

static void plan_pair(struct plan *p, const struct pair *pair)
{
    (void)plan_term(p, pair->from, pair->name);
    (void)plan_term(p, pair->from, pair->other);
}

void computed_plan(struct plan *p)
{
    for (size_t n = 0; n < ARRAY_SIZE(log_pairs); n++)
        plan_pair(p, &log_pairs[n]);
    plan_pair(p, &dirty_pair);
}

bool computed_value(const struct plan *p, const struct plan_value *values, const char *name,
                    double *ret)
{
    for (size_t n = 0; n < ARRAY_SIZE(computed); n++) {
        if (strcmp(computed[n].name, name) == 0)
            return computed[n].value(p, values, ret);
    }
    return false;
}

const char *computed_disabled(const struct plan *p, const struct plan_value *values,
                              const char *name)
{
    if (strcmp(name, "innodb.checkpoint_age") != 0)
        return NULL;
    for (size_t n = 0; n < p->term_count; n++) {
        if (values[n].disabled && strncmp(p->terms[n].name, "log_lsn_", 8) == 0)
            return "log_lsn_%";
    }
    return NULL;
}
