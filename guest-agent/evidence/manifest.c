/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Instance manifests on disk; see manifest.h. */
#include "guest-agent/evidence/manifest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/log.h"
#include "proto/base/replace.h"

#define SUFFIX ".json"
#define TEMP   SUFFIX ".tmp" /* as replace.h names what is not yet in place */

/* The root filesystem of a server in production: its last bytes are not for this. */
#define SPARE_BYTES (4 << 20)

static int check_set(const char *set, struct err *e)
{
    if (set && setid_is(set, strlen(set)))
        return 0;
    return err_set(e, ERR_PROTOCOL, "'%.40s' is no set's id, like 20161104T101500Z-7f3a",
                   set ? set : "");
}

/* ---- the directory ---- */

static int sync_dir(const char *path)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 ? -1 : fsync(fd);
}

/* Makes it and what is missing above it. A parent that was made is synced, else a crash of the VM
 * could take the folder along with the document. */
int manifest_make_dir(const char *path, struct err *e)
{
    AUTO_FREE char *copy = xstrdup(path);
    const char *parent = dirname(copy);

    if (mkdir(path, 0700) == 0) {
        if (sync_dir(parent) == 0)
            return 0;
    } else if (errno == ENOENT && strcmp(parent, path) != 0) {
        return manifest_make_dir(parent, e) < 0 ? -1 : manifest_make_dir(path, e);
    } else if (errno == EEXIST) {
        return 0;
    }
    return err_set_sys(e, ERR_IO, errno, "cannot make the directory '%s'", path);
}

static int check_space(const char *dir, size_t bytes, struct err *e)
{
    struct statvfs st;
    uint64_t free_bytes;

    if (statvfs(dir, &st) < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot look at '%s'", dir);
    free_bytes = (uint64_t)st.f_bavail * st.f_frsize;
    if (free_bytes < bytes + SPARE_BYTES)
        return err_set(e, ERR_IO,
                       "the filesystem of '%s' has only %llu KiB left: nothing is written there",
                       dir, (unsigned long long)free_bytes / 1024);
    return 0;
}

/* ---- what lies in it ---- */

struct found {
    char (*sets)[SETID_SIZE];
    size_t count;
};

static bool has_form(const char *name, const char *suffix)
{
    size_t len = strlen(name);

    return len == SETID_LEN + strlen(suffix) && setid_is(name, SETID_LEN) &&
           strcmp(name + SETID_LEN, suffix) == 0;
}

static void add(struct found *f, const char *name)
{
    f->sets = xrealloc(f->sets, (f->count + 1) * sizeof(*f->sets));
    memcpy(f->sets[f->count], name, SETID_LEN);
    f->sets[f->count++][SETID_LEN] = '\0';
}

/* Sets with a file of that form, in any order. */
static int look(const char *dir, const char *suffix, struct found *ret)
{
    DIR *d = opendir(dir);
    struct dirent *entry;

    *ret = (struct found){.count = 0};
    if (!d)
        return -1;
    while ((entry = readdir(d))) {
        if (has_form(entry->d_name, suffix))
            add(ret, entry->d_name);
    }
    closedir(d);
    return 0;
}

static int newest_first(const void *a, const void *b)
{
    return strcmp(b, a);
}

static bool remove_one(const char *dir, const char *set, const char *suffix)
{
    AUTO_FREE char *path = xasprintf("%s/%s%s", dir, set, suffix);

    if (unlink(path) == 0)
        return true;
    log_warn("cannot remove '%s': %s", path, strerror(errno));
    return false;
}

/* The one just written counts as the newest: a host whose clock went back must not lose it. */
static unsigned prune(const char *dir, const char *set, unsigned keep)
{
    unsigned removed = 0, kept = 1;
    struct found f;

    if (look(dir, SUFFIX, &f) < 0)
        return 0;
    if (f.count > 0)
        qsort(f.sets, f.count, sizeof(*f.sets), newest_first);
    for (size_t n = 0; n < f.count; n++) {
        if (strcmp(f.sets[n], set) != 0 && kept++ >= keep)
            removed += remove_one(dir, f.sets[n], SUFFIX);
    }
    free(f.sets);
    return removed;
}

/* What an agent that died while writing has left. */
static void sweep(const char *dir)
{
    struct found f;

    if (look(dir, TEMP, &f) < 0)
        return;
    for (size_t n = 0; n < f.count; n++)
        (void)remove_one(dir, f.sets[n], TEMP);
    free(f.sets);
}

/* ---- what is asked ---- */

int manifest_write(const char *dir, const char *path, const void *data, size_t len, struct err *e)
{
    struct replace f;
    int rc;

    if (check_space(dir, len, e) < 0)
        return -1;
    rc = replace_begin(&f, path, 0600, e);
    if (rc == 0)
        rc = replace_add(&f, data, len, e);
    return replace_end(&f, rc == 0, e);
}

int manifest_store(const char *dir, const char *set, const char *json, unsigned keep,
                   char **ret_path, unsigned *ret_pruned, struct err *e)
{
    AUTO_FREE char *path = NULL;
    size_t len = strlen(json);

    if (check_set(set, e) < 0)
        return -1;
    if (len == 0 || len > MANIFEST_BYTES_MAX)
        return err_set(e, ERR_PROTOCOL, "a manifest of %zu bytes: it has 1 to %d", len,
                       MANIFEST_BYTES_MAX);
    path = xasprintf("%s/%s" SUFFIX, dir, set);
    if (manifest_make_dir(dir, e) < 0)
        return -1;
    if (chmod(dir, 0700) < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot make '%s' private", dir);
    sweep(dir);
    if (manifest_write(dir, path, json, len, e) < 0)
        return -1;
    *ret_pruned = prune(dir, set, keep);
    *ret_path = STEAL_PTR(path);
    return 0;
}

int manifest_forget(const char *dir, const char *set, struct err *e)
{
    AUTO_FREE char *path = NULL;

    if (check_set(set, e) < 0)
        return -1;
    path = xasprintf("%s/%s" SUFFIX, dir, set);
    if (unlink(path) < 0 && errno != ENOENT)
        return err_set_sys(e, ERR_IO, errno, "cannot remove '%s'", path);
    if (sync_dir(dir) < 0 && errno != ENOENT)
        return err_set_sys(e, ERR_IO, errno, "cannot sync '%s'", dir);
    return 0;
}

bool manifest_newest(const char *dir, char ret_set[SETID_SIZE])
{
    const char *newest = NULL;
    struct found f;

    if (look(dir, SUFFIX, &f) < 0)
        return false;
    for (size_t n = 0; n < f.count; n++) {
        if (!newest || strcmp(f.sets[n], newest) > 0)
            newest = f.sets[n];
    }
    if (newest)
        memcpy(ret_set, newest, SETID_SIZE);
    free(f.sets);
    return newest;
}
