/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * coord.conf, with the rules of its policy (proto/conf, host-coordinator/config, policy). What was
 * read lies within the ranges, each rule reads as itself again, and a refusal says where.
 */
#include <string.h>

#include "host-coordinator/config/config.h"
#include "host-coordinator/policy/policy.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "tests/fuzz/fuzz.h"

static void check_rules(const struct policy *p)
{
    struct policy *again = policy_new();

    FUZZ_MUST(policy_count(p) <= POLICY_RULES_MAX && policy_longest_us(p) >= 0);
    for (size_t n = 0; n < policy_count(p); n++) {
        const struct policy_rule *r = policy_rule_at(p, n);

        FUZZ_MUST(policy_add(again, policy_rule_action(r), policy_rule_text(r), policy_rule_line(r),
                             NULL, NULL) == 0);
    }
    FUZZ_MUST(policy_longest_us(again) == policy_longest_us(p));
    policy_free(again);
}

static void ignore(void *arg, const struct policy_finding *f)
{
    AUTO_FREE char *words = policy_describe(f, FUZZ_WALL_US - FUZZ_MONO_US);
    size_t *count = arg;

    FUZZ_MUST(*words);
    (*count)++;
}

/* A few readings that any rule may meet. */
static void evaluate(const struct policy *p)
{
    static const char *const names[] = {"system.load1", "disk.vdb.write_time", "fs./mnt.avail",
                                        "volume.data.latency", "innodb.trx_oldest"};
    struct series *s = series_new();
    size_t found = 0;

    for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
        for (int at = 0; at < 5; at++)
            series_add(s, names[n], FUZZ_MONO_US + at * 1000000, (double)(at * 50));
    }
    policy_evaluate(p, s, FUZZ_MONO_US - 1000000, FUZZ_MONO_US + 10000000, ignore, &found);
    series_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    AUTO_FREE char *path = xasprintf("%s/coord.conf", fuzz_dir());
    struct err e = ERR_INIT;
    struct config c;

    fuzz_begin();
    fuzz_file(path, &in);
    if (config_load(&c, path, false, &e) < 0) {
        FUZZ_MUST(e.code == ERR_CONFIG && strncmp(e.msg, path, strlen(path)) == 0);
        return 0;
    }
    FUZZ_MUST(c.uri && c.state_dir && c.credentials && c.channel && c.exclude);
    FUZZ_MUST(c.answer_ms > 0 && c.libvirt_ms > 0 && c.lease_ms > 0 && c.freeze_ms > 0 &&
              c.max_stall_ms > 0 && c.wait_ms >= 0 && c.history_ms >= 0);
    for (size_t n = 0; n < c.appliance_count; n++)
        FUZZ_MUST(*c.appliances[n].name && c.appliances[n].timeout_ms > 0);
    check_rules(c.policy);
    evaluate(c.policy);
    config_release(&c);
    return 0;
}
