/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Marker and epoch on tmpfs, and the thaw of a restarted agent; see marker.h. */
#include "guest-agent/session/marker.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#define SWEEP_KEPT_US (INT64_C(60) * 1000 * 1000)

int run_file_write(const char *run_dir, const char *name, const struct buf *text, struct err *e)
{
    AUTO_FREE char *path = xasprintf("%s/%s", run_dir, name);
    AUTO_FREE char *fresh = xasprintf("%s/.%s.new", run_dir, name);
    AUTO_CLOSE int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot write '%s'", fresh);
    if (write(fd, text->data, text->len) != (ssize_t)text->len)
        return err_set_sys(e, ERR_IO, errno, "cannot write '%s'", fresh);
    if (rename(fresh, path) < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot put '%s' in place", path);
    return 0;
}

int marker_write(const char *run_dir, uint64_t epoch, const char *run_id, const struct fs_set *set,
                 struct err *e)
{
    struct buf text = BUF_INIT;
    int rc;

    buf_addf(&text, "epoch %" PRIu64 "\n", epoch);
    buf_addf(&text, "run %s\n", run_id);
    for (size_t n = 0; n < fs_set_count(set); n++) {
        const struct mount *m = fs_set_mount(set, n);

        buf_addf(&text, "mount %u:%u %s\n", m->dev_major, m->dev_minor, m->path);
    }
    rc = run_file_write(run_dir, "session", &text, e);
    buf_release(&text);
    return rc;
}

static int remove_file(const char *run_dir, const char *name, struct err *e)
{
    AUTO_FREE char *path = xasprintf("%s/%s", run_dir, name);

    if (unlink(path) < 0 && errno != ENOENT)
        return err_set_sys(e, ERR_IO, errno, "cannot remove '%s'", path);
    return 0;
}

int marker_remove(const char *run_dir, struct err *e)
{
    return remove_file(run_dir, "session", e);
}

int sweep_keep(const char *run_dir, bool due, struct err *e)
{
    struct buf text = BUF_INIT;
    int rc;

    if (!due)
        return remove_file(run_dir, "sweep", e);
    buf_addf(&text, "%" PRId64 "\n", mono_us());
    rc = run_file_write(run_dir, "sweep", &text, e);
    buf_release(&text);
    return rc;
}

uint64_t epoch_read(const char *run_dir)
{
    AUTO_FREE char *path = xasprintf("%s/epoch", run_dir);
    AUTO_FCLOSE FILE *f = fopen(path, "re");
    uint64_t epoch;

    return f && fscanf(f, "%" SCNu64, &epoch) == 1 && epoch > 0 ? epoch : 1;
}

int epoch_write(const char *run_dir, uint64_t epoch, struct err *e)
{
    struct buf text = BUF_INIT;
    int rc;

    buf_addf(&text, "%" PRIu64 "\n", epoch);
    rc = run_file_write(run_dir, "epoch", &text, e);
    buf_release(&text);
    return rc;
}

/* Keeps in `all` only the filesystems that a line "mount MAJ:MIN PATH" names. By number: what
 * is mounted on the path, or nearest the root, may have changed; fs_set_open() sees to that. */
static void keep_named(struct mount_table *all, const struct buf *names)
{
    size_t kept = 0;

    for (size_t n = 0; n < all->count; n++) {
        struct mount m = all->items[n];
        AUTO_FREE char *line = xasprintf("\nmount %u:%u ", m.dev_major, m.dev_minor);

        if (strstr(buf_text(names), line)) {
            all->items[n] = all->items[kept];
            all->items[kept++] = m;
        }
    }
    all->count = kept;
}

/* Those that the marker names; all without one. */
static void thaw_named(const struct buf *marker, struct recovery *r)
{
    struct mount_table all = {.items = NULL}, some;
    AUTO_FREE struct fs_result *results = NULL;
    struct err e = ERR_INIT;
    struct fs_set *set;

    if (mounts_read(&all, "", "", &e) < 0) {
        log_error("cannot thaw what an earlier freeze left: %s", e.msg);
        return;
    }
    some = all;
    if (marker)
        keep_named(&some, marker);
    set = fs_set_open(&some);
    fs_set_stand_by(set);
    results = xcalloc(fs_set_count(set) + 1, sizeof(*results));
    fs_set_thaw(set, results);
    for (size_t n = 0; n < fs_set_count(set); n++) {
        const char *path = fs_set_mount(set, n)->path;

        if (results[n].answer == FS_FROZEN) {
            r->thawed++;
        } else if (results[n].answer == FS_FAILED || (results[n].answer == FS_COVERED && marker)) {
            r->failed++;
            log_error("cannot thaw '%s': %s; run fsfreeze -u '%s'", path,
                      fs_result_problem(&results[n]), path);
        }
    }
    fs_set_close(set);
    mounts_release(&all);
}

/* The rest of the line that starts with "run "; "" for nobody's. */
static void run_of(const struct buf *marker, char *ret, size_t size)
{
    const char *run = strstr(buf_text(marker), "\nrun ");

    if (!run)
        return;
    run += strlen("\nrun ");
    (void)snprintf(ret, size, "%.*s", (int)strcspn(run, "\n"), run);
}

static bool read_marker(const char *path, struct buf *ret)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd >= 0)
        (void)buf_read(ret, fd, SIZE_MAX); /* one that is there says that something may be held */
    return fd >= 0;
}

/* One that is old was left by an agent that could not start since: nobody freezes for so long. */
static bool sweep_is_due(const char *path)
{
    struct buf text = BUF_INIT;
    int64_t at_us = 0;
    bool due = read_marker(path, &text) && sscanf(buf_text(&text), "%" SCNd64, &at_us) == 1 &&
               mono_us() - at_us < SWEEP_KEPT_US;

    buf_release(&text);
    if (!due)
        (void)unlink(path);
    return due;
}

void marker_recover(const char *run_dir, struct recovery *ret)
{
    AUTO_FREE char *path = xasprintf("%s/session", run_dir);
    AUTO_FREE char *sweep = xasprintf("%s/sweep", run_dir);
    AUTO_FREE char *rcu = xasprintf("%s/rcu_expedited", run_dir);
    struct buf marker = BUF_INIT;
    struct err e = ERR_INIT;

    *ret = (struct recovery){.found = false};
    if (read_marker(path, &marker)) {
        ret->found = true;
        (void)sscanf(buf_text(&marker), "epoch %" SCNu64, &ret->epoch);
        run_of(&marker, ret->run_id, sizeof(ret->run_id));
        thaw_named(&marker, ret);
        log_warn("an earlier cbsnap-agent died in the freeze of epoch %" PRIu64
                 ": %u filesystems thawed",
                 ret->epoch, ret->thawed);
    }
    buf_release(&marker);
    ret->sweep = ret->found || sweep_is_due(sweep);
    if (ret->sweep && !ret->found) {
        /* now, too: one that cannot start because of its configuration does no more than this */
        thaw_named(NULL, ret);
        log_info("an earlier cbsnap-agent ended while qemu-ga might still be freezing: thawing on");
    }
    if (rcu_restore("", rcu, &e) < 0)
        log_warn("%s", e.msg);
    if (ret->found && (sweep_keep(run_dir, true, &e) < 0 || marker_remove(run_dir, &e) < 0))
        log_warn("%s", e.msg);
}

bool marker_waits(const char *run_dir)
{
    AUTO_FREE char *path = xasprintf("%s/session", run_dir);
    AUTO_FREE char *sweep = xasprintf("%s/sweep", run_dir);

    return access(path, F_OK) == 0 || access(sweep, F_OK) == 0;
}
