/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agent of whichever VM was started: its certificate is what the volumes hold. */
#include "tests/unit/host-coordinator/back_world.h"

#include <stdio.h>
#include <string.h>

#include "host-coordinator/xml/domain_xml.h"
#include "proto/base/cleanup.h"

void world_tell_agent(const char *live_xml)
{
    static const char *const targets[3] = {"vda", "vdb", "vdc"};
    struct domain_xml x;

    for (size_t n = 0; n < 3; n++)
        w.told[n] = CONTENT_GONE;
    w.verifying = live_xml && strstr(live_xml, "cbsnap-verify:" SET_ID);
    if (!live_xml || domain_xml_parse(&x, live_xml, NULL) < 0)
        return;
    for (size_t n = 0; n < x.disk_count; n++) {
        const char *name = strrchr(x.disks[n].iqn, ':');
        const char *id = name ? storage_memory_id(w.array, name + 1) : NULL;

        for (size_t t = 0; t < 3 && id; t++) {
            if (strcmp(x.disks[n].target, targets[t]) == 0)
                w.told[t] = storage_memory_content(w.array, id);
        }
    }
    domain_xml_release(&x);
}

static void answer_certificate(struct peer *p, const Cbsnap__Envelope *request)
{
    Cbsnap__Certificate c = CBSNAP__CERTIFICATE__INIT;
    Cbsnap__BinlogFile files[2] = {CBSNAP__BINLOG_FILE__INIT, CBSNAP__BINLOG_FILE__INIT};
    Cbsnap__BinlogFile *list[2] = {&files[0], &files[1]};
    Cbsnap__Mark mark = CBSNAP__MARK__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    int root = w.told[0], log = w.told[1], data = w.told[2];
    char gtid[40], id[24];

    (void)snprintf(gtid, sizeof(gtid), data == log ? "g:1-%d" : "g:1-%d,%d", log, data);
    (void)snprintf(id, sizeof(id), "of-content-%d", root);
    MSG_SET(&c, ready, w.agent != AGENT_NEVER_READY);
    c.problem = w.agent == AGENT_NEVER_READY ? (char *)"it recovers, by order of the test" : NULL;
    c.verifying = w.verifying ? (char *)SET_ID : NULL;
    c.server_uuid = w.agent == AGENT_OTHER ? (char *)"another" : (char *)"uuid-of-the-server";
    c.gtid_set = c.gtid_at_start = gtid;
    files[0].name = (char *)"binlog.000042";
    MSG_SET(&files[0], bytes, (uint64_t)(log * 10));
    files[1].name = (char *)"binlog.000043";
    c.n_binlog = 2;
    c.binlog = list;
    MSG_SET(&c, recovered_lsn, UINT64_C(1) << 30);
    MSG_SET(&c, read_only, w.verifying);
    MSG_SET(&c, errors, 0);
    mark.set = data == SET_CONTENT ? (char *)SET_ID : (char *)NEWER_ID;
    c.mark = &mark;
    c.manifest = root == SET_CONTENT ? (char *)SET_ID : id;
    MSG_SET(&m, reply_to, request->id);
    MSG_BODY(&m, certificate, CERTIFICATE, &c);
    peer_send(p, &m);
}

static void answer_check(struct peer *p, const Cbsnap__Envelope *request)
{
    Cbsnap__DataChecked d = CBSNAP__DATA_CHECKED__INIT;
    Cbsnap__DataProblem bad = CBSNAP__DATA_PROBLEM__INIT, *list[] = {&bad};
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;
    const Cbsnap__DataCheck *asked = request->data_check;
    char *absent[] = {(char *)ABSENT_TABLE};

    for (size_t n = 0; n < asked->n_table; n++)
        d.n_absent_table += strcmp(asked->table[n], ABSENT_TABLE) == 0;
    d.absent_table = absent;
    MSG_SET(&d, tables, d.n_absent_table ? 0 : 12);
    MSG_SET(&d, files, d.n_absent_table ? 0 : 7);
    if (w.agent == AGENT_BAD_DATA) {
        bad.object = (char *)"shop.orders";
        bad.text = (char *)"corrupt, by order of the test";
        d.n_problem = 1;
        d.problem = list;
        MSG_SET(&d, problems, 1);
    }
    MSG_SET(&m, reply_to, request->id);
    MSG_BODY(&m, data_checked, DATA_CHECKED, &d);
    peer_send(p, &m);
}

static void serve(struct peer *p)
{
    Cbsnap__Envelope *m;

    if (w.agent != AGENT_SILENT)
        peer_hello(p, 1, 0);
    while ((m = peer_receive(p))) {
        if (w.agent == AGENT_SILENT)
            ;
        else if (m->body_case == CBSNAP__ENVELOPE__BODY_HELLO)
            peer_hello(p, 1, m->id);
        else if (m->body_case == CBSNAP__ENVELOPE__BODY_CERTIFICATE_QUERY && w.agent == AGENT_DIES)
            peer_close(p);
        else if (m->body_case == CBSNAP__ENVELOPE__BODY_CERTIFICATE_QUERY)
            answer_certificate(p, m);
        else if (m->body_case == CBSNAP__ENVELOPE__BODY_DATA_CHECK)
            answer_check(p, m);
        message_free(m);
    }
}

/* Ends with the world: who counts threads can rely on it. */
void world_agent(struct peer *p)
{
    do
        serve(p);
    while (peer_next(p));
}
