/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One question to the daemon over its socket, blocking, with a deadline; see commands.h. */
#include "guest-agent/commands.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

static int open_socket(const char *path, int *ret_fd, struct err *e)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (strlen(path) >= sizeof(addr.sun_path))
        return err_set(e, ERR_CONFIG, "the socket's path '%s' is too long", path);
    memcpy(addr.sun_path, path, strlen(path) + 1);
    if (fd < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot make a socket");
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        if (errno == ENOENT || errno == ECONNREFUSED)
            return err_set(e, ERR_NOT_FOUND,
                           "cbsnap-agent is not running (nobody listens on '%s'): start it with "
                           "systemctl start cbsnap-agent",
                           path);
        (void)err_set_sys(e, errno == EACCES ? ERR_AUTH : ERR_IO, errno, "cannot connect to '%s'",
                          path);
        return e->code == ERR_AUTH ? err_hint(e, "run this as root") : -1;
    }
    *ret_fd = STEAL_FD(fd);
    return 0;
}

/* One portion of input; the daemon may end at any time. */
static int read_portion(int fd, struct wire_reader *r, int64_t until_ms, struct err *e)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int64_t left = until_ms - mono_ms();
    uint8_t portion[16 * 1024];
    ssize_t got;

    if (left <= 0 || poll(&p, 1, (int)left) == 0)
        return err_set(e, ERR_TIMEOUT, "cbsnap-agent did not answer in time");
    got = read(fd, portion, sizeof(portion));
    if (got == 0 || (got < 0 && errno == ECONNRESET))
        return err_set(e, ERR_LOST, "cbsnap-agent ended before it answered");
    if (got > 0)
        wire_reader_feed(r, portion, (size_t)got);
    else if (errno != EINTR)
        return err_set_sys(e, ERR_IO, errno, "cannot read from cbsnap-agent");
    return 0;
}

static int wait_answer(int fd, struct wire_reader *r, uint32_t id, int64_t until_ms,
                       Cbsnap__Envelope **ret, struct err *e)
{
    for (;;) {
        Cbsnap__Envelope *m = message_next(r, NULL);

        if (m && m->has_reply_to && m->reply_to == id) {
            *ret = m;
            return 0;
        }
        message_free(m);
        if (!m && read_portion(fd, r, until_ms, e) < 0)
            return -1;
    }
}

int client_call(const char *socket, Cbsnap__Envelope *request, Cbsnap__Envelope__BodyCase expected,
                int64_t wait_ms, Cbsnap__Envelope **ret, struct err *e)
{
    int64_t until_ms = mono_ms() + wait_ms;
    struct wire_reader reader = {.taken = 0};
    struct buf out = BUF_INIT;
    AUTO_CLOSE int fd = -1;
    AUTO_MESSAGE Cbsnap__Envelope *answer = NULL;
    int rc;

    MSG_SET(request, id, 1);
    if (open_socket(socket, &fd, e) < 0 || message_frame(&out, request, e) < 0)
        return -1;
    /* some bytes: they fit into the socket's buffer */
    if (send(fd, out.data, out.len, MSG_NOSIGNAL) != (ssize_t)out.len)
        rc = err_set_sys(e, ERR_IO, errno, "cannot write to cbsnap-agent");
    else
        rc = wait_answer(fd, &reader, 1, until_ms, &answer, e);
    buf_release(&out);
    wire_reader_release(&reader);
    if (rc < 0)
        return -1;
    if (answer->body_case == CBSNAP__ENVELOPE__BODY_ERROR)
        return message_to_err(answer->error, e);
    if (answer->body_case != expected)
        return err_set(e, ERR_PROTOCOL,
                       "cbsnap-agent answered something else: is it of another "
                       "version than this program?");
    *ret = STEAL_PTR(answer);
    return 0;
}
