/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disks and documents that can be made over, and those that are refused; see domain_rewrite.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/host-coordinator/rewrite_check.h"

#define IQN     "iqn.2016-11.acme:new"
#define BY_PATH "/dev/disk/by-path/"

static void refused(const char *xml, const struct domain_rewrite *how, enum err_code code,
                    const char *words)
{
    char *out = NULL;
    struct err e = ERR_INIT;

    assert_int_equal(domain_rewrite(&out, xml, how, &e), -1);
    if (e.code != code || !strstr(e.msg, words))
        fail_msg("%s: %s", err_code_name(e.code), e.msg);
    assert_null(out);
}

static void test_disks_refused(void **state)
{
    static const struct {
        const char *disk, *words;
        enum rewrite_kind kind;
    } cases[] = {
        {"type='file'><source file='/f'/>", "neither", REWRITE_COPY},
        {"type='volume'><source pool='p' volume='v'/>", "neither", REWRITE_COPY},
        {"type='network'>", "neither", REWRITE_MOVE},
        {"type='network'><source protocol='rbd' name='p/i'/>", "not of iSCSI", REWRITE_MOVE},
        {"type='block'><source dev='/dev/mapper/x'/>", "by-path", REWRITE_MOVE},
        {"type='block'><source dev='" BY_PATH "ip-h:3260-iscsi-iqn.a:b-lun-0-part1'/>", "partition",
         REWRITE_THROWAWAY},
        {"type='block'><source dev='" BY_PATH "ip-h-iscsi-iqn.a:b-lun-0'/>", "portal",
         REWRITE_THROWAWAY},
        {"type='network'><driver type='qcow2'/><source protocol='iscsi' name='a'/>"
         "<backingStore type='file'><source file='/base'/></backingStore>",
         "backing file", REWRITE_COPY},
    };
    static const struct disk_move move = {"vda", IQN, NULL};

    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(cases); n++) {
        AUTO_FREE char *disk = xasprintf("<disk %s<target dev='vda'/></disk>", cases[n].disk);
        AUTO_FREE char *xml = domain_with("", disk);
        struct domain_rewrite how = as(cases[n].kind, &move, 1);

        refused(xml, &how, ERR_CONFIG, cases[n].words);
        refused(xml, &how, ERR_CONFIG, "disk 'vda'");
    }
}

/* A chain that libvirt found in a raw disk, a partition that stays one, a job of the first one. */
static void test_disks(void **state)
{
    static const struct disk_move move = {"vda", IQN, NULL};
    AUTO_FREE char *xml = domain_with(
        "", "<disk type='block'><driver type='raw'/><source dev='" BY_PATH
            "ip-h:3260-iscsi-iqn.a:b-iscsi-x-lun-1-lun-2-part1'><seclabel relabel='no'/></source>"
            "<backingStore type='file'><source file='/not/this'/></backingStore>"
            "<mirror type='file'/><target dev='vda'/><transient/></disk>");
    struct domain_rewrite how = as(REWRITE_COPY, &move, 1);
    xmlXPathContextPtr x = made(xml, &how);

    (void)state;
    is(x, "//disk/source/@dev", BY_PATH "ip-h:3260-iscsi-" IQN "-lun-2-part1");
    has(x, "//disk/source/seclabel", 1);
    has(x, "//disk/transient", 1);
    GONE(x, "//backingStore", "//mirror");
    done(x);
}

static void test_missing(void **state)
{
    static const struct disk_move move = {"vdb", IQN, NULL};
    AUTO_FREE char *xml = domain_with("", "<disk type='network'><target dev='vda'/></disk>");
    struct domain_rewrite how = as(REWRITE_MOVE, &move, 1);

    (void)state;
    refused(xml, &how, ERR_CONFIG, "no disk 'vdb'");
    refused("<domain><name>d</name></domain>", &how, ERR_CONFIG, "no disk 'vdb'");
    how = as(REWRITE_COPY, NULL, 0);
    how.uuid = NULL;
    refused(xml, &how, ERR_CONFIG, "name and a UUID");
    how = as(REWRITE_THROWAWAY, NULL, 0);
    how.name = "";
    refused(xml, &how, ERR_CONFIG, "name and a UUID");
}

static void test_no_domain(void **state)
{
    AUTO_FREE char *huge = xcalloc(1, 5 * 1024 * 1024);
    struct domain_rewrite how = as(REWRITE_MOVE, NULL, 0);

    (void)state;
    refused("", &how, ERR_LIBVIRT, "line");
    refused("no XML", &how, ERR_LIBVIRT, "line 1");
    refused("<domain>\n<name>d</name>\n<devices>", &how, ERR_LIBVIRT, "line 3");
    refused("<network><name>d</name></network>", &how, ERR_LIBVIRT, "no <domain>");
    refused("<!DOCTYPE domain [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>"
            "<domain><name>&a;</name></domain>",
            &how, ERR_LIBVIRT, "DOCTYPE");
    memset(huge, ' ', 5 * 1024 * 1024 - 1);
    refused(huge, &how, ERR_LIBVIRT, "larger than");
}

/* Text of any alphabet, and of markup, is text before and after. */
static void test_texts(void **state)
{
    struct domain_rewrite how = as(REWRITE_COPY, NULL, 0);
    xmlXPathContextPtr x;

    (void)state;
    how.name = "a&b<c";
    x = made("<?xml version='1.0' encoding='ISO-8859-1'?>"
             "<domain><name>d</name><title>M\xfcller &amp; S\xf6hne</title></domain>",
             &how);
    is(x, "/domain/name", "a&b<c");
    is(x, "/domain/title", "Müller & Söhne");
    done(x);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_disks_refused), TEST(test_disks), TEST(test_missing),
        TEST(test_no_domain),     TEST(test_texts),
    };

    return cmocka_run_group_tests_name("domain-rewrite-disks", tests, NULL, NULL);
}
