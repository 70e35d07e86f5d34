/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Following a log file; see follow.h. */
#include "guest-agent/sample/follow.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/log.h"

#define PORTION 8192

struct follow {
    char *path;
    int fd; /* -1: not open */
    dev_t dev;
    ino_t ino;
    off_t at;        /* read up to here */
    bool from_start; /* a file that appears is new: nothing of it was seen */
    int told_errno;  /* of the failure last told; 0: none */
    bool between;    /* a line has begun that is not given yet */
    size_t line_len; /* of it, at most FOLLOW_LINE_MAX */
    char line[FOLLOW_LINE_MAX];
    char portion[PORTION];
};

struct sink {
    void (*line)(void *arg, const char *text, size_t len);
    void *arg;
    size_t left; /* bytes that may still be read in this turn */
};

struct follow *follow_new(void)
{
    struct follow *f = xcalloc(1, sizeof(*f));

    f->fd = -1;
    return f;
}

static void shut(struct follow *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
    f->between = false;
    f->line_len = 0;
}

void follow_free(struct follow *f)
{
    if (!f)
        return;
    shut(f);
    free(f->path);
    free(f);
}

/* ---- lines ---- */

static void end_line(struct follow *f, const struct sink *to)
{
    size_t len = f->line_len;

    if (len > 0 && f->line[len - 1] == '\r')
        len--;
    if (f->between && len > 0)
        to->line(to->arg, f->line, len);
    f->between = false;
    f->line_len = 0;
}

static void take(struct follow *f, const char *data, size_t len, const struct sink *to)
{
    while (len > 0) {
        const char *end = memchr(data, '\n', len);
        size_t part = end ? (size_t)(end - data) : len;
        size_t room = FOLLOW_LINE_MAX - f->line_len;

        memcpy(f->line + f->line_len, data, part < room ? part : room);
        f->line_len += part < room ? part : room;
        f->between = true;
        if (end)
            end_line(f, to);
        data += part + (end ? 1 : 0);
        len -= part + (end ? 1 : 0);
    }
}

/* True when its end was reached. */
static bool read_on(struct follow *f, struct sink *to)
{
    while (to->left > 0) {
        size_t want = to->left < PORTION ? to->left : PORTION;
        ssize_t got = pread(f->fd, f->portion, want, f->at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return true;
        f->at += got;
        to->left -= (size_t)got;
        take(f, f->portion, (size_t)got, to);
    }
    return false;
}

/* ---- files ---- */

static void tell(struct follow *f, int number, const char *what)
{
    if (f->told_errno == number)
        return;
    f->told_errno = number;
    log_warn("cannot follow the server's error log '%s': %s", f->path, what);
}

/* The standard streams of a server in a container: the link would lead to our own. */
static bool leads_to_device(const char *path)
{
    char target[512];
    ssize_t len = readlink(path, target, sizeof(target) - 1);

    if (len > 0)
        target[len] = '\0';
    return strncmp(path, "/dev/", 5) == 0 ||
           (len > 0 && (strncmp(target, "/dev/", 5) == 0 || strncmp(target, "/proc/", 6) == 0));
}

/* A log is read without leaving a trace in it where the kernel lets us. */
static int open_log(const char *path)
{
    int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    int fd = open(path, flags | O_NOATIME);

    return fd < 0 && errno == EPERM ? open(path, flags) : fd;
}

static int open_path(struct follow *f)
{
    AUTO_CLOSE int fd = -1;
    struct stat st;

    if (leads_to_device(f->path)) {
        tell(f, ENOTSUP, "it is no file");
        return -1;
    }
    fd = open_log(f->path);
    if (fd < 0) {
        if (errno == ENOENT)
            f->from_start = true; /* what comes is new */
        tell(f, errno, strerror(errno));
        return -1;
    }
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        tell(f, ENOTSUP, "it is no file");
        return -1;
    }
    f->at = f->from_start ? 0 : st.st_size;
    f->dev = st.st_dev;
    f->ino = st.st_ino;
    f->fd = STEAL_FD(fd);
    f->told_errno = 0;
    return 0;
}

/* Has another file taken the name, or is ours gone for good? */
static bool is_replaced(const struct follow *f)
{
    struct stat now, ours;

    if (stat(f->path, &now) == 0)
        return now.st_dev != f->dev || now.st_ino != f->ino;
    /* renamed away the server may still write to it; deleted, only we may be keeping its space */
    return errno == ENOENT && fstat(f->fd, &ours) == 0 && ours.st_nlink == 0;
}

static void go_to(struct follow *f, off_t at)
{
    f->at = at;
    f->between = false;
    f->line_len = 0;
}

static void check_size(struct follow *f, size_t max)
{
    struct stat st;

    if (fstat(f->fd, &st) < 0)
        return;
    if (st.st_size < f->at)
        go_to(f, 0);
    else if (st.st_size - f->at > FOLLOW_BEHIND_MAX)
        go_to(f, st.st_size - (off_t)max);
}

static void set_path(struct follow *f, const char *path)
{
    if (f->path && path && strcmp(f->path, path) == 0)
        return;
    shut(f);
    free(f->path);
    f->path = path ? xstrdup(path) : NULL;
    f->from_start = false;
    f->told_errno = 0;
}

/* Behind the first end of a line from `at` on; the portion is long enough for any line we keep. */
static off_t next_line(struct follow *f, off_t at)
{
    ssize_t got = pread(f->fd, f->portion, PORTION, at);
    const char *end = got > 0 ? memchr(f->portion, '\n', (size_t)got) : NULL;

    return end ? at + (end - f->portion) + 1 : at;
}

int follow_back(struct follow *f, const char *path, size_t bytes)
{
    shut(f);
    set_path(f, path);
    if (!f->path || open_path(f) < 0)
        return -1;
    go_to(f, f->at > (off_t)bytes ? next_line(f, f->at - (off_t)bytes) : 0);
    return 0;
}

int follow_read(struct follow *f, const char *path, size_t max,
                void (*line)(void *arg, const char *text, size_t len), void *arg)
{
    struct sink to = {.line = line, .arg = arg, .left = max};

    set_path(f, path);
    if (!f->path)
        return -1;
    if (f->fd < 0) {
        bool is_new = f->from_start;

        if (open_path(f) < 0 || !is_new)
            return -1;
    }
    check_size(f, max);
    /* twice at most: the rest of the old one, the new one */
    while (read_on(f, &to) && is_replaced(f)) {
        end_line(f, &to);
        shut(f);
        f->from_start = true;
        if (open_path(f) < 0)
            break;
    }
    return 0;
}
