/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The session on its real threads, but for the kernel: whatever the worker waits for, what was
 * frozen late is thawed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "guest-agent/session/live.h"
#include "guest-agent/session/marker.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "tests/slow.h"

static atomic_int thaws;

static int scripted(int fd, unsigned long request)
{
    (void)fd;
    (void)request;
    atomic_fetch_add(&thaws, 1);
    errno = EINVAL;
    return -1;
}

static void on_event(void *arg, const Cbsnap__FreezeEvent *event)
{
    (void)arg;
    (void)event;
}

static void on_quiet(void *arg, bool on)
{
    (void)arg;
    (void)on;
}

struct world {
    char dir[40];
    uv_loop_t loop;
    uv_timer_t beat;
    struct live *live;
};

static void on_beat(uv_timer_t *beat)
{
    (void)beat; /* the loop goes round */
}

/* An agent that sweeps, since its predecessor ended before its own sweep was over. */
static int setup(void **state)
{
    static const struct live_callbacks callbacks = {.event = on_event, .quiet = on_quiet};
    struct world *w = xcalloc(1, sizeof(*w));
    struct live_config config = {.login = {.socket = "/nonexistent/socket"}, .run_dir = w->dir};

    fs_ioctl_for_tests = scripted;
    (void)snprintf(w->dir, sizeof(w->dir), "/tmp/cbsnap-live.XXXXXX");
    if (!mkdtemp(w->dir) || uv_loop_init(&w->loop) != 0 || sweep_keep(w->dir, true, NULL) < 0 ||
        epoch_write(w->dir, 41, NULL) < 0)
        return -1;
    w->live = live_new(&w->loop, &config, &callbacks, NULL);
    uv_timer_init(&w->loop, &w->beat);
    uv_timer_start(&w->beat, on_beat, 10, 10);
    *state = w;
    return 0;
}

static int remove_file(const char *dir, const char *name)
{
    AUTO_FREE char *path = xasprintf("%s/%s", dir, name);

    return unlink(path);
}

static int teardown(void **state)
{
    struct world *w = *state;
    int rc;

    if (live_free(w->live) < 0)
        return -1; /* the test has failed already, with its job still in the worker */
    uv_close((uv_handle_t *)&w->beat, NULL);
    while (uv_run(&w->loop, UV_RUN_DEFAULT) != 0)
        ;
    uv_loop_close(&w->loop);
    rc = remove_file(w->dir, "epoch");
    rc |= remove_file(w->dir, "sweep"); /* the next one has to go on */
    rc |= rmdir(w->dir);
    free(w);
    return rc;
}

/* ---- a job that hangs, as one that asks a server on a frozen filesystem does ---- */

struct hanging {
    struct worker_job job; /* first */
    sem_t begun, go;
    bool done;
};

static void hang(struct worker_job *job)
{
    struct hanging *h = (struct hanging *)job;

    sem_post(&h->begun);
    while (sem_wait(&h->go) != 0)
        ;
}

static void on_done(struct worker_job *job)
{
    ((struct hanging *)job)->done = true;
}

static bool thawn_again(struct world *w, int times)
{
    int until = atomic_load(&thaws) + times;
    int64_t deadline = mono_us() + 3000 * 1000 * slowness();

    while (atomic_load(&thaws) < until && mono_us() < deadline)
        uv_run(&w->loop, UV_RUN_ONCE);
    return atomic_load(&thaws) >= until;
}

static bool can_freeze_any(void)
{
    struct mount_table t;
    bool any = false;

    if (mounts_read(&t, "", "", NULL) < 0)
        return false;
    for (size_t n = 0; n < t.count; n++)
        any |= !t.items[n].read_only;
    mounts_release(&t);
    return any;
}

static void test_sweeps_while_the_worker_hangs(void **state)
{
    struct world *w = *state;
    struct hanging h = {.job = {.run = hang, .done = on_done}};

    if (!can_freeze_any())
        skip();
    sem_init(&h.begun, 0, 0);
    sem_init(&h.go, 0, 0);
    worker_submit(live_worker(w->live), &h.job);
    while (sem_wait(&h.begun) != 0)
        ;
    assert_true(thawn_again(w, 2));
    assert_int_equal(session_epoch(live_session(w->live)), 41); /* no freeze was lost */
    assert_false(h.done);
    sem_post(&h.go);
    while (!h.done)
        uv_run(&w->loop, UV_RUN_ONCE);
    sem_destroy(&h.begun);
    sem_destroy(&h.go);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sweeps_while_the_worker_hangs, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
