/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One HTTPS request at a time or many side by side; see http.h. */
#include "host-coordinator/storage/http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host-coordinator/storage/http_loop.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

/* older ones cannot be kept from repeating a request */
_Static_assert(LIBCURL_VERSION_NUM >= 0x075000, "libcurl 7.80 or newer is needed");

#define CONNECT_MS 10000L

struct http {
    struct http_loop loop;
    char *ca, *fingerprint;
    uv_timer_t *soon; /* ends what failed before it began; on the heap until libuv closed it */
    struct http_request *early;
};

struct http_request {
    struct http *http;
    struct http_request *next_early;
    CURL *easy; /* NULL while on the early list */
    bool once;
    unsigned sent;
    bool too_large;
    struct buf body;
    struct http_reply reply;
    http_done *done;
    void *arg;
    char words[CURL_ERROR_SIZE];
};

static enum http_outcome outcome_of(CURLcode result)
{
    switch (result) {
    case CURLE_OK:
        return HTTP_ANSWERED;
    case CURLE_OPERATION_TIMEDOUT:
        return HTTP_TIMED_OUT;
    case CURLE_COULDNT_RESOLVE_HOST:
        return HTTP_NO_HOST;
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
        return HTTP_NO_CONNECTION;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
        return HTTP_UNTRUSTED;
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
        return HTTP_WRONG_KEY;
    case CURLE_SSL_CACERT_BADFILE:
        return HTTP_BAD_CA;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_ABORTED_BY_CALLBACK: /* on_prereq(): it would have been sent again */
        return HTTP_BROKEN;
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL: /* no HTTP status line */
        return HTTP_MALFORMED;
    default:
        return HTTP_FAILED;
    }
}

static size_t on_body(char *data, size_t one, size_t len, void *arg)
{
    struct http_request *r = arg;

    (void)one;
    if (len > HTTP_BODY_MAX - r->body.len) {
        r->too_large = true;
        return CURL_WRITEFUNC_ERROR;
    }
    buf_add(&r->body, data, len);
    return len;
}

/* Connected, and about to write the request: also when libcurl is about to write it again. */
static int on_prereq(void *arg, char *peer_ip, char *own_ip, int peer_port, int own_port)
{
    struct http_request *r = arg;

    (void)peer_ip, (void)own_ip, (void)peer_port, (void)own_port;
    if (r->once && r->sent > 0)
        return CURL_PREREQFUNC_ABORT;
    if (r->sent++ == 0)
        r->reply.started_us = mono_us();
    return CURL_PREREQFUNC_OK;
}

/* Ends in the caller's callback; the request is gone afterwards. */
static void deliver(struct http_request *r)
{
    r->reply.sent = r->sent > 0;
    r->reply.body = buf_text(&r->body);
    r->reply.body_len = r->body.len;
    r->reply.reason = r->words;
    r->reply.ended_us = mono_us();
    r->done(r->arg, &r->reply);
    curl_easy_cleanup(r->easy);
    buf_release(&r->body);
    free(r);
}

static void on_ended(CURL *easy, CURLcode result)
{
    struct http_request *r = NULL;
    char *type = NULL;

    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &r);
    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &r->reply.status);
    (void)curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
    r->reply.content_type = type ? type : "";
    r->reply.outcome = r->too_large ? HTTP_TOO_LARGE : outcome_of(result);
    if (result != CURLE_OK && !r->words[0])
        (void)snprintf(r->words, sizeof(r->words), "%s", curl_easy_strerror(result));
    (void)curl_multi_remove_handle(r->http->loop.multi, easy);
    deliver(r);
}

static void on_soon(uv_timer_t *timer)
{
    struct http *h = timer->data;
    struct http_request *r;

    while ((r = h->early) != NULL) {
        h->early = r->next_early;
        deliver(r);
    }
}

/* Callbacks never come from within http_get(): what cannot even begin ends in the next turn. */
static void end_soon(struct http_request *r, enum http_outcome outcome, const char *words)
{
    struct http *h = r->http;

    r->reply.outcome = outcome;
    r->reply.content_type = "";
    (void)snprintf(r->words, sizeof(r->words), "%s", words);
    curl_easy_cleanup(r->easy);
    r->easy = NULL;
    r->next_early = h->early;
    h->early = r;
    (void)uv_timer_start(h->soon, on_soon, 0, 0);
}

#define SET(option, value)                                                                         \
    do {                                                                                           \
        CURLcode set_rc_ = curl_easy_setopt(easy, option, value);                                  \
        if (set_rc_ != CURLE_OK)                                                                   \
            return set_rc_;                                                                        \
    } while (0)

/* Every option is checked: one silently missing could mean an unverified peer. */
static CURLcode set_trust(CURL *easy, const struct http *h)
{
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (h->fingerprint[0]) {
        /* the pin says which key is the peer's; who signed it and for which name adds nothing */
        SET(CURLOPT_PINNEDPUBLICKEY, h->fingerprint);
        SET(CURLOPT_SSL_VERIFYPEER, 0L);
        SET(CURLOPT_SSL_VERIFYHOST, 0L);
        return CURLE_OK;
    }
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    if (h->ca[0]) {
        SET(CURLOPT_CAINFO, h->ca);
        SET(CURLOPT_CAPATH, NULL); /* else the system's CAs would be trusted as well */
    }
    return CURLE_OK;
}

static CURLcode set_transport(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    SET(CURLOPT_PROTOCOLS_STR, "https");
#else
    SET(CURLOPT_PROTOCOLS, (long)CURLPROTO_HTTPS);
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
    /* a resolver that hangs must not hold up the loop when its request is dropped */
    SET(CURLOPT_QUICK_EXIT, 1L);
#endif
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, ""); /* whatever the environment says: the URL holds the key */
    SET(CURLOPT_NOPROXY, "*");
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_NOSIGNAL, 1L);
    /* a connection each, so that requests run side by side whatever the peer offers */
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_ACCEPT_ENCODING, "gzip");
    SET(CURLOPT_USERAGENT, "cbsnap/" CBSNAP_VERSION);
    SET(CURLOPT_DNS_CACHE_TIMEOUT, 3600L); /* no look-up inside the freeze window */
    return CURLE_OK;
}

static CURLcode set_request(CURL *easy, struct http_request *r, const char *url, int64_t left_us)
{
    long left_ms = (long)((left_us + 999) / 1000);

    SET(CURLOPT_URL, url);
    SET(CURLOPT_TIMEOUT_MS, left_ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS, left_ms < CONNECT_MS ? left_ms : CONNECT_MS);
    SET(CURLOPT_PRIVATE, r);
    SET(CURLOPT_ERRORBUFFER, r->words);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, r);
    SET(CURLOPT_PREREQFUNCTION, on_prereq);
    SET(CURLOPT_PREREQDATA, r);
    return CURLE_OK;
}

struct http_request *http_get(struct http *h, const char *url, bool once, int64_t deadline_us,
                              http_done *done, void *arg)
{
    struct http_request *r = xcalloc(1, sizeof(*r));
    int64_t now_us = mono_us();
    CURLcode rc;

    *r = (struct http_request){.http = h, .once = once, .done = done, .arg = arg};
    r->reply.started_us = now_us;
    if (deadline_us <= now_us) {
        end_soon(r, HTTP_TIMED_OUT, "no time was left");
        return r;
    }
    r->easy = curl_easy_init();
    rc = r->easy ? set_trust(r->easy, h) : CURLE_FAILED_INIT;
    if (rc == CURLE_OK)
        rc = set_transport(r->easy);
    if (rc == CURLE_OK)
        rc = set_request(r->easy, r, url, deadline_us - now_us);
    if (rc != CURLE_OK)
        end_soon(r, HTTP_FAILED, curl_easy_strerror(rc));
    else if (curl_multi_add_handle(h->loop.multi, r->easy) != CURLM_OK)
        end_soon(r, HTTP_FAILED, "libcurl takes no more requests");
    return r;
}

void http_cancel(struct http_request *r)
{
    if (r->easy) {
        (void)curl_multi_remove_handle(r->http->loop.multi, r->easy);
        curl_easy_cleanup(r->easy);
    } else {
        struct http_request **at = &r->http->early;

        while (*at != r)
            at = &(*at)->next_early;
        *at = r->next_early;
    }
    buf_release(&r->body);
    free(r);
}

int http_new(struct http **ret, uv_loop_t *uv, const struct http_conf *conf, struct err *e)
{
    AUTO_FREE struct http *h = xcalloc(1, sizeof(*h));

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return err_set(e, ERR_INTERNAL, "cannot set up libcurl");
    if (http_loop_init(&h->loop, uv, on_ended, e) < 0) {
        curl_global_cleanup();
        return -1;
    }
    h->ca = xstrdup(conf->ca);
    h->fingerprint = xstrdup(conf->fingerprint);
    h->soon = xcalloc(1, sizeof(*h->soon));
    (void)uv_timer_init(uv, h->soon);
    h->soon->data = h;
    *ret = STEAL_PTR(h);
    return 0;
}

static void free_timer(uv_handle_t *timer)
{
    free(timer);
}

void http_free(struct http *h)
{
    if (!h)
        return;
    uv_close((uv_handle_t *)h->soon, free_timer);
    http_loop_release(&h->loop);
    free(h->ca);
    free(h->fingerprint);
    free(h);
    curl_global_cleanup(); /* counted: pairs with http_new() */
}

/* A phrase for what is wrong, NULL if nothing is. */
static const char *url_fault(CURLU *parts, const char *url)
{
    static const CURLUPart unwanted[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY,
                                         CURLUPART_FRAGMENT};

    /* looked at before parsing: libcurl takes a word without a scheme for an http host */
    if (strncasecmp(url, "https://", 8) != 0)
        return "does not begin with https://";
    if (url[8] == '/')
        return "has no host"; /* libcurl would take the path's first word for it */
    if (curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK)
        return "cannot be read";
    for (size_t i = 0; i < ARRAY_SIZE(unwanted); i++) {
        char *text = NULL;
        CURLUcode rc = curl_url_get(parts, unwanted[i], &text, 0);

        curl_free(text);
        if (rc == CURLUE_OK)
            return "has more than a host, a port and a path";
    }
    return NULL;
}

char *http_url_host(const char *url, const char **ret_why)
{
    CURLU *parts = curl_url();
    const char *why = parts ? url_fault(parts, url) : "cannot be read";
    char *host = NULL, *port = NULL, *shown = NULL;

    if (!why && curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK)
        why = "has no host";
    if (!why && curl_url_get(parts, CURLUPART_PORT, &port, 0) == CURLUE_OK)
        shown = xasprintf("%s:%s", host, port);
    else if (!why)
        shown = xstrdup(host);
    if (why)
        *ret_why = why;
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parts);
    return shown;
}
