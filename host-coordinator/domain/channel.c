/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A channel of a domain on another machine: libvirt's stream on one side, a socket pair on the
 * other, and a pump between the two that runs in libvirt's event thread. See domain.h.
 */
#include "host-coordinator/domain/domain_internal.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#define PORTION     (32 * 1024)
#define PENDING_MAX (256 * 1024) /* on its way in one direction; no more is read until it goes */

struct pump {
    pthread_mutex_t mutex;
    atomic_uint refs; /* the stream's callback, the socket's, and whoever works on it */
    struct domain *domain;
    virStreamPtr stream;
    int fd, watch;
    struct buf to_stream, to_socket;
    bool ended;
};

/* ---- where it is ----------------------------------------------------------------------------- */

bool uri_is_local(const char *uri)
{
    const char *rest = strstr(uri, "://");
    const char *plus = strchr(uri, '+');

    if (!rest)
        return true; /* "test:default" and the like */
    if (plus && plus < rest && strncmp(plus, "+unix:", 6) != 0)
        return false;
    return rest[3] == '/' || rest[3] == '\0';
}

bool domain_local(struct domain *d)
{
    HOLD(d);
    AUTO_FREE char *uri = virConnectGetURI(d->conn);

    return !uri || uri_is_local(uri);
}

/* ---- the event thread ------------------------------------------------------------------------ */

static void *run_events(void *arg)
{
    for (;;) {
        if (virEventRunDefaultImpl() < 0)
            usleep(100000); /* out of descriptors or the like: try on, but not at full speed */
    }
    return arg;
}

void channel_start_events(void)
{
    pthread_t thread;

    if (virEventRegisterDefaultImpl() < 0)
        return; /* streams will say so; nothing else needs events */
    if (pthread_create(&thread, NULL, run_events, NULL) == 0)
        (void)pthread_detach(thread);
}

/* ---- the pump -------------------------------------------------------------------------------- */

static void pump_drop(void *arg)
{
    struct pump *p = arg;

    if (atomic_fetch_sub(&p->refs, 1) > 1)
        return;
    (void)virStreamFree(p->stream);
    domain_drop(p->domain);
    buf_release(&p->to_stream);
    buf_release(&p->to_socket);
    (void)pthread_mutex_destroy(&p->mutex);
    free(p);
}

/* Neither side hears of the other again: the link reads end of file, libvirt lets go of QEMU. */
static void end_locked(struct pump *p)
{
    if (p->ended)
        return;
    p->ended = true;
    (void)virStreamEventRemoveCallback(p->stream);
    (void)virEventRemoveHandle(p->watch);
    close(p->fd);
    (void)virStreamAbort(p->stream);
}

/* Each returns false when its side has ended. */

static bool from_stream(struct pump *p)
{
    while (p->to_socket.len < PENDING_MAX) {
        uint8_t *at = buf_reserve(&p->to_socket, PORTION);
        int n = virStreamRecv(p->stream, (char *)at, PORTION);

        if (n == -2)
            return true;
        if (n <= 0)
            return false;
        p->to_socket.len += (size_t)n;
    }
    return true;
}

static bool into_stream(struct pump *p)
{
    while (p->to_stream.len > 0) {
        size_t len = p->to_stream.len < PORTION ? p->to_stream.len : PORTION;
        int n = virStreamSend(p->stream, (const char *)p->to_stream.data, len);

        if (n == -2)
            return true;
        if (n < 0)
            return false;
        buf_consume(&p->to_stream, (size_t)n);
    }
    return true;
}

static bool from_socket(struct pump *p)
{
    while (p->to_stream.len < PENDING_MAX) {
        uint8_t *at = buf_reserve(&p->to_stream, PORTION);
        ssize_t n = recv(p->fd, at, PORTION, MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        if (n == 0)
            return false;
        p->to_stream.len += (size_t)n;
    }
    return true;
}

static bool into_socket(struct pump *p)
{
    while (p->to_socket.len > 0) {
        ssize_t n = send(p->fd, p->to_socket.data, p->to_socket.len, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        buf_consume(&p->to_socket, (size_t)n);
    }
    return true;
}

/* What each side is waited for: room where something is pending, bytes where there is room. */
static void update_locked(struct pump *p)
{
    int stream = VIR_STREAM_EVENT_HANGUP | VIR_STREAM_EVENT_ERROR;
    int fd = VIR_EVENT_HANDLE_HANGUP | VIR_EVENT_HANDLE_ERROR;

    if (p->to_socket.len < PENDING_MAX)
        stream |= VIR_STREAM_EVENT_READABLE;
    if (p->to_stream.len > 0)
        stream |= VIR_STREAM_EVENT_WRITABLE;
    if (p->to_stream.len < PENDING_MAX)
        fd |= VIR_EVENT_HANDLE_READABLE;
    if (p->to_socket.len > 0)
        fd |= VIR_EVENT_HANDLE_WRITABLE;
    (void)virStreamEventUpdateCallback(p->stream, stream);
    virEventUpdateHandle(p->watch, fd);
}

static void on_stream(virStreamPtr stream, int events, void *arg)
{
    struct pump *p = arg;

    (void)stream;
    (void)atomic_fetch_add(&p->refs, 1);
    {
        AUTO_LOCK(lock, &p->mutex);
        bool good = !p->ended;

        if (good && (events & VIR_STREAM_EVENT_READABLE))
            good = from_stream(p) && into_socket(p);
        if (good && (events & VIR_STREAM_EVENT_WRITABLE))
            good = into_stream(p);
        if (good && !(events & (VIR_STREAM_EVENT_HANGUP | VIR_STREAM_EVENT_ERROR)))
            update_locked(p);
        else
            end_locked(p);
    }
    pump_drop(p);
}

static void on_socket(int watch, int fd, int events, void *arg)
{
    struct pump *p = arg;

    (void)watch;
    (void)fd;
    (void)atomic_fetch_add(&p->refs, 1);
    {
        AUTO_LOCK(lock, &p->mutex);
        bool good = !p->ended;

        if (good && (events & VIR_EVENT_HANDLE_WRITABLE))
            good = into_socket(p);
        if (good && (events & (VIR_EVENT_HANDLE_READABLE | VIR_EVENT_HANDLE_HANGUP)))
            good = from_socket(p) && into_stream(p);
        if (good && !(events & (VIR_EVENT_HANDLE_HANGUP | VIR_EVENT_HANDLE_ERROR)))
            update_locked(p);
        else
            end_locked(p);
    }
    pump_drop(p);
}

/* ---- opening --------------------------------------------------------------------------------- */

/* Takes fd and the stream, also on failure. */
static int pump_start(struct domain *d, virStreamPtr stream, int fd, struct err *e)
{
    struct pump *p = xcalloc(1, sizeof(*p));
    int rc = 0;

    (void)pthread_mutex_init(&p->mutex, NULL);
    atomic_init(&p->refs, 1);
    p->domain = domain_hold(d);
    p->stream = stream;
    p->fd = fd;
    {
        AUTO_LOCK(lock, &p->mutex);
        (void)atomic_fetch_add(&p->refs, 2);
        p->watch = virEventAddHandle(fd, 0, on_socket, p, pump_drop);
        if (p->watch < 0)
            pump_drop(p);
        if (p->watch < 0 ||
            virStreamEventAddCallback(stream, VIR_STREAM_EVENT_HANGUP | VIR_STREAM_EVENT_ERROR,
                                      on_stream, p, pump_drop) < 0) {
            rc = libvirt_error(e, "read the channel of", d->name);
            pump_drop(p); /* the callback that is not there */
            p->ended = true;
            if (p->watch >= 0)
                (void)virEventRemoveHandle(p->watch);
            close(fd);
            (void)virStreamAbort(stream);
        } else {
            update_locked(p);
        }
    }
    pump_drop(p);
    return rc;
}

int domain_channel(struct domain *d, const char *name, int *ret_fd, struct err *e)
{
    HOLD(d);
    virStreamPtr stream = virStreamNew(d->conn, VIR_STREAM_NONBLOCK);
    int pair[2];

    if (!stream)
        return libvirt_error(e, "open a channel of", d->name);
    if (virDomainOpenChannel(d->dom, name, stream, 0) < 0) {
        (void)libvirt_error(e, "open the channel of", d->name);
        (void)virStreamFree(stream);
        return -1;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
        err_set_sys(e, ERR_IO, errno, "cannot make a pair of sockets");
        (void)virStreamAbort(stream);
        (void)virStreamFree(stream);
        return -1;
    }
    if (pump_start(d, stream, pair[0], e) < 0) {
        close(pair[1]);
        return -1;
    }
    *ret_fd = pair[1];
    return 0;
}
