/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The whole initrd of the lab's guest: loads the modules lying beside it in order of their names,
 * waits for /dev/vda, makes it the root and starts systemd. An ordinary initrd does far more, and
 * under emulation each second of it counts.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MODULE_INIT_COMPRESSED_FILE 4

static int is_module(const struct dirent *d)
{
    return strstr(d->d_name, ".ko") != NULL;
}

static void load_modules(void)
{
    struct dirent **list;
    int count = scandir("/", &list, is_module, alphasort);

    for (int i = 0; i < count; i++) {
        const char *name = list[i]->d_name;
        const char *dot = strrchr(name, '.');
        int flags = dot && strcmp(dot, ".ko") != 0 ? MODULE_INIT_COMPRESSED_FILE : 0;
        int fd = open(name, O_RDONLY | O_CLOEXEC);

        if (syscall(SYS_finit_module, fd, "", flags) < 0)
            perror(name);
        close(fd);
    }
}

int main(void)
{
    if (mount("dev", "/dev", "devtmpfs", 0, NULL) < 0)
        perror("/dev");
    load_modules();
    for (int i = 0; i < 200 && access("/dev/vda", F_OK) < 0; i++)
        usleep(50000);
    if (mount("/dev/vda", "/root", "ext4", 0, NULL) < 0 ||
        mount("/dev", "/root/dev", NULL, MS_MOVE, NULL) < 0 || chdir("/root") < 0 ||
        mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0) {
        perror("root on /dev/vda");
        return 1;
    }
    execl("/sbin/init", "init", (char *)NULL);
    perror("/sbin/init");
    return 1;
}
