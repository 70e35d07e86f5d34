/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Read before each source file by `make check-el7`: takes away what the headers of Enterprise Linux
 * 7 (glibc 2.17, Linux 3.10) do not have, so that what compiles here compiles with those.
 */
#include <fcntl.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* functions that came with glibc 2.18 to 2.36 */
#pragma GCC poison getrandom getentropy arc4random explicit_bzero memfd_create gettid close_range
#pragma GCC poison closefrom reallocarray mlock2 renameat2 statx copy_file_range pidfd_open
#pragma GCC poison pthread_getattr_default_np pthread_cond_clockwait pthread_mutex_clocklock
#pragma GCC poison sigabbrev_np sigdescr_np strerrorname_np strerrordesc_np mallinfo2 tgkill
#pragma GCC poison posix_spawn_file_actions_addchdir_np posix_spawn_file_actions_addclosefrom_np
#pragma GCC poison fcntl64 execveat preadv2 pwritev2 thrd_create qsort_r_np strlcpy

/* system calls of Linux 3.11 to 4.18; those since then are named by number alone */
#undef SYS_sched_setattr
#undef SYS_sched_getattr
#undef SYS_renameat2
#undef SYS_seccomp
#undef SYS_getrandom
#undef SYS_memfd_create
#undef SYS_kexec_file_load
#undef SYS_bpf
#undef SYS_execveat
#undef SYS_userfaultfd
#undef SYS_membarrier
#undef SYS_mlock2
#undef SYS_copy_file_range
#undef SYS_statx
#undef SYS_rseq
#undef SYS_pidfd_open
#undef SYS_pidfd_send_signal
#undef SYS_close_range
#undef SYS_io_uring_setup
#undef SYS_clone3
#undef SYS_openat2

/* and constants */
#undef PR_CAP_AMBIENT
#undef PR_CAP_AMBIENT_CLEAR_ALL
#undef SECCOMP_SET_MODE_FILTER
#undef SECCOMP_FILTER_FLAG_SPEC_ALLOW
#undef SECCOMP_RET_KILL_PROCESS
#undef F_OFD_SETLK
#undef F_OFD_SETLKW
#undef F_OFD_GETLK
#undef MFD_CLOEXEC
#undef MADV_FREE
#undef MADV_WIPEONFORK
#undef MAP_FIXED_NOREPLACE
#undef MCL_ONFAULT
