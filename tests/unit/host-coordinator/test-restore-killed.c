/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The coordinator dies at the beginning or end of each step, of do and undo. A child process goes
 * on from there as the world after its death: with a copy of the folder of records, whose locks are
 * nobody's, a loop of its own, and without the connection to libvirt. There recover is run, also
 * with an array or a libvirt that fails at first, and the observer is asked. The parent is the run
 * itself, and goes on to its next step.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "tests/unit/host-coordinator/back_world.h"
#include "tests/unit/host-coordinator/dead.h"

static struct {
    struct wanted wanted;
    const char *spoiled; /* "begin X": the run is made to fail there */
    bool by_signal;
    size_t deaths, bad;
} k;

/* ---- after the death ------------------------------------------------------------------------- */

enum trouble { NONE, ARRAY_SILENT, ARRAY_REFUSES, LIBVIRT_REFUSES, TROUBLES };

static void make_trouble(enum trouble trouble)
{
    static const enum memory_command commands[] = {MEMORY_REMOVE_VOLUME, MEMORY_REMOVE,
                                                   MEMORY_ROLLBACK, MEMORY_SET_ACCESS};
    static const enum domain_fn fns[] = {FAKE_START, FAKE_DEFINE, FAKE_DESTROY};

    world_hurry_array(trouble == ARRAY_SILENT);
    if (trouble == ARRAY_SILENT)
        storage_memory_fault(w.array, MEMORY_LIST, NULL, MEMORY_HANGS, 1);
    for (size_t n = 0; trouble == ARRAY_REFUSES && n < ARRAY_SIZE(commands); n++)
        storage_memory_fault(w.array, commands[n], "id-log", MEMORY_REFUSES, -1);
    if (trouble == ARRAY_REFUSES)
        storage_memory_fault(w.array, MEMORY_REMOVE_VOLUME, "clone-2", MEMORY_REFUSES, -1);
    for (size_t n = 0; trouble == LIBVIRT_REFUSES && n < ARRAY_SIZE(fns); n++)
        domain_fake_script(fns[n], (struct fake_act){.fail = ERR_LIBVIRT});
}

/* As if recover had been killed just before it removed the journal, too. */
static const char *recover_again(const struct tale *t, const char *journal, const char *kept)
{
    enum world_state was, is;
    const char *why = NULL;

    was = world_standing("db", &why);
    dead_copy_file(kept, journal);
    if (world_recovered_wrong(t))
        return "a second recover spoils what the first has done";
    is = world_standing("db", &why);
    return was == is ? NULL : "a second recover changes what the first has done";
}

static const char *live_on(struct back *b, enum trouble trouble)
{
    struct tale t = {.status = 5, .rc = -1, .ran = w.ran, .as = k.wanted};
    AUTO_FREE char *dead = xasprintf("%s/dead", w.dir);
    AUTO_FREE char *journal = xasprintf("%s/journal/%s.jsonl", dead, b->run.set);
    AUTO_FREE char *kept = xasprintf("%s/kept", dead);
    const char *problem, *failed = NULL;
    bool begun;

    (void)snprintf(t.run, sizeof(t.run), "%s", b->run.set);
    dead_copy(w.dir, dead);
    w.conf.state_dir = dead;
    w.hook = NULL;
    w.loop = loop_new();
    storage_memory_use(w.array, w.loop);
    b->run.ops->close(b->run.domain);
    world_heal();
    problem = world_wrong(&t);        /* also before anybody has looked after it */
    begun = link(journal, kept) == 0; /* keeps what recover will add to it */
    if (!problem && trouble != NONE) {
        make_trouble(trouble);
        failed = world_recover();
        if (failed && world_journals() == 0)
            problem = "a recover that failed has removed the journal";
        world_heal();
    }
    if (!problem)
        problem = world_recovered_wrong(&t);
    if (!problem && begun)
        problem = recover_again(&t, journal, kept);
    return problem;
}

/* Sleeps: neither runs nor has a lock that somebody would wait for. */
static bool sleeps(const char *task)
{
    AUTO_FREE char *path = xasprintf("/proc/self/task/%s/stat", task);
    AUTO_FCLOSE FILE *f = fopen(path, "re");
    char state = '?';

    return f && fscanf(f, "%*d (%*[^)]) %c", &state) == 1 && state == 'S';
}

/* A thread that works or ends may hold a lock that the child would wait for for ever: all but the
 * agent, which waits to be asked, must have gone. */
static bool is_quiet(void)
{
    AUTO_FREE char *own = xasprintf("%d", (int)gettid());
    DIR *d = opendir("/proc/self/task");
    struct dirent *entry;
    size_t others = 0, asleep = 0;

    while (d && (entry = readdir(d))) {
        if (entry->d_name[0] == '.' || strcmp(entry->d_name, own) == 0)
            continue;
        others++;
        asleep += sleeps(entry->d_name);
    }
    if (d)
        closedir(d);
    return others == 1 && asleep == 1;
}

static void wait_alone(void)
{
    for (int n = 0; n < 50000 && !is_quiet(); n++)
        usleep(200);
    if (!is_quiet())
        abort();
}

static void die_at(struct back *b, const char *event)
{
    for (int n = 0; n < TROUBLES; n++) {
        int status = 0;
        pid_t child;

        wait_alone();
        child = fork();
        if (child == 0) {
            const char *problem = live_on(b, (enum trouble)n);

            if (problem)
                fprintf(stderr, "killed at '%s', trouble %d: %s\n", event, n, problem);
            _exit(problem ? 1 : 0);
        }
        if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
            k.bad++;
        k.deaths++;
        AUTO_FREE char *command = xasprintf("%s/dead", w.dir);

        world_remove(command);
    }
}

static void spoil(const char *event)
{
    if (!k.spoiled || strcmp(event, k.spoiled) != 0)
        return;
    if (k.by_signal) {
        kill(getpid(), SIGTERM);
        return;
    }
    domain_fake_script(FAKE_START, (struct fake_act){.fail = ERR_LIBVIRT});
    domain_fake_script(FAKE_START, (struct fake_act){.delay_ms = 0});
}

static void at_each_step(struct back *b, const char *event)
{
    if (!k.spoiled || strstr(event, "undo"))
        die_at(b, event);
    spoil(event);
}

static void try_plan(struct wanted wanted, const char *spoiled, bool by_signal, bool runs)
{
    struct tale t;

    memset(&k, 0, sizeof(k));
    k.wanted = wanted;
    k.spoiled = spoiled;
    k.by_signal = by_signal;
    world_open(runs);
    w.hook = at_each_step;
    t = world_run(wanted);
    assert_world(world_ended_wrong(&t), "the run that did not die");
    assert_true(spoiled ? t.status == 4 : t.status == 0);
    print_message("died %zu times\n", k.deaths);
    assert_true(k.deaths >= 8);
    assert_int_equal(k.bad, 0);
    world_close();
}

static void switching(void **state)
{
    (void)state;
    try_plan((struct wanted){.method = BACK_SWITCH}, NULL, false, true);
}

static void in_place(void **state)
{
    (void)state;
    try_plan((struct wanted){.method = BACK_IN_PLACE}, NULL, false, true);
}

static void copying(void **state)
{
    (void)state;
    try_plan((struct wanted){.method = BACK_COPY}, NULL, false, true);
}

static void verifying(void **state)
{
    (void)state;
    try_plan((struct wanted){.method = BACK_VERIFY}, NULL, false, true);
}

static void undoing(void **state)
{
    (void)state;
    try_plan((struct wanted){.method = BACK_SWITCH}, "begin start", false, true);
    try_plan((struct wanted){.method = BACK_COPY}, "begin start", false, true);
    try_plan((struct wanted){.method = BACK_IN_PLACE}, "begin roll back", true, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(switching), cmocka_unit_test(in_place), cmocka_unit_test(copying),
        cmocka_unit_test(verifying), cmocka_unit_test(undoing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
