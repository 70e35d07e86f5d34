/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Definitions made over, member by member: the lab's, one of Nova (Liberty), one of virt-install on
 * EL9 with UEFI. That libvirt takes the results is seen in tests/integration/test-domain.sh.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <libxml/c14n.h>

#include "tests/in_range.h"
#include "tests/unit/host-coordinator/rewrite_check.h"

#define FIXTURES "tests/unit/host-coordinator/fixtures/domain-"
#define NEW      "iqn.2016-11.acme.vsm1:new"

static const struct disk_move lab_disks[] = {
    {"vda", NEW "-root", "ignored"}, {"vdb", NEW "-log", NULL}, {"vdc", NEW "-data", ""}};
static const struct disk_move nova_disks[] = {
    {"vda", NEW "-root", "ignored"}, {"vdb", NEW "-log", "5e41a1"}, {"sda", NEW "-data", "da7a"}};
static const struct disk_move el9_disks[] = {{"vda", NEW "-root", NULL}, {"vdb", NEW "-data", "9"}};

/* ---- helpers --------------------------------------------------------------------------------- */

static char *read_fixture(const char *name)
{
    AUTO_FREE char *path = xasprintf(FIXTURES "%s.xml", name);
    AUTO_FCLOSE FILE *f = fopen(path, "r");
    char *text = xcalloc(1, 65536);

    assert_non_null(f);
    assert_int_in_range(fread(text, 1, 65535, f), 1000, 65534);
    return text;
}

static xmlXPathContextPtr made_of(const char *fixture, const struct domain_rewrite *how)
{
    AUTO_FREE char *xml = read_fixture(fixture);

    return made(xml, how);
}

/* ---- the same VM on other volumes ------------------------------------------------------------ */

static char *canonical(const char *xml)
{
    xmlDocPtr doc = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL, 0);
    xmlChar *text = NULL;
    char *copy;

    assert_non_null(doc);
    assert_true(xmlC14NDocDumpMemory(doc, NULL, XML_C14N_1_0, NULL, 1, &text) > 0);
    copy = xstrdup((const char *)text);
    xmlFree(text);
    xmlFreeDoc(doc);
    return copy;
}

/* All of it, white space too, is as it was, but for these words. */
static void only_changes(const char *fixture, const struct disk_move *disks, size_t count,
                         const char *const (*words)[2])
{
    AUTO_FREE char *xml = read_fixture(fixture), *out = NULL, *was = NULL, *now = NULL;
    struct domain_rewrite how = as(REWRITE_MOVE, disks, count);
    struct err e = ERR_INIT;

    how.name = how.uuid = NULL;
    if (domain_rewrite(&out, xml, &how, &e) < 0)
        fail_msg("%s", e.msg);
    for (; (*words)[0]; words++) {
        char *at = strstr(xml, (*words)[0]), *changed;

        assert_non_null(at);
        changed =
            xasprintf("%.*s%s%s", (int)(at - xml), xml, (*words)[1], at + strlen((*words)[0]));
        free(xml);
        xml = changed;
    }
    was = canonical(xml);
    now = canonical(out);
    assert_string_equal(now, was);
}

static void test_move(void **state)
{
    static const char *const lab[][2] = {
        {"iqn.2016-11.com.cloudbyte:lab-root/1", NEW "-root/1"},
        {"iqn.2016-11.com.cloudbyte:lab-log/1", NEW "-log/1"},
        {"iqn.2016-11.com.cloudbyte:lab-data/1", NEW "-data/1"},
        {NULL, NULL},
    };
    static const char *const nova[][2] = {
        {"iqn.2016-11.acme.vsm1:root-lun-0", NEW "-root-lun-0"},
        {"iqn.2016-11.acme.vsm1:log-lun-3", NEW "-log-lun-3"},
        {"iqn.2016-11.acme.vsm1:data-lun-0x0101", NEW "-data-lun-0x0101"},
        {"43dc0cf8-809b-4adb-9bea-a9abb5f3d90e", ""},
        /* the one that had none; not the one that shows the array's own */
        {"slot='0x06' function='0x1'/>\n    </disk>",
         "slot='0x06' function='0x1'/>\n    <serial>5e41a1</serial></disk>"},
        {NULL, NULL},
    };
    static const char *const el9[][2] = {
        {"iqn.2016-11.acme.vsm1:root9/2", NEW "-root/2"},
        {"iqn.2016-11.acme.vsm1:data9'", NEW "-data'"},
        {"bus='0x05' slot='0x00' function='0x0'/>\n    </disk>",
         "bus='0x05' slot='0x00' function='0x0'/>\n    <serial>9</serial></disk>"},
        {NULL, NULL},
    };

    (void)state;
    only_changes("lab", lab_disks, 3, lab);
    only_changes("nova-liberty", nova_disks, 3, nova);
    only_changes("el9-uefi", el9_disks, 2, el9);
}

/* ---- another VM ------------------------------------------------------------------------------ */

static void is_new_mac(xmlXPathContextPtr x, const char *path)
{
    AUTO_FREE char *mac = ask(x, path);
    unsigned a, b, c;
    char rest;

    assert_int_equal(strlen(mac), 17);
    assert_int_equal(sscanf(mac, "52:54:00:%2x:%2x:%2x%c", &a, &b, &c, &rest), 3);
}

static void test_copy_of_nova(void **state)
{
    struct domain_rewrite how = as(REWRITE_COPY, nova_disks, 3);
    xmlXPathContextPtr x = made_of("nova-liberty", &how);

    (void)state;
    is(x, "/domain/name", "copy");
    is(x, "/domain/uuid", UUID);
    is(x, "/domain/title", "db1 & its log");
    has(x, "/domain/genid[not(node())]", 1);
    /* libvirt refuses a domain whose two UUIDs differ */
    is(x, "/domain/sysinfo/system/entry[@name='uuid']", UUID);
    is(x, "/domain/sysinfo/system/entry[@name='product']", "OpenStack Nova");
    has(x, "/domain/metadata/*", 1);
    is(x, "local-name(/domain/metadata/*)", "libosinfo");
    is(x, "/domain/memory", "16777216");
    is(x, "/domain/vcpu/@cpuset", "2-9");
    has(x, "/domain/cputune/vcpupin", 2);
    is(x, "/domain/on_reboot", "restart");

    is(x, "//disk[target/@dev='vda']/source/@dev",
       "/dev/disk/by-path/ip-192.0.2.40:3260-iscsi-" NEW "-root-lun-0");
    is(x, "//disk[target/@dev='vda']/serial", "0f2c8a4e-5a4e-4a8e-9d8e-5a1d2c3b4a5f");
    is(x, "//disk[target/@dev='vda']/address/@slot", "0x05");
    is(x, "//disk[target/@dev='vda']/iotune/total_iops_sec", "500");
    is(x, "//disk[target/@dev='vdb']/serial", "5e41a1");
    is(x, "//disk[target/@dev='vdb']/address/@function", "0x1");
    is(x, "//disk[target/@dev='sda']/@device", "lun");
    has(x, "//disk[@device='cdrom'][contains(source/@file, 'disk.config')]", 1);
    has(x, "//disk[@device='floppy'][not(source)]", 1);

    is_new_mac(x, "//interface/mac/@address");
    is(x, "//interface/source/@bridge", "br-int");
    is(x, "//interface/virtualport/@type", "openvswitch");
    is(x, "//interface/address/@multifunction", "on");
    has(x, "//serial[@type='pty'][not(source)]/target[@port]", 2);
    has(x, "//console[@type='pty'][not(source)]/target[@type='serial']", 1);
    has(x, "//channel[@type='unix'][not(source)]/target[@type='virtio']", 2);
    is(x, "//graphics/@autoport", "yes");
    is(x, "//graphics/@websocket", "-1");
    is(x, "//graphics/listen/@address", "0.0.0.0");
    GONE(x, "//disk[target/@dev='vdd']", "//interface/target", "//interface//@interfaceid",
         "//graphics/@port", "/domain/seclabel", "//*[contains(@path, 'nova')]");
    done(x);
}

static void test_copy_of_el9(void **state)
{
    struct domain_rewrite how = as(REWRITE_COPY, el9_disks, 2);
    xmlXPathContextPtr x = made_of("el9-uefi", &how);

    (void)state;
    /* the VM's own variables are the first one's file: libvirt makes one from the template */
    is(x, "/domain/os/nvram/@template", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd");
    is(x, "/domain/os/nvram", "");
    is(x, "/domain/os/loader/@secure", "yes");
    is(x, "//disk[target/@dev='vda']/source/@name", NEW "-root/2");
    is(x, "//disk[target/@dev='vda']/source/host/@name", "192.0.2.40");
    is(x, "//disk[target/@dev='vda']/source/initiator/iqn/@name", "iqn.1994-05.com.redhat:hv1");
    is(x, "//disk[target/@dev='vda']/auth/secret/@uuid", "2ec115d7-3a88-3ceb-bc12-0ac909a6fd87");
    is(x, "//disk[target/@dev='vda']/serial", "root9");
    is(x, "//disk[target/@dev='vdb']/source/@name", NEW "-data");
    is(x, "//disk[target/@dev='vdb']/serial", "9");
    has(x, "//disk[target/@dev='vdb']/shareable", 1);
    has(x, "//disk[@device='cdrom']", 1);
    is_new_mac(x, "//interface/mac/@address");
    is(x, "//interface/source/@network", "default");
    has(x, "//channel[@type='spicevmc']", 1);
    is(x, "//graphics/@autoport", "yes");
    is(x, "//graphics/@passwd", "s3cret");
    is(x, "//graphics/listen/@address", "127.0.0.1");
    is(x, "//vsock/cid/@auto", "yes");
    is(x, "//rng/backend/@model", "egd");
    has(x, "//filesystem | //hostdev | //redirdev | //watchdog | //tpm | //sound", 6);
    has(x, "//video/model/acceleration", 1);
    has(x, "/domain/memoryBacking/access", 1);
    GONE(x, "//graphics/@port", "//graphics/@tlsPort", "//vsock/cid/@address", "//log",
         "/domain/seclabel");
    done(x);
}

static void test_copy_of_lab(void **state)
{
    struct domain_rewrite how = as(REWRITE_COPY, lab_disks, 3);
    xmlXPathContextPtr x = made_of("lab", &how);

    (void)state;
    has(x, "/domain/qemu:commandline/qemu:arg", 4);
    has(x, "/domain/seclabel", 2); /* static, and none: an admin's */
    is(x, "/domain/seclabel/label", "+0:+0");
    is(x, "/domain/description", "test VM of the lab in /srv/lab");
    is(x, "/domain/os/kernel", "/srv/lab/boot/vmlinuz");
    has(x, "//serial[@type='pty'][not(source)]", 1);
    is(x, "//disk[target/@dev='vdc']/serial", "2f2c8a4e5a4e4a8e9d8e");
    done(x);
}

/* ---- one that can reach nobody --------------------------------------------------------------- */

static void test_throwaway_of_nova(void **state)
{
    struct domain_rewrite how = as(REWRITE_THROWAWAY, nova_disks, 3);
    xmlXPathContextPtr x;

    (void)state;
    how.memory_mib = 512;
    how.asset = "cbsnap <1> & co";
    x = made_of("nova-liberty", &how);
    is(x, "/domain/name", "copy");
    is(x, "/domain/sysinfo/system/entry[@name='uuid']", UUID);
    is(x, "/domain/sysinfo/chassis/entry[@name='asset']", "cbsnap <1> & co");
    is(x, "/domain/os/smbios/@mode", "sysinfo");
    is(x, "concat(/domain/memory, /domain/memory/@unit)", "512MiB");
    is(x, "concat(/domain/currentMemory, /domain/currentMemory/@unit)", "512MiB");
    is(x, "/domain/vcpu", "4");
    is(x, "/domain/cpu/topology/@sockets", "4");
    has(x, "/domain[on_poweroff='destroy'][on_reboot='destroy'][on_crash='destroy']", 1);

    has(x, "//disk", 3);
    has(x, "//disk[@type='network'][@device='disk'][source/@protocol='iscsi']", 3);
    is(x, "//disk[target/@dev='vda']/source/@name", NEW "-root/0");
    is(x, "//disk[target/@dev='vda']/source/host/@name", "192.0.2.40");
    is(x, "//disk[target/@dev='vda']/source/host/@port", "3260");
    is(x, "//disk[target/@dev='vda']/driver/@cache", "none");
    is(x, "//disk[target/@dev='vda']/iotune/total_iops_sec", "500");
    is(x, "//disk[target/@dev='vdb']/source/@name", NEW "-log/3");
    is(x, "//disk[target/@dev='vdb']/source/host/@name", "2001:db8::40");
    is(x, "//disk[target/@dev='sda']/source/@name", NEW "-data/257");
    is(x, "//disk[target/@dev='sda']/source/host/@name", "192.0.2.40");
    is(x, "//disk[target/@dev='sda']/serial", "da7a"); /* it shows QEMU's now */
    /* the interface had been function 0 of its slot; PIIX's IDE never had one */
    is(x, "//disk[target/@dev='vdb']/address/@function", "0x0");
    is(x, "//controller[@type='ide']/address/@function", "0x1");

    has(x, "//serial[@type='pty'][not(source)]", 2);
    has(x, "//channel[@type='unix'][not(source)]", 2);
    has(x, "//video | //input | //memballoon", 5);
    GONE(x, "/domain/metadata", "/domain/memoryBacking", "/domain/cputune", "/domain/numatune",
         "/domain/resource", "/domain/cpu/numa", "/domain/vcpu/@cpuset", "/domain/seclabel",
         "//interface", "//graphics", "//disk/@rawio", "//disk/@sgio", "//driver/@io",
         "//source/@dev", "//*[contains(@path, '/')]");
    done(x);
}

static void test_throwaway_of_el9(void **state)
{
    struct domain_rewrite how = as(REWRITE_THROWAWAY, el9_disks, 2);
    xmlXPathContextPtr x = made_of("el9-uefi", &how);

    (void)state;
    is(x, "/domain/memory", "8388608");
    is(x, "/domain/os/nvram/@template", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd");
    is(x, "//disk[target/@dev='vda']/source/@name", NEW "-root/2");
    has(x, "//disk[target/@dev='vda']/auth", 1);
    has(x, "//disk", 2);
    has(x, "//controller", 10);
    is(x, "//rng/backend[@model='random']", "/dev/urandom");
    is(x, "//channel/target/@name", "org.qemu.guest_agent.0");
    has(x, "//channel", 1);
    has(x, "//video/model[@type='virtio'][not(acceleration)]", 1);
    GONE(x, "//filesystem", "//interface", "//hostdev", "//redirdev", "//watchdog", "//tpm",
         "//sound", "//audio", "//vsock", "//graphics", "//log", "/domain/memoryBacking",
         "/domain/sysinfo", "/domain/os/smbios", "//*[@type='egd' or @type='tcp']");
    done(x);
}

static void test_throwaway_of_lab(void **state)
{
    struct domain_rewrite how = as(REWRITE_THROWAWAY, lab_disks, 3);
    xmlXPathContextPtr x = made_of("lab", &how);

    (void)state;
    is(x, "/domain/@type", "qemu");
    is(x, "/domain/os/cmdline", "console=ttyS0 loglevel=5 systemd.show_status=0");
    is(x, "//disk[target/@dev='vdb']/source/@name", NEW "-log/1");
    is(x, "//disk[target/@dev='vdb']/source/host/@port", "3261");
    has(x, "//channel", 2);
    has(x, "/domain/seclabel", 2);
    GONE(x, "//*[namespace-uri() != '']", "//*[@type='file']");
    done(x);
}

/* Two copies of one domain must not meet on the wire. */
static void test_macs_differ(void **state)
{
    AUTO_FREE char *first = NULL, *second = NULL;
    struct domain_rewrite how = as(REWRITE_COPY, el9_disks, 2);
    xmlXPathContextPtr x = made_of("el9-uefi", &how), y = made_of("el9-uefi", &how);

    (void)state;
    first = ask(x, "//interface/mac/@address");
    second = ask(y, "//interface/mac/@address");
    assert_string_not_equal(first, second);
    done(x);
    done(y);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_move),
        TEST(test_copy_of_nova),
        TEST(test_copy_of_el9),
        TEST(test_copy_of_lab),
        TEST(test_throwaway_of_nova),
        TEST(test_throwaway_of_el9),
        TEST(test_throwaway_of_lab),
        TEST(test_macs_differ),
    };

    return cmocka_run_group_tests_name("domain-rewrite", tests, NULL, NULL);
}
