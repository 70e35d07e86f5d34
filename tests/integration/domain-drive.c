/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drives one function of host-coordinator/domain or guest from a shell test: prints what came back,
 * or "CODE: words" on stderr and exit 1.
 *
 *     domain-drive URI NAME VERB...      each verb in turn, on one open domain
 *     domain-drive link SOCKET MS        guest_open() on a port
 *     domain-drive hold SOCKET           a program that has the port, until killed
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host-coordinator/domain/domain.h"
#include "host-coordinator/guest/guest.h"
#include "host-coordinator/guest/port.h"
#include "host-coordinator/xml/domain_xml.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

static const struct domain_ops *const ops = &domain_libvirt;

static int show_name(struct domain *d, struct err *e)
{
    (void)e;
    printf("%s %s\n", ops->name(d), ops->uuid(d));
    return 0;
}

static int show_running(struct domain *d, struct err *e)
{
    return ops->running(d, e);
}

static int show_xml(struct domain *d, struct err *e)
{
    AUTO_FREE char *text = NULL;
    struct domain_xml x;

    if (ops->xml(d, &text, e) < 0 || domain_xml_parse(&x, text, e) < 0)
        return -1;
    printf("xml of %s %s\n", x.name, x.uuid);
    for (size_t n = 0; n < x.disk_count; n++)
        printf("disk %s iqn '%s' lun %d\n", x.disks[n].target, x.disks[n].iqn, x.disks[n].lun);
    domain_xml_release(&x);
    return 0;
}

static int show_filesystems(struct domain *d, struct err *e)
{
    struct domain_fs_list list;

    if (ops->filesystems(d, &list, e) < 0)
        return -1;
    for (size_t n = 0; n < list.count; n++)
        printf("%s %s %s on %s\n", list.items[n].mountpoint, list.items[n].device,
               list.items[n].fstype,
               list.items[n].target_count > 0 ? list.items[n].targets[0] : "?");
    domain_fs_list_release(&list);
    return 0;
}

static int show_freeze(struct domain *d, struct err *e)
{
    unsigned count;

    if (ops->freeze(d, &count, e) < 0)
        return -1;
    printf("froze %u\n", count);
    return 0;
}

static int show_thaw(struct domain *d, struct err *e)
{
    unsigned count;

    if (ops->thaw(d, &count, e) < 0)
        return -1;
    printf("thawed %u\n", count);
    return 0;
}

static int show_ping(struct domain *d, struct err *e)
{
    return ops->agent_ping(d, 2, e);
}

static int show_status(struct domain *d, struct err *e)
{
    enum agent_freeze s;

    if (ops->agent_status(d, 2, &s, e) < 0)
        return -1;
    puts(s == AGENT_FROZEN ? "frozen" : "thawed");
    return 0;
}

static int show_writes(struct domain *d, struct err *e)
{
    AUTO_FREE struct disk_writes *w = NULL;
    size_t count;

    if (ops->writes(d, &w, &count, e) < 0)
        return -1;
    for (size_t n = 0; n < count; n++)
        printf("%s %" PRIu64 " %" PRIu64 "\n", w[n].target, w[n].requests, w[n].bytes);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(struct domain *d, struct err *e);
} verbs[] = {
    {"name", show_name},      {"running", show_running}, {"xml", show_xml},
    {"fs", show_filesystems}, {"freeze", show_freeze},   {"thaw", show_thaw},
    {"ping", show_ping},      {"status", show_status},   {"writes", show_writes},
};

static int run_verb(struct domain *d, const char *name, struct err *e)
{
    for (size_t n = 0; n < ARRAY_SIZE(verbs); n++) {
        if (strcmp(verbs[n].name, name) == 0)
            return verbs[n].run(d, e);
    }
    return err_set(e, ERR_USAGE, "no verb '%s'", name);
}

static int drive_domain(char **args, int count, struct err *e)
{
    struct domain *d = NULL;
    int rc = 0;

    if (ops->open(&d, args[0], args[1], e) < 0)
        return -1;
    for (int n = 2; n < count && rc == 0; n++)
        rc = run_verb(d, args[n], e);
    ops->close(d);
    return rc;
}

static void ignore_event(void *arg, const Cbsnap__Envelope *m)
{
    (void)arg;
    (void)m;
}

static int drive_link(const char *path, int ms, struct err *e)
{
    struct loop *loop = loop_new();
    struct guest *g = NULL;
    int64_t deadline_us = mono_us() + (int64_t)ms * 1000;
    int fd, rc = port_connect(loop, path, deadline_us, &fd, e);

    if (rc == 0)
        rc = guest_open(&g, loop, fd, path, ignore_event, NULL, deadline_us, e);
    if (rc == 0)
        printf("agent %s\n", guest_hello(g)->agent_version);
    guest_close(g);
    loop_free(loop);
    return rc;
}

static int hold_port(const char *path, struct err *e)
{
    struct loop *loop = loop_new();
    int fd;

    if (port_connect(loop, path, mono_us() + 2000000, &fd, e) < 0)
        return -1;
    puts("held");
    fflush(stdout);
    for (;;)
        pause();
}

int main(int argc, char **argv)
{
    struct err e = ERR_INIT;
    int rc;

    if (argc == 4 && strcmp(argv[1], "link") == 0)
        rc = drive_link(argv[2], atoi(argv[3]), &e);
    else if (argc == 3 && strcmp(argv[1], "hold") == 0)
        rc = hold_port(argv[2], &e);
    else if (argc >= 3)
        rc = drive_domain(argv + 1, argc - 1, &e);
    else
        rc = err_set(&e, ERR_USAGE,
                     "usage: domain-drive URI NAME VERB... | link SOCKET MS | "
                     "hold SOCKET");
    if (rc < 0)
        fprintf(stderr, "%s: %s\n", err_code_name(e.code), e.msg);
    return rc < 0;
}
