/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The list of refused system calls; see confine.h for why it is one of refused ones. By name:
 * libseccomp knows their numbers on each machine, and leaves out what it or the machine has not.
 */
#include "guest-agent/confine/confine.h"

#include <errno.h>

#ifdef CBSNAP_SECCOMP
#include <seccomp.h>

#include "proto/base/cleanup.h"

static const char *const refused[] = {
    /* what CAP_SYS_ADMIN opens: mounts and namespaces */
    "mount", "umount", "umount2", "pivot_root", "move_mount", "open_tree", "open_tree_attr",
    "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "unshare", "setns",
    /* and the rest of the system */
    "swapon", "swapoff", "sethostname", "setdomainname", "quotactl", "quotactl_fd", "syslog", "bpf",
    "perf_event_open", "fanotify_init", "lookup_dcookie", "nfsservctl", "vm86", "vm86old",
    /* CAP_SYS_PTRACE: other processes */
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd",
    /* CAP_DAC_READ_SEARCH: any file of a filesystem, by its number */
    "open_by_handle_at",
    /* what has its own capability, long gone; said twice, for it is worth it */
    "reboot", "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module",
    "create_module", "iopl", "ioperm", "acct", "chroot", "settimeofday", "clock_settime", "stime",
    /* ways into the kernel that the agent never takes; libuv does without io_uring */
    "io_uring_setup", "io_uring_enter", "io_uring_register", "keyctl", "add_key", "request_key",
    "userfaultfd", "modify_ldt", "uselib", "personality"};

static const char *const programs_refused[] = {"execve", "execveat"};

static int refuse(scmp_filter_ctx ctx, const char *const *names, size_t count)
{
    for (size_t n = 0; n < count; n++) {
        int number = seccomp_syscall_resolve_name(names[n]), rc;

        if (number == __NR_SCMP_ERROR)
            continue; /* younger than the library */
        rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), number, 0);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int set_up(scmp_filter_ctx ctx, bool programs)
{
    int rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));

#if SCMP_VER_MAJOR > 2 || (SCMP_VER_MAJOR == 2 && SCMP_VER_MINOR >= 5)
    /* Each call passes the filter, those of a freeze too: a tree, and without the mitigations that
     * older kernels switch on with a filter, against foreign code in the process. There is none. */
    (void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    (void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_SSB, 1);
#endif
    if (rc == 0)
        rc = refuse(ctx, refused, ARRAY_SIZE(refused));
    if (rc == 0 && !programs)
        rc = refuse(ctx, programs_refused, ARRAY_SIZE(programs_refused));
    return rc;
}

int filter_load(bool programs, struct err *e)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
    int rc = ctx ? set_up(ctx, programs) : -ENOMEM;

    if (rc == 0)
        rc = seccomp_load(ctx);
    if (ctx)
        seccomp_release(ctx);
    return rc < 0 ? err_set_sys(e, ERR_INTERNAL, -rc, "cannot filter system calls") : 0;
}

bool confine_filters(void)
{
    return true;
}

#else

int filter_load(bool programs, struct err *e)
{
    (void)programs;
    return err_set(e, ERR_INTERNAL,
                   "this cbsnap-agent was built without libseccomp: system calls are not filtered");
}

bool confine_filters(void)
{
    return false;
}

#endif
