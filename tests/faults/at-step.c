/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preloaded into cbsnap-coord by tests/system/test-faults.sh: something happens at the end of a
 * named step, which is told by the line that the program prints for it, and so before the next step
 * begins. The program under test is the one that is shipped.
 *
 *   FAULT_AFTER=STEP       the step
 *   FAULT_STEPS=FILE       gets a line for each step as it ends
 *   FAULT_DO=kill[:MS]     SIGKILL, at once or MS later
 *   FAULT_DO=cut[:MS]      the connections to the agent's port are shut down
 *   FAULT_DO=cut-any:MS    the same, if there is one then
 *   FAULT_DO=ask:DIRECTORY a line into DIRECTORY/asked; goes on when DIRECTORY/go (a FIFO) was
 * written to
 */
#define _GNU_SOURCE
#include <dlfcn.h>
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

/* The program may keep its own line until writers go on. */
static void note_end(const char *step)
{
    const char *path = getenv("FAULT_STEPS");
    FILE *f = path ? fopen(path, "ae") : NULL;

    if (f) {
        (void)fputs(step, f);
        (void)fputc('\n', f);
        (void)fclose(f);
    }
}

static void step_ended(const char *step)
{
    static int done;
    const char *wanted = getenv("FAULT_AFTER"), *what = getenv("FAULT_DO");
    const char *colon = what ? strchr(what, ':') : NULL;

    note_end(step);
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

/* The line is made when the step ends, also while the program keeps it to be told later. */
static int format_line(char *to, size_t size, const char *format, va_list args)
{
    static int (*real)(char *, size_t, const char *, va_list);
    va_list again;
    int n;

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "vsnprintf");
    va_copy(again, args);
    n = real(to, size, format, args);
    if (strncmp(format, STEP_LINE, strlen(STEP_LINE)) == 0)
        step_ended(va_arg(again, const char *));
    va_end(again);
    return n;
}

/* what vsnprintf() is in a fortified program */
int __vsnprintf_chk(char *to, size_t size, int flag, size_t room, const char *format, va_list args)
{
    (void)flag;
    (void)room;
    return format_line(to, size, format, args);
}

#undef vsnprintf
int vsnprintf(char *to, size_t size, const char *format, va_list args)
{
    return format_line(to, size, format, args);
}
