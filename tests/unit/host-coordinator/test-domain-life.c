/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What of a domain that is off is told by what libvirt says of its memory, and how it is started.
 * The calls of libvirt that this comes to are here instead of the library's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "host-coordinator/domain/domain_internal.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

/* ---- the library's part ---------------------------------------------------------------------- */

static struct {
    int state, reason;
    int saved; /* 1, 0, or -1 with `error` */
    virError error;
    unsigned start_flags;
} lib;

int virDomainGetState(virDomainPtr dom, int *state, int *reason, unsigned flags)
{
    (void)dom, (void)flags;
    *state = lib.state;
    *reason = lib.reason;
    return 0;
}

int virDomainIsActive(virDomainPtr dom)
{
    (void)dom;
    return lib.state == VIR_DOMAIN_RUNNING;
}

int virDomainHasManagedSaveImage(virDomainPtr dom, unsigned flags)
{
    (void)dom, (void)flags;
    return lib.saved;
}

int virDomainManagedSaveRemove(virDomainPtr dom, unsigned flags)
{
    (void)dom, (void)flags;
    if (lib.saved != 1 || lib.error.code != VIR_ERR_OK)
        return -1;
    lib.saved = 0;
    return 0;
}

int virDomainCreateWithFlags(virDomainPtr dom, unsigned flags)
{
    (void)dom;
    lib.start_flags = flags;
    return 0;
}

virErrorPtr virGetLastError(void)
{
    return &lib.error;
}

virErrorPtr virSaveLastError(void)
{
    virErrorPtr copy = xcalloc(1, sizeof(*copy));

    *copy = lib.error;
    return copy;
}

void virFreeError(virErrorPtr why)
{
    free(why);
}

static struct domain db1 = {.refs = 1, .name = (char *)"db1", .uuid = (char *)""};

static int off(void **state)
{
    (void)state;
    memset(&lib, 0, sizeof(lib));
    lib.state = VIR_DOMAIN_SHUTOFF;
    lib.reason = VIR_DOMAIN_SHUTOFF_SHUTDOWN;
    return 0;
}

static void fails_with(int code)
{
    lib.saved = -1;
    lib.error = (virError){.code = code, .message = (char *)"it cannot"};
}

static enum domain_state state_of(void)
{
    enum domain_state s = DOMAIN_OTHER;

    assert_int_equal(domain_state(&db1, &s, NULL, NULL), 0);
    return s;
}

/* ---- asked ----------------------------------------------------------------------------------- */

static void one_that_is_off_may_be_away_or_saved(void **state)
{
    (void)state;
    assert_int_equal(state_of(), DOMAIN_OFF);
    lib.saved = 1;
    assert_int_equal(state_of(), DOMAIN_SAVED);
    lib.reason = VIR_DOMAIN_SHUTOFF_MIGRATED;
    assert_int_equal(state_of(), DOMAIN_AWAY);
    lib.state = VIR_DOMAIN_RUNNING;
    assert_int_equal(state_of(), DOMAIN_RUNS);
}

static void who_ended_it_is_told(void **state)
{
    enum domain_state s;
    bool by_guest = false;

    (void)state;
    assert_int_equal(domain_state(&db1, &s, &by_guest, NULL), 0);
    assert_true(by_guest);
    lib.reason = VIR_DOMAIN_SHUTOFF_DESTROYED;
    assert_int_equal(domain_state(&db1, &s, &by_guest, NULL), 0);
    assert_false(by_guest);
}

/* It might be asleep. A driver that knows no managed save has none. */
static void what_cannot_be_told_is_not_off(void **state)
{
    enum domain_state s = DOMAIN_OTHER;
    struct err e = ERR_INIT;

    (void)state;
    fails_with(VIR_ERR_RPC);
    assert_int_equal(domain_state(&db1, &s, NULL, &e), -1);
    assert_string_equal(e.msg, "cannot ask for a managed save of domain 'db1': it cannot");
    assert_int_equal(s, DOMAIN_OTHER);
    fails_with(VIR_ERR_NO_SUPPORT);
    assert_int_equal(state_of(), DOMAIN_OFF);
}

/* ---- done ------------------------------------------------------------------------------------ */

/* Also where it cannot be told whether there is a memory to go on with. */
static void a_start_is_a_boot(void **state)
{
    (void)state;
    assert_int_equal(domain_start(&db1, NULL), 0);
    assert_int_equal(lib.start_flags, 0);
    lib.saved = 1;
    assert_int_equal(domain_start(&db1, NULL), 0);
    assert_int_equal(lib.start_flags, VIR_DOMAIN_START_FORCE_BOOT);
    fails_with(VIR_ERR_RPC);
    lib.start_flags = 0;
    assert_int_equal(domain_start(&db1, NULL), 0);
    assert_int_equal(lib.start_flags, VIR_DOMAIN_START_FORCE_BOOT);
    fails_with(VIR_ERR_NO_SUPPORT);
    assert_int_equal(domain_start(&db1, NULL), 0);
    assert_int_equal(lib.start_flags, 0);
}

static void saved_memory_is_thrown_away(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(domain_forget_saved(&db1, &e), 0); /* there is none */
    lib.saved = 1;
    assert_int_equal(domain_forget_saved(&db1, &e), 0);
    assert_int_equal(lib.saved, 0);
    lib.saved = 1;
    lib.error = (virError){.code = VIR_ERR_SYSTEM_ERROR, .message = (char *)"it cannot"};
    assert_int_equal(domain_forget_saved(&db1, &e), -1);
    assert_string_equal(e.msg, "cannot throw away the managed save of domain 'db1': it cannot");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, off)
    const struct CMUnitTest tests[] = {
        T(one_that_is_off_may_be_away_or_saved), T(who_ended_it_is_told),
        T(what_cannot_be_told_is_not_off),       T(a_start_is_a_boot),
        T(saved_memory_is_thrown_away),
    };

    return cmocka_run_group_tests_name("domain-life", tests, NULL, NULL);
}
