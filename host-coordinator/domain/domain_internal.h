/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of this folder share, and what their unit tests look at. Nobody else includes it:
 * it brings libvirt's headers.
 */
#ifndef CBSNAP_DOMAIN_INTERNAL_H
#define CBSNAP_DOMAIN_INTERNAL_H

#include <stdatomic.h>

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "host-coordinator/domain/domain.h"

/*
 * The oldest libvirt that this is built against is 1.2.2 (Ubuntu 14.04). What came later is used
 * only from here on:
 *
 *     since    what                                             before it
 *     1.2.5    virDomainFSFreeze(), virDomainFSThaw()           qemu-ga's commands for the same
 *     1.2.9    VIR_DOMAIN_STATS_BLOCK (virDomainListGetStats()  virDomainBlockStats() of each disk
 *              is of 1.2.8)
 *     1.2.9    VIR_DOMAIN_UNDEFINE_NVRAM                        libvirt keeps no such thing
 *     1.2.11   virDomainGetFSInfo()                             an empty list
 *     1.3.3    VIR_ERR_AUTH_UNAVAILABLE                         its number
 *     5.6.0    VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA         libvirt keeps no such thing
 *     8.9.0    VIR_DOMAIN_UNDEFINE_TPM                          libvirt does it unasked
 *
 * Everything else that this folder takes is of 1.2.0 (LIBVIR_CHECK_VERSION()) or older. `make
 * check-old-libvirt` builds it where all that came after 1.2.2 does not compile.
 */
#define HAVE_FSFREEZE         LIBVIR_CHECK_VERSION(1, 2, 5)
#define HAVE_BLOCK_STATS      LIBVIR_CHECK_VERSION(1, 2, 9)
#define HAVE_NVRAM            LIBVIR_CHECK_VERSION(1, 2, 9)
#define HAVE_FSINFO           LIBVIR_CHECK_VERSION(1, 2, 11)
#define HAVE_AUTH_UNAVAILABLE LIBVIR_CHECK_VERSION(1, 3, 3)
#define HAVE_CHECKPOINTS      LIBVIR_CHECK_VERSION(5, 6, 0)
#define HAVE_UNDEFINE_TPM     LIBVIR_CHECK_VERSION(8, 9, 0)

struct domain {
    atomic_uint refs; /* the opener's, and one for each call under way */
    virConnectPtr conn;
    virDomainPtr dom;
    char *name, *uuid;
};

struct domain *domain_hold(struct domain *d);
void domain_drop(struct domain *d);

static inline void domain_drop_cleanup(struct domain **d)
{
    domain_drop(*d);
}
/* Opens each call: the domain stays until the call is over, whoever closes it meanwhile. */
#define HOLD(d)                                                                                    \
    __attribute__((cleanup(domain_drop_cleanup), unused)) struct domain *held_ = domain_hold(d)

/* `what` completes "cannot ...": "freeze the filesystems of". All return -1. */
int libvirt_error(struct err *e, const char *what, const char *domain_name);
int libvirt_error_from(struct err *e, const char *what, const char *domain_name,
                       const virError *why);
int libvirt_open_error(struct err *e, const char *uri, const virError *why);

/* virDomainListGetStats's answer as counters; see domain_ops.writes. */
int writes_from_params(const virTypedParameter *params, int count, struct disk_writes **ret,
                       size_t *ret_count);

/* The return value of guest-fsfreeze-status in qemu-ga's answer. */
int freeze_status_from(const char *answer, enum agent_freeze *ret);

/* A connection that has no domain yet, */
int domain_connect(struct domain **ret, const char *uri, struct err *e);
/* and its domain, which it owns from now on. NULL, the error being set: -1, and d is gone. */
int domain_adopt(struct domain **ret, struct domain *d, virDomainPtr dom);

/* domain_ops: life.c */
int domain_running(struct domain *d, struct err *e);
int domain_state(struct domain *d, enum domain_state *ret, bool *ret_by_guest, struct err *e);
int domain_start(struct domain *d, struct err *e);
int domain_forget_saved(struct domain *d, struct err *e);
int domain_shutdown(struct domain *d, enum domain_shutdown how, struct err *e);
int domain_destroy(struct domain *d, struct err *e);
/* domain_ops: definition.c */
int domain_definition(struct domain *d, char **ret, struct err *e);
int domain_secret_definition(struct domain *d, char **ret, struct err *e);
int domain_host(struct domain *d, struct domain_host *ret, struct err *e);
int domain_define(struct domain **ret, const char *uri, const char *xml, struct err *e);
int domain_create(struct domain **ret, const char *uri, const char *xml, struct err *e);
int domain_undefine(struct domain *d, struct err *e);

/* State and reason of virDomainGetState; `active`: QEMU is there (virDomainIsActive). */
enum domain_state state_from(int state, int reason, bool active);
bool is_by_guest(int state, int reason);
/* "7.2.22" of 7002022, as libvirt counts; the caller frees. "" of 0. */
char *version_text(unsigned long version);

/* domain_ops: agent.c */
int domain_agent_ping(struct domain *d, int timeout_s, struct err *e);
int domain_agent_status(struct domain *d, int timeout_s, enum agent_freeze *ret, struct err *e);
int domain_freeze(struct domain *d, unsigned *ret_count, struct err *e);
int domain_thaw(struct domain *d, unsigned *ret_count, struct err *e);
int domain_filesystems(struct domain *d, struct domain_fs_list *ret, struct err *e);
/* domain_ops: writes.c */
int domain_writes(struct domain *d, struct disk_writes **ret, size_t *ret_count, struct err *e);
/* domain_ops: channel.c */
bool domain_local(struct domain *d);
int domain_channel(struct domain *d, const char *name, int *ret_fd, struct err *e);

/* "qemu+ssh://host/system" is not local, "qemu:///system" is. */
bool uri_is_local(const char *uri);
/* Runs libvirt's events in a thread of its own, for ever; before the first connection. */
void channel_start_events(void);

#endif
