/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last freezes: built from events, kept across restarts, a broken file lost and nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "guest-agent/evidence/freezes.h"
#include "proto/base/cleanup.h"
#include "tree.h"

static char *root;

static int setup(void **state)
{
    (void)state;
    root = tree_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tree_free(root);
    return 0;
}

/* Everything in it is gone after the call, as the session's is. */
static bool tell(struct freezes *f, Cbsnap__FreezeEvent__Kind kind, uint64_t epoch, int64_t at_us)
{
    Cbsnap__FreezeEvent event = CBSNAP__FREEZE_EVENT__INIT;
    Cbsnap__Position position = CBSNAP__POSITION__INIT;
    Cbsnap__Error error = CBSNAP__ERROR__INIT;
    char file[32], gtid[32], cause[32];
    bool rc;

    (void)snprintf(file, sizeof(file), "binlog.%06u", (unsigned)epoch);
    (void)snprintf(gtid, sizeof(gtid), "uuid:1-%u", (unsigned)epoch);
    (void)snprintf(cause, sizeof(cause), "hook");
    MSG_SET(&event, kind, kind);
    MSG_SET(&event, epoch, epoch);
    MSG_SET(&event, at_us, at_us);
    MSG_SET(&event, at_wall_us, 1000000000 + at_us);
    if (kind == CBSNAP__FREEZE_EVENT__KIND__LOCKED) {
        position.binlog_file = file;
        position.gtid_set = gtid;
        MSG_SET(&position, binlog_offset, 4711);
        event.position = &position;
        MSG_SET(&event, lock_requested_us, at_us - 20000);
    } else {
        event.cause = cause;
        error.message = gtid;
        if (kind != CBSNAP__FREEZE_EVENT__KIND__RELEASED)
            event.error = &error;
    }
    rc = freezes_event(f, &event);
    memset(file, 'x', sizeof(file) - 1);
    memset(gtid, 'x', sizeof(gtid) - 1);
    memset(cause, 'x', sizeof(cause) - 1);
    return rc;
}

static void save(const struct freezes *f)
{
    struct err e = ERR_INIT;

    if (freezes_save(f, root, &e) < 0)
        fail_msg("%s", e.msg);
}

static void a_freeze_is_noted_when_it_is_over(void **state)
{
    struct freezes f = {.count = 0};
    const Cbsnap__Freeze *one;

    (void)state;
    assert_false(tell(&f, CBSNAP__FREEZE_EVENT__KIND__LOCKING, 7, 900000));
    assert_false(tell(&f, CBSNAP__FREEZE_EVENT__KIND__LOCKED, 7, 1000000));
    assert_int_equal(f.count, 0);
    assert_true(tell(&f, CBSNAP__FREEZE_EVENT__KIND__RELEASED, 7, 1400000));
    assert_int_equal(f.count, 1);
    one = f.kept[0];
    assert_string_equal(one->position->binlog_file, "binlog.000007");
    assert_string_equal(one->position->gtid_set, "uuid:1-7");
    assert_int_equal(one->position->binlog_offset, 4711);
    assert_int_equal(one->locked_wall_us, 1001000000);
    assert_int_equal(one->held_us, 400000);
    assert_int_equal(one->stall_us, 420000);
    assert_int_equal(one->end, CBSNAP__FREEZE_EVENT__KIND__RELEASED);
    assert_string_equal(one->cause, "hook");
    assert_null(one->error);
    freezes_release(&f);
}

/* Nothing of the freeze before it. */
static void an_attempt_has_no_position(void **state)
{
    struct freezes f = {.count = 0};

    (void)state;
    (void)tell(&f, CBSNAP__FREEZE_EVENT__KIND__LOCKED, 7, 1000000);
    assert_true(tell(&f, CBSNAP__FREEZE_EVENT__KIND__LOCK_FAILED, 8, 2000000));
    assert_int_equal(f.count, 1);
    assert_null(f.kept[0]->position);
    assert_false(f.kept[0]->has_held_us);
    assert_false(f.kept[0]->has_locked_wall_us);
    assert_string_equal(f.kept[0]->error->message, "uuid:1-8");
    freezes_release(&f);
}

static void the_newest_are_kept_across_a_restart(void **state)
{
    struct freezes f = {.count = 0}, again;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(freezes_load(&f, root, &e), 0); /* none yet */
    for (unsigned n = 1; n <= FREEZES_KEEP + 3; n++) {
        (void)tell(&f, CBSNAP__FREEZE_EVENT__KIND__LOCKED, n, n * 1000000);
        (void)tell(&f, CBSNAP__FREEZE_EVENT__KIND__RELEASED, n, n * 1000000 + 5000);
    }
    save(&f);
    freezes_release(&f);
    assert_int_equal(freezes_load(&again, root, &e), 0);
    assert_int_equal(again.count, FREEZES_KEEP);
    assert_int_equal(again.kept[0]->epoch, 4);
    assert_int_equal(again.kept[FREEZES_KEEP - 1]->epoch, FREEZES_KEEP + 3);
    assert_string_equal(again.kept[0]->position->gtid_set, "uuid:1-4");
    freezes_release(&again);
}

static void a_broken_file_is_told_and_replaced(void **state)
{
    struct freezes f = {.count = 0};
    struct err e = ERR_INIT;

    (void)state;
    tree_file(root, FREEZES_FILE, "\xff\xff\xff garbage");
    assert_int_equal(freezes_load(&f, root, &e), -1);
    assert_int_equal(e.code, ERR_PROTOCOL);
    assert_int_equal(f.count, 0);
    (void)tell(&f, CBSNAP__FREEZE_EVENT__KIND__LOCK_FAILED, 1, 1000000);
    save(&f);
    freezes_release(&f);
    assert_int_equal(freezes_load(&f, root, &e), 0);
    assert_int_equal(f.count, 1);
    freezes_release(&f);
}

/* A tool that tries again each minute while the server is down. */
static void attempts_do_not_push_out_what_was_held(void **state)
{
    struct freezes f = {.count = 0};

    (void)state;
    (void)tell(&f, CBSNAP__FREEZE_EVENT__KIND__LOCKED, 1, 1000000);
    (void)tell(&f, CBSNAP__FREEZE_EVENT__KIND__RELEASED, 1, 1005000);
    for (unsigned n = 2; n < 100; n++)
        (void)tell(&f, CBSNAP__FREEZE_EVENT__KIND__LOCK_FAILED, n, n * 1000000);
    assert_int_equal(f.count, 2);
    assert_int_equal(f.kept[0]->epoch, 1);
    assert_int_equal(f.kept[1]->epoch, 99);
    freezes_release(&f);
}

static void long_gtid_sets_leave_room_in_a_message(void **state)
{
    static char gtid[100000];
    struct freezes f = {.count = 0};
    AUTO_FREE char *path = xasprintf("%s/" FREEZES_FILE, root);
    struct stat st;

    (void)state;
    memset(gtid, 'a', sizeof(gtid) - 1);
    for (unsigned n = 1; n <= 5; n++) {
        Cbsnap__FreezeEvent event = CBSNAP__FREEZE_EVENT__INIT;
        Cbsnap__Position position = CBSNAP__POSITION__INIT;

        position.gtid_set = gtid;
        event.position = &position;
        MSG_SET(&event, epoch, n);
        MSG_SET(&event, kind, CBSNAP__FREEZE_EVENT__KIND__LOCKED);
        (void)freezes_event(&f, &event);
        (void)tell(&f, CBSNAP__FREEZE_EVENT__KIND__RELEASED, n, 1000);
    }
    save(&f);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size <= FREEZES_BYTES_MAX);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(f.count, 2);
    assert_int_equal(f.kept[1]->epoch, 5);
    freezes_release(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_freeze_is_noted_when_it_is_over, setup, teardown),
        cmocka_unit_test_setup_teardown(an_attempt_has_no_position, setup, teardown),
        cmocka_unit_test_setup_teardown(the_newest_are_kept_across_a_restart, setup, teardown),
        cmocka_unit_test(attempts_do_not_push_out_what_was_held),
        cmocka_unit_test_setup_teardown(long_gtid_sets_leave_room_in_a_message, setup, teardown),
        cmocka_unit_test_setup_teardown(a_broken_file_is_told_and_replaced, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
