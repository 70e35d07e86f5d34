/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Single members of a definition made over, disks apart; whole ones: test-domain-rewrite.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/host-coordinator/rewrite_check.h"

static xmlXPathContextPtr one(enum rewrite_kind kind, const char *members, const char *devices)
{
    AUTO_FREE char *xml = domain_with(members, devices);
    struct domain_rewrite how = as(kind, NULL, 0);

    return made(xml, &how);
}

/* ---- devices, one at a time ------------------------------------------------------------------ */

/* What a copy has of it, by XPath below <devices>; a throw-away one has none of these. */
static const struct {
    const char *device, *path, *expected;
} copied[] = {
    {"<interface type='vhostuser'><source type='unix' path='/run/vhost1'/></interface>", "count(*)",
     "0"},
    {"<interface type='network'><mac address='52:54:00:00:00:00'/>"
     "<source network='n' portid='7' bridge='virbr0'/><target dev='vnet0'/></interface>",
     "concat(count(*/target), */source/@portid, */source/@bridge)", "0virbr0"},
    {"<interface type='user'><portForward proto='tcp'><range "
     "start='22'/></portForward></interface>",
     "concat(count(*/portForward), count(*/mac))", "01"},
    {"<graphics type='vnc' socket='/run/vnc1'/>", "concat(*/@socket, */@autoport, */listen/@type)",
     "socket"},
    {"<graphics type='vnc'><listen type='socket' socket='/run/vnc1'/></graphics>",
     "concat(*/@autoport, */listen/@socket, */listen/@type)", "socket"},
    {"<graphics type='spice' port='5900'/>", "concat(*/@port, */@autoport)", "yes"},
    {"<graphics type='sdl' display=':0'/>", "concat(*/@display, */@autoport)", ":0"},
    {"<graphics type='dbus' address='unix:path=/run/d'/>", "string(*/@address)", ""},
    {"<vsock model='virtio'/>", "string(*/cid/@auto)", "yes"},
    {"<tpm><backend type='emulator'><source type='dir' path='/s'/></backend></tpm>",
     "concat(count(*/backend), count(*/backend/source))", "10"},
    {"<tpm><backend type='passthrough'><device path='/dev/tpm0'/></backend></tpm>",
     "count(*/backend/device)", "1"},
    {"<shmem name='s'/>", "count(*)", "0"},
    {"<lease><key>k</key></lease>", "count(*)", "0"},
    {"<pstore backend='acpi-erst'><path>/p</path></pstore>", "count(*)", "0"},
    {"<memory model='nvdimm'><source><path>/dev/pmem0</path></source></memory>", "count(*)", "0"},
    {"<memory model='dimm'><target><size>1</size></target></memory>", "count(*)", "1"},
    {"<filesystem><source socket='/run/vfs'/></filesystem>", "count(*)", "0"},
    {"<filesystem><source dir='/srv'/></filesystem>", "count(*)", "1"},
    {"<redirdev bus='usb' type='tcp'><source mode='connect'/></redirdev>", "count(*)", "0"},
    {"<redirdev bus='usb' type='spicevmc'/>", "count(*)", "1"},
    {"<hostdev mode='subsystem' type='pci'><source/></hostdev>", "count(*)", "1"},
    {"<smartcard mode='host'/>", "count(*)", "1"},
    {"<input type='evdev'><source dev='/dev/input/event1'/></input>", "count(*)", "1"},
    {"<input type='passthrough' bus='virtio'/>", "count(*)", "1"},
    {"<sound model='ich6'/>", "count(*)", "1"},
    {"<watchdog model='ib700'/>", "count(*)", "1"},
    {"<parallel type='file'><source path='/p'/></parallel>", "concat(*/@type, count(*/source))",
     "pty0"},
    {"<device-of-tomorrow/>", "count(*)", "1"},
    {"<x:device xmlns:x='urn:x'/>", "count(*)", "1"},
    {"<channel type='spicevmc'><target type='virtio' name='s'/></channel>", "string(*/@type)",
     "spicevmc"},
    {"<channel type='qemu-vdagent'><source><mouse mode='client'/></source>"
     "<target type='virtio' name='s'/></channel>",
     "count(*/source/mouse)", "1"},
    {"<channel type='tcp'><source mode='bind' host='0' service='4'/>"
     "<target type='guestfwd' address='10.0.2.1' port='4600'/></channel>",
     "count(*/source)", "1"},
};

static void test_devices(void **state)
{
    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(copied); n++) {
        AUTO_FREE char *path = xasprintf("%s", copied[n].path);
        xmlXPathContextPtr x = one(REWRITE_COPY, "", copied[n].device);
        xmlXPathContextPtr t = one(REWRITE_THROWAWAY, "", copied[n].device);
        xmlXPathContextPtr m = one(REWRITE_MOVE, "", copied[n].device);
        AUTO_FREE char *text = NULL;

        (void)xmlXPathSetContextNode(xmlDocGetRootElement(x->doc)->last, x);
        text = ask(x, path);
        if (strcmp(text, copied[n].expected) != 0)
            fail_msg("%s: %s is \"%s\"", copied[n].device, path, text);
        has(t, "//devices/*", 0);
        has(m, "//devices/*", 1);
        done(x);
        done(t);
        done(m);
    }
}

/* The guest keeps its ports; what was behind them on the host is the first one's. */
static void test_ports(void **state)
{
    static const char *const sources[] = {
        "type='file'><source path='/f'/>",
        "type='tcp'><source mode='bind' host='127.0.0.1' service='4555'/><protocol type='telnet'/>",
        "type='udp'><source mode='connect' host='h' service='1'/>",
        "type='unix'><source mode='bind' path='/s'/>",
        "type='pipe'><source path='/p'/>",
        "type='dev'><source path='/dev/ttyS0'/>",
        "type='pty' tty='/dev/pts/3'><source path='/dev/pts/3'/><log file='/l'/>",
    };

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(sources); n++) {
        AUTO_FREE char *devices = xasprintf(
            "<serial %s<target port='0'/></serial><console %s<target type='serial'/></console>"
            "<channel %s<target type='virtio' name='c' state='connected'/></channel>",
            sources[n], sources[n], sources[n]);

        for (int kind = REWRITE_COPY; kind <= REWRITE_THROWAWAY; kind++) {
            xmlXPathContextPtr x = one((enum rewrite_kind)kind, "", devices);

            is(x, "//serial/@type", "pty");
            is(x, "//serial/target/@port", "0");
            is(x, "//console/@type", "pty");
            is(x, "//channel/@type", kind == REWRITE_COPY && n == 6 ? "pty" : "unix");
            is(x, "//channel/target/@name", "c");
            GONE(x, "//source", "//protocol", "//log", "//@tty", "//@state", "/domain/@id");
            done(x);
        }
    }
}

/* A channel whose other end is a program that listens. */
static void test_connecting_channel(void **state)
{
    static const char channel[] = "<channel type='unix'><source mode='connect' path='/run/other'/>"
                                  "<target type='virtio' name='c'/></channel>";
    xmlXPathContextPtr copy = one(REWRITE_COPY, "", channel);
    xmlXPathContextPtr throwaway = one(REWRITE_THROWAWAY, "", channel);

    (void)state;
    is(copy, "//channel/source/@path", "/run/other");
    has(throwaway, "//channel[@type='unix'][not(source)]", 1);
    done(copy);
    done(throwaway);
}

/* ---- PCI slots ------------------------------------------------------------------------------- */

#define AT(slot, function)                                                                         \
    "<address type='pci' bus='0' slot='" slot "' function='" function "' multifunction='on'/>"

static void test_slots(void **state)
{
    xmlXPathContextPtr x =
        one(REWRITE_THROWAWAY, "",
            "<interface type='user'>" AT(
                "0x6",
                "0x0") "</interface>"
                       "<rng model='virtio'><backend model='random'/>" AT(
                           "6", "2") "</rng>"
                                     "<memballoon model='virtio'>" AT(
                                         "0x06",
                                         "0x1") "</memballoon>"
                                                "<controller type='scsi'>" AT(
                                                    "0x07",
                                                    "0x0") "</controller>"
                                                           "<sound model='ich6'>" AT(
                                                               "0x07",
                                                               "0x1") "</sound>"
                                                                      "<controller type='ide'>" AT(
                                                                          "0x01",
                                                                          "0x1") "</controller>");

    (void)state;
    is(x, "//memballoon/address/@function", "0x0");
    is(x, "//memballoon/address/@multifunction", "on");
    is(x, "//rng/address/@function", "2");
    is(x, "//controller[@type='scsi']/address/@function", "0x0");
    is(x, "//controller[@type='ide']/address/@function", "0x1");
    done(x);
}

/* ---- memory, asset tag, labels --------------------------------------------------------------- */

#define CELLS  "<cpu><topology/><numa><cell id='0' memory='1048576'/></numa></cpu>"
#define CHIP   "<memory model='dimm'><target><size>1</size></target></memory>"
#define BRIDGE "<controller type='pci'><target busNr='254'><node>0</node></target></controller>"

static void test_memory(void **state)
{
    AUTO_FREE char *cells = domain_with("<maxMemory slots='2'>4194304</maxMemory>" CELLS, BRIDGE);
    AUTO_FREE char *chips = domain_with("", CHIP), *plain = domain_with("", ""), *out = NULL;
    struct domain_rewrite how = as(REWRITE_COPY, NULL, 0);
    xmlXPathContextPtr x = made(cells, &how); /* as it is */
    struct err e = ERR_INIT;

    (void)state;
    is(x, "/domain/memory", "1048576");
    has(x, "//numa/cell", 1);
    done(x);
    how.memory_mib = 512;
    assert_int_equal(domain_rewrite(&out, cells, &how, &e), -1);
    assert_int_equal(e.code, ERR_CONFIG);
    assert_non_null(strstr(e.msg, "NUMA"));
    assert_int_equal(domain_rewrite(&out, chips, &how, &e), -1);
    assert_int_equal(e.code, ERR_CONFIG);
    how.kind = REWRITE_MOVE;
    assert_int_equal(domain_rewrite(&out, cells, &how, &e), -1);
    x = made(plain, &how);
    is(x, "concat(/domain/memory, /domain/memory/@unit)", "512MiB");
    has(x, "//currentMemory", 0);
    done(x);
    how.kind = REWRITE_THROWAWAY;
    x = made(cells, &how);
    is(x, "/domain/memory", "512");
    has(x, "/domain/cpu/topology", 1);
    is(x, "//controller/target/@busNr", "254");
    GONE(x, "//numa", "/domain/maxMemory", "//controller/target/node");
    done(x);
    how.memory_mib = -1;
    assert_int_equal(domain_rewrite(&out, plain, &how, &e), -1);
    assert_null(out);
}

static void asset_of(enum rewrite_kind kind, const char *members, const char *sysinfo)
{
    AUTO_FREE char *xml = domain_with(members, "");
    struct domain_rewrite how = as(kind, NULL, 0);
    xmlXPathContextPtr x;

    how.asset = "tag";
    x = made(xml, &how);
    has(x, "//chassis", 1);
    is(x, "/domain/sysinfo[@type='smbios']/chassis/entry[@name='asset']", "tag");
    is(x, "/domain/os/smbios/@mode", "sysinfo");
    has(x, "/domain/os/smbios", 1);
    is(x, sysinfo, "1");
    done(x);
}

static void test_asset(void **state)
{
    (void)state;
    asset_of(REWRITE_MOVE, "", "count(//sysinfo/*)");
    asset_of(REWRITE_COPY, "<sysinfo type='fwcfg'><entry name='opt/a'>b</entry></sysinfo>",
             "count(//sysinfo[@type='fwcfg']/entry)");
    asset_of(REWRITE_THROWAWAY,
             "<sysinfo type='smbios'><bios><entry name='vendor'>v</entry></bios>"
             "<chassis><entry name='serial'>s</entry><entry name='asset'>old</entry></chassis>"
             "</sysinfo>",
             "count(//bios[entry='v']/../chassis[entry='s'][count(entry)=2])");
}

static void test_smbios_of_host(void **state)
{
    static const char xml[] = "<domain><name>d</name><os><type>hvm</type><smbios mode='host'/></os>"
                              "</domain>";
    struct domain_rewrite how = as(REWRITE_COPY, NULL, 0);
    xmlXPathContextPtr x = made(xml, &how);

    (void)state;
    is(x, "//smbios/@mode", "host");
    is(x, "/domain/uuid", UUID); /* it had none */
    done(x);
    how.asset = "t";
    x = made(xml, &how);
    is(x, "//smbios/@mode", "sysinfo");
    has(x, "//smbios", 1);
    done(x);
}

static void test_labels(void **state)
{
    static const char labels[] =
        "<seclabel type='dynamic' model='selinux'><label>l</label><imagelabel>i</imagelabel>"
        "<baselabel>b</baselabel></seclabel><seclabel type='dynamic' model='dac'/>"
        "<seclabel type='static' model='x'><label>s</label></seclabel>";
    xmlXPathContextPtr x = one(REWRITE_THROWAWAY, labels, "");

    (void)state;
    has(x, "//seclabel", 2);
    is(x, "//seclabel[@model='selinux']", "b");
    is(x, "//seclabel[@model='x']", "s");
    done(x);
    x = one(REWRITE_MOVE, labels, "");
    has(x, "//seclabel", 3);
    done(x);
}

/* Newer libvirt: the variables' file as a source of its own, with or without a template. */
static void test_nvram(void **state)
{
    static const char xml[] =
        "<domain><name>d</name><os firmware='efi'><type>hvm</type>"
        "<nvram %s type='file'><source file='/d_VARS.fd'/></nvram></os></domain>";
    AUTO_FREE char *without =
        xasprintf("%.*s%s", (int)(strstr(xml, "%s") - xml), xml, strstr(xml, "%s") + 2);
    AUTO_FREE char *with = xasprintf("%.*stemplate='/t'%s", (int)(strstr(xml, "%s") - xml), xml,
                                     strstr(xml, "%s") + 2);
    struct domain_rewrite how = as(REWRITE_COPY, NULL, 0);
    xmlXPathContextPtr x = made(with, &how);

    (void)state;
    has(x, "//nvram[@template='/t'][not(node())][not(@type)]", 1);
    done(x);
    x = made(without, &how);
    has(x, "//nvram", 0);
    is(x, "//os/@firmware", "efi");
    done(x);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_devices),        TEST(test_ports),  TEST(test_connecting_channel),
        TEST(test_slots),          TEST(test_memory), TEST(test_asset),
        TEST(test_smbios_of_host), TEST(test_labels), TEST(test_nvram),
    };

    return cmocka_run_group_tests_name("domain-rewrite-parts", tests, NULL, NULL);
}
