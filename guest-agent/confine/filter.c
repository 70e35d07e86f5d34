/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The filter of system calls; see confine.h for why it is a list of refused ones. For such a list
 * the kernel's own language is a dozen lines, and libseccomp one more library to be there in each
 * guest, to be loaded, and to be kept in memory.
 */
#include "guest-agent/confine/confine.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proto/base/cleanup.h"

/* A call is known by its number, which means another call on another machine. */
#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define MACHINE AUDIT_ARCH_AARCH64
#endif

#ifdef MACHINE

/* Calls younger than some headers; from 424 on all machines have the same numbers. */
enum {
    IO_URING_SETUP = 425,
    IO_URING_ENTER = 426,
    IO_URING_REGISTER = 427,
    OPEN_TREE = 428,
    MOVE_MOUNT = 429,
    FSOPEN = 430,
    FSCONFIG = 431,
    FSMOUNT = 432,
    FSPICK = 433,
    PIDFD_GETFD = 438,
    PROCESS_MADVISE = 440,
    MOUNT_SETATTR = 442,
    QUOTACTL_FD = 443,
    OPEN_TREE_ATTR = 467
};

/* The same for those before 424, which each kind of machine numbers in its own way: the headers of
 * Enterprise Linux 7 are those of Linux 3.10. */
#ifdef __x86_64__
#define OLD_HEADERS(on_x86_64, on_aarch64) on_x86_64
#else
#define OLD_HEADERS(on_x86_64, on_aarch64) on_aarch64
#endif
#ifndef SYS_seccomp
#define SYS_seccomp OLD_HEADERS(317, 277)
#endif
#ifndef SYS_kexec_file_load
#define SYS_kexec_file_load OLD_HEADERS(320, 294)
#endif
#ifndef SYS_bpf
#define SYS_bpf OLD_HEADERS(321, 280)
#endif
#ifndef SYS_execveat
#define SYS_execveat OLD_HEADERS(322, 281)
#endif
#ifndef SYS_userfaultfd
#define SYS_userfaultfd OLD_HEADERS(323, 282)
#endif
#ifndef SECCOMP_SET_MODE_FILTER
#define SECCOMP_SET_MODE_FILTER 1
#endif

static const unsigned refused[] = {
    /* what CAP_SYS_ADMIN opens: mounts and namespaces */
    SYS_mount, SYS_umount2, SYS_pivot_root, OPEN_TREE, OPEN_TREE_ATTR, MOVE_MOUNT, FSOPEN, FSCONFIG,
    FSMOUNT, FSPICK, MOUNT_SETATTR, SYS_unshare, SYS_setns,
    /* and the rest of the system */
    SYS_swapon, SYS_swapoff, SYS_sethostname, SYS_setdomainname, SYS_quotactl, QUOTACTL_FD,
    SYS_syslog, SYS_bpf, SYS_perf_event_open, SYS_fanotify_init,
    /* CAP_SYS_PTRACE: other processes */
    SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, PROCESS_MADVISE, SYS_kcmp, PIDFD_GETFD,
    /* CAP_DAC_READ_SEARCH: any file of a filesystem, by its number */
    SYS_open_by_handle_at,
    /* what has a capability of its own, which is gone; said twice, for it is worth it */
    SYS_reboot, SYS_kexec_load, SYS_kexec_file_load, SYS_init_module, SYS_finit_module,
    SYS_delete_module, SYS_acct, SYS_chroot, SYS_settimeofday, SYS_clock_settime,
#ifdef __x86_64__
    SYS_iopl, SYS_ioperm, SYS_modify_ldt,
#endif
    /* ways into the kernel that the agent never takes; libuv does without io_uring */
    IO_URING_SETUP, IO_URING_ENTER, IO_URING_REGISTER, SYS_keyctl, SYS_add_key, SYS_request_key,
    SYS_userfaultfd, SYS_personality,
    /* programs; these two last, see below */
    SYS_execve, SYS_execveat};

#define PROGRAMS 2
#define X32_BIT  0x40000000 /* the numbers of x32, another set of calls on the same machine */

#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, what)
#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
/* Goes on with the next but `yes` or `no`, as the comparison says. */
#define JUMP(how, value, yes, no) BPF_JUMP(BPF_JMP | (how) | BPF_K, value, yes, no)

static int load(const struct sock_fprog *program)
{
    /* Without what older kernels switch on with a filter, against foreign code in the process:
     * there is none, and it would cost time in each freeze. They may not know the flag, or the
     * call. */
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 1u << 2, program) == 0)
        return 0;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0);
}

int filter_load(bool programs, struct err *e)
{
    const size_t count = ARRAY_SIZE(refused) - (programs ? PROGRAMS : 0);
    struct sock_filter code[ARRAY_SIZE(refused) + 7];
    struct sock_fprog program = {.filter = code};
    size_t n = 0;

    _Static_assert(ARRAY_SIZE(refused) < 250, "a jump goes over 255 at most");
    code[n++] = (struct sock_filter)LOAD(arch);
    code[n++] = (struct sock_filter)JUMP(BPF_JEQ, MACHINE, 0, (unsigned char)(count + 4));
    code[n++] = (struct sock_filter)LOAD(nr);
    code[n++] = (struct sock_filter)JUMP(BPF_JGE, X32_BIT, (unsigned char)(count + 2), 0);
    for (size_t k = 0; k < count; k++)
        code[n++] = (struct sock_filter)JUMP(BPF_JEQ, refused[k], (unsigned char)(count - k), 0);
    code[n++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
    code[n++] = (struct sock_filter)RETURN(SECCOMP_RET_ERRNO | EPERM);
    code[n++] = (struct sock_filter)RETURN(SECCOMP_RET_ERRNO | ENOSYS);
    program.len = (unsigned short)n;
    if (load(&program) < 0)
        return err_set_sys(e, ERR_INTERNAL, errno, "cannot filter system calls");
    return 0;
}

bool confine_filters(void)
{
    return true;
}

#else

int filter_load(bool programs, struct err *e)
{
    (void)programs;
    return err_set(e, ERR_INTERNAL, "system calls are not filtered on this kind of machine");
}

bool confine_filters(void)
{
    return false;
}

#endif
