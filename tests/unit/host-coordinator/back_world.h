/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The world of the tests of going back: a domain "db" with three volumes whose contents are
 * numbers, a set in which they all are SET_CONTENT, a present in which they all are NOW_CONTENT,
 * and an agent whose certificate tells what the volumes of the started domain really hold. Each
 * case breaks one thing, runs, and asks what an outside observer would (world_wrong()).
 *
 *     world_open -> break something -> world_run -> ask -> world_close
 */
#ifndef CBSNAP_TESTS_BACK_WORLD_H
#define CBSNAP_TESTS_BACK_WORLD_H

#include <stdatomic.h>

#include "host-coordinator/back/back.h"
#include "tests/fake/domain_fake.h"
#include "tests/fake/peer.h"
#include "tests/fake/state_dir.h"
#include "tests/fake/storage_memory.h"

#define SET_ID       "20161104T101500Z-7f3a"
#define NEWER_ID     "20161104T111500Z-0b0b"
#define SET_CONTENT  100
#define NOW_CONTENT  200
#define DB_UUID      "6f1f5b0e-2f6a-4c68-9f0e-0d6b8a1d6c11"
#define NAME_MAX_    64
#define ABSENT_TABLE "shop.ordres"

enum agent_mode {
    AGENT_GOOD,
    AGENT_SILENT,      /* it never greets */
    AGENT_NEVER_READY, /* its server does not come up */
    AGENT_OTHER,       /* its server is another one */
    AGENT_DIES,        /* QEMU ends when the certificate is asked for */
    AGENT_BAD_DATA,    /* a table is broken */
};

/* What the set is asked to become. */
struct wanted {
    enum back_method method;
    bool force, no_safety, no_start;
    const char *tables; /* of BACK_VERIFY; ABSENT_TABLE is not there */
};

/* "begin stop", "end undo clone": every act of the run under way, as it is told. */
typedef void world_hook(struct back *b, const char *event);

struct world {
    struct loop *loop;
    struct storage *array;
    struct peer *peer;
    struct config conf;
    struct appliance_config appliances[1];
    char dir[STATE_DIR_SIZE];
    char *definition; /* of "db", as it was */
    bool ran;
    bool tampered; /* the test has edited a record */
    bool two_sets; /* there is a newer one */
    _Atomic(enum agent_mode) agent;
    atomic_int told[3]; /* contents of the started VM's volumes, for the agent's thread */
    atomic_bool verifying;
    world_hook *hook;
    char begun[32][NAME_MAX_]; /* steps, to tell an undo from a do */
    size_t begun_count;
};
extern struct world w;

extern const char *const volume_ids[3];

void world_open(bool runs);
void world_close(void);
/* The same for cmocka, of a VM that runs. */
int world_setup(void **state);
int world_teardown(void **state);
void world_remove(const char *folder);
/* Snapshots of all three volumes, with the record of an `application` set. */
void world_take_set(const char *id);
void world_snapshot(const char *volume_id, const char *name);
void world_unsnap(const char *volume_id, const char *name); /* removes it */

struct tale { /* what the run itself says */
    int status, rc;
    struct err e;
    char run[40];
    bool ran;         /* false: "db" was off before */
    size_t compared;  /* of the certificate */
    struct wanted as; /* what was wanted */
};
struct tale world_run(struct wanted wanted);
/* For run.storages: the array, which stays open. */
struct storage **world_storages(void);
/* The same with the set's record given; consumed. */
struct tale world_run_set(struct record *set, struct wanted wanted);
/* What hangs is given up on soon. Without it a busy machine is given all the time it needs. */
void world_hurry(bool on);
/* The same for what the array is asked from the beginning of the next act on: a volume keeps the
 * patience that it was found with. */
void world_hurry_array(bool on);
/* All faults are gone, and what hung has ended. */
void world_heal(void);
/* recover_journal() of every journal; NULL or the first error, in words. */
const char *world_recover(void);

/* ---- back_agent.c ---------------------------------------------------------------------------- */

void world_agent(struct peer *p);
/* Takes down what the volumes in that live XML hold; main thread. */
void world_tell_agent(const char *live_xml);

/* ---- back_look.c: the observer ----------------------------------------------------------------
 */

#define CONTENT_MIXED  (-1)
#define CONTENT_GONE   (-2) /* a volume that it names is not there */
#define CONTENT_LOCKED (-3) /* nobody may use a volume that it names */
/* What all the volumes that this XML names hold. */
int world_content(const char *xml);

enum world_state {
    STANDS_BEFORE, /* definition, contents and power are what they were */
    STANDS_SET,    /* definition and contents are the set's */
    STANDS_ODD,
};
enum world_state world_standing(const char *domain, const char **ret_why);
/*
 * NULL, or what is wrong with the world as it is now, whatever was wanted: mixed volumes, a volume
 * rolled back under somebody's hands, things on the array that no record and no journal names, a
 * record that promises what is not there, the real VM touched by what must not.
 */
const char *world_wrong(const struct tale *t);
/* The same, and that the end is the one which status and plan promise. */
const char *world_ended_wrong(const struct tale *t);
/* world_ended_wrong() after a recover of what exit 5 has left. */
const char *world_recovered_wrong(const struct tale *t);
size_t world_journals(void);
bool world_has_record(const char *id);
bool world_promises(const char *id); /* its record says that it can be gone back to */

/* Fails unless the run ended with that status, and its message has `words` (NULL: whatever). */
void world_expect_exit(struct tale t, int status, const char *words);
/* And unless the world is as that promises. */
void world_expect(struct tale t, int status, const char *words);

/* fail_msg() with what was done. */
#define assert_world(problem, what)                                                                \
    do {                                                                                           \
        const char *problem_ = (problem);                                                          \
        if (problem_)                                                                              \
            fail_msg("%s: %s", (what), problem_);                                                  \
    } while (0)

#endif
