/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See agent-host-evidence.h. */
#include "tests/integration/agent-host-evidence.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/cleanup.h"

static const char *text(const char *s)
{
    return s ? s : "-";
}

/* ---- requests ---- */

/* A whole file as text; "-" is none, and what cannot be read is the word itself. */
static char *document(const char *path)
{
    static char data[600 * 1024];
    AUTO_FCLOSE FILE *f = fopen(path, "r");
    size_t len;

    if (strcmp(path, "-") == 0)
        return NULL;
    if (!f)
        return (char *)path;
    len = fread(data, 1, sizeof(data) - 1, f);
    data[len] = '\0';
    return data;
}

static void make_manifest(char *word[HOST_WORDS], Cbsnap__Envelope *m)
{
    static Cbsnap__Manifest manifest;

    cbsnap__manifest__init(&manifest);
    manifest.set = word[1];
    manifest.json = word[2] ? document(word[2]) : NULL;
    if (word[2] && word[3])
        MSG_SET(&manifest, keep, (uint32_t)strtoul(word[3], NULL, 10));
    if (word[2] && word[3] && word[4])
        MSG_SET(&manifest, mark, 1);
    MSG_BODY(m, manifest, MANIFEST, &manifest);
}

static void make_check(char *word[HOST_WORDS], Cbsnap__Envelope *m)
{
    static Cbsnap__DataCheck check;
    static char *tables[HOST_WORDS];

    cbsnap__data_check__init(&check);
    check.table = tables;
    for (int n = 1; n < HOST_WORDS && word[n]; n++) {
        if (strcmp(word[n], "-") == 0)
            MSG_SET(&check, skip_checksums, 1);
        else
            tables[check.n_table++] = word[n];
    }
    MSG_BODY(m, data_check, DATA_CHECK, &check);
}

bool evidence_request(char *word[HOST_WORDS], Cbsnap__Envelope *m)
{
    static Cbsnap__CertificateQuery query;

    if (strcmp(word[0], "manifest") == 0 && word[1]) {
        make_manifest(word, m);
    } else if (strcmp(word[0], "certificate") == 0 && word[1]) {
        cbsnap__certificate_query__init(&query);
        query.set = word[1];
        query.binlog_file = word[2];
        MSG_BODY(m, certificate_query, CERTIFICATE_QUERY, &query);
    } else if (strcmp(word[0], "datacheck") == 0) {
        make_check(word, m);
    } else {
        return false;
    }
    return true;
}

/* ---- answers ---- */

static void print_stored(const Cbsnap__ManifestStored *s)
{
    printf("stored path=%s pruned=%u marked=%d mark-problem=%s\n", text(s->path), s->pruned,
           s->marked, text(s->mark_problem));
}

static void print_flag(const char *name, protobuf_c_boolean has, protobuf_c_boolean value)
{
    printf(" %s=%s", name, !has ? "-" : value ? "1" : "0");
}

static void print_number(const char *name, protobuf_c_boolean has, uint64_t value)
{
    if (has)
        printf(" %s=%" PRIu64, name, value);
    else
        printf(" %s=-", name);
}

static void print_certificate(const Cbsnap__Certificate *c)
{
    printf("certificate ready=%d verifying=%s version=%s uuid=%s gtid=%s at-start=%s", c->ready,
           text(c->verifying), text(c->server_version), text(c->server_uuid), text(c->gtid_set),
           text(c->gtid_at_start));
    print_number("lsn", c->has_innodb_lsn, c->innodb_lsn);
    print_number("recovered", c->has_recovered_lsn, c->recovered_lsn);
    print_number("recovery-ms", c->has_recovery_ms, c->recovery_ms);
    print_flag("read-only", c->has_read_only, c->read_only);
    print_flag("events", c->has_events_run, c->events_run);
    print_flag("replica", c->has_replica_runs, c->replica_runs);
    printf(" mark=%s manifest=%s errors=%u", c->mark ? text(c->mark->set) : "-", text(c->manifest),
           c->errors);
    printf(" binlogs=");
    for (size_t n = 0; n < c->n_binlog; n++)
        printf("%s:%" PRIu64 ",", c->binlog[n]->name, c->binlog[n]->bytes);
    printf(" mark-problem=%s problem=%s\n", text(c->mark_problem), text(c->problem));
    for (size_t n = 0; n < c->n_line; n++)
        printf("line %d %s\n", (int)c->line[n]->level, text(c->line[n]->text));
}

static void print_checked(const Cbsnap__DataChecked *c)
{
    for (size_t n = 0; n < c->n_problem; n++)
        printf("problem %s: %s\n", text(c->problem[n]->object), text(c->problem[n]->text));
    for (size_t n = 0; n < c->n_absent_table; n++)
        printf("absent %s\n", c->absent_table[n]);
    printf("checked tables=%u files=%u problems=%u tables-problem=%s files-problem=%s\n", c->tables,
           c->files, c->problems, text(c->tables_problem), text(c->files_problem));
}

bool evidence_print(const Cbsnap__Envelope *m)
{
    switch (m->body_case) {
    case CBSNAP__ENVELOPE__BODY_MANIFEST_STORED:
        print_stored(m->manifest_stored);
        return true;
    case CBSNAP__ENVELOPE__BODY_CERTIFICATE:
        print_certificate(m->certificate);
        return true;
    case CBSNAP__ENVELOPE__BODY_DATA_CHECKED:
        print_checked(m->data_checked);
        return true;
    case CBSNAP__ENVELOPE__BODY_DATA_CHECK_PROGRESS:
        printf("progress %u/%u %s\n", m->data_check_progress->done, m->data_check_progress->total,
               text(m->data_check_progress->what));
        return true;
    default:
        return false;
    }
}
