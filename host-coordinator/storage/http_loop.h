/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drives one libcurl multi handle by a libuv loop: watches the sockets that libcurl names, keeps
 * its one timer, and reports transfers that ended. Private to http.c. Loop thread only.
 */
#ifndef CBSNAP_STORAGE_HTTP_LOOP_H
#define CBSNAP_STORAGE_HTTP_LOOP_H

#include <curl/curl.h>
#include <uv.h>

#include "proto/base/err.h"

struct http_loop {
    CURLM *multi;
    uv_loop_t *uv;
    uv_timer_t *timer; /* on the heap: it outlives us until libuv has closed it */
    /* A transfer ended. It removes the handle from `multi`; it may add others. */
    void (*ended)(CURL *easy, CURLcode result);
};

int http_loop_init(struct http_loop *hl, uv_loop_t *uv, void (*ended)(CURL *, CURLcode),
                   struct err *e);
/* All transfers must have been removed. */
void http_loop_release(struct http_loop *hl);

#endif
