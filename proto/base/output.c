/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether standard output took all; see output.h. */
#include "proto/base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

static int lost; /* errno of the output_put() that failed first */

void output_begin(void)
{
    (void)signal(SIGPIPE, SIG_IGN); /* a reader that leaves is told by the write */
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        /* the lowest that is free is this one: those below it are open by now */
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    }
}

void output_put(const char *text)
{
    if (fputs(text, stdout) == EOF && !lost)
        lost = errno;
}

/* A pipe tells so; what SIGPIPE would have told by ending us is no error here either. */
static bool reader_has_left(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

    return poll(&out, 1, 0) == 1 && (out.revents & (POLLERR | POLLHUP));
}

int output_end(struct err *e)
{
    /* an earlier write may have failed though the last one did not: its reason may be gone */
    int why = fflush(stdout) == EOF ? errno : ferror(stdout) ? EIO : 0;

    why = why && lost ? lost : why;

    if (why == 0 || reader_has_left())
        return 0;
    return err_set_sys(e, ERR_IO, why, "cannot write to standard output");
}
