/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/host-coordinator/take_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host-coordinator/policy/policy.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "tests/fake/collect.h"
#include "tests/slow.h"
#include "tests/unit/host-coordinator/chain_trouble.h"
#include "tests/unit/host-coordinator/db_domain.h"

struct world w;

/* ---- the world ------------------------------------------------------------------------------- */

char *world_xml(const char *root)
{
    return db_domain_xml("11111111-2222-3333-4444-555555555555", root, peer_path(w.peer));
}

static void make_conf(void)
{
    int patience = PATIENCE_MS * (int)slowness();

    w.appliances[0] = (struct appliance_config){.name = (char *)"array", .timeout_ms = patience};
    w.appliances[1] = (struct appliance_config){.name = (char *)"second", .timeout_ms = patience};
    w.conf = (struct config){
        .state_dir = w.dir,
        .channel = (char *)"org.cbsnap.agent.0",
        .exclude = (char *)"",
        .answer_ms = patience,
        .libvirt_ms = patience,
        .lease_ms = 600,
        .freeze_ms = patience,
        .max_stall_ms = patience,
        .late_ms = 300,
        .after_ms = 0,
        .appliances = w.appliances,
        .appliance_count = 1,
    };
}

static void make_domain(void)
{
    static const struct disk_writes quiet[] = {
        {"vda", 10, 100}, {"vdb", 20, 200}, {"vdc", 30, 300}};

    w.xml = world_xml("root");
    domain_fake_reset();
    domain_fake_set_xml(w.xml);
    domain_fake_set_counts(3, 0);
    domain_fake_set_writes(quiet, ARRAY_SIZE(quiet));
    domain_fake_on(FAKE_FREEZE, world_hook, NULL);
}

int world_setup(void **state)
{
    (void)state;
    memset(&w, 0, sizeof(w));
    assert_true(make_state_dir(w.dir, "snapshot"));
    w.loop = loop_new();
    loop_catch_signals(w.loop);
    peer_set_patience(10 * PATIENCE_MS * (int)slowness());
    w.peer = peer_start(world_agent);
    w.array = storage_memory_new(w.loop);
    storage_memory_add(w.array, "id-root", "root", "iqn.t:root");
    storage_memory_add(w.array, "id-log", "log", "iqn.t:log");
    storage_memory_add(w.array, "id-data", "data", "iqn.t:data");
    make_conf();
    make_domain();
    log_set_level(LOG_LEVEL_ERROR);
    return 0;
}

int world_teardown(void **state)
{
    AUTO_FREE char *command = xasprintf("rm -rf '%s'", w.dir);
    AUTO_FREE char *trouble = chain_trouble(w.dir);
    const char *problem;

    (void)state;
    domain_fake_reset();
    loop_free(w.loop);
    problem = peer_stop(w.peer);
    free(w.xml);
    free(w.manifest);
    policy_free(w.conf.policy);
    if (problem)
        print_error("the agent: %s\n", problem);
    if (trouble)
        print_error("show --check would find: %s\n", trouble);
    return system(command) != 0 || problem || trouble;
}

void world_again(void)
{
    assert_int_equal(world_teardown(NULL), 0);
    assert_int_equal(world_setup(NULL), 0);
}

void world_add_second(void)
{
    w.second = storage_memory_new(w.loop);
    storage_memory_add(w.second, "id-archive", "archive", "iqn.t:archive");
    free(w.xml);
    w.xml = world_xml("archive");
    domain_fake_set_xml(w.xml);
    w.conf.appliance_count = 2;
}

/* ---- a run ----------------------------------------------------------------------------------- */

/* What hangs in this step is given up on soon, whatever time has passed until here. */
static void hurry(const char *what)
{
    int soon = SOON_MS * (int)slowness();

    if (w.freeze_hangs && strcmp(what, "freeze") == 0)
        w.conf.freeze_ms = w.conf.libvirt_ms = soon;
    if (w.array_hangs && strcmp(what, "snapshots") == 0)
        w.conf.max_stall_ms = (int)((mono_us() - w.locked_us) / 1000) + soon;
    if (w.fault == AGENT_MUTE_AT_END && strcmp(what, "witness") == 0)
        w.conf.answer_ms = soon;
}

/* Told of each step as it begins: a place to break things from. */
static void step_begins(void *arg, const char *what)
{
    (void)arg;
    hurry(what);
    if (w.swapped_xml && strcmp(what, "policy") == 0)
        domain_fake_set_xml(w.swapped_xml);
    if (w.signal_at == SIGNAL_ANNOUNCE && strcmp(what, "announce") == 0)
        kill(getpid(), SIGTERM);
    if (w.signal_at == SIGNAL_CRITICAL && strcmp(what, "freeze") == 0)
        kill(getpid(), SIGTERM);
    if (w.signal_at == SIGNAL_CONFIRM && strcmp(what, "confirm") == 0)
        kill(getpid(), SIGTERM);
    if (w.vanish && strcmp(what, "list") == 0) {
        AUTO_FREE char *command = xasprintf("rm -rf '%s'", w.vanish);

        assert_int_equal(system(command), 0);
    }
}

static void ignore_end(void *arg, const char *what, double ms, const struct err *why)
{
    (void)arg, (void)what, (void)ms, (void)why;
}

static void ignore_text(void *arg, const char *text)
{
    (void)arg, (void)text;
}

static void look_at_readings(struct outcome *out, const struct record *rec, const char *set)
{
    const struct record *load = record_member(rec, "metrics.before.values", "system.load1");
    AUTO_FREE char *path = series_file_path(w.dir, "db", set);
    double seconds;

    out->findings = record_count(rec, "policy.findings");
    out->waited = record_real(rec, "policy.waited_s", &seconds) && seconds > 0.3;
    out->series = access(path, R_OK) == 0;
    (void)(load && record_int(load, "count", &out->load_count));
}

static void look_at_record(struct outcome *out, const struct run *r)
{
    const char *told = record_text(r->record, "verdict");
    struct record *rec = store_load(w.dir, r->set, NULL);

    out->log_lines = record_count(r->record, "guest.log");
    out->witness_disks = record_count(r->record, "witness.disks");
    (void)snprintf(out->told_verdict, sizeof(out->told_verdict), "%s", told ? told : "");
    out->record = rec != NULL;
    collect_record(rec);
    if (told)
        collect_record(r->record); /* what a program is told, written or not */
    if (!rec)
        return;
    (void)snprintf(out->verdict, sizeof(out->verdict), "%s", record_text(rec, "verdict"));
    look_at_readings(out, rec, r->set);
    record_free(rec);
}

struct outcome take(void)
{
    struct outcome out = {.e = ERR_INIT};
    struct run r;

    run_init(&r, &w.conf, &domain_fake, w.loop, "", "db");
    r.report = (struct run_reporter){
        .begin = step_begins, .end = ignore_end, .note = ignore_text, .arg = NULL};
    if (w.report)
        r.report = *w.report;
    r.storages = xcalloc(2, sizeof(*r.storages));
    r.storages[0] = w.array;
    r.storages[1] = w.second;
    (void)snapshot_run(&r, &out.status, &out.e);
    look_at_record(&out, &r);
    out.snapshots = storage_memory_snapshots(w.array);
    if (w.second)
        out.second = storage_memory_snapshots(w.second);
    r.storages[0] = r.storages[1] = NULL; /* looked at above, and closed below */
    for (size_t n = 0; n < r.volume_count; n++)
        assert_true(r.volumes[n].op.done || !r.volumes[n].asked);
    run_release(&r);
    storage_close(w.array);
    storage_close(w.second);
    return out;
}

struct outcome take_with(enum agent_fault fault)
{
    w.fault = fault;
    return take();
}

/* ---- what became of it ----------------------------------------------------------------------- */

void world_await(const atomic_int *count, int least)
{
    for (int n = 0; n < 200 && *count < least; n++)
        usleep(10000);
}

void assert_domain_closed(void)
{
    domain_fake_let_go();
    for (int n = 0; n < 200 && domain_fake_open_count() > 0; n++)
        usleep(10000);
    assert_int_equal(domain_fake_open_count(), 0);
}

static void assert_told(const struct outcome *out, const char *words)
{
    if (!strstr(out->e.msg, words))
        fail_msg("'%s' is not in '%s'", words, out->e.msg);
}

void assert_good(const struct outcome *out)
{
    if (out->status != 0)
        fail_msg("status %d: %s", out->status, out->e.msg);
    assert_string_equal(out->verdict, "application");
}

void assert_refused(const struct outcome *out, const char *words)
{
    assert_int_equal(out->status, 3);
    assert_told(out, words);
    assert_int_equal(domain_fake_calls(FAKE_FREEZE), 0);
    assert_int_equal(domain_fake_calls(FAKE_THAW), 0);
    assert_int_equal(out->snapshots, 0);
}

void assert_void(const struct outcome *out, int status, const char *words)
{
    assert_int_equal(out->status, status);
    assert_told(out, words);
    assert_false(w.locked);
    assert_int_equal(out->snapshots, 0);
    assert_string_equal(out->verdict, "void");
}

void assert_clean_failure(const struct outcome *out, const char *words)
{
    /* one that does not answer is asked again, as long as its lease may last */
    int least = w.fault == AGENT_MUTE_AT_END ? 2 : 1;

    assert_void(out, 4, words);
    world_await(&w.releases, least);
    assert_true(w.releases >= least);
    assert_true(domain_fake_calls(FAKE_THAW) >= 1);
    assert_true(out->record);
    assert_domain_closed();
}
