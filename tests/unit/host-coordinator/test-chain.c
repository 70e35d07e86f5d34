/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What show --check finds of whatever somebody else does to records and chain, and what it does not
 * take for that. Crashes and writers at once: test-chain-crash.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host-coordinator/record/chain.h"
#include "host-coordinator/record/store.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/log.h"

#define A "20261101T000000Z-000a"
#define B "20261102T000000Z-000b"
#define C "20261103T000000Z-000c"

static struct {
    char dir[40];
    struct record *report;
    struct chain_ask ask;
} w;

static void shell(const char *command)
{
    AUTO_FREE char *line = xasprintf("cd '%s/records/db' && { %s; }", w.dir, command);

    if (system(line) != 0)
        fail_msg("%s", line);
}

static void write_set(const char *set, const char *verdict)
{
    struct record *r = record_new();
    struct err e = ERR_INIT;

    record_set_text(r, "set", set);
    record_set_text(r, "verdict", verdict);
    if (store_save(w.dir, "db", set, r, &e) < 0)
        fail_msg("%s", e.msg);
    record_free(r);
}

/* As `verify` and others do. */
static void amend_set(const char *set)
{
    struct err e = ERR_INIT;
    struct record *r = store_load(w.dir, set, &e);

    if (!r)
        fail_msg("%s", e.msg);
    record_set_text(r, "verify.result", "same");
    assert_int_equal(store_save(w.dir, "db", set, r, &e), 0);
    record_free(r);
}

static void remove_set(const char *set)
{
    assert_int_equal(store_remove(w.dir, "db", set, NULL), 0);
}

/* Of whole histories: announced, published, amended, removed. Seven lines; C is gone. */
static void live(void)
{
    write_set(A, "void");
    write_set(A, "application");
    shell("cp " A ".json older");
    write_set(B, "void");
    write_set(C, "void");
    write_set(B, "application");
    amend_set(A);
    remove_set(C);
}

static int setup(void **state)
{
    (void)state;
    memset(&w, 0, sizeof(w));
    strcpy(w.dir, "/tmp/cbsnap-chain-XXXXXX");
    log_set_level(LOG_LEVEL_ERROR);
    return !mkdtemp(w.dir) || store_prepare(w.dir, "db", NULL) < 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    record_free(w.report);
    return nftw(w.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void again(void **state)
{
    assert_int_equal(teardown(state), 0);
    assert_int_equal(setup(state), 0);
}

/* The findings as "KIND SET@LINE ...". */
static char *check(void)
{
    struct buf told = BUF_INIT;
    struct err e = ERR_INIT;

    record_free(w.report);
    w.report = record_new();
    if (chain_check(w.report, w.dir, "db", &w.ask, &e) < 0)
        fail_msg("%s", e.msg);
    for (size_t n = 0; n < record_count(w.report, "findings"); n++) {
        const struct record *f = record_at(w.report, "findings", n);
        int64_t line = 0;

        (void)record_int(f, "line", &line);
        buf_addf(&told, "%s%s %s@%lld", n > 0 ? " " : "", record_text(f, "kind"),
                 record_text(f, "set") ?: "-", (long long)line);
        /* each names its file, and is fit for one line */
        assert_non_null(strstr(record_text(f, "message"), record_text(f, "path")));
        assert_null(strchr(record_text(f, "message"), '\n'));
    }
    return buf_steal(&told);
}

static void assert_found(const char *expected)
{
    AUTO_FREE char *found = check();

    if (strcmp(found, expected) != 0)
        fail_msg("found '%s' where '%s' is to be found", found, expected);
}

static int64_t number(const char *name)
{
    int64_t value = -1;

    (void)record_int(w.report, name, &value);
    return value;
}

/* ---- honest histories ------------------------------------------------------------------------ */

static void what_was_done_by_right_is_not_found(void **state)
{
    (void)state;
    assert_found("");
    live();
    assert_found("");
    assert_int_equal(number("lines"), 7);
    assert_int_equal(number("records"), 2);
    assert_int_equal(number("before"), 0);
    write_set(C, "void"); /* as recover does, whose set has gone meanwhile */
    remove_set(B);
    remove_set(B);
    assert_int_equal(store_remove(w.dir, "nosuch", B, NULL), 0);
    assert_found("");
    assert_int_equal(number("lines"), 9);
}

static void each_record_names_its_line(void **state)
{
    struct record *r;
    int64_t line = 0;

    (void)state;
    live();
    r = store_load(w.dir, A, NULL);
    assert_true(record_int(r, "chain.line", &line));
    assert_int_equal(line, 6);
    record_free(r);
}

/* By hand what the coordinators before the chain did. */
static void old_records_are_from_before_the_chain(void **state)
{
    (void)state;
    shell("rm chain.*; echo '{\"set\":\"" A "\"}' >" A ".json; echo 'no JSON' >" B ".json");
    assert_found("");
    assert_int_equal(number("records"), 2);
    assert_int_equal(number("before"), 2);
    assert_int_equal(number("lines"), -1);
    write_set(C, "void");
    assert_found("");
    assert_int_equal(number("before"), 2);
    assert_int_equal(number("lines"), 3);
    amend_set(A);
    assert_found("");
    assert_int_equal(number("before"), 1);
    assert_int_equal(record_count(w.report, "notes"), 0);
    /* once the chain has begun they are watched like the others */
    shell("echo >>" B ".json");
    assert_found("edited " B "@2");
}

static void a_chain_can_be_begun_anew_by_hand(void **state)
{
    (void)state;
    live();
    shell("echo >>" A ".json; mv chain.jsonl old.chain");
    write_set(C, "void");
    assert_found("");
    assert_int_equal(number("before"), 2);
    assert_non_null(strstr(record_text_at(w.report, "notes", 0), "2 of the records"));
}

/* Whatever lies about: records can still be written, and only what cannot be trusted is told. */
static void odd_files_do_not_stop_the_writing(void **state)
{
    (void)state;
    live();
    shell("rm chain.jsonl; echo x >\"$(printf 'a\\377')\".json");
    write_set(A, "void");
    assert_found("unknown a?@0");
    shell(
        "echo '{\"n\":9223372036854775807,\"at\":\"x\",\"event\":\"written\",\"set\":\"../../x\"}'"
        " >>chain.jsonl; printf 'half a line' >>chain.jsonl");
    write_set(A, "application");
    assert_found("line -@4 unknown a?@0");
    assert_int_equal(number("lines"), 5);
}

/* ---- records --------------------------------------------------------------------------------- */

static void each_change_of_a_record_is_found(void **state)
{
    static const struct {
        const char *command, *found;
    } cases[] = {
        {"sed -i s/application/filesystem/ " A ".json", "edited " A "@6"},
        {"echo >>" A ".json", "edited " A "@6"},
        {": >" A ".json", "edited " A "@6"},
        {"mv older " A ".json", "older " A "@6"},
        {"cp " B ".json " A ".json", "other " A "@6"},
        {"mv " A ".json x; mv " B ".json " A ".json; mv x " B ".json",
         "other " A "@6 other " B "@5"},
        {"rm " A ".json", "missing " A "@6"},
        {"rm " A ".json; mkdir " A ".json", "edited " A "@6"},
        {"rm " A ".json; mkfifo " A ".json", "edited " A "@6"},
        {"rm *.json", "missing " A "@6 missing " B "@5"},
        {"mv " A ".json 20261101T000001Z-000a.json",
         "missing " A "@6 unknown 20261101T000001Z-000a@0"},
        {"cp " A ".json 20251101T000000Z-000f.json", "unknown 20251101T000000Z-000f@0"},
        {"cp " A ".json 20281101T000000Z-000f.json", "unknown 20281101T000000Z-000f@0"},
        {"cp " A ".json " C ".json", "returned " C "@7"},
    };

    for (size_t n = 0; n < ARRAY_SIZE(cases); n++) {
        live();
        assert_found("");
        shell(cases[n].command);
        assert_found(cases[n].found);
        again(state);
    }
}

/* What was edited does not become honest when we amend or remove it. */
static void a_change_is_found_after_we_wrote_over_it(void **state)
{
    (void)state;
    live();
    shell("sed -i s/application/filesystem/ " A ".json; rm " B ".json; cp " A ".json " C ".json");
    amend_set(A);
    amend_set(C);
    write_set(B, "void");
    assert_found("rewritten " A "@8 rewritten " B "@10 rewritten " C "@9");
    shell("echo >>" B ".json");
    remove_set(B);
    assert_found("rewritten " A "@8 rewritten " B "@10 rewritten " B "@11 rewritten " C "@9");
}

static void a_check_of_one_set_tells_of_no_other(void **state)
{
    (void)state;
    live();
    shell("echo >>" A ".json; rm " B ".json");
    w.ask.set = "20261102";
    assert_found("missing " B "@5");
    w.ask.set = C;
    assert_found("");
    w.ask.set = "2027";
    assert_int_equal(chain_check(w.report, w.dir, "db", &w.ask, NULL), 0);
}

/* ---- the chain ------------------------------------------------------------------------------- */

static void each_change_of_the_chain_is_found(void **state)
{
    static const struct {
        const char *command, *found;
    } cases[] = {
        /* A is now as an unknown line left it, and what wrote over that says so as well */
        {"sed -i 2d chain.jsonl", "line -@2 rewritten " A "@5"},
        {"sed -i 1d chain.jsonl", "line -@1 rewritten " A "@1"},
        {"sed -i 7d chain.jsonl", "missing " C "@4"},
        {"sed -i 6,7d chain.jsonl", "cut " A "@0 missing " C "@4"},
        {"sed -i '3{h;d};4{G}' chain.jsonl", "line -@3 line -@4 line -@5"},
        {"sed -i 4p chain.jsonl", "line -@5 rewritten " C "@5"},
        {"sed -i '4s/2026/2025/' chain.jsonl", "line -@5"},
        {"sed -i '4s/.*/nonsense/' chain.jsonl", "line -@4 line -@5 rewritten " C "@7"},
        {"sed -i '7s/.*/nonsense/' chain.jsonl", "line -@7 missing " C "@4"},
        {": >chain.jsonl", "gone -@0"},
        {"rm chain.jsonl", "gone -@0"},
        {"rm chain.*", "gone -@0"},
    };

    for (size_t n = 0; n < ARRAY_SIZE(cases); n++) {
        live();
        assert_found("");
        shell(cases[n].command);
        assert_found(cases[n].found);
        if (strcmp(cases[n].found, "gone -@0") != 0) {
            /* nor is it forgotten, nor anything else taken for it, when we write on */
            write_set("20261104T000000Z-000d", "void");
            assert_found(cases[n].found);
        }
        again(state);
    }
}

/* A chain without a key can be written anew whole. Who noted its head sees that. */
static void a_noted_head_shows_what_the_chain_alone_cannot(void **state)
{
    AUTO_FREE char *head = NULL;

    (void)state;
    write_set(A, "void");
    shell("mkdir then && cp *.json chain.jsonl then");
    write_set(A, "application");
    assert_found("");
    head = xstrdup(record_text(w.report, "head"));
    w.ask.head = head;
    write_set(B, "void");
    assert_found("");
    shell("rm *.json && mv then/* . && rmdir then");
    w.ask.head = NULL;
    assert_found("");
    w.ask.head = head;
    assert_found("head -@0");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(what_was_done_by_right_is_not_found),
        T(each_record_names_its_line),
        T(old_records_are_from_before_the_chain),
        T(a_chain_can_be_begun_anew_by_hand),
        T(odd_files_do_not_stop_the_writing),
        T(each_change_of_a_record_is_found),
        T(a_change_is_found_after_we_wrote_over_it),
        T(a_check_of_one_set_tells_of_no_other),
        T(each_change_of_the_chain_is_found),
        T(a_noted_head_shows_what_the_chain_alone_cannot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
