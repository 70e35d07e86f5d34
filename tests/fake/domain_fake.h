/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A domain that does what a test says: canned results, delays, failures and hangs for each function
 * of domain_ops, and a log of what was called. One domain for the process, as domain_ops.open() has
 * no argument to tell several apart.
 *
 * domain_fake_reset() -> set results, script acts -> the code under test -> domain_fake_log().
 * Thread-safe: the functions are called from job threads. By default everything succeeds at once
 * and the write counters stand still.
 */
#ifndef CBSNAP_TESTS_DOMAIN_FAKE_H
#define CBSNAP_TESTS_DOMAIN_FAKE_H

#include "host-coordinator/domain/domain.h"

extern const struct domain_ops domain_fake;

enum domain_fn {
    FAKE_OPEN,
    FAKE_RUNNING,
    FAKE_XML,
    FAKE_FILESYSTEMS,
    FAKE_PING,
    FAKE_STATUS,
    FAKE_FREEZE,
    FAKE_THAW,
    FAKE_WRITES,
    FAKE_CHANNEL,
    FAKE_FN_COUNT
};

/* What one call does, in this order. */
struct fake_act {
    int delay_ms;
    bool hang;          /* until domain_fake_let_go() or _reset() */
    enum err_code fail; /* 0: succeeds */
    const char *words;  /* of the error; NULL: "the fake says no" */
};

/* Lets go of what hangs, waits for it, and forgets everything. */
void domain_fake_reset(void);
/* The next call of fn that has no act yet does this; calls beyond the last act repeat it. */
void domain_fake_script(enum domain_fn fn, struct fake_act act);
void domain_fake_let_go(void);

/* Results from now on; the texts and arrays are borrowed until the next reset. */
void domain_fake_set_xml(const char *xml);
/* From now on it is on another machine, and its channel is what listens at `path`. */
void domain_fake_set_channel(const char *path);
void domain_fake_set_filesystems(const struct domain_fs *items, size_t count);
void domain_fake_set_status(enum agent_freeze status);
void domain_fake_set_counts(unsigned frozen, unsigned thawed);
void domain_fake_set_writes(const struct disk_writes *items, size_t count);
/* Called at the start of freeze() or thaw() in the job's thread, to let a scripted agent act. */
void domain_fake_on(enum domain_fn fn, void (*hook)(void *arg), void *arg);

/* "open running xml freeze": calls in the order in which they began; static until the next call
 * of this function, which is the main thread's. */
const char *domain_fake_log(void);
unsigned domain_fake_calls(enum domain_fn fn);
/* Domains opened and not closed. */
int domain_fake_open_count(void);

#endif
