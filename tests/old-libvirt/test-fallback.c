/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is done where libvirt has no call for it: freeze, thaw and write counters, as built against
 * libvirt 1.2.2. The three calls of libvirt that this then comes to are here instead of the
 * library's; qemu-ga and QEMU are thus a table of answers. See
 * tests/old-libvirt/test-old-libvirt.sh.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host-coordinator/domain/domain_internal.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#if HAVE_FSFREEZE || HAVE_BLOCK_STATS || HAVE_FSINFO
#error "the newer calls are there: this would test nothing"
#endif

/* ---- the library's part ---------------------------------------------------------------------- */

static struct {
    const char *command, *answer; /* the one that is expected, what qemu-ga says; NULL: it fails */
    unsigned asked;
    int timeout_s;
    const char *xml;
} world;

char *virDomainQemuAgentCommand(virDomainPtr dom, const char *json, int timeout_s, unsigned flags)
{
    (void)dom;
    assert_string_equal(json, world.command);
    assert_int_equal(flags, 0);
    world.asked++;
    world.timeout_s = timeout_s;
    return world.answer ? xstrdup(world.answer) : NULL;
}

char *virDomainGetXMLDesc(virDomainPtr dom, unsigned flags)
{
    (void)dom;
    assert_int_equal(flags, 0);
    return world.xml ? xstrdup(world.xml) : NULL;
}

/* vda counts; vdb is a disk whose format has no counters; another one is refused. */
int virDomainBlockStats(virDomainPtr dom, const char *disk, virDomainBlockStatsPtr stats,
                        size_t size)
{
    (void)dom;
    assert_int_equal(size, sizeof(*stats));
    *stats = (virDomainBlockStatsStruct){.wr_req = -1, .wr_bytes = -1};
    if (strcmp(disk, "vda") == 0)
        *stats = (virDomainBlockStatsStruct){.wr_req = 1LL << 40, .wr_bytes = 1LL << 50};
    return strcmp(disk, "vda") == 0 || strcmp(disk, "vdb") == 0 ? 0 : -1;
}

static struct domain db1 = {.refs = 1, .name = (char *)"db1", .uuid = (char *)""};

/* ---- freeze and thaw ------------------------------------------------------------------------- */

static void answers(const char *command, const char *answer)
{
    world.command = command;
    world.answer = answer;
    world.asked = 0;
}

static const char freeze[] = "{\"execute\":\"guest-fsfreeze-freeze\"}";
static const char thaw[] = "{\"execute\":\"guest-fsfreeze-thaw\"}";

static void test_freeze(void **state)
{
    unsigned count = 77;
    struct err e = ERR_INIT;

    (void)state;
    answers(freeze, "{\"return\":3}");
    assert_int_equal(domain_freeze(&db1, &count, &e), 0);
    assert_int_equal(count, 3);
    assert_int_equal(world.asked, 1);
    /* as FSFreeze waits: a timeout would leave a freeze behind that nobody knows of */
    assert_int_equal(world.timeout_s, VIR_DOMAIN_QEMU_AGENT_COMMAND_BLOCK);
    assert_false(err_is_set(&e));
}

static void test_thaw(void **state)
{
    unsigned count = 77;
    struct err e = ERR_INIT;

    (void)state;
    answers(thaw, "{ \"return\" : 0 }");
    assert_int_equal(domain_thaw(&db1, &count, &e), 0);
    assert_int_equal(count, 0);
    answers(thaw, NULL);
    assert_int_equal(domain_thaw(&db1, &count, &e), -1);
    assert_true(err_is_set(&e));
}

/* An answer that tells no number is no freeze, and none that counts is thawed. */
static void test_wrong_answers(void **state)
{
    static const char *const bad[] = {"",
                                      "{}",
                                      "{\"return\"",
                                      "{\"return\":{}}",
                                      "{\"return\":-1}",
                                      "{\"return\":\"3\"}",
                                      "{\"error\":{\"class\":\"GenericError\"}}"};

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(bad); n++) {
        struct err e = ERR_INIT, e2 = ERR_INIT;
        unsigned count = 77;

        answers(freeze, bad[n]);
        assert_int_equal(domain_freeze(&db1, &count, &e), -1);
        answers(thaw, bad[n]);
        assert_int_equal(domain_thaw(&db1, &count, &e2), -1);
        assert_int_equal(count, 77);
        assert_non_null(strstr(e.msg, "'db1'"));
        assert_int_equal(e.code, ERR_LIBVIRT);
        assert_int_equal(e2.code, ERR_LIBVIRT);
    }
}

/* ---- counters -------------------------------------------------------------------------------- */

#define DISK(target)                                                                               \
    "<disk type='file' device='disk'><target dev='" target "' bus='virtio'/></disk>"
#define DOMAIN(disks)                                                                              \
    "<domain type='kvm'><name>db1</name><uuid>5d9a1c2e-0000-4000-8000-000000000001</uuid>"         \
    "<devices>" disks "</devices></domain>"

static void test_counters(void **state)
{
    AUTO_FREE struct disk_writes *w = NULL;
    size_t count = 0;
    struct err e = ERR_INIT;

    (void)state;
    world.xml = DOMAIN(DISK("vdb") DISK("vdc") DISK("vda"));
    assert_int_equal(domain_writes(&db1, &w, &count, &e), 0);
    assert_int_equal(count, 1);
    assert_string_equal(w[0].target, "vda");
    assert_true(w[0].requests == 1ULL << 40 && w[0].bytes == 1ULL << 50);
}

/* A witness that saw nothing must not say "equal". */
static void test_no_counters(void **state)
{
    static const char *const xml[] = {DOMAIN(""), DOMAIN(DISK("vdb") DISK("vdc")), "<domain", NULL};

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(xml); n++) {
        struct disk_writes *w = NULL;
        size_t count = 77;
        struct err e = ERR_INIT;

        world.xml = xml[n];
        assert_int_equal(domain_writes(&db1, &w, &count, &e), -1);
        assert_int_equal(e.code, ERR_LIBVIRT);
        assert_null(w);
        assert_int_equal(count, 77);
        assert_int_equal(domain_writes(&db1, &w, &count, NULL), -1);
    }
}

/* The plan then goes by the serials that guest and domain both show. */
static void test_no_filesystems(void **state)
{
    struct domain_fs_list list = {.count = 77};
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(domain_filesystems(&db1, &list, &e), 0);
    assert_int_equal(list.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_freeze),        cmocka_unit_test(test_thaw),
        cmocka_unit_test(test_wrong_answers), cmocka_unit_test(test_counters),
        cmocka_unit_test(test_no_counters),   cmocka_unit_test(test_no_filesystems),
    };

    return cmocka_run_group_tests_name("old-libvirt", tests, NULL, NULL);
}
