/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inputs, files and streams of the fuzz targets; see fuzz.h. */
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/base/log.h"

uint8_t fuzz_byte(struct fuzz_input *in)
{
    if (in->len == 0)
        return 0;
    in->len--;
    return *in->data++;
}

bool fuzz_record(struct fuzz_input *in, struct fuzz_input *ret)
{
    size_t len;

    if (in->len < 2)
        return false;
    len = (size_t)in->data[0] | (size_t)in->data[1] << 8;
    in->data += 2;
    in->len -= 2;
    if (len > in->len)
        len = in->len;
    *ret = (struct fuzz_input){in->data, len};
    in->data += len;
    in->len -= len;
    return true;
}

char *fuzz_text(const struct fuzz_input *in)
{
    char *text = xcalloc(1, in->len + 1);

    if (in->len > 0)
        memcpy(text, in->data, in->len);
    return text;
}

/* ---- the log --------------------------------------------------------------------------------- */

static void drop(void *arg, enum log_level level, const char *line)
{
    (void)arg, (void)level, (void)line;
}

static int64_t passed_us;

void fuzz_begin(void)
{
    log_set_sink(drop, NULL);
    log_set_level(LOG_LEVEL_DEBUG);
    passed_us = 0;
}

/* ---- clocks and random bytes ----------------------------------------------------------------- */

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret);
ssize_t __wrap_getrandom(void *buf, size_t len, unsigned flags);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ret)
{
    int64_t us = passed_us + (clock == CLOCK_REALTIME ? FUZZ_WALL_US : FUZZ_MONO_US);

    passed_us += 50;
    *ret = (struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    return 0;
}

ssize_t __wrap_getrandom(void *buf, size_t len, unsigned flags)
{
    (void)flags;
    memset(buf, 0x5a, len);
    return (ssize_t)len;
}

void fuzz_let_pass(int64_t us)
{
    passed_us += us;
}

/* ---- files ----------------------------------------------------------------------------------- */

static char dir[64];
static pid_t dir_owner;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void remove_dir(void)
{
    if (getpid() == dir_owner)
        (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *fuzz_dir(void)
{
    if (*dir)
        return dir;
    if (getenv("CBSNAP_FUZZ_DIR"))
        (void)snprintf(dir, sizeof(dir), "%s/XXXXXX", getenv("CBSNAP_FUZZ_DIR"));
    else
        (void)snprintf(dir, sizeof(dir), "/dev/shm/cbsnap-fuzz-XXXXXX");
    if (!mkdtemp(dir)) {
        (void)snprintf(dir, sizeof(dir), "/tmp/cbsnap-fuzz-XXXXXX");
        if (!mkdtemp(dir))
            abort();
    }
    dir_owner = getpid();
    (void)atexit(remove_dir);
    return dir;
}

void fuzz_remove(const char *name)
{
    char *path = xasprintf("%s/%s", fuzz_dir(), name);

    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(path);
}

static void make_parents(const char *path)
{
    char *copy = xstrdup(path);

    for (char *c = copy + 1; *c; c++) {
        if (*c != '/')
            continue;
        *c = '\0';
        (void)mkdir(copy, 0755);
        *c = '/';
    }
    free(copy);
}

void fuzz_file(const char *path, const struct fuzz_input *in)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0) {
        make_parents(path);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    }
    if (fd < 0 || write(fd, in->data, in->len) != (ssize_t)in->len)
        abort();
    close(fd);
}

/* ---- text for people ------------------------------------------------------------------------- */

void fuzz_sink_begin(struct fuzz_sink *s)
{
    *s = (struct fuzz_sink){.to = NULL};
    s->to = open_memstream(&s->text, &s->len);
    if (!s->to)
        abort();
}

void fuzz_sink_end(struct fuzz_sink *s, bool plain)
{
    if (fclose(s->to) != 0)
        abort();
    for (size_t n = 0; plain && n < s->len; n++) {
        unsigned char c = (unsigned char)s->text[n];

        bool line_end = c == '\n' || (c == '\r' && s->text[n + 1] == '\n'); /* as CSV has it */

        FUZZ_MUST(line_end || (c >= 0x20 && c != 0x7f));
        FUZZ_MUST(c != 0xC2 ||
                  ((unsigned char)s->text[n + 1] & 0xE0) != 0x80); /* U+0080 to U+009F */
    }
    free(s->text);
}

/* The length of the character at `at`, 0 if it is none. As RFC 3629 has it. */
static size_t utf8_length(const unsigned char *at)
{
    size_t more = *at < 0x80                  ? 0
                  : *at >= 0xC2 && *at < 0xE0 ? 1
                  : *at >= 0xE0 && *at < 0xF0 ? 2
                                              : 3;

    if (*at >= 0x80 && (*at < 0xC2 || *at > 0xF4))
        return 0;
    if ((*at == 0xE0 && at[1] < 0xA0) || (*at == 0xED && at[1] > 0x9F) ||
        (*at == 0xF0 && at[1] < 0x90) || (*at == 0xF4 && at[1] > 0x8F))
        return 0;
    for (size_t n = 1; n <= more; n++) {
        if ((at[n] & 0xC0) != 0x80)
            return 0;
    }
    return more + 1;
}

bool fuzz_utf8(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;

    while (*at) {
        size_t len = utf8_length(at);

        if (len == 0)
            return false;
        at += len;
    }
    return true;
}
