/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the server's files to volumes: every link by fact, and a doubt refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "host-coordinator/plan/coverage.h"
#include "proto/base/cleanup.h"

static struct domain_disk disks[] = {
    {.target = (char *)"vda",
     .serial = (char *)"11111111aaaa22223333",
     .iqn = (char *)"iqn.x:root",
     .source = (char *)"",
     .alias = (char *)""},
    {.target = (char *)"vdb",
     .serial = (char *)"22222222-bbbb-4444-8888-cccccccccccc",
     .iqn = (char *)"",
     .source = (char *)"",
     .alias = (char *)""},
    {.target = (char *)"vdc",
     .serial = (char *)"",
     .iqn = (char *)"iqn.x:data",
     .source = (char *)"",
     .alias = (char *)""},
};
static struct domain_xml xml = {.disks = disks, .disk_count = 3};

static struct volume volumes[] = {
    {.id = (char *)"a",
     .name = (char *)"root",
     .iqn = (char *)"iqn.x:root",
     .serial = (char *)"99999999999999999999",
     .group = (char *)""},
    {.id = (char *)"b",
     .name = (char *)"22222222bbbb44448888cccccccccccc",
     .iqn = (char *)"iqn.x:other",
     .serial = (char *)"7777",
     .group = (char *)""},
};

static void a_volume_is_found_by_iqn_or_by_serial(void **state)
{
    struct domain_disk stranger = disks[0];

    (void)state;
    assert_ptr_equal(coverage_volume(&disks[0], volumes, 2), &volumes[0]);
    /* Cinder's serial is its UUID; its volume is named so, without hyphens */
    assert_ptr_equal(coverage_volume(&disks[1], volumes, 2), &volumes[1]);
    assert_null(coverage_volume(&disks[2], volumes, 2));

    /* an IQN that no volume has is not overruled by a serial */
    stranger.iqn = (char *)"iqn.x:elsewhere";
    stranger.serial = (char *)"22222222bbbb44448888cccccccccccc";
    assert_null(coverage_volume(&stranger, volumes, 2));
}

static void ambiguous_or_short_serials_prove_nothing(void **state)
{
    struct volume twins[] = {
        {.name = (char *)"", .iqn = (char *)"", .serial = (char *)"aaaaaaaaaaaaaaaaaaaa1"},
        {.name = (char *)"", .iqn = (char *)"", .serial = (char *)"aaaaaaaaaaaaaaaaaaaa2"},
    };
    struct domain_disk cut = {.iqn = (char *)"", .serial = (char *)"aaaaaaaaaaaaaaaaaaaa"};
    struct domain_disk tiny = {.iqn = (char *)"", .serial = (char *)"7777"};

    (void)state;
    assert_null(coverage_volume(&cut, twins, 2));
    assert_ptr_equal(coverage_volume(&cut, twins, 1), &twins[0]);
    assert_null(coverage_volume(&tiny, volumes, 2));
}

static void excluded_disks_are_whole_words(void **state)
{
    (void)state;
    assert_true(coverage_excluded("vda, vdb", "vdb"));
    assert_true(coverage_excluded("vda,vdb", "vda"));
    assert_false(coverage_excluded("vdab", "vda"));
    assert_false(coverage_excluded("", "vda"));
}

static char *targets_c[] = {(char *)"vdc"};
static struct domain_fs filesystems[] = {
    {.mountpoint = (char *)"/mnt/data", .targets = targets_c, .target_count = 1},
    {.mountpoint = (char *)"/mnt/blind", .targets = NULL, .target_count = 0},
};
static struct domain_fs_list fs = {.items = filesystems, .count = 2};

static void a_mount_leads_to_its_disk_by_serial_or_by_the_list(void **state)
{
    Cbsnap__Mount m = CBSNAP__MOUNT__INIT;

    (void)state;
    m.path = (char *)"/";
    m.serial = (char *)"11111111aaaa22223333";
    assert_int_equal(coverage_disks(&m, &fs, &xml), 1);
    m.serial = (char *)"11111111aaaa22223333,22222222bbbb44448888";
    assert_int_equal(coverage_disks(&m, &fs, &xml), 3);
    m.serial = (char *)"11111111aaaa22223333,unknownunknownunknown";
    assert_int_equal(coverage_disks(&m, &fs, &xml), 0);
    m.serial = NULL;
    m.path = (char *)"/mnt/data";
    assert_int_equal(coverage_disks(&m, &fs, &xml), 4);
    m.path = (char *)"/mnt/blind";
    assert_int_equal(coverage_disks(&m, &fs, &xml), 0);
}

static int check(const char *role, const char *mount_path, uint64_t in_set, struct err *e)
{
    Cbsnap__Mount data = CBSNAP__MOUNT__INIT, *mounts[] = {&data};
    Cbsnap__ServerPath path = CBSNAP__SERVER_PATH__INIT, *paths[] = {&path};
    Cbsnap__Server server = CBSNAP__SERVER__INIT;

    data.path = (char *)"/mnt/data";
    path.role = (char *)role;
    path.path = (char *)"/mnt/data/mysql";
    path.mount = (char *)mount_path;
    server.n_path = 1;
    server.path = paths;
    return coverage_check(&server, mounts, 1, &fs, &xml, in_set, e);
}

static void the_whole_database_or_nothing(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(check("datadir", "/mnt/data", 7, &e), 0);
    assert_int_equal(check("datadir", "/mnt/data", 3, &e), -1);
    assert_int_equal(e.code, ERR_REFUSED);
    assert_non_null(strstr(e.msg, "datadir '/mnt/data/mysql' is on disk 'vdc'"));
    assert_int_equal(check("datadir", NULL, 7, &e), -1);
    assert_non_null(strstr(e.msg, "on no block device"));
    /* a guest that hides its datadir proves nothing */
    assert_int_equal(check("binlog", "/mnt/data", 7, &e), -1);
    assert_non_null(strstr(e.msg, "where the server's datadir is"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_volume_is_found_by_iqn_or_by_serial),
        cmocka_unit_test(ambiguous_or_short_serials_prove_nothing),
        cmocka_unit_test(excluded_disks_are_whole_words),
        cmocka_unit_test(a_mount_leads_to_its_disk_by_serial_or_by_the_list),
        cmocka_unit_test(the_whole_database_or_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
