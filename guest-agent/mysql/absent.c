/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which rows of the catalogue this server does not give, and why; see status.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest-agent/mysql/status_internal.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

struct list {
    struct mysql_absence *at;
    size_t count;
};

/* Takes `reason` over. */
static void add(struct list *l, const char *name, char *reason, bool can_be_helped)
{
    for (size_t n = 0; n < l->count; n++) {
        struct mysql_absence *a = &l->at[n];
        char *names;

        if (strcmp(a->reason, reason) != 0)
            continue;
        names = xasprintf("%s, %s", a->names, name);
        free(a->names);
        a->names = names;
        free(reason);
        return;
    }
    l->at = xrealloc(l->at, (l->count + 1) * sizeof(*l->at));
    l->at[l->count++] = (struct mysql_absence){
        .names = xstrdup(name), .reason = reason, .can_be_helped = can_be_helped};
}

/* ---- rows of the status ---- */

static const char *disabled_term(const struct mysql_sampler *s, const struct plan_row *r)
{
    for (size_t n = 0; n < r->count; n++) {
        for (size_t k = 0; k < r->sums[n].count; k++) {
            size_t term = r->sums[n].terms[k];

            if (s->values[term].disabled)
                return s->plan.terms[term].name;
        }
    }
    return r->count == 0 ? computed_disabled(&s->plan, s->values, r->row->name) : NULL;
}

static bool asks_metrics(const struct mysql_sampler *s, const struct plan_row *r)
{
    for (size_t n = 0; n < r->count; n++) {
        if (s->plan.terms[r->sums[n].terms[0]].from == FROM_INNODB_METRICS)
            return true;
    }
    return r->count == 0;
}

static void add_status_row(const struct mysql_sampler *s, struct list *l, const struct plan_row *r)
{
    const struct err *metrics = &s->slow[SLOW_INNODB].why;
    const char *disabled = disabled_term(s, r);

    if (disabled)
        add(l, r->row->name,
            xasprintf("the server does not count this now; SET GLOBAL innodb_monitor_enable = "
                      "'%s', and the same in its configuration",
                      disabled),
            true);
    else if (asks_metrics(s, r) && err_is_set(metrics))
        add(l, r->row->name, xstrdup(metrics->msg), metrics->code == ERR_AUTH);
    else
        add(l, r->row->name,
            xasprintf("%s %u.%u.%u has no such variable", s->conn.mariadb ? "MariaDB" : "MySQL",
                      s->conn.version / 10000, s->conn.version / 100 % 100, s->conn.version % 100),
            false);
}

/* ---- rows of the slow sources ---- */

static void add_family(struct list *l, enum metric_family family, const struct err *why)
{
    for (size_t n = 0; n < metric_row_count; n++) {
        if (metric_rows[n].family == family)
            add(l, metric_rows[n].name, xstrdup(why->msg), true);
    }
}

/* The log is read by others, but only this part knows where it should be. */
static void check_log_file(const struct mysql_sampler *s, struct err *why)
{
    if (s->error_log && access(s->error_log, R_OK) < 0)
        err_set_sys(why, ERR_IO, errno, "cannot read the server's error log '%s'", s->error_log);
}

void mysql_status_absent(const struct mysql_sampler *s, struct mysql_absence **ret,
                         size_t *ret_count)
{
    struct err log = s->slow[SLOW_ERROR_LOG].why;
    struct list l = {.at = NULL};

    for (size_t n = 0; n < s->plan.row_count; n++) {
        if (!s->given[n])
            add_status_row(s, &l, &s->plan.rows[n]);
    }
    check_log_file(s, &log);
    if (err_is_set(&s->slow[SLOW_TRX].why))
        add_family(&l, FAMILY_TRX, &s->slow[SLOW_TRX].why);
    if (err_is_set(&s->slow[SLOW_REPL].why))
        add_family(&l, FAMILY_REPL, &s->slow[SLOW_REPL].why);
    if (err_is_set(&log))
        add_family(&l, FAMILY_ERROR_LOG, &log);
    *ret = l.at;
    *ret_count = l.count;
}

void mysql_absences_release(struct mysql_absence *list, size_t count)
{
    for (size_t n = 0; n < count; n++) {
        free(list[n].names);
        free(list[n].reason);
    }
    free(list);
}
