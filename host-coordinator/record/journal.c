/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a run is about to do, written down before it does it, so that a later process can tell what
 * a dead one may have left. See store.h.
 */
#include "host-coordinator/record/store.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/owner.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_TRIES 10

struct journal {
    int fd;
    char *path;
    bool cut; /* the last line is not whole */
};

/* Whose journal it is lives as long as the lock, whatever becomes of its process. A file that was
 * removed before we had locked it is nobody's: ERR_NOT_FOUND. */
static int open_locked(const char *path, int flags, int *ret_fd, struct err *e)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    AUTO_CLOSE int fd = open(path, flags | O_NOFOLLOW | O_CLOEXEC, 0640);
    struct stat st;

    if (fd < 0)
        return err_set_sys(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno,
                           "cannot open the journal '%s'", path);
    owner_as_directory(fd, path);
    if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
        if (errno == EAGAIN || errno == EACCES)
            return err_set(e, ERR_BUSY, "the run of journal '%s' is still at work", path);
        return err_set_sys(e, ERR_IO, errno, "cannot lock the journal '%s'", path);
    }
    if (fstat(fd, &st) < 0 || st.st_nlink == 0)
        return err_set_sys(e, ERR_NOT_FOUND, ENOENT, "cannot open the journal '%s'", path);
    *ret_fd = STEAL_FD(fd);
    return 0;
}

/* While ours is empty and not locked yet, a recover takes it for that of a run which had begun
 * nothing, and removes it. */
static int open_new(const char *path, int *ret_fd, struct err *e)
{
    struct err why = ERR_INIT;

    for (int n = 0; n < OPEN_TRIES; n++) {
        why = ERR_INIT;
        if (open_locked(path, O_WRONLY | O_CREAT | O_APPEND, ret_fd, &why) == 0)
            return 0;
        if (why.code != ERR_NOT_FOUND)
            break;
    }
    if (e)
        *e = why;
    return -1;
}

int journal_open(struct journal **ret, const char *state_dir, const char *set, struct err *e)
{
    AUTO_FREE char *path = xasprintf("%s/journal/%s.jsonl", state_dir, set);
    AUTO_CLOSE int fd = -1;
    struct journal *j;

    if (open_new(path, &fd, e) < 0)
        return -1;
    j = xcalloc(1, sizeof(*j));
    j->fd = STEAL_FD(fd);
    j->path = STEAL_PTR(path);
    *ret = j;
    return 0;
}

int journal_write(struct journal *j, const struct record *r, bool sync, struct err *e)
{
    if (!j)
        return 0;
    AUTO_FREE char *text = json_dumps((const json_t *)r, JSON_COMPACT);
    /* behind half a line, which a disk had no room for, this one would be lost too */
    AUTO_FREE char *line = xasprintf("%s%s\n", j->cut ? "\n" : "", text ? text : "{}");
    ssize_t len = (ssize_t)strlen(line), n = write(j->fd, line, (size_t)len);

    j->cut = n < 0 ? j->cut : n < len;
    if (n == len && !(sync && fdatasync(j->fd) < 0))
        return 0;
    return err_set_sys(e, ERR_IO, n < 0 || n == len ? errno : ENOSPC,
                       "cannot write the journal '%s'", j->path);
}

void journal_step(struct journal *j, const char *step, const char *event, bool sync)
{
    struct record *r = record_new();
    struct err why = ERR_INIT;
    char at[32];

    record_set_text(r, "at", clock_iso(wall_us(), at));
    record_set_text(r, "step", step);
    record_set_text(r, "event", event);
    if (journal_write(j, r, sync, &why) < 0)
        log_warn("%s", why.msg);
    record_free(r);
}

/* Or a power cut would bring it back, as that of a run which had died. */
static void sync_folder_of(const char *path)
{
    AUTO_FREE char *folder = strndup(path, (size_t)(strrchr(path, '/') - path));
    AUTO_CLOSE int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0)
        (void)fsync(fd);
}

void journal_close(struct journal *j, bool done)
{
    if (!j)
        return;
    /* while it is locked: behind a lock that is gone, a recover would take it for a dead run's */
    if (done && unlink(j->path) == 0)
        sync_folder_of(j->path);
    close(j->fd);
    free(j->path);
    free(j);
}

/* ---- left ones ------------------------------------------------------------------------------- */

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int journal_names(struct store_names *ret, const char *state_dir, struct err *e)
{
    AUTO_FREE char *dir = xasprintf("%s/journal", state_dir);
    struct store_names l = {.count = 0};
    DIR *d = opendir(dir);
    struct dirent *entry;

    if (!d && errno != ENOENT)
        return err_set_sys(e, ERR_IO, errno, "cannot list the journals in '%s'", dir);
    while (d && (entry = readdir(d))) {
        size_t len = strlen(entry->d_name);

        if (len <= 6 || strcmp(entry->d_name + len - 6, ".jsonl") != 0)
            continue;
        l.names = xrealloc(l.names, (l.count + 1) * sizeof(*l.names));
        l.names[l.count++] = strndup(entry->d_name, len - 6);
    }
    if (d)
        closedir(d);
    if (l.count > 1)
        qsort(l.names, l.count, sizeof(*l.names), compare_text);
    *ret = l;
    return 0;
}

static const struct {
    const char *event, *member; /* where the steps are listed of which it was written down */
} step_lists[] = {{"begin", "begun"}, {"done", "done"}, {"undo", "undoing"}, {"undone", "undone"}};

/* A line of a step goes into one of these lists; the members of every other line into the whole. */
static void take_line(json_t *whole, json_t *line)
{
    const char *step = json_string_value(json_object_get(line, "step"));
    const char *event = json_string_value(json_object_get(line, "event"));

    if (step && event) {
        for (size_t n = 0; n < ARRAY_SIZE(step_lists); n++) {
            if (strcmp(event, step_lists[n].event) == 0)
                json_array_append_new(json_object_get(whole, step_lists[n].member),
                                      json_string(step));
        }
        return;
    }
    json_object_update(whole, line);
}

static void read_lines(FILE *f, json_t *whole)
{
    char *line = NULL;
    size_t cap = 0;

    while (getline(&line, &cap, f) > 0) {
        json_t *one = json_loads(line, 0, NULL);

        if (json_is_object(one))
            take_line(whole, one);
        json_decref(one);
    }
    free(line);
}

struct record *journal_read(const char *state_dir, const char *set, struct err *e)
{
    AUTO_FREE char *path = xasprintf("%s/journal/%s.jsonl", state_dir, set);
    AUTO_FCLOSE FILE *f = fopen(path, "re");
    json_t *whole;

    if (!f) {
        err_set_sys(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno,
                    "cannot read the journal '%s'", path);
        return NULL;
    }
    whole = json_object();
    for (size_t n = 0; n < ARRAY_SIZE(step_lists); n++)
        json_object_set_new(whole, step_lists[n].member, json_array());
    read_lines(f, whole);
    return (struct record *)whole;
}

/* A line that was cut short is ended, or the next would be lost with it. */
static int end_last_line(int fd, const char *path, struct err *e)
{
    off_t size = lseek(fd, 0, SEEK_END);
    char last = '\n';

    if (size < 0 || (size > 0 && pread(fd, &last, 1, size - 1) != 1) ||
        (last != '\n' && write(fd, "\n", 1) != 1))
        return err_set_sys(e, ERR_IO, errno, "cannot go on with the journal '%s'", path);
    return 0;
}

int journal_take_over(struct journal **ret_journal, struct record **ret, const char *state_dir,
                      const char *set, struct err *e)
{
    AUTO_FREE char *path = xasprintf("%s/journal/%s.jsonl", state_dir, set);
    AUTO_CLOSE int fd = -1;
    struct record *whole;
    struct journal *j;

    if (open_locked(path, O_RDWR | O_APPEND, &fd, e) < 0 || end_last_line(fd, path, e) < 0 ||
        !(whole = journal_read(state_dir, set, e)))
        return -1;
    j = xcalloc(1, sizeof(*j));
    j->fd = STEAL_FD(fd);
    j->path = STEAL_PTR(path);
    *ret_journal = j;
    *ret = whole;
    return 0;
}
