/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disks and channels out of domain XML as Nova, virsh and our lab write it, and of what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "host-coordinator/xml/domain_xml.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#define IQN "iqn.2016-11.vsm1.acme:acmevol"

/* A running instance of Nova: volumes by path, the serial is Cinder's UUID of the volume. */
static const char nova[] =
    "<domain type='kvm' id='7' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n"
    "  <name>instance-0000002a</name>\n"
    "  <uuid>\n 6f1f5b0e-2f6a-4c68-9f0e-0d6b8a1d6c11 </uuid>\n"
    "  <metadata><nova:instance xmlns:nova='http://openstack.org/xmlns/libvirt/nova/1.0'>"
    "<nova:name>db1</nova:name></nova:instance></metadata>\n"
    "  <devices>\n"
    "    <disk type='block' device='disk'>\n"
    "      <driver name='qemu' type='raw' cache='none'/>\n"
    "      <source dev='/dev/disk/by-path/ip-192.0.2.40:3260-iscsi-" IQN "1-lun-0'/>\n"
    "      <backingStore type='file'><source file='/not/this'/></backingStore>\n"
    "      <target dev='vda' bus='virtio'/>\n"
    "      <serial>0f2c8a4e-5a4e-4a8e-9d8e-5a1d2c3b4a5f</serial>\n"
    "      <alias name='virtio-disk0'/>\n"
    "    </disk>\n"
    "    <disk type='block' device='lun'>\n"
    "      <source dev='/dev/sdc'/><target dev='sda' bus='scsi'/><readonly/>\n"
    "    </disk>\n"
    "    <disk type='file' device='cdrom'><source file='/seed.iso'/>"
    "<target dev='hda'/><readonly/></disk>\n"
    "    <disk type='file' device='cdrom'><target dev='hdb'/></disk>\n"
    "    <disk type='file' device='floppy'><target dev='fda'/></disk>\n"
    "    <disk type='file'><source file='/var/lib/nova/a &amp; b'/><target dev='vdb'/></disk>\n"
    "    <channel type='unix'>\n"
    "      <source mode='bind' path='/run/qemu/org.qemu.guest_agent.0'/>\n"
    "      <target type='virtio' name='org.qemu.guest_agent.0' state='disconnected'/>\n"
    "    </channel>\n"
    "    <channel type='unix'>\n"
    "      <source mode='bind' path='/run/qemu/org.cbsnap.agent.0'/>\n"
    "      <target type='virtio' name='org.cbsnap.agent.0' state='connected'/>\n"
    "    </channel>\n"
    "    <channel type='unix'><source mode='connect' path='/run/other'/>"
    "<target type='virtio' name='out'/></channel>\n"
    "    <channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>\n"
    "    <channel type='pty'><target type='guestfwd' address='10.0.2.1' port='4600'/></channel>\n"
    "    <qemu:disk type='file'><target dev='vdz'/></qemu:disk>\n"
    "  </devices>\n"
    "  <qemu:commandline><qemu:arg value='-name'/></qemu:commandline>\n"
    "</domain>\n";

static void test_nova(void **state)
{
    struct domain_xml x;
    const struct domain_channel *c;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(domain_xml_parse(&x, nova, &e), 0);
    assert_string_equal(x.name, "instance-0000002a");
    assert_string_equal(x.uuid, "6f1f5b0e-2f6a-4c68-9f0e-0d6b8a1d6c11");
    assert_int_equal(x.disk_count, 3);
    assert_string_equal(x.disks[0].target, "vda");
    assert_string_equal(x.disks[0].alias, "virtio-disk0");
    assert_string_equal(x.disks[0].serial, "0f2c8a4e-5a4e-4a8e-9d8e-5a1d2c3b4a5f");
    assert_string_equal(x.disks[0].iqn, IQN "1");
    assert_int_equal(x.disks[0].lun, 0);
    assert_false(x.disks[0].read_only);
    assert_string_equal(x.disks[1].source, "/dev/sdc");
    assert_string_equal(x.disks[1].iqn, "");
    assert_string_equal(x.disks[1].serial, "");
    assert_string_equal(x.disks[1].alias, "");
    assert_int_equal(x.disks[1].lun, -1);
    assert_true(x.disks[1].read_only);
    assert_string_equal(x.disks[2].target, "vdb");
    assert_string_equal(x.disks[2].source, "/var/lib/nova/a & b");
    assert_int_equal(x.channel_count, 4);
    c = domain_xml_channel(&x, "org.cbsnap.agent.0");
    assert_non_null(c);
    assert_string_equal(c->path, "/run/qemu/org.cbsnap.agent.0");
    assert_true(c->has_state && c->connected);
    c = domain_xml_channel(&x, "org.qemu.guest_agent.0");
    assert_true(c->has_state && !c->connected);
    c = domain_xml_channel(&x, "out");
    assert_string_equal(c->path, "");
    assert_false(c->has_state || c->connected);
    assert_string_equal(domain_xml_channel(&x, "com.redhat.spice.0")->path, "");
    assert_null(domain_xml_channel(&x, "org.cbsnap.agent.1"));
    domain_xml_release(&x);
    assert_int_equal(x.disk_count, 0);
    domain_xml_release(&x); /* may be called twice */
}

static void parse_disk(struct domain_xml *x, const char *disk)
{
    AUTO_FREE char *xml = xasprintf("<domain><name>d</name><devices>%s</devices></domain>", disk);
    struct err e = ERR_INIT;

    assert_int_equal(domain_xml_parse(x, xml, &e), 0);
    assert_int_equal(x->disk_count, 1);
}

static void test_network_disks(void **state)
{
    static const struct {
        const char *source, *iqn, *text;
        int lun;
    } cases[] = {
        {"protocol='iscsi' name='" IQN "/1'><host name='127.0.0.1' port='3260'/>", IQN,
         IQN "/1 at 127.0.0.1:3260", 1},
        {"protocol='iscsi' name='" IQN "'><host name='san'/>", IQN, IQN " at san", 0},
        {"protocol='iscsi' name='" IQN "/x'>", IQN, IQN "/x", -1},
        {"protocol='rbd' name='pool/image'><host name='mon' port='6789'/>", "",
         "rbd:pool/image at mon:6789", -1},
        {"protocol='nbd'>", "", "nbd:", -1},
    };

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(cases); n++) {
        AUTO_FREE char *disk = xasprintf("<disk type='network' device='disk'><source %s</source>"
                                         "<target dev='vda'/></disk>",
                                         cases[n].source);
        struct domain_xml x;

        parse_disk(&x, disk);
        assert_string_equal(x.disks[0].iqn, cases[n].iqn);
        assert_string_equal(x.disks[0].source, cases[n].text);
        assert_int_equal(x.disks[0].lun, cases[n].lun);
        domain_xml_release(&x);
    }
}

static void test_other_sources(void **state)
{
    struct domain_xml x;

    (void)state;
    parse_disk(&x, "<disk type='volume'><source pool='p' volume='v'/><target dev='a'/></disk>");
    assert_string_equal(x.disks[0].source, "volume v of pool p");
    domain_xml_release(&x);
    parse_disk(&x, "<disk type='nvme'><source type='pci'/></disk>");
    assert_string_equal(x.disks[0].source, "nvme");
    assert_string_equal(x.disks[0].target, "");
    domain_xml_release(&x);
    parse_disk(&x, "<disk type='file'><target dev='a'/></disk>");
    assert_string_equal(x.disks[0].source, "");
    assert_string_equal(x.disks[0].iqn, "");
    domain_xml_release(&x);
}

static void refused(const char *xml, const char *why)
{
    struct domain_xml x = {.disk_count = 77};
    struct err e = ERR_INIT;

    assert_int_equal(domain_xml_parse(&x, xml, &e), -1);
    assert_int_equal(e.code, ERR_LIBVIRT);
    assert_non_null(strstr(e.msg, why));
    assert_int_equal(x.disk_count, 77); /* untouched */
}

static void test_refused(void **state)
{
    AUTO_FREE char *huge = xcalloc(1, 5 * 1024 * 1024);

    (void)state;
    refused("", "line");
    refused("<domain>\n<name>d</name>\n<devices>", "line 3");
    refused("no XML at all", "line 1");
    refused("<domainsnapshot><name>d</name></domainsnapshot>", "no <domain>");
    refused("<domain><title>d</title></domain>", "<name>");
    refused("<!DOCTYPE domain [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>"
            "<domain><name>&a;</name></domain>",
            "DOCTYPE");
    refused("<!DOCTYPE domain [<!ENTITY a 'x'><!ENTITY b '&a;&a;'>]>"
            "<domain><name>d</name><devices><disk type='&b;'/></devices></domain>",
            "DOCTYPE");
    memset(huge, ' ', 5 * 1024 * 1024 - 1);
    refused(huge, "larger than");
}

static void test_by_path(void **state)
{
    static const struct {
        const char *path, *iqn;
        int lun;
    } good[] = {
        {"ip-192.0.2.40:3260-iscsi-" IQN "-lun-0", IQN, 0},
        {"ip-192.0.2.40:3260-iscsi-" IQN "-lun-12-part3", IQN, 12},
        {"ip-[2001:db8::1]:3260-iscsi-" IQN "-lun-0x0101", IQN, 257},
        {"pci-0000:03:00.0-ip-192.0.2.40:3260-iscsi-" IQN "-lun-1", IQN, 1},
        {"ip-192.0.2.40:3260-iscsi-iqn.2016-11.a:x-lun-1y-iscsi-z-lun-2",
         "iqn.2016-11.a:x-lun-1y-iscsi-z", 2},
    };
    static const char *const bad[] = {
        "/dev/sda",
        "/dev/disk/by-id/ip-192.0.2.40:3260-iscsi-" IQN "-lun-0",
        "/dev/disk/by-path/pci-0000:00:1f.2-ata-1",
        "/dev/disk/by-path/fc-0x2100-iscsi-" IQN "-lun-0",
        "/dev/disk/by-path/ip-192.0.2.40:3260-iscsi-" IQN,
        "/dev/disk/by-path/ip-192.0.2.40:3260-iscsi-" IQN "-lun-",
        "/dev/disk/by-path/ip-192.0.2.40:3260-iscsi-" IQN "-lun-0-partx",
        "/dev/disk/by-path/ip-192.0.2.40:3260-iscsi--lun-0",
        "",
    };

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(good); n++) {
        AUTO_FREE char *path = xasprintf("/dev/disk/by-path/%s", good[n].path);
        AUTO_FREE char *iqn = NULL;
        int lun = -7;

        assert_true(by_path_iqn(path, &iqn, &lun));
        assert_string_equal(iqn, good[n].iqn);
        assert_int_equal(lun, good[n].lun);
    }
    for (size_t n = 0; n < ARRAY_SIZE(bad); n++) {
        char *iqn = NULL;
        int lun = -7;

        assert_false(by_path_iqn(bad[n], &iqn, &lun));
        assert_null(iqn);
        assert_int_equal(lun, -7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nova),          cmocka_unit_test(test_network_disks),
        cmocka_unit_test(test_other_sources), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_by_path),
    };

    return cmocka_run_group_tests_name("domain-xml", tests, NULL, NULL);
}
