/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lock's life: connecting, the tries with their pauses, holding, releasing; see lock.h. */
#include "guest-agent/mysql/lock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "guest-agent/mysql/lock_internal.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/compat.h"

#define ALIVE_TIMEOUT_MS  1000
#define UNLOCK_TIMEOUT_MS 2000
#define UNDER_LOCK_MS     4000 /* all that is done before anybody is told: less than any lease */
/* The engine's flush writes at most what its log buffer holds, but on a busy disk. */
#define FLUSH_TIMEOUT_MS 10000
#define BACKOFF_FACTOR   8

const char *lock_outcome_name(enum lock_outcome o)
{
    static const char *const names[] = {
        [LOCK_GRANTED] = "granted", [LOCK_TIMEOUT] = "timeout", [LOCK_VICTIMS] = "victims",
        [LOCK_BUSY] = "busy",       [LOCK_ERROR] = "error",
    };

    return (unsigned)o < ARRAY_SIZE(names) ? names[o] : "unknown";
}

struct mysql_lock *mysql_lock_new(const struct mysql_login *login)
{
    struct mysql_lock *l = xcalloc(1, sizeof(*l));

    l->login = *login;
    conn_init(&l->lock, &l->login);
    conn_init(&l->watch, &l->login);
    conn_init(&l->reader, &l->login);
    l->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->cancel_fd < 0 || conn_make_severable(&l->lock, NULL) < 0) {
        mysql_lock_free(l);
        return NULL;
    }
    return l;
}

void mysql_lock_free(struct mysql_lock *l)
{
    if (!l)
        return;
    conn_release(&l->lock);
    conn_release(&l->watch);
    conn_release(&l->reader);
    if (l->cancel_fd >= 0)
        close(l->cancel_fd);
    free(l);
}

static bool answers(struct conn *c)
{
    return conn_is_quiet(c) && conn_query(c, ALIVE_TIMEOUT_MS, NULL, NULL, "DO 1") == 0;
}

/* 0 in innodb_flush_log_at_trx_commit: commits of the last second are only in the server's memory.
 */
static void note_lazy_redo(struct mysql_lock *l)
{
    AUTO_RESULT MYSQL_RES *res = NULL;
    MYSQL_ROW row;

    if (conn_query(&l->watch, ALIVE_TIMEOUT_MS, &res, NULL,
                   "SELECT @@GLOBAL.innodb_flush_log_at_trx_commit") < 0)
        return;
    row = res ? mysql_fetch_row(res) : NULL;
    l->lazy_redo = row && row[0] && strcmp(row[0], "0") == 0;
}

static int open_watch(struct mysql_lock *l, struct err *e)
{
    if (answers(&l->watch))
        return 0;
    if (conn_open(&l->watch, e) < 0)
        return -1;
    if (watch_probe(l, e) == 0)
        return 0;
    conn_close(&l->watch); /* or the next look would find it well */
    return -1;
}

/* The position is read once without the lock: it finds the statement that works here, and warms it.
 */
static int open_reader(struct mysql_lock *l, struct err *e)
{
    struct position p = {.source = NULL};

    if (answers(&l->reader))
        return 0;
    if (conn_open(&l->reader, e) < 0)
        return -1;
    l->position_way = 0;
    if (position_read(&l->reader, &l->position_way, &p, e) < 0) {
        conn_close(&l->reader);
        return -1;
    }
    position_release(&p);
    return 0;
}

static int open_lock(struct mysql_lock *l, struct err *e)
{
    if (l->state == LOCK_HELD) {
        if (conn_is_quiet(&l->lock))
            return 0;
        l->state = LOCK_GONE;
    }
    if (answers(&l->lock))
        return 0;
    if (conn_open(&l->lock, e) < 0)
        return -1;
    if (l->lock.left == 0)
        return 0;
    conn_close(&l->lock);
    return err_set(
        e, ERR_MYSQL,
        "session %lu hangs, may hold the global read lock, and cannot be ended; run KILL "
        "%lu",
        l->lock.left, l->lock.left);
}

int mysql_lock_ready(struct mysql_lock *l, struct err *e)
{
    return open_watch(l, e) < 0 || open_reader(l, e) < 0 || open_lock(l, e) < 0 ? -1 : 0;
}

/* ---- taking ---- */

static int64_t backoff_us(const struct lock_limits *limits, unsigned n)
{
    unsigned factor = n < 3 ? 1u << n : BACKOFF_FACTOR;
    int64_t base = (int64_t)limits->backoff_ms * 1000 * factor;
    uint32_t random;

    if (random_fill(&random, sizeof(random)) < 0)
        random = (uint32_t)mono_us();
    return base / 2 + (int64_t)((double)base * ((double)random / UINT32_MAX));
}

static int cancelled(struct err *e)
{
    return err_set(e, ERR_CANCELLED, "the request for the global read lock was cancelled");
}

static void forget_cancel(struct mysql_lock *l)
{
    uint64_t count;

    while (read(l->cancel_fd, &count, sizeof(count)) < 0 && errno == EINTR)
        continue;
}

/* Sleeps between two tries; -1 when cancelled meanwhile. */
static int pause_between(struct mysql_lock *l, const struct lock_limits *limits, unsigned n,
                         struct err *e)
{
    if (conn_poll(l->cancel_fd, mono_us() + backoff_us(limits, n)))
        return cancelled(e);
    return mysql_lock_ready(l, e);
}

static int guard(struct mysql_lock *l, const struct lock_limits *limits, struct err *e)
{
    struct blocker b;
    char text[200];

    if (watch_longest(l, &b, e) < 0)
        return -1;
    if (!b.found || b.seconds <= (uint32_t)limits->guard_s)
        return 0;
    blocker_text(&b, text, sizeof(text));
    return err_set(
        e, ERR_LOCK,
        "the global read lock was not requested: %s, longer than the guard of %d s; wait "
        "for it to end, or run KILL %llu",
        text, limits->guard_s, (unsigned long long)b.id);
}

static int not_granted(const struct lock_limits *limits, const struct lock_report *report,
                       const struct blocker *b, struct err *e)
{
    const struct lock_try *last = &report->try[report->tries - 1];
    const char *noun = report->tries == 1 ? "try" : "tries";
    char text[200] = "nobody to blame was seen";

    if (b->found)
        blocker_text(b, text, sizeof(text));
    if (last->outcome == LOCK_BUSY)
        return err_set(e, ERR_LOCK,
                       "the global read lock was not granted in %u %s of %d ms: it was not even "
                       "asked for, as %s and has tables open",
                       report->tries, noun, limits->try_ms, text);
    if (last->outcome == LOCK_VICTIMS)
        return err_set(e, ERR_LOCK,
                       "the global read lock was not granted in %u %s; the last one was given up "
                       "with %u sessions queued behind it: %s",
                       report->tries, noun, last->victims, text);
    return err_set(e, ERR_LOCK, "the global read lock was not granted in %u %s of %d ms: %s",
                   report->tries, noun, limits->try_ms, text);
}

static int tries(struct mysql_lock *l, const struct lock_limits *limits, struct lock_report *report,
                 struct err *e)
{
    unsigned most = limits->tries < LOCK_MAX_TRIES ? (unsigned)limits->tries : LOCK_MAX_TRIES;
    struct blocker b = {.found = false};

    for (unsigned n = 0; n < most; n++) {
        if (n > 0 && pause_between(l, limits, n - 1, e) < 0)
            return -1;
        if (lock_is_cancelled(l))
            return cancelled(e);
        if (guard(l, limits, e) < 0)
            return -1;
        /* the server's own backstop; its unit is seconds and its least is 1; per connection */
        if (conn_query(&l->lock, ALIVE_TIMEOUT_MS, NULL, e, "SET SESSION lock_wait_timeout = %d",
                       (limits->try_ms + 999) / 1000) < 0)
            return -1;
        report->tries = n + 1;
        switch (lock_try(l, limits, &report->try[n], &b, report, e)) {
        case LOCK_GRANTED:
            return 0;
        case LOCK_ERROR:
            return -1;
        case LOCK_TIMEOUT:
        case LOCK_VICTIMS:
            if (conn_is_open(&l->watch))
                watch_blocker(l, &b);
            break;
        case LOCK_BUSY:
            break;
        }
    }
    return not_granted(limits, report, &b, e);
}

static int flush_under_lock(struct mysql_lock *l, struct err *e)
{
    if (!l->lazy_redo)
        return 0;
    return conn_query(&l->reader, POSITION_TIMEOUT_MS, NULL, e,
                      "FLUSH NO_WRITE_TO_BINLOG ENGINE LOGS");
}

/* What is done under the lock before anyone is told of it: by another session, see position_read(),
 * which is there already, for a login may wait behind those whom the lock makes wait. */
static int under_lock(struct mysql_lock *l, struct position *ret, struct err *e)
{
    int rc = -1;

    l->reader.deadline_us = mono_in_ms(UNDER_LOCK_MS);
    if (flush_under_lock(l, e) == 0)
        rc = position_read(&l->reader, &l->position_way, ret, e);
    l->reader.deadline_us = 0;
    return rc;
}

int mysql_lock_take(struct mysql_lock *l, const struct lock_limits *limits,
                    struct position *ret_position, struct lock_report *ret_report, struct err *e)
{
    struct position p = {.source = NULL};
    int rc;

    *ret_report = (struct lock_report){.tries = 0};
    if (l->state == LOCK_HELD)
        return err_set(e, ERR_INTERNAL, "the global read lock is already held");
    l->state = LOCK_NONE;
    rc = mysql_lock_ready(l, e);
    if (rc == 0) {
        note_lazy_redo(l);
        rc = tries(l, limits, ret_report, e);
    }
    if (rc == 0) {
        rc = under_lock(l, &p, e);
        if (rc == 0 && lock_is_cancelled(l))
            rc = cancelled(e);
        if (rc == 0 && !conn_is_quiet(&l->lock))
            rc = err_set(e, ERR_MYSQL, "the connection was lost just after the lock was granted");
        if (rc < 0) {
            position_release(&p);
            if (conn_query(&l->lock, ALIVE_TIMEOUT_MS, NULL, NULL, "UNLOCK TABLES") < 0)
                lock_abandon(l);
        }
    }
    if (rc < 0) {
        forget_cancel(l);
        return -1;
    }
    l->state = LOCK_HELD;
    *ret_position = p;
    return 0;
}

void mysql_lock_cancel(struct mysql_lock *l)
{
    uint64_t one = 1;

    (void)!write(l->cancel_fd, &one, sizeof(one));
}

/* ---- holding and releasing ---- */

int mysql_lock_fd(const struct mysql_lock *l)
{
    return conn_fd(&l->lock);
}

void mysql_lock_sever(struct mysql_lock *l)
{
    conn_sever(&l->lock);
}

int mysql_lock_release(struct mysql_lock *l, struct err *e)
{
    enum lock_state was = l->state;
    struct err cause = ERR_INIT;

    l->state = LOCK_NONE;
    forget_cancel(l); /* one that came while we held: this release is what it wanted */
    if (was == LOCK_NONE)
        return err_set(e, ERR_LOST, "there is no global read lock to release");
    if (was == LOCK_GONE)
        return err_set(e, ERR_LOST, "the global read lock was lost: its connection had ended");
    if (!conn_is_quiet(&l->lock)) {
        conn_close(&l->lock);
        return err_set(e, ERR_LOST, "the global read lock was lost: its connection has ended");
    }
    if (conn_query(&l->lock, UNLOCK_TIMEOUT_MS, NULL, &cause, "UNLOCK TABLES") < 0) {
        lock_abandon(l);
        return err_set(e, ERR_LOST, "the global read lock may have been lost: %s", cause.msg);
    }
    return 0;
}

int mysql_longest_statement(struct mysql_lock *l, uint32_t *ret_s, struct err *e)
{
    struct blocker b;

    if (open_watch(l, e) < 0 || watch_longest(l, &b, e) < 0)
        return -1;
    *ret_s = b.found ? b.seconds : 0;
    return 0;
}

int mysql_flush_logs(struct mysql_lock *l, struct err *e)
{
    if (open_watch(l, e) < 0)
        return -1;
    return conn_query(&l->watch, FLUSH_TIMEOUT_MS, NULL, e, "FLUSH NO_WRITE_TO_BINLOG ENGINE LOGS");
}
