/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The observer: what is there now, asked of libvirt, the array and the folder of records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/host-coordinator/back_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

static const char *wrong(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static const char *wrong(const char *fmt, ...)
{
    static char text[512];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return text;
}

/* ---- records --------------------------------------------------------------------------------- */

size_t world_journals(void)
{
    struct store_names ids = {.count = 0};
    size_t count;

    (void)journal_names(&ids, w.conf.state_dir, NULL);
    count = ids.count;
    store_names_release(&ids);
    return count;
}

bool world_has_record(const char *id)
{
    struct record *r = store_load(w.conf.state_dir, id, NULL);

    record_free(r);
    return r != NULL;
}

static bool promises(const struct record *r)
{
    const char *verdict = r ? record_text(r, "verdict") : NULL;

    return verdict && strcmp(verdict, "void") != 0;
}

bool world_promises(const char *id)
{
    struct record *r = store_load(w.conf.state_dir, id, NULL);
    bool good = promises(r);

    record_free(r);
    return good;
}

/* What its record promises, the array has. */
static const char *check_promise(const struct record *r)
{
    const char *id = record_text(r, "set");

    for (size_t n = 0; n < record_count(r, "volumes"); n++) {
        const char *volume = record_text(record_at(r, "volumes", n), "id");

        if (!storage_memory_exists(w.array, volume) || !storage_memory_has(w.array, volume, id))
            return wrong("the record of set %s promises a snapshot of '%s' that is gone", id,
                         volume);
    }
    return NULL;
}

static const char *check_promises(void)
{
    struct store_names names = {.count = 0};
    const char *problem = NULL;

    (void)store_names(&names, w.conf.state_dir, NULL, NULL);
    for (size_t n = 0; n < names.count && !problem; n++) {
        AUTO_FREE char *path = xasprintf("%s/records/%s", w.conf.state_dir, names.names[n]);
        struct record *r = store_read(path, NULL);

        if (promises(r))
            problem = check_promise(r);
        record_free(r);
    }
    store_names_release(&names);
    return problem;
}

/* ---- volumes --------------------------------------------------------------------------------- */

static const char *id_of(const char *iqn)
{
    const char *name = strrchr(iqn, ':');

    return name ? storage_memory_id(w.array, name + 1) : NULL;
}

int world_content(const char *xml)
{
    struct domain_xml x;
    int content = 0;

    if (domain_xml_parse(&x, xml, NULL) < 0 || x.disk_count < 3)
        return CONTENT_GONE;
    /* a fourth disk is none of the set */
    for (size_t n = 0; n < 3 && content >= 0; n++) {
        const char *id = id_of(x.disks[n].iqn);
        int found = id ? storage_memory_content(w.array, id) : CONTENT_GONE;

        content = content == 0 || content == found ? found : id ? CONTENT_MIXED : CONTENT_GONE;
        if (content > 0 && !*storage_memory_access(w.array, id))
            content = CONTENT_LOCKED;
    }
    domain_xml_release(&x);
    return content;
}

static bool defined_with(const char *iqn)
{
    static const char *const names[] = {"db", "copy"};

    for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
        const char *definition = domain_fake_definition(names[n]);
        const char *live = domain_fake_live(names[n]);

        if ((definition && strstr(definition, iqn)) || (live && strstr(live, iqn)))
            return true;
    }
    return false;
}

static bool journal_has(const char *name)
{
    struct store_names ids = {.count = 0};
    bool found = false;

    (void)journal_names(&ids, w.conf.state_dir, NULL);
    for (size_t n = 0; n < ids.count; n++)
        found = found || strstr(name, ids.names[n]);
    store_names_release(&ids);
    return found;
}

static const char *check_snapshots(const struct volume *v)
{
    struct storage_op op = {.done = false};
    const char *problem = NULL;

    w.array->ops->list_snapshots(w.array, v, mono_in_ms(5000), &op);
    if (loop_wait(w.loop, &op.done, mono_in_ms(6000), NULL) < 0 || err_is_set(&op.err))
        problem = wrong("the snapshots of '%s' cannot be listed", v->name);
    for (size_t n = 0; n < op.snapshot_count && !problem; n++) {
        const char *name = op.snapshots[n].name;

        if (!strchr(name, '+') && !world_has_record(name) && !journal_has(name))
            problem = wrong("snapshot '%s' of '%s' is nobody's", name, v->name);
    }
    storage_op_release(&op);
    return problem;
}

static bool is_own(const struct volume *v)
{
    for (size_t n = 0; n < 3; n++) {
        if (strcmp(v->id, volume_ids[n]) == 0)
            return true;
    }
    return false;
}

/* Nothing is left that no record, no journal and no VM names. */
static const char *check_strays(void)
{
    struct storage_op op = {.done = false};
    const char *problem = NULL;

    w.array->ops->list_volumes(w.array, mono_in_ms(5000), &op);
    if (loop_wait(w.loop, &op.done, mono_in_ms(6000), NULL) < 0 || err_is_set(&op.err))
        problem = wrong("the volumes cannot be listed");
    for (size_t n = 0; n < op.volume_count && !problem; n++) {
        const struct volume *v = &op.volumes[n];

        if (!is_own(v) && !defined_with(v->iqn) && !journal_has(v->name))
            problem = wrong("volume '%s' is nobody's", v->name);
        else
            problem = check_snapshots(v);
    }
    storage_op_release(&op);
    return problem;
}

/* ---- the VM ---------------------------------------------------------------------------------- */

static enum world_state odd(const char **ret_why, const char *why)
{
    *ret_why = why;
    return STANDS_ODD;
}

static enum world_state other_standing(const char *domain, const char **ret_why)
{
    const char *definition = domain_fake_definition(domain), *live = domain_fake_live(domain);

    if (!definition && !live)
        return STANDS_BEFORE;
    if (!definition || world_content(definition) != SET_CONTENT ||
        (live && world_content(live) != SET_CONTENT))
        return odd(ret_why, wrong("domain '%s' is neither absent nor the set", domain));
    return STANDS_SET;
}

enum world_state world_standing(const char *domain, const char **ret_why)
{
    const char *definition = domain_fake_definition(domain), *live = domain_fake_live(domain);
    int defined, runs;

    if (strcmp(domain, "db") != 0)
        return other_standing(domain, ret_why);
    if (!definition)
        return odd(ret_why, "the VM is not defined any more");
    defined = world_content(definition);
    runs = live ? world_content(live) : defined;
    if (defined != runs)
        return odd(ret_why, wrong("the VM's definition has %d and its QEMU %d", defined, runs));
    if (defined == SET_CONTENT)
        return STANDS_SET;
    if (defined == NOW_CONTENT && strcmp(definition, w.definition) == 0 && !live == !w.ran)
        return STANDS_BEFORE;
    return odd(ret_why, wrong("the VM is neither as before nor the set: content %d, %s%s", defined,
                              live ? "runs" : "off",
                              strcmp(definition, w.definition) ? ", defined anew" : ""));
}

static const char *check_untouched(const struct tale *t)
{
    static const enum domain_fn changes[] = {FAKE_DEFINE,   FAKE_CREATE,  FAKE_START,
                                             FAKE_SHUTDOWN, FAKE_DESTROY, FAKE_UNDEFINE};

    if (t->as.method == BACK_SWITCH || t->as.method == BACK_IN_PLACE)
        return NULL;
    for (size_t n = 0; n < ARRAY_SIZE(changes); n++) {
        if (domain_fake_did("db", changes[n]) > 0)
            return wrong("the real VM was touched: call %d", (int)changes[n]);
    }
    return NULL;
}

static const char *check_own_volumes(const struct tale *t)
{
    for (size_t n = 0; n < 3 && t->as.method != BACK_IN_PLACE; n++) {
        if (storage_memory_content(w.array, volume_ids[n]) != NOW_CONTENT ||
            !*storage_memory_access(w.array, volume_ids[n]) ||
            !storage_memory_has(w.array, volume_ids[n], SET_ID))
            return wrong("the VM's own volume '%s' was touched", volume_ids[n]);
    }
    return NULL;
}

static const char *check_vm(const char *name)
{
    const char *definition = domain_fake_definition(name), *live = domain_fake_live(name);

    if (live && world_content(live) < 0)
        return wrong("'%s' runs on volumes that are mixed, gone or closed (%d)", name,
                     world_content(live));
    if (definition && world_content(definition) < 0 && world_journals() == 0)
        return wrong("'%s' is defined with volumes that are mixed, gone or closed (%d), and no "
                     "journal tells",
                     name, world_content(definition));
    return NULL;
}

const char *world_wrong(const struct tale *t)
{
    const char *problem = NULL;

    loop_shield(w.loop, true); /* a signal of the case is not the observer's */
    if (storage_memory_rollbacks_in_use(w.array) > 0)
        problem = wrong("a volume was rolled back while somebody could use it");
    problem = problem ? problem : check_vm("db");
    problem = problem ? problem : check_vm("copy");
    problem = problem ? problem : check_untouched(t);
    problem = problem ? problem : check_own_volumes(t);
    problem = problem ? problem : check_strays();
    problem = problem ? problem : check_promises();
    return problem;
}

/* ---- the end --------------------------------------------------------------------------------- */

static const struct record *own_restore(const struct record *set, const char *run)
{
    for (size_t n = 0; n < record_count(set, "restores"); n++) {
        const struct record *r = record_at(set, "restores", n);

        if (strcmp(record_text(r, "id"), run) == 0)
            return r;
    }
    return NULL;
}

/* What the set's record tells of the run. */
static const char *check_told(const struct tale *t)
{
    struct record *set = store_load(w.conf.state_dir, SET_ID, NULL);
    const struct record *r = t->as.method == BACK_VERIFY ? record_at(set, "none", 0) : NULL;
    const char *result = NULL, *problem = NULL;
    const char *expected = t->as.no_start ? "not compared" : t->status == 6 ? "different" : "same";

    if (t->as.method == BACK_VERIFY) {
        result = record_text(set, "verify.result");
    } else {
        r = own_restore(set, t->run);
        result = r ? record_text(r, "result") : NULL;
    }
    if ((t->status == 0 || t->status == 6) && (!result || strcmp(result, expected) != 0))
        problem = wrong("the record says '%s' and not '%s'", result ? result : "nothing", expected);
    if (t->status < 5 && t->status > 0 && t->as.method != BACK_VERIFY && r)
        problem = wrong("the record tells of a restore that was none");
    record_free(set);
    return problem;
}

static const char *check_safety(const struct tale *t, bool expected)
{
    bool promised = world_promises(t->run);

    if (promised != expected)
        return wrong("a safety set is %s", expected ? "missing" : "left");
    for (size_t n = 0; n < 3 && expected; n++) {
        if (!storage_memory_has(w.array, volume_ids[n], t->run))
            return wrong("the safety set lacks '%s'", volume_ids[n]);
    }
    return NULL;
}

static const char *check_done(const struct tale *t)
{
    const char *other = t->as.method == BACK_COPY ? "copy" : "db";
    const char *why = NULL;
    enum world_state found = world_standing(other, &why);
    bool runs = domain_fake_runs(other);

    if (t->as.method == BACK_VERIFY)
        return found == STANDS_BEFORE ? NULL : wrong("verify changed the VM: %s", why ? why : "");
    if (found != STANDS_SET)
        return why ? why : wrong("domain '%s' is not what the set says", other);
    if (runs == t->as.no_start)
        return wrong("domain '%s' %s", other, runs ? "runs" : "does not run");
    return check_safety(t, t->as.method == BACK_SWITCH && !t->as.no_safety);
}

static const char *check_as_before(const struct tale *t)
{
    const char *why = NULL;

    if (world_standing("db", &why) != STANDS_BEFORE)
        return why ? why : "the VM is not as before";
    if (world_standing("copy", &why) != STANDS_BEFORE)
        return why ? why : "a copy is left";
    return check_safety(t, false);
}

const char *world_ended_wrong(const struct tale *t)
{
    AUTO_FREE char *throwaway = xasprintf("%s%s", BACK_VERIFY_PREFIX, t->run);
    const char *problem = world_wrong(t);

    if (!problem && (t->rc == 0) != (t->status == 0 || t->status == 6))
        problem = wrong("it returns %d with exit status %d (%s)", t->rc, t->status, t->e.msg);
    if (!problem && t->status != 5 && world_journals() > 0)
        problem = wrong("exit status %d leaves a journal", t->status);
    if (!problem && t->status != 5 && domain_fake_live(throwaway))
        problem = wrong("the throw-away VM runs on");
    if (!problem && (t->status == 0 || t->status == 6))
        problem = check_done(t);
    else if (!problem && t->status != 5)
        problem = check_as_before(t);
    return problem ? problem : check_told(t);
}

/* Whoever reads the record of the set learns that the VM went back to it. */
static const char *check_told_once(const struct tale *t)
{
    struct record *set = store_load(w.conf.state_dir, SET_ID, NULL);
    const struct record *last = record_at(set, "restores", record_count(set, "restores") - 1);
    size_t told = 0;
    const char *problem = NULL;

    for (size_t n = 0; n < record_count(set, "restores"); n++)
        told += strcmp(record_text(record_at(set, "restores", n), "id"), t->run) == 0;
    if (told != 1)
        problem = wrong("the record tells %zu times of the restore", told);
    else if (record_count(last, "volumes") != record_count(set, "volumes") ||
             !record_text(last, "started"))
        problem = "the record does not tell what the VM was made of";
    record_free(set);
    return problem;
}

const char *world_recovered_wrong(const struct tale *t)
{
    AUTO_FREE char *throwaway = xasprintf("%s%s", BACK_VERIFY_PREFIX, t->run);
    const char *problem, *why = NULL;
    const char *name = t->as.method == BACK_COPY ? "copy" : "db";

    world_heal();
    problem = world_recover();
    problem = problem ? problem : world_wrong(t);
    if (problem)
        return problem;
    if (world_journals() > 0)
        return "recover leaves a journal";
    if (domain_fake_live(throwaway))
        return "recover leaves the throw-away VM";
    if (t->as.method != BACK_VERIFY && world_standing(name, &why) == STANDS_SET)
        return (problem = check_done(t)) ? problem : check_told_once(t);
    return why ? why : check_as_before(t);
}

void world_expect_exit(struct tale t, int status, const char *words)
{
    if (t.status != status)
        fail_msg("exit status %d, not %d: %s", t.status, status, t.e.msg);
    if (words && !strstr(t.e.msg, words))
        fail_msg("'%s' is not in '%s'", words, t.e.msg);
}

void world_expect(struct tale t, int status, const char *words)
{
    world_expect_exit(t, status, words);
    assert_world(world_ended_wrong(&t), t.e.msg);
}
