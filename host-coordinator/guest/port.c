/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connecting to the port, and finding out who has it; see port.h. */
#include "host-coordinator/guest/port.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

#define BACKLOG_RETRY_US 50000

/* ---- connecting ------------------------------------------------------------------------------ */

static int connect_error(const char *path, int why, struct err *e)
{
    switch (why) {
    case ENOENT:
        return err_set(e, ERR_NOT_FOUND,
                       "there is no socket '%s' on this machine; libvirt makes it when the domain "
                       "starts, and cbsnap-coord must run on the domain's hypervisor",
                       path);
    case ECONNREFUSED:
        return err_set(e, ERR_NOT_FOUND,
                       "nobody serves the socket '%s': the domain's QEMU has ended; start the "
                       "domain",
                       path);
    case EACCES:
    case EPERM:
        return err_set_sys(e, ERR_AUTH, why,
                           "may not use the socket '%s', run this as root or as QEMU's user", path);
    default:
        return err_set_sys(e, ERR_IO, why, "cannot connect to the socket '%s'", path);
    }
}

static int port_busy(const char *path, struct err *e)
{
    return err_set(e, ERR_BUSY,
                   "another program has the port '%s', and QEMU serves one at a time; end that "
                   "program (ss -xp shows it) or wait until it is done",
                   path);
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* 0 to try again; -1 with e set when the deadline has passed or a signal came. */
static int wait_for_backlog(struct loop *loop, const char *path, int64_t deadline_us, struct err *e)
{
    struct err why = ERR_INIT;

    if (mono_us() >= deadline_us)
        return port_busy(path, e);
    (void)loop_wait_until(loop, never, NULL, earlier(mono_us() + BACKLOG_RETRY_US, deadline_us),
                          &why);
    if (why.code == ERR_TIMEOUT)
        return 0;
    if (e)
        *e = why;
    return -1;
}

int port_connect(struct loop *loop, const char *path, int64_t deadline_us, int *ret_fd,
                 struct err *e)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    AUTO_CLOSE int fd = -1;

    if (strlen(path) >= sizeof(addr.sun_path))
        return err_set(e, ERR_CONFIG, "the name of the socket '%s' is longer than %zu characters",
                       path, sizeof(addr.sun_path) - 1);
    memcpy(addr.sun_path, path, strlen(path));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot make a socket");
    while (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return connect_error(path, errno, e);
        if (wait_for_backlog(loop, path, deadline_us, e) < 0)
            return -1;
    }
    *ret_fd = STEAL_FD(fd);
    return 0;
}

/* ---- who has it ------------------------------------------------------------------------------ */

static int ask_kernel(int netlink, ino_t inode)
{
    struct {
        struct nlmsghdr head;
        struct unix_diag_req req;
    } ask = {
        .head = {.nlmsg_len = sizeof(ask),
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST},
        .req = {.sdiag_family = AF_UNIX,
                .udiag_states = ~0u,
                .udiag_ino = (uint32_t)inode,
                .udiag_show = UDIAG_SHOW_PEER,
                .udiag_cookie = {~0u, ~0u}}, /* we know none: any socket of that inode */
    };

    return send(netlink, &ask, sizeof(ask), 0) == (ssize_t)sizeof(ask) ? 0 : -1;
}

/* The inode of our peer: 0 as long as nobody accepted it, as it belongs to no descriptor yet. */
static enum port_state read_answer(const struct nlmsghdr *head, size_t len)
{
    const struct unix_diag_msg *msg;
    struct rtattr *attr;
    unsigned left;

    if (!NLMSG_OK(head, len) || head->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
        head->nlmsg_len < NLMSG_LENGTH(sizeof(*msg)))
        return PORT_UNKNOWN;
    msg = NLMSG_DATA(head);
    left = head->nlmsg_len - (unsigned)NLMSG_LENGTH(sizeof(*msg));
    attr = (struct rtattr *)((char *)NLMSG_DATA(head) + NLMSG_ALIGN(sizeof(*msg)));
    for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
        uint32_t inode;

        if (attr->rta_type != UNIX_DIAG_PEER || RTA_PAYLOAD(attr) < sizeof(inode))
            continue;
        memcpy(&inode, RTA_DATA(attr), sizeof(inode));
        return inode == 0 ? PORT_QUEUED : PORT_ACCEPTED;
    }
    return PORT_UNKNOWN;
}

/* A connection through libvirt ends in this process: there is no server with a name. */
static socklen_t server_name(int fd, struct sockaddr_un *ret)
{
    socklen_t len = sizeof(*ret);

    if (getpeername(fd, (struct sockaddr *)ret, &len) < 0 ||
        len <= offsetof(struct sockaddr_un, sun_path))
        return 0;
    len -= (socklen_t)offsetof(struct sockaddr_un, sun_path);
    return ret->sun_path[0] ? (socklen_t)strnlen(ret->sun_path, len) : len;
}

enum port_state port_state(int fd)
{
    struct sockaddr_un server;
    _Alignas(struct nlmsghdr) char answer[1024];
    AUTO_CLOSE int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    struct stat st;
    ssize_t n;

    if (server_name(fd, &server) == 0 || netlink < 0 || fstat(fd, &st) < 0 ||
        ask_kernel(netlink, st.st_ino) < 0)
        return PORT_UNKNOWN;
    /* the kernel has answered by the time send() returns */
    n = recv(netlink, answer, sizeof(answer), MSG_DONTWAIT);
    if (n < (ssize_t)sizeof(struct nlmsghdr))
        return PORT_UNKNOWN;
    return read_answer((const struct nlmsghdr *)answer, (size_t)n);
}

static int ask_listeners(int netlink)
{
    struct {
        struct nlmsghdr head;
        struct unix_diag_req req;
    } ask = {
        .head = {.nlmsg_len = sizeof(ask),
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .req = {.sdiag_family = AF_UNIX,
                .udiag_states = 1u << TCP_LISTEN,
                .udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_RQLEN},
    };

    return send(netlink, &ask, sizeof(ask), 0) == (ssize_t)sizeof(ask) ? 0 : -1;
}

/* How many wait for this listener if it is called so, else 0. */
static unsigned waiting_at(const struct nlmsghdr *head, const char *name, size_t name_len)
{
    const struct unix_diag_msg *msg = NLMSG_DATA(head);
    struct rtattr *attr = (struct rtattr *)((char *)NLMSG_DATA(head) + NLMSG_ALIGN(sizeof(*msg)));
    unsigned left = head->nlmsg_len - (unsigned)NLMSG_LENGTH(sizeof(*msg));
    struct unix_diag_rqlen queue = {.udiag_rqueue = 0};
    bool same = false;

    for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
        const char *data = RTA_DATA(attr);
        size_t len = RTA_PAYLOAD(attr);

        /* a name comes with or without its NUL */
        if (attr->rta_type == UNIX_DIAG_NAME)
            same = len >= name_len && memcmp(data, name, name_len) == 0 &&
                   (len == name_len || (len == name_len + 1 && data[name_len] == '\0'));
        else if (attr->rta_type == UNIX_DIAG_RQLEN && len >= sizeof(queue))
            memcpy(&queue, data, sizeof(queue));
    }
    return same ? queue.udiag_rqueue : 0;
}

/* One portion of the kernel's list; false at its end. */
static bool read_listeners(const char *answer, size_t len, const char *name, size_t name_len,
                           unsigned *waiting)
{
    const struct nlmsghdr *head = (const struct nlmsghdr *)answer;

    for (; NLMSG_OK(head, len); head = NLMSG_NEXT(head, len)) {
        if (head->nlmsg_type == NLMSG_DONE || head->nlmsg_type == NLMSG_ERROR)
            return false;
        if (head->nlmsg_type == SOCK_DIAG_BY_FAMILY &&
            head->nlmsg_len >= NLMSG_LENGTH(sizeof(struct unix_diag_msg)))
            *waiting += waiting_at(head, name, name_len);
    }
    return true;
}

unsigned port_waiting(int fd)
{
    _Alignas(struct nlmsghdr) char answer[32 * 1024];
    AUTO_CLOSE int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    struct sockaddr_un server;
    socklen_t name_len = server_name(fd, &server);
    unsigned waiting = 0;
    ssize_t n;

    if (name_len == 0 || netlink < 0 || ask_listeners(netlink) < 0)
        return 0;
    do
        n = recv(netlink, answer, sizeof(answer), MSG_DONTWAIT);
    while (n > 0 && read_listeners(answer, (size_t)n, server.sun_path, name_len, &waiting));
    return waiting;
}

int port_silent(int fd, const char *path, int64_t waited_us, struct err *e)
{
    static const char start[] = "start it there: systemctl start cbsnap-agent";
    int64_t ms = waited_us / 1000;

    switch (port_state(fd)) {
    case PORT_QUEUED:
        return port_busy(path, e);
    case PORT_ACCEPTED:
        return err_set(e, ERR_TIMEOUT,
                       "nobody answered on the port '%s' in %" PRId64
                       " ms: cbsnap-agent does not run in the guest; %s",
                       path, ms, start);
    default:
        return err_set(e, ERR_TIMEOUT,
                       "nobody answered on the port '%s' in %" PRId64
                       " ms: cbsnap-agent does not run in the guest (%s), or another program has "
                       "the port (ss -xp on the hypervisor shows it)",
                       path, ms, start);
    }
}
