/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The domain "db" and the array with its volumes; see world.h. */
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "tests/fuzz/world.h"
#include "tests/fuzz/world_internal.h"

#define DISK(target, volume, serial)                                                               \
    "<disk type='network' device='disk'><source protocol='iscsi' name='iqn.2016-11.lab:" volume    \
    "/0'><host name='192.0.2.1' port='3260'/></source><target dev='" target                        \
    "' bus='virtio'/><serial>" serial "</serial></disk>"

static const char xml[] =
    "<domain type='kvm' id='7'><name>db</name><uuid>99999999-2222-4333-8444-555555555555</uuid>"
    "<memory>1048576</memory><os><type>hvm</type></os><devices>" DISK(
        "vda", "root", "serial-of-the-root-disk") DISK("vdb", "log", "serial-of-the-log-disk1")
        DISK("vdc", "data",
             "serial-of-the-data-disk") "<channel type='unix'><source mode='bind' "
                                        "path='/nowhere'/><target type='virtio' "
                                        "name='org.cbsnap.agent.0' state='connected'/>"
                                        "</channel></devices></domain>";

/* ---- libvirt --------------------------------------------------------------------------------- */

struct domain {
    bool runs;
};

static struct domain db;

static int no(struct err *e, const char *what)
{
    return err_set(e, ERR_LIBVIRT, "libvirt will not %s", what);
}

static int domain_open(struct domain **ret, const char *uri, const char *name, struct err *e)
{
    (void)uri;
    if (strcmp(name, "db") != 0)
        return err_set(e, ERR_NOT_FOUND, "there is no domain '%s'", name);
    *ret = &db;
    return 0;
}

static void domain_close(struct domain *d)
{
    (void)d;
}

static struct domain *domain_hold(struct domain *d)
{
    return d;
}

static const char *domain_name(const struct domain *d)
{
    (void)d;
    return "db";
}

static const char *domain_uuid(const struct domain *d)
{
    (void)d;
    return "99999999-2222-4333-8444-555555555555";
}

static int domain_running(struct domain *d, struct err *e)
{
    (void)d, (void)e;
    return 0;
}

static int domain_xml(struct domain *d, char **ret, struct err *e)
{
    (void)d, (void)e;
    *ret = xstrdup(xml);
    return 0;
}

static int domain_filesystems(struct domain *d, struct domain_fs_list *ret, struct err *e)
{
    (void)d, (void)e;
    *ret = (struct domain_fs_list){.count = 0};
    return 0;
}

static int domain_ping(struct domain *d, int timeout_s, struct err *e)
{
    (void)d, (void)timeout_s, (void)e;
    return 0;
}

static int domain_status(struct domain *d, int timeout_s, enum agent_freeze *ret, struct err *e)
{
    (void)d, (void)timeout_s, (void)e;
    *ret = world.flags & WORLD_AGENT_FROZEN ? AGENT_FROZEN : AGENT_THAWED;
    return 0;
}

static int domain_freeze(struct domain *d, unsigned *ret_count, struct err *e)
{
    (void)d;
    world.freezes++;
    world.thawed_last = false;
    if (world.flags & WORLD_FREEZE_FAILS)
        return no(e, "freeze");
    *ret_count = world.flags & WORLD_FREEZES_NONE ? 0 : 3;
    return 0;
}

static int domain_thaw(struct domain *d, unsigned *ret_count, struct err *e)
{
    (void)d;
    world.thaws++;
    world.thawed_last = true;
    if (world.flags & WORLD_THAW_FAILS)
        return no(e, "thaw");
    *ret_count = 3;
    return 0;
}

static int domain_writes(struct domain *d, struct disk_writes **ret, size_t *ret_count,
                         struct err *e)
{
    static const char *const targets[] = {"vda", "vdb", "vdc"};
    static uint64_t moving;

    (void)d, (void)e;
    *ret = xcalloc(3, sizeof(**ret));
    for (size_t n = 0; n < 3; n++) {
        (void)snprintf((*ret)[n].target, sizeof((*ret)[n].target), "%s", targets[n]);
        (*ret)[n].requests = world.flags & WORLD_DISKS_WRITE ? ++moving : 7;
        (*ret)[n].bytes = 4096;
    }
    *ret_count = 3;
    return 0;
}

static bool domain_local(struct domain *d)
{
    (void)d;
    return true;
}

static int domain_channel(struct domain *d, const char *name, int *ret_fd, struct err *e)
{
    (void)d, (void)name, (void)ret_fd;
    return no(e, "open the channel");
}

static int domain_state(struct domain *d, enum domain_state *ret, bool *ret_by_guest, struct err *e)
{
    (void)e;
    *ret = d->runs ? DOMAIN_RUNS : DOMAIN_OFF;
    if (ret_by_guest)
        *ret_by_guest = !d->runs;
    return 0;
}

static int domain_host(struct domain *d, struct domain_host *ret, struct err *e)
{
    (void)d, (void)e;
    *ret = (struct domain_host){xstrdup("host"), xstrdup("QEMU 7.2.22"), xstrdup("9.0.0")};
    return 0;
}

static int domain_define(struct domain **ret, const char *uri, const char *text, struct err *e)
{
    (void)uri, (void)text, (void)e;
    *ret = &db;
    return 0;
}

static int domain_start(struct domain *d, struct err *e)
{
    (void)e;
    d->runs = true;
    return 0;
}

static int domain_forget_saved(struct domain *d, struct err *e)
{
    (void)d, (void)e;
    return 0;
}

static int domain_shutdown(struct domain *d, enum domain_shutdown how, struct err *e)
{
    (void)how, (void)e;
    d->runs = false;
    return 0;
}

static int domain_destroy(struct domain *d, struct err *e)
{
    return domain_shutdown(d, DOMAIN_BY_ACPI, e);
}

const struct domain_ops world_domain = {
    .open = domain_open,
    .close = domain_close,
    .hold = domain_hold,
    .name = domain_name,
    .uuid = domain_uuid,
    .running = domain_running,
    .xml = domain_xml,
    .filesystems = domain_filesystems,
    .agent_ping = domain_ping,
    .agent_status = domain_status,
    .freeze = domain_freeze,
    .thaw = domain_thaw,
    .writes = domain_writes,
    .local = domain_local,
    .channel = domain_channel,
    .state = domain_state,
    .definition = domain_xml,
    .secret_definition = domain_xml,
    .host = domain_host,
    .define = domain_define,
    .create = domain_define,
    .start = domain_start,
    .forget_saved = domain_forget_saved,
    .shutdown = domain_shutdown,
    .destroy = domain_destroy,
    .undefine = domain_destroy,
};

/* ---- the array ------------------------------------------------------------------------------- */

#define ASKED_MAX 64

struct array {
    struct storage base;
    struct storage_op *asked[ASKED_MAX];
    bool late[ASKED_MAX];
    size_t count;
};

static const char *const volume_names[WORLD_VOLUMES] = {"root", "log", "data"};

static struct array *array;

static void fill_volume(struct volume *v, const char *name)
{
    *v = (struct volume){.id = xasprintf("id-%s", name),
                         .name = xstrdup(name),
                         .iqn = xasprintf("iqn.2016-11.lab:%s", name),
                         .serial = xstrdup(""),
                         .group = xstrdup("pool1"),
                         .size_bytes = 1 << 30,
                         .free_bytes = 1 << 29};
}

static size_t place_of(const struct volume *v)
{
    for (size_t n = 0; n < WORLD_VOLUMES; n++) {
        if (v->name && strcmp(v->name, volume_names[n]) == 0)
            return n;
    }
    return WORLD_VOLUMES;
}

/* The answer stands already; it is told at the next turn. */
static struct storage_op *asked(struct storage_op *op, bool late)
{
    op->done = false;
    op->err = ERR_INIT;
    op->unsure = false;
    op->started_us = op->ended_us = mono_us();
    if (array->count == ASKED_MAX) {
        op->done = true;
        return op;
    }
    array->late[array->count] = late;
    array->asked[array->count++] = op;
    return op;
}

bool world_array_turn(bool late)
{
    size_t left = 0;
    bool any = false;

    for (size_t n = 0; n < array->count; n++) {
        if (array->late[n] && !late) {
            array->asked[left] = array->asked[n];
            array->late[left++] = true;
            continue;
        }
        array->asked[n]->done = any = true;
        array->asked[n]->ended_us = mono_us();
    }
    array->count = left;
    return any;
}

static void array_list(struct storage *s, int64_t deadline_us, struct storage_op *op)
{
    (void)s, (void)deadline_us;
    op->volumes = xcalloc(WORLD_VOLUMES, sizeof(*op->volumes));
    for (size_t n = 0; n < WORLD_VOLUMES; n++)
        fill_volume(&op->volumes[n], volume_names[n]);
    op->volume_count = WORLD_VOLUMES;
    (void)asked(op, false);
}

static void array_prepare(struct storage *s, const struct volume *volumes, size_t count,
                          const char *name, int64_t deadline_us, struct storage_op *op)
{
    (void)s, (void)volumes, (void)count, (void)name, (void)deadline_us;
    (void)asked(op, false);
}

static void array_snapshot(struct storage *s, const struct volume *v, const char *name,
                           int64_t deadline_us, struct storage_op *op)
{
    size_t at = place_of(v);

    (void)s, (void)name, (void)deadline_us;
    (void)asked(op, true);
    if (at == 1 && (world.flags & WORLD_SNAPSHOT_FAILS)) {
        (void)err_set(&op->err, ERR_STORAGE, "the array says no");
        return;
    }
    if (at < WORLD_VOLUMES)
        world.snapshots[at] = true;
    if (at == 2 && (world.flags & WORLD_SNAPSHOT_MUTE)) {
        op->unsure = true;
        (void)err_set(&op->err, ERR_TIMEOUT, "no answer");
    }
}

static void array_find(struct storage *s, const struct volume *v, const char *name,
                       int64_t deadline_us, struct storage_op *op)
{
    size_t at = place_of(v);

    (void)s, (void)deadline_us;
    op->found = at < WORLD_VOLUMES && world.snapshots[at];
    if (op->found) {
        op->snapshot_path = xasprintf("pool1/%s@%s", v->name, name);
        op->snapshot_time = xstrdup("Fri Nov 4 10:15:00 2016");
    }
    (void)asked(op, false);
}

static void array_remove(struct storage *s, const struct volume *v, const char *name,
                         int64_t deadline_us, struct storage_op *op)
{
    size_t at = place_of(v);

    (void)s, (void)name, (void)deadline_us;
    if (at < WORLD_VOLUMES)
        world.snapshots[at] = false;
    (void)asked(op, false);
}

static void array_list_snapshots(struct storage *s, const struct volume *v, int64_t deadline_us,
                                 struct storage_op *op)
{
    (void)s, (void)v, (void)deadline_us;
    op->snapshots = xcalloc(1, sizeof(*op->snapshots));
    op->snapshots[0] = (struct volume_snapshot){.name = xstrdup("20161104T101500Z-5a5a"),
                                                .path = xstrdup("pool1/x@20161104T101500Z-5a5a"),
                                                .time = xstrdup("")};
    op->snapshot_count = 1;
    (void)asked(op, false);
}

static void array_volume(struct storage *s, const struct volume *v, int64_t deadline_us,
                         struct storage_op *op)
{
    (void)s, (void)v, (void)deadline_us;
    (void)asked(op, false);
}

static void array_rollback(struct storage *s, const struct volume *v, const char *name,
                           int64_t deadline_us, struct storage_op *op)
{
    (void)name;
    array_volume(s, v, deadline_us, op);
}

static void array_clone(struct storage *s, const struct volume *v, const char *name,
                        const char *clone, int64_t deadline_us, struct storage_op *op)
{
    (void)s, (void)v, (void)name, (void)deadline_us;
    op->volumes = xcalloc(1, sizeof(*op->volumes));
    fill_volume(&op->volumes[0], clone);
    op->volume_count = 1;
    (void)asked(op, false);
}

static void array_access(struct storage *s, const struct volume *v, int64_t deadline_us,
                         struct storage_op *op)
{
    op->access = xstrdup("all");
    array_volume(s, v, deadline_us, op);
}

static void array_set_access(struct storage *s, const struct volume *v, const char *access,
                             int64_t deadline_us, struct storage_op *op)
{
    (void)access;
    array_volume(s, v, deadline_us, op);
}

static void array_cancel(struct storage *s, struct storage_op *op)
{
    (void)s;
    for (size_t n = 0; n < array->count; n++) {
        if (array->asked[n] != op)
            continue;
        array->asked[n] = array->asked[--array->count];
        array->late[n] = array->late[array->count];
        op->unsure = true;
        (void)err_set(&op->err, ERR_CANCELLED, "the request was taken back");
        op->done = true;
        return;
    }
}

static void array_close(struct storage *s)
{
    FUZZ_MUST(((struct array *)s)->count == 0);
    free(s);
}

static const struct storage_ops array_ops = {
    .name = "world",
    .close = array_close,
    .list_volumes = array_list,
    .prepare = array_prepare,
    .snapshot = array_snapshot,
    .find_snapshot = array_find,
    .remove_snapshot = array_remove,
    .list_snapshots = array_list_snapshots,
    .rollback = array_rollback,
    .clone = array_clone,
    .remove_volume = array_volume,
    .access = array_access,
    .set_access = array_set_access,
    .stats = array_volume,
    .history = array_volume,
    .cancel = array_cancel,
};

struct storage *world_array_new(void)
{
    array = xcalloc(1, sizeof(*array));
    array->base.ops = &array_ops;
    db.runs = true;
    return &array->base;
}

struct storage **world_storages(void)
{
    struct storage **list = xcalloc(1, sizeof(struct storage *));

    list[0] = world.array;
    return list;
}

size_t world_snapshots(void)
{
    size_t count = 0;

    for (size_t n = 0; n < WORLD_VOLUMES; n++)
        count += world.snapshots[n];
    return count;
}
