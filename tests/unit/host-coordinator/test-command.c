/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cbsnap-coord as a program meets it: with --json there is exactly one JSON document on stdout,
 * whatever goes wrong, and the exit status is the manual's. libvirt is its own test driver, which
 * needs no daemon; the appliance is a port where nobody listens.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host-coordinator/record/record.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

static char dir[] = "/tmp/cbsnap-command-XXXXXX";
static char program[4096];

static void shell(const char *command)
{
    AUTO_FREE char *line = xasprintf("cd '%s' && { %s; }", dir, command);

    if (system(line) != 0)
        fail_msg("%s", line);
}

static void write_file(const char *name, mode_t mode, const char *text)
{
    AUTO_FREE char *path = xasprintf("%s/%s", dir, name);
    AUTO_FCLOSE FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(chmod(path, mode), 0);
}

/* What libvirt's test driver shows at test://$DIR/node.xml: one that is off. */
static void write_node(void)
{
    write_file("node.xml", 0644,
               "<node><domain type='test' xmlns:test="
               "'http://libvirt.org/schemas/domain/test/1.0'><name>off1</name><memory>1024</memory>"
               "<os><type>hvm</type></os><test:runstate>5</test:runstate></domain></node>");
    assert_int_equal(setenv("DIR", dir, 1), 0);
}

static int setup(void **state)
{
    AUTO_FREE char *conf = NULL;

    (void)state;
    assert_non_null(mkdtemp(dir));
    conf = xasprintf("[libvirt]\nuri = test:///default\n[files]\nstate_dir = %s/state\n"
                     "credentials = %s/credentials\n[appliance a]\n"
                     "url = https://127.0.0.1:1/client/api\ntimeout_ms = 500\n",
                     dir, dir);
    write_file("coord.conf", 0644, conf);
    write_file("credentials", 0600, "[appliance a]\napi_key = k\n");
    write_node();
    return 0;
}

static int teardown(void **state)
{
    AUTO_FREE char *command = xasprintf("rm -rf '%s'", dir);

    (void)state;
    return system(command);
}

/* stdout as text, for the caller to free; stderr goes to a file. */
static char *run(const char *args, int *ret_status)
{
    AUTO_FREE char *command =
        xasprintf("'%s' --config '%s/coord.conf' %s 2>'%s/stderr'", program, dir, args, dir);
    struct buf out = BUF_INIT;
    FILE *f = popen(command, "r");
    int status;
    size_t n;

    assert_non_null(f);
    do {
        n = fread(buf_reserve(&out, 4096), 1, 4096, f);
        out.len += n;
    } while (n > 0);
    buf_add(&out, "", 0);
    status = pclose(f);
    assert_true(WIFEXITED(status));
    *ret_status = WEXITSTATUS(status);
    return buf_steal(&out);
}

/* What the last one said there, for the caller to free. */
static char *told_on_stderr(void)
{
    AUTO_FREE char *path = xasprintf("%s/stderr", dir);
    AUTO_CLOSE int fd = open(path, O_RDONLY);
    struct buf text = BUF_INIT;

    assert_true(fd >= 0 && buf_read(&text, fd, 65536) == 0);
    buf_add(&text, "", 0);
    return buf_steal(&text);
}

struct command_case {
    const char *args;
    int status;
    const char *words; /* in the document; NULL: any */
};

/* A rule that cannot mean what it says is never just a rule that does not fire. */
static void wrong_rules_are_told_by_check(void **state)
{
    AUTO_FREE char *args = xasprintf("--json --config '%s/wrong.conf' check test", dir);
    AUTO_FREE char *out = NULL;
    int status;

    (void)state;
    write_file("wrong.conf", 0644, "[policy]\nrefuse = innodb.trx_oldset > 120\n");
    out = run(args, &status);
    assert_int_equal(status, 2);
    if (!strstr(out, "wrong.conf line 2 column 10: there is no metric 'innodb.trx_oldset'"))
        fail_msg("%s", out);
}

static void check_looks_where_the_records_go(void **state)
{
    int status;

    (void)state;
    shell("mkdir -p state && touch state/records");
    AUTO_FREE char *out = run("check test", &status);
    assert_int_equal(status, 3);
    if (!strstr(out, "FAIL state") || !strstr(out, "/state/records': Not a directory"))
        fail_msg("%s", out);
    shell("rm -r state");
    AUTO_FREE char *fine = run("check test", &status);
    assert_non_null(strstr(fine, "ok   state"));
    shell("! test -e state");
}

#define LONG_NAME "$(printf %5000s | tr ' ' x)"

static void json_is_one_document_in_every_case(void **state)
{
    static const struct command_case cases[] = {
        {"--json", 2, "no command given"},
        {"--json nonsense", 2, "no command 'nonsense'"},
        {"--json --nonsense list", 2, "'--nonsense'"},
        {"list --nonsense --json", 2, "'--nonsense'"},
        {"list --json -x", 2, "'-x'"},
        {"list --json -c", 2, "'-c' needs a value"},
        {"list --json --config", 2, "'--config' needs a value"},
        {"--json check", 2, "usage: cbsnap-coord check DOMAIN"},
        {"--json --config /nonexistent/x check db", 2, "/nonexistent/x"},
        {"--json list", 0, NULL},
        {"--json list ../etc", 2, "'../etc'"},
        {"--json prune db --keep-last 3 --repair", 2, "give both"},
        {"--json prune ../etc --keep-last 3", 2, "'../etc'"},
        {"--json restore 2016 --to a/b", 2, "--to: 'a/b' cannot be"},
        {"--json restore 2016 --to ..", 2, "--to: '..' cannot be"},
        {"--json restore 2016 --to ''", 2, "--to: '' cannot be"},
        {"--json restore 2016 --to \"$(printf 'a\\nb')\"", 2, "--to: 'a?b' cannot be"},
        {"--json restore 2016 --to db2", 2, "there is no set '2016'"},
        {"--json verify 2016 --tables orders", 2, "--tables: 'orders' is no schema.table"},
        {"--json verify 2016 --tables shop.orders,.b", 2, "--tables: '.b' is no schema.table"},
        {"--json verify 2016 --tables ,", 2, "--tables: it names no table"},
        {"--json verify 2016 --tables a.b --certificate-only", 2, "give one"},
        {"--json verify 2016 --tables 'a.b, c.d'", 2, "there is no set '2016'"},
        {"--json prune db --keep-last 1 --keep-within 0d", 2, "'0d' is no length of time above 0"},
        {"--json prune db --keep-last 1 --keep-within 3", 2, "--keep-within '3' is no length"},
        {"--json prune db --keep-within '2127-01-01 00:00'", 2, "'2127-01-01 00:00' is no length"},
        {"--json prune db --keep-within @1478254500", 2, "'@1478254500' is no length"},
        {"--json prune db --keep-within -3d", 2, "'-3d' is no length"},
        {"--json prune db --keep-within 99999999999999999999w", 2, "w' is no length"},
        {"--json prune db --keep-within 2w", 2, "there are no records of a domain 'db'"},
        {"--json show 2016", 2, "there is no set '2016'"},
        {"--json thaw nosuch", 3, "'nosuch'"},
        {"--json thaw \"$(printf 'a\\033[2Jb')\"", 3, "'a?[2Jb'"},
        {"--json thaw " LONG_NAME, 3, "x...': Domain not found"},
        {"--json check " LONG_NAME, 3, "x...' is not among them"},
        {"--json list " LONG_NAME, 2, "x' cannot be the name of a folder of records"},
        {"--json show " LONG_NAME, 2, "cbsnap-coord list shows all"},
        {"--json thaw test", 0, "has no channel"},
        {"--json -c test://$DIR/node.xml thaw off1", 3,
         "domain 'off1' is shut off: nothing is frozen;"},
        {"--json check nosuch", 3, "'nosuch'"},
        {"--json check test", 3, NULL},
        {"--json snapshot nosuch", 3, "'nosuch'"},
        {"--json snapshot test", 3, "'test'"},
        {"--json -c nowhere:/// snapshot test", 3, "nowhere:///"},
    };

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(cases); n++) {
        int status;
        AUTO_FREE char *out = run(cases[n].args, &status);
        struct err e = ERR_INIT;
        struct record *r = record_parse(out, cases[n].args, &e);

        if (!r)
            fail_msg("%s: %s: '%s'", cases[n].args, e.msg, out);
        if (status != cases[n].status)
            fail_msg("%s: exit %d: %s", cases[n].args, status, out);
        if (cases[n].words && !strstr(out, cases[n].words))
            fail_msg("%s: '%s' is not in %s", cases[n].args, cases[n].words, out);
        record_free(r);
    }
}

/* Who reads the documents would else wait for ever, and not know for what. */
static void watch_says_once_why_there_is_nothing_to_see(void **state)
{
    static const struct command_case cases[] = {
        {"-c test://$DIR/node.xml watch --json off1", 0, "domain 'off1' is shut off"},
        {"watch --json test", 0, "domain 'test' has no channel"},
    };

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(cases); n++) {
        AUTO_FREE char *args = xasprintf("%s & sleep 5; kill $!; wait $!", cases[n].args);
        struct err e = ERR_INIT;
        int status;
        AUTO_FREE char *out = run(args, &status);
        struct record *r = record_parse(out, "watch", &e);

        assert_int_equal(status, cases[n].status);
        if (!r) /* there is none, or more than one */
            fail_msg("%s: '%s'", e.msg, out);
        if (!strstr(record_text(r, "state"), cases[n].words))
            fail_msg("%s", out);
        record_free(r);
    }
}

/* ---- import: a root volume is a guest's, and not trusted --------------------------------------
 */

#define OWN_ID   "20161104T101500Z-7f3a"
#define FOLDER   "root/var/lib/cbsnap/instance"
#define MANIFEST FOLDER "/" OWN_ID ".json"

static char *earlier(const char *id, const char *domain, const char *uuid, const char *snapshot)
{
    return xasprintf(
        "{\"schema\":1,\"set\":\"%s\",\"verdict\":\"application\",\"domain\":{\"name\":"
        "\"%s\",\"uuid\":\"%s\"},\"volumes\":[{\"target\":\"vda\",\"appliance\":\"a\","
        "\"id\":\"v\",\"snapshot\":{\"name\":\"%s\"}}]}",
        id, domain, uuid, snapshot);
}

static bool has_record(const char *name)
{
    AUTO_FREE char *path = xasprintf("%s/state/records/%s.json", dir, name);

    return access(path, F_OK) == 0;
}

static void import_takes_what_a_domain_may_say_of_itself(void **state)
{
    AUTO_FREE char *good = earlier("20161104T091500Z-0001", "db", "u", "20161104T091500Z-0001");
    AUTO_FREE char *other = earlier("20161104T091500Z-0002", "ab", "u", "20161104T091500Z-0002");
    AUTO_FREE char *foreign = earlier("20161104T091500Z-0003", "db", "u", OWN_ID);
    AUTO_FREE char *uuid = earlier("20161104T091500Z-0004", "db", "../x", "20161104T091500Z-0004");
    AUTO_FREE char *id = earlier("----------T----------", "db", "u", "----------T----------");
    AUTO_FREE char *args = xasprintf("import '%s/root'", dir);
    AUTO_FREE char *manifest =
        xasprintf("{\"schema\":1,\"set\":\"" OWN_ID "\",\"domain\":{\"name\":\"db\"},\"instance\":"
                  "{\"definition\":\"<domain/>\"},\"earlier\":[%s,%s,%s,%s,%s,7]}",
                  foreign, other, uuid, id, good);
    AUTO_FREE char *out = NULL;
    int status;

    (void)state;
    /* its own set is known, though its record cannot be read: it stays */
    shell("mkdir -p state/records/db " FOLDER " && echo half >state/records/db/" OWN_ID ".json");
    write_file(MANIFEST, 0600, manifest);
    out = run(args, &status);
    assert_int_equal(status, 0);
    assert_string_equal(out, "20161104T091500Z-0001  db  application\n");
    shell("grep -q half state/records/db/" OWN_ID ".json");
    shell("grep -q '<domain/>' state/records/db/20161104T091500Z-0001.json");
    assert_false(has_record("ab/20161104T091500Z-0002"));
    assert_false(has_record("db/20161104T091500Z-0003"));
    AUTO_FREE char *checked = run("show --check db", &status);
    if (status != 0 || !strstr(checked, "2 records, 1 from before the chain"))
        fail_msg("%s", checked);
    shell("rm -r state/records");
}

/* The units of the timers name a VM so. That the appliance does not answer is what stops prune. */
static void a_uuid_is_a_domain_where_libvirt_is_not_asked(void **state)
{
#define UUID "6f1f5b0e-2f6a-4c68-9f0e-0d6b8a1d6c11"
    AUTO_FREE char *one = earlier("20261124T091500Z-0001", "db", UUID, "20261124T091500Z-0001");
    AUTO_FREE char *two = earlier("20261124T091500Z-0002", "ab", "u", "20261124T091500Z-0002");
    AUTO_FREE char *manifest =
        xasprintf("{\"set\":\"" OWN_ID "\",\"domain\":{\"name\":\"db\"},\"earlier\":[%s]}", one);
    AUTO_FREE char *second =
        xasprintf("{\"set\":\"" OWN_ID "\",\"domain\":{\"name\":\"ab\"},\"earlier\":[%s]}", two);
    AUTO_FREE char *args = xasprintf("import '%s/root' --domain " UUID, dir);
    int status;

    (void)state;
    shell("mkdir -p " FOLDER);
    write_file(MANIFEST, 0600, manifest);
    write_file(FOLDER "/20261125T000000Z-0003.json", 0600, second);
    AUTO_FREE char *imported = run(args, &status);
    assert_string_equal(imported, "20261124T091500Z-0001  db  application\n");
    AUTO_FREE char *known = run("prune " UUID " --keep-last 1", &status);
    assert_int_equal(status, 3);
    AUTO_FREE char *unknown = run("prune 6f1f5b0e2f6a4c689f0e0d6b8a1d6c12 --keep-last 1", &status);
    assert_int_equal(status, 2);
    shell("rm -r root state/records");
#undef UUID
}

static void import_follows_no_link_and_waits_for_no_pipe(void **state)
{
    AUTO_FREE char *args = xasprintf("import '%s/root'", dir);
    int status;

    (void)state;
    shell("mkdir -p " FOLDER " && rm -f " MANIFEST " && mkfifo " MANIFEST
          " && ln -s /etc/passwd " FOLDER "/20161104T101500Z-0001.json");
    AUTO_FREE char *out = run(args, &status);
    assert_int_equal(status, 4);
    assert_string_equal(out, "");
    shell("! grep -q root: stderr && grep -q 'nothing was imported.*2 sets are left' stderr");
    shell("mv root/var root/moved && ln -s moved root/var");
    AUTO_FREE char *linked = run(args, &status);
    assert_int_equal(status, 2);
    assert_string_equal(linked, "");
    shell("rm -r root");
}

/* What could be made a record, and hardly be written to any more, is not: it could not be removed
 * then. */
static void import_leaves_out_what_is_too_long(void **state)
{
    AUTO_FREE char *good = earlier("20261124T091500Z-0001", "db", "u", "20261124T091500Z-0001");
    AUTO_FREE char *endless = xcalloc(1, 9000001);
    AUTO_FREE char *manifest = NULL, *args = xasprintf("import '%s/root'", dir);
    int status;

    (void)state;
    memset(endless, 'x', 9000000);
    manifest = xasprintf("{\"schema\":1,\"set\":\"" OWN_ID "\",\"domain\":{\"name\":\"db\"},"
                         "\"earlier\":[{\"set\":\"20261124T091500Z-0002\",\"verdict\":"
                         "\"void\",\"domain\":{\"name\":\"db\"},\"server\":\"%s\"},%s]}",
                         endless, good);
    shell("mkdir -p state/records/db " FOLDER " && echo half >state/records/db/" OWN_ID ".json");
    write_file(MANIFEST, 0600, manifest);
    AUTO_FREE char *out = run(args, &status), *told = told_on_stderr();
    assert_int_equal(status, 0);
    assert_string_equal(out, "20261124T091500Z-0001  db  application\n");
    if (!strstr(told, "set '20261124T091500Z-0002' in '") || !strstr(told, "it is too long for"))
        fail_msg("%s", told);
    shell("rm -r root state/records");
}

/* The newest one alone is on a root volume that had no earlier set: a script must not go on. */
static void import_of_a_damaged_manifest_alone_is_no_success(void **state)
{
    AUTO_FREE char *args = xasprintf("import '%s/root'", dir);
    AUTO_FREE char *json = xasprintf("--json %s", args);
    AUTO_FREE char *good = earlier("20261124T091500Z-0001", "db", "u", "20261124T091500Z-0001");
    AUTO_FREE char *later = xasprintf("{\"set\":\"20261124T101500Z-0002\",\"domain\":{\"name\":"
                                      "\"db\"},\"earlier\":[%s]}",
                                      good);
    int status;

    (void)state;
    shell("mkdir -p " FOLDER);
    write_file(FOLDER "/20261124T091500Z-0001.json", 0600, "{\"set\": \"20261124T0915");
    AUTO_FREE char *out = run(args, &status), *told = told_on_stderr();
    assert_int_equal(status, 4);
    assert_string_equal(out, "");
    if (!strstr(told, "20261124T091500Z-0001.json") || !strstr(told, "1 set is left out"))
        fail_msg("%s", told);
    AUTO_FREE char *document = run(json, &status);
    assert_int_equal(status, 4);
    assert_non_null(strstr(document, "nothing was imported from '"));
    /* of which a later one tells is not lost, the first time and the second */
    shell("mkdir -p state/records/db && echo half >state/records/db/20261124T101500Z-0002.json");
    write_file(FOLDER "/20261124T101500Z-0002.json", 0600, later);
    AUTO_FREE char *first = run(args, &status);
    assert_int_equal(status, 0);
    assert_string_equal(first, "20261124T091500Z-0001  db  application\n");
    AUTO_FREE char *second = run(args, &status);
    assert_int_equal(status, 0);
    assert_string_equal(second, "no set that has no record yet\n");
    shell("rm -r root state/records");
}

static void import_of_what_is_no_folder_says_what_to_give(void **state)
{
    static const char *const args[] = {"import /dev/null", "import /nope"};

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(args); n++) {
        int status;
        AUTO_FREE char *out = run(args[n], &status), *told = told_on_stderr();

        assert_string_equal(out, "");
        if (status != 2 || !strstr(told, "(give the folder at which a set's root volume is"))
            fail_msg("%s: status %d, %s", args[n], status, told);
    }
}

static void import_without_manifests_says_so(void **state)
{
    AUTO_FREE char *args = xasprintf("import '%s/root'", dir);
    int status;

    (void)state;
    shell("mkdir -p " FOLDER " && touch " FOLDER "/notes.json " FOLDER "/" OWN_ID ".json.tmp");
    AUTO_FREE char *out = run(args, &status), *told = told_on_stderr();
    assert_int_equal(status, 2);
    assert_string_equal(out, "");
    if (!strstr(told, "there are no manifests in '") || !strstr(told, "/" FOLDER "'"))
        fail_msg("%s", told);
    shell("rm -r " FOLDER);
    AUTO_FREE char *missing = run(args, &status);
    assert_int_equal(status, 2);
    assert_string_equal(missing, "");
    shell("rm -r root");
}

/* Whatever the command: what a person must mend is 2, and what may pass, 3. */
static void one_cause_has_one_status(void **state)
{
    /* check and snapshot ask qemu-ga first, which the test driver does not have */
    static const char *const commands[] = {"delete " OWN_ID " --force", "prune test --keep-last 1",
                                           "prune test --orphans --dry-run", "verify " OWN_ID,
                                           "restore " OWN_ID " --to other"};
    static const struct {
        const char *appliance, *words;
        int status;
    } causes[] = {
        {"url = https://nosuch.invalid/client/api", "host 'nosuch.invalid' is not known", 3},
        {"url = https://127.0.0.1:1/client/api", "cannot connect to", 3},
        {"url = https://127.0.0.1:1/client/api\nca = /nonexistent/ca", "cannot read 'ca' file", 2},
    };
    AUTO_FREE char *set = earlier(OWN_ID, "test", "6695eb01-f6a4-8304-79aa-97f2502e193f", OWN_ID);

    (void)state;
    shell("mkdir -p state/records/test state/journal");
    write_file("state/records/test/" OWN_ID ".json", 0600, set);
    for (size_t n = 0; n < ARRAY_SIZE(causes); n++) {
        AUTO_FREE char *conf = xasprintf("[libvirt]\nuri = test:///default\n[files]\n"
                                         "state_dir = %s/state\ncredentials = %s/credentials\n"
                                         "[appliance a]\ntimeout_ms = 5000\n%s\n",
                                         dir, dir, causes[n].appliance);

        write_file("cause.conf", 0644, conf);
        for (size_t k = 0; k < ARRAY_SIZE(commands); k++) {
            AUTO_FREE char *args =
                xasprintf("--json --config '%s/cause.conf' %s", dir, commands[k]);
            int status;
            AUTO_FREE char *out = run(args, &status);

            if (status != causes[n].status || !strstr(out, causes[n].words))
                fail_msg("%s: exit %d: %s", commands[k], status, out);
        }
    }
    shell("rm -r state/records");
}

static void without_json_an_error_leaves_stdout_empty(void **state)
{
    static const char *const args[] = {"", "nonsense", "-x", "show 2016", "snapshot nosuch"};

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(args); n++) {
        int status;
        AUTO_FREE char *out = run(args[n], &status);

        assert_string_equal(out, "");
        assert_true(status == 2 || status == 3);
    }
}

/* Behind a command it is that command's help, wherever it stands; and nothing is done. */
static void help_is_of_the_command_that_is_given(void **state)
{
    static const struct command_case cases[] = {
        {"--help", 0, "\n  snapshot  DOMAIN"},
        {"--help", 0, "\n  6  verification, or show --check, found a difference\n"},
        {"prune --help", 0, "usage: cbsnap-coord prune [OPTION]... DOMAIN\n"},
        {"-h prune", 0, "\n  --keep-within TIME    all within TIME before the newest"},
        {"recover --help extra", 0, "usage: cbsnap-coord recover [OPTION]...\n"},
        {"nonsense --help", 2, ""},
        {"list --nonsense --help", 2, ""},
    };

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(cases); n++) {
        int status;
        AUTO_FREE char *out = run(cases[n].args, &status);

        if (status != cases[n].status || !strstr(out, cases[n].words) || (status && *out))
            fail_msg("%s: status %d, %s", cases[n].args, status, out);
        assert_true(strcmp(cases[n].args, "prune --help") != 0 || !strstr(out, "--explain"));
    }
}

/* What was asked for and could not be told is no success; what was done is one all the same. */
static void output_that_is_lost_is_told(void **state)
{
    static const struct command_case cases[] = {
        {"list >/dev/full", 4, "cannot write to standard output: No space left"},
        {"list >&-", 4, "cannot write to standard output: Bad file descriptor"},
        {"--json list >/dev/full", 4, "cannot write to standard output"},
        {"--json list >&-", 4, "cannot write to standard output"},
        {"show --check >/dev/full", 4, "cannot write to standard output"},
        {"--version >/dev/full", 4, "cannot write to standard output"},
        {"--help >&-", 4, "cannot write to standard output"},
        {"prune --help >/dev/full", 4, "cannot write to standard output"},
        {"--json thaw test >/dev/full", 0, "cannot write to standard output"},
        {"--json show 2016 >/dev/full", 2, "cannot write to standard output"},
        {"list nosuch/x >/dev/full", 2, "'nosuch/x'"},
    };

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(cases); n++) {
        int status;
        AUTO_FREE char *out = run(cases[n].args, &status), *told = told_on_stderr();

        if (status != cases[n].status || !strstr(told, cases[n].words))
            fail_msg("%s: status %d, %s", cases[n].args, status, told);
    }
}

/* `list | head -1`: who reads has enough. */
static void a_reader_that_leaves_is_no_failure(void **state)
{
    AUTO_FREE char *line = xasprintf("{ sleep 0.3; '%s' --config coord.conf list 2>told; echo $? "
                                     ">status; } | true; grep -qx 0 status && ! grep -q . told",
                                     program);

    (void)state;
    shell(line);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_rules_are_told_by_check),
        cmocka_unit_test(check_looks_where_the_records_go),
        cmocka_unit_test(json_is_one_document_in_every_case),
        cmocka_unit_test(one_cause_has_one_status),
        cmocka_unit_test(without_json_an_error_leaves_stdout_empty),
        cmocka_unit_test(help_is_of_the_command_that_is_given),
        cmocka_unit_test(watch_says_once_why_there_is_nothing_to_see),
        cmocka_unit_test(import_takes_what_a_domain_may_say_of_itself),
        cmocka_unit_test(a_uuid_is_a_domain_where_libvirt_is_not_asked),
        cmocka_unit_test(import_follows_no_link_and_waits_for_no_pipe),
        cmocka_unit_test(import_leaves_out_what_is_too_long),
        cmocka_unit_test(import_of_a_damaged_manifest_alone_is_no_success),
        cmocka_unit_test(import_of_what_is_no_folder_says_what_to_give),
        cmocka_unit_test(import_without_manifests_says_so),
        cmocka_unit_test(output_that_is_lost_is_told),
        cmocka_unit_test(a_reader_that_leaves_is_no_failure),
    };
    AUTO_FREE char *self = realpath(argv[0], NULL);

    (void)argc;
    /* BUILD/unit/host-coordinator/test-command */
    for (int up = 0; up < 3; up++)
        (void)dirname(self);
    (void)snprintf(program, sizeof(program), "%s/cbsnap-coord", self);
    return cmocka_run_group_tests(tests, setup, teardown);
}
