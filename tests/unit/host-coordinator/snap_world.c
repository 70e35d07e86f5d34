/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The world's life, and a run in it; see snap_world.h. */
#include "tests/unit/host-coordinator/snap_world.h"

#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host-coordinator/back/back.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "tests/fake/collect.h"
#include "tests/slow.h"
#include "tests/unit/host-coordinator/db_domain.h"

struct world w;

#define DB_UUID "6f1f5b0e-2f6a-4c68-9f0e-0d6b8a1d6c11"

static _Noreturn void give_up(const char *what)
{
    fprintf(stderr, "the world cannot be made: %s\n", what);
    abort();
}

/* ---- who plays a part tells of its moments ----------------------------------------------------
 */

static void on_call(void *arg)
{
    enum domain_fn fn = (enum domain_fn)(intptr_t)arg;
    char label[LABEL_SIZE];

    (void)snprintf(label, sizeof(label), "call %s", domain_fake_fn_name(fn));
    (void)world_moment(AT_CALL, (int)fn, label);
}

static void on_request(void *arg, enum memory_command command, const char *volume_id, bool doing)
{
    char label[LABEL_SIZE];

    (void)arg;
    (void)snprintf(label, sizeof(label), "%s %s %s", doing ? "does" : "request",
                   storage_memory_command_name(command), volume_id ? volume_id : "");
    if (!doing && command == MEMORY_SNAPSHOT)
        model_asked();
    (void)world_moment(doing ? AT_DOING : AT_REQUEST, (int)command, label);
    if (doing && command == MEMORY_SNAPSHOT)
        storage_memory_write(w.array, volume_id, model_snapshot(volume_id));
}

static void on_main(uv_async_t *async)
{
    (void)async;
    if (w.call_main.asked && w.witness && w.run)
        w.witness(w.run, &w.call_main.at);
    AUTO_LOCK(lock, &w.mutex);
    w.call_main.asked = false;
    (void)pthread_cond_broadcast(&w.call_main.changed);
}

static bool was_begun(const char *what)
{
    for (size_t n = 0; n < w.begun_count; n++) {
        if (strcmp(w.begun[n], what) == 0)
            return true;
    }
    return false;
}

static void enter(const char *what)
{
    bool undo = was_begun(what);
    AUTO_LOCK(lock, &w.mutex);

    if (!undo && w.begun_count < ARRAY_SIZE(w.begun))
        (void)snprintf(w.begun[w.begun_count++], LABEL_SIZE, "%.40s", what);
    if (w.step_depth == ARRAY_SIZE(w.steps))
        give_up("plans in plans in plans");
    (void)snprintf(w.steps[w.step_depth++], LABEL_SIZE, "%s%.40s", undo ? "undo " : "", what);
}

/*
 * What is waited for in this step is given up on soon when it is to hang. The run's own thread
 * reads the deadlines, so it sets them too: not who meets the fault.
 */
static void hurry_for(const char *step)
{
    for (size_t n = 0; n < w.armed_count; n++) {
        if (fault_hangs(w.armed[n].fault) && strcmp(w.armed[n].at.step, step) == 0)
            world_hurry(true);
    }
}

static void on_begin(void *arg, const char *what)
{
    char label[LABEL_SIZE];

    (void)arg;
    enter(what);
    hurry_for(w.steps[w.step_depth - 1]);
    if (w.disk_once)
        world_disk(-1);
    w.disk_once = false;
    if (w.spoil && strcmp(what, "witness") == 0)
        model_write(1);
    (void)snprintf(label, sizeof(label), "begin %.50s", w.steps[w.step_depth - 1]);
    (void)world_moment(AT_BEGIN, 0, label);
}

static void on_end(void *arg, const char *what, double ms, const struct err *why)
{
    char label[LABEL_SIZE];

    (void)arg, (void)what, (void)ms, (void)why;
    (void)snprintf(label, sizeof(label), "end %.50s", w.steps[w.step_depth - 1]);
    (void)world_moment(AT_END, 0, label);
    AUTO_LOCK(lock, &w.mutex);
    w.step_depth--;
}

static void on_note(void *arg, const char *text)
{
    (void)arg, (void)text;
}

static void on_quiet_end(void *arg, const char *what, double ms, const struct err *why)
{
    (void)arg, (void)what, (void)ms, (void)why;
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
    static const char *const names[WORLD_VOLUMES] = {"root", "log", "data"};

    kept = storage_memory_ops;
    kept.close = keep_open;
    w.array = storage_memory_new(w.loop);
    w.array->ops = &kept;
    for (size_t n = 0; n < WORLD_VOLUMES; n++) {
        AUTO_FREE char *iqn = xasprintf("iqn.t:%s", names[n]);

        storage_memory_add(w.array, world_volumes[n], names[n], iqn);
    }
    storage_memory_on(w.array, on_request, NULL);
}

/* A volume keeps the patience with which it was found. */
void world_hurry(bool on)
{
    w.conf.libvirt_ms = w.conf.answer_ms = on ? 40 * (int)slowness() : 5000;
    w.conf.freeze_ms = w.conf.max_stall_ms = on ? 60 * (int)slowness() : 5000;
}

static void make_conf(bool in_a_hurry)
{
    w.appliances[0] = (struct appliance_config){
        .name = (char *)"array", .timeout_ms = in_a_hurry ? 80 * (int)slowness() : 5000};
    w.conf = (struct config){
        .uri = (char *)"",
        .state_dir = w.dir,
        .channel = (char *)"org.cbsnap.agent.0",
        .exclude = (char *)"",
        .lease_ms = in_a_hurry ? LEASE_MS / 8 * (int)slowness() : LEASE_MS,
        .late_ms = 3 * MEMORY_SLOW_MS,
        .clone_ms = 5000,
        .appliances = w.appliances,
        .appliance_count = 1,
    };
    world_hurry(false);
}

static void make_domain(void)
{
    static const struct {
        enum domain_fn fn;
        int (*effect)(void *arg, struct err *e);
    } effects[] = {
        {FAKE_FREEZE, model_freeze},       {FAKE_THAW, model_thaw},
        {FAKE_STATUS, model_status},       {FAKE_FILESYSTEMS, model_filesystems},
        {FAKE_WRITES, model_count_writes},
    };

    domain_fake_reset();
    domain_fake_one_agent_call();
    domain_fake_set_xml(w.xml);
    domain_fake_set_counts(WORLD_VOLUMES, 0);
    for (int n = 0; n < FAKE_FN_COUNT; n++)
        domain_fake_on((enum domain_fn)n, on_call, (void *)(intptr_t)n);
    for (size_t n = 0; n < ARRAY_SIZE(effects); n++)
        domain_fake_does(effects[n].fn, effects[n].effect, NULL);
}

static void drop_line(void *arg, enum log_level level, const char *line)
{
    (void)arg, (void)level, (void)line;
}

void world_open(bool in_a_hurry)
{
    memset(&w, 0, sizeof(w));
    (void)pthread_mutex_init(&w.mutex, NULL);
    (void)pthread_cond_init(&w.call_main.changed, NULL);
    if (!make_state_dir(w.dir, "faults"))
        give_up("mkdtemp");
    w.loop = loop_new();
    loop_catch_signals(w.loop);
    (void)uv_async_init(loop_uv(w.loop), &w.call_main.async, on_main);
    w.call_main.open = true;
    w.lease_ms = LEASE_MS;
    model_open();
    make_array();
    make_conf(in_a_hurry);
    peer_set_patience(600000); /* longer than a machine may stand still */
    w.peer = peer_start(world_agent);
    w.xml = db_domain_xml(DB_UUID, "root", peer_path(w.peer));
    make_domain();
    log_set_sink(drop_line, NULL);
    (void)signal(SIGPIPE, SIG_IGN); /* as the program does */
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

/* Nobody is called any more. */
static void close_call_main(void)
{
    {
        AUTO_LOCK(lock, &w.mutex);
        w.call_main.open = false;
        (void)pthread_cond_broadcast(&w.call_main.changed);
    }
    uv_close((uv_handle_t *)&w.call_main.async, NULL);
}

/* What goes on alone in the array holds on to the loop. */
static void let_all_end(void)
{
    bool never = false, open = true;

    loop_shield(w.loop, true);
    for (int n = 0; n < 2000 && open; n++) {
        open = false;
        for (int c = 0; c < MEMORY_COMMANDS; c++)
            open = open || storage_memory_open(w.array, (enum memory_command)c) > 0;
        if (open)
            (void)loop_wait(w.loop, &never, mono_in_ms(1), NULL);
    }
}

void world_close(void)
{
    world_disk(-1);
    world_disarm();
    let_all_end();
    close_call_main();
    domain_fake_reset();
    loop_free(w.loop);
    (void)peer_stop(w.peer); /* that nobody comes any more is as it should be */
    w.array->ops = &storage_memory_ops;
    storage_close(w.array);
    free(w.xml);
    world_remove(w.dir);
}

void world_heal(void)
{
    world_disk(-1);
    world_hurry(false);
    world_disarm();
    world_forget_faults();
    w.appliances[0].timeout_ms = 5000;
    w.conf.lease_ms = LEASE_MS;
    w.spoil = false;
    model_heal();
    domain_fake_heal();
    /* threads that were given up close what they had opened */
    for (int n = 0; n < 5000 && domain_fake_open_count() > 0; n++)
        usleep(1000);
    for (int n = 0; n < MEMORY_COMMANDS; n++)
        storage_memory_fault(w.array, (enum memory_command)n, NULL, MEMORY_NO_FAULT, 0);
}

/* ---- a run ----------------------------------------------------------------------------------- */

static struct storage **storages(void)
{
    struct storage **list = xcalloc(1, sizeof(struct storage *));

    list[0] = w.array;
    return list;
}

static void forget_moments(void)
{
    AUTO_LOCK(lock, &w.mutex);

    w.begun_count = w.step_depth = w.seen_count = 0;
}

struct tale world_run(void)
{
    struct tale t = {.e = ERR_INIT};
    struct run r;

    forget_moments();
    model_run_begins();
    run_init(&r, &w.conf, &domain_fake, w.loop, "", "db");
    r.report = (struct run_reporter){.begin = on_begin, .end = on_end, .note = on_note};
    r.storages = storages();
    (void)snprintf(t.set, sizeof(t.set), "%s", r.set);
    w.run = &r;
    hurry_for("");
    t.rc = snapshot_run(&r, &t.status, &t.e);
    w.run = NULL;
    world_disk(-1); /* the test's own files are on another one */
    if (record_text(r.record, "verdict"))
        collect_record(r.record); /* what a program is told, written or not */
    run_release(&r);
    return t;
}

static struct moment *copy_seen(bool undo, size_t *ret_count)
{
    struct moment *list = xcalloc(w.seen_count, sizeof(*list));

    *ret_count = 0;
    for (size_t n = 0; n < w.seen_count; n++) {
        if (!undo || strncmp(w.seen[n].step, "undo ", 5) == 0)
            list[(*ret_count)++] = w.seen[n];
    }
    return list;
}

struct moment *world_moments(bool undo, size_t *ret_count)
{
    /* a machine that stands still for a second has its lease end: not today's question */
    for (int n = 0; n < 5; n++) {
        struct moment *list = NULL;
        struct tale t;

        world_open(false);
        w.spoil = undo;
        t = world_run();
        if (t.status == (undo ? 4 : 0))
            list = copy_seen(undo, ret_count);
        else
            fprintf(stderr, "exit status %d: %s\n", t.status, t.e.msg);
        world_close();
        if (list)
            return list;
    }
    give_up("no run in which all goes well");
}

/* ---- recovering ------------------------------------------------------------------------------ */

size_t world_journals(void)
{
    struct store_names names;
    size_t count;

    if (journal_names(&names, w.conf.state_dir, NULL) < 0)
        return 0;
    count = names.count;
    store_names_release(&names);
    return count;
}

const char *world_recover(void)
{
    static const struct run_reporter silent = {
        .begin = on_note, .end = on_quiet_end, .note = on_note, .arg = NULL};
    static char problem[ERR_TEXT];
    struct store_names names;
    const char *first = NULL;

    if (journal_names(&names, w.conf.state_dir, NULL) < 0)
        return "the journals cannot be listed";
    for (size_t n = 0; n < names.count; n++) {
        struct err e = ERR_INIT;
        struct recovery r = {.what = NULL};

        if (recover_journal(&w.conf, &domain_fake, w.loop, "", names.names[n], storages(), silent,
                            &r, &e) < 0 &&
            !first) {
            (void)snprintf(problem, sizeof(problem), "%s", e.msg);
            first = problem;
        }
        recovery_release(&r);
    }
    store_names_release(&names);
    return first;
}
