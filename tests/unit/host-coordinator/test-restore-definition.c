/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A set whose definition cannot be made over is refused while the VM still runs: its disks are
 * given by names that lead to no volume, or that lead nowhere before the host has logged in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "tests/unit/host-coordinator/back_world.h"

#define BY_PATH(end) "/dev/disk/by-path/ip-192.0.2.1:3260-iscsi-iqn.t:lab-log-lun-0" end

static const struct wanted switching = {.method = BACK_SWITCH};
static const struct wanted moving = {.method = BACK_SWITCH, .no_start = true};
static const struct wanted copying = {.method = BACK_COPY};
static const struct wanted verifying = {.method = BACK_VERIFY};
static const struct wanted in_place = {.method = BACK_IN_PLACE};

/* The VM has its disk vdb as a device of the host, in the set and now. */
static struct record *set_with_device(const char *device)
{
    const char *from = "<disk type='network' device='disk'><driver name='qemu' type='raw'/>"
                       "<source protocol='iscsi' name='iqn.t:lab-log/0'>"
                       "<host name='192.0.2.1' port='3260'/></source>";
    struct record *set = store_load(w.dir, SET_ID, NULL);
    const char *at = strstr(w.definition, from);
    char *changed;

    assert_non_null(at);
    changed = xasprintf("%.*s<disk type='block' device='disk'><driver name='qemu' type='raw'/>"
                        "<source dev='%s'/>%s",
                        (int)(at - w.definition), w.definition, device, at + strlen(from));
    free(w.definition);
    w.definition = changed;
    domain_fake_define("db", changed, true);
    record_set_text(set, "instance.definition", changed);
    return set;
}

static void refused(const char *device, struct wanted wanted, const char *words)
{
    world_close();
    world_open(true);
    world_expect_exit(world_run_set(set_with_device(device), wanted), 3, words);
    assert_int_equal(domain_fake_did("db", FAKE_SHUTDOWN), 0);
    assert_int_equal(storage_memory_volumes(w.array), 3);
    assert_int_equal(world_journals(), 0);
}

static void a_name_that_tells_no_volume_is_refused_untouched(void **state)
{
    const struct wanted plans[] = {switching, moving, copying, verifying};

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(plans); n++)
        refused("/dev/mapper/log", plans[n], "give it as /dev/disk/by-path/");
}

/* There no name is made over. */
static void devices_of_the_host_go_back_in_place(void **state)
{
    (void)state;
    world_expect_exit(world_run_set(set_with_device(BY_PATH("")), in_place), 0, NULL);
}

static void a_clone_is_no_device_before_the_host_logs_in(void **state)
{
    (void)state;
    refused(BY_PATH(""), switching, "disk 'vdb' is a device of the host");
    refused(BY_PATH(""), copying, "use --no-start, then iscsiadm, then virsh start");
}

static void with_no_start_it_is_defined_with_its_clones(void **state)
{
    (void)state;
    world_expect_exit(world_run_set(set_with_device(BY_PATH("")), moving), 0, NULL);
    assert_non_null(strstr(domain_fake_definition("db"), "-iscsi-iqn.2016-05.memory:"));
    assert_false(domain_fake_runs("db"));
}

/* Without the disk vdb. */
static char *less(const char *xml)
{
    const char *at = strstr(xml, "<disk type='network' device='disk'><driver name='qemu' "
                                 "type='raw'/><source protocol='iscsi' name='iqn.t:lab-log/0'>");
    const char *end = at ? strstr(at, "</disk>") : NULL;

    assert_non_null(end);
    return xasprintf("%.*s%s", (int)(at - xml), xml, end + strlen("</disk>"));
}

/* When the set was taken vdb was attached to the running VM only; now it is in the definition. */
static void a_disk_that_only_the_live_xml_had_comes_back(void **state)
{
    const struct wanted plans[] = {switching, copying, verifying};

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(plans); n++) {
        AUTO_FREE char *without = less(w.definition);
        struct record *set = store_load(w.dir, SET_ID, NULL);

        record_set_text(set, "instance.definition", without);
        record_set_text(set, "instance.live", w.definition);
        world_expect_exit(world_run_set(set, plans[n]), 0, NULL);
        world_close();
        world_open(true);
    }
}

/* And this is the VM that has it so now: the safety set, and what an undo starts, would lack it. */
static void a_vm_that_would_lose_a_disk_is_not_shut_down(void **state)
{
    const struct wanted plans[] = {switching, in_place};

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(plans); n++) {
        AUTO_FREE char *without = NULL;

        world_close();
        world_open(true);
        without = less(w.definition);
        domain_fake_redefine("db", without);
        world_expect_exit(world_run(plans[n]), 3, "disk 'vdb' (iqn.t:lab-log/0");
        assert_int_equal(domain_fake_did("db", FAKE_SHUTDOWN), 0);
    }
    world_expect_exit(world_run((struct wanted){.method = BACK_SWITCH, .force = true}), 0, NULL);
}

/* QEMU's own initiator reads the clone of the whole disk. */
static void a_partition_is_not_verified(void **state)
{
    (void)state;
    refused(BY_PATH("-part1"), verifying, "it is a partition");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        T(a_name_that_tells_no_volume_is_refused_untouched),
        T(devices_of_the_host_go_back_in_place),
        T(a_clone_is_no_device_before_the_host_logs_in),
        T(with_no_start_it_is_defined_with_its_clones),
        T(a_disk_that_only_the_live_xml_had_comes_back),
        T(a_vm_that_would_lose_a_disk_is_not_shut_down),
        T(a_partition_is_not_verified),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
