/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Threads of a daemon that locks its memory and takes its signals in one place. */
#ifndef CBSNAP_BASE_THREAD_H
#define CBSNAP_BASE_THREAD_H

#include <pthread.h>
#include <stddef.h>

/* Starts one with all signals blocked and a stack that is cheap to lock in memory. Returns the
 * error's number, as pthread_create(3) does. */
int thread_start(pthread_t *ret, size_t stack_kib, void *(*body)(void *), void *arg);

#endif
