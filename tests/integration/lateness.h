/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How late programs run on this machine meanwhile: a thread sleeps for 20 ms again and again and
 * notes by how much it was late at most. A bound that has to be near what it tells from gives that
 * much more.
 */
#ifndef CBSNAP_TESTS_LATENESS_H
#define CBSNAP_TESTS_LATENESS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

struct lateness {
    pthread_t thread;
    atomic_bool stop;
    _Atomic int64_t due_us; /* the end of the sleep under way */
    _Atomic int64_t most_us;
};

/* Ends the program when there is no thread to be had. */
void lateness_begin(struct lateness *l);
/* Since the beginning, the sleep under way included. */
int64_t lateness_ms(struct lateness *l);
void lateness_end(struct lateness *l);

#endif
