/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTPS GET requests on the loop: libcurl's multi interface, driven by libuv. Nothing else in the
 * project includes libcurl.
 *
 * What is always so: only https, the peer verified (by CA or by pinned key, there is no third
 * way), no proxy, no redirects, no credentials from files, no cookies, bodies of at most 16 MiB
 * after decompression, a deadline for the whole request. Connections stay open and are used again;
 * requests at the same time get a connection each.
 *
 * All functions are the loop thread's. Callbacks never come from within a call.
 */
#ifndef CBSNAP_STORAGE_HTTP_H
#define CBSNAP_STORAGE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "proto/base/err.h"

#define HTTP_BODY_MAX ((size_t)16 << 20)

struct http;
struct http_request;

enum http_outcome {
    HTTP_ANSWERED,      /* a whole answer: status and body are set */
    HTTP_TIMED_OUT,     /* the deadline came first */
    HTTP_NO_HOST,       /* the host's name has no address */
    HTTP_NO_CONNECTION, /* refused, unreachable, or the TLS handshake failed */
    HTTP_UNTRUSTED,     /* the certificate leads to no trusted CA or names another host */
    HTTP_WRONG_KEY,     /* the public key is not the pinned one */
    HTTP_BAD_CA,        /* the CA file cannot be used */
    HTTP_BROKEN,        /* the connection ended before the answer was whole */
    HTTP_TOO_LARGE,     /* the body is larger than HTTP_BODY_MAX */
    HTTP_MALFORMED,     /* not HTTP, or compressed data that does not unpack */
    HTTP_FAILED,        /* libcurl cannot do what we asked; see reason */
};

struct http_reply {
    enum http_outcome outcome;
    bool sent;   /* the request may have reached the peer */
    long status; /* HTTP_ANSWERED: 200, 401, ... */
    const char *body;
    size_t body_len;
    const char *content_type; /* never NULL */
    const char *reason;       /* the library's words for an outcome; may quote the URL: redact */
    int64_t started_us;       /* the request was about to be written, or was asked for */
    int64_t ended_us;
};

/* The reply lives until the callback returns. New requests may be started in it. */
typedef void http_done(void *arg, const struct http_reply *reply);

struct http_conf {
    const char *ca;          /* PEM file; "" = the system's */
    const char *fingerprint; /* "sha256//..."; "" = none */
};

/* ERR_INTERNAL when libcurl cannot be set up. */
int http_new(struct http **ret, uv_loop_t *uv, const struct http_conf *conf, struct err *e);
/* Accepts NULL; no request may be under way. */
void http_free(struct http *h);

/*
 * Starts a request. `url` may be wiped when this returns. With `once`, it is never sent a second
 * time: libcurl otherwise repeats it when a kept connection turns out to be dead.
 */
struct http_request *http_get(struct http *h, const char *url, bool once, int64_t deadline_us,
                              http_done *done, void *arg);
/* Drops it and its connection; `done` is not called. */
void http_cancel(struct http_request *r);

/*
 * Checks an address that an admin wrote: https, a host, nothing but host, port and path. Hands out
 * "host" or "host:port" for messages, or NULL and a phrase that completes "the url ...".
 */
char *http_url_host(const char *url, const char **ret_why);

#endif
