/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See thread.h. */
#include "proto/base/thread.h"

#include <signal.h>

int thread_start(pthread_t *ret, size_t stack_kib, void *(*body)(void *), void *arg)
{
    pthread_attr_t attr;
    sigset_t all, old;
    int rc;

    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, stack_kib * 1024);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(ret, &attr, body, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return rc;
}
