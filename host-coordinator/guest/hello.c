/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hello both ways: who is there, in which version, and whether it is still the same one. */
#include "host-coordinator/guest/guest_internal.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/compat.h"
#include "proto/base/log.h"

static void read_boot_id(char ret[40])
{
    AUTO_CLOSE int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, ret, 39) : 0;

    ret[n > 0 ? n : 0] = '\0';
    ret[strcspn(ret, "\n")] = '\0';
}

void hello_init(struct guest *g)
{
    /* answers to a coordinator that was here before us may still be on their way */
    if (random_fill(&g->instance, sizeof(g->instance)) < 0)
        g->instance = (uint64_t)mono_us() * 0x9E3779B97F4A7C15u ^ (uint64_t)getpid();
    g->next_id = (uint32_t)(g->instance >> 16);
    read_boot_id(g->boot_id);
}

void hello_send(struct guest *g)
{
    Cbsnap__Hello hello = CBSNAP__HELLO__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    struct err why = ERR_INIT;

    MSG_SET(&hello, protocol, CBSNAP_PROTOCOL);
    MSG_SET(&hello, instance, g->instance);
    hello.boot_id = g->boot_id;
    hello.agent_version = (char *)CBSNAP_VERSION;
    MSG_BODY(&m, hello, HELLO, &hello);
    g->hello_id = guest_next_id(g);
    MSG_SET(&m, id, g->hello_id);
    g->hello_sent_us = mono_us();
    /* who waits for the answer will notice; a link that is lost has told already */
    if (link_send(g->link, &m, &why) < 0)
        log_debug("hello not sent: %s", why.msg);
}

/* Both sides say so, in the words of the one that noticed. */
static void refuse_version(struct guest *g, const Cbsnap__Hello *h)
{
    Cbsnap__Error error = CBSNAP__ERROR__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

    err_set(
        &g->refusal, ERR_PROTOCOL,
        "cbsnap-agent %.40s in the guest speaks protocol %u, cbsnap-coord %s speaks %u; install "
        "the same version on both",
        h->agent_version ? h->agent_version : "of unknown version",
        h->has_protocol ? h->protocol : 0, CBSNAP_VERSION, CBSNAP_PROTOCOL);
    message_from_err(&error, &g->refusal);
    MSG_BODY(&m, error, ERROR, &error);
    (void)link_send(g->link, &m, NULL);
    request_fail_all(g, &g->refusal);
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

/* Whatever the old one was asked, the new one knows nothing of it. */
static void restarted(struct guest *g, const Cbsnap__Hello *before, const Cbsnap__Hello *now)
{
    struct err why = ERR_INIT;

    if (!same_text(before->boot_id, now->boot_id))
        g->clock_known = false; /* its monotonic clock began anew */
    if (!g->opened)
        return; /* what a former agent left on the line */
    g->restarts++;
    err_set(&why, ERR_LOST, "the agent restarted");
    request_fail_all(g, &why);
    hello_send(g);
}

void hello_received(struct guest *g, Cbsnap__Envelope *m)
{
    AUTO_MESSAGE Cbsnap__Envelope *before = g->hello;
    const Cbsnap__Hello *h = m->hello;

    g->hello = m;
    g->met = g->met || !m->has_reply_to;
    if (m->has_reply_to && m->reply_to == g->hello_id && m->has_sent_us)
        clock_learn(g, g->hello_sent_us, mono_us(), m->sent_us);
    if (!h->has_protocol || h->protocol != CBSNAP_PROTOCOL) {
        refuse_version(g, h);
        return;
    }
    if (before && before->hello->instance != h->instance)
        restarted(g, before->hello, h);
    if (g->opened)
        g->event(g->event_arg, m);
}
