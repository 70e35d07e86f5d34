/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * FAMILY_DELETED: files that somebody deleted and the server still has open (a log removed by hand,
 * a dropped table that a query still reads): their space is free only when the server lets go.
 *
 * A server may have a hundred thousand descriptors, so one turn looks at some of them and the next
 * goes on; the sums are told when all were seen. Source: proc_pid_fd(5).
 */
#include "guest-agent/sample/deleted.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest-agent/sample/procfile.h"
#include "guest-agent/sample/server_facts.h"
#include "guest-agent/sample/sources.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

#define TURN_FDS   10000
#define TURN_US    100000
#define BLOCK      512 /* st_blocks counts in these */
#define TOLD_BYTES 400 /* of a path */

static const char suffix[] = " (deleted)";

struct found {
    char path[TOLD_BYTES];
    uint64_t bytes;
};

struct deleted {
    const struct source_config *config;
    DIR *dir; /* of the scan under way */
    pid_t pid;
    size_t seen; /* descriptors of any kind */
    size_t files;
    uint64_t bytes;
    struct found largest[SAMPLE_FILES_MAX]; /* largest first */
    size_t count;
};

/* ---- which ones ---- */

static bool is_mkstemp(const char *name, const char *prefix)
{
    size_t len = strlen(prefix);

    if (strncmp(name, prefix, len) != 0 || strlen(name + len) != 6)
        return false;
    for (name += len; *name; name++) {
        if (!isalnum((unsigned char)*name))
            return false;
    }
    return true;
}

bool deleted_is_temporary(const char *path)
{
    static const char *const prefixes[] = {"ib", "ML", "MY", "ST", "mysql_temptable."};
    static const char *const no_files[] = {"/memfd:", "/[aio]", "/dev/zero", "/SYSV"};
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

    for (size_t n = 0; n < ARRAY_SIZE(no_files); n++) {
        if (strncmp(path, no_files[n], strlen(no_files[n])) == 0)
            return true;
    }
    for (size_t n = 0; n < ARRAY_SIZE(prefixes); n++) {
        if (is_mkstemp(name, prefixes[n]))
            return true;
    }
    return name[0] == '#' && name[1] && name[1 + strspn(name + 1, "0123456789")] == '\0';
}

/* ---- the scan ---- */

static void keep_largest(struct deleted *self, const char *path, uint64_t bytes)
{
    size_t at = self->count;

    while (at > 0 && self->largest[at - 1].bytes < bytes)
        at--;
    if (at == SAMPLE_FILES_MAX)
        return;
    if (self->count < SAMPLE_FILES_MAX)
        self->count++;
    memmove(&self->largest[at + 1], &self->largest[at],
            (self->count - 1 - at) * sizeof(self->largest[0]));
    text_clean(self->largest[at].path, TOLD_BYTES, path, strlen(path));
    self->largest[at].bytes = bytes;
}

static void look_at(struct deleted *self, const char *name)
{
    char path[PATH_MAX];
    ssize_t len = readlinkat(dirfd(self->dir), name, path, sizeof(path) - 1);
    ssize_t stem = len - (ssize_t)strlen(suffix);
    struct stat st;

    if (stem <= 0 || path[0] != '/')
        return;
    path[len] = '\0';
    if (strcmp(path + stem, suffix) != 0)
        return;
    path[stem] = '\0';
    /* the name may just end so: only the link count knows */
    if (deleted_is_temporary(path) || fstatat(dirfd(self->dir), name, &st, 0) < 0 ||
        !S_ISREG(st.st_mode) || st.st_nlink > 0)
        return;
    self->files++;
    self->bytes += (uint64_t)st.st_blocks * BLOCK;
    keep_largest(self, path, (uint64_t)st.st_blocks * BLOCK);
}

/* True when all were seen. */
static bool scan_on(struct deleted *self)
{
    int64_t until = mono_us() + TURN_US;
    struct dirent *entry;

    for (int n = 0; n < TURN_FDS && mono_us() < until; n++) {
        errno = 0;
        entry = readdir(self->dir);
        if (!entry)
            return true;
        if (entry->d_name[0] == '.')
            continue;
        self->seen++;
        look_at(self, entry->d_name);
    }
    return false;
}

static void end_scan(struct deleted *self)
{
    if (self->dir)
        closedir(self->dir);
    self->dir = NULL;
    self->seen = self->files = self->count = 0;
    self->bytes = 0;
}

static bool begin_scan(struct deleted *self, pid_t pid)
{
    AUTO_FREE char *path = NULL;

    end_scan(self);
    self->pid = pid;
    if (pid == 0)
        return false;
    path = xasprintf("%s/proc/%d/fd", self->config->root, (int)pid);
    self->dir = opendir(path);
    return self->dir != NULL;
}

static void *deleted_open(const struct source_config *c)
{
    struct deleted *self = xcalloc(1, sizeof(*self));

    self->config = c;
    return self;
}

static void deleted_read(void *arg, struct sample *to)
{
    struct deleted *self = arg;
    pid_t pid = server_facts_get(self->config->server, NULL, NULL, NULL);

    if ((!self->dir || pid != self->pid) && !begin_scan(self, pid))
        return;
    if (!scan_on(self))
        return;
    if (errno || self->seen == 0) { /* it ended meanwhile: nothing was seen is not "none" */
        end_scan(self);
        return;
    }
    sample_emit(to, "mysql.deleted_open.files", (double)self->files);
    sample_emit(to, "mysql.deleted_open.bytes", (double)self->bytes);
    for (size_t n = 0; n < self->count; n++)
        sample_add_file(to, self->largest[n].path, self->largest[n].bytes);
    end_scan(self);
}

static void deleted_close(void *arg)
{
    end_scan(arg);
    free(arg);
}

const struct source deleted_source = {.name = "deleted files",
                                      .lane = LANE_FILES,
                                      .every_ms = SOURCE_SLOW,
                                      .open = deleted_open,
                                      .read = deleted_read,
                                      .close = deleted_close};
