/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A folder for the state of a made-up host. Every line of a journal is synced, by hundreds of
 * worlds in a row: in memory where there is some. */
#ifndef CBSNAP_TESTS_STATE_DIR_H
#define CBSNAP_TESTS_STATE_DIR_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STATE_DIR_SIZE 40

/* `name` is the caller's, in a word. */
static inline bool make_state_dir(char dir[STATE_DIR_SIZE], const char *name)
{
    (void)snprintf(dir, STATE_DIR_SIZE, "%s/cbsnap-%s-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", name);
    return mkdtemp(dir) != NULL;
}

#endif
