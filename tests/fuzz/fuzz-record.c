/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A record, which may have been rebuilt from a guest's disk (import): read from its file,
 * formatted, shown, listed, ranked, and changed as a restore or a verification changes it.
 */
#include <math.h>
#include <string.h>

#include "host-coordinator/command/show_series.h"
#include "host-coordinator/index/facts.h"
#include "host-coordinator/record/store.h"
#include "host-coordinator/record/timeline.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "tests/fuzz/fuzz.h"

static char *same_again(const struct record *r)
{
    char *text = record_format(r);
    AUTO_FREE char *line = record_format_line(r);
    AUTO_FREE char *again_text = NULL;
    struct record *again = record_parse(text, "it", NULL), *one = record_parse(line, "it", NULL);

    FUZZ_MUST(again && one);
    again_text = record_format(again);
    FUZZ_MUST(strcmp(text, again_text) == 0);
    record_free(again);
    record_free(one);
    return text;
}

static void show(const struct record *r)
{
    struct fuzz_sink sink;

    fuzz_sink_begin(&sink);
    timeline_print(sink.to, r);
    show_around(sink.to, r);
    fuzz_sink_end(&sink, true);
}

static void list(const struct record *r)
{
    struct record *answer = record_new();
    struct set_facts f;

    facts_read(&f, r);
    facts_report(answer, &f, fact_row_count);
    free(same_again(answer));
    facts_release(&f);
    record_free(answer);
}

/* What later commands write into it, whatever is there in its place. */
static void change(struct record *r)
{
    record_set_text(r, "verify.result", "same");
    record_set_int(record_append(r, "restores"), "ms", 7);
    record_append_text(r, "reasons", "because");
    record_append_text(r, "position.binlog_file", "not a list");
    record_append_real(r, "witness.disks", 1.5);
    record_set_number(record_make_object(r, "instance.manifest"), "kept", 3);
    record_set_text(record_make_member(r, "metrics.before.values", "system.load1"), "unit", "1");
    record_set_member_text(r, "domain", "name.with.dots", "x");
    record_set_member_number(r, "stall", "write_ms", 1.0);
    (void)record_keep_last(r, "restores", 1);
    record_clear(r, "volumes");
    FUZZ_MUST(strcmp(record_text(r, "verify.result"), "same") == 0);
    FUZZ_MUST(record_count(r, "restores") == 1 && record_count(r, "volumes") == 0);
    free(same_again(r));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    AUTO_FREE char *path = xasprintf("%s/it.json", fuzz_dir());
    struct err e = ERR_INIT;
    struct record *r;

    fuzz_begin();
    fuzz_file(path, &in);
    r = store_read(path, &e);
    FUZZ_MUST(!r == err_is_set(&e));
    if (!r)
        return 0;
    free(same_again(r));
    show(r);
    list(r);
    change(r);
    record_free(r);
    return 0;
}
