/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The world of the tests that break a snapshot: a domain "db" with three volumes, a model of its
 * guest that knows at any time what is locked, frozen and written, and a run whose every moment can
 * be named: the begin and end of a step, a call to libvirt, a request to the array, a message that
 * the agent gets. A test arms faults at moments, runs, and asks an observer who looks at the model,
 * the array and the files, never at the run itself.
 *
 *     world_open -> world_arm -> world_run -> world_judge -> world_close
 *
 * Which moments there are is found out by a run in which all goes well (world_moments()), so a step
 * or a call that is added later is broken too.
 */
#ifndef CBSNAP_TESTS_SNAP_WORLD_H
#define CBSNAP_TESTS_SNAP_WORLD_H

#include <pthread.h>
#include <stdatomic.h>

#include "host-coordinator/plan/run.h"
#include "tests/fake/domain_fake.h"
#include "tests/fake/peer.h"
#include "tests/fake/state_dir.h"
#include "tests/fake/storage_memory.h"

#define WORLD_VOLUMES 3
#define LABEL_SIZE    64

extern const char *const world_volumes[WORLD_VOLUMES]; /* their ids */

/* ---- moments --------------------------------------------------------------------------------- */

enum moment_kind {
    AT_BEGIN,   /* of a step, or of its undo */
    AT_END,     /* of a step or its undo */
    AT_CALL,    /* of libvirt, begun; in its thread */
    AT_REQUEST, /* of the array, about to be sent */
    AT_DOING,   /* the array is about to do it */
    AT_PORT,    /* the agent has got a message; in its thread */
    MOMENT_KINDS,
};

struct moment {
    enum moment_kind kind;
    char label[LABEL_SIZE]; /* "begin freeze", "call writes", "request snapshot id-log" */
    unsigned nth;           /* of that label in the run, from 1 */
    char step[LABEL_SIZE];  /* during which it came: "freeze", "undo freeze" */
};

/* ---- faults ---------------------------------------------------------------------------------- */

enum fault {
    NO_FAULT,
    /* Of the call, request or message of that moment. */
    FAILS,      /* an error, and nothing is done */
    FAILS_DONE, /* an error, though it is done */
    HANGS,      /* no answer, and nothing is done */
    MUTE,       /* no answer, though it is done */
    GARBAGE,    /* done, and the answer makes no sense */
    SLOW,
    RESETS, /* the appliance's connection breaks before it does it */
    DROPS,  /* or after it */
    LATE,   /* it does it after it was given up on */
    LIES,   /* it says yes and does nothing; of a list: the reverse is true */
    /* Of the world from that moment on. */
    ARRAY_FAILS,
    ARRAY_HANGS,
    ARRAY_SLOW,
    ARRAY_RESETS,
    ARRAY_GARBAGE,
    ARRAY_LISTS_LIES, /* what is there is not listed, and the reverse */
    LIBVIRT_FAILS,
    LIBVIRT_HANGS,
    AGENT_KILLED,  /* systemd starts it again at once */
    AGENT_STOPPED, /* it hears and says nothing any more; its watchdog lives */
    LINK_CUT,
    DISK_FULL,
    DISK_FULL_ONCE, /* until the next step begins */
    DISK_CUT,       /* a few bytes more fit, then none */
    LEAVES_ONE,     /* qemu-ga leaves one filesystem unfrozen, and nobody writes to it */
    WRITES,         /* somebody writes to a disk that is frozen */
    LETS_GO,        /* the agent loses the lock, and says so */
    LOST_UNTOLD,    /* the same, but nobody hears of it, and it is a moment without writers */
    THAWED,         /* somebody thaws the guest through libvirt */
    SIGNALLED,      /* somebody presses ^C */
    FAULTS,
};

const char *fault_name(enum fault f);
bool fault_fits(enum fault f, enum moment_kind kind);
/* The fault is one that a set may be lost for. */
bool fault_excuses(enum fault f);
/* It is given up on, and that takes its time. */
bool fault_hangs(enum fault f);

/* ---- the world ------------------------------------------------------------------------------- */

struct tale { /* what the run itself says */
    int status, rc;
    struct err e;
    char set[40];
};

typedef void world_witness(struct run *r, const struct moment *m);

#define ARMED_MAX   3
#define LEASE_MS    1000
#define MOMENTS_MAX 400

struct world {
    struct loop *loop;
    struct storage *array;
    struct peer *peer;
    struct config conf;
    struct appliance_config appliances[1];
    char dir[STATE_DIR_SIZE];
    int64_t lease_ms; /* the longest that a run may ask for */
    bool after_death; /* this process is not the one that has the port's other end */
    char *xml;
    struct run *run; /* under way */

    pthread_mutex_t mutex; /* of all that follows */
    struct {
        struct moment at; /* label and nth count */
        enum fault fault;
        int later_ms;
        uv_timer_t timer;
        bool hit, late; /* met; its timer is there */
    } armed[ARMED_MAX];
    size_t armed_count;
    struct moment seen[MOMENTS_MAX];
    size_t seen_count;
    char steps[4][LABEL_SIZE]; /* a plan within a plan */
    size_t step_depth;
    char begun[32][LABEL_SIZE]; /* to tell an undo from a do */
    size_t begun_count;
    bool spoil;     /* a disk is written to, so that the run fails at its end and undoes all */
    bool disk_once; /* the disk has room again when the next step begins */

    world_witness *witness; /* called at each moment on the main thread, while all others sleep */
    struct {
        uv_async_t async;
        pthread_cond_t changed;
        bool open, asked;
        struct moment at;
    } call_main;
};
extern struct world w;

/* `in_a_hurry`: what the array is asked is given up on soon, and the lease is short, from the
 * beginning. */
void world_open(bool in_a_hurry);
void world_close(void);
void world_arm(const struct moment *at, enum fault fault);
/* The same so long after that moment, for faults of the world at moments on the main thread. */
void world_arm_later(const struct moment *at, enum fault fault, int ms);
void world_disarm(void);
/* Those that were armed are not to come any more. */
void world_forget_faults(void);
bool world_met(void); /* all that was armed has come */
bool world_hit(enum fault f);
/* Has one come for which a set may be lost? */
bool world_excused(void);
/* What hangs is given up on soon. Called by the run's own thread. */
void world_hurry(bool on);
/* How large a file may become from now on; -1: as large as it likes. */
void world_disk(int64_t room_bytes);
struct tale world_run(void);
/* All faults are gone, and what hung has ended. */
void world_heal(void);
/* recover_journal() of every journal; NULL or the first error, in words. */
const char *world_recover(void);
/* Moments of a run in which all goes well; with `undo` those of the undo of a run that failed when
 * its snapshots were there. The caller's to free. */
struct moment *world_moments(bool undo, size_t *ret_count);
void world_remove(const char *folder);
size_t world_journals(void);

/* Called by who plays a part: the fault that it must play now. `what` is the call or command. */
enum fault world_moment(enum moment_kind kind, int what, const char *label);

/* ---- snap_agent.c ---------------------------------------------------------------------------- */

void world_agent(struct peer *p);
/* Dies, and is there again. Any thread. */
void agent_die(void);
/* Loses the lock, and says so, or not. */
void agent_lets_go(bool tells);
void agent_event(Cbsnap__FreezeEvent__Kind kind, const char *run_id, uint64_t epoch,
                 int64_t position);

/* ---- snap_model.c: the guest ------------------------------------------------------------------
 */

struct model_facts {
    bool locked, frozen;
    unsigned freezes;   /* times that qemu-ga was let freeze */
    int64_t longest_us; /* that writers waited, at most; counted from the fault on */
};

struct model_state {
    bool locked;
    char run[40];
    uint64_t epoch;
    Cbsnap__FreezeEvent__Kind last_end;
    const char *last_cause; /* NULL: there was none */
    bool frozen[WORLD_VOLUMES];
};

void model_open(void);
void model_run_begins(void);
void model_heal(void);
/* A look at the world at that time, which may lie ahead: leases end by then. */
struct model_facts model_look(int64_t at_us);
void model_broken(int64_t at_us);
/* The snapshots that the array has made in this run are of one locked and frozen state at that
 * position, and from the first one's request on nothing was written. NULL, or why not. */
const char *model_untrue(int64_t position);
/* The array is asked for a snapshot, perhaps the first of this run. */
void model_asked(void);
/* The array snapshots the volume now: its content. */
int model_snapshot(const char *volume_id);
/* A write to a volume, whether or not it is frozen. */
void model_write(int volume);
void model_stop(void);
bool model_stopped(void);
void model_die(void);
/* From now on qemu-ga freezes all filesystems but one. */
void model_leave_one(void);
/* From now on no writer has anything to write. */
void model_rest(void);
/* The lock is lost; false when there was none. Tells whose it was. */
bool model_lose(char run[40], uint64_t *ret_epoch);
uint64_t model_instance(void);
/* Effects of calls to libvirt. */
int model_freeze(void *arg, struct err *e);
int model_thaw(void *arg, struct err *e);
int model_status(void *arg, struct err *e);
int model_filesystems(void *arg, struct err *e);
int model_count_writes(void *arg, struct err *e);
/* The agent's side. */
int model_prepare(const char *run, int lease_ms, uint64_t *ret_epoch);
void model_host_gone(void);
void model_renew(const char *run, uint64_t epoch);
struct model_state model_state(void);
bool model_release(const char *run, bool has_epoch, uint64_t epoch, uint64_t *ret_epoch);

/* ---- snap_look.c: the observer ----------------------------------------------------------------
 */

#define QUESTIONS 4

struct verdict {
    bool yes[QUESTIONS]; /* writes go on, released, truth, nothing left */
    bool false_promise;  /* it is called application, and is not */
    char why[512];       /* the first no */
};
extern const char *const question_names[QUESTIONS];

/* After world_run(). Heals the world, and recovers what is to be recovered. */
struct verdict world_judge(const struct tale *t);
/* Whatever was: the next run is none the worse for it, or nothing was released. */
void world_run_again(struct verdict *v);
/* The same of a run that has died; `recovered` is asked after world_recover(). */
struct verdict world_judge_dead(const char *set);
bool verdict_good(const struct verdict *v);
/* The set's record says `application`. */
bool world_promises(const char *set);
/* One line in the file that CBSNAP_FAULTS_MATRIX names, if any. */
void world_matrix(const char *step, const char *fault, const struct verdict *v, double seconds);

#endif
