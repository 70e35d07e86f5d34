/* SPDX-License-Identifier: GPL-2.0-or-later */
/* coord.conf: what it holds by default, the example that says so, and its policy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host-coordinator/config/config.h"
#include "host-coordinator/policy/policy.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#define EXAMPLE "host-coordinator/coord.conf.example"

static char path[] = "/tmp/cbsnap-config-XXXXXX";
static char secrets[] = "/tmp/cbsnap-secrets-XXXXXX"; /* private, and empty */

static int setup(void **state)
{
    (void)state;
    close(mkstemp(path));
    close(mkstemp(secrets));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return unlink(path) | unlink(secrets);
}

static void load(struct config *c, const char *text)
{
    AUTO_FCLOSE FILE *f = fopen(path, "w");
    struct err e = ERR_INIT;

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0 && fflush(f) == 0);
    if (config_load(c, path, false, &e) < 0)
        fail_msg("%s", e.msg);
}

static void expect_wrong(const char *text, const char *words)
{
    AUTO_FCLOSE FILE *f = fopen(path, "w");
    struct config c;
    struct err e = ERR_INIT;

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0 && fflush(f) == 0);
    assert_int_equal(config_load(&c, path, false, &e), -1);
    assert_int_equal(e.code, ERR_CONFIG);
    if (!strstr(e.msg, words) || strncmp(e.msg, path, strlen(path)) != 0)
        fail_msg("'%s' gave '%s'", text, e.msg);
}

static void rules_are_read_with_their_lines(void **state)
{
    struct config c;

    (void)state;
    load(&c, "[policy]\nrefuse = innodb.trx_oldest > 120\nrefuse = disk.*.write_time > 50 for 5s\n"
             "\nwarn = fs./mnt/mysqldata.avail < 2G ; soon full\nwait = 5m\nabsent = refuse\n");
    assert_int_equal(policy_count(c.policy), 3);
    assert_int_equal(policy_rule_line(policy_rule_at(c.policy, 1)), 3);
    assert_int_equal(policy_rule_action(policy_rule_at(c.policy, 1)), POLICY_REFUSE);
    assert_int_equal(policy_rule_action(policy_rule_at(c.policy, 2)), POLICY_WARN);
    assert_string_equal(policy_rule_text(policy_rule_at(c.policy, 2)),
                        "fs./mnt/mysqldata.avail < 2G");
    assert_int_equal(c.wait_ms, 300000);
    assert_true(c.absent_refuses);
    config_release(&c);
    load(&c, "");
    assert_int_equal(policy_count(c.policy), 0);
    assert_int_equal(c.wait_ms, 0);
    assert_false(c.absent_refuses);
    config_release(&c);
}

static void wrong_rules_are_told_with_line_and_column(void **state)
{
    (void)state;
    expect_wrong("[policy]\nwarn = system.load1 > 5\nrefuse = inodb.trx_oldest > 120\n",
                 " line 3 column 10: there is no metric 'inodb.trx_oldest'; did you mean "
                 "'innodb.trx_oldest'?");
    expect_wrong("[policy]\n\nrefuse=fs./.avail < 2s\n", " line 3 column 22: unit 's'");
    expect_wrong("[policy]\nrefuse = \n", " line 2 column");
    expect_wrong("[policy]\nwait = 5\n", " line 2: 'wait = 5': write a time");
    expect_wrong("[policy]\nabsent = maybe\n", "'absent = maybe': write note or refuse");
    expect_wrong("[policy]\nrefuse = system.load1 > 5\n  for 5s\n", " line 3 ");
    expect_wrong("[snapshot]\ntail_ms = 5\n", "has no option 'tail_ms'");
}

/* The example, with the '#' of "#key = value" taken off, but not of remarks and appliances. */
static char *example(void)
{
    AUTO_FCLOSE FILE *f = fopen(EXAMPLE, "r");
    struct buf b = BUF_INIT;
    char line[300];

    assert_non_null(f);
    while (fgets(line, sizeof(line), f) && !strstr(line, "#[appliance")) {
        bool option = line[0] == '#' && islower((unsigned char)line[1]);

        buf_addf(&b, "%s", line + (option ? 1 : 0));
    }
    return buf_steal(&b);
}

static void the_example_shows_the_defaults(void **state)
{
    AUTO_FREE char *text = example();
    struct config c, d;

    (void)state;
    load(&d, "");
    load(&c, text);
    /* its rules are examples */
    assert_int_equal(policy_count(c.policy), 3);
    assert_string_equal(c.uri, d.uri);
    assert_string_equal(c.state_dir, d.state_dir);
    assert_string_equal(c.channel, d.channel);
    assert_string_equal(c.exclude, d.exclude);
    assert_int_equal(c.answer_ms, d.answer_ms);
    assert_int_equal(c.libvirt_ms, d.libvirt_ms);
    assert_int_equal(c.lease_ms, d.lease_ms);
    assert_int_equal(c.freeze_ms, d.freeze_ms);
    assert_int_equal(c.max_stall_ms, d.max_stall_ms);
    assert_int_equal(c.late_ms, d.late_ms);
    assert_int_equal(c.before_ms, d.before_ms);
    assert_int_equal(c.after_ms, d.after_ms);
    assert_int_equal(c.fast_ms, d.fast_ms);
    assert_int_equal(c.history_ms, d.history_ms);
    assert_int_equal(c.wait_ms, d.wait_ms);
    assert_int_equal(c.absent_refuses, d.absent_refuses);
    config_release(&c);
    config_release(&d);
}

/* Right after the installation nothing is there: each message leads to the next step. */
static void expect_missing_as(uid_t user, const char *text, const char *words)
{
    AUTO_FCLOSE FILE *f = fopen(path, "w");
    struct config c;
    struct err e = ERR_INIT;
    uid_t self = geteuid();

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0 && fflush(f) == 0);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(seteuid(user), 0);
    assert_int_equal(config_load(&c, path, true, &e), -1);
    assert_int_equal(seteuid(self), 0);
    assert_int_equal(e.code, ERR_CONFIG);
    if (!strstr(e.msg, words))
        fail_msg("'%s' gave '%s'", text, e.msg);
}

static void expect_missing(const char *text, const char *words)
{
    expect_missing_as(geteuid(), text, words);
}

static void a_section_of_no_keys_is_an_appliance(void **state)
{
    AUTO_FREE char *cut = xasprintf("[appliance %070d]\nurl = https://e/\n", 0);
    AUTO_FREE char *text =
        xasprintf("[files]\ncredentials = %s\n[appliance east]\n[libvirt]\n", secrets);

    (void)state;
    expect_missing(text, "[appliance east] in ");
    expect_wrong("[appliance ]\n", " line 1: [appliance] needs a name");
    expect_wrong("[appliance]\n", " line 1: there is no section [appliance]");
    expect_wrong(cut, " line 2: [appliance 0000");
}

static void credentials_that_cannot_be_read_are_called_so(void **state)
{
    AUTO_FREE char *text =
        xasprintf("[files]\ncredentials = %s\n[appliance east]\nurl = https://e/\n", secrets);
    AUTO_FREE char *no_right =
        xasprintf("cannot read the credentials file '%s': Permission denied", secrets);
    AUTO_FREE char *of_root =
        xasprintf("the credentials file '%s' belongs to user 0, and only that one may read it: "
                  "for you, run chown 65534 on it",
                  secrets);

    (void)state;
    if (geteuid() == 0) /* who reads what it may not */
        expect_missing_as(65534, text, of_root);
    assert_int_equal(chown(secrets, 65534, (gid_t)-1) < 0 && geteuid() == 0, 0);
    assert_int_equal(chmod(secrets, 0), 0);
    expect_missing_as(geteuid() == 0 ? 65534 : geteuid(), text, no_right);
    assert_int_equal(chmod(secrets, 0600), 0);
    assert_int_equal(chown(secrets, geteuid(), (gid_t)-1), 0);
}

static void places_do_not_depend_on_where_it_is_run(void **state)
{
    (void)state;
    expect_wrong("[files]\nstate_dir = state\n", "'state_dir = state': write a path");
    expect_wrong("[files]\nstate_dir =\n", "'state_dir = ': write a path");
    expect_wrong("[files]\ncredentials = c\n", "'credentials = c': write a path");
    expect_wrong("[appliance east]\nca = ca.pem\n", "'ca = ca.pem': write a path");
}

/* Only where the file was not asked for is it no fault that there is none. */
static void a_file_that_was_asked_for_is_there(void **state)
{
    struct config c;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(config_load(&c, "/nonexistent/typo.conf", false, &e), -1);
    assert_int_equal(e.code, ERR_CONFIG);
    assert_non_null(strstr(e.msg, "'/nonexistent/typo.conf'"));
    assert_non_null(strstr(e.msg, "name another with --config"));
    if (access(CONFIG_DEFAULT, F_OK) == 0)
        skip(); /* it is installed here */
    e = ERR_INIT;
    if (config_load(&c, NULL, false, &e) < 0)
        fail_msg("%s", e.msg);
    config_release(&c);
    assert_int_equal(config_load(&c, NULL, true, &e), -1);
    assert_int_equal(e.code, ERR_CONFIG);
}

static void what_is_missing_is_told_one_after_the_other(void **state)
{
    (void)state;
    expect_missing("[files]\ncredentials = /nonexistent\n",
                   "names no appliance; add a section [appliance NAME]");
    expect_missing("[files]\ncredentials = /nonexistent\n[appliance east]\nurl = https://e/\n",
                   "there is no credentials file '/nonexistent': make it, mode 0600");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_are_read_with_their_lines),
        cmocka_unit_test(wrong_rules_are_told_with_line_and_column),
        cmocka_unit_test(the_example_shows_the_defaults),
        cmocka_unit_test(a_section_of_no_keys_is_an_appliance),
        cmocka_unit_test(credentials_that_cannot_be_read_are_called_so),
        cmocka_unit_test(places_do_not_depend_on_where_it_is_run),
        cmocka_unit_test(a_file_that_was_asked_for_is_there),
        cmocka_unit_test(what_is_missing_is_told_one_after_the_other),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
