/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One request for the global read lock, from FLUSH TABLES WITH READ LOCK to the server's grant, or
 * to the proof that nothing of ours is left on the server.
 */
#include <poll.h>

#include "guest-agent/mysql/lock_internal.h"

#include "proto/base/clock.h"

/* A grant takes 8-40 ms on a busy server: the queue is not worth asking about sooner, or more
 * often. */
#define WATCH_STEP_US 20000
/* How long a cancelled request may take to answer, and how often the cancel is repeated. */
#define CANCEL_WAIT_US 1000000
#define CANCEL_STEP_US 100000
#define UNLOCK_WAIT_MS 500
#define TABLES_STEP_US 100000

enum { SERVER_LOCK_WAIT_TIMEOUT = 1205, SERVER_QUERY_INTERRUPTED = 1317 };

enum wake { WAKE_ANSWER, WAKE_DUE, WAKE_VICTIMS, WAKE_CANCEL };

struct waiting {
    struct mysql_lock *l;
    const struct lock_limits *limits;
    int64_t due_us;
    int64_t next_count_us;
    bool asked; /* a count is on its way */
    uint32_t victims;
};

bool lock_is_cancelled(const struct mysql_lock *l)
{
    return conn_poll(l->cancel_fd, 0);
}

/* Asks for the count when its time has come. A watch that broke is done without until the cancel.
 */
static void ask_count(struct waiting *w, int64_t now)
{
    if (w->asked || now < w->next_count_us || !conn_is_open(&w->l->watch))
        return;
    w->asked = watch_victims_send(w->l, NULL) == 0;
    w->next_count_us = now + WATCH_STEP_US;
}

static void take_count(struct waiting *w)
{
    uint32_t victims;

    w->asked = false;
    w->next_count_us = mono_us() + WATCH_STEP_US;
    if (watch_victims_read(w->l, &victims, NULL) == 0 && victims > w->victims)
        w->victims = victims;
}

static int wait_ms(const struct waiting *w, int64_t now)
{
    int64_t until = w->due_us;

    if (!w->asked && conn_is_open(&w->l->watch) && w->next_count_us < until)
        until = w->next_count_us;
    return until > now ? (int)((until - now + 999) / 1000) : 0;
}

static enum wake wait_for_answer(struct waiting *w)
{
    for (;;) {
        int64_t now = mono_us();
        struct pollfd p[] = {
            {.fd = conn_fd(&w->l->lock), .events = POLLIN},
            {.fd = w->l->cancel_fd, .events = POLLIN},
            {.fd = w->asked ? conn_fd(&w->l->watch) : -1, .events = POLLIN},
        };

        if (poll(p, 3, wait_ms(w, now)) < 0)
            p[0].revents = p[1].revents = p[2].revents = 0;
        if (p[0].revents)
            return WAKE_ANSWER;
        if (p[1].revents)
            return WAKE_CANCEL;
        if (p[2].revents)
            take_count(w);
        if (w->victims >= (uint32_t)w->limits->victims)
            return WAKE_VICTIMS;
        now = mono_us();
        if (now >= w->due_us)
            return WAKE_DUE;
        ask_count(w, now);
    }
}

void lock_abandon(struct mysql_lock *l)
{
    /*
     * A server notices a client that left in mid-statement only once the statement ends, so the
     * session is killed by name as well. Should that fail too, conn_open() does so before the next
     * request; last resort: the session's lock_wait_timeout.
     */
    if (conn_is_open(&l->lock))
        l->lock.left = l->lock.id;
    conn_close(&l->lock);
    if (l->lock.left && watch_kill(l, l->lock.left, false, NULL) == 0)
        l->lock.left = 0;
}

/* The watch is needed for other things now: a count that is under way is awaited for no longer than
 * that. */
static void end_count(struct waiting *w, int64_t wait_us)
{
    struct mysql_lock *l = w->l;

    if (!w->asked)
        return;
    if (conn_poll(conn_fd(&l->watch), mono_us() + wait_us))
        take_count(w);
    else
        conn_close(&l->watch); /* stuck: what comes goes over a fresh one */
    w->asked = false;
}

/*
 * Cancels the pending request on the server. True when its answer is there to be read; false when
 * it was abandoned. The kill is repeated: one that arrives between two phases of a statement can be
 * lost.
 */
static bool cancel_request(struct waiting *w)
{
    struct mysql_lock *l = w->l;
    int64_t until = mono_us() + CANCEL_WAIT_US;

    end_count(w, CANCEL_STEP_US);
    while (mono_us() < until) {
        int64_t step = mono_us() + CANCEL_STEP_US;

        (void)watch_kill(l, l->lock.id, true, NULL);
        if (conn_poll(conn_fd(&l->lock), step))
            return true;
    }
    lock_abandon(l);
    return false;
}

/*
 * After a refusal: a server whose flush phase was interrupted answers with an error and may still
 * have gone on to hold the lock (MySQL 5.7 reload_acl_and_cache() does). UNLOCK TABLES settles it.
 */
static void settle(struct mysql_lock *l)
{
    if (conn_query(&l->lock, UNLOCK_WAIT_MS, NULL, NULL, "UNLOCK TABLES") < 0)
        lock_abandon(l);
}

static enum lock_outcome outcome_of(enum wake why, struct err *e)
{
    switch (why) {
    case WAKE_DUE:
        return LOCK_TIMEOUT;
    case WAKE_VICTIMS:
        return LOCK_VICTIMS;
    case WAKE_CANCEL:
        err_set(e, ERR_CANCELLED, "the request for the global read lock was cancelled");
        return LOCK_ERROR;
    case WAKE_ANSWER:
        break;
    }
    return LOCK_ERROR; /* e holds the server's words */
}

/* The server refused: why, unless we made it do so. */
static enum lock_outcome refused(struct mysql_lock *l, enum wake why, const struct err *answer,
                                 struct err *e)
{
    unsigned no = l->lock.server_errno;

    if (conn_is_open(&l->lock))
        settle(l);
    else
        lock_abandon(l);
    if (no == SERVER_LOCK_WAIT_TIMEOUT && why == WAKE_ANSWER)
        why = WAKE_DUE; /* the server's own backstop was quicker */
    if (why != WAKE_ANSWER && no != SERVER_QUERY_INTERRUPTED && no != SERVER_LOCK_WAIT_TIMEOUT &&
        why != WAKE_CANCEL)
        why = WAKE_ANSWER; /* it failed by itself while we were about to cancel */
    if (why == WAKE_ANSWER && e)
        *e = *answer;
    return outcome_of(why, e);
}

/* A cancel that lost the race against the grant hits the session's next statement: not one that
 * counts. */
static void absorb_cancel(struct mysql_lock *l)
{
    for (int n = 0; n < 2; n++) {
        if (conn_query(&l->lock, UNLOCK_WAIT_MS, NULL, NULL, "DO 0") == 0 ||
            l->lock.server_errno != SERVER_QUERY_INTERRUPTED)
            break;
    }
    if (!conn_is_open(&l->lock))
        lock_abandon(l);
}

/* Waits within one try until nobody has had tables open for long: LOCK_GRANTED is only "go on". */
static enum lock_outcome wait_for_tables(struct mysql_lock *l, const struct lock_limits *limits,
                                         struct blocker *b, struct err *e)
{
    int64_t due_us = mono_us() + (int64_t)limits->try_ms * 1000;

    for (;;) {
        struct blocker now;

        /* nothing is asked for without a watch: a login may wait behind those whom it makes wait */
        if (watch_tables(l, &now, NULL) < 0)
            return conn_is_open(&l->watch) || conn_open(&l->watch, e) == 0 ? LOCK_GRANTED
                                                                           : LOCK_ERROR;
        if (!now.found)
            return LOCK_GRANTED;
        *b = now;
        if (mono_us() >= due_us)
            return LOCK_BUSY;
        if (conn_poll(l->cancel_fd, mono_us() + TABLES_STEP_US))
            return outcome_of(WAKE_CANCEL, e);
    }
}

static enum lock_outcome request(struct mysql_lock *l, const struct lock_limits *limits,
                                 struct lock_try *ret, struct lock_report *report, struct err *e)
{
    int64_t sent_us = mono_us();
    struct err answer = ERR_INIT;
    struct waiting w = {.l = l, .limits = limits};
    enum wake why;

    report->requested_us = sent_us;
    if (conn_send(&l->lock, "FLUSH TABLES WITH READ LOCK", e) < 0)
        return LOCK_ERROR;
    w.due_us = sent_us + (int64_t)limits->try_ms * 1000;
    w.next_count_us = sent_us + WATCH_STEP_US;
    why = wait_for_answer(&w);
    if (why != WAKE_ANSWER && !cancel_request(&w))
        ret->outcome = outcome_of(why, e);
    else if (conn_result(&l->lock, NULL, &answer) < 0)
        ret->outcome = refused(l, why, &answer, e);
    else if (why == WAKE_CANCEL) {
        settle(l);
        ret->outcome = outcome_of(why, e);
    } else {
        /* also when the grant overtook our cancel: what counts is that the server said OK */
        ret->outcome = LOCK_GRANTED;
        report->locked_us = mono_us();
        if (why != WAKE_ANSWER)
            absorb_cancel(l);
    }
    end_count(&w, 0); /* others wait for us; who needs the watch next opens it anew */
    ret->victims = w.victims;
    return ret->outcome;
}

enum lock_outcome lock_try(struct mysql_lock *l, const struct lock_limits *limits,
                           struct lock_try *ret, struct blocker *ret_busy,
                           struct lock_report *report, struct err *e)
{
    int64_t began_us = mono_us();

    *ret = (struct lock_try){.outcome = wait_for_tables(l, limits, ret_busy, e)};
    if (ret->outcome == LOCK_GRANTED) {
        began_us = mono_us();
        ret->outcome = request(l, limits, ret, report, e);
    }
    ret->waited_ms = (uint32_t)((mono_us() - began_us) / 1000);
    return ret->outcome;
}
