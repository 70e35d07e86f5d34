/* SPDX-License-Identifier: GPL-2.0-or-later */
/* FAMILY_NET. Source: proc_pid_net(5), /proc/net/dev. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest-agent/sample/procfile.h"
#include "guest-agent/sample/rate.h"
#include "guest-agent/sample/sources.h"

#define NET_MAX  32 /* a host of containers may have thousands: the first ones count */
#define TEXT_MAX (64 * 1024)
#define TX_FIELD 8 /* the eight before it are about receiving */

struct interface {
    char name[32];
    uint64_t rx, tx;
};

struct net {
    struct procfile file;
    int64_t previous_us;
    struct interface previous[NET_MAX];
    size_t count;
};

static void *net_open(const struct source_config *c)
{
    struct net *self = xcalloc(1, sizeof(*self));

    procfile_init(&self->file, c->root, "net/dev");
    return self;
}

static void net_close(void *arg)
{
    struct net *self = arg;

    procfile_release(&self->file);
    free(self);
}

/* "  eth0: RX-BYTES ... TX-BYTES ..."; the two lines of headings have no colon. */
static bool parse(char *line, struct interface *ret)
{
    char *colon = strchr(line, ':'), *name;
    uint64_t field[TX_FIELD + 1];

    if (!colon)
        return false;
    *colon = '\0';
    name = text_word(&line);
    line = colon + 1;
    for (int n = 0; n <= TX_FIELD; n++) {
        if (!text_number(&line, &field[n]))
            return false;
    }
    *ret = (struct interface){.rx = field[0], .tx = field[TX_FIELD]};
    return snprintf(ret->name, sizeof(ret->name), "%s", name) < (int)sizeof(ret->name);
}

static const struct interface *find(const struct net *self, const char *name)
{
    for (size_t n = 0; n < self->count; n++) {
        if (strcmp(self->previous[n].name, name) == 0)
            return &self->previous[n];
    }
    return NULL;
}

static void emit(const struct net *self, const struct interface *now, double seconds,
                 struct sample *to)
{
    const struct interface *before = find(self, now->name);

    /* counters that went back: another interface under the same name */
    if (!before || seconds <= 0 || now->rx < before->rx || now->tx < before->tx)
        return;
    sample_emit_of(to, "net.*.rx", now->name, (double)(now->rx - before->rx) / seconds);
    sample_emit_of(to, "net.*.tx", now->name, (double)(now->tx - before->tx) / seconds);
}

static void net_read(void *arg, struct sample *to)
{
    struct net *self = arg;
    double seconds = seconds_between(self->previous_us, to->mono_us);
    char *text = procfile_read(&self->file, TEXT_MAX), *line;
    struct interface now[NET_MAX] = {{.name = ""}};
    size_t count = 0;

    while (text && count < NET_MAX && (line = text_line(&text))) {
        if (!parse(line, &now[count]) || strcmp(now[count].name, "lo") == 0)
            continue;
        emit(self, &now[count], seconds, to);
        count++;
    }
    memcpy(self->previous, now, count * sizeof(now[0]));
    self->count = count;
    self->previous_us = to->mono_us;
}

const struct source net_source = {
    .name = "network", .lane = LANE_KERNEL, .open = net_open, .read = net_read, .close = net_close};
