/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A domain's XML, which may stand in a record rebuilt from a guest's disk: read, and made over in
 * the three ways (host-coordinator/xml). What is made reads again, is the VM that was asked for on
 * the volumes that were asked for, and a throw-away one has no way out.
 */
#include <string.h>

#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>

#include "host-coordinator/xml/domain_rewrite.h"
#include "host-coordinator/xml/domain_xml.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "tests/fuzz/fuzz.h"

#define UUID      "11111111-2222-4333-8444-555555555555"
#define MOVES_MAX 8

struct moves {
    struct disk_move items[MOVES_MAX];
    char iqns[MOVES_MAX][48];
    size_t count;
};

/* Each disk by its target, once. */
static void plan_moves(struct moves *m, const struct domain_xml *x)
{
    m->count = 0;
    for (size_t n = 0; n < x->disk_count && m->count < MOVES_MAX; n++) {
        bool again = !*x->disks[n].target;

        for (size_t i = 0; i < x->disk_count; i++)
            again |= i != n && strcmp(x->disks[i].target, x->disks[n].target) == 0;
        if (again || !*x->disks[n].iqn)
            continue;
        (void)snprintf(m->iqns[m->count], sizeof(m->iqns[0]), "iqn.2016-11.acme.vsm1:new-%zu", n);
        m->items[m->count] =
            (struct disk_move){x->disks[n].target, m->iqns[m->count], "serial-given"};
        m->count++;
    }
}

static void check_moved(const struct domain_xml *x, const struct moves *m)
{
    for (size_t n = 0; n < m->count; n++) {
        bool found = false;

        for (size_t i = 0; i < x->disk_count; i++)
            found |= strcmp(x->disks[i].target, m->items[n].target) == 0 &&
                     strcmp(x->disks[i].iqn, m->items[n].iqn) == 0;
        FUZZ_MUST(found);
    }
}

/* Whatever is not known to be harmless is a way out. */
static void check_throwaway(const char *xml)
{
    static const char out[] =
        "count(/domain/devices/interface | /domain/devices/hostdev | /domain/devices/filesystem | "
        "/domain/devices/graphics | /domain/devices/redirdev | /domain/devices/tpm | "
        "/domain/devices/vsock | /domain/devices/shmem | /domain/devices/lease | "
        "/domain/devices/disk[@device='cdrom' or @device='floppy'] | /domain/metadata | "
        "/domain/devices/memory | //*[local-name()='commandline'] | "
        "/domain/devices/serial[@type!='pty'] | /domain/devices/console[@type!='pty'])";
    xmlDocPtr doc = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL,
                                  XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    xmlXPathContextPtr x = xmlXPathNewContext(doc);
    xmlXPathObjectPtr o = xmlXPathEvalExpression(BAD_CAST out, x);

    FUZZ_MUST(doc && x && o && o->type == XPATH_NUMBER);
    FUZZ_MUST(o->floatval == 0);
    xmlXPathFreeObject(o);
    xmlXPathFreeContext(x);
    xmlFreeDoc(doc);
}

static void rewrite(const char *xml, const struct moves *m, enum rewrite_kind kind, int memory_mib)
{
    bool move = kind == REWRITE_MOVE;
    const struct domain_rewrite how = {.kind = kind,
                                       .name = move ? NULL : "copy",
                                       .uuid = move ? NULL : UUID,
                                       .asset =
                                           kind == REWRITE_THROWAWAY ? "cbsnap-verify:x" : NULL,
                                       .memory_mib = memory_mib,
                                       .disks = m->items,
                                       .disk_count = m->count};
    AUTO_FREE char *made = NULL, *again = NULL;
    struct domain_xml x;
    struct err e = ERR_INIT;

    if (domain_rewrite(&made, xml, &how, &e) < 0) {
        FUZZ_MUST(err_is_set(&e) && !made);
        return;
    }
    FUZZ_MUST(domain_xml_parse(&x, made, &e) == 0);
    check_moved(&x, m);
    FUZZ_MUST(move || (strcmp(x.name, "copy") == 0 && strcmp(x.uuid, UUID) == 0));
    domain_xml_release(&x);
    if (kind == REWRITE_THROWAWAY)
        check_throwaway(made);
    FUZZ_MUST(domain_rewrite(&again, made, &how, &e) == 0);
    FUZZ_MUST(!move || strcmp(made, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    AUTO_FREE char *xml = fuzz_text(&in);
    AUTO_FREE char *iqn = NULL;
    struct moves m;
    struct domain_xml x;
    struct err e = ERR_INIT;
    int lun;

    fuzz_begin();
    if (size < 512)
        (void)by_path_iqn(xml, &iqn, &lun);
    if (domain_xml_parse(&x, xml, &e) < 0) {
        FUZZ_MUST(e.code == ERR_LIBVIRT);
        m.count = 0;
        rewrite(xml, &m, REWRITE_MOVE, 0);
        return 0;
    }
    (void)domain_xml_channel(&x, "org.cbsnap.agent.0");
    plan_moves(&m, &x);
    rewrite(xml, &m, REWRITE_MOVE, 0);
    rewrite(xml, &m, REWRITE_COPY, 512);
    rewrite(xml, &m, REWRITE_THROWAWAY, 256);
    domain_xml_release(&x);
    return 0;
}
