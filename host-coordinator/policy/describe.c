/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A finding in words; see policy.h. */
#include "host-coordinator/policy/policy_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

static void add_bytes(struct buf *b, double value, const char *per)
{
    static const char *const names[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    size_t n = 0;

    for (; value >= 1024 && n + 1 < ARRAY_SIZE(names); n++)
        value /= 1024;
    buf_addf(b, "%.*f %s%s", n > 0 ? 1 : 0, value, names[n], per);
}

static void add_value(struct buf *b, const struct policy_finding *f)
{
    enum metric_unit unit = f->rule->row->unit;

    if (f->text)
        buf_addf(b, "'%.100s'", f->text);
    else if (unit == UNIT_BOOL)
        buf_addf(b, "%s", f->value != 0 ? "yes" : "no");
    else if (unit == UNIT_BYTES || unit == UNIT_BYTES_PER_S)
        add_bytes(b, f->value, unit == UNIT_BYTES ? "" : "/s");
    else if (unit == UNIT_PER_S)
        buf_addf(b, "%.6g/s", f->value);
    else if (unit == UNIT_ONE || unit == UNIT_REPORTED)
        buf_addf(b, "%.6g", f->value);
    else
        buf_addf(b, "%.6g %s", f->value, metric_unit_name(unit));
}

static int64_t wall_of(int64_t at_us, int64_t offset_us)
{
    /* readings carry any number: no overflow, as it would be undefined */
    return (int64_t)((uint64_t)at_us + (uint64_t)offset_us);
}

char *policy_describe(const struct policy_finding *f, int64_t wall_offset_us)
{
    const struct policy_rule *r = f->rule;
    struct buf b = BUF_INIT;
    char when[32], *text;

    buf_addf(&b, "%.200s", f->metric);
    if (f->at_us != INT64_MIN) {
        buf_addf(&b, " was ");
        add_value(&b, f);
        buf_addf(&b, " at %s", clock_iso(wall_of(f->at_us, wall_offset_us), when));
        if (r->for_us > 0)
            buf_addf(&b, ", beyond the limit for %.1f s", f->held_s);
    }
    buf_addf(&b, ": rule '%s = %s' of line %u", policy_action_name(r->action), r->text, r->line);
    if (f->absent)
        buf_addf(&b, " is not decided, %s", f->why);
    text = buf_steal(&b);
    err_plain(text);
    return text;
}
