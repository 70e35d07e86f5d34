/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames over a libuv pipe; see link.h. */
#include "host-coordinator/guest/link.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/cleanup.h"
#include "proto/base/log.h"

struct link {
    uv_pipe_t pipe;
    uv_timer_t stall;
    unsigned handles; /* still to be closed before the memory may go */
    bool closing, lost;
    struct err why;
    struct wire_reader in;
    unsigned bad; /* whole frames that held no message */
    size_t queued;
    link_message *on_message;
    link_lost *on_lost;
    void *arg;
    char chunk[64 * 1024];
};

struct write {
    uv_write_t req;
    struct link *link;
    struct buf frame;
};

static void lose(struct link *l, int status)
{
    if (l->lost || l->closing)
        return;
    l->lost = true;
    (void)uv_read_stop((uv_stream_t *)&l->pipe);
    (void)uv_timer_stop(&l->stall);
    if (status == UV_EOF || status == UV_EPIPE || status == UV_ECONNRESET)
        err_set(&l->why, ERR_LOST, "QEMU closed the port to the agent: the domain has ended");
    else
        err_set(&l->why, ERR_LOST, "the port to the agent failed: %s", uv_strerror(status));
    l->on_lost(l->arg, &l->why);
}

/* ---- reading --------------------------------------------------------------------------------- */

static void on_stall(uv_timer_t *timer);

/* A callback may close the link; its memory stays until the loop has turned. */
static void drain(struct link *l)
{
    Cbsnap__Envelope *m;

    while (!l->closing && (m = message_next(&l->in, &l->bad)))
        l->on_message(l->arg, m);
    if (l->closing)
        return;
    if (wire_reader_partial(&l->in))
        (void)uv_timer_start(&l->stall, on_stall, LINK_STALL_MS, 0);
    else
        (void)uv_timer_stop(&l->stall);
}

static void on_stall(uv_timer_t *timer)
{
    struct link *l = timer->data;

    wire_reader_stalled(&l->in);
    drain(l);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    struct link *l = handle->data;

    (void)suggested;
    *ret = uv_buf_init(l->chunk, sizeof(l->chunk));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *data)
{
    struct link *l = stream->data;

    if (n < 0) {
        lose(l, (int)n);
        return;
    }
    wire_reader_feed(&l->in, data->base, (size_t)n);
    drain(l);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void on_written(uv_write_t *req, int status)
{
    struct write *w = req->data;
    struct link *l = w->link;

    l->queued -= w->frame.len;
    buf_release(&w->frame);
    free(w);
    if (status < 0 && status != UV_ECANCELED)
        lose(l, status);
}

int link_send(struct link *l, Cbsnap__Envelope *m, struct err *e)
{
    struct buf frame = BUF_INIT;
    struct write *w;
    uv_buf_t data;
    int rc;

    if (l->lost) {
        if (e)
            *e = l->why;
        return -1;
    }
    if (message_frame(&frame, m, e) < 0)
        return -1;
    if (l->queued > LINK_QUEUE_MAX) {
        buf_release(&frame);
        return err_set(e, ERR_TIMEOUT, "the agent does not read its port: %zu bytes wait for it",
                       l->queued);
    }
    w = xcalloc(1, sizeof(*w));
    *w = (struct write){.link = l, .frame = frame};
    w->req.data = w;
    data = uv_buf_init((char *)frame.data, (unsigned)frame.len);
    rc = uv_write(&w->req, (uv_stream_t *)&l->pipe, &data, 1, on_written);
    if (rc < 0) {
        buf_release(&w->frame);
        free(w);
        return err_set(e, ERR_LOST, "cannot write to the agent's port: %s", uv_strerror(rc));
    }
    l->queued += frame.len;
    return 0;
}

/* ---- opening and closing --------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
    struct link *l = handle->data;

    if (--l->handles > 0)
        return;
    if (l->in.skipped > 0 || l->in.refused > 0 || l->bad > 0)
        log_debug("port to the agent: %" PRIu64 " bytes skipped, %" PRIu64 " frames refused, "
                  "%u frames without a message",
                  l->in.skipped, l->in.refused, l->bad);
    wire_reader_release(&l->in);
    free(l);
}

int link_open(struct link **ret, struct loop *loop, int fd, link_message *message, link_lost *lost,
              void *arg, struct err *e)
{
    struct link *l = xcalloc(1, sizeof(*l));
    int rc;

    *l = (struct link){.on_message = message, .on_lost = lost, .arg = arg, .handles = 2};
    (void)uv_pipe_init(loop_uv(loop), &l->pipe, 0); /* cannot fail on Linux, nor can the timer's */
    (void)uv_timer_init(loop_uv(loop), &l->stall);
    l->pipe.data = l;
    l->stall.data = l;
    rc = uv_pipe_open(&l->pipe, fd);
    if (rc < 0)
        close(fd);
    else
        rc = uv_read_start((uv_stream_t *)&l->pipe, on_alloc, on_read);
    if (rc < 0) {
        link_close(l);
        return err_set(e, ERR_IO, "cannot use the socket of the port: %s", uv_strerror(rc));
    }
    *ret = l;
    return 0;
}

void link_close(struct link *l)
{
    if (!l || l->closing)
        return;
    l->closing = true;
    uv_close((uv_handle_t *)&l->pipe, on_closed);
    uv_close((uv_handle_t *)&l->stall, on_closed);
}

int link_fd(const struct link *l)
{
    uv_os_fd_t fd = -1;

    (void)uv_fileno((const uv_handle_t *)&l->pipe, &fd);
    return fd;
}
