/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Letting filesystems go. qemu-ga freezes; this thaws, and says what was frozen.
 *
 * The descriptors are opened beforehand: opening a path on, or below, a frozen filesystem can
 * block. FITHAW on an open descriptor does not.
 * Source: Linux fs/super.c freeze_super()/thaw_super(): FIFREEZE on a frozen filesystem fails with
 * EBUSY and changes nothing; FITHAW on one that is not frozen fails with EINVAL.
 *
 * Threads: thaws may be asked for by several threads at once (the watchdog and the worker): exactly
 * one of them sees each filesystem as "was frozen". The rest is one thread's.
 */
#ifndef CBSNAP_FS_FREEZE_H
#define CBSNAP_FS_FREEZE_H

#include <stdint.h>

#include "guest-agent/fs/mounts.h"

enum fs_answer {
    FS_FROZEN, /* probe: is frozen; thaw: was frozen until this call */
    FS_NOT_FROZEN,
    FS_UNABLE,  /* cannot be frozen at all (vfat, ...): EOPNOTSUPP, ENOTTY */
    FS_COVERED, /* others are mounted over all its paths: nobody reaches it, qemu-ga neither */
    FS_FAILED,  /* see sys_errno */
};

struct fs_result {
    enum fs_answer answer;
    int sys_errno;
};

/* Why it was not frozen, or is not known to have been; NULL where there is nothing to say. For
 * FS_FAILED it is strerror(3)'s, good until the next call. */
const char *fs_result_problem(const struct fs_result *r);

struct fs_set;

/* Opens each mount of the table that is not read-only; keeps its own copy of the table. One whose
 * path shows another filesystem is opened by another of its paths, as qemu-ga, which goes through
 * all, reaches it. A mount that cannot be opened keeps its place and answers FS_FAILED, or
 * FS_COVERED. */
struct fs_set *fs_set_open(const struct mount_table *t);
void fs_set_close(struct fs_set *s); /* accepts NULL; thaws nothing; no call may be under way */
size_t fs_set_count(const struct fs_set *s);
const struct mount *fs_set_mount(const struct fs_set *s, size_t n);

/* Starts a thread for each mount, which will thaw it and no other: no filesystem then waits for the
 * disk of another, neither for a freeze that is slow to write out what is dirty, nor for a thaw
 * that is not answered. Once, before any thaw. Without it, and for those that got no thread (the
 * system has no more, or it is beyond the 64th), fs_thaw_begin() goes from one to the next. */
void fs_set_stand_by(struct fs_set *s);

/* A thaw under way. The caller's, but for its members. */
struct fs_thaw {
    struct fs_result *results;
    uint64_t number;
    size_t left;
    struct fs_thaw *next;
};

/* Asks for FITHAW on every one, and again of each that has a thread as long as one of them has not
 * answered: it may be frozen meanwhile. Carries on past errors. `results` has fs_set_count()
 * entries and may be NULL. Allocates nothing, and holds no lock while it waits for a disk. */
void fs_thaw_begin(struct fs_set *s, struct fs_thaw *t, struct fs_result *results);
/* True once all have answered, and the call is over: exactly once. False after `wait_ms` without
 * that; < 0: waits as long as it takes. `t`, results and set must stay until then. */
bool fs_thaw_wait(struct fs_set *s, struct fs_thaw *t, int wait_ms);
/* Both, as long as it takes. */
void fs_set_thaw(struct fs_set *s, struct fs_result *results);

/* Asks by FIFREEZE: EBUSY proves frozen. One that was not frozen is thawed again at once. Only for
 * after qemu-ga has answered its freeze: the answer is about to be believed. */
void fs_set_probe(struct fs_set *s, struct fs_result *results);

/* syncfs(2) on every one, so that the freeze finds little left to write. */
void fs_set_sync(struct fs_set *s);

/*
 * /sys/kernel/rcu_expedited: FIFREEZE mostly waits for RCU grace periods; expedited ones are
 * several times shorter. The old value goes to `marker` (a file on tmpfs) before it is changed, so
 * that rcu_restore() of a restarted agent finds it. Both are no-ops returning 0 where the kernel
 * has no such file; rcu_restore() without a marker does nothing.
 */
int rcu_expedite(const char *sys_root, const char *marker, struct err *e);
int rcu_restore(const char *sys_root, const char *marker, struct err *e);

/* What stands for ioctl(fd, request, 0). Unit tests put a script here; nothing else writes it. */
extern int (*fs_ioctl_for_tests)(int fd, unsigned long request);

#endif
