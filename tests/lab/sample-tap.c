/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads an agent's samples from the port, for tests: one JSON object a line for each sample.
 *
 *     sample-tap SOCKET INTERVAL_MS     0: each sample, at the agent's own interval
 *
 *     {"mono_us":..., "wall_us":..., "missed":0, "came_us":...,
 *      "m":{"disk.vdb.writes":12,...}, "t":{"repl.role":"standalone"},
 *      "trx":[{"id","thread","user","age_s","rows","statement"}],
 *      "lines":[{"level":"error","text":...}], "deleted":[{"path","bytes"}]}
 * came_us is this machine's monotonic clock, so that a reader can tell a gap in what comes. Ends by
 * a signal; a port that closes (a guest that boots) is opened again.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/message.h"

#define NAMES_MAX 4096
static char *names[NAMES_MAX];

static void take_names(const Cbsnap__Names *m)
{
    for (size_t n = 0; n < m->n_name; n++) {
        uint32_t id = m->name[n]->id;

        if (id >= NAMES_MAX)
            continue;
        free(names[id]);
        names[id] = strdup(m->name[n]->name);
    }
}

static const char *name_of(uint32_t id)
{
    return id < NAMES_MAX && names[id] ? names[id] : "?";
}

static json_t *text(const char *s)
{
    return s ? json_string(s) : json_null();
}

static json_t *metrics_json(const Cbsnap__Sample *s)
{
    json_t *to = json_object();

    for (size_t n = 0; n < s->n_id && n < s->n_value; n++)
        json_object_set_new(to, name_of(s->id[n]), json_real(s->value[n]));
    return to;
}

static json_t *texts_json(const Cbsnap__Sample *s)
{
    json_t *to = json_object();

    for (size_t n = 0; n < s->n_text; n++)
        json_object_set_new(to, name_of(s->text[n]->id), text(s->text[n]->text));
    return to;
}

static json_t *transactions_json(const Cbsnap__Sample *s)
{
    json_t *to = json_array();

    for (size_t n = 0; n < s->n_transaction; n++) {
        const Cbsnap__Transaction *t = s->transaction[n];

        json_array_append_new(to,
                              json_pack("{s:o,s:I,s:o,s:I,s:I,s:o}", "id", text(t->id), "thread",
                                        (json_int_t)t->thread, "user", text(t->user), "age_s",
                                        (json_int_t)t->age_s, "rows", (json_int_t)t->rows_modified,
                                        "statement", text(t->statement)));
    }
    return to;
}

static json_t *lines_json(const Cbsnap__Sample *s)
{
    static const char *const levels[] = {"other", "warning", "error"};
    json_t *to = json_array();

    for (size_t n = 0; n < s->n_line; n++)
        json_array_append_new(to, json_pack("{s:s,s:o}", "level", levels[s->line[n]->level], "text",
                                            text(s->line[n]->text)));
    return to;
}

static json_t *deleted_json(const Cbsnap__Sample *s)
{
    json_t *to = json_array();

    for (size_t n = 0; n < s->n_deleted; n++)
        json_array_append_new(to, json_pack("{s:o,s:I}", "path", text(s->deleted[n]->path), "bytes",
                                            (json_int_t)s->deleted[n]->bytes));
    return to;
}

static void print_sample(const Cbsnap__Sample *s)
{
    json_t *j =
        json_pack("{s:I,s:I,s:I,s:i,s:o,s:o,s:o,s:o,s:o}", "mono_us", (json_int_t)s->mono_us,
                  "wall_us", (json_int_t)s->wall_us, "came_us", (json_int_t)mono_us(), "missed",
                  (int)s->missed, "m", metrics_json(s), "t", texts_json(s), "trx",
                  transactions_json(s), "lines", lines_json(s), "deleted", deleted_json(s));

    json_dumpf(j, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15));
    (void)putchar('\n');
    (void)fflush(stdout);
    json_decref(j);
}

/* ---- the port ------------------------------------------------------------------------------- */

static int send_message(int fd, Cbsnap__Envelope *m)
{
    struct buf out = BUF_INIT;
    int status = -1;

    if (message_frame(&out, m, NULL) == 0)
        status = send(fd, out.data, out.len, MSG_NOSIGNAL) == (ssize_t)out.len ? 0 : -1;
    buf_release(&out);
    return status;
}

static int greet(int fd, uint32_t interval_ms)
{
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    Cbsnap__Hello hello = CBSNAP__HELLO__INIT;
    Cbsnap__Subscribe subscribe = CBSNAP__SUBSCRIBE__INIT;

    MSG_SET(&m, id, 1);
    MSG_SET(&hello, protocol, CBSNAP_PROTOCOL);
    MSG_BODY(&m, hello, HELLO, &hello);
    if (send_message(fd, &m) < 0)
        return -1;
    MSG_SET(&m, id, 2);
    if (interval_ms)
        MSG_SET(&subscribe, interval_ms, interval_ms);
    MSG_BODY(&m, subscribe, SUBSCRIBE, &subscribe);
    return send_message(fd, &m);
}

static int port_open(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Until the other end closes. An agent that starts anew says hello and must be asked again. */
static void follow(int fd, uint32_t interval_ms)
{
    struct wire_reader reader = {0};
    char portion[65536];
    ssize_t got;

    while ((got = read(fd, portion, sizeof(portion))) > 0) {
        Cbsnap__Envelope *m;

        wire_reader_feed(&reader, portion, (size_t)got);
        while ((m = message_next(&reader, NULL))) {
            if (m->body_case == CBSNAP__ENVELOPE__BODY_NAMES)
                take_names(m->names);
            else if (m->body_case == CBSNAP__ENVELOPE__BODY_SAMPLE)
                print_sample(m->sample);
            else if (m->body_case == CBSNAP__ENVELOPE__BODY_HELLO && !m->has_reply_to)
                (void)greet(fd, interval_ms);
            message_free(m);
        }
    }
    wire_reader_release(&reader);
}

int main(int argc, char **argv)
{
    uint32_t interval_ms = argc == 3 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;

    if (argc != 3) {
        (void)fprintf(stderr, "usage: sample-tap SOCKET INTERVAL_MS\n");
        return 2;
    }
    /* a line is one write: who reads the file meanwhile never sees half of one */
    (void)setvbuf(stdout, NULL, _IOFBF, 1 << 20);
    for (;;) {
        int fd = port_open(argv[1]);

        if (fd >= 0 && greet(fd, interval_ms) == 0)
            follow(fd, interval_ms);
        if (fd >= 0)
            close(fd);
        (void)usleep(200000);
    }
}
