/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a server that was started from a set says of itself, against the set's record
 * (host-coordinator/back/certificate.c). First byte: was the guest booted to verify; then the
 * messages Certificate and DataChecked, each as it comes. "same" is only said of what is the same.
 */
#include <string.h>

#include "host-coordinator/back/certificate.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"

#define SET  "20161104T101500Z-7f3a"
#define GTID "a4d962a3-e7a6-11f1-a2ee-02fc00000001:1-1013"

const size_t fuzz_head_bytes = 1;
const size_t fuzz_message_at = 0;

static const char record[] =
    "{\"set\": \"" SET "\", \"position\": {\"binlog_file\": \"binlog.000003\", \"binlog_offset\": "
    "340924, \"gtid_set\": \"" GTID "\", \"innodb_lsn\": 31136986, \"innodb_lsn_checkpoint\": "
    "31000000, \"server_uuid\": \"a4d962a3-e7a6-11f1-a2ee-02fc00000001\"}, \"instance\": "
    "{\"manifest\": {\"path\": \"/var/lib/cbsnap/instance/" SET ".json\", \"marked\": true}}}";

static bool is(const char *text, const char *wanted)
{
    return text && strcmp(text, wanted) == 0;
}

/* Asked anew, and in other words than the code that compares. */
static void check_same(const Cbsnap__Certificate *c, bool verifying)
{
    bool binlog = false;

    for (size_t n = 0; n + 1 < c->n_binlog; n++)
        binlog |= is(c->binlog[n]->name, "binlog.000003") && c->binlog[n]->has_bytes &&
                  c->binlog[n]->bytes == 340924;
    FUZZ_MUST(binlog);
    FUZZ_MUST(is(c->server_uuid, "a4d962a3-e7a6-11f1-a2ee-02fc00000001"));
    FUZZ_MUST(is(c->manifest, SET));
    FUZZ_MUST(!c->has_errors || c->errors == 0);
    FUZZ_MUST(!c->has_recovered_lsn || c->recovered_lsn > 20000000);
    if (verifying)
        FUZZ_MUST(is(c->gtid_set, GTID) && c->has_read_only && c->read_only);
}

static void check_report(const struct certificate_result *r)
{
    struct record *to = record_new(), *again;
    AUTO_FREE char *text = NULL;

    certificate_report(to, r);
    text = record_format(to);
    again = record_parse(text, "it", NULL);
    FUZZ_MUST(again && record_text(again, "result"));
    FUZZ_MUST(record_count(again, "differences") == r->count && r->count <= 100);
    FUZZ_MUST(is(record_text(again, "result"), "same") == certificate_same(r));
    record_free(again);
    record_free(to);
}

static void compare(const struct record *set, const Cbsnap__Certificate *c, bool verifying)
{
    struct certificate_result r = {.count = 0};

    certificate_compare(&r, set, c, verifying);
    if (certificate_same(&r))
        check_same(c, verifying);
    check_report(&r);
    certificate_release(&r);
}

static void check_data(const Cbsnap__DataChecked *d)
{
    struct certificate_result r = {.position = true};

    certificate_data(&r, d);
    FUZZ_MUST(!certificate_same(&r) || (d->n_problem == 0 && d->problems == 0 &&
                                        !d->tables_problem && d->n_absent_table == 0));
    check_report(&r);
    certificate_release(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size}, one;
    bool verifying = fuzz_byte(&in) & 1;
    struct record *set = record_parse(record, "it", NULL);

    fuzz_begin();
    while (fuzz_record(&in, &one)) {
        Cbsnap__Envelope *m = message_unpack(one.data, one.len);

        if (m && m->body_case == CBSNAP__ENVELOPE__BODY_CERTIFICATE)
            compare(set, m->certificate, verifying);
        if (m && m->body_case == CBSNAP__ENVELOPE__BODY_DATA_CHECKED)
            check_data(m->data_checked);
        message_free(m);
    }
    record_free(set);
    return 0;
}
