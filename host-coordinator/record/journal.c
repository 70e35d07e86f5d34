/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a run is about to do, written down before it does it, so that a later process can tell what
 * a dead one may have left. See store.h.
 */
#include "host-coordinator/record/store.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>

struct journal {
    int fd;
    char *path;
};

int journal_open(struct journal **ret, const char *state_dir, const char *set, struct err *e)
{
    AUTO_FREE char *path = xasprintf("%s/journal/%s.jsonl", state_dir, set);
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    struct journal *j;

    if (fd < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot open the journal '%s'", path);
    j = xcalloc(1, sizeof(*j));
    j->fd = STEAL_FD(fd);
    j->path = STEAL_PTR(path);
    *ret = j;
    return 0;
}

void journal_note(struct journal *j, const struct record *r, bool sync)
{
    AUTO_FREE char *text = json_dumps((const json_t *)r, JSON_COMPACT);
    AUTO_FREE char *line = xasprintf("%s\n", text ? text : "{}");

    if (!j)
        return;
    /* A full disk must not keep a VM frozen: the run goes on, and the log says what is missing. */
    if (write(j->fd, line, strlen(line)) < 0 || (sync && fdatasync(j->fd) < 0))
        log_warn("cannot write the journal '%s': %s", j->path, strerror(errno));
}

void journal_step(struct journal *j, const char *step, const char *event, bool sync)
{
    struct record *r = record_new();
    char at[32];

    record_set_text(r, "at", clock_iso(wall_us(), at));
    record_set_text(r, "step", step);
    record_set_text(r, "event", event);
    journal_note(j, r, sync);
    record_free(r);
}

void journal_close(struct journal *j, bool done)
{
    if (!j)
        return;
    close(j->fd);
    if (done)
        (void)unlink(j->path);
    free(j->path);
    free(j);
}
