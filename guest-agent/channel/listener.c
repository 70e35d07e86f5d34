/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A listening UNIX socket and its clients; see listener.h. */
#include "guest-agent/channel/listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/base/cleanup.h"
#include "proto/base/log.h"

struct listener {
    uv_poll_t poll;
    uv_loop_t *loop;
    int fd;
    char *path;
    struct peer_callbacks callbacks;
    void *arg;
    struct peer *clients[LISTENER_CLIENTS];
};

static struct peer **free_place(struct listener *l)
{
    for (size_t n = 0; n < LISTENER_CLIENTS; n++) {
        if (!l->clients[n])
            return &l->clients[n];
    }
    return NULL;
}

/* Mode and directory keep others out already; this holds when somebody has widened them. */
static bool is_ours(int fd)
{
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t len = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

static void on_connect(uv_poll_t *poll, int status, int events)
{
    struct listener *l = poll->data;
    AUTO_CLOSE int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct peer **place = free_place(l);
    struct err e = ERR_INIT;

    (void)status;
    (void)events;
    if (fd < 0)
        return; /* gone again, or out of descriptors: the next one may have more luck */
    if (!is_ours(fd)) {
        log_warn("a client on '%s' that is not root was turned away: the mode of the socket or of "
                 "its directory was widened",
                 l->path);
        return;
    }
    if (!place) {
        log_warn("more than %d clients on '%s': one was turned away", LISTENER_CLIENTS, l->path);
        return;
    }
    *place = peer_new(l->loop, fd, true, &l->callbacks, l->arg, &e);
    if (*place)
        (void)STEAL_FD(fd);
    else
        log_warn("%s", e.msg);
}

static int bind_private(int fd, const char *path, struct err *e)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    mode_t old;
    int rc;

    if (strlen(path) >= sizeof(addr.sun_path))
        return err_set(e, ERR_CONFIG, "the socket's path '%s' is longer than %zu characters", path,
                       sizeof(addr.sun_path) - 1);
    memcpy(addr.sun_path, path, strlen(path) + 1);
    (void)unlink(path); /* of a predecessor that was killed */
    old = umask(0177);
    rc = bind(fd, (struct sockaddr *)&addr, sizeof(addr));
    umask(old);
    if (rc < 0 || listen(fd, 8) < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot listen on '%s'", path);
    return 0;
}

struct listener *listener_new(uv_loop_t *loop, const char *path,
                              const struct peer_callbacks *callbacks, void *arg, struct err *e)
{
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct listener *l;

    if (fd < 0) {
        err_set_sys(e, ERR_IO, errno, "cannot make a socket");
        return NULL;
    }
    if (bind_private(fd, path, e) < 0)
        return NULL;
    l = xcalloc(1, sizeof(*l));
    l->loop = loop;
    l->callbacks = *callbacks;
    l->arg = arg;
    l->path = xstrdup(path);
    l->fd = STEAL_FD(fd);
    if (uv_poll_init(loop, &l->poll, l->fd) != 0)
        abort(); /* a listening socket can always be polled */
    l->poll.data = l;
    uv_poll_start(&l->poll, UV_READABLE, on_connect);
    return l;
}

void listener_drop(struct listener *l, struct peer *client)
{
    for (size_t n = 0; n < LISTENER_CLIENTS; n++) {
        if (l->clients[n] == client)
            l->clients[n] = NULL;
    }
    peer_close(client);
}

static void on_closed(uv_handle_t *handle)
{
    struct listener *l = handle->data;

    free(l->path);
    free(l);
}

void listener_free(struct listener *l)
{
    for (size_t n = 0; n < LISTENER_CLIENTS; n++) {
        if (l->clients[n])
            peer_close(l->clients[n]);
    }
    (void)unlink(l->path);
    uv_close((uv_handle_t *)&l->poll, on_closed);
    close(l->fd);
}
