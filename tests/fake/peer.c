/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The scripted peer's thread and socket; see peer.h. */
#include "tests/fake/peer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

static int wait_ms = 5000;

struct peer {
    pthread_t thread;
    peer_script *script;
    char dir[32], path[64];
    pthread_mutex_t mutex; /* of client, which the peer's thread changes and any may send to */
    int listener, client;
    struct wire_reader in;
    int64_t clock_offset_us;
    const char *boot_id;
    char problem[256]; /* the first one; read after the join */
};

void peer_fail(struct peer *p, const char *fmt, ...)
{
    va_list ap;

    if (p->problem[0])
        return;
    va_start(ap, fmt);
    (void)vsnprintf(p->problem, sizeof(p->problem), fmt, ap);
    va_end(ap);
}

static bool ready(int fd, short events)
{
    struct pollfd pfd = {.fd = fd, .events = events};
    int rc;

    do
        rc = poll(&pfd, 1, wait_ms);
    while (rc < 0 && errno == EINTR);
    return rc > 0;
}

Cbsnap__Envelope *peer_receive(struct peer *p)
{
    Cbsnap__Envelope *m;
    char chunk[4096];

    while (!(m = message_next(&p->in, NULL))) {
        ssize_t n;

        if (p->client < 0) /* there is none, and none has come */
            return NULL;
        if (!ready(p->client, POLLIN)) {
            peer_fail(p, "nothing came in %d ms", wait_ms);
            return NULL;
        }
        n = read(p->client, chunk, sizeof(chunk));
        if (n <= 0)
            return NULL;
        wire_reader_feed(&p->in, chunk, (size_t)n);
    }
    return m;
}

Cbsnap__Envelope *peer_expect(struct peer *p, Cbsnap__Envelope__BodyCase body)
{
    Cbsnap__Envelope *m = peer_receive(p);

    if (!m || m->body_case != body)
        peer_fail(p, "body %d came where %d was due", m ? (int)m->body_case : -1, (int)body);
    if (m && m->body_case == body)
        return m;
    message_free(m);
    return NULL;
}

static ssize_t send_some(struct peer *p, const char *at, size_t len)
{
    AUTO_LOCK(lock, &p->mutex);

    return send(p->client, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The peer's thread alone does this, and may look at its client without the mutex. */
static void set_client(struct peer *p, int fd)
{
    AUTO_LOCK(lock, &p->mutex);

    if (p->client >= 0)
        close(p->client);
    p->client = fd;
}

void peer_send_raw(struct peer *p, const void *data, size_t len)
{
    const char *at = data;

    while (len > 0) {
        ssize_t n = send_some(p, at, len);

        if (n < 0 && errno == EAGAIN) {
            usleep(1000); /* without the mutex: the peer may turn to the next client meanwhile */
            continue;
        }
        if (n <= 0)
            return; /* the client may leave whenever it likes */
        at += n;
        len -= (size_t)n;
    }
}

void peer_frame(struct peer *p, Cbsnap__Envelope *m, struct buf *ret)
{
    AUTO_FREE uint8_t *packed = NULL;
    size_t len;

    MSG_SET(m, sent_us, mono_us() + p->clock_offset_us);
    len = cbsnap__envelope__get_packed_size(m);
    packed = xcalloc(1, len);
    cbsnap__envelope__pack(m, packed);
    if (wire_frame(ret, packed, len, NULL) < 0)
        peer_fail(p, "a message of %zu bytes is too long to be sent", len);
}

void peer_send(struct peer *p, Cbsnap__Envelope *m)
{
    struct buf frame = BUF_INIT;

    peer_frame(p, m, &frame);
    peer_send_raw(p, frame.data, frame.len);
    buf_release(&frame);
}

void peer_hello(struct peer *p, uint64_t instance, uint32_t reply_to)
{
    Cbsnap__Hello hello = CBSNAP__HELLO__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

    MSG_SET(&hello, protocol, CBSNAP_PROTOCOL);
    MSG_SET(&hello, instance, instance);
    MSG_SET(&hello, epoch, instance * 10);
    hello.boot_id = (char *)p->boot_id;
    hello.agent_version = (char *)"9.9.9";
    MSG_BODY(&m, hello, HELLO, &hello);
    if (reply_to)
        MSG_SET(&m, reply_to, reply_to);
    peer_send(p, &m);
}

void peer_greet(struct peer *p, uint64_t instance)
{
    AUTO_MESSAGE Cbsnap__Envelope *theirs = NULL;

    peer_hello(p, instance, 0); /* on seeing the host come, as the agent does */
    theirs = peer_expect(p, CBSNAP__ENVELOPE__BODY_HELLO);
    if (theirs)
        peer_hello(p, instance, theirs->id);
}

void peer_answer_state(struct peer *p, const Cbsnap__Envelope *request)
{
    Cbsnap__State state = CBSNAP__STATE__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

    if (!request)
        return;
    MSG_SET(&state, state, CBSNAP__SESSION_STATE__STATE_IDLE);
    MSG_BODY(&m, state, STATE, &state);
    MSG_SET(&m, reply_to, request->id);
    peer_send(p, &m);
}

void peer_log_line(struct peer *p, const char *text)
{
    Cbsnap__LogLine line = CBSNAP__LOG_LINE__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

    line.text = (char *)text;
    MSG_BODY(&m, log_line, LOG_LINE, &line);
    peer_send(p, &m);
}

void peer_close(struct peer *p)
{
    AUTO_LOCK(lock, &p->mutex);

    (void)shutdown(p->client, SHUT_RDWR);
}

bool peer_next(struct peer *p)
{
    set_client(p, -1);
    wire_reader_release(&p->in);
    p->in = (struct wire_reader){.taken = 0};
    if (ready(p->listener, POLLIN))
        set_client(p, accept4(p->listener, NULL, NULL, SOCK_CLOEXEC));
    if (p->client < 0)
        peer_fail(p, "no client came in %d ms", wait_ms);
    return p->client >= 0;
}

void peer_set_clock(struct peer *p, int64_t offset_us)
{
    p->clock_offset_us = offset_us;
}

void peer_set_boot(struct peer *p, const char *boot_id)
{
    p->boot_id = boot_id;
}

static void *peer_main(void *arg)
{
    struct peer *p = arg;
    Cbsnap__Envelope *m;

    /* a test that expects the client not to come ends this by shutting the listener down */
    if (!ready(p->listener, POLLIN))
        return NULL;
    set_client(p, accept4(p->listener, NULL, NULL, SOCK_CLOEXEC));
    if (p->client < 0)
        return NULL;
    p->script(p);
    while ((m = peer_receive(p)))
        message_free(m);
    return NULL;
}

static _Noreturn void give_up(const char *what)
{
    perror(what);
    abort();
}

struct peer *peer_start(peer_script *script)
{
    struct peer *p = xcalloc(1, sizeof(*p));
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    p->script = script;
    p->client = -1;
    (void)pthread_mutex_init(&p->mutex, NULL);
    p->boot_id = "11111111-2222-3333-4444-555555555555";
    (void)snprintf(p->dir, sizeof(p->dir), "/tmp/cbsnap-peer-XXXXXX");
    if (!mkdtemp(p->dir))
        give_up("mkdtemp");
    (void)snprintf(p->path, sizeof(p->path), "%s/port", p->dir);
    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", p->path);
    p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(p->listener, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        listen(p->listener, 1) < 0)
        give_up("listen");
    if (script && pthread_create(&p->thread, NULL, peer_main, p) != 0)
        give_up("pthread_create");
    return p;
}

void peer_set_patience(int ms)
{
    wait_ms = ms;
}

const char *peer_path(const struct peer *p)
{
    return p->path;
}

const char *peer_stop(struct peer *p)
{
    static char problem[sizeof(p->problem)];

    (void)shutdown(p->listener, SHUT_RDWR);
    if (p->script)
        (void)pthread_join(p->thread, NULL);
    close(p->listener);
    if (p->client >= 0)
        close(p->client);
    (void)unlink(p->path);
    (void)rmdir(p->dir);
    memcpy(problem, p->problem, sizeof(problem));
    wire_reader_release(&p->in);
    (void)pthread_mutex_destroy(&p->mutex);
    free(p);
    return problem[0] ? problem : NULL;
}
