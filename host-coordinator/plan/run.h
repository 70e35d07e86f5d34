/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All that one run knows: shared by the steps of the plans, owned by the command that runs them.
 * run_init() -> plan -> run_release(). Main thread only.
 */
#ifndef CBSNAP_RUN_H
#define CBSNAP_RUN_H

#include "host-coordinator/config/config.h"
#include "host-coordinator/domain/domain.h"
#include "host-coordinator/guest/guest.h"
#include "host-coordinator/loop/loop.h"
#include "host-coordinator/plan/plan.h"
#include "host-coordinator/record/record.h"
#include "host-coordinator/record/store.h"
#include "host-coordinator/series/series.h"
#include "host-coordinator/series/series_file.h"
#include "host-coordinator/storage/storage.h"
#include "host-coordinator/xml/domain_xml.h"

/* One line for people per act; `text` may be NULL. Called on the main thread. */
struct run_reporter {
    void (*begin)(void *arg, const char *what);
    void (*end)(void *arg, const char *what, double ms, const struct err *why);
    void (*note)(void *arg, const char *text);
    /* NULL if it never waits. From on to off writers may be waiting, so nothing may wait for
     * whoever reads what is told, lines of the log included: it is kept, and told after that. */
    void (*hold)(void *arg, bool on);
    void *arg;
};

/* A volume of the set, with what became of its snapshot. */
struct set_volume {
    const struct domain_disk *disk;
    size_t disk_index;
    struct volume volume;
    struct storage *storage;
    const char *appliance;
    int timeout_ms;       /* of one request outside of the freeze */
    char *mounts;         /* "/mnt/mysql", comma-separated */
    struct storage_op op; /* the snapshot itself */
    bool asked;           /* the appliance may have made it */
    bool removed;
    bool never_seen; /* given up on, and it did not show while we looked */
    bool left;       /* its removal failed, or was not seen */
    char *path;      /* its name on the appliance, once seen in the list */
    char *listed_time;
};

struct domain_job {
    struct domain_call *call;
    struct job *job;
};

/* What the guest told while the freeze lasted. Guest times are its monotonic clock. */
struct freeze_facts {
    bool started;             /* qemu-ga was asked: thaw from here on */
    int64_t since_us;         /* host clock: when it was asked */
    int64_t locked_us;        /* host clock: when the guest told that it has the lock; 0 before */
    int64_t release_us;       /* host clock: when the agent was asked to let go */
    int64_t released_us;      /* host clock: when the agent had answered the release */
    bool thaw_done;           /* both ways were gone, so a second undo has nothing to do */
    struct domain_job call;   /* the freeze itself, until libvirt has answered it */
    bool in_flight;           /* nobody knows whether qemu-ga still freezes */
    unsigned frozen_count;    /* filesystems, by qemu-ga's answer */
    Cbsnap__Envelope *locked; /* FreezeEvent LOCKED of our epoch */
    bool lock_failed, lost;
    struct err guest_error;  /* with lock_failed or lost */
    Cbsnap__Envelope *state; /* answer to the probe */
    Cbsnap__Envelope *released;
    bool confirmed; /* the probe found the lock and every filesystem of the set held */
    bool held;      /* released says so, for our epoch */
};

/* A guest with more has gone mad, or wants to keep us busy. */
#define RUN_MOUNTS_MAX 4096
/* What it tells in words goes into the record no further than this, in bytes. */
#define RUN_TOLD_MAX 1000
/* Of a volume's mount points, which are for people alone. */
#define RUN_MOUNTS_TEXT_MAX 16384

struct run {
    const struct config *conf;
    const struct domain_ops *ops;
    struct loop *loop;
    const char *uri, *domain_name;
    struct run_reporter report;

    int64_t started_us, started_wall_us;
    int64_t phase_us[4]; /* begin of each act under way: a plan within a plan */
    unsigned phase_depth;
    char set[40];
    struct record *record;
    struct journal *journal;
    int lock_fd;
    bool touched;  /* from here on a failure is "failed", not "refused" */
    bool refused;  /* by the policy: that leaves a record, too */
    bool recorded; /* a failed or refused attempt has its record */
    bool look;     /* the critical plan left something: a person must look */
    bool reported; /* the facts are in the record; verdict and snapshots may still change */
    bool manifest; /* the guest may keep one of this set */

    struct domain *domain;
    struct domain_xml xml;
    struct domain_fs_list fs;
    bool agent_frozen;         /* what qemu-ga believed when we came */
    struct storage **storages; /* one per configured appliance */
    struct guest *guest;
    bool relayed; /* its port is reached through libvirt: who waits for it cannot be seen */
    struct guest_request prepared; /* its answer is used until the end */
    uint64_t epoch;
    unsigned agent_restarts; /* seen when it had prepared: a later one has forgotten this run */
    bool clocks_related;
    int64_t clock_offset_us, clock_uncertainty_us; /* guest clock minus host clock */
    bool subscribing;
    unsigned subscribed; /* restarts seen when samples were asked for last */

    struct set_volume *volumes;
    size_t volume_count;
    uint64_t set_disks; /* mask by index in xml.disks */

    struct freeze_facts freeze;
    struct disk_writes *writes_before, *writes_after;
    size_t writes_before_count, writes_after_count;
    bool witness_held;
    int64_t readings_from_us; /* older ones were forgotten while the run waited; 0: none */
    struct series *series;    /* all that was read around the freeze */
    struct series_log *log;   /* the same as it came, for the file beside the record */
    struct volumes_watch *watch;
};

/* `ops` is domain_libvirt, or a fake in tests. Makes the set's id. */
void run_init(struct run *r, const struct config *conf, const struct domain_ops *ops,
              struct loop *loop, const char *uri, const char *domain_name);
void run_release(struct run *r);

/* Milliseconds since the run began. */
double run_ms(const struct run *r, int64_t at_us);
/* Takes over what the link knows of the two clocks by now; the series moves with it. */
void run_relate_clocks(struct run *r);
/* A guest time on the host's clock; false while the clocks are not related. */
bool run_from_guest(const struct run *r, int64_t guest_us, int64_t *ret_host_us);

void run_note(struct run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same for a step that may run twice. */
void run_note_once(struct run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Notes what stops no set: disks that are not in it, a clock that went back; see notes.c. */
void run_note_findings(struct run *r);

/*
 * One blocking call of domain_ops in a thread of its own. The struct is the thread's until it ends:
 * when the wait gives up, the thread frees it, so results are read only after success.
 */
struct domain_call {
    const struct domain_ops *ops;
    struct domain *domain; /* held: the run may close its own while the thread works on */
    char *uri, *name;      /* for opening */
    char *channel;         /* name of the agent's */
    char *text;            /* an XML to define or create */
    enum domain_shutdown how;
    struct domain *opened; /* results, by what was called */
    char *xml;
    char *definition; /* NULL: it has none */
    struct domain_host host;
    enum domain_state state;
    bool by_guest; /* it is off, and its guest shut down */
    struct domain_fs_list fs;
    struct disk_writes *writes;
    size_t count;
    unsigned filesystems;
    enum agent_freeze agent;
    int fd; /* -1: none */
};
typedef int domain_call_fn(struct domain_call *c, struct err *e);
domain_call_fn domain_call_thaw;
/* Opens the domain that the run names, as r->domain. */
int run_open_domain(struct run *r, struct err *e);
/* One storage per configured appliance, as r->storages; those that a test has brought stay. */
int run_open_storages(struct run *r, struct err *e);
/* Each appliance's share of r->volumes opens its connections, and none of them has a snapshot of
 * this run's name yet (ERR_REFUSED): before the first of ours is asked for. */
int run_warm_storages(struct run *r, struct err *e);
/* Asks the agent over the open link, as guest_call() with the configured patience. */
int run_ask(struct run *r, struct guest_request *req, Cbsnap__Envelope *m,
            Cbsnap__Envelope__BodyCase expected, struct err *e);

/* The agent's port of the open domain: QEMU's socket here, or libvirt's channel to elsewhere. Waits
 * for its turn until the deadline. For guest_open(). */
int run_reach_port(struct run *r, const struct domain_channel *ch, int64_t deadline_us, int *ret_fd,
                   struct err *e);
/* The agent's link, r->guest, once it has answered a hello; within answer_ms. */
int run_meet_agent(struct run *r, const struct domain_channel *ch, struct err *e);

struct domain_job domain_job_start(struct run *r, domain_call_fn *fn);
/* The same with what define(), create() and shutdown() need. `text` may be NULL; it is copied. */
struct domain_job domain_job_start_with(struct run *r, domain_call_fn *fn, const char *text,
                                        enum domain_shutdown how);
/* On success *ret_call is the caller's (domain_call_free()); else it was freed or abandoned. */
int domain_job_wait(struct run *r, struct domain_job *j, int64_t deadline_us,
                    struct domain_call **ret_call, const char *what, struct err *e);
void domain_call_free(void *call);

/* ERR_FREEZE names the first filesystem that the agent could not thaw. */
int run_check_released(const Cbsnap__Released *rel, struct err *e);

/* Steps of the way in, shared by snapshot and check: each refuses and changes nothing. */
int step_domain(void *run, struct err *e); /* the domain exists and runs; XML, filesystems */
int step_lock(void *run, struct err *e);   /* this run has the VM, alone */
int step_lock_undo(void *run, struct err *e);
int step_storage(void *run, struct err *e); /* appliances answer; the disks' volumes are found */
int step_link(void *run, struct err *e);    /* the agent answers over its port */
int step_link_undo(void *run, struct err *e);
int step_prepare(void *run, struct err *e); /* the guest is ready and has flushed */
int step_prepare_undo(void *run, struct err *e);
int step_inspect(void *run, struct err *e);  /* prepare's questions without preparing */
int step_coverage(void *run, struct err *e); /* the set would hold the whole database */

/* Readings around the freeze, and what the policy says of them; see observe.c. */
int step_observe(void *run, struct err *e);
int step_observe_undo(void *run, struct err *e);
int step_policy(void *run, struct err *e);  /* ERR_REFUSED, and the findings are in the record */
int step_glance(void *run, struct err *e);  /* both, at once, for who only wants to know */
int step_recheck(void *run, struct err *e); /* it is still the VM that was looked at */
int step_after(void *run, struct err *e);   /* never fails */

/* What the VM is, into the record and onto its root volume; see instance.c. */
int step_instance(void *run, struct err *e);
/* When writers went on, by the guest's clock: unlocked, and all thawed, in whichever order. */
int64_t run_writes_end_us(const Cbsnap__Released *rel);
int step_way_back(void *run,
                  struct err *e); /* only what of it, and of 'exclude', a person should know */
int step_manifest(void *run, struct err *e);
int step_manifest_undo(void *run, struct err *e);

/* Between freeze and thaw; see critical.c. */
extern const struct step critical_steps[];
extern const size_t critical_step_count;

/* The whole of `snapshot`. *ret_exit is the exit status that the manual lists: 0, 2, 3, 4 or 5. */
int snapshot_run(struct run *r, int *ret_exit, struct err *e);

extern const struct plan_watch run_watch;

#endif
