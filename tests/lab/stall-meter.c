/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stall that a writing client feels: one connection raises a counter, times each commit, and
 * waits PAUSE_MS (5) before the next. Each line of the CSV: start (us, wall clock), duration (us).
 * On SIGTERM it prints count, p50, p99 and the longest, in ms. The counter cbsnap_lab.counter (made
 * with the guest image) tells which write was the last in a copy.
 *
 * usage: stall-meter HOST PORT USER PASSWORD CSV [PAUSE_MS]
 */
#include <mysql.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/clock.h"

#define MAX_WRITES       1000000
#define DEFAULT_PAUSE_US 5000

static volatile sig_atomic_t ended;
static double took_ms[MAX_WRITES];

static void on_term(int signum)
{
    (void)signum;
    ended = 1;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void report(size_t count)
{
    if (count == 0) {
        printf("count 0\n");
        return;
    }
    qsort(took_ms, count, sizeof(took_ms[0]), by_size);
    printf("count %zu\np50_ms %.2f\np99_ms %.2f\nmax_ms %.2f\n", count, took_ms[count / 2],
           took_ms[count - 1 - count / 100], took_ms[count - 1]);
}

int main(int argc, char **argv)
{
    size_t count = 0;
    unsigned pause_us = argc == 7 ? 1000 * (unsigned)atoi(argv[6]) : DEFAULT_PAUSE_US;
    MYSQL *m = mysql_init(NULL);
    FILE *csv;

    if (argc < 6 || argc > 7 || !m) {
        fprintf(stderr, "usage: stall-meter HOST PORT USER PASSWORD CSV [PAUSE_MS]\n");
        return 2;
    }
    if (!mysql_real_connect(m, argv[1], argv[3], argv[4], "cbsnap_lab", (unsigned)atoi(argv[2]),
                            NULL, 0)) {
        fprintf(stderr, "stall-meter: cannot log in: %s\n", mysql_error(m));
        return 1;
    }
    csv = fopen(argv[5], "we");
    if (!csv) {
        perror(argv[5]);
        return 1;
    }
    /* each line at once: whoever reads along sees a stall while it lasts */
    setvbuf(csv, NULL, _IOLBF, 0);
    signal(SIGTERM, on_term);
    while (!ended && count < MAX_WRITES) {
        int64_t began = mono_us(), wall = wall_us();

        if (mysql_query(m, "UPDATE counter SET n = n + 1, at = NOW(6) WHERE id = 1")) {
            fprintf(stderr, "stall-meter: %s\n", mysql_error(m));
            report(count);
            return 1;
        }
        took_ms[count] = (double)(mono_us() - began) / 1000.0;
        fprintf(csv, "%lld,%lld\n", (long long)wall, (long long)(took_ms[count] * 1000));
        count++;
        usleep(pause_us);
    }
    fclose(csv);
    report(count);
    mysql_close(m);
    return 0;
}
