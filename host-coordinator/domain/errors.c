/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libvirt's errors in our words: what an operator does next decides; see domain.h. */
#include "host-coordinator/domain/domain_internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "proto/base/cleanup.h"

#define ANY (-1)

#define SHOWN_MAX 150 /* of a domain's name */

/* by its number: a libvirt that does not name it may be told it by a newer one */
#define AUTH_UNAVAILABLE 94
#if HAVE_AUTH_UNAVAILABLE
_Static_assert(AUTH_UNAVAILABLE == VIR_ERR_AUTH_UNAVAILABLE, "libvirt's numbers do not change");
#endif

/*
 * libvirt has one number for many causes and tells them apart only in its text, which has kept
 * these words from 1.2 to 11. First match counts; %s in a hint is the domain's name.
 */
static const struct {
    int number;       /* virErrorNumber, or ANY */
    const char *text; /* part of the message, or NULL */
    enum err_code code;
    const char *hint; /* NULL: libvirt's words are enough */
} causes[] = {
    {VIR_ERR_NO_DOMAIN, NULL, ERR_NOT_FOUND,
     "virsh list --all shows the domains there are, '%s' is not among them"},
    {ANY, "fsfreeze hook", ERR_FREEZE,
     "the guest's freeze hook failed; its reason is in the guest's journal of qemu-guest-agent and "
     "cbsnap-agent"},
    {ANY, "agent is in frozen state", ERR_FREEZE,
     "it is frozen already; if nobody needs that any more: cbsnap-coord thaw %s"},
    {ANY, "has been disabled", ERR_FREEZE,
     "the guest's qemu-ga blocks this command, as its configuration says (block-rpcs, allow-rpcs, "
     "on CentOS BLACKLIST_RPC), or because domain '%s' is frozen already"},
    {ANY, "has not been found", ERR_FREEZE,
     "the qemu-ga in the guest does not know this command; update it"},
    {ANY, "guest agent is not configured", ERR_REFUSED,
     "give domain '%s' a channel of type unix with the target name org.qemu.guest_agent.0"},
    {ANY, "guest agent is not connected", ERR_REFUSED,
     "install and start qemu-guest-agent in the guest of '%s'"},
    {ANY, "not available due to an error", ERR_REFUSED,
     "restart qemu-guest-agent in the guest of '%s'; if that does not help, restart libvirtd"},
    {VIR_ERR_AGENT_UNRESPONSIVE, NULL, ERR_LIBVIRT,
     "start or restart qemu-guest-agent in the guest of '%s'"},
    {ANY, "acquire state change lock", ERR_BUSY,
     "another call to domain '%s' is still under way; wait for it, or look for what hangs"},
    {ANY, "active channel stream exists", ERR_BUSY,
     "another program has the agent's port through libvirt; end that program or wait until it is "
     "done"},
    {ANY, "cannot find channel", ERR_REFUSED,
     "give domain '%s' the channel: <channel type='unix'><target type='virtio' name='...'/>"},
    /* both a name and a UUID that are taken; libvirt names the other domain */
    {VIR_ERR_OPERATION_FAILED, "already exists with uuid", ERR_REFUSED,
     "the name '%s' is another domain's: virsh list --all --name --uuid shows whose"},
    {VIR_ERR_OPERATION_FAILED, "already defined with uuid", ERR_REFUSED,
     "the UUID meant for '%s' is another domain's: virsh list --all --name --uuid shows whose"},
    {VIR_ERR_OPERATION_INVALID, "already active", ERR_REFUSED, "end it first: virsh shutdown %s"},
    {VIR_ERR_OPERATION_INVALID, "not running", ERR_REFUSED, "start it: virsh start %s"},
    {ANY, "unable to execute QEMU agent command", ERR_FREEZE, NULL},
    {VIR_ERR_AUTH_FAILED, NULL, ERR_AUTH, NULL},
    {VIR_ERR_AUTH_CANCELLED, NULL, ERR_AUTH, NULL},
    {AUTH_UNAVAILABLE, NULL, ERR_AUTH, NULL},
    {VIR_ERR_ACCESS_DENIED, NULL, ERR_AUTH, "libvirt's access rules decide who may do this"},
};

static bool matches(size_t n, const virError *why)
{
    if (causes[n].number != ANY && causes[n].number != why->code)
        return false;
    return !causes[n].text || (why->message && strcasestr(why->message, causes[n].text));
}

/* libvirt's messages of failed agent commands may be long and of several lines. */
static int words(const virError *why)
{
    return why->message ? (int)strcspn(why->message, "\r\n") : 0;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void add_hint(struct err *e, const char *hint, const char *domain_name)
{
    if (hint)
        err_hint(e, hint, domain_name);
}
#pragma GCC diagnostic pop

/* A name that nobody has may be of any length, and would leave no room for libvirt's reason. */
static const char *shown(const char *name, char text[SHOWN_MAX + 4])
{
    if (strlen(name) <= SHOWN_MAX)
        return name;
    (void)snprintf(text, SHOWN_MAX + 4, "%.*s...", SHOWN_MAX, name);
    return text;
}

int libvirt_error_from(struct err *e, const char *what, const char *domain_name,
                       const virError *why)
{
    static const virError none = {.message = NULL};
    char text[SHOWN_MAX + 4];
    const char *name = shown(domain_name, text);
    size_t n = 0;

    if (!why)
        why = &none;
    while (n < ARRAY_SIZE(causes) && !matches(n, why))
        n++;
    err_set(e, n < ARRAY_SIZE(causes) ? causes[n].code : ERR_LIBVIRT, "cannot %s domain '%s': %.*s",
            what, name, why->message ? words(why) : 25,
            why->message ? why->message : "libvirt gives no reason");
    if (n < ARRAY_SIZE(causes))
        add_hint(e, causes[n].hint, name);
    return -1;
}

int libvirt_error(struct err *e, const char *what, const char *domain_name)
{
    return libvirt_error_from(e, what, domain_name, virGetLastError());
}

int libvirt_open_error(struct err *e, const char *uri, const virError *why)
{
    enum err_code code = ERR_LIBVIRT;
    const char *shown = *uri ? uri : "its default";

    if (why && (why->code == VIR_ERR_AUTH_FAILED || why->code == VIR_ERR_AUTH_CANCELLED ||
                why->code == AUTH_UNAVAILABLE || why->code == VIR_ERR_ACCESS_DENIED))
        code = ERR_AUTH;
    err_set(e, code, "cannot connect to libvirt at %s: %.*s", shown,
            why && why->message ? words(why) : 9, why && why->message ? why->message : "no reason");
    return err_hint(e,
                    "libvirtd must run there and let this user in; virsh -c %s list tries the "
                    "same, -c names another place",
                    *uri ? uri : "''");
}
