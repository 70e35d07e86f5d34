/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See lateness.h. */
#include "tests/integration/lateness.h"

#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>

#include "proto/base/clock.h"

#define SLEEP_MS 20

static void note(struct lateness *l)
{
    int64_t late_us = mono_us() - atomic_load(&l->due_us);

    if (late_us > atomic_load(&l->most_us))
        atomic_store(&l->most_us, late_us);
}

static void *sleep_again(void *arg)
{
    struct lateness *l = arg;

    while (!atomic_load(&l->stop)) {
        atomic_store(&l->due_us, mono_in_ms(SLEEP_MS));
        (void)poll(NULL, 0, SLEEP_MS);
        note(l);
    }
    return NULL;
}

void lateness_begin(struct lateness *l)
{
    *l = (struct lateness){.stop = false};
    atomic_store(&l->due_us, mono_in_ms(SLEEP_MS));
    if (pthread_create(&l->thread, NULL, sleep_again, l) != 0)
        abort();
}

int64_t lateness_ms(struct lateness *l)
{
    int64_t now_us = mono_us() - atomic_load(&l->due_us), most_us = atomic_load(&l->most_us);

    return (now_us > most_us ? now_us : most_us) / 1000;
}

void lateness_end(struct lateness *l)
{
    atomic_store(&l->stop, true);
    (void)pthread_join(l->thread, NULL);
}
