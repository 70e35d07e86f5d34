/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which mounts count, and which disks they lie on: from made-up /proc and /sys trees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/sysmacros.h>

#include "guest-agent/fs/mounts.h"
#include "tests/unit/guest-agent/tree.h"

static const char mountinfo[] =
    "22 1 0:20 / /proc rw,nosuid - proc proc rw\n"
    "29 1 253:33 / /srv/deep/below rw - xfs /dev/vdc1 rw\n"
    "30 1 253:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro\n"
    "31 30 0:30 / /run rw - tmpfs tmpfs rw,size=100k\n"
    "32 30 253:16 / /mnt/mysql\\040data rw - xfs /dev/vdb rw,attr2\n"
    "33 30 253:1 /var/log /srv/log rw - ext4 /dev/vda1 rw\n"
    "34 30 253:33 / /srv rw - xfs /dev/vdc1 rw\n"
    "35 30 252:0 / /mnt/lvm rw shared:7 master:2 - xfs /dev/mapper/vg-lv rw\n"
    "36 30 8:1 / /mnt/ro ro - ext4 /dev/sda1 ro,norecovery\n"
    "37 30 8:2 / /mnt/ro-view ro - ext4 /dev/sda2 rw\n"
    "41 30 252:1 / /mnt/half rw - xfs /dev/mapper/vg-half rw\n"
    "42 30 252:2 / /mnt/paths rw - xfs /dev/mapper/mpatha rw\n"
    "43 30 252:3 / /mnt/none rw - xfs /dev/mapper/vg-none rw\n"
    "44 30 252:4 / /mnt/wide rw - xfs /dev/mapper/vg-wide rw\n"
    "45 30 253:64 / /mnt/pool rw - btrfs /dev/vde rw\n"
    "46 30 259:1 / /mnt/array rw - ext4 /dev/md0p1 rw\n"
    "38 30 0:44 / /mnt/nfs rw - nfs4 server:/x rw\n"
    "39 30 99:9 / /mnt/gone rw - ext4 /dev/gone rw\n"
    "nonsense\n"
    "40 30 253:1\n";

static void add_disk(const char *root, const char *dir, const char *number, const char *serial)
{
    char *link = xasprintf("sys/dev/block/%s", number), *file = xasprintf("%s/serial", dir);

    tree_dirs(root, dir, 1);
    tree_link(root, link, dir);
    if (serial)
        tree_file(root, file, serial);
    free(link);
    free(file);
}

static void add_partition(const char *root, const char *dir, const char *number)
{
    char *link = xasprintf("sys/dev/block/%s", number), *file = xasprintf("%s/partition", dir);

    tree_file(root, file, "1\n");
    tree_link(root, link, dir);
    free(link);
    free(file);
}

/* What a device of the device mapper lies on; its number the first time. */
static void add_below(const char *root, const char *name, const char *number, const char *below)
{
    char *dir = xasprintf("sys/devices/virtual/block/%s", name);
    char *link = xasprintf("%s/slaves/%s", dir, strrchr(below, '/') + 1);

    if (number)
        add_disk(root, dir, number, NULL);
    tree_link(root, link, below);
    free(dir);
    free(link);
}

#define WIDE 40

static void add_wide(const char *root)
{
    for (int n = 0; n < WIDE; n++) {
        AUTO_FREE char *dir = xasprintf("sys/devices/pci/block/w%02d", n);
        AUTO_FREE char *number = xasprintf("254:%d", n);
        AUTO_FREE char *serial = xasprintf("wide-%02d", n);

        add_disk(root, dir, number, serial);
        add_below(root, "dm-4", n ? NULL : "252:4", dir);
    }
}

static int setup(void **state)
{
    static const char page[] = {0, (char)0x80, 0, 6, 'S', 'C', 'S', 'I', '7', ' '};
    char *root = tree_new();

    tree_file(root, "proc/self/mountinfo", mountinfo);
    add_disk(root, "sys/devices/pci/block/vda", "253:0", "root-1\n");
    add_partition(root, "sys/devices/pci/block/vda/vda1", "253:1");
    add_disk(root, "sys/devices/pci/block/vdb", "253:16", "data-2");
    add_disk(root, "sys/devices/pci/block/vdc", "253:32", NULL);
    add_partition(root, "sys/devices/pci/block/vdc/vdc1", "253:33");
    add_disk(root, "sys/devices/scsi/block/sda", "8:0", NULL);
    tree_bytes(root, "sys/devices/scsi/block/sda/device/vpd_pg80", page, sizeof(page));
    add_partition(root, "sys/devices/scsi/block/sda/sda1", "8:1");
    add_partition(root, "sys/devices/scsi/block/sda/sda2", "8:2");
    add_partition(root, "sys/devices/scsi/block/sda/sda3", "8:3");
    /* a logical volume over a partition and a whole disk */
    add_disk(root, "sys/devices/virtual/block/dm-0", "252:0", NULL);
    tree_link(root, "sys/devices/virtual/block/dm-0/slaves/sda3",
              "sys/devices/scsi/block/sda/sda3");
    tree_link(root, "sys/devices/virtual/block/dm-0/slaves/vdb", "sys/devices/pci/block/vdb");
    /* one over a disk with a serial and one without; multipath: two ways to one disk; no serials;
     * and partitions of two disks without */
    add_below(root, "dm-1", "252:1", "sys/devices/pci/block/vdb");
    add_below(root, "dm-1", NULL, "sys/devices/pci/block/vdc");
    add_disk(root, "sys/devices/scsi/block/sdb", "8:16", "lun-3");
    add_disk(root, "sys/devices/scsi/block/sdc", "8:32", "lun-3");
    add_below(root, "dm-2", "252:2", "sys/devices/scsi/block/sdb");
    add_below(root, "dm-2", NULL, "sys/devices/scsi/block/sdc");
    add_disk(root, "sys/devices/pci/block/vdd", "253:48", NULL);
    add_partition(root, "sys/devices/pci/block/vdd/vdd1", "253:49");
    add_partition(root, "sys/devices/pci/block/vdd/vdd2", "253:50");
    add_below(root, "dm-3", "252:3", "sys/devices/pci/block/vdd/vdd1");
    add_below(root, "dm-3", NULL, "sys/devices/pci/block/vdd/vdd2");
    add_below(root, "dm-3", NULL, "sys/devices/pci/block/vdc");
    /* a partition of an array */
    add_below(root, "md0", "9:0", "sys/devices/pci/block/vda");
    add_below(root, "md0", NULL, "sys/devices/pci/block/vdb");
    add_partition(root, "sys/devices/virtual/block/md0/md0p1", "259:1");
    add_wide(root);
    add_disk(root, "sys/devices/pci/block/vde", "253:64", "pool-5");
    add_disk(root, "sys/devices/pci/block/vdf", "253:80", NULL);
    tree_link(root, "sys/fs/btrfs/1234-5678/devices/vde", "sys/devices/pci/block/vde");
    tree_link(root, "sys/fs/btrfs/1234-5678/devices/vdf", "sys/devices/pci/block/vdf");
    tree_link(root, "sys/fs/btrfs/8765-4321/devices/vdb", "sys/devices/pci/block/vdb");
    tree_dirs(root, "sys/fs/btrfs/features", 1);
    *state = root;
    return 0;
}

static int teardown(void **state)
{
    tree_free(*state);
    return 0;
}

static const struct mount *by_path(const struct mount_table *t, const char *path)
{
    for (size_t n = 0; n < t->count; n++) {
        if (strcmp(t->items[n].path, path) == 0)
            return &t->items[n];
    }
    return NULL;
}

static void check_mount(const struct mount_table *t, const char *path, const char *device,
                        const char *disk, const char *serial)
{
    const struct mount *m = by_path(t, path);

    assert_non_null(m);
    assert_string_equal(m->device, device);
    assert_string_equal(m->disk, disk);
    assert_string_equal(m->serial, serial);
}

static void reads_block_mounts_once(void **state)
{
    struct mount_table t;
    struct err e = ERR_INIT;

    assert_int_equal(mounts_read(&t, *state, *state, &e), 0);
    assert_int_equal(t.count, 12);
    check_mount(&t, "/", "vda1", "vda", "root-1");
    check_mount(&t, "/mnt/mysql data", "vdb", "vdb", "data-2");
    check_mount(&t, "/srv", "vdc1", "vdc", ""); /* the nearer one, though listed later */
    check_mount(&t, "/mnt/ro", "sda1", "sda", "SCSI7");
    assert_string_equal(by_path(&t, "/")->fstype, "ext4");
    mounts_release(&t);
    assert_int_equal(t.count, 0);
}

/* Where a filesystem is mounted besides: the way to it when the path that is told is covered. */
static void keeps_the_other_places(void **state)
{
    struct mount_table t;
    const struct mount *m;

    assert_int_equal(mounts_read(&t, *state, *state, NULL), 0);
    m = by_path(&t, "/srv");
    assert_int_equal(m->other_count, 1);
    assert_string_equal(m->others[0], "/srv/deep/below");
    m = by_path(&t, "/");
    assert_int_equal(m->other_count, 1);
    assert_string_equal(m->others[0], "/srv/log");
    assert_int_equal(by_path(&t, "/mnt/lvm")->other_count, 0);
    mounts_release(&t);
}

static void follows_device_mapper(void **state)
{
    struct mount_table t;
    const struct mount *m;

    assert_int_equal(mounts_read(&t, *state, *state, NULL), 0);
    m = by_path(&t, "/mnt/lvm");
    assert_non_null(m);
    assert_string_equal(m->device, "dm-0");
    assert_true(strcmp(m->disk, "sda,vdb") == 0 || strcmp(m->disk, "vdb,sda") == 0);
    assert_true(strcmp(m->serial, "SCSI7,data-2") == 0 || strcmp(m->serial, "data-2,SCSI7") == 0);
    mounts_release(&t);
}

/* In which order sysfs lists them is its own affair. */
static void check_disks(const struct mount *m, const char *disk, const char *serial,
                        const char *other_disk, const char *other_serial)
{
    bool first;

    assert_non_null(m);
    first = strcmp(m->disk, disk) == 0;
    assert_string_equal(m->disk, first ? disk : other_disk);
    assert_string_equal(m->serial, first ? serial : other_serial);
}

/* Else a host would take the one serial for all that there is. */
static void a_disk_without_a_serial_keeps_its_place(void **state)
{
    struct mount_table t;

    assert_int_equal(mounts_read(&t, *state, *state, NULL), 0);
    check_disks(by_path(&t, "/mnt/half"), "vdb,vdc", "data-2,", "vdc,vdb", ",data-2");
    check_disks(by_path(&t, "/mnt/none"), "vdd,vdc", "", "vdc,vdd", "");
    check_disks(by_path(&t, "/mnt/array"), "vda,vdb", "root-1,data-2", "vdb,vda", "data-2,root-1");
    check_disks(by_path(&t, "/mnt/paths"), "sdb,sdc", "lun-3,lun-3", "sdc,sdb", "lun-3,lun-3");
    mounts_release(&t);
}

/* Which has no device of the device mapper above its disks. */
static void btrfs_is_followed_to_all_its_disks(void **state)
{
    struct mount_table t;

    assert_int_equal(mounts_read(&t, *state, *state, NULL), 0);
    check_mount(&t, "/mnt/pool", "vde", "vde,vdf", "pool-5,");
    mounts_release(&t);
}

static size_t words_of(const char *list)
{
    size_t count = 1;

    for (; *list; list++)
        count += *list == ',';
    return count;
}

static void however_many_disks_all_are_told(void **state)
{
    struct mount_table t;
    const struct mount *m;

    assert_int_equal(mounts_read(&t, *state, *state, NULL), 0);
    m = by_path(&t, "/mnt/wide");
    assert_non_null(m);
    assert_int_equal(words_of(m->disk), WIDE);
    assert_int_equal(words_of(m->serial), WIDE);
    /* each serial at the place of its disk: "w07" and "wide-07" */
    for (size_t n = 0; n < WIDE; n++)
        assert_memory_equal(m->disk + n * strlen("w00,") + 1,
                            m->serial + n * strlen("wide-00,") + 5, 2);
    mounts_release(&t);
}

static void read_only_is_the_filesystems(void **state)
{
    struct mount_table t;

    assert_int_equal(mounts_read(&t, *state, *state, NULL), 0);
    assert_true(by_path(&t, "/mnt/ro")->read_only);
    assert_false(by_path(&t, "/mnt/ro-view")->read_only); /* only this view of it is */
    assert_false(by_path(&t, "/")->read_only);
    mounts_release(&t);
}

static void finds_the_holder_by_device(void **state)
{
    char *root = *state;
    AUTO_FREE char *link = xasprintf("%s/link", root);
    struct mount_table t;
    struct stat st;

    assert_int_equal(mounts_read(&t, root, root, NULL), 0);
    assert_null(mounts_holding(&t, "/nonexistent/path"));
    assert_int_equal(stat(root, &st), 0);
    t.items[2].dev_major = major(st.st_dev);
    t.items[2].dev_minor = minor(st.st_dev);
    tree_link(root, "link", "proc");
    assert_ptr_equal(mounts_holding(&t, link), &t.items[2]);
    mounts_release(&t);
}

static void says_what_it_cannot_read(void **state)
{
    struct mount_table t = {.count = 77};
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(mounts_read(&t, "/nonexistent", "", &e), -1);
    assert_int_equal(e.code, ERR_IO);
    assert_non_null(strstr(e.msg, "/nonexistent/proc/self/mountinfo"));
    assert_int_equal(t.count, 77);
}

static void reads_the_live_system(void **state)
{
    struct mount_table t;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(mounts_read(&t, "", "", &e), 0);
    for (size_t n = 0; n < t.count; n++) {
        assert_int_equal(t.items[n].path[0], '/');
        assert_true(strlen(t.items[n].disk) > 0);
    }
    mounts_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_block_mounts_once, setup, teardown),
        cmocka_unit_test_setup_teardown(keeps_the_other_places, setup, teardown),
        cmocka_unit_test_setup_teardown(follows_device_mapper, setup, teardown),
        cmocka_unit_test_setup_teardown(a_disk_without_a_serial_keeps_its_place, setup, teardown),
        cmocka_unit_test_setup_teardown(btrfs_is_followed_to_all_its_disks, setup, teardown),
        cmocka_unit_test_setup_teardown(however_many_disks_all_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(read_only_is_the_filesystems, setup, teardown),
        cmocka_unit_test_setup_teardown(finds_the_holder_by_device, setup, teardown),
        cmocka_unit_test(says_what_it_cannot_read),
        cmocka_unit_test(reads_the_live_system),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
