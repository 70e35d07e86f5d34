/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames over one descriptor; see peer.h. */
#include "guest-agent/channel/peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/log.h"

/* A frame that stops growing for so long was cut off by a restart of its sender. */
#define STALL_MS     1000
#define READ_PORTION (32 * 1024)
/* one peer that sends without end must not keep the loop from the others */
#define READS_AT_ONCE 4

struct peer {
    uv_poll_t poll;
    uv_timer_t stall;
    int fd;
    bool owns_fd;
    struct peer_callbacks callbacks;
    void *arg, *data;
    struct wire_reader reader;
    struct buf out;
    unsigned bad;   /* frames that held no envelope */
    int handles;    /* open uv handles: memory goes with the last */
    bool closed;    /* peer_close() was called */
    bool broken;    /* the queue overflowed, or a write failed: ended() is due */
    bool was_short; /* peer_send() refused something: drained() is due */
};

static void set_events(struct peer *p);

static void end(struct peer *p, bool clean)
{
    uv_poll_stop(&p->poll);
    uv_timer_stop(&p->stall);
    p->callbacks.ended(p->arg, p, clean);
}

/* Hands up all whole messages. The callback may close the peer; its memory stays until the loop has
 * closed the handles. */
static void deliver(struct peer *p)
{
    Cbsnap__Envelope *m;

    while (!p->closed && (m = message_next(&p->reader, &p->bad))) {
        p->callbacks.message(p->arg, p, m);
        message_free(m);
    }
}

static void on_stall(uv_timer_t *stall)
{
    struct peer *p = stall->data;

    if (p->broken) {
        end(p, false);
        return;
    }
    /* giving up on one false start can uncover another; each step drops at least a byte */
    while (!p->closed && wire_reader_partial(&p->reader)) {
        wire_reader_stalled(&p->reader);
        deliver(p);
    }
}

static void watch_stall(struct peer *p)
{
    if (p->closed || p->broken)
        return;
    if (wire_reader_partial(&p->reader))
        uv_timer_start(&p->stall, on_stall, STALL_MS, 0);
    else
        uv_timer_stop(&p->stall);
}

/* False when the stream is at its end or the peer was closed meanwhile. */
static bool take_input(struct peer *p)
{
    char portion[READ_PORTION];

    for (int n = 0; n < READS_AT_ONCE; n++) {
        ssize_t got = read(p->fd, portion, sizeof(portion));

        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (got <= 0) {
            end(p, got == 0 && p->out.len == 0);
            return false;
        }
        wire_reader_feed(&p->reader, portion, (size_t)got);
        deliver(p);
        if (p->closed)
            return false;
        if (got < (ssize_t)sizeof(portion))
            break;
    }
    watch_stall(p);
    return true;
}

/* False when the stream is broken. EAGAIN is not: a virtio port without a host says so too. */
static bool give_output(struct peer *p)
{
    while (p->out.len > 0) {
        ssize_t put = write(p->fd, p->out.data, p->out.len);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return errno == EAGAIN;
        buf_consume(&p->out, (size_t)put);
    }
    return true;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct peer *p = poll->data;

    if (status < 0) {
        end(p, false);
        return;
    }
    /* input first: what the other end still said before it hung up counts */
    if ((events & (UV_READABLE | UV_DISCONNECT)) && !take_input(p))
        return;
    if (p->broken)
        return; /* the timer ends it */
    if (!give_output(p)) {
        end(p, false);
        return;
    }
    if (p->was_short && peer_has_room(p)) {
        p->was_short = false;
        if (p->callbacks.drained)
            p->callbacks.drained(p->arg, p);
    }
    if (!p->closed)
        set_events(p);
}

static void set_events(struct peer *p)
{
    int events = UV_READABLE | UV_DISCONNECT;

    if (p->out.len > 0 || p->was_short)
        events |= UV_WRITABLE;
    uv_poll_start(&p->poll, events, on_poll);
}

struct peer *peer_new(uv_loop_t *loop, int fd, bool owns_fd, const struct peer_callbacks *callbacks,
                      void *arg, struct err *e)
{
    struct peer *p = xcalloc(1, sizeof(*p));
    int rc = uv_poll_init(loop, &p->poll, fd);

    if (rc != 0) {
        free(p);
        err_set_sys(e, ERR_IO, -rc, "cannot wait for descriptor %d", fd);
        return NULL;
    }
    uv_timer_init(loop, &p->stall);
    p->handles = 2;
    p->poll.data = p->stall.data = p;
    p->fd = fd;
    p->owns_fd = owns_fd;
    p->callbacks = *callbacks;
    p->arg = arg;
    set_events(p);
    return p;
}

static void on_closed(uv_handle_t *handle)
{
    struct peer *p = handle->data;

    if (--p->handles > 0)
        return;
    wire_reader_release(&p->reader);
    buf_release(&p->out);
    free(p);
}

void peer_close(struct peer *p)
{
    if (p->closed)
        return;
    p->closed = true;
    uv_close((uv_handle_t *)&p->stall, on_closed);
    uv_close((uv_handle_t *)&p->poll, on_closed);
    if (p->owns_fd)
        close(p->fd);
    if (p->reader.skipped || p->reader.refused || p->bad)
        log_debug("a peer sent %llu bytes of garbage, %llu frames over the limit, %u empty ones",
                  (unsigned long long)p->reader.skipped, (unsigned long long)p->reader.refused,
                  p->bad);
}

void *peer_data(const struct peer *p)
{
    return p->data;
}

void peer_set_data(struct peer *p, void *data)
{
    p->data = data;
}

bool peer_has_room(const struct peer *p)
{
    return !p->broken && p->out.len < PEER_QUEUE_SOFT;
}

int peer_send(struct peer *p, Cbsnap__Envelope *m, enum peer_weight weight)
{
    struct err e = ERR_INIT;

    if (p->closed || p->broken)
        return -1;
    if (weight == PEER_DROPPABLE && !peer_has_room(p)) {
        p->was_short = true;
        set_events(p);
        return -1;
    }
    if (message_frame(&p->out, m, &e) < 0) {
        log_error("a message was not sent: %s", e.msg);
        return -1;
    }
    p->broken = p->out.len > PEER_QUEUE_MAX || !give_output(p);
    if (p->broken)
        uv_timer_start(&p->stall, on_stall, 0, 0); /* ended() never comes from within a send */
    else
        set_events(p);
    return 0;
}
