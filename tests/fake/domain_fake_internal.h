/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What domain_fake.c (the domain's functions and what they answer), domain_fake_calls.c (what every
 * call goes through), domain_fake_estate.c (the domains) and domain_fake_life.c (what changes them)
 * share.
 */
#ifndef CBSNAP_TESTS_DOMAIN_FAKE_INTERNAL_H
#define CBSNAP_TESTS_DOMAIN_FAKE_INTERNAL_H

#include <pthread.h>

#include "tests/fake/domain_fake.h"

#define FAKE_UUID "6f1f5b0e-2f6a-4c68-9f0e-0d6b8a1d6c11"

#define FAKE_VMS_MAX 31

/* Its place is never given to another, so that what was done to it can be asked when it is gone. */
struct fake_vm {
    char name[64], uuid[40];
    char *definition;  /* NULL: transient, or gone */
    char *live;        /* NULL: off */
    char *saved;       /* what its QEMU was, when its memory was saved */
    int64_t off_at_us; /* the guest was asked and will be off then; 0: nobody asked */
    bool away;         /* off since it was migrated */
    bool by_guest;     /* off since its guest shut down */
    unsigned did[FAKE_FN_COUNT];
};

struct fake_estate {
    struct fake_vm vms[FAKE_VMS_MAX];
    size_t count;
    bool strict;             /* the test has defined one */
    int shutdown_ms[2];      /* by enum domain_shutdown */
    struct domain_host host; /* NULL: as they come */
};
extern struct fake_estate estate; /* under the mutex */

/* domain_ops keeps this type to its implementation */
struct domain {
    char name[64], uuid[40];
    unsigned refs;      /* under the mutex */
    unsigned round;     /* the reset() since which it was opened */
    struct fake_vm *vm; /* NULL when no domain was defined; use fake_vm_locked() */
    bool creator;       /* create() made it: the domain ends with the last close() of this */
};

/* A call is under way until its result is written: reset() must not come back before that. */
int fake_enter(void);
void fake_leave(int *entered);
#define CALL __attribute__((cleanup(fake_leave), unused)) int entered_ = fake_enter()

/* The whole of a call but its result: log, hook, delay, hang, failure. Without the mutex. */
int fake_begin(enum domain_fn fn, struct err *e);
/* Is this call's answer to make no sense? */
bool fake_garbage(void);
/* Lets go of what hangs, waits for it, and forgets acts, hooks, effects and log. */
void fake_calls_reset_locked(void);

/* The mutex that guards all of the fake; functions called ..._locked, and estate_*, are under it.
 */
pthread_mutex_t *fake_mutex(void);
struct domain *fake_handle_locked(const char *name, struct fake_vm *vm);
/* NULL also when a reset has taken it away. */
struct fake_vm *fake_vm_locked(const struct domain *d);
char *fake_xml_locked(const struct domain *d);
char *fake_definition_locked(const struct domain *d);
/* of one without a struct fake_vm */ /* the caller frees */

/* What time has done to it: every look at a domain goes through here. */
bool estate_exists(struct fake_vm *vm);
/* What libvirt says when a handle outlives its domain; NULL is there. */
int estate_still_there(struct fake_vm *vm, struct err *e);
void estate_go_off(struct fake_vm *vm, bool by_guest);
void estate_go_on(struct fake_vm *vm, const char *xml); /* with it, or as it is if it is on */
void estate_forget_saved(struct fake_vm *vm);
void estate_replace(char **text, const char *with);
/* The domain that this XML may define: a new one, or the one with both its name and its UUID. */
int estate_place(const char *xml, struct fake_vm **ret, struct err *e);
/* By name, then UUID; success with NULL when no domain was ever defined by the test. */
int estate_find(const char *name, struct fake_vm **ret, struct err *e);
const char *estate_name(const struct fake_vm *vm);
const char *estate_uuid(const struct fake_vm *vm);
/* Live when it runs, else its definition; NULL for NULL. */
const char *estate_xml(struct fake_vm *vm);
int estate_running(struct fake_vm *vm, struct err *e);
void estate_owner_gone(struct fake_vm *vm);
void estate_reset(void);

/* domain_ops: domain_fake_life.c */
int fake_state(struct domain *d, enum domain_state *ret, bool *ret_by_guest, struct err *e);
int fake_definition(struct domain *d, char **ret, struct err *e);
int fake_host(struct domain *d, struct domain_host *ret, struct err *e);
int fake_define(struct domain **ret, const char *uri, const char *xml, struct err *e);
int fake_create(struct domain **ret, const char *uri, const char *xml, struct err *e);
int fake_start(struct domain *d, struct err *e);
int fake_forget_saved(struct domain *d, struct err *e);
int fake_shutdown(struct domain *d, enum domain_shutdown how, struct err *e);
int fake_destroy(struct domain *d, struct err *e);
int fake_undefine(struct domain *d, struct err *e);

#endif
