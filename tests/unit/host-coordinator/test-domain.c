/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libvirt's errors in our words, its statistics as counters, qemu-ga's answers. No libvirtd. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host-coordinator/domain/domain_internal.h"
#include "proto/base/cleanup.h"

/* ---- errors ---------------------------------------------------------------------------------- */

static const struct {
    int number;
    const char *message; /* as libvirt 9 and qemu-ga 2 to 9 word it */
    enum err_code code;
    const char *hint; /* part of ours */
} errors[] = {
    {VIR_ERR_NO_DOMAIN, "Domain not found: no domain with matching name 'db1'", ERR_NOT_FOUND,
     "virsh list --all"},
    {VIR_ERR_OPERATION_INVALID, "Requested operation is not valid: domain is not running",
     ERR_REFUSED, "virsh start db1"},
    {VIR_ERR_OPERATION_FAILED, "operation failed: Active channel stream exists for this domain",
     ERR_BUSY, "another program has the agent's port"},
    {VIR_ERR_ARGUMENT_UNSUPPORTED, "argument unsupported: QEMU guest agent is not configured",
     ERR_REFUSED, "channel of type unix"},
    {VIR_ERR_AGENT_UNRESPONSIVE, "Guest agent is not responding: QEMU guest agent is not connected",
     ERR_REFUSED, "install and start qemu-guest-agent"},
    {VIR_ERR_AGENT_UNRESPONSIVE, "Guest agent is not responding: Guest agent not available for now",
     ERR_LIBVIRT, "restart qemu-guest-agent"},
    {VIR_ERR_AGENT_UNRESPONSIVE,
     "Guest agent is not responding: QEMU guest agent is not available due to an error",
     ERR_REFUSED, "restart libvirtd"},
    {VIR_ERR_INTERNAL_ERROR,
     "internal error: unable to execute QEMU agent command 'guest-fsfreeze-freeze': fsfreeze hook "
     "has failed with status 1",
     ERR_FREEZE, "cbsnap-agent"},
    {VIR_ERR_INTERNAL_ERROR,
     "internal error: unable to execute QEMU agent command 'guest-fsfreeze-freeze': The command "
     "guest-fsfreeze-freeze has been disabled for this instance",
     ERR_FREEZE, "block-rpcs"},
    {VIR_ERR_INTERNAL_ERROR,
     "guest agent command failed: unable to execute QEMU agent command 'guest-fsfreeze-freeze': "
     "Command guest-fsfreeze-freeze has been disabled: the agent is in frozen state",
     ERR_FREEZE, "cbsnap-coord thaw db1"},
    {VIR_ERR_INTERNAL_ERROR,
     "internal error: unable to execute QEMU agent command 'guest-fsfreeze-freeze': The command "
     "guest-fsfreeze-freeze has not been found",
     ERR_FREEZE, "update it"},
    {VIR_ERR_INTERNAL_ERROR,
     "internal error: unable to execute QEMU agent command 'guest-fsfreeze-freeze': failed to "
     "freeze /mnt/mysql: Device or resource busy",
     ERR_FREEZE, "failed to freeze /mnt/mysql"},
    {VIR_ERR_OPERATION_TIMEOUT,
     "Timed out during operation: cannot acquire state change lock (held by agent=remote)",
     ERR_BUSY, "under way"},
    {VIR_ERR_OPERATION_FAILED,
     "operation failed: domain 'db1' already exists with uuid 6f1f5b0e-2f6a-4c68-9f0e-0d6b8a1d6c11",
     ERR_REFUSED, "the name 'db1' is another domain's"},
    {VIR_ERR_OPERATION_FAILED,
     "operation failed: domain 'x' is already defined with uuid "
     "6f1f5b0e-2f6a-4c68-9f0e-0d6b8a1d6c11",
     ERR_REFUSED, "the UUID meant for 'db1' is another domain's"},
    {VIR_ERR_OPERATION_INVALID, "Requested operation is not valid: domain is already active as 'x'",
     ERR_REFUSED, "virsh shutdown db1"},
    {VIR_ERR_AUTH_FAILED, "authentication failed: no polkit agent", ERR_AUTH, "polkit"},
    {VIR_ERR_RPC, "Cannot write data: Broken pipe", ERR_LIBVIRT, "Broken pipe"},
    {VIR_ERR_INTERNAL_ERROR, NULL, ERR_LIBVIRT, "libvirt gives no reason"},
};

static void test_errors(void **state)
{
    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(errors); n++) {
        virError why = {.code = errors[n].number, .message = (char *)errors[n].message};
        struct err e = ERR_INIT;

        assert_int_equal(libvirt_error_from(&e, "freeze", "db1", &why), -1);
        if (e.code != errors[n].code || !strstr(e.msg, errors[n].hint))
            fail_msg("case %zu: %s: %s", n, err_code_name(e.code), e.msg);
        assert_true(strncmp(e.msg, "cannot freeze domain 'db1': ", 28) == 0);
        assert_null(strchr(e.msg, '\n'));
        assert_null(strchr(e.msg, '%'));
        if (errors[n].message)
            assert_non_null(strstr(e.msg, errors[n].message));
    }
}

static void test_error_of_many_lines(void **state)
{
    virError why = {.code = VIR_ERR_RPC, .message = (char *)"first\nsecond"};
    struct err e = ERR_INIT;

    (void)state;
    libvirt_error_from(&e, "read", "db1", &why);
    assert_string_equal(e.msg, "cannot read domain 'db1': first");
    libvirt_error_from(&e, "read", "db1", NULL);
    assert_string_equal(e.msg, "cannot read domain 'db1': libvirt gives no reason");
    assert_int_equal(libvirt_error_from(NULL, "read", "db1", &why), -1);
}

static void test_error_of_connecting(void **state)
{
    virError refused = {.code = VIR_ERR_SYSTEM_ERROR,
                        .message = (char *)"Failed to connect socket to '/run/x': No such file"};
    virError auth = {.code = VIR_ERR_AUTH_FAILED, .message = (char *)"authentication failed"};
    struct err e = ERR_INIT;

    (void)state;
    libvirt_open_error(&e, "qemu:///system", &refused);
    assert_int_equal(e.code, ERR_LIBVIRT);
    assert_non_null(strstr(e.msg, "at qemu:///system: Failed to connect"));
    assert_non_null(strstr(e.msg, "libvirtd must run"));
    libvirt_open_error(&e, "", &auth);
    assert_int_equal(e.code, ERR_AUTH);
    libvirt_open_error(&e, "", NULL);
    assert_non_null(strstr(e.msg, "no reason"));
}

/* ---- counters -------------------------------------------------------------------------------- */

static virTypedParameter number(const char *name, int type, unsigned long long value)
{
    virTypedParameter p = {.type = type};

    (void)snprintf(p.field, sizeof(p.field), "%s", name);
    if (type == VIR_TYPED_PARAM_UINT)
        p.value.ui = (unsigned)value;
    else
        p.value.ul = value;
    return p;
}

static virTypedParameter text(const char *name, const char *value)
{
    virTypedParameter p = {.type = VIR_TYPED_PARAM_STRING, .value.s = (char *)value};

    (void)snprintf(p.field, sizeof(p.field), "%s", name);
    return p;
}

#define ULL VIR_TYPED_PARAM_ULLONG

static void test_counters(void **state)
{
    const virTypedParameter params[] = {
        number("state.state", VIR_TYPED_PARAM_INT, 1),
        number("block.count", VIR_TYPED_PARAM_UINT, 3),
        text("block.0.name", "vda"),
        number("block.0.rd.reqs", ULL, 7),
        number("block.0.wr.reqs", ULL, 1ULL << 40),
        number("block.0.wr.bytes", ULL, 1ULL << 50),
        text("block.1.name", "hdc"), /* an empty drive */
        text("block.2.name", "vdb"),
        number("block.2.wr.reqs", ULL, 0),
        number("block.2.wr.bytes", ULL, 0),
    };
    AUTO_FREE struct disk_writes *w = NULL;
    size_t count = 0;

    (void)state;
    assert_int_equal(writes_from_params(params, ARRAY_SIZE(params), &w, &count), 0);
    assert_int_equal(count, 2);
    assert_string_equal(w[0].target, "vda");
    assert_true(w[0].requests == 1ULL << 40 && w[0].bytes == 1ULL << 50);
    assert_string_equal(w[1].target, "vdb");
    assert_int_equal(w[1].requests, 0);
}

/* A witness that saw nothing must not say "equal". */
static void test_no_counters(void **state)
{
    const virTypedParameter empty[] = {number("block.count", VIR_TYPED_PARAM_UINT, 0)};
    const virTypedParameter absurd[] = {number("block.count", VIR_TYPED_PARAM_UINT, 4000000000)};
    const virTypedParameter wrong[] = {
        number("block.count", VIR_TYPED_PARAM_UINT, 1),
        text("block.0.name", "vda"),
        number("block.0.wr.reqs", VIR_TYPED_PARAM_UINT, 1),
        number("block.0.wr.bytes", ULL, 1),
    };
    struct disk_writes *w = NULL;
    size_t count = 77;

    (void)state;
    assert_int_equal(writes_from_params(NULL, 0, &w, &count), -1);
    assert_int_equal(writes_from_params(empty, ARRAY_SIZE(empty), &w, &count), -1);
    assert_int_equal(writes_from_params(absurd, ARRAY_SIZE(absurd), &w, &count), -1);
    assert_int_equal(writes_from_params(wrong, ARRAY_SIZE(wrong), &w, &count), -1);
    assert_null(w);
    assert_int_equal(count, 77);
}

static void test_freeze_status(void **state)
{
    static const char *const bad[] = {
        "", "{}", "{\"return\"", "{\"return\":{}}", "{\"return\":\"freezing\"}", "\"frozen\""};
    enum agent_freeze s = AGENT_THAWED;

    (void)state;
    assert_int_equal(freeze_status_from("{\"return\":\"frozen\"}", &s), 0);
    assert_int_equal(s, AGENT_FROZEN);
    assert_int_equal(freeze_status_from("{ \"return\" : \"thawed\", \"id\": 1 }", &s), 0);
    assert_int_equal(s, AGENT_THAWED);
    for (size_t n = 0; n < ARRAY_SIZE(bad); n++)
        assert_int_equal(freeze_status_from(bad[n], &s), -1);
}

/* "off" is what lets somebody change the disks: only when no QEMU can have them. */
static void test_states(void **state)
{
    (void)state;
    assert_int_equal(state_from(VIR_DOMAIN_RUNNING, 0, true), DOMAIN_RUNS);
    assert_int_equal(state_from(VIR_DOMAIN_BLOCKED, 0, true), DOMAIN_RUNS);
    assert_int_equal(state_from(VIR_DOMAIN_SHUTOFF, 0, false), DOMAIN_OFF);
    assert_int_equal(state_from(VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_DESTROYED, false),
                     DOMAIN_OFF);
    assert_int_equal(state_from(VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_MIGRATED, false),
                     DOMAIN_AWAY);
    /* the same number means another thing there */
    assert_int_equal(state_from(VIR_DOMAIN_CRASHED, VIR_DOMAIN_SHUTOFF_MIGRATED, false),
                     DOMAIN_OFF);
    assert_int_equal(state_from(VIR_DOMAIN_CRASHED, 0, false), DOMAIN_OFF);
    assert_int_equal(state_from(VIR_DOMAIN_CRASHED, 0, true), DOMAIN_OTHER);
    assert_int_equal(state_from(VIR_DOMAIN_PAUSED, 0, true), DOMAIN_OTHER);
    assert_int_equal(state_from(VIR_DOMAIN_SHUTDOWN, 0, true), DOMAIN_OTHER);
    assert_int_equal(state_from(VIR_DOMAIN_PMSUSPENDED, 0, true), DOMAIN_OTHER);
    assert_int_equal(state_from(VIR_DOMAIN_NOSTATE, 0, false), DOMAIN_OTHER);
    assert_int_equal(state_from(99, 0, false), DOMAIN_OTHER);
}

/* The same numbers are reasons of other states, too. */
static void test_reasons(void **state)
{
    (void)state;
    for (int reason = 0; reason < 32; reason++)
        assert_int_equal(is_by_guest(VIR_DOMAIN_SHUTOFF, reason),
                         reason == VIR_DOMAIN_SHUTOFF_SHUTDOWN);
    assert_false(is_by_guest(VIR_DOMAIN_RUNNING, VIR_DOMAIN_SHUTOFF_SHUTDOWN));
    assert_false(is_by_guest(VIR_DOMAIN_CRASHED, VIR_DOMAIN_SHUTOFF_SHUTDOWN));
}

static void test_versions(void **state)
{
    AUTO_FREE char *qemu = version_text(7002022), *old = version_text(1002002);
    AUTO_FREE char *none = version_text(0);

    (void)state;
    assert_string_equal(qemu, "7.2.22");
    assert_string_equal(old, "1.2.2");
    assert_string_equal(none, "");
}

/* Where QEMU's sockets are files of this machine, and where they are not. */
static void test_local_uris(void **state)
{
    (void)state;
    assert_true(uri_is_local("qemu:///system"));
    assert_true(uri_is_local("qemu+unix:///system?socket=/run/x"));
    assert_true(uri_is_local("test:default"));
    assert_false(uri_is_local("qemu://host/system"));
    assert_false(uri_is_local("qemu+ssh://root@host/system"));
    assert_false(uri_is_local("qemu+tcp://127.0.0.1/system"));
    assert_false(uri_is_local("qemu+ext:///system?command=/bin/x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_error_of_many_lines),
        cmocka_unit_test(test_error_of_connecting),
        cmocka_unit_test(test_counters),
        cmocka_unit_test(test_no_counters),
        cmocka_unit_test(test_freeze_status),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_local_uris),
    };

    return cmocka_run_group_tests_name("domain", tests, NULL, NULL);
}
