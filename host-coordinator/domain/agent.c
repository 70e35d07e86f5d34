/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls that qemu-ga in the guest answers, one at a time; see domain.h. */
#include "host-coordinator/domain/domain_internal.h"

#include <libvirt/libvirt-qemu.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

/* qemu-ga's answer; libvirt has turned its errors into its own. The caller frees. */
static char *ask(struct domain *d, const char *command, int timeout_s, const char *what,
                 struct err *e)
{
    AUTO_FREE char *json = xasprintf("{\"execute\":\"%s\"}", command);
    char *answer = virDomainQemuAgentCommand(d->dom, json, timeout_s, 0);

    if (!answer)
        (void)libvirt_error(e, what, d->name);
    return answer;
}

int domain_agent_ping(struct domain *d, int timeout_s, struct err *e)
{
    HOLD(d);
    AUTO_FREE char *answer = ask(d, "guest-ping", timeout_s, "reach qemu-ga in", e);

    return answer ? 0 : -1;
}

/* The value behind "return": and its blanks, or NULL. */
static const char *return_value(const char *answer)
{
    const char *at = strstr(answer, "\"return\"");

    if (!at)
        return NULL;
    at += strlen("\"return\"");
    at += strspn(at, " \t\r\n");
    if (*at != ':')
        return NULL;
    at++;
    return at + strspn(at, " \t\r\n");
}

int freeze_status_from(const char *answer, enum agent_freeze *ret)
{
    const char *value = return_value(answer);

    if (value && strncmp(value, "\"frozen\"", 8) == 0)
        *ret = AGENT_FROZEN;
    else if (value && strncmp(value, "\"thawed\"", 8) == 0)
        *ret = AGENT_THAWED;
    else
        return -1;
    return 0;
}

int domain_agent_status(struct domain *d, int timeout_s, enum agent_freeze *ret, struct err *e)
{
    HOLD(d);
    static const char what[] = "ask qemu-ga whether it froze";
    AUTO_FREE char *answer = ask(d, "guest-fsfreeze-status", timeout_s, what, e);

    if (!answer)
        return -1;
    if (freeze_status_from(answer, ret) < 0)
        return err_set(e, ERR_LIBVIRT, "cannot %s domain '%s': it answers \"%.100s\"", what,
                       d->name, answer);
    return 0;
}

#if HAVE_FSFREEZE

static int fs_freeze(struct domain *d, const char *what, struct err *e)
{
    int count = virDomainFSFreeze(d->dom, NULL, 0, 0);

    return count >= 0 ? count : libvirt_error(e, what, d->name);
}

static int fs_thaw(struct domain *d, const char *what, struct err *e)
{
    int count = virDomainFSThaw(d->dom, NULL, 0, 0);

    return count >= 0 ? count : libvirt_error(e, what, d->name);
}

#else

static int count_of(struct domain *d, const char *command, const char *what, struct err *e)
{
    AUTO_FREE char *answer = ask(d, command, VIR_DOMAIN_QEMU_AGENT_COMMAND_BLOCK, what, e);
    const char *value = answer ? return_value(answer) : NULL;
    int count;

    if (!answer)
        return -1;
    if (!value || sscanf(value, "%d", &count) != 1 || count < 0)
        return err_set(e, ERR_LIBVIRT, "cannot %s domain '%s': qemu-ga answers \"%.100s\"", what,
                       d->name, answer);
    return count;
}

static int fs_freeze(struct domain *d, const char *what, struct err *e)
{
    return count_of(d, "guest-fsfreeze-freeze", what, e);
}

static int fs_thaw(struct domain *d, const char *what, struct err *e)
{
    return count_of(d, "guest-fsfreeze-thaw", what, e);
}

#endif

/* qemu-ga blocks the freeze command while frozen, in the same words as when it always does. */
static void explain_refusal(struct domain *d, struct err *e)
{
    enum agent_freeze status;

    if (!e || e->code != ERR_FREEZE || !strstr(e->msg, "has been disabled"))
        return;
    if (domain_agent_status(d, 5, &status, NULL) < 0 || status != AGENT_FROZEN)
        return;
    (void)err_set(e, ERR_FREEZE,
                  "cannot freeze domain '%s': it is frozen already; if nobody needs that any more: "
                  "cbsnap-coord thaw %s",
                  d->name, d->name);
}

int domain_freeze(struct domain *d, unsigned *ret_count, struct err *e)
{
    HOLD(d);
    int count = fs_freeze(d, "freeze the filesystems of", e);

    if (count < 0) {
        explain_refusal(d, e);
        return -1;
    }
    *ret_count = (unsigned)count;
    return 0;
}

int domain_thaw(struct domain *d, unsigned *ret_count, struct err *e)
{
    HOLD(d);
    int count = fs_thaw(d, "thaw the filesystems of", e);

    if (count < 0)
        return -1;
    *ret_count = (unsigned)count;
    return 0;
}

#if HAVE_FSINFO

static void copy_fs(struct domain_fs *to, const virDomainFSInfo *from)
{
    *to = (struct domain_fs){
        .mountpoint = xstrdup(from->mountpoint),
        .device = xstrdup(from->name),
        .fstype = xstrdup(from->fstype),
        .targets = xcalloc(from->ndevAlias, sizeof(char *)),
        .target_count = from->ndevAlias,
    };
    for (size_t n = 0; n < from->ndevAlias; n++)
        to->targets[n] = xstrdup(from->devAlias[n]);
}

int domain_filesystems(struct domain *d, struct domain_fs_list *ret, struct err *e)
{
    HOLD(d);
    virDomainFSInfoPtr *info = NULL;
    int count = virDomainGetFSInfo(d->dom, &info, 0);
    struct domain_fs_list list;

    if (count < 0)
        return libvirt_error(e, "list the filesystems of", d->name);
    list.count = (size_t)count;
    list.items = xcalloc(list.count, sizeof(*list.items));
    for (size_t n = 0; n < list.count; n++) {
        copy_fs(&list.items[n], info[n]);
        virDomainFSInfoFree(info[n]);
    }
    free(info);
    *ret = list;
    return 0;
}

#else

/* The serials that guest and domain both show must then do. */
int domain_filesystems(struct domain *d, struct domain_fs_list *ret, struct err *e)
{
    (void)d;
    (void)e;
    *ret = (struct domain_fs_list){.items = NULL};
    return 0;
}

#endif
