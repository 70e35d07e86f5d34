/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See child.h. */
#include "guest-agent/evidence/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

#define STEP_MS 100

/* Our threads block all signals, and the daemon ignores SIGPIPE: a program must not inherit that.
 */
static int spawn(const char *const argv[], int out_fd, pid_t *ret_pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, pipe_only;
    int rc;

    sigemptyset(&none);
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, out_fd, 1);
    posix_spawn_file_actions_adddup2(&files, out_fd, 2);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &pipe_only);
    rc = posix_spawnp(ret_pid, argv[0], &files, &attr, (char *const *)argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return rc;
}

/* What is there now. */
static void take_output(int fd, size_t max, struct buf *out)
{
    char portion[4096];
    ssize_t got;

    while ((got = read(fd, portion, sizeof(portion))) > 0) {
        size_t room = out->len < max ? max - out->len : 0;

        buf_add(out, portion, (size_t)got < room ? (size_t)got : room);
    }
}

/* Its end is seen by waiting for it and not by the pipe's: what it has started may keep that. */
static int wait_for(pid_t pid, int fd, const struct child_limits *l, struct buf *out, int *ret_wait)
{
    int64_t until_us = l->timeout_ms ? mono_in_ms(l->timeout_ms) : INT64_MAX;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    enum err_code why = ERR_NONE;

    for (;;) {
        pid_t ended = waitpid(pid, ret_wait, WNOHANG);

        take_output(fd, l->output_max, out);
        if (ended == pid || (ended < 0 && errno != EINTR))
            return (int)why;
        if (why == ERR_NONE && l->stop && l->stop(l->arg))
            why = ERR_CANCELLED;
        if (why == ERR_NONE && mono_us() >= until_us)
            why = ERR_TIMEOUT;
        if (why != ERR_NONE)
            (void)kill(pid, SIGKILL);
        if (poll(&p, 1, STEP_MS) > 0 && !(p.revents & POLLIN))
            (void)poll(NULL, 0, STEP_MS / 10); /* the pipe is closed, the program not yet gone */
    }
}

int child_run(const char *const argv[], const struct child_limits *limits, struct buf *out,
              int *ret_status, struct err *e)
{
    AUTO_CLOSE int from = -1;
    int ends[2], status = 0, rc;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot run '%s'", argv[0]);
    from = ends[0];
    (void)fcntl(from, F_SETFL, O_NONBLOCK);
    rc = spawn(argv, ends[1], &pid);
    close(ends[1]);
    if (rc != 0)
        return err_set_sys(e, rc == ENOENT ? ERR_NOT_FOUND : ERR_IO, rc, "cannot run '%s'",
                           argv[0]);
    rc = wait_for(pid, from, limits, out, &status);
    if (rc == ERR_CANCELLED)
        return err_set(e, ERR_CANCELLED, "'%s' was stopped: nobody waits for it", argv[0]);
    if (rc == ERR_TIMEOUT)
        return err_set(e, ERR_TIMEOUT, "'%s' did not end within %d s", argv[0],
                       limits->timeout_ms / 1000);
    *ret_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return 0;
}
