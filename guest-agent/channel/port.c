/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The virtio port, or a socket in its place; see port.h. */
#include "guest-agent/channel/port.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/base/log.h"

struct port {
    uv_loop_t *loop;
    uv_timer_t timer;
    const char *path;
    struct port_callbacks callbacks;
    void *arg;
    int fd; /* -1: absent */
    struct peer *peer;
    const char *problem;
    int logged_errno; /* the same trouble is told once, not every two seconds */
};

static void look(struct port *p);

static void on_timer(uv_timer_t *timer)
{
    look(timer->data);
}

static void look_again(struct port *p, unsigned ms, const char *problem)
{
    p->problem = problem;
    uv_timer_start(&p->timer, on_timer, ms, 0);
}

static void drop_fd(struct port *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

static void on_message(void *arg, struct peer *peer, const Cbsnap__Envelope *m)
{
    struct port *p = arg;

    p->callbacks.message(p->arg, peer, m);
}

static void on_drained(void *arg, struct peer *peer)
{
    struct port *p = arg;

    p->callbacks.drained(p->arg, peer);
}

/* The host closed its end, or the device went away. A character device stays open: closing it would
 * throw away what a host writes before we look again. */
static void on_ended(void *arg, struct peer *peer, bool clean)
{
    struct port *p = arg;
    struct stat st;

    (void)clean;
    p->callbacks.ended(p->arg, peer);
    peer_close(peer);
    p->peer = NULL;
    if (fstat(p->fd, &st) < 0 || !S_ISCHR(st.st_mode))
        drop_fd(p);
    log_debug("the host has left the port '%s'", p->path);
    look_again(p, PORT_LOOK_MS, "no host has the port open");
}

static const struct peer_callbacks peer_callbacks = {
    .message = on_message, .ended = on_ended, .drained = on_drained};

static int open_socket(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd, saved;

    if (strlen(path) >= sizeof(addr.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(addr.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        saved = errno;
        close(fd);
        errno = saved;
        fd = -1;
    }
    return fd;
}

static int open_port(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return -1;
    if (S_ISSOCK(st.st_mode))
        return open_socket(path);
    return open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

static const char *why_absent(int error)
{
    if (error == ENOENT)
        return "there is no such port";
    if (error == EBUSY)
        return "another program has the port open";
    return "the port cannot be opened";
}

/* 1: a host is there; 0: not now; -1: the device is gone. */
static int host_there(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};

    if (poll(&p, 1, 0) < 0)
        return 0;
    if (p.revents & (POLLERR | POLLNVAL))
        return -1;
    if (!(p.revents & POLLHUP))
        return 1;
    /* unplugged looks the same to poll(2); reading nothing tells, and takes no byte away */
    return read(fd, NULL, 0) < 0 && errno == ENODEV ? -1 : 0;
}

static void look(struct port *p)
{
    struct err e = ERR_INIT;
    int there;

    if (p->fd < 0)
        p->fd = open_port(p->path);
    if (p->fd < 0) {
        if (errno != p->logged_errno)
            log_info("no link to a host: cannot open the port '%s': %s", p->path, strerror(errno));
        p->logged_errno = errno;
        look_again(p, PORT_RETRY_MS, why_absent(errno));
        return;
    }
    there = host_there(p->fd);
    if (there > 0)
        p->peer = peer_new(p->loop, p->fd, false, &peer_callbacks, p, &e);
    if (p->peer) {
        p->logged_errno = 0;
        p->problem = "";
        p->callbacks.connected(p->arg, p->peer);
        return;
    }
    if (there != 0)
        drop_fd(p);
    if (err_is_set(&e))
        log_warn("port '%s': %s", p->path, e.msg);
    look_again(p, there == 0 ? PORT_LOOK_MS : PORT_RETRY_MS, "no host has the port open");
}

struct port *port_new(uv_loop_t *loop, const char *path, const struct port_callbacks *callbacks,
                      void *arg)
{
    struct port *p = xcalloc(1, sizeof(*p));

    p->loop = loop;
    p->path = path;
    p->callbacks = *callbacks;
    p->arg = arg;
    p->fd = -1;
    p->problem = "no port is configured";
    uv_timer_init(loop, &p->timer);
    p->timer.data = p;
    if (*path)
        look_again(p, 0, "not yet looked for");
    return p;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void port_free(struct port *p)
{
    if (p->peer)
        peer_close(p->peer);
    drop_fd(p);
    uv_close((uv_handle_t *)&p->timer, on_closed);
}

struct peer *port_peer(const struct port *p)
{
    return p->peer;
}

const char *port_problem(const struct port *p)
{
    return p->problem;
}
