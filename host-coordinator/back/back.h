/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Going back to a set: what restore, verify, delete, prune and recover share.
 *
 * A `struct back` is a run (plan/run.h) about a set that exists already: its steps get it as their
 * context and run under the run's watch, journal and reporter. run.record is the report of what is
 * done now; `set` is the record of the set that it is done with, and run.set the id of this act,
 * which names what it makes (clones, a safety set).
 *
 *     back_init -> a plan, or single steps -> back_release
 *
 * Ownership: back_release() frees all. Main thread only. Errors: as run.h.
 */
#ifndef CBSNAP_BACK_H
#define CBSNAP_BACK_H

#include "host-coordinator/back/certificate.h"
#include "host-coordinator/plan/run.h"

/* Clones for a throw-away VM: "cbsnap-verify-ID-vda"; whatever is called so and has no journal is
 * left over. Those that a restore makes are called like their parent, "NAME-ID". */
#define BACK_VERIFY_PREFIX "cbsnap-verify-"

/* One volume of the set: the one that the snapshot was taken of, and what is made from it. */
struct back_volume {
    const char *target; /* borrowed from the set's record */
    struct storage *storage;
    const char *appliance;
    int timeout_ms;
    bool listed;          /* the appliance still has the volume */
    struct volume volume; /* when listed */
    struct volume_snapshot *snapshots;
    size_t snapshot_count;
    long at;      /* of the set's snapshot among them; -1: it is gone */
    char *access; /* who might use the volume when we came; NULL: not asked */

    char *clone_name;
    bool clone_asked;
    bool clone_unsure;      /* not heard of: it may come yet, */
    int64_t clone_until_us; /* until then (wall clock) */
    struct volume clone;    /* when made; recover: or when the journal says that it was */
    bool safety_asked;      /* a snapshot of the present state */

    struct storage_op op; /* the request under way */
};

enum back_method {
    BACK_SWITCH, /* the VM is moved onto clones of the set; its present volumes stay as they are */
    BACK_IN_PLACE, /* its volumes are rolled back */
    BACK_COPY,     /* another VM is made of clones */
    BACK_VERIFY,   /* a throw-away one */
};

struct back {
    struct run run; /* first: the plan's watch takes either */
    enum back_method method;
    const char *to;     /* BACK_COPY: name of the new VM */
    char to_uuid[37];   /* and its UUID, which it keeps under any name */
    bool force;         /* what would be lost was agreed to */
    bool safety;        /* keep the present state as a set of its own */
    bool start;         /* the VM, at the end */
    int memory_mib;     /* of a throw-away VM; 0: as the set says */
    const char *tables; /* BACK_VERIFY: "a.b,c.d"; NULL: all */
    bool certificate_only;

    struct record *set;
    const char *id; /* of the set; borrowed from its record */
    struct back_volume *volumes;
    size_t count;

    bool ran;           /* the VM ran when we came, or when `left` came */
    bool clean;         /* and went off by a shutdown of its guest, as libvirt saw it */
    bool saved;         /* it was off with its memory saved, which is to be thrown away */
    bool stopped;       /* we asked it to go */
    char *left;         /* an earlier restore that only asked it to go; this one goes on with it */
    int64_t off_by_us;  /* how long a guest that was asked is waited for; 0: it was not asked */
    int64_t asked_us;   /* recover: when the dead run asked it, wall clock; 0: or it went off */
    bool defined;       /* the new definition is libvirt's: the set's state from here on */
    bool define_unsure; /* or may yet become it */
    bool committed;     /* in place: a volume may have been rolled back, there is only forward */
    bool fenced;
    bool opened; /* the journal says that they are opened: the VM may have written since */
    bool started_vm;
    char *old_definition, *new_definition;
    char *secret_definition; /* the old one with its passwords: to put back, never written down */
    int64_t down_us, served_us; /* host clock: the VM was told to go; the server answered again */

    Cbsnap__Envelope *certificate, *checked;
    struct certificate_result result;
    bool concluded; /* the comparison came to an end: `result` is the answer */
};

/* `set` is consumed; its record names the domain. */
void back_init(struct back *b, const struct config *conf, const struct domain_ops *ops,
               struct loop *loop, const char *uri, struct record *set);
void back_release(struct back *b);

int step_set(void *back, struct err *e); /* the set is one that can be gone back to */

/* ---- volumes.c: what the appliances have of the set ---------------------------------------- */

int step_back_storage(void *back, struct err *e); /* the set's volumes, with all their snapshots */
/* ERR_NOT_FOUND names the first volume or snapshot of the set that is gone. */
int back_check_whole(const struct back *b, struct err *e);
int step_whole(void *back, struct err *e);                    /* both */
bool back_has_disk(const struct back *b, const char *target); /* in the set, not just in the VM */
/* Sets whose snapshots on these volumes are newer, or snapshots that are nobody's: "SET" or
 * "VOLUME@NAME", each once. The caller frees both; how many. */
size_t back_newer(const struct back *b, char ***ret);

/* One request for each volume that `start` takes up (false: none for this one), all at once; waits
 * for all. The first failure is told as "WHAT of volume 'NAME'"; the others end by themselves. */
typedef bool back_request(struct back *b, struct back_volume *v, int64_t deadline_us);
int back_all(struct back *b, back_request *start, int patience_ms, const char *what, struct err *e);
/* For requests that only ask: the longest time that an appliance of the set is given for one. */
int back_patience_ms(const struct back *b);
/* Who may use each volume of the set now, as v->access; "" where nobody may. */
int back_read_access(struct back *b, struct err *e);
/* The same, and who is to be let in again must be known: before anybody is shut out. */
int back_look_access(struct back *b, struct err *e);
/* Waits for the one request of v->op that was just started. */
int back_wait(struct back *b, struct back_volume *v, int64_t deadline_us, struct err *e);

/* ---- clones.c ------------------------------------------------------------------------------- */

/* Reads who may use each volume, which must be somebody, for a clone is usable like its parent. */
int back_clone_access(struct back *b, struct err *e);
int step_clone(void *back, struct err *e); /* a clone of each snapshot, usable like its parent */
/* ERR_LOOK also where one did not show that may yet come to be: the journal has to name it. */
int step_clone_undo(void *back, struct err *e);
/* Fills v->clone of each clone that was asked for, where the appliances have it. */
int back_find_clones(struct back *b, struct err *e);

/* ---- safety.c, rollback.c: see there ------------------------------------------------------- */

int step_safety(void *back, struct err *e); /* snapshots of the VM's present volumes, at rest */
int step_safety_undo(void *back, struct err *e);
/* Safety snapshots that were given up on and that the undo has not seen; a void record names them.
 */
size_t back_safety_unknown(const struct back *b);
int step_fence(void *back, struct err *e); /* nobody may use the volumes */
int step_fence_undo(void *back, struct err *e);
int step_newer(void *back, struct err *e);    /* snapshots newer than the set's are removed */
int step_rollback(void *back, struct err *e); /* from here on there is only forward */
int step_unfence(void *back, struct err *e);

/* ---- vm.c, stop.c, define.c, throwaway.c: the domain ---------------------------------------- */

int step_find_vm(void *back, struct err *e); /* opens it */
int step_look_vm(void *back, struct err *e); /* its state and definition, once it is locked */
int step_define(void *back, struct err *e);
int step_define_undo(void *back, struct err *e);
int step_stop(void *back, struct err *e); /* asks the guest, then ACPI, then, with force, ends it */
int step_stop_undo(void *back, struct err *e);
int step_start(void *back, struct err *e);
int step_start_undo(void *back, struct err *e);
int step_throwaway_fits(void *back, struct err *e); /* its definition can be made */
int step_throwaway(void *back, struct err *e);
int step_throwaway_undo(void *back, struct err *e);

/* ---- proof.c: what came back --------------------------------------------------------------- */

int step_agent(void *back, struct err *e);   /* the agent of the started VM answers */
int step_certify(void *back, struct err *e); /* the server answers; compared with the record */
int step_check_data(void *back, struct err *e);
int back_check_tables(const char *tables, struct err *e); /* ERR_USAGE: not as `tables` takes it */

/* ---- report.c: what is written down ---------------------------------------------------------- */

/* The journal's member `act`, the report's `method`. */
const char *back_method_name(enum back_method method);
/* Opens the journal of this act, and says in it what is about to be done before anything is. */
int step_journal(void *back, struct err *e);
/* Writes a line of its own into the journal, waits for the disk, and frees `note`. */
int back_write(struct back *b, struct record *note, struct err *e);
/* The same, of whether something is so. */
int back_note(struct back *b, const char *what, bool is, struct err *e);
/* From here on the journal's VM is not its own any more: whoever recovers leaves it alone. */
void back_note_as_before(struct back *b);
/* Completes the report, and puts it into the set's record: as its member `verify`, or as one more
 * of `restores[]`. */
int step_report(void *back, struct err *e);
/* The same for a restore that recover brought to its end, once. `journal` is the dead run's. */
int back_report_recovered(struct back *b, const struct record *journal, struct err *e);
/* The exit status after a plan: 0, 2, 3, 4, 5, or 6 when what came back differs. */
int back_exit(const struct back *b, const struct plan_result *result, const struct err *e);

/* ---- the whole of each command. *ret_exit as the manual lists it --------------------------- */

int restore_run(struct back *b, int *ret_exit, struct err *e);
int verify_run(struct back *b, int *ret_exit, struct err *e);

/* One left journal: what was begun is finished or undone, and told in words. */
struct recovery {
    const char *what; /* "restore", "verify", "snapshot" */
    char *set, *domain;
    char *outcome; /* "the VM is as before: ..." */
};
void recovery_release(struct recovery *r);
/*
 * The journal of the dead run `id`. `storages` as run.storages: NULL, or a test's, taken over.
 * ERR_BUSY: that run lives, or another has its VM. On failure the journal stays, and it may be
 * tried again.
 */
int recover_journal(const struct config *conf, const struct domain_ops *ops, struct loop *loop,
                    const char *uri, const char *id, struct storage **storages,
                    struct run_reporter report, struct recovery *ret, struct err *e);

#endif
