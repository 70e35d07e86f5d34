/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the steps that change a domain, or work while it is off, share. Private to this folder. Main
 * thread. */
#ifndef CBSNAP_BACK_VM_H
#define CBSNAP_BACK_VM_H

#include "host-coordinator/back/back.h"

/* A call that starts or ends a QEMU takes longer than one that looks. */
#define VM_LIFE_MS(b) ((b)->run.conf->libvirt_ms * 4)

/* One call whose only result is that it went well; `text` and `how` as it needs them. What it
 * opened becomes the run's domain. ERR_TIMEOUT, ERR_CANCELLED: it may be done, now or later. */
int vm_call(struct back *b, domain_call_fn *fn, const char *text, enum domain_shutdown how,
            int patience_ms, const char *what, struct err *e);
domain_call_fn vm_call_start, vm_call_destroy;
/* *ret_by_guest, if wanted: as domain_ops.state(). */
int vm_read_state(struct back *b, enum domain_state *ret, bool *ret_by_guest, struct err *e);
/* How long after it was asked to shut down a guest may still do so. */
#define VM_GOES_MS(b) ((b)->run.conf->stop_ms * INT64_C(10))
/* Still off? Whoever starts it meanwhile, an administrator or an HA manager, does not ask us. */
int vm_check_off(struct back *b, struct err *e);
/* The error of that, by what it is instead of off. It is theirs from now on, and stays as they have
 * it. */
int vm_taken_by_others(struct back *b, enum domain_state state, struct err *e);
/* The live XML of the run's domain, for the caller to free. */
int vm_live_xml(struct back *b, char **ret, struct err *e);
/* The same read, which tells where the agent's port is. Once it is defined with
 * clones it must run from them. */
int vm_read_live(struct back *b, struct err *e);

/* 1: it is there, and is the run's domain now; 0: there is none of that name; -1: nobody knows. */
int vm_look_at(struct back *b, const char *name, char **ret_definition, enum domain_state *ret,
               struct err *e);
/* A clone of this act stands in that definition. */
bool vm_names_clone(const struct back *b, const char *xml);
/* Ends the domain of that name, if there is one. */
int vm_end_by_name(struct back *b, const char *name, struct err *e);

/* What the set says; one of before definitions were kept is restored by the present one. Borrowed.
 */
const char *vm_set_definition(const struct back *b);
/* Makes b->new_definition from the set's: onto the clones, or, before there are any, as a rehearsal
 * onto the volumes themselves. */
struct domain_rewrite;
int vm_make_over(struct back *b, struct domain_rewrite *how, struct err *e);
/* The end of a rehearsal: nothing of it stays, and what did not fit is ERR_REFUSED. Returns rc. */
int vm_rehearsed(struct back *b, int rc, struct err *e);
/* Can the definition be made over, and what it makes be started? Before anything is touched. */
int vm_define_fits(struct back *b, struct err *e);
void vm_make_uuid(char uuid[37]);

#endif
