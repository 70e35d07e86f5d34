/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loop, jobs, link and port in one thread; see world.h. */
#include "tests/fuzz/world.h"

#include <string.h>
#include <unistd.h>

#include "host-coordinator/guest/link.h"
#include "host-coordinator/guest/port.h"
#include "host-coordinator/plan/volumes_watch.h"
#include "host-coordinator/policy/policy.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "tests/fuzz/world_internal.h"

struct world world;

struct loop {
    bool cancelled, shielded;
};

struct link {
    link_message *message;
    link_lost *lost;
    void *arg;
    uint32_t last_id; /* of a request */
};

static struct link *the_link; /* open */

/* ---- what the guest says --------------------------------------------------------------------- */

static void deliver(struct link *l, Cbsnap__Envelope *m)
{
    if (m->has_reply_to && m->reply_to < WORLD_RECENT)
        m->reply_to = l->last_id - m->reply_to;
    if (world.heard)
        world.heard(m);
    l->message(l->arg, m);
}

/* The next thing comes; false when nothing does for as long as anybody waits. */
static bool turn(void)
{
    Cbsnap__Envelope *m;
    struct fuzz_input one;

    if (!the_link)
        return false;
    if (!fuzz_record(&world.input, &one)) {
        world.input.len = 0; /* what is left is not even a record's length */
        return false;
    }
    if (one.len == 0)
        return false;
    m = message_unpack(one.data, one.len);
    if (m)
        deliver(the_link, m);
    return true;
}

int link_open(struct link **ret, struct loop *loop, int fd, link_message *message, link_lost *lost,
              void *arg, struct err *e)
{
    struct link *l = xcalloc(1, sizeof(*l));

    (void)loop, (void)e;
    close(fd);
    *l = (struct link){.message = message, .lost = lost, .arg = arg};
    *ret = the_link = l;
    return 0;
}

void link_close(struct link *l)
{
    if (l == the_link)
        the_link = NULL;
    free(l);
}

int link_send(struct link *l, Cbsnap__Envelope *m, struct err *e)
{
    struct buf frame = BUF_INIT;
    int rc = message_frame(&frame, m, e);

    buf_release(&frame);
    if (m->has_id)
        l->last_id = m->id;
    return rc;
}

int link_fd(const struct link *l)
{
    (void)l;
    return -1;
}

int port_connect(struct loop *loop, const char *path, int64_t deadline_us, int *ret_fd,
                 struct err *e)
{
    (void)loop, (void)path, (void)deadline_us, (void)e;
    *ret_fd = dup(STDERR_FILENO);
    return *ret_fd < 0 ? -1 : 0;
}

enum port_state port_state(int fd)
{
    (void)fd;
    return PORT_ACCEPTED;
}

unsigned port_waiting(int fd)
{
    (void)fd;
    return 0;
}

int port_silent(int fd, const char *path, int64_t waited_us, struct err *e)
{
    (void)fd, (void)waited_us;
    return err_set(e, ERR_TIMEOUT, "nobody answers at '%s'", path);
}

/* ---- the loop -------------------------------------------------------------------------------- */

struct loop *loop_new(void)
{
    return xcalloc(1, sizeof(struct loop));
}

void loop_free(struct loop *l)
{
    free(l);
}

uv_loop_t *loop_uv(struct loop *l)
{
    (void)l;
    return NULL;
}

void loop_catch_signals(struct loop *l)
{
    (void)l;
}

void loop_shield(struct loop *l, bool on)
{
    l->shielded = on;
}

bool loop_cancelled(const struct loop *l)
{
    return l->cancelled;
}

void loop_cancel(struct loop *l)
{
    l->cancelled = true;
}

int loop_check(struct loop *l, struct err *e)
{
    if (l->cancelled && !l->shielded)
        return err_set(e, ERR_CANCELLED, "cancelled by a signal");
    return 0;
}

static bool flag_set(void *flag)
{
    return *(const bool *)flag;
}

int loop_wait(struct loop *l, const bool *done, int64_t deadline_us, struct err *e)
{
    return loop_wait_until(l, flag_set, (void *)(uintptr_t)done, deadline_us, e);
}

int loop_wait_until(struct loop *l, bool (*holds)(void *arg), void *arg, int64_t deadline_us,
                    struct err *e)
{
    world_array_turn(false);
    while (!holds(arg)) {
        int64_t left_us;

        if (loop_check(l, e) < 0)
            return -1;
        if (turn() || world_array_turn(true))
            continue;
        if ((world.flags & WORLD_SIGNAL) && world.input.len == 0)
            l->cancelled = true;
        left_us = deadline_us - mono_us();
        if (left_us > 0)
            fuzz_let_pass(left_us);
        return err_set(e, ERR_TIMEOUT, "no answer in %lld ms", (long long)left_us / 1000);
    }
    return 0;
}

/* ---- jobs: done when started -------------------------------------------------------------------
 */

struct job {
    struct err err;
    int rc;
};

struct job *job_start(struct loop *l, job_fn *run, void *arg, void (*release)(void *arg))
{
    struct job *j = xcalloc(1, sizeof(*j));

    (void)l, (void)release;
    j->rc = run(arg, &j->err);
    return j;
}

bool job_done(const struct job *j)
{
    (void)j;
    return true;
}

int job_wait(struct loop *l, struct job *j, int64_t deadline_us, bool *ret_abandoned, struct err *e)
{
    int rc = j->rc;

    (void)l, (void)deadline_us;
    if (ret_abandoned)
        *ret_abandoned = false;
    if (e && rc < 0)
        *e = j->err;
    free(j);
    return rc;
}

/* ---- nobody watches the volumes ----------------------------------------------------------------
 */

struct volumes_watch *volumes_watch_start(struct run *r)
{
    (void)r;
    return NULL;
}

void volumes_watch_suspend(struct volumes_watch *w, bool suspended)
{
    (void)w, (void)suspended;
}

void volumes_watch_stop(struct volumes_watch *w)
{
    (void)w;
}

bool volumes_watch_answered(const struct volumes_watch *w)
{
    (void)w;
    return true;
}

size_t volumes_watch_history(const struct volumes_watch *w, size_t volume,
                             const struct volume_past **ret)
{
    (void)w, (void)volume, (void)ret;
    return 0;
}

/* ---- begin and end -----------------------------------------------------------------------------
 */

static void ignore_text(void *arg, const char *text)
{
    (void)arg, (void)text;
}

static void ignore_end(void *arg, const char *what, double ms, const struct err *why)
{
    (void)arg, (void)what, (void)ms, (void)why;
}

struct run_reporter world_reporter(void)
{
    return (struct run_reporter){.begin = ignore_text, .end = ignore_end, .note = ignore_text};
}

/* As the table of options has them, but for the waits, which cost nothing here. */
static void configure(void)
{
    struct fuzz_input empty = {(const uint8_t *)"", 0};
    AUTO_FREE char *path = xasprintf("%s/coord.conf", fuzz_dir());
    struct err e = ERR_INIT;

    fuzz_file(path, &empty);
    FUZZ_MUST(config_load(&world.conf, path, false, &e) == 0);
    free(world.conf.state_dir);
    world.state_dir = xasprintf("%s/state", fuzz_dir());
    world.conf.state_dir = xstrdup(world.state_dir);
    FUZZ_MUST(policy_add(world.conf.policy, POLICY_WARN, "system.load1 > 4", 1, NULL, NULL) == 0);
    FUZZ_MUST(policy_add(world.conf.policy, POLICY_REFUSE, "disk.*.write_time > 500ms for 2s", 2,
                         NULL, NULL) == 0);
    world.appliance = (struct appliance_config){
        .name = (char *)"east", .driver = (char *)"elastistor", .timeout_ms = 30000};
    world.conf.appliances = &world.appliance;
    world.conf.appliance_count = 1;
}

void world_begin(struct fuzz_input input, unsigned flags)
{
    world = (struct world){.input = input, .flags = flags};
    fuzz_begin();
    fuzz_remove("state");
    configure();
    world.loop = loop_new();
    world.array = world_array_new();
}

void world_end(void)
{
    world.conf.appliances = NULL;
    world.conf.appliance_count = 0;
    config_release(&world.conf);
    free(world.state_dir);
    loop_free(world.loop);
    FUZZ_MUST(!the_link);
}
