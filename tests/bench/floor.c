/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The floor: what a bare program in the guest needs for lock, freeze, thaw and unlock, with nothing
 * between. Run in the guest by tests/bench/stall, beside real sets, so that both are measured on
 * the same machine in the same minutes. Prints one line of milliseconds per round:
 *
 *     lock freeze thaw unlock total
 *
 * usage: floor SOCKET ROUNDS MOUNT...      (mounts in the order in which they are frozen)
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "proto/base/clock.h"

#define MAX_MOUNTS 16

static MYSQL *must_connect(const char *socket)
{
    MYSQL *m = mysql_init(NULL);

    if (!m || !mysql_real_connect(m, NULL, "cbsnap", NULL, NULL, 0, socket, 0)) {
        fprintf(stderr, "floor: cannot log in at '%s': %s\n", socket, m ? mysql_error(m) : "");
        exit(1);
    }
    return m;
}

static void must_query(MYSQL *m, const char *sql)
{
    if (mysql_query(m, sql)) {
        fprintf(stderr, "floor: %s: %s\n", sql, mysql_error(m));
        exit(1);
    }
}

/* Thaws what is frozen, whatever happens: a benchmark must not leave a guest behind frozen. */
static int must_freeze(const int *fds, int count)
{
    for (int n = 0; n < count; n++) {
        if (ioctl(fds[n], FIFREEZE, 0) == 0)
            continue;
        fprintf(stderr, "floor: FIFREEZE: %s\n", strerror(errno));
        while (n-- > 0)
            (void)ioctl(fds[n], FITHAW, 0);
        return -1;
    }
    return 0;
}

static int one_round(MYSQL *m, const int *fds, int count)
{
    int64_t at[5];

    at[0] = mono_us();
    must_query(m, "FLUSH TABLES WITH READ LOCK");
    at[1] = mono_us();
    if (must_freeze(fds, count) < 0)
        return -1;
    at[2] = mono_us();
    for (int n = count; n-- > 0;)
        (void)ioctl(fds[n], FITHAW, 0);
    at[3] = mono_us();
    must_query(m, "UNLOCK TABLES");
    at[4] = mono_us();
    for (int n = 1; n < 5; n++)
        printf("%.2f ", (double)(at[n] - at[n - 1]) / 1000.0);
    printf("%.2f\n", (double)(at[4] - at[0]) / 1000.0);
    return 0;
}

int main(int argc, char **argv)
{
    int fds[MAX_MOUNTS], count = argc - 3, rounds = argc > 3 ? atoi(argv[2]) : 0;
    MYSQL *m;

    if (count < 1 || count > MAX_MOUNTS || rounds < 1) {
        fprintf(stderr, "usage: floor SOCKET ROUNDS MOUNT...\n");
        return 2;
    }
    for (int n = 0; n < count; n++) {
        fds[n] = open(argv[3 + n], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fds[n] < 0) {
            fprintf(stderr, "floor: cannot open '%s': %s\n", argv[3 + n], strerror(errno));
            return 1;
        }
    }
    m = must_connect(argv[1]);
    /* a wedge with the load (two row locks and ours) must end by itself */
    must_query(m, "SET SESSION lock_wait_timeout = 2");
    for (int n = 0; n < rounds; n++) {
        if (one_round(m, fds, count) < 0)
            return 1;
        usleep(500000);
    }
    mysql_close(m);
    return 0;
}
