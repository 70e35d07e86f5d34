/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The chain's writer: one act at a time, and what a crash has left of the one before. See chain.h.
 */
#include "host-coordinator/record/chain_internal.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/owner.h"
#include "proto/base/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Another process's act takes milliseconds; one that is stopped in it must not stop us for good. */
#define LOCK_MS  10000
#define AGAIN_US 5000
/* A line is some 350 bytes long. */
#define TAIL_SIZE 4096

struct chain {
    int lock, fd;
    char *folder, *path;
    off_t end; /* where our line goes */
    int64_t next;
    char head[DIGEST_TEXT]; /* of the last line; "": there is none */
};

static int too_long(const char *folder, struct err *e)
{
    return err_set(e, ERR_BUSY,
                   "another process has been writing a record in '%s' for %d s; see what holds "
                   "'chain.lock' there (fuser, lslocks)",
                   folder, LOCK_MS / 1000);
}

static int lock_for_writing(int fd, const char *folder, struct err *e)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int64_t deadline = mono_in_ms(LOCK_MS);

    while (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
        if (errno != EAGAIN && errno != EACCES && errno != EINTR)
            return err_set_sys(e, ERR_IO, errno, "cannot lock the records in '%s'", folder);
        if (mono_us() > deadline)
            return too_long(folder, e);
        usleep(AGAIN_US);
    }
    return 0;
}

int chain_wait_calm(int fd, const char *folder, struct err *e)
{
    int64_t deadline = mono_in_ms(LOCK_MS);

    for (;;) {
        struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};

        if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
            return err_set_sys(e, ERR_IO, errno, "cannot ask who writes the records in '%s'",
                               folder);
        if (lock.l_type == F_UNLCK)
            return 0;
        if (mono_us() > deadline)
            return too_long(folder, e);
        usleep(AGAIN_US);
    }
}

static int sync_folder(const char *folder, struct err *e)
{
    AUTO_CLOSE int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 || fsync(fd) < 0
               ? err_set_sys(e, ERR_IO, errno, "cannot write the folder '%s'", folder)
               : 0;
}

/* ---- the beginning --------------------------------------------------------------------------- */

/* `l` is filled but for the record; *ret_text NULL: it has gone meanwhile. One that cannot be read
 * would be taken for a stranger's ever after. */
static int describe_found(struct chain_line *l, const char *folder, char **ret_text, struct err *e)
{
    AUTO_FREE char *path = chain_record_path(folder, l->set);

    *ret_text = NULL;
    if (digest_file(l->sha256, path, e) < 0)
        return err_prefix(e, "the chain of records cannot begin");
    if (*l->sha256) {
        l->earlier = chain_claim(folder, l->set);
        *ret_text = chain_line_format(l);
    }
    return 0;
}

/* One line for each record that is there, the oldest first. */
static int add_found(struct replace *f, const char *folder, struct err *e)
{
    struct chain_line l = {.event = CHAIN_FOUND, .n = 1};
    size_t count = 0;
    char **sets = NULL, at[32];
    int rc = chain_sets(&sets, &count, folder, e);

    l.at = clock_iso(wall_us(), at);
    for (size_t n = 0; n < count; n++) {
        AUTO_FREE char *text = NULL;

        l.set = sets[n];
        if (rc == 0)
            rc = describe_found(&l, folder, &text, e);
        if (text) {
            rc = replace_add(f, text, strlen(text), e);
            if (rc == 0)
                rc = digest_bytes(l.before, text, strlen(text) - 1, e);
            l.n++;
        }
        free(sets[n]);
    }
    free(sets);
    return rc;
}

/* Whole or not there. */
static int begin(const struct chain *c, struct err *e)
{
    struct replace f;
    int rc = replace_begin(&f, c->path, 0640, e);

    if (rc == 0)
        rc = add_found(&f, c->folder, e);
    return replace_end(&f, rc == 0, e);
}

static int open_file(struct chain *c, struct err *e)
{
    c->fd = open(c->path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (c->fd < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot open the chain of records '%s'", c->path);
    c->end = lseek(c->fd, 0, SEEK_END);
    return 0;
}

/* ---- its end --------------------------------------------------------------------------------- */

static int failed(const struct chain *c, struct err *e)
{
    return err_set_sys(e, ERR_IO, errno, "cannot go on with the chain of records '%s'", c->path);
}

/* The file from `from` to its end. */
static int read_from(const struct chain *c, off_t from, struct buf *to, struct err *e)
{
    buf_clear(to);
    while (from + (off_t)to->len < c->end) {
        size_t want = (size_t)(c->end - from) - to->len;
        ssize_t n = pread(c->fd, buf_reserve(to, want), want, from + (off_t)to->len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return failed(c, e);
        to->len += (size_t)n;
    }
    return 0;
}

/* As much of the end as holds the last whole line and the newline before it, or all. */
static int read_tail(const struct chain *c, struct buf *to, struct err *e)
{
    for (off_t size = TAIL_SIZE;; size *= 2) {
        off_t from = size < c->end ? c->end - size : 0;
        const uint8_t *last;

        if (read_from(c, from, to, e) < 0)
            return -1;
        last = to->len > 0 ? memrchr(to->data, '\n', to->len) : NULL;
        if (from == 0 || (last && memrchr(to->data, '\n', (size_t)(last - to->data))))
            return 0;
    }
}

/* What was never whole was never acted on. */
static int cut_half_line(struct chain *c, struct buf *tail, struct err *e)
{
    const uint8_t *last = tail->len > 0 ? memrchr(tail->data, '\n', tail->len) : NULL;
    size_t whole = last ? (size_t)(last - tail->data) + 1 : 0;

    if (whole == tail->len)
        return 0;
    log_warn("a line that a crash has cut short is taken off the end of '%s'", c->path);
    c->end -= (off_t)(tail->len - whole);
    tail->len = whole;
    return ftruncate(c->fd, c->end) < 0 || fsync(c->fd) < 0 ? failed(c, e) : 0;
}

/* After a line that is none, which only somebody else can have written. */
static int count_lines(const struct chain *c, int64_t *ret, struct err *e)
{
    struct buf all = BUF_INIT;
    int64_t count = 0;
    int rc = read_from(c, 0, &all, e);

    for (size_t n = 0; n < all.len; n++)
        count += all.data[n] == '\n';
    buf_release(&all);
    *ret = count;
    return rc;
}

static int finish(const struct chain *c, const struct chain_line *last, struct err *e)
{
    AUTO_FREE char *path = chain_record_path(c->folder, last->set);
    AUTO_FREE char *temp = chain_temp_path(c->folder, last->set);

    log_warn("set %s: its record was being %s when the process died; this is finished now",
             last->set, last->event == CHAIN_REMOVED ? "removed" : "written");
    /* what is done must not reach the disk before the line that tells of it */
    if (fdatasync(c->fd) < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot write '%s'", c->path);
    if ((last->event == CHAIN_REMOVED ? unlink(path) : rename(temp, path)) < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot %s '%s'",
                           last->event == CHAIN_REMOVED ? "remove" : "write", path);
    return sync_folder(c->folder, e);
}

static int take_last(struct chain *c, const struct chain_line *last, struct err *e)
{
    bool unfinished;

    memcpy(c->head, last->own, DIGEST_TEXT);
    c->next = last->n + 1;
    if (last->event == CHAIN_NONE) {
        if (count_lines(c, &c->next, e) < 0)
            return -1;
        c->next++;
        return 0;
    }
    if (chain_unfinished(&unfinished, c->folder, last, e) < 0)
        return -1;
    return unfinished ? finish(c, last, e) : 0;
}

/* Where the chain ends, and that nothing is left to be done of it. */
static int read_end(struct chain *c, struct err *e)
{
    struct buf tail = BUF_INIT;
    int rc = read_tail(c, &tail, e);

    if (rc == 0)
        rc = cut_half_line(c, &tail, e);
    if (rc == 0 && tail.len > 0) {
        size_t len = tail.len - 1; /* without its newline */
        const uint8_t *from = memrchr(tail.data, '\n', len);
        size_t at = from ? (size_t)(from - tail.data) + 1 : 0;
        struct chain_line last;

        rc = chain_line_parse(&last, (const char *)tail.data + at, len - at, e);
        if (rc == 0) {
            rc = take_last(c, &last, e);
            chain_line_release(&last);
        }
    }
    buf_release(&tail);
    return rc;
}

static int take_hold(struct chain *c, struct err *e)
{
    AUTO_FREE char *lock = chain_lock_path(c->folder);
    struct stat st;

    c->lock = open(lock, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (c->lock < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot open '%s'", lock);
    owner_as_directory(c->lock, lock);
    if (lock_for_writing(c->lock, c->folder, e) < 0)
        return -1;
    if ((stat(c->path, &st) < 0 || st.st_size == 0) && begin(c, e) < 0)
        return -1;
    return open_file(c, e) < 0 ? -1 : read_end(c, e);
}

int chain_open(struct chain **ret, const char *folder, struct err *e)
{
    struct chain *c = xcalloc(1, sizeof(*c));

    c->lock = c->fd = -1;
    c->next = 1;
    c->folder = xstrdup(folder);
    c->path = chain_path(folder);
    if (take_hold(c, e) < 0) {
        chain_close(c);
        return -1;
    }
    *ret = c;
    return 0;
}

void chain_close(struct chain *c)
{
    if (!c)
        return;
    if (c->fd >= 0)
        close(c->fd);
    if (c->lock >= 0)
        close(c->lock); /* the lock goes with it */
    free(c->folder);
    free(c->path);
    free(c);
}

/* ---- one more line --------------------------------------------------------------------------- */

int64_t chain_next(const struct chain *c)
{
    return c->next;
}

int chain_take_back(const struct chain *c)
{
    return ftruncate(c->fd, c->end) < 0 ? -1 : fsync(c->fd);
}

static int append(const struct chain *c, const struct chain_line *l, struct err *e)
{
    AUTO_FREE char *text = chain_line_format(l);
    size_t len = text ? strlen(text) : 0;
    ssize_t n;

    if (!text)
        return err_set(e, ERR_USAGE, "'%s' cannot be the name of a set", l->set);
    n = pwrite(c->fd, text, len, c->end);
    if (n == (ssize_t)len && fdatasync(c->fd) == 0)
        return 0;
    return err_set_sys(e, ERR_IO, n >= 0 && n < (ssize_t)len ? ENOSPC : errno,
                       "cannot write the chain of records '%s'", c->path);
}

static int tell(const struct chain *c, enum chain_event event, const char *set, const char *sha256,
                const char *replaced, struct err *e)
{
    char at[32];
    struct chain_line l = {
        .event = event, .n = c->next, .at = clock_iso(wall_us(), at), .set = (char *)set};

    memcpy(l.sha256, sha256, DIGEST_TEXT);
    memcpy(l.before, c->head, DIGEST_TEXT);
    if (replaced)
        memcpy(l.replaced, replaced, DIGEST_TEXT);
    return append(c, &l, e);
}

int chain_written(const struct chain *c, const char *set, const char *sha256, const char *replaced,
                  struct err *e)
{
    return tell(c, CHAIN_WRITTEN, set, sha256, replaced, e);
}

int chain_removed(const struct chain *c, const char *set, const char *sha256, struct err *e)
{
    return tell(c, CHAIN_REMOVED, set, sha256, NULL, e);
}
