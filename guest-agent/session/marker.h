/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a restarted agent must know of its predecessor: four small files on tmpfs (/run/cbsnap).
 *
 *     session        there is a freeze: its epoch, run, and the mounts it concerns
 *     sweep          for a minute: qemu-ga may not know that there is none (session/sweep.h)
 *     epoch          the number that the next freeze carries
 *     rcu_expedited  the old value of the kernel's switch (fs/freeze.h writes it)
 *
 * Files are replaced whole (rename), so a reader never sees half of one. They lie on tmpfs because
 * they are written while other filesystems may be frozen.
 */
#ifndef CBSNAP_SESSION_MARKER_H
#define CBSNAP_SESSION_MARKER_H

#include <stdbool.h>
#include <stdint.h>

#include "guest-agent/fs/freeze.h"
#include "proto/base/buf.h"

/* Replaces one of them, or another file that is to outlive the agent and not the boot; mode 0600.
 */
int run_file_write(const char *run_dir, const char *name, const struct buf *text, struct err *e);

int marker_write(const char *run_dir, uint64_t epoch, const char *run_id, const struct fs_set *set,
                 struct err *e);
/* No marker is no error. */
int marker_remove(const char *run_dir, struct err *e);

/* Makes the file `sweep`, or removes it; that it was not there is no error. */
int sweep_keep(const char *run_dir, bool due, struct err *e);

/* 1 when the file does not exist (first start since boot). */
uint64_t epoch_read(const char *run_dir);
int epoch_write(const char *run_dir, uint64_t epoch, struct err *e);

struct recovery {
    bool found; /* a predecessor died while it held a freeze */
    bool sweep; /* it did, or ended before its sweep was over: sweep, for qemu-ga may be freezing */
    uint64_t epoch;
    char run_id[96];
    unsigned thawed, failed; /* filesystems */
};

/* Thaws what the marker names, restores the RCU switch, removes the marker. Logs what it does.
 * Called at start before anything else; the lock went with the predecessor's connection. */
void marker_recover(const char *run_dir, struct recovery *ret);

/* Whether an agent that starts now would thaw: there is a marker, or a sweep is not over. */
bool marker_waits(const char *run_dir);

#endif
