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
/* The sets in the order in which they were stored, one on a line: neither ids nor times of files
 * tell it, for the clock of host or guest may have been wrong for a while, and put right since. */
#define ORDER "order"

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

/* ---- their order ---- */

static int by_id(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void move_to_end(struct found *f, const char *set)
{
    for (size_t n = 0; n < f->count; n++) {
        char moved[SETID_SIZE];

        if (strcmp(f->sets[n], set) != 0)
            continue;
        memcpy(moved, f->sets[n], SETID_SIZE);
        memmove(f->sets[n], f->sets[n + 1], (f->count - n - 1) * sizeof(*f->sets));
        memcpy(f->sets[f->count - 1], moved, SETID_SIZE);
        return;
    }
}

/* -1: errno. No file is no order. */
static int read_order(const char *dir, struct found *f)
{
    AUTO_FREE char *path = xasprintf("%s/" ORDER, dir);
    AUTO_FCLOSE FILE *file = fopen(path, "re");
    AUTO_FREE char *line = NULL;
    size_t cap = 0;

    if (!file)
        return errno == ENOENT ? 0 : -1;
    while (getline(&line, &cap, file) >= 0) {
        line[strcspn(line, "\n")] = '\0';
        move_to_end(f, line);
    }
    return ferror(file) ? -1 : 0;
}

/* Oldest first. What the order does not tell of, an agent stored that kept none: before it, by id.
 */
static int look_in_order(const char *dir, struct found *ret)
{
    if (look(dir, SUFFIX, ret) < 0)
        return -1;
    if (ret->count > 1)
        qsort(ret->sets, ret->count, sizeof(*ret->sets), by_id);
    if (read_order(dir, ret) == 0)
        return 0;
    free(ret->sets);
    return -1;
}

static int write_order(const char *dir, const struct found *f, size_t from, struct err *e)
{
    AUTO_FREE char *path = xasprintf("%s/" ORDER, dir);
    struct buf text = BUF_INIT;
    int rc;

    for (size_t n = from; n < f->count; n++)
        buf_addf(&text, "%s\n", f->sets[n]);
    rc = manifest_write(dir, path, text.data, text.len, e);
    buf_release(&text);
    return rc;
}

static bool remove_one(const char *dir, const char *set, const char *suffix)
{
    AUTO_FREE char *path = xasprintf("%s/%s%s", dir, set, suffix);

    if (unlink(path) == 0)
        return true;
    log_warn("cannot remove '%s': %s", path, strerror(errno));
    return false;
}

/* The one just written is the newest, and stays in any case. */
static int put_last(const char *dir, const char *set, unsigned keep, unsigned *ret_pruned,
                    struct err *e)
{
    unsigned pruned = 0;
    size_t from;
    struct found f;
    int rc;

    if (look_in_order(dir, &f) < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot look at '%s'", dir);
    move_to_end(&f, set);
    from = f.count > keep ? f.count - (keep ? keep : 1) : 0;
    rc = write_order(dir, &f, from, e);
    for (size_t n = 0; rc == 0 && n < from; n++)
        pruned += remove_one(dir, f.sets[n], SUFFIX);
    free(f.sets);
    *ret_pruned = pruned;
    return rc;
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
    if (manifest_write(dir, path, json, len, e) < 0 || put_last(dir, set, keep, ret_pruned, e) < 0)
        return -1;
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
    struct found f;
    bool any;

    if (look_in_order(dir, &f) < 0)
        return false;
    any = f.count > 0;
    if (any)
        memcpy(ret_set, f.sets[f.count - 1], SETID_SIZE);
    free(f.sets);
    return any;
}
