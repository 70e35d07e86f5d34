/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A lane: the sources that wait for the same thing (sample/source.h), read in rounds by a thread of
 * their own, so that a server or filesystem that hangs keeps nobody else waiting. What a source has
 * read can be taken at once, also while the next source of the round hangs.
 *
 * Threads: lane_new() .. lane_free() are called by one thread, the sampler's.
 */
#ifndef CBSNAP_AGENT_LANE_H
#define CBSNAP_AGENT_LANE_H

#include <stdatomic.h>
#include <time.h>

#include "guest-agent/sample/pace.h"
#include "guest-agent/sample/source.h"

/* The sources of one lane, each with its pace. */
struct source_set {
    struct source_item {
        const struct source *source;
        void *self; /* NULL: nothing to read here */
        struct pace pace;
    } * items;
    size_t count;
};

/* `percent`: the share of the time that each may take; 0: no limit. */
void source_set_init(struct source_set *set, enum source_lane lane,
                     const struct source *const *sources, size_t count,
                     const struct source_config *config, int percent);
/* On the thread that will read them, before the first reading. */
void source_set_open(struct source_set *set, const struct source_config *config);
void source_set_release(struct source_set *set);
/* Reads one that is due in the round of `due_us`; to->mono_us is left at the time of the reading.
 * False: it was not due. */
bool source_item_read(struct source_item *item, int64_t due_us, struct sample *to);

struct lane_config {
    enum source_lane lane;
    const struct source *const *sources; /* of all lanes: it picks its own */
    size_t source_count;
    const struct source_config *source; /* outlives the lane */
    struct names *names;
    int percent;
    size_t stack_kib;
    /* Freezes until now, and half of one while frozen: odd. What was read in another state than
     * the present one does not count. */
    atomic_uint *freezes;
    void (*progress)(void *arg); /* on the lane's thread, when a round has ended */
    void *arg;
};

struct lane;
struct lane *lane_new(const struct lane_config *config); /* the config is copied */
/* -1 when the thread does not end before `until` (CLOCK_REALTIME): it and the lane are left behind,
 * for the process is to end. */
int lane_free(struct lane *l, const struct timespec *until);

enum lane_answer {
    LANE_ASKED,     /* a round was started, or nothing is due: worth waiting for */
    LANE_UNDER_WAY, /* in an earlier round, or with what came too late for the previous sample and
                       counts for this one */
    LANE_LATE,      /* in an earlier round for a second or more: a reading is missed */
};

/*
 * Starts a round, unless nothing is due. What was read before `not_before_us` is dropped. A reading
 * that takes longer than a short interval, and less than a second, is none that is missed: its
 * share of the time (pace.h) would not let it be read at each beat anyway.
 */
enum lane_answer lane_ask(struct lane *l, int64_t due_us, int64_t not_before_us);
bool lane_busy(struct lane *l);
/* Moves what was read into `to`; what does not count any more is dropped. */
void lane_take(struct lane *l, struct sample *to, int64_t not_before_us);

#endif
