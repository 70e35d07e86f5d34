/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A server's error log, which holds what its clients sent: the file as it grows, is cut and changes
 * places (guest-agent/sample/follow.c, errlog.c), its lines (errline.c), and what a server has said
 * since it started (startlog.c). What is told of it is text that may stand in a record.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "guest-agent/sample/procfile.h"
#include "guest-agent/sample/server_facts.h"
#include "guest-agent/sample/sources.h"
#include "guest-agent/sample/startlog.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"

const size_t fuzz_head_bytes = 0;
const size_t fuzz_message_at = FUZZ_NO_MESSAGES;

enum act { APPEND, CUT, MOVE, LOOK, ACTS };

static void append(const char *path, const struct fuzz_input *in)
{
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    if (fd < 0 || write(fd, in->data, in->len) != (ssize_t)in->len)
        abort();
}

static void look(void *errlog)
{
    struct names *names = names_new();
    struct sample *s = sample_new(names);

    errlog_source.read(errlog, s);
    FUZZ_MUST(s->line_count <= SAMPLE_LINES_MAX);
    for (size_t n = 0; n < s->line_count; n++)
        FUZZ_MUST(fuzz_utf8(s->lines[n].text));
    sample_free(s);
    names_free(names);
}

static void act(void *errlog, const char *path, struct fuzz_input *in)
{
    AUTO_FREE char *moved = xasprintf("%s.1", path);

    switch ((enum act)(fuzz_byte(in) % ACTS)) {
    case APPEND:
        append(path, in);
        break;
    case CUT:
        fuzz_file(path, in);
        break;
    case MOVE:
        (void)rename(path, moved);
        fuzz_file(path, in);
        break;
    default:
        break;
    }
    look(errlog);
}

static void follow_file(struct fuzz_input in, const char *path)
{
    struct source_config c = {.root = "", .log_every_ms = 1};
    struct fuzz_input one, empty = {(const uint8_t *)"", 0};
    void *errlog;

    fuzz_file(path, &empty);
    c.server = server_facts_new();
    server_facts_set(c.server, 42, path, "/", "/");
    errlog = errlog_source.open(&c);
    look(errlog);
    while (fuzz_record(&in, &one))
        act(errlog, path, &one);
    errlog_source.close(errlog);
    server_facts_free(c.server);
}

static void read_start(struct fuzz_input in, const char *path, int64_t since_us)
{
    struct startlog log;

    fuzz_file(path, &in);
    startlog_init(&log, since_us ? 0 : 42, since_us);
    (void)startlog_read(&log, path);
    FUZZ_MUST(startlog_count(&log) <= STARTLOG_LINES);
    for (size_t n = 0; n < startlog_count(&log); n++)
        FUZZ_MUST(fuzz_utf8(startlog_at(&log, n)->text));
    (void)startlog_last_error(&log);
    startlog_release(&log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    AUTO_FREE char *path = xasprintf("%s/error.log", fuzz_dir());
    char clean[64];

    fuzz_begin();
    (void)errline_parse((const char *)data, size);
    text_clean(clean, sizeof(clean), (const char *)data, size);
    FUZZ_MUST(fuzz_utf8(clean) && strlen(clean) < sizeof(clean));
    follow_file(in, path);
    read_start(in, path, 0);
    read_start(in, path, FUZZ_WALL_US);
    return 0;
}
