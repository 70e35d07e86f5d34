/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last freezes, in memory and on disk; see freezes.h. */
#include "guest-agent/evidence/freezes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest-agent/session/marker.h"
#include "proto/base/cleanup.h"

/* A file of more is not ours. */
#define FILE_BYTES_MAX (FREEZES_BYTES_MAX + 4096)

static void free_one(Cbsnap__Freeze **freeze)
{
    if (*freeze)
        cbsnap__freeze__free_unpacked(*freeze, NULL);
    *freeze = NULL;
}

/* A copy of its own of what only borrows. */
static Cbsnap__Freeze *copy(const Cbsnap__Freeze *from)
{
    size_t len = cbsnap__freeze__get_packed_size(from);
    AUTO_FREE uint8_t *bytes = xcalloc(1, len + 1);

    (void)cbsnap__freeze__pack(from, bytes);
    return cbsnap__freeze__unpack(NULL, len, bytes);
}

static void drop_oldest(struct freezes *f)
{
    free_one(&f->kept[0]);
    memmove(&f->kept[0], &f->kept[1], (f->count - 1) * sizeof(f->kept[0]));
    f->count--;
}

/* Borrows. */
static Cbsnap__Freezes as_message(const struct freezes *f)
{
    Cbsnap__Freezes all = CBSNAP__FREEZES__INIT;

    all.n_freeze = f->count;
    all.freeze = (Cbsnap__Freeze **)f->kept;
    return all;
}

static size_t packed_size(const struct freezes *f)
{
    Cbsnap__Freezes all = as_message(f);

    return cbsnap__freezes__get_packed_size(&all);
}

static bool never_locked(const Cbsnap__Freeze *f)
{
    return f->end == CBSNAP__FREEZE_EVENT__KIND__LOCK_FAILED;
}

static void keep(struct freezes *f, const Cbsnap__Freeze *from)
{
    Cbsnap__Freeze *one = copy(from);

    if (!one)
        return;
    if (f->count > 0 && never_locked(one) && never_locked(f->kept[f->count - 1]))
        free_one(&f->kept[--f->count]);
    if (f->count == FREEZES_KEEP)
        drop_oldest(f);
    f->kept[f->count++] = one;
    while (f->count > 0 && packed_size(f) > FREEZES_BYTES_MAX)
        drop_oldest(f);
}

/* ---- from events ----------------------------------------------------------------------------- */

static void locked(struct freezes *f, const Cbsnap__FreezeEvent *event)
{
    Cbsnap__Freeze freeze = CBSNAP__FREEZE__INIT;

    free_one(&f->open);
    MSG_SET(&freeze, epoch, event->epoch);
    MSG_SET(&freeze, locked_wall_us, event->at_wall_us);
    freeze.run_id = event->run_id;
    freeze.position = event->position;
    f->open = copy(&freeze);
    f->locked_us = event->at_us;
    f->requested_us = event->has_lock_requested_us ? event->lock_requested_us : event->at_us;
}

static void ended(struct freezes *f, const Cbsnap__FreezeEvent *event)
{
    Cbsnap__Freeze freeze = CBSNAP__FREEZE__INIT;
    bool was_locked = f->open && f->open->epoch == event->epoch;

    if (was_locked) {
        freeze = *f->open;
        MSG_SET(&freeze, held_us, event->at_us - f->locked_us);
        MSG_SET(&freeze, stall_us, event->at_us - f->requested_us);
    } else {
        MSG_SET(&freeze, epoch, event->epoch);
        freeze.run_id = event->run_id;
    }
    MSG_SET(&freeze, end, event->kind);
    MSG_SET(&freeze, ended_wall_us, event->at_wall_us);
    freeze.cause = event->cause;
    freeze.error = event->error;
    keep(f, &freeze);
    free_one(&f->open);
}

bool freezes_event(struct freezes *f, const Cbsnap__FreezeEvent *event)
{
    switch (event->kind) {
    case CBSNAP__FREEZE_EVENT__KIND__LOCKED:
        locked(f, event);
        return false;
    case CBSNAP__FREEZE_EVENT__KIND__LOCK_FAILED:
    case CBSNAP__FREEZE_EVENT__KIND__RELEASED:
    case CBSNAP__FREEZE_EVENT__KIND__LOST:
        ended(f, event);
        return true;
    default:
        return false;
    }
}

/* ---- the file -------------------------------------------------------------------------------- */

static int read_all(struct buf *to, const char *path, struct err *e)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 || buf_read(to, fd, FILE_BYTES_MAX) < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot read '%s'", path);
    return 0;
}

int freezes_load(struct freezes *f, const char *run_dir, struct err *e)
{
    AUTO_FREE char *path = xasprintf("%s/" FREEZES_FILE, run_dir);
    struct buf file = BUF_INIT;
    Cbsnap__Freezes *all = NULL;
    int rc = read_all(&file, path, e);

    *f = (struct freezes){.count = 0};
    if (rc == 0 && file.len > 0 && file.len <= FILE_BYTES_MAX)
        all = cbsnap__freezes__unpack(NULL, file.len, file.data);
    if (rc == 0 && file.len > 0 && !all)
        rc = err_set(e, ERR_PROTOCOL, "'%s' does not hold the last freezes: it will be replaced",
                     path);
    for (size_t n = 0; all && n < all->n_freeze; n++)
        keep(f, all->freeze[n]);
    if (all)
        cbsnap__freezes__free_unpacked(all, NULL);
    buf_release(&file);
    return rc;
}

void freezes_release(struct freezes *f)
{
    for (size_t n = 0; n < f->count; n++)
        free_one(&f->kept[n]);
    free_one(&f->open);
    f->count = 0;
}

int freezes_save(const struct freezes *f, const char *run_dir, struct err *e)
{
    Cbsnap__Freezes all = as_message(f);
    struct buf bytes = BUF_INIT;
    int rc;

    bytes.len = cbsnap__freezes__pack(&all, buf_reserve(&bytes, packed_size(f)));
    rc = run_file_write(run_dir, FREEZES_FILE, &bytes, e);
    buf_release(&bytes);
    return rc;
}
