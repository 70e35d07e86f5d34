/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's end of the agent's port, for tests: listens where the agent connects to, does what the
 * lines on stdin say, and writes one line on stdout for each message that comes.
 *
 *     agent-host SOCKET
 *
 *     prepare RUN [LEASE_MS]    renew RUN EPOCH [FROZEN]    release [RUN EPOCH]    state
 *     hello PROTOCOL            subscribe INTERVAL_MS [HISTORY_MS]
 *     manifest SET [FILE|- [KEEP [mark]]]    certificate SET [BINLOG]
 *     datacheck [-] [TABLE]...  "-": no checksums; waited for up to 2 min
 *     unknown                   a request with a body that no agent knows
 *     garbage N                 N bytes that are no frame       half    the first half of a frame
 *     drop                      close the connection, take the next
 *     wait WORD [MS]            until a line begins with WORD (default 10000 ms)
 *     quit
 * A request is waited for; "timeout" is written when nothing comes in 10 s.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/message.h"
#include "tests/integration/agent-host-evidence.h"
#include "tests/slow.h"

#define WAIT_MS       ((int)(10000 * slowness()))
#define CHECK_WAIT_MS ((int)(120000 * slowness()))

static int listener = -1, fd = -1;
static struct wire_reader reader;
static uint32_t last_id, answered_id;

static const char *text(const char *s)
{
    return s ? s : "-";
}

/* ---- what comes --------------------------------------------------------------------------------
 */

static void print_event(const Cbsnap__FreezeEvent *e)
{
    static const char *const kinds[] = {"locking", "locked", "lock-failed", "released", "lost"};

    printf("event-%s epoch=%" PRIu64 " run=%s cause=%s tries=%zu", kinds[e->kind], e->epoch,
           text(e->run_id), text(e->cause), e->n_try_);
    if (e->position)
        printf(" position=%s:%" PRIu64, text(e->position->binlog_file), e->position->binlog_offset);
    printf(" error=%s\n", e->error ? text(e->error->message) : "-");
}

#define NAMES_MAX 4096
static char *names[NAMES_MAX];

static void take_names(const Cbsnap__Names *m)
{
    for (size_t n = 0; n < m->n_name; n++) {
        if (m->name[n]->id >= NAMES_MAX)
            continue;
        free(names[m->name[n]->id]);
        names[m->name[n]->id] = strdup(m->name[n]->name);
    }
}

static void print_sample(const Cbsnap__Sample *s)
{
    printf("sample metrics=%zu missed=%u names=", s->n_id, s->missed);
    for (size_t n = 0; n < s->n_id; n++)
        printf("%s,", s->id[n] < NAMES_MAX && names[s->id[n]] ? names[s->id[n]] : "?");
    printf("\n");
}

static void print_state(const Cbsnap__State *s)
{
    printf("state %d epoch=%" PRIu64 " run=%s held=%d mounts=%zu server=%s problem=%s\n",
           (int)s->state, s->epoch, text(s->run_id), s->lock_held, s->n_mount,
           s->server ? text(s->server->version) : "-", text(s->problem));
}

static void print_message(const Cbsnap__Envelope *m)
{
    switch (m->body_case) {
    case CBSNAP__ENVELOPE__BODY_HELLO:
        printf("hello protocol=%u epoch=%" PRIu64 " version=%s\n", m->hello->protocol,
               m->hello->epoch, text(m->hello->agent_version));
        break;
    case CBSNAP__ENVELOPE__BODY_ERROR:
        printf("error code=%u %s\n", m->error->code, text(m->error->message));
        break;
    case CBSNAP__ENVELOPE__BODY_NAMES:
        take_names(m->names);
        break;
    case CBSNAP__ENVELOPE__BODY_SAMPLE:
        print_sample(m->sample);
        break;
    case CBSNAP__ENVELOPE__BODY_STATE:
        print_state(m->state);
        break;
    case CBSNAP__ENVELOPE__BODY_PREPARED:
        printf("prepared epoch=%" PRIu64 " server=%s mounts=%zu\n", m->prepared->epoch,
               m->prepared->server ? text(m->prepared->server->version) : "-",
               m->prepared->n_mount);
        break;
    case CBSNAP__ENVELOPE__BODY_RENEWED:
        printf("renewed epoch=%" PRIu64 " left=%u\n", m->renewed->epoch, m->renewed->lease_left_ms);
        break;
    case CBSNAP__ENVELOPE__BODY_RELEASED:
        printf("released held=%d epoch=%" PRIu64 " reason=%s\n", m->released->held,
               m->released->epoch, text(m->released->reason));
        break;
    case CBSNAP__ENVELOPE__BODY_FREEZE_EVENT:
        print_event(m->freeze_event);
        break;
    case CBSNAP__ENVELOPE__BODY_LOG_LINE:
        printf("log %s\n", text(m->log_line->text));
        break;
    default:
        if (!evidence_print(m))
            printf("other %d\n", (int)m->body_case);
        break;
    }
}

static const char *word_of(const Cbsnap__Envelope *m)
{
    static const char *const events[] = {"event-locking", "event-locked", "event-lock-failed",
                                         "event-released", "event-lost"};

    if (m->body_case == CBSNAP__ENVELOPE__BODY_FREEZE_EVENT)
        return events[m->freeze_event->kind];
    if (m->body_case == CBSNAP__ENVELOPE__BODY_HELLO)
        return "hello";
    if (m->body_case == CBSNAP__ENVELOPE__BODY_SAMPLE)
        return "sample";
    if (m->body_case == CBSNAP__ENVELOPE__BODY_LOG_LINE)
        return "log";
    if (m->body_case == CBSNAP__ENVELOPE__BODY_DATA_CHECK_PROGRESS)
        return "progress";
    return "answer";
}

static void disconnect(void)
{
    if (fd >= 0)
        close(fd);
    fd = -1;
    wire_reader_release(&reader);
}

/* True when a message whose word is `wanted` (NULL: an answer to last_id) was among what came. */
static bool take_messages(const char *wanted)
{
    Cbsnap__Envelope *m;
    bool found = false;

    while ((m = message_next(&reader, NULL))) {
        print_message(m);
        if (m->has_reply_to)
            answered_id = m->reply_to;
        found |=
            wanted ? strcmp(word_of(m), wanted) == 0 : m->has_reply_to && answered_id == last_id;
        message_free(m);
    }
    (void)fflush(stdout);
    return found;
}

static void wait_for(const char *wanted, int64_t ms)
{
    int64_t until = mono_ms() + ms;
    char portion[65536];

    for (;;) {
        struct pollfd p = {.fd = fd < 0 ? listener : fd, .events = POLLIN};
        int64_t left = until - mono_ms();
        ssize_t got;

        if (left <= 0 || poll(&p, 1, (int)left) == 0) {
            printf("timeout\n");
            (void)fflush(stdout);
            return;
        }
        if (fd < 0) {
            fd = accept(listener, NULL, NULL);
            continue;
        }
        got = read(fd, portion, sizeof(portion));
        if (got <= 0) {
            printf("closed\n");
            (void)fflush(stdout);
            disconnect();
            if (!wanted)
                return; /* the answer will never come */
            continue;
        }
        wire_reader_feed(&reader, portion, (size_t)got);
        if (take_messages(wanted))
            return;
    }
}

/* ---- what is sent ------------------------------------------------------------------------------
 */

/* The agent's connection; waits for one when there is none. */
static void need_agent(void)
{
    struct pollfd p = {.fd = listener, .events = POLLIN};

    if (fd < 0 && poll(&p, 1, WAIT_MS) > 0)
        fd = accept(listener, NULL, NULL);
}

static void send_bytes(const void *data, size_t len)
{
    const char *p = data;

    need_agent();
    while (len > 0) {
        ssize_t put = send(fd, p, len, MSG_NOSIGNAL);

        if (put < 0) {
            printf("cannot send: %s\n", strerror(errno));
            return;
        }
        p += put;
        len -= (size_t)put;
    }
}

static void ask(Cbsnap__Envelope *m)
{
    struct buf out = BUF_INIT;

    MSG_SET(m, id, ++last_id);
    if (message_frame(&out, m, NULL) == 0)
        send_bytes(out.data, out.len);
    buf_release(&out);
    wait_for(NULL, m->body_case == CBSNAP__ENVELOPE__BODY_DATA_CHECK ? CHECK_WAIT_MS : WAIT_MS);
}

static void send_half(void)
{
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    Cbsnap__StateQuery q = CBSNAP__STATE_QUERY__INIT;
    struct buf out = BUF_INIT;

    MSG_SET(&m, id, 999999);
    MSG_BODY(&m, state_query, STATE_QUERY, &q);
    if (message_frame(&out, &m, NULL) == 0)
        send_bytes(out.data, out.len - 4);
    buf_release(&out);
}

/* Field 200 of a newer protocol, beside an id. */
static void send_unknown(void)
{
    uint8_t payload[] = {0x08, 0, 0xc2, 0x0c, 0x00}; /* id = ?, field 200: empty message */
    struct buf out = BUF_INIT;

    payload[1] = (uint8_t)++last_id;
    if (wire_frame(&out, payload, sizeof(payload), NULL) == 0)
        send_bytes(out.data, out.len);
    buf_release(&out);
    wait_for(NULL, WAIT_MS);
}

static void send_garbage(size_t n)
{
    AUTO_FREE uint8_t *bytes = xcalloc(1, n);

    for (size_t k = 0; k < n; k++)
        bytes[k] = (uint8_t)(k * 7 + k / 13);
    send_bytes(bytes, n);
}

static uint64_t number(const char *s)
{
    return s ? strtoull(s, NULL, 10) : 0;
}

static void do_line(char *word[HOST_WORDS])
{
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    Cbsnap__Prepare prepare = CBSNAP__PREPARE__INIT;
    Cbsnap__Renew renew = CBSNAP__RENEW__INIT;
    Cbsnap__Release release = CBSNAP__RELEASE__INIT;
    Cbsnap__StateQuery query = CBSNAP__STATE_QUERY__INIT;
    Cbsnap__Subscribe subscribe = CBSNAP__SUBSCRIBE__INIT;
    Cbsnap__Hello hello = CBSNAP__HELLO__INIT;
    const char *w = word[0];

    if (strcmp(w, "prepare") == 0) {
        prepare.run_id = word[1];
        if (word[2])
            MSG_SET(&prepare, lease_ms, (uint32_t)number(word[2]));
        MSG_BODY(&m, prepare, PREPARE, &prepare);
        ask(&m);
    } else if (strcmp(w, "renew") == 0) {
        renew.run_id = word[1];
        MSG_SET(&renew, epoch, number(word[2]));
        if (word[3])
            MSG_SET(&renew, frozen, (uint32_t)number(word[3]));
        MSG_BODY(&m, renew, RENEW, &renew);
        ask(&m);
    } else if (strcmp(w, "release") == 0) {
        release.run_id = word[1];
        if (word[2])
            MSG_SET(&release, epoch, number(word[2]));
        MSG_BODY(&m, release, RELEASE, &release);
        ask(&m);
    } else if (strcmp(w, "state") == 0) {
        MSG_BODY(&m, state_query, STATE_QUERY, &query);
        ask(&m);
    } else if (strcmp(w, "hello") == 0) {
        MSG_SET(&hello, protocol, (uint32_t)number(word[1]));
        MSG_BODY(&m, hello, HELLO, &hello);
        ask(&m);
    } else if (strcmp(w, "subscribe") == 0) {
        struct buf out = BUF_INIT;

        MSG_SET(&subscribe, interval_ms, (uint32_t)number(word[1]));
        if (word[2])
            MSG_SET(&subscribe, history_ms, (uint32_t)number(word[2]));
        MSG_BODY(&m, subscribe, SUBSCRIBE, &subscribe);
        if (message_frame(&out, &m, NULL) == 0)
            send_bytes(out.data, out.len);
        buf_release(&out);
    } else if (evidence_request(word, &m)) {
        ask(&m);
    } else if (strcmp(w, "unknown") == 0) {
        send_unknown();
    } else if (strcmp(w, "garbage") == 0) {
        send_garbage((size_t)number(word[1]));
    } else if (strcmp(w, "half") == 0) {
        send_half();
    } else if (strcmp(w, "drop") == 0) {
        disconnect();
    } else if (strcmp(w, "wait") == 0) {
        wait_for(word[1], word[2] ? (int64_t)number(word[2]) : WAIT_MS);
    } else {
        printf("no such command: %s\n", w);
    }
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    char line[512];

    if (argc != 2 || strlen(argv[1]) >= sizeof(addr.sun_path))
        return 2;
    memcpy(addr.sun_path, argv[1], strlen(argv[1]) + 1);
    (void)unlink(argv[1]);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        listen(listener, 4) < 0) {
        perror(argv[1]);
        return 1;
    }
    while (fgets(line, sizeof(line), stdin)) {
        char *word[HOST_WORDS + 1] = {NULL}, *save = NULL;
        int n = 0;

        for (char *w = strtok_r(line, " \n", &save); w && n < HOST_WORDS;
             w = strtok_r(NULL, " \n", &save))
            word[n++] = w;
        if (!n)
            continue;
        if (strcmp(word[0], "quit") == 0)
            break;
        do_line(word);
        printf(".\n"); /* the line is done */
        (void)fflush(stdout);
    }
    (void)unlink(argv[1]);
    return 0;
}
