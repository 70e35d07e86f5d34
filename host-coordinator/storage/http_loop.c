/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between libcurl's multi interface and libuv; see http_loop.h. */
#include "host-coordinator/storage/http_loop.h"

#include <stdlib.h>

#include "proto/base/buf.h"

struct watch {
    uv_poll_t poll;
    struct http_loop *loop;
    curl_socket_t fd;
};

static void free_handle(uv_handle_t *handle)
{
    free(handle->data);
}

static void close_watch(struct watch *w)
{
    (void)uv_poll_stop(&w->poll);
    w->poll.data = w;
    uv_close((uv_handle_t *)&w->poll, free_handle);
}

static void report_ended(struct http_loop *hl)
{
    CURLMsg *msg;
    int left;

    while ((msg = curl_multi_info_read(hl->multi, &left)) != NULL) {
        CURL *easy = msg->easy_handle;
        CURLcode result = msg->data.result; /* msg is gone once the handle is removed */

        if (msg->msg == CURLMSG_DONE)
            hl->ended(easy, result);
    }
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct watch *w = poll->data;
    struct http_loop *hl = w->loop; /* the watch may be closed by the call below */
    int flags = 0, running;

    if (status < 0)
        flags = CURL_CSELECT_ERR;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    (void)curl_multi_socket_action(hl->multi, w->fd, flags, &running);
    report_ended(hl);
}

static struct watch *open_watch(struct http_loop *hl, curl_socket_t fd)
{
    struct watch *w = xcalloc(1, sizeof(*w));

    w->loop = hl;
    w->fd = fd;
    if (uv_poll_init_socket(hl->uv, &w->poll, fd) < 0) {
        free(w);
        return NULL;
    }
    w->poll.data = w;
    (void)curl_multi_assign(hl->multi, fd, w);
    return w;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *opaque)
{
    struct http_loop *hl = arg;
    struct watch *w = opaque;
    int events = 0;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w) {
            (void)curl_multi_assign(hl->multi, fd, NULL);
            close_watch(w);
        }
        return 0;
    }
    if (!w)
        w = open_watch(hl, fd);
    if (!w)
        return -1;
    if (what & CURL_POLL_IN)
        events |= UV_READABLE;
    if (what & CURL_POLL_OUT)
        events |= UV_WRITABLE;
    return uv_poll_start(&w->poll, events, on_ready) < 0 ? -1 : 0;
}

static void on_timer(uv_timer_t *timer)
{
    struct http_loop *hl = timer->data;
    int running;

    (void)curl_multi_socket_action(hl->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    report_ended(hl);
}

static int on_timeout_set(CURLM *multi, long timeout_ms, void *arg)
{
    struct http_loop *hl = arg;

    (void)multi;
    if (timeout_ms < 0)
        return uv_timer_stop(hl->timer) < 0 ? -1 : 0;
    uv_update_time(hl->uv); /* the loop's idea of now may be as old as the caller's last wait */
    return uv_timer_start(hl->timer, on_timer, (uint64_t)timeout_ms, 0) < 0 ? -1 : 0;
}

int http_loop_init(struct http_loop *hl, uv_loop_t *uv, void (*ended)(CURL *, CURLcode),
                   struct err *e)
{
    *hl = (struct http_loop){.multi = curl_multi_init(), .uv = uv, .ended = ended};
    if (!hl->multi)
        return err_set(e, ERR_INTERNAL, "cannot set up libcurl");
    hl->timer = xcalloc(1, sizeof(*hl->timer));
    (void)uv_timer_init(uv, hl->timer);
    hl->timer->data = hl;
    if (curl_multi_setopt(hl->multi, CURLMOPT_SOCKETFUNCTION, on_socket) != CURLM_OK ||
        curl_multi_setopt(hl->multi, CURLMOPT_SOCKETDATA, hl) != CURLM_OK ||
        curl_multi_setopt(hl->multi, CURLMOPT_TIMERFUNCTION, on_timeout_set) != CURLM_OK ||
        curl_multi_setopt(hl->multi, CURLMOPT_TIMERDATA, hl) != CURLM_OK ||
        /* idle connections, one per volume of the largest set we can think of */
        curl_multi_setopt(hl->multi, CURLMOPT_MAXCONNECTS, 64L) != CURLM_OK) {
        http_loop_release(hl);
        return err_set(e, ERR_INTERNAL, "cannot set up libcurl");
    }
    return 0;
}

void http_loop_release(struct http_loop *hl)
{
    (void)curl_multi_cleanup(hl->multi);
    (void)uv_timer_stop(hl->timer);
    hl->timer->data = hl->timer;
    uv_close((uv_handle_t *)hl->timer, free_handle);
}
