/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A socket in front of the server's that can stop passing the answers of one connection on: what a
 * client sees when a single session of a living server hangs. Connections count from 0.
 */
#ifndef CBSNAP_TESTS_MYSQL_PROXY_H
#define CBSNAP_TESTS_MYSQL_PROXY_H

#include <pthread.h>
#include <stdatomic.h>

#define PROXY_MAX 16

struct proxy {
    pthread_t thread;
    int listener;
    const char *target;
    atomic_bool stop;
    atomic_int stalled;  /* this connection's answers stay here; -1: none */
    atomic_int accepted; /* connections so far */
    int client[PROXY_MAX], server[PROXY_MAX];
};

/* 0 or -1; `path` is made, `target` is the server's socket. */
int proxy_start(struct proxy *p, const char *path, const char *target);
void proxy_stop(struct proxy *p);

#endif
