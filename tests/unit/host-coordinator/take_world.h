/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The world of the tests of `snapshot`, all of it played: libvirt, the agent, the appliance. A case
 * breaks one thing, takes a set, and asks what an outside observer would: was the guest let go, is
 * nothing left on the appliance, does the record tell the truth, is the exit status right?
 *
 *     world_setup -> break something -> take -> ask -> world_teardown
 *
 * What hangs in a case is given up on soon, and only from the step on in which it does; all else
 * has the time that a starved machine needs.
 */
#ifndef CBSNAP_TESTS_TAKE_WORLD_H
#define CBSNAP_TESTS_TAKE_WORLD_H

#include <stdatomic.h>

#include "host-coordinator/plan/run.h"
#include "tests/fake/domain_fake.h"
#include "tests/fake/peer.h"
#include "tests/fake/state_dir.h"
#include "tests/fake/storage_memory.h"

/* What is wrong with the agent in this case. */
enum agent_fault {
    AGENT_GOOD,
    AGENT_LOCK_REFUSED,    /* tells that the lock was not granted */
    AGENT_NEVER_ASKED,     /* the hook does not run: no event at all */
    AGENT_OLD_EPOCH,       /* its event is about an earlier freeze */
    AGENT_BOOT_VFAT,       /* nothing wrong: one filesystem is of a kind that cannot be frozen */
    AGENT_NOT_FROZEN,      /* one filesystem is not frozen when asked */
    AGENT_LOCK_GONE,       /* says that it holds no lock when asked */
    AGENT_LETS_GO,         /* LOST while the appliance works */
    AGENT_NOT_HELD,        /* the release answers that it was not held */
    AGENT_MUTE_AT_END,     /* no answer to the release */
    AGENT_BUSY_BEFORE,     /* somebody else's freeze is there when we come */
    AGENT_WRITES,          /* a disk is written to after the first look at the counters */
    AGENT_HIDES_MOUNTS,    /* tells of no filesystem when asked */
    AGENT_GIVES_NO_REASON, /* no lock, and no word why */
    AGENT_NO_POSITION,
    AGENT_ODD_EPOCH,      /* the release is about no epoch */
    AGENT_CANNOT_THAW,    /* one filesystem stays frozen, says the release */
    AGENT_RESTARTS,       /* greets as another instance while the appliance works */
    AGENT_RESTARTS_EARLY, /* after it has prepared */
    AGENT_DIES,           /* QEMU closes the port while the appliance works */
    AGENT_TALKS,          /* 2,000 log lines while the appliance works */
    AGENT_HOSTILE,        /* all that can be left out is left out when it prepares */
    AGENT_TOO_MANY,       /* mounts */
    AGENT_LATER,          /* a first connection hears nothing, a second is as always */
    AGENT_HOOK_DISABLED,  /* says that qemu-ga would not call the hook */
    AGENT_NO_SERVER,      /* cannot log in when it is to prepare */
    AGENT_ODD_NAMES,  /* 4,096 metrics whose names are control characters, and one that is none */
    AGENT_LONG_TEXTS, /* as many as a series takes, with names and texts as long as they may be */
    AGENT_MANY_DISKS, /* 4,000 that are busy */
    AGENT_BOASTS,     /* all that it tells of itself is as long as a message may be */
};

/* When somebody presses ^C. */
enum signal_moment {
    SIGNAL_NEVER,
    SIGNAL_PREPARE,
    SIGNAL_ANNOUNCE,
    SIGNAL_CRITICAL, /* just before qemu-ga is asked */
    SIGNAL_FREEZE,
    SIGNAL_CONFIRM,
    SIGNAL_SNAPSHOTS,
    SIGNAL_THAW,
    SIGNAL_COUNT
};

/* How long who is to answer may take, and who hangs is waited for; times slowness(). */
#define PATIENCE_MS 5000
#define SOON_MS     400

struct world {
    struct loop *loop;
    struct peer *peer;
    struct storage *array, *second; /* the second is NULL unless a case makes it */
    struct config conf;
    struct appliance_config appliances[2];
    char dir[STATE_DIR_SIZE];
    char *xml;
    _Atomic(enum agent_fault) fault;
    atomic_bool locked;                    /* what the agent holds, as it would say itself */
    atomic_int releases, releases_of_none; /* of no epoch: none will come */
    char run_id[40];
    atomic_int subscriptions;
    _Atomic(int64_t) locked_us, released_us;
    enum signal_moment signal_at;
    bool array_hangs, freeze_hangs; /* from those steps on they are given up on soon */
    const char *vanish;             /* a folder that is gone once the appliance has been asked */
    bool tells_load, calms;
    bool unlocks_first;                /* a disk was slow to thaw */
    char *swapped_xml;                 /* the domain's from step "policy" on */
    char *manifest;                    /* the last that the agent was to keep */
    const struct run_reporter *report; /* NULL: one that says nothing */
    bool has_last_end;
    Cbsnap__FreezeEvent__Kind last_end;
};
extern struct world w;

#define TAKE_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
int world_setup(void **state);
int world_teardown(void **state);
/* A new world, for a case that takes more than one set. */
void world_again(void);
/* The root disk is on another appliance, w.second. */
void world_add_second(void);
/* The live XML of the domain, whose root disk is the volume of that name; the caller frees. */
char *world_xml(const char *root);

/* What an outside observer sees after a run. */
struct outcome {
    int status;
    struct err e;
    char verdict[16];
    size_t snapshots;
    bool record;           /* there is one, and it was read back from the disk */
    char told_verdict[16]; /* of the record as the run has it */
    size_t second;         /* snapshots on the second appliance */
    size_t log_lines, witness_disks;
    size_t findings; /* of the policy, as read back */
    bool waited, series;
    int64_t load_count; /* readings of it before the freeze */
};

struct outcome take(void);
/* The same with that agent. */
struct outcome take_with(enum agent_fault fault);

/* ---- what became of it ----------------------------------------------------------------------- */

/* Until the count, which another thread keeps, is that high; not for ever. */
void world_await(const atomic_int *count, int least);
/* No domain is open, also when the threads that were given up have ended. */
void assert_domain_closed(void);
void assert_good(const struct outcome *out);
/* Before anything was touched. */
void assert_refused(const struct outcome *out, const char *words);
/* Let go, nothing left, and a record that says void. With status 5 a person must look. */
void assert_void(const struct outcome *out, int status, const char *words);
/* The same with status 4, and the guest was let go by both ways. */
void assert_clean_failure(const struct outcome *out, const char *words);

/* ---- take_agent.c ---------------------------------------------------------------------------- */

void world_agent(struct peer *p);
/* What the hook does when qemu-ga freezes; in the thread of the libvirt call. */
void world_hook(void *arg);

/* ---- take_swell.c: an agent that tells more than anybody wants to know ------------------------
 */

/* Readings of now, with such faults. */
void swell_readings(struct peer *p);
/* These take as much as a message holds, with AGENT_BOASTS. */
void swell_server(Cbsnap__Prepared *m);
void swell_lock(Cbsnap__FreezeEvent *m);
void swell_stored(Cbsnap__ManifestStored *m);

#endif
