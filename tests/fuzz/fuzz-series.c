/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The series file beside a record, and the guest's samples in it (host-coordinator/series), then
 * shown in each form. First byte: raw, or the records are the payloads of frames.
 */
#include <string.h>

#include "host-coordinator/command/show_series.h"
#include "proto/base/cleanup.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"

const size_t fuzz_head_bytes = 1;
const size_t fuzz_message_at = 0;

static struct buf framed(struct fuzz_input in)
{
    struct buf file = BUF_INIT;
    struct fuzz_input one;

    while (fuzz_record(&in, &one))
        (void)wire_frame(&file, one.data, one.len, NULL);
    return file;
}

static void check_series(const struct series *s)
{
    FUZZ_MUST(series_count(s) <= SERIES_NAMES_MAX);
    for (size_t n = 0; n < series_count(s); n++) {
        const struct point *p;
        size_t count = series_points(s, n, INT64_MIN, INT64_MAX, &p);
        struct stats st;

        FUZZ_MUST(strlen(series_name(s, n)) <= SERIES_NAME_MAX);
        for (size_t i = 1; i < count; i++)
            FUZZ_MUST(p[i - 1].at_us <= p[i].at_us);
        if (series_stats(s, n, INT64_MIN, INT64_MAX, &st))
            FUZZ_MUST(st.count > 0 && st.min <= st.max && st.p95 <= st.max);
    }
}

static void show(const struct series *s, const struct series_head *head)
{
    static const enum series_form forms[] = {SERIES_TABLE, SERIES_CSV, SERIES_JSON};

    for (size_t n = 0; n < ARRAY_SIZE(forms); n++) {
        struct fuzz_sink sink;
        struct err e = ERR_INIT;

        fuzz_sink_begin(&sink);
        (void)show_series(sink.to, s, head, "*", forms[n], &e);
        for (size_t i = 0; i < series_count(s) && i < 4; i++)
            (void)show_series(sink.to, s, head, series_name(s, i), forms[n], &e);
        fuzz_sink_end(&sink, true);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    bool raw = fuzz_byte(&in) == 0;
    struct buf file = raw ? BUF_INIT : framed(in);
    struct series *s = series_new();
    struct series_head head;
    struct series_damage damage;
    struct err e = ERR_INIT;

    fuzz_begin();
    if (series_file_parse(raw ? (const void *)in.data : buf_text(&file), raw ? in.len : file.len,
                          "it", s, &head, &damage, &e) == 0) {
        check_series(s);
        show(s, &head);
        series_forget(s, FUZZ_MONO_US);
        check_series(s);
    }
    series_free(s);
    buf_release(&file);
    return 0;
}
