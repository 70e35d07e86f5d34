/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See dead.h. */
#include "tests/unit/host-coordinator/dead.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#define ASLEEP_LOOKS 4

void dead_copy_file(const char *from, const char *to)
{
    char chunk[65536];
    AUTO_CLOSE int in = open(from, O_RDONLY | O_CLOEXEC);
    AUTO_CLOSE int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t n;

    while ((n = read(in, chunk, sizeof(chunk))) > 0) {
        if (write(out, chunk, (size_t)n) != n)
            abort();
    }
}

void dead_copy(const char *from, const char *to)
{
    DIR *d = opendir(from);
    struct dirent *entry;

    (void)mkdir(to, 0700);
    while (d && (entry = readdir(d))) {
        AUTO_FREE char *a = xasprintf("%s/%s", from, entry->d_name);
        AUTO_FREE char *b = xasprintf("%s/%s", to, entry->d_name);
        struct stat st;

        if (entry->d_name[0] == '.' || strcmp(entry->d_name, "dead") == 0 || stat(a, &st) < 0)
            continue;
        if (S_ISDIR(st.st_mode))
            dead_copy(a, b);
        else
            dead_copy_file(a, b);
    }
    if (d)
        closedir(d);
}

/* Sleeps: neither runs nor has a lock that somebody would wait for. */
static bool sleeps(const char *task)
{
    AUTO_FREE char *path = xasprintf("/proc/self/task/%s/stat", task);
    AUTO_FCLOSE FILE *f = fopen(path, "re");
    char state = '?';

    return f && fscanf(f, "%*d (%*[^)]) %c", &state) == 1 && state == 'S';
}

static bool all_sleep(void)
{
    AUTO_FREE char *own = xasprintf("%d", (int)gettid());
    DIR *d = opendir("/proc/self/task");
    struct dirent *entry;
    bool all = d != NULL;

    while (d && (entry = readdir(d))) {
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, own) != 0)
            all = all && sleeps(entry->d_name);
    }
    if (d)
        closedir(d);
    return all;
}

/* Seen again and again: one that waits for a lock sleeps, too, and not for long. */
void dead_wait_asleep(void)
{
    int asleep = 0;

    for (int n = 0; n < 50000 && asleep < ASLEEP_LOOKS; n++) {
        asleep = all_sleep() ? asleep + 1 : 0;
        usleep(200);
    }
    if (asleep < ASLEEP_LOOKS)
        abort();
}
