/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The whole of restore and verify when all goes well; see back_world.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "proto/base/cleanup.h"
#include "tests/unit/host-coordinator/back_world.h"

static const struct wanted plans[] = {
    {.method = BACK_SWITCH},
    {.method = BACK_SWITCH, .no_safety = true},
    {.method = BACK_SWITCH, .no_start = true},
    {.method = BACK_IN_PLACE},
    {.method = BACK_IN_PLACE, .no_start = true},
    {.method = BACK_COPY},
    {.method = BACK_COPY, .no_start = true},
    {.method = BACK_VERIFY},
};

static void every_plan_ends_as_it_says(void **state)
{
    (void)state;
    for (size_t n = 0; n < ARRAY_SIZE(plans) * 2; n++) {
        struct tale t;

        world_open(n % 2 == 0);
        t = world_run(plans[n / 2]);
        if (t.status != 0)
            fail_msg("plan %zu: exit status %d: %s", n / 2, t.status, t.e.msg);
        assert_world(world_ended_wrong(&t), "a plan");
        assert_true(plans[n / 2].no_start || t.compared >= 6);
        assert_int_equal(domain_fake_open_count(), 0);
        world_close();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_plan_ends_as_it_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
