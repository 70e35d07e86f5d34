/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Was it held? Pure judgement over what the release saw. Any doubt is "no": a set that is called
 * consistent and is not is worse than one thrown away.
 */
#include "guest-agent/session/private.h"

#include <string.h>

static const char *path_of(const struct session *s, size_t n)
{
    return s->ops->mount_at(s->arg, n)->path;
}

/* A probe has said which were frozen: exactly those must have stayed so. */
static int judge_probed(const struct session *s, const struct session_job *job, struct err *e)
{
    size_t expected = 0;

    for (size_t n = 0; n < job->count && n < s->was_count; n++) {
        if (!s->was_frozen[n])
            continue;
        expected++;
        if (job->results[n].answer != FS_FROZEN)
            return err_set(e, ERR_LOST,
                           "filesystem '%s' was frozen when asked and no longer at the release",
                           path_of(s, n));
    }
    if (expected == 0)
        return err_set(e, ERR_LOST, "no filesystem was frozen when the kernel was asked");
    return 0;
}

/* No probe: the kernel's answers to the thaw are all there is, and qemu-ga's count if told. */
static int judge_counted(const struct session *s, const struct session_job *job, struct err *e)
{
    int64_t frozen = 0;

    for (size_t n = 0; n < job->count; n++) {
        frozen += job->results[n].answer == FS_FROZEN;
        if (job->results[n].answer == FS_COVERED)
            return err_set(e, ERR_LOST, "filesystem '%s' was not frozen: %s", path_of(s, n),
                           fs_result_problem(&job->results[n]));
        if (job->results[n].answer == FS_FAILED)
            return err_set_sys(e, ERR_LOST, job->results[n].sys_errno,
                               "nobody can tell whether filesystem '%s' was frozen until the "
                               "release",
                               path_of(s, n));
    }
    if (frozen == 0)
        return err_set(e, ERR_LOST, "no filesystem was frozen at the release");
    if (s->reported_frozen >= 0 && frozen != s->reported_frozen)
        return err_set(e, ERR_LOST,
                       "%lld filesystems were frozen at the release, but qemu-ga had frozen %lld",
                       (long long)frozen, (long long)s->reported_frozen);
    return 0;
}

bool session_held(const struct session *s, const struct session_job *job, struct err *ret_why)
{
    /* granted after somebody wanted out: whatever is frozen now, this freeze did not freeze it */
    if (!s->told && !err_is_set(&s->cause_err)) {
        err_set(ret_why, ERR_CANCELLED, "called off before anybody was told of the lock");
        return false;
    }
    if (!job->in_time) {
        err_set(ret_why, ERR_LOST, "the lease of %lld ms ended before the release",
                (long long)(s->lease_us / 1000));
        return false;
    }
    if (err_is_set(&s->cause_err)) {
        *ret_why = s->cause_err;
        return false;
    }
    if (job->rc < 0) {
        *ret_why = job->err;
        return false;
    }
    return (s->was_frozen ? judge_probed(s, job, ret_why) : judge_counted(s, job, ret_why)) == 0;
}
