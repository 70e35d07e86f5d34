/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A domain that does what a test says: canned results, delays, failures and hangs for each function
 * of domain_ops, and a log of what was called. These are one for the process, whichever domain is
 * meant.
 *
 * With domain_fake_define() it is a libvirt of several domains, each with a name, a UUID, a
 * definition and a state, which define(), create(), start(), shutdown(), destroy() and undefine()
 * change as libvirt does; what a call's act lets fail changes nothing. From the first
 * domain_fake_define() on, open() of any other name is ERR_NOT_FOUND. Before, every name is a
 * domain that runs, and what would change its life succeeds and does nothing.
 *
 * domain_fake_reset() -> set results, script acts -> the code under test -> domain_fake_log().
 * Thread-safe: the functions are called from job threads. By default everything succeeds at once
 * and the write counters stand still.
 */
#ifndef CBSNAP_TESTS_DOMAIN_FAKE_H
#define CBSNAP_TESTS_DOMAIN_FAKE_H

#include <sys/types.h>

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
    FAKE_STATE,
    FAKE_DEFINITION, /* secret_definition() too */
    FAKE_HOST,
    FAKE_DEFINE,
    FAKE_CREATE,
    FAKE_START,
    FAKE_FORGET_SAVED,
    FAKE_SHUTDOWN,
    FAKE_DESTROY,
    FAKE_UNDEFINE,
    FAKE_FN_COUNT
};

/* What one call does, in this order. */
struct fake_act {
    int delay_ms;
    bool hang;          /* until domain_fake_let_go(), _heal() or _reset(); done then */
    bool mute;          /* it is done, and the answer hangs likewise */
    enum err_code fail; /* 0: succeeds */
    const char *words;  /* of the error; NULL: "the fake says no" */
    bool done;          /* with `fail`: it is done all the same */
    bool garbage;       /* it is done, and the answer makes no sense */
};

/* Lets go of what hangs, waits for it, and forgets everything. */
void domain_fake_reset(void);
/* The next call of fn that has no act yet does this; calls beyond the last act repeat it. */
void domain_fake_script(enum domain_fn fn, struct fake_act act);
void domain_fake_let_go(void);
/* Lets go of what hangs, waits for it, and forgets all acts: all is well from now on. */
void domain_fake_heal(void);
/* fork(), for a child in which no call is under way: the threads that made them are the parent's.
 * All of them sleep. */
pid_t domain_fake_fork(void);

/* From now on as libvirt: one call to qemu-ga at a time, so that a thaw waits behind a freeze. */
void domain_fake_one_agent_call(void);

/* Results from now on; the texts and arrays are borrowed until the next reset. */
void domain_fake_set_xml(const char *xml);
/* Its definition, where that is another; borrowed. */
void domain_fake_set_definition(const char *xml);
/* From now on it is on another machine, and its channel is what listens at `path`. */
void domain_fake_set_channel(const char *path);
/* The same of a domain on this machine. */
void domain_fake_set_relay(const char *path);
/* From now on the live XML of a domain has that socket for each channel defined without one. */
void domain_fake_set_socket(const char *path);
void domain_fake_set_filesystems(const struct domain_fs *items, size_t count);
void domain_fake_set_status(enum agent_freeze status);
void domain_fake_set_counts(unsigned frozen, unsigned thawed);
void domain_fake_set_writes(const struct disk_writes *items, size_t count);
/* Called at the start of each call of fn in the job's thread, to let a scripted agent act. It may
 * still script this very call. */
void domain_fake_on(enum domain_fn fn, void (*hook)(void *arg), void *arg);
/* What a call of fn does to the world, in the job's thread: called when it is done, so not when it
 * fails or while it hangs. -1 lets the call fail. */
void domain_fake_does(enum domain_fn fn, int (*effect)(void *arg, struct err *e), void *arg);
const char *domain_fake_fn_name(enum domain_fn fn);

/* ---- several domains ---- */

/* As if an admin had done it: a domain of that name (at most 31), defined with that XML, whose
 * <uuid> is its UUID; without one it gets one. The text is copied. Again for the same name: its
 * definition and state are these now. */
void domain_fake_define(const char *name, const char *xml, bool running);
/* Of one that is there: its definition is that now, and how it runs is not touched. */
void domain_fake_redefine(const char *name, const char *xml);
/* An admin starts it, or pulls its plug. */
void domain_fake_power(const char *name, bool on);
/* An admin has libvirt save its memory: it is off, and the next one who starts it, other than by
 * start(), has it go on with the QEMU that it was, its disks included. */
void domain_fake_save(const char *name);
/* An admin moves it to another host; the definition stays. */
void domain_fake_migrate(const char *name);

#define FAKE_NEVER  (-1) /* the guest is asked and stays up */
#define FAKE_ABSENT (-2) /* nobody is there to be asked: shutdown() fails with ERR_LIBVIRT */
/* How long any guest takes from now on to go off when asked so: ms, FAKE_NEVER or FAKE_ABSENT.
 * 0 after reset: it is off when shutdown() returns. */
void domain_fake_set_shutdown(enum domain_shutdown how, int ms);
/* host() tells these; borrowed until the next reset. */
void domain_fake_set_host(const char *host, const char *hypervisor, const char *libvirt);

/* Its definition, or NULL: not defined, or transient. Static until it is defined anew, or reset. */
const char *domain_fake_definition(const char *name);
/* The XML that its QEMU was started with, or NULL: it does not run. Static as above. */
const char *domain_fake_live(const char *name);
bool domain_fake_runs(const char *name);
/* Calls of fn that changed the domain of that name: FAKE_START does not count one that ran already.
 * FAKE_DEFINE, _CREATE, _START, _SHUTDOWN, _DESTROY, _UNDEFINE; also of a domain that is gone. */
unsigned domain_fake_did(const char *name, enum domain_fn fn);

/* ---- what was called ---- */

/* "open running xml freeze": calls in the order in which they began; static until the next call
 * of this function, which is the main thread's. */
const char *domain_fake_log(void);
unsigned domain_fake_calls(enum domain_fn fn);
/* Domains opened and not closed. */
int domain_fake_open_count(void);

#endif
