/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decisions in words; see retain.h. */
#include "host-coordinator/retain/bucket.h"
#include "proto/base/cleanup.h"

const char *const retain_rule_names[RETAIN_RULES] = {
    [RETAIN_LAST] = "last",         [RETAIN_HOURLY] = "hourly",   [RETAIN_DAILY] = "daily",
    [RETAIN_WEEKLY] = "weekly",     [RETAIN_MONTHLY] = "monthly", [RETAIN_YEARLY] = "yearly",
    [RETAIN_VERIFIED] = "verified",
};

struct bit_words {
    unsigned bit;
    const char *words;
};

/* "within" has words of its own, with the length in it. */
static const struct bit_words why_words[] = {
    {RETAIN_WHY_WITHIN, NULL},
    {RETAIN_WHY_LAST_GOOD, "the last good set"},
    {RETAIN_WHY_LAST_VERIFIED, "the last verified set"},
    {RETAIN_WHY_FUTURE, "started in the future: a clock was wrong"},
    {RETAIN_WHY_DOUBT, "failed verification, and no newer set has passed"},
    {RETAIN_WHY_HISTORY, "tells of an attempt since the oldest good set kept"},
    {RETAIN_WHY_NO_RULE, "no rule was given"},
};

#define KNOWN_PINS                                                                                 \
    ((unsigned)(RETAIN_PIN_CLONES | RETAIN_PIN_JOURNAL | RETAIN_PIN_SAFETY | RETAIN_PIN_UNKNOWN))

static const struct bit_words pin_words[] = {
    {RETAIN_PIN_CLONES, "has clones"},
    {RETAIN_PIN_JOURNAL, "a journal names it"},
    {RETAIN_PIN_SAFETY, "the safety of a restore"},
    {RETAIN_PIN_UNKNOWN, "whether it is whole, or how old, could not be found out"},
    {~KNOWN_PINS, "pinned"}, /* whatever else a caller has a bit for */
};

/* As it was typed, more or less: in the largest unit of which it is a whole number. */
static void add_within(struct buf *to, int64_t within_us)
{
    static const struct {
        int64_t us;
        const char *name;
    } units[] = {
        {INT64_C(86400000000), "d"},
        {INT64_C(3600000000), "h"},
        {60000000, "m"},
        {1000000, "s"},
        {1000, "ms"},
        {1, "us"},
    };
    size_t n = 0;

    while (within_us % units[n].us)
        n++;
    buf_addf(to, "within %lld%s of the newest", (long long)(within_us / units[n].us),
             units[n].name);
}

static void add_rule(struct buf *to, const struct retain_set *set, enum retain_rule rule)
{
    char name[BUCKET_NAME];

    if (bucket_shared(rule))
        buf_addf(to, "%s %s", retain_rule_names[rule], bucket_name(rule, set->started_us, name));
    else
        buf_addf(to, "%s %zu", retain_rule_names[rule], set->nth[rule]);
}

static const char *gone_words(const struct retain_set *set)
{
    if (!set->good)
        return "an attempt older than every good set kept";
    if (set->verify_failed)
        return "failed verification, and a newer set has passed";
    return "no rule keeps it";
}

bool retain_reason(const struct retain_rules *rules, const struct retain_set *set, size_t nth,
                   struct buf *to)
{
    for (enum retain_rule r = RETAIN_LAST; r < RETAIN_RULES; r++) {
        if (set->nth[r] && nth-- == 0) {
            add_rule(to, set, r);
            return true;
        }
    }
    for (size_t n = 0; n < ARRAY_SIZE(why_words); n++) {
        if (!(set->why & why_words[n].bit) || nth-- > 0)
            continue;
        if (why_words[n].words)
            buf_addf(to, "%s", why_words[n].words);
        else
            add_within(to, rules->within_us);
        return true;
    }
    for (size_t n = 0; n < ARRAY_SIZE(pin_words); n++) {
        if ((set->pins & pin_words[n].bit) && nth-- == 0) {
            buf_addf(to, "%s", pin_words[n].words);
            return true;
        }
    }
    if (set->keep || nth > 0)
        return false;
    buf_addf(to, "%s", gone_words(set));
    return true;
}

void retain_words(const struct retain_rules *rules, const struct retain_set *set, struct buf *to)
{
    struct buf one = BUF_INIT;

    for (size_t n = 0; retain_reason(rules, set, n, &one); n++) {
        buf_addf(to, "%s%s", n ? ", " : "", buf_text(&one));
        buf_clear(&one);
    }
    buf_release(&one);
}
