/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which sets of one domain `prune` keeps, and why. All others go, their snapshots with them: in
 * doubt a set is kept.
 *
 * Rules are restic's (its manual, "Removing snapshots according to a policy"; ApplyPolicy() in its
 * internal/restic/snapshot_policy.go):
 *
 *   - hours, days, ISO weeks (Monday to Sunday), months and years are those of the calendar, in UTC
 *     throughout; "daily 7" keeps the newest set of each of the last 7 days that have one. Days
 *     without a set do not count.
 *   - a set that any rule keeps is kept, and each rule looks at all sets. With borg a set that one
 *     rule keeps does not count for the next (docs/misc/prune-example.txt in its source): there the
 *     weeks of "daily 7, weekly 4" come after the days, here they overlap with them. Independent
 *     rules can be checked one at a time.
 *   - restic and borg also keep the oldest set while a rule is not full. Not so here: a set is kept
 *     for what a rule promises, and "monthly 6" in its first month promises one set, not two.
 *   - "within 7d" counts back from the newest usable set, not from now: no set goes because none
 *     was taken for a while. A set exactly that old is not within.
 *
 * What counts for a rule is a usable set: good, and not failed in verification. Beyond rules:
 *
 *   - The newest usable set stays, and the newest usable one that was verified.
 *   - A pinned set stays, good or not, and counts for the rules as any other.
 *   - A set from the future, seen from `now_us`, stays and counts for nothing: a clock was wrong,
 *     its age is unknown, and as "the newest" it would push out the real ones at every prune. Time
 *     will make a usual one of it; until then only a person removes it.
 *   - A set that failed verification stays until a newer set has passed: somebody will want to look
 *     at it, and it may be the newest there is.
 *   - A set that is not good is the record of an attempt, or of a set that the appliance has lost.
 *     It costs nothing, but tells how often attempts fail: it stays unless it is older than every
 *     good set that is kept. Sets from the future do not count here; with no good set all such
 *     records stay. A set that may be good, as not all of it could be found out, is pinned, and
 *     counts here as good.
 *   - Without any rule everything stays. retain_rules_any() tells; to ask for that is a mistake.
 *
 * So what is kept depends on the arguments alone: neither on the order of sets, nor on a clock or
 * the time zone. Pruning what was kept removes nothing more, and a higher number never removes
 * more. Newest is by `started_us`; of equal ones the greater id, as strcmp() has it.
 *
 * Times are microseconds since 1970 by the host's wall clock; any int64_t will do. Pure: no clock,
 * no files. Texts are borrowed. Any thread, but one at a time per array. Nothing can fail; out of
 * memory ends the program (proto/base/buf.h).
 */
#ifndef CBSNAP_RETAIN_H
#define CBSNAP_RETAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"

enum retain_rule {
    RETAIN_LAST,
    RETAIN_HOURLY,
    RETAIN_DAILY,
    RETAIN_WEEKLY,
    RETAIN_MONTHLY,
    RETAIN_YEARLY,
    RETAIN_VERIFIED, /* the last ones that passed verification */
    RETAIN_RULES
};

/* "last", "hourly", ...: the option is "--keep-" and this. */
extern const char *const retain_rule_names[RETAIN_RULES];

struct retain_rules {
    size_t keep[RETAIN_RULES]; /* how many; 0: the rule was not given; SIZE_MAX: all */
    int64_t within_us;         /* 0 or less: not given */
    /* Where the future begins. Left 0 it makes every set one of the future, which keeps all. */
    int64_t now_us;
};

/* What forbids to remove a set whatever the rules say. Bits this folder has no words for forbid it
 * too. */
enum retain_pin {
    RETAIN_PIN_CLONES = 1 << 0,  /* the appliance has clones of its snapshots */
    RETAIN_PIN_JOURNAL = 1 << 1, /* a journal names it: a run or a restore is under way */
    RETAIN_PIN_SAFETY = 1 << 2,  /* what a restore overwrote */
    /* not all of it could be found out; say good = false if that is in doubt */
    RETAIN_PIN_UNKNOWN = 1 << 3,
};

/* Why a set is kept, besides rules that count and pins. */
enum retain_why {
    RETAIN_WHY_WITHIN = 1 << 0,
    RETAIN_WHY_LAST_GOOD = 1 << 1, /* the newest usable one */
    RETAIN_WHY_LAST_VERIFIED = 1 << 2,
    RETAIN_WHY_FUTURE = 1 << 3,
    RETAIN_WHY_DOUBT = 1 << 4,   /* failed verification, and none has passed since */
    RETAIN_WHY_HISTORY = 1 << 5, /* an attempt that failed, not older than all that is kept */
    RETAIN_WHY_NO_RULE = 1 << 6,
};

struct retain_set {
    /* in */
    const char *id; /* not NULL, and no two are equal */
    int64_t started_us;
    bool good; /* verdict application or filesystem, and all its snapshots are present */
    bool verified;
    bool verify_failed; /* what came back is not what was taken; `verified` is then ignored */
    unsigned pins;      /* of enum retain_pin */
    /* out */
    bool keep;
    unsigned why;             /* of enum retain_why */
    size_t nth[RETAIN_RULES]; /* 1: the rule's newest; 0: the rule does not keep it */
};

bool retain_rules_any(const struct retain_rules *rules);

/* Fills the out members; the array keeps its order. */
void retain_decide(const struct retain_rules *rules, struct retain_set *sets, size_t count);

/*
 * Adds the nth reason, counted from 0, why a set is kept or goes: "last 1", "daily 2026-11-03",
 * "weekly 2026-W45", "within 7d of the newest", "the last good set", "has clones", ... Returns
 * false, adding nothing, when there are not that many; there is always one. `rules` are those of
 * the decision.
 */
bool retain_reason(const struct retain_rules *rules, const struct retain_set *set, size_t nth,
                   struct buf *to);
/* All of them: "last 1, daily 2026-11-03, has clones". */
void retain_words(const struct retain_rules *rules, const struct retain_set *set, struct buf *to);

#endif
