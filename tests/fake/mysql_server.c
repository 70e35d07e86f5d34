/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See mysql_server.h. */
#include "tests/fake/mysql_server.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "tests/slow.h"

enum { SESSIONS = 64, COM_QUIT = 1, COM_QUERY = 3, NO_SUCH_THREAD = 1094 };

struct fake_session {
    struct fake_mysql *server;
    unsigned long id; /* 0: none is here */
    int fd;
    unsigned char seq;
    bool answered, killed, joinable;
    pthread_t thread;
};

struct fake_mysql {
    pthread_mutex_t lock;
    pthread_cond_t killed;
    pthread_t thread;
    int listener;
    bool stops, silent;
    atomic_bool deaf; /* to KILL */
    unsigned logins;
    const char *version;
    fake_mysql_says says;
    struct fake_session sessions[SESSIONS];
};

/* ---- packets ---- */

static void add_number(struct buf *b, uint64_t value, int bytes)
{
    for (int n = 0; n < bytes; n++) {
        unsigned char byte = (unsigned char)(value >> 8 * n);

        buf_add(b, &byte, 1);
    }
}

static void add_text(struct buf *b, const char *text)
{
    size_t len = text ? strlen(text) : 0;

    if (len > UINT16_MAX)
        abort();
    if (!text) {
        add_number(b, 0xfb, 1);
        return;
    }
    if (len > 250)
        add_number(b, 0xfc, 1);
    add_number(b, len, len > 250 ? 2 : 1);
    buf_add(b, text, len);
}

static void send_packet(struct fake_session *s, struct buf *body)
{
    struct buf packet = BUF_INIT;

    add_number(&packet, body->len, 3);
    add_number(&packet, s->seq++, 1);
    buf_add(&packet, body->data, body->len);
    (void)send(s->fd, packet.data, packet.len, MSG_NOSIGNAL);
    buf_release(&packet);
    buf_release(body);
}

static bool receive(int fd, void *to, size_t len)
{
    return len == 0 || recv(fd, to, len, MSG_WAITALL) == (ssize_t)len;
}

/* A text; NULL when the client went. */
static char *read_packet(struct fake_session *s)
{
    unsigned char head[4];
    size_t len;
    char *body;

    if (!receive(s->fd, head, sizeof(head)))
        return NULL;
    len = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16;
    s->seq = (unsigned char)(head[3] + 1);
    body = xcalloc(1, len + 1);
    if (receive(s->fd, body, len))
        return body;
    free(body);
    return NULL;
}

static void send_handshake(struct fake_session *s)
{
    static const unsigned caps = 0x1 | 0x200 | 0x2000 | 0x8000 | 0x80000;
    static const char zeros[10] = "";
    struct buf b = BUF_INIT;

    add_number(&b, 10, 1);
    buf_add(&b, s->server->version, strlen(s->server->version) + 1);
    add_number(&b, s->id, 4);
    buf_add(&b, "12345678", 9);
    add_number(&b, caps & 0xffff, 2);
    add_number(&b, 45, 1); /* utf8mb4 */
    add_number(&b, 2, 2);
    add_number(&b, caps >> 16, 2);
    add_number(&b, 21, 1);
    buf_add(&b, zeros, sizeof(zeros));
    buf_add(&b, "123456789012", 13);
    buf_add(&b, "mysql_native_password", sizeof("mysql_native_password"));
    s->seq = 0;
    send_packet(s, &b);
}

/* ---- answers ---- */

void fake_ok(struct fake_session *s)
{
    struct buf b = BUF_INIT;

    add_number(&b, 0, 3);
    add_number(&b, 2, 2);
    add_number(&b, 0, 2);
    send_packet(s, &b);
    s->answered = true;
}

void fake_error(struct fake_session *s, unsigned number, const char *text)
{
    struct buf b = BUF_INIT;

    add_number(&b, 0xff, 1);
    add_number(&b, number, 2);
    buf_addf(&b, "#HY000%s", text);
    send_packet(s, &b);
    s->answered = true;
}

static void send_end(struct fake_session *s)
{
    struct buf b = BUF_INIT;

    add_number(&b, 0xfe, 1);
    add_number(&b, 2 << 16, 4);
    send_packet(s, &b);
}

static void send_column(struct fake_session *s, const char *name)
{
    const char *const names[] = {"def", "", "", "", name, name};
    struct buf b = BUF_INIT;

    for (size_t n = 0; n < ARRAY_SIZE(names); n++)
        add_text(&b, names[n]);
    add_number(&b, 0x0c, 1);
    add_number(&b, 45, 2);
    add_number(&b, 1024, 4);
    add_number(&b, 0xfd, 1); /* VARCHAR */
    add_number(&b, 0, 5);
    send_packet(s, &b);
}

void fake_rows(struct fake_session *s, size_t columns, size_t rows, const char *const *cells)
{
    struct buf b = BUF_INIT;

    add_number(&b, columns, 1);
    send_packet(s, &b);
    for (size_t n = 0; n < columns; n++)
        send_column(s, cells[n]);
    send_end(s);
    for (size_t row = 1; row <= rows; row++) {
        struct buf line = BUF_INIT;

        for (size_t n = 0; n < columns; n++)
            add_text(&line, cells[row * columns + n]);
        send_packet(s, &line);
    }
    send_end(s);
    s->answered = true;
}

/* ---- sessions ---- */

static bool end_session(struct fake_mysql *f, unsigned long id)
{
    AUTO_LOCK(held, &f->lock);

    for (size_t n = 0; n < SESSIONS; n++) {
        if (id == 0 || f->sessions[n].id != id)
            continue;
        f->sessions[n].killed = true;
        (void)shutdown(f->sessions[n].fd, SHUT_RDWR);
        pthread_cond_broadcast(&f->killed);
        return true;
    }
    return false;
}

/* What hangs in a statement does not notice that its client has gone. */
static void go_on_for_ever(struct fake_session *s)
{
    AUTO_LOCK(held, &s->server->lock);

    s->server->silent = true;
    while (!s->killed && !s->server->stops)
        pthread_cond_wait(&s->server->killed, &s->server->lock);
}

static bool serve(struct fake_session *s)
{
    AUTO_FREE char *packet = read_packet(s);
    const char *sql = packet ? packet + 1 : "";

    if (!packet || *packet != COM_QUERY)
        return false;
    s->answered = false;
    if (strncmp(sql, "KILL ", 5) != 0)
        s->server->says(s, sql);
    else if (atomic_load(&s->server->deaf))
        ; /* it hangs, too */
    else if (end_session(s->server, strtoul(sql + 5, NULL, 10)))
        fake_ok(s);
    else
        fake_error(s, NO_SUCH_THREAD, "Unknown thread id");
    if (!s->answered)
        go_on_for_ever(s);
    return s->answered;
}

static void *session_main(void *arg)
{
    struct fake_session *s = arg;
    char *login;

    send_handshake(s);
    login = read_packet(s);
    if (login) {
        fake_ok(s);
        while (serve(s))
            ;
    }
    free(login);
    pthread_mutex_lock(&s->server->lock);
    s->id = 0;
    close(s->fd);
    pthread_mutex_unlock(&s->server->lock);
    return NULL;
}

static void begin_session(struct fake_mysql *f, int fd)
{
    AUTO_LOCK(held, &f->lock);

    for (size_t n = 0; n < SESSIONS; n++) {
        struct fake_session *s = &f->sessions[n];

        if (s->id != 0)
            continue;
        if (s->joinable)
            pthread_join(s->thread, NULL);
        *s = (struct fake_session){.server = f, .id = ++f->logins, .fd = fd};
        s->joinable = pthread_create(&s->thread, NULL, session_main, s) == 0;
        return;
    }
    close(fd); /* too many connections */
}

static void *listen_main(void *arg)
{
    struct fake_mysql *f = arg;
    int fd;

    while ((fd = accept(f->listener, NULL, NULL)) >= 0)
        begin_session(f, fd);
    return NULL;
}

/* ---- the server ---- */

struct fake_mysql *fake_mysql_new(const char *path, const char *version, fake_mysql_says says)
{
    struct fake_mysql *f = xcalloc(1, sizeof(*f));
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->killed, NULL);
    f->version = version;
    f->says = says;
    f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (f->listener < 0 || bind(f->listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        listen(f->listener, SESSIONS) < 0 || pthread_create(&f->thread, NULL, listen_main, f) != 0)
        abort();
    return f;
}

void fake_mysql_free(struct fake_mysql *f)
{
    (void)shutdown(f->listener, SHUT_RDWR);
    pthread_join(f->thread, NULL);
    close(f->listener);
    pthread_mutex_lock(&f->lock);
    f->stops = true;
    for (size_t n = 0; n < SESSIONS; n++) {
        if (f->sessions[n].id != 0)
            (void)shutdown(f->sessions[n].fd, SHUT_RDWR);
    }
    pthread_cond_broadcast(&f->killed);
    pthread_mutex_unlock(&f->lock);
    for (size_t n = 0; n < SESSIONS; n++) {
        if (f->sessions[n].joinable)
            pthread_join(f->sessions[n].thread, NULL);
    }
    pthread_cond_destroy(&f->killed);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

static unsigned sessions(struct fake_mysql *f)
{
    AUTO_LOCK(held, &f->lock);
    unsigned count = 0;

    for (size_t n = 0; n < SESSIONS; n++)
        count += f->sessions[n].id != 0;
    return count;
}

void fake_mysql_set_deaf(struct fake_mysql *f, bool deaf)
{
    atomic_store(&f->deaf, deaf);
}

unsigned fake_mysql_logins(struct fake_mysql *f)
{
    AUTO_LOCK(held, &f->lock);

    return f->logins;
}

unsigned fake_mysql_stuck(struct fake_mysql *f)
{
    int64_t until = mono_in_ms((int)(300 * slowness()));

    while (sessions(f) > 0 && mono_us() < until)
        (void)poll(NULL, 0, 5);
    return sessions(f);
}

bool fake_mysql_was_silent(struct fake_mysql *f)
{
    AUTO_LOCK(held, &f->lock);
    bool silent = f->silent;

    f->silent = false;
    return silent;
}
