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

static void excluded_disks_that_are_none_are_told(void **state)
{
    struct domain_disk two_disks[] = {{.target = (char *)"vda"}, {.target = (char *)"vdb"}};
    struct domain_xml x = {.disks = two_disks, .disk_count = 2};
    AUTO_FREE char *two = coverage_excluded_unknown("vda vdz, vdb,vd", &x);

    (void)state;
    assert_string_equal(two, "'vdz', 'vd'");
    assert_null(coverage_excluded_unknown("vdb, vda", &x));
    assert_null(coverage_excluded_unknown(" ,", &x));
    assert_null(coverage_excluded_unknown("", &x));
}

static char *targets_c[] = {(char *)"vdc"}, *targets_bc[] = {(char *)"vdb", (char *)"vdc"};
static char *targets_b[] = {(char *)"vdb"}, *targets_bx[] = {(char *)"vdb", (char *)""};
static struct domain_fs filesystems[] = {
    {.mountpoint = (char *)"/mnt/data", .targets = targets_c, .target_count = 1},
    {.mountpoint = (char *)"/mnt/blind", .targets = NULL, .target_count = 0},
    {.mountpoint = (char *)"/mnt/lvm", .targets = targets_bc, .target_count = 2},
    {.mountpoint = (char *)"/mnt/part", .targets = targets_b, .target_count = 1},
    {.mountpoint = (char *)"/mnt/odd", .targets = targets_bx, .target_count = 2},
    {.mountpoint = (char *)"/mnt/twice", .targets = targets_b, .target_count = 1},
    {.mountpoint = (char *)"/mnt/twice", .targets = targets_c, .target_count = 1},
};
static struct domain_fs_list fs = {.items = filesystems, .count = 7};

#define ROOT "11111111aaaa22223333"
#define LOG  "22222222bbbb44448888"

static void expect(const char *path, const char *disk, const char *serial, uint64_t found, bool all)
{
    Cbsnap__Mount m = CBSNAP__MOUNT__INIT;
    bool told;

    m.path = (char *)path;
    m.disk = (char *)disk;
    m.serial = (char *)serial;
    if (coverage_disks(&m, &fs, &xml, &told) != found || told != all)
        fail_msg("'%s' on '%s' with '%s'", path, disk ? disk : "-", serial ? serial : "-");
}

static void a_mount_leads_to_its_disk_by_serial_or_by_the_list(void **state)
{
    (void)state;
    expect("/", "vda", ROOT, 1, true);
    expect("/", "vda,vdb", ROOT "," LOG, 3, true);
    expect("/", "vda,sdx", ROOT ",unknownunknownunknown", 1, false);
    expect("/mnt/data", "vdc", NULL, 4, true);
    expect("/mnt/blind", "vdc", NULL, 0, false);
    expect("/mnt/none", NULL, NULL, 0, false);
}

/* LVM over a volume and a local disk: what has no serial would be missed without a word. */
static void each_disk_of_several_must_be_found(void **state)
{
    static const char *const halves[] = {LOG, LOG ",", "," LOG};

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(halves); n++) { /* an older agent's, and of either order */
        expect("/", "vdb,vdc", halves[n], 2, false);
        expect("/mnt/lvm", "vdb,vdc", halves[n], 6, true);
        expect("/mnt/part", "vdb,sdx", halves[n], 2, false); /* libvirt left out what it has not */
        expect("/mnt/odd", "vdb,sdx", halves[n], 2, false);
    }
    expect("/mnt/lvm", "vdb,vdc", NULL, 6, true);
    expect("/mnt/part", "vdb,vdc", NULL, 2, false);
}

/* Two ways to one disk, as multipath has them, have one serial. */
static void all_ways_to_a_disk_count_as_it(void **state)
{
    (void)state;
    expect("/", "sdb,sdc", LOG "," LOG, 2, true);
    expect("/mnt/part", "sdb,sdc", LOG "," LOG, 2, true);
    expect("/mnt/lvm", "sdb,sdc", LOG, 6, true); /* an older agent told it once */
    /* each way a disk of the domain: which is which only the list says */
    disks[2].serial = disks[1].serial;
    expect("/", "sdb,sdc", LOG "," LOG, 0, false);
    expect("/mnt/lvm", "sdb,sdc", LOG "," LOG, 6, true);
    expect("/mnt/lvm", "sdb,sdc", LOG, 6, true);
    disks[2].serial = (char *)"";
}

/* Which of the two is the one that can be seen is not told. */
static void what_is_mounted_over_another_is_not_taken_for_it(void **state)
{
    (void)state;
    expect("/mnt/twice", "vdc", NULL, 6, false);
}

/* libvirt has put it at another disk's address, or at none. */
static void a_list_that_is_wrong_does_not_refuse_what_serials_tell(void **state)
{
    (void)state;
    expect("/mnt/part", "vda", ROOT, 1, true);
    expect("/mnt/odd", "vdb", LOG, 2, true);
    expect("/mnt/lvm", "vdb", LOG, 2, true);
}

static int check(const char *role, const char *mount_path, uint64_t in_set, struct err *e)
{
    Cbsnap__Mount data = CBSNAP__MOUNT__INIT, over = CBSNAP__MOUNT__INIT;
    Cbsnap__Mount half = CBSNAP__MOUNT__INIT, root = CBSNAP__MOUNT__INIT;
    Cbsnap__Mount *mounts[] = {&data, &root, &half, &over};
    Cbsnap__ServerPath path = CBSNAP__SERVER_PATH__INIT, *paths[] = {&path};
    Cbsnap__Server server = CBSNAP__SERVER__INIT;

    data.path = (char *)"/mnt/data";
    data.disk = (char *)"vdc";
    root.path = over.path = (char *)"/";
    root.disk = over.disk = (char *)"vda";
    root.serial = (char *)ROOT;
    over.serial = (char *)LOG;
    half.path = (char *)"/mnt/lvm";
    half.disk = (char *)"vdb,vdc";
    half.serial = (char *)LOG ",";
    path.role = (char *)role;
    path.path = (char *)"/mnt/data/mysql";
    path.mount = (char *)mount_path;
    server.n_path = 1;
    server.path = paths;
    return coverage_check(&server, mounts, ARRAY_SIZE(mounts), &fs, &xml, in_set, e);
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
    /* half of it on a disk that is in no set, with a serial or without */
    assert_int_equal(check("datadir", "/mnt/lvm", 7, &e), 0);
    assert_int_equal(check("datadir", "/mnt/lvm", 3, &e), -1);
    assert_non_null(strstr(e.msg, "is on disk 'vdc', which is not in the set"));
    /* one filesystem over another */
    assert_int_equal(check("datadir", "/", 3, &e), 0);
    assert_int_equal(check("datadir", "/", 1, &e), -1);
    assert_int_equal(check("datadir", "/", 2, &e), -1);
    /* a guest that hides its datadir proves nothing */
    assert_int_equal(check("binlog", "/mnt/data", 7, &e), -1);
    assert_non_null(strstr(e.msg, "where the server's datadir is"));
}

static void half_that_cannot_be_found_is_told_with_the_guests_names(void **state)
{
    struct domain_fs_list none = {.count = 0}, was = fs;
    struct err e = ERR_INIT;

    (void)state;
    fs = none; /* an older libvirt */
    assert_int_equal(check("datadir", "/mnt/lvm", 7, &e), -1);
    fs = was;
    assert_int_equal(e.code, ERR_REFUSED);
    assert_non_null(strstr(e.msg, "(guest disk 'vdb,vdc'); give the disk a <serial>"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_volume_is_found_by_iqn_or_by_serial),
        cmocka_unit_test(ambiguous_or_short_serials_prove_nothing),
        cmocka_unit_test(excluded_disks_are_whole_words),
        cmocka_unit_test(excluded_disks_that_are_none_are_told),
        cmocka_unit_test(a_mount_leads_to_its_disk_by_serial_or_by_the_list),
        cmocka_unit_test(each_disk_of_several_must_be_found),
        cmocka_unit_test(all_ways_to_a_disk_count_as_it),
        cmocka_unit_test(what_is_mounted_over_another_is_not_taken_for_it),
        cmocka_unit_test(a_list_that_is_wrong_does_not_refuse_what_serials_tell),
        cmocka_unit_test(the_whole_database_or_nothing),
        cmocka_unit_test(half_that_cannot_be_found_is_told_with_the_guests_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
