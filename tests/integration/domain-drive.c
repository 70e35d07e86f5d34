/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drives one function of host-coordinator/domain or guest from a shell test: prints what came back,
 * or "CODE: words" on stderr and exit 1.
 *
 *     domain-drive URI NAME VERB...      each verb in turn, on one open domain
 *     domain-drive define URI FILE VERB...    the same on the domain that FILE defines,
 *     domain-drive create URI FILE VERB...    or on a transient one; says if it ends with its owner
 *     domain-drive rewrite KIND FILE NAME UUID ASSET MIB [TARGET=IQN]...    domain_rewrite(); "-":
 *                                        none; MIB 0: as it is
 *     domain-drive link SOCKET MS        guest_open() on a port
 *     domain-drive hold SOCKET           a program that has the port, until killed
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host-coordinator/domain/domain.h"
#include "host-coordinator/guest/guest.h"
#include "host-coordinator/guest/port.h"
#include "host-coordinator/xml/domain_rewrite.h"
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

static int show_text(const char *what, const char *text, struct err *e)
{
    struct domain_xml x;

    if (domain_xml_parse(&x, text, e) < 0)
        return -1;
    printf("%s of %s %s\n", what, x.name, x.uuid);
    for (size_t n = 0; n < x.disk_count; n++)
        printf("disk %s iqn '%s' lun %d\n", x.disks[n].target, x.disks[n].iqn, x.disks[n].lun);
    domain_xml_release(&x);
    return 0;
}

static int show_xml(struct domain *d, struct err *e)
{
    AUTO_FREE char *text = NULL;

    return ops->xml(d, &text, e) < 0 ? -1 : show_text("xml", text, e);
}

static int show_definition(struct domain *d, struct err *e)
{
    AUTO_FREE char *text = NULL;

    return ops->definition(d, &text, e) < 0 ? -1 : show_text("definition", text, e);
}

static int show_secrets(struct domain *d, struct err *e)
{
    AUTO_FREE char *text = NULL, *secret = NULL;

    if (ops->definition(d, &text, e) < 0 || ops->secret_definition(d, &secret, e) < 0)
        return -1;
    printf("passwords: %s, with secrets: %s\n", strstr(text, "passwd=") ? "yes" : "no",
           strstr(secret, "passwd=") ? "yes" : "no");
    return 0;
}

static int show_state(struct domain *d, struct err *e)
{
    static const char *const names[] = {
        [DOMAIN_OFF] = "off",   [DOMAIN_AWAY] = "away",   [DOMAIN_SAVED] = "saved",
        [DOMAIN_RUNS] = "runs", [DOMAIN_OTHER] = "other",
    };
    enum domain_state s;
    bool by_guest;

    if (ops->state(d, &s, &by_guest, e) < 0)
        return -1;
    printf("state %s%s\n", names[s], by_guest ? " by its guest" : "");
    return 0;
}

static int show_host(struct domain *d, struct err *e)
{
    struct domain_host h;

    if (ops->host(d, &h, e) < 0)
        return -1;
    printf("host '%s' hypervisor '%s' libvirt '%s'\n", h.host, h.hypervisor, h.libvirt);
    domain_host_release(&h);
    return 0;
}

static int shutdown_agent(struct domain *d, struct err *e)
{
    return ops->shutdown(d, DOMAIN_BY_AGENT, e);
}

static int shutdown_acpi(struct domain *d, struct err *e)
{
    return ops->shutdown(d, DOMAIN_BY_ACPI, e);
}

static int run_start(struct domain *d, struct err *e)
{
    return ops->start(d, e);
}

static int run_forget_saved(struct domain *d, struct err *e)
{
    return ops->forget_saved(d, e);
}

static int run_destroy(struct domain *d, struct err *e)
{
    return ops->destroy(d, e);
}

/* For ever: somebody kills us. */
static int run_wait(struct domain *d, struct err *e)
{
    (void)d;
    (void)e;
    puts("waiting");
    fflush(stdout);
    while (pause() < 0)
        ;
    return 0;
}

static int run_undefine(struct domain *d, struct err *e)
{
    return ops->undefine(d, e);
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
    {"name", show_name},
    {"running", show_running},
    {"xml", show_xml},
    {"fs", show_filesystems},
    {"freeze", show_freeze},
    {"thaw", show_thaw},
    {"ping", show_ping},
    {"status", show_status},
    {"writes", show_writes},
    {"definition", show_definition},
    {"secrets", show_secrets},
    {"state", show_state},
    {"host", show_host},
    {"start", run_start},
    {"forget-saved", run_forget_saved},
    {"shutdown-agent", shutdown_agent},
    {"shutdown-acpi", shutdown_acpi},
    {"destroy", run_destroy},
    {"undefine", run_undefine},
    {"wait", run_wait},
};

static int run_verb(struct domain *d, const char *name, struct err *e)
{
    for (size_t n = 0; n < ARRAY_SIZE(verbs); n++) {
        if (strcmp(verbs[n].name, name) == 0)
            return verbs[n].run(d, e);
    }
    return err_set(e, ERR_USAGE, "no verb '%s'", name);
}

static int run_verbs(struct domain *d, char **args, int count, struct err *e)
{
    int rc = 0;

    for (int n = 0; n < count && rc == 0; n++)
        rc = run_verb(d, args[n], e);
    return rc;
}

static int drive_domain(char **args, int count, struct err *e)
{
    struct domain *d = NULL;
    int rc = 0;

    if (ops->open(&d, args[0], args[1], e) < 0)
        return -1;
    rc = run_verbs(d, args + 2, count - 2, e);
    ops->close(d);
    return rc;
}

static char *read_file(const char *path, struct err *e)
{
    AUTO_FCLOSE FILE *f = fopen(path, "r");
    struct buf text = BUF_INIT;
    size_t got;

    if (!f) {
        err_set_sys(e, ERR_IO, errno, "cannot read %s", path);
        return NULL;
    }
    while ((got = fread(buf_reserve(&text, 65536), 1, 65536, f)) > 0)
        text.len += got;
    buf_add(&text, "", 0);
    return buf_steal(&text);
}

static int drive_define(char **args, int count, struct err *e)
{
    AUTO_FREE char *xml = read_file(args[1], e);
    struct domain *d = NULL;
    int rc;

    if (!xml || ops->define(&d, args[0], xml, e) < 0)
        return -1;
    rc = run_verbs(d, args + 2, count - 2, e);
    ops->close(d);
    return rc;
}

/* libvirt ends it after it has seen the connection end. */
static bool ends(struct domain *d, struct err *e)
{
    enum domain_state s;

    for (int n = 0; n < 100; n++) {
        if (ops->state(d, &s, NULL, e) < 0)
            return e->code == ERR_NOT_FOUND;
        usleep(100000);
    }
    return false;
}

/* A second look at it outlives the first one's connection. */
static int drive_create(char **args, int count, struct err *e)
{
    AUTO_FREE char *xml = read_file(args[1], e);
    struct domain *d = NULL, *other = NULL;
    int rc;

    if (!xml || ops->create(&d, args[0], xml, e) < 0)
        return -1;
    rc = ops->open(&other, args[0], ops->name(d), e);
    if (rc == 0)
        rc = run_verbs(d, args + 2, count - 2, e);
    ops->close(d);
    if (rc == 0)
        puts(ends(other, e) ? "gone with its owner" : "it outlives its owner");
    ops->close(other);
    return rc;
}

static const char *or_null(const char *arg)
{
    return strcmp(arg, "-") == 0 ? NULL : arg;
}

static int drive_rewrite(char **args, int count, struct err *e)
{
    static const char *const kinds[] = {
        [REWRITE_MOVE] = "move", [REWRITE_COPY] = "copy", [REWRITE_THROWAWAY] = "throwaway"};
    AUTO_FREE char *xml = read_file(args[1], e), *out = NULL;
    AUTO_FREE struct disk_move *moves = xcalloc((size_t)count, sizeof(*moves));
    struct domain_rewrite how = {.name = or_null(args[2]),
                                 .uuid = or_null(args[3]),
                                 .asset = or_null(args[4]),
                                 .memory_mib = atoi(args[5]),
                                 .disks = moves};

    if (!xml)
        return -1;
    while (how.kind < REWRITE_THROWAWAY && strcmp(kinds[how.kind], args[0]) != 0)
        how.kind++;
    for (int n = 6; n < count; n++) {
        char *iqn = strchr(args[n], '=');

        if (!iqn)
            return err_set(e, ERR_USAGE, "no TARGET=IQN: '%s'", args[n]);
        *iqn++ = '\0';
        moves[how.disk_count++] = (struct disk_move){.target = args[n], .iqn = iqn};
    }
    if (domain_rewrite(&out, xml, &how, e) < 0)
        return -1;
    fputs(out, stdout);
    return 0;
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
    int fd, rc = port_connect(loop, path, mono_us() + 2000000, &fd, e);

    loop_free(loop); /* the descriptor is ours */
    if (rc < 0)
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
    else if (argc >= 4 && strcmp(argv[1], "define") == 0)
        rc = drive_define(argv + 2, argc - 2, &e);
    else if (argc >= 4 && strcmp(argv[1], "create") == 0)
        rc = drive_create(argv + 2, argc - 2, &e);
    else if (argc >= 8 && strcmp(argv[1], "rewrite") == 0)
        rc = drive_rewrite(argv + 2, argc - 2, &e);
    else if (argc >= 3)
        rc = drive_domain(argv + 1, argc - 1, &e);
    else
        rc = err_set(
            &e, ERR_USAGE,
            "usage: domain-drive URI NAME VERB... | define URI FILE VERB... | create URI FILE "
            "VERB... | rewrite KIND FILE NAME UUID ASSET MIB [TARGET=IQN]... | "
            "link SOCKET MS | hold SOCKET");
    if (rc < 0)
        fprintf(stderr, "%s: %s\n", err_code_name(e.code), e.msg);
    return rc < 0;
}
