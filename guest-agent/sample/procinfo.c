/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See procinfo.h. */
#include "guest-agent/sample/procinfo.h"

#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

#define UNIT_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:-_.\\@"

static FILE *open_proc(const char *root, pid_t pid, const char *name)
{
    AUTO_FREE char *path = xasprintf("%s/proc/%d/%s", root, (int)pid, name);

    return fopen(path, "re");
}

bool procinfo_started(const char *root, pid_t pid, int64_t *ret_boot_us)
{
    AUTO_FCLOSE FILE *f = open_proc(root, pid, "stat");
    unsigned long long ticks;
    char line[1024];
    const char *at;

    if (!f || !fgets(line, sizeof(line), f))
        return false;
    at = strrchr(line, ')'); /* the name before it may hold anything */
    for (int field = 3; at && field <= 22; field++)
        at = strchr(at + 1, ' ');
    if (!at || sscanf(at, "%llu", &ticks) != 1)
        return false;
    *ret_boot_us = (int64_t)(ticks * 1000000 / (unsigned long long)sysconf(_SC_CLK_TCK));
    return true;
}

int64_t procinfo_boot_now(void)
{
    return clock_us(CLOCK_BOOTTIME);
}

bool procinfo_lives(const char *root, pid_t pid)
{
    AUTO_FCLOSE FILE *f = pid > 0 ? open_proc(root, pid, "stat") : NULL;
    char line[1024];
    const char *at;

    if (!f || !fgets(line, sizeof(line), f))
        return false;
    at = strrchr(line, ')');
    return at && strncmp(at, ") Z", 3) != 0 && strncmp(at, ") X", 3) != 0;
}

int64_t procinfo_started_wall(const char *root, pid_t pid)
{
    int64_t boot_us;

    if (!pid || !procinfo_started(root, pid, &boot_us))
        return 0;
    return wall_us() - (procinfo_boot_now() - boot_us);
}

static bool is_unit(const char *name)
{
    size_t len = strlen(name);

    return len > 8 && strcmp(name + len - 8, ".service") == 0 && *name != '-' &&
           strspn(name, UNIT_CHARS) == len;
}

/* "0::/system.slice/mysql.service", "1:name=systemd:/system.slice/mysql.service/..." */
static char *unit_in(char *line)
{
    char *found = NULL, *save = NULL;

    line[strcspn(line, "\n")] = '\0';
    for (char *part = strtok_r(line, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
        if (!is_unit(part))
            continue;
        free(found);
        found = xstrdup(part);
    }
    return found;
}

char *procinfo_unit(const char *root, pid_t pid)
{
    AUTO_FCLOSE FILE *f = open_proc(root, pid, "cgroup");
    char line[4096];

    while (f && fgets(line, sizeof(line), f)) {
        char *unit;

        if (strncmp(line, "0::", 3) != 0 && !strstr(line, ":name=systemd:"))
            continue;
        unit = unit_in(line);
        if (unit)
            return unit;
    }
    return NULL;
}

char *procinfo_log(const char *root, pid_t pid)
{
    AUTO_FREE char *link = xasprintf("%s/proc/%d/fd/2", root, (int)pid);
    char target[512];
    ssize_t len = readlink(link, target, sizeof(target) - 1);
    struct stat st;

    if (len <= 0)
        return NULL;
    target[len] = '\0';
    return stat(target, &st) == 0 && S_ISREG(st.st_mode) ? xstrdup(target) : NULL;
}

static bool is_server(const char *root, pid_t pid)
{
    AUTO_FCLOSE FILE *f = open_proc(root, pid, "comm");
    char name[32] = "";

    if (!f || !fgets(name, sizeof(name), f))
        return false;
    return strcmp(name, "mysqld\n") == 0 || strcmp(name, "mariadbd\n") == 0;
}

pid_t procinfo_server(const char *root)
{
    AUTO_FREE char *path = xasprintf("%s/proc", root);
    DIR *d = opendir(path);
    struct dirent *entry;
    pid_t found = 0;

    while (d && (entry = readdir(d))) {
        pid_t pid = isdigit((unsigned char)entry->d_name[0]) ? atoi(entry->d_name) : 0;

        if (pid && (!found || pid < found) && is_server(root, pid))
            found = pid;
    }
    if (d)
        closedir(d);
    return found;
}
