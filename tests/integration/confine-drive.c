/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Gives up rights as the agent does, then tries what must still work and what must not, and says in
 * TAP what it saw. As root.
 *
 *     confine-drive MOUNTPOINT PID FILE [programs]
 *
 * MOUNTPOINT: a filesystem of the test's own; PID: a process of another user; FILE: that user's,
 * and nobody else may read it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "guest-agent/confine/confine.h"
#include "guest-agent/fs/freeze.h"
#include "guest-agent/mysql/sight.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "tests/slow.h"

static unsigned checks, failures;

static void check(bool ok, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void check(bool ok, const char *fmt, ...)
{
    va_list ap;

    failures += !ok;
    printf("%s %u - ", ok ? "ok" : "not ok", ++checks);
    va_start(ap, fmt);
    (void)vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
    (void)fflush(stdout);
}

/* `rc` is a system call's; it must have failed, with this error. */
static void refused(long rc, int error, const char *what)
{
    int got = errno;

    check(rc < 0 && got == error, "%s: %s (%s)", what, rc < 0 ? "refused" : "DONE",
          rc < 0 ? strerror(got) : "no error");
}

/* ---- what must work ---- */

static void freezes(const char *mountpoint)
{
    struct mount_table all;
    const struct mount *m;
    struct fs_result r;
    struct fs_set *set;

    if (mounts_read(&all, "", "", NULL) < 0 || !(m = mounts_holding(&all, mountpoint))) {
        check(false, "the mount '%s' is found", mountpoint);
        return;
    }
    set = fs_set_open(&(struct mount_table){.items = &all.items[m - all.items], .count = 1});
    fs_set_probe(set, &r);
    check(r.answer == FS_NOT_FROZEN, "FIFREEZE and FITHAW work: error %d", r.sys_errno);
    fs_set_close(set);
    mounts_release(&all);
}

static void sees_process(const char *pid)
{
    AUTO_FREE char *dir = xasprintf("/proc/%s/fd", pid);
    DIR *d = opendir(dir);
    struct dirent *entry;
    size_t links = 0;
    char target[256];

    while (d && (entry = readdir(d)))
        links += readlinkat(dirfd(d), entry->d_name, target, sizeof(target)) > 0;
    if (d)
        closedir(d);
    check(links > 0, "the descriptors of another user's process are read: %zu", links);
    check(sight_of("", atoi(pid), "/", NULL) == SIGHT_SAME, "and what it sees at a path");
}

static void reads(const char *file)
{
    AUTO_CLOSE int fd = open(file, O_RDONLY | O_CLOEXEC);
    char c;

    check(fd >= 0 && read(fd, &c, 1) == 1, "another user's file is read");
}

/* ---- what must not ---- */

static void no_root(const char *pid, const char *file)
{
    refused(open(file, O_WRONLY | O_CLOEXEC), EACCES, "writing to another user's file");
    refused(chown(file, 0, 0), EPERM, "taking it over");
    refused(chmod(file, 0666), EPERM, "opening it to others");
    refused(kill(atoi(pid), SIGTERM), EPERM, "ending another user's process");
    refused(setuid(65534), EPERM, "becoming another user");
    refused(mknod("/tmp/cbsnap-confine-disk", S_IFBLK | 0600, makedev(7, 0)), EPERM,
            "making a device");
    check(prctl(PR_CAPBSET_READ, CAP_DAC_OVERRIDE, 0, 0, 0) == 0 &&
              prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) == 1,
          "the bounding set holds what is kept, and no more");
}

/* The capabilities would allow these. */
static void no_calls(const char *mountpoint, const char *pid)
{
    AUTO_FREE char *ns = xasprintf("/proc/%s/ns/mnt", pid);
    AUTO_CLOSE int ns_fd = open(ns, O_RDONLY | O_CLOEXEC);
    AUTO_CLOSE int dir = open(mountpoint, O_RDONLY | O_CLOEXEC);
    struct {
        struct file_handle head;
        unsigned char rest[128];
    } handle = {.head.handle_bytes = 128};
    int mount_id;

    refused(mount("none", mountpoint, "tmpfs", 0, NULL), EPERM, "mounting");
    refused(umount2(mountpoint, MNT_DETACH), EPERM, "unmounting");
    refused(unshare(CLONE_NEWNS), EPERM, "making a namespace");
    check(ns_fd >= 0, "a namespace is there to be entered");
    refused(setns(ns_fd, 0), EPERM, "entering one");
    check(name_to_handle_at(AT_FDCWD, mountpoint, &handle.head, &mount_id, 0) == 0,
          "a file has a number");
    refused(open_by_handle_at(dir, &handle.head, O_RDONLY), EPERM, "opening it by that");
    refused(ptrace(PTRACE_ATTACH, atoi(pid), NULL, NULL), EPERM, "tracing a process");
    if (!under_memcheck()) /* it looks into the arguments itself, and there are none */
        refused(syscall(SYS_bpf, 0, NULL, 0), EPERM, "bpf");
    refused(syscall(SYS_io_uring_setup, 1, NULL), EPERM, "io_uring");
    refused(syscall(SYS_keyctl, 0, 0, 0, 0, 0), EPERM, "keyctl");
}

static void *in_thread(void *arg)
{
    (void)arg;
    refused(unshare(CLONE_NEWNS), EPERM, "a thread made later may no more");
    return NULL;
}

static void programs(bool allowed)
{
    static const char *const argv[] = {"grep", "^CapEff:", "/proc/self/status", NULL};
    int status = -1, rc;
    pid_t pid;

    (void)fflush(stdout);
    rc = posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)argv, environ);
    if (!allowed) {
        check(rc == EPERM, "running a program: %s", rc ? strerror(rc) : "DONE");
        return;
    }
    check(rc == 0 && waitpid(pid, &status, 0) == pid && status == 0,
          "a program is run; its capabilities are above");
}

int main(int argc, char **argv)
{
    const bool run = argc == 5 && strcmp(argv[4], "programs") == 0;
    const struct confine_needs needs = {.programs = run};
    struct err e = ERR_INIT;
    pthread_t thread;
    int fd;

    if (argc < 4) {
        (void)fprintf(stderr, "usage: %s MOUNTPOINT PID FILE [programs]\n", argv[0]);
        return 2;
    }
    fd = open(argv[3], O_WRONLY | O_CLOEXEC);
    check(fd >= 0, "root may write to any file, at first");
    if (fd >= 0)
        close(fd);
    check(confine(&needs, &e) == 0, "rights are given up%s%s", *e.msg ? ": " : "", e.msg);
    if (run || !under_memcheck())
        programs(run);
    freezes(argv[1]);
    sees_process(argv[2]);
    reads(argv[3]);
    no_root(argv[2], argv[3]);
    no_calls(argv[1], argv[2]);
    if (pthread_create(&thread, NULL, in_thread, NULL) == 0)
        (void)pthread_join(thread, NULL);
    freezes(argv[1]); /* once more: the above has mounted and unmounted nothing */
    return failures ? 1 : 0;
}
