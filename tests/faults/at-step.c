/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded into cbsnap-coord by tests/system/test-faults.sh: something happens at the end of a
 * named step, which is told by the line that the program prints for it, and so before the next step
 * begins. The program under test is the one that is shipped.
 *
 *   FAULT_AFTER=STEP       the step
 *   FAULT_DO=kill[:MS]     SIGKILL, at once or MS later
 *   FAULT_DO=cut[:MS]      the connections to the agent's port are shut down
 *   FAULT_DO=cut-any:MS    the same, if there is one then
 *   FAULT_DO=ask:DIRECTORY a line into DIRECTORY/asked; goes on when DIRECTORY/go (a FIFO) was
 * written to
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define STEP_LINE "%-16s %9.1f ms" /* command/progress.c */

static void die(void)
{
    (void)kill(getpid(), SIGKILL);
}

static int cut_all(void)
{
    int done = 0;

    for (int fd = 3; fd < 256; fd++) {
        struct sockaddr_un peer = {.sun_family = AF_UNSPEC};
        socklen_t len = sizeof(peer);

        if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0 && peer.sun_family == AF_UNIX &&
            strstr(peer.sun_path, "cbsnap"))
            done += shutdown(fd, SHUT_RDWR) == 0;
    }
    return done;
}

static void cut(void)
{
    if (cut_all() == 0)
        abort(); /* no fault is no case: whoever looks at the status sees it */
}

static void cut_any(void)
{
    (void)cut_all();
}

static struct {
    void (*act)(void);
    unsigned ms;
} later;

static void *wait_and_act(void *arg)
{
    (void)arg;
    usleep(later.ms * 1000);
    later.act();
    return NULL;
}

static void act_after(void (*act)(void), const char *ms)
{
    pthread_t thread;

    if (!ms) {
        act();
        return;
    }
    later.act = act;
    later.ms = (unsigned)atoi(ms);
    if (pthread_create(&thread, NULL, wait_and_act, NULL) != 0)
        abort();
}

static void ask(const char *directory)
{
    char path[512], byte;
    int fd;

    (void)snprintf(path, sizeof(path), "%s/asked", directory);
    fd = open(path, O_WRONLY | O_CLOEXEC); /* a FIFO: somebody reads */
    if (fd < 0 || write(fd, "\n", 1) != 1)
        abort();
    close(fd);
    (void)snprintf(path, sizeof(path), "%s/go", directory);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, &byte, 1) < 0)
        abort();
    close(fd);
}

static void step_ended(const char *step)
{
    static int done;
    const char *wanted = getenv("FAULT_AFTER"), *what = getenv("FAULT_DO");
    const char *colon = what ? strchr(what, ':') : NULL;

    if (done || !wanted || !what || strcmp(step, wanted) != 0)
        return;
    done = 1;
    if (strncmp(what, "kill", 4) == 0)
        act_after(die, colon ? colon + 1 : NULL);
    else if (strncmp(what, "cut-any", 7) == 0)
        act_after(cut_any, colon ? colon + 1 : "0");
    else if (strncmp(what, "cut", 3) == 0)
        act_after(cut, colon ? colon + 1 : NULL);
    else if (colon)
        ask(colon + 1);
}

static int print(FILE *f, const char *format, va_list args)
{
    va_list again;
    int n;

    va_copy(again, args);
    n = vfprintf(f, format, args);
    if (f == stderr && strncmp(format, STEP_LINE, strlen(STEP_LINE)) == 0)
        step_ended(va_arg(again, const char *));
    va_end(again);
    return n;
}

/* what fprintf() is called in a fortified program */
int __fprintf_chk(FILE *f, int flag, const char *format, ...)
{
    va_list args;
    int n;

    (void)flag;
    va_start(args, format);
    n = print(f, format, args);
    va_end(args);
    return n;
}

#undef fprintf
int fprintf(FILE *f, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = print(f, format, args);
    va_end(args);
    return n;
}
