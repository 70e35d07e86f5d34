/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The world's life, and a run in it; see back_world.h. */
#include "tests/unit/host-coordinator/back_world.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "tests/slow.h"
#include "tests/unit/host-coordinator/chain_trouble.h"

struct world w;

const char *const volume_ids[3] = {"id-root", "id-log", "id-data"};
static const char *const volume_names[3] = {"lab-root", "lab-log", "lab-data"};
static const char *const targets[3] = {"vda", "vdb", "vdc"};

static _Noreturn void give_up(const char *what, const struct err *e)
{
    fprintf(stderr, "the world cannot be made: %s: %s\n", what, e ? e->msg : "");
    abort();
}

static char *make_definition(void)
{
    struct buf text = BUF_INIT;

    buf_addf(&text,
             "<domain type='kvm'><name>db</name><uuid>%s</uuid><memory unit='KiB'>1048576</memory>"
             "<vcpu>1</vcpu><os><type arch='x86_64'>hvm</type></os><devices>",
             DB_UUID);
    for (size_t n = 0; n < 3; n++)
        buf_addf(&text,
                 "<disk type='network' device='disk'><driver name='qemu' type='raw'/>"
                 "<source protocol='iscsi' name='iqn.t:%s/0'>"
                 "<host name='192.0.2.1' port='3260'/></source><target dev='%s' bus='virtio'/>"
                 "<serial>serial-of-disk-number-%zu</serial></disk>",
                 volume_names[n], targets[n], n);
    buf_addf(&text, "<channel type='unix'><target type='virtio' name='org.cbsnap.agent.0'/>"
                    "</channel></devices></domain>");
    return buf_steal(&text);
}

/* ---- sets ------------------------------------------------------------------------------------ */

void world_snapshot(const char *volume_id, const char *name)
{
    struct storage_op op = {.done = false};
    struct volume v = {.id = (char *)volume_id};
    struct err e = ERR_INIT;

    w.array->ops->snapshot(w.array, &v, name, mono_in_ms(5000), &op);
    if (loop_wait(w.loop, &op.done, mono_in_ms(6000), &e) < 0 || err_is_set(&op.err))
        give_up("snapshot", &op.err);
    storage_op_release(&op);
}

void world_unsnap(const char *volume_id, const char *name)
{
    struct storage_op op = {.done = false};
    struct volume v = {.id = (char *)volume_id};

    w.array->ops->remove_snapshot(w.array, &v, name, INT64_MAX, &op);
    if (loop_wait(w.loop, &op.done, INT64_MAX, NULL) < 0 || err_is_set(&op.err))
        give_up("unsnap", &op.err);
    storage_op_release(&op);
}

static void add_position(struct record *r, const char *id)
{
    record_set_text(r, "position.server_uuid", "uuid-of-the-server");
    record_set_text(r, "position.binlog_file", "binlog.000042");
    record_set_int(r, "position.binlog_offset", SET_CONTENT * 10);
    record_set_text(r, "position.gtid_set", "g:1-100");
    record_set_int(r, "position.innodb_lsn", INT64_C(1) << 30);
    record_set_text(r, "instance.definition", w.definition);
    record_set_text(r, "instance.manifest.path", "/var/lib/cbsnap/manifest");
    record_set_bool(r, "instance.manifest.marked", true);
    (void)id;
}

void world_take_set(const char *id)
{
    struct record *r = record_new();
    struct err e = ERR_INIT;

    record_set_int(r, "schema", RECORD_SCHEMA);
    record_set_text(r, "cbsnap", "0");
    record_set_text(r, "set", id);
    record_set_text(r, "verdict", "application");
    record_append_text(r, "reasons", "by order of the test");
    record_set_text(r, "started", "2016-11-04T10:15:00.000Z");
    record_set_text(r, "domain.name", "db");
    record_set_text(r, "domain.uuid", DB_UUID);
    add_position(r, id);
    for (size_t n = 0; n < 3; n++) {
        struct record *v = record_append(r, "volumes");
        AUTO_FREE char *path = xasprintf("pool/%s@%s", volume_ids[n], id);

        world_snapshot(volume_ids[n], id);
        record_set_text(v, "target", targets[n]);
        record_set_text(v, "appliance", "array");
        record_set_text(v, "id", volume_ids[n]);
        record_set_text(v, "name", volume_names[n]);
        record_set_text(v, "snapshot.name", id);
        record_set_text(v, "snapshot.path", path);
        record_set_text(v, "snapshot.state", "kept");
    }
    if (store_prepare(w.dir, "db", &e) < 0 || store_save(w.dir, "db", id, r, &e) < 0)
        give_up("record", &e);
    record_free(r);
}

/* ---- life ------------------------------------------------------------------------------------ */

/* The array outlives the runs that take it over. */
static void keep_open(struct storage *s)
{
    (void)s;
}

static void make_array(void)
{
    static struct storage_ops kept;

    kept = storage_memory_ops;
    kept.close = keep_open;
    w.array = storage_memory_new(w.loop);
    w.array->ops = &kept;
    for (size_t n = 0; n < 3; n++) {
        AUTO_FREE char *iqn = xasprintf("iqn.t:%s", volume_names[n]);

        storage_memory_add(w.array, volume_ids[n], volume_names[n], iqn);
        storage_memory_write(w.array, volume_ids[n], SET_CONTENT);
    }
}

void world_hurry(bool on)
{
    w.conf.libvirt_ms = on ? 25 * (int)slowness() : 5000;
    w.conf.stop_ms = on ? 15 * (int)slowness() : 5000;
}

void world_hurry_array(bool on)
{
    w.appliances[0].timeout_ms = w.conf.clone_ms = on ? 25 * (int)slowness() : 5000;
}

static void make_conf(void)
{
    w.appliances[0] = (struct appliance_config){.name = (char *)"array"};
    w.conf = (struct config){
        .uri = (char *)"",
        .state_dir = w.dir,
        .channel = (char *)"org.cbsnap.agent.0",
        .exclude = (char *)"",
        .answer_ms = 2000,
        .late_ms = 10,
        .boot_ms = 5000,
        .recovery_ms = 5000,
        .check_ms = 5000,
        .appliances = w.appliances,
        .appliance_count = 1,
    };
    world_hurry(false);
    world_hurry_array(false);
}

void world_open(bool runs)
{
    memset(&w, 0, sizeof(w));
    w.ran = runs;
    if (!make_state_dir(w.dir, "back"))
        give_up("mkdtemp", NULL);
    w.loop = loop_new();
    loop_catch_signals(w.loop);
    w.definition = make_definition();
    make_array();
    make_conf();
    world_take_set(SET_ID);
    for (size_t n = 0; n < 3; n++)
        storage_memory_write(w.array, volume_ids[n], NOW_CONTENT);
    domain_fake_reset();
    domain_fake_define("db", w.definition, runs);
    peer_set_patience(600000); /* longer than a machine may stand still */
    w.peer = peer_start(world_agent);
    domain_fake_set_socket(peer_path(w.peer));
    log_set_level(LOG_LEVEL_ERROR);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

void world_remove(const char *folder)
{
    (void)nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Whatever was done here, the records are as cbsnap-coord left them. */
static void check_chain(void)
{
    AUTO_FREE char *trouble = w.tampered ? NULL : chain_trouble(w.dir);

    if (!trouble)
        return;
    fprintf(stderr, "show --check would find: %s\n", trouble);
    abort();
}

void world_close(void)
{
    check_chain();
    domain_fake_reset();
    loop_free(w.loop);
    (void)peer_stop(w.peer); /* nobody came any more: as it should be */
    w.array->ops = &storage_memory_ops;
    storage_close(w.array);
    free(w.definition);
    world_remove(w.dir);
}

int world_setup(void **state)
{
    (void)state;
    world_open(true);
    return 0;
}

int world_teardown(void **state)
{
    (void)state;
    world_close();
    return 0;
}

void world_heal(void)
{
    world_hurry(false);
    world_hurry_array(false);
    domain_fake_heal();
    /* threads that were given up close what they had opened */
    for (int n = 0; n < 5000 && domain_fake_open_count() > 0; n++)
        usleep(1000);
    for (int n = 0; n < MEMORY_COMMANDS; n++)
        storage_memory_fault(w.array, (enum memory_command)n, NULL, MEMORY_NO_FAULT, 0);
}

/* ---- a run ----------------------------------------------------------------------------------- */

static bool was_begun(const char *what)
{
    for (size_t n = 0; n < w.begun_count; n++) {
        if (strcmp(w.begun[n], what) == 0)
            return true;
    }
    return false;
}

static void look_for_agent(const struct back *b)
{
    AUTO_FREE char *throwaway = xasprintf("%s%s", BACK_VERIFY_PREFIX, b->run.set);
    const char *name = b->method == BACK_VERIFY ? throwaway : b->to ? b->to : "db";

    world_tell_agent(domain_fake_live(name));
}

static void on_begin(void *arg, const char *what)
{
    struct back *b = arg;
    bool undo = was_begun(what);
    AUTO_FREE char *event = xasprintf("begin %s%s", undo ? "undo " : "", what);

    if (!undo && w.begun_count < ARRAY_SIZE(w.begun))
        (void)snprintf(w.begun[w.begun_count++], NAME_MAX_, "%s", what);
    if (strcmp(what, "certify") == 0)
        look_for_agent(b);
    if (w.hook)
        w.hook(b, event);
}

static void on_end(void *arg, const char *what, double ms, const struct err *why)
{
    AUTO_FREE char *event = xasprintf("end %s", what);

    (void)ms, (void)why;
    if (w.hook)
        w.hook(arg, event);
}

static void on_note(void *arg, const char *text)
{
    (void)arg, (void)text;
}

struct storage **world_storages(void)
{
    struct storage **list = xcalloc(1, sizeof(struct storage *));

    list[0] = w.array;
    return list;
}

struct tale world_run_set(struct record *set, struct wanted wanted)
{
    struct tale t = {.e = ERR_INIT, .ran = w.ran, .as = wanted};
    struct back b;

    w.begun_count = 0;
    back_init(&b, &w.conf, &domain_fake, w.loop, "", set);
    b.run.report =
        (struct run_reporter){.begin = on_begin, .end = on_end, .note = on_note, .arg = &b};
    b.run.storages = world_storages();
    b.method = wanted.method;
    b.to = wanted.method == BACK_COPY ? "copy" : NULL;
    b.force = wanted.force;
    b.safety = wanted.method == BACK_SWITCH && !wanted.no_safety;
    b.start = !wanted.no_start;
    b.tables = wanted.tables;
    (void)snprintf(t.run, sizeof(t.run), "%s", b.run.set);
    t.rc = wanted.method == BACK_VERIFY ? verify_run(&b, &t.status, &t.e)
                                        : restore_run(&b, &t.status, &t.e);
    t.compared = b.result.compared_count;
    back_release(&b);
    return t;
}

struct tale world_run(struct wanted wanted)
{
    struct err e = ERR_INIT;
    struct record *set = store_load(w.conf.state_dir, SET_ID, &e);

    if (!set)
        give_up("the set", &e);
    return world_run_set(set, wanted);
}

const char *world_recover(void)
{
    static char text[ERR_TEXT];
    struct run_reporter quiet = {.begin = on_begin, .end = on_end, .note = on_note};
    struct store_names ids = {.count = 0};

    text[0] = '\0';
    w.hook = NULL;
    (void)journal_names(&ids, w.conf.state_dir, NULL);
    for (size_t n = 0; n < ids.count; n++) {
        struct recovery r;
        struct err e = ERR_INIT;

        if (recover_journal(&w.conf, &domain_fake, w.loop, "", ids.names[n], world_storages(),
                            quiet, &r, &e) < 0 &&
            !*text)
            (void)snprintf(text, sizeof(text), "%s", e.msg);
        recovery_release(&r);
    }
    store_names_release(&ids);
    return *text ? text : NULL;
}
