/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading the guest's facts and telling them; see facts.h. */
#include "guest-agent/facts.h"

#include <stdlib.h>

#include "guest-agent/session/describe.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

/* No freeze of it could be seen, so the run would end void with writers stopped for nothing. */
static void refuse_read_only(struct facts *f)
{
    for (size_t n = 0; n < f->server.path_count && !err_is_set(&f->problem); n++) {
        const struct server_path *p = &f->server.paths[n];

        if (f->path_mounts[n] && f->path_mounts[n]->read_only)
            err_set(&f->problem, ERR_REFUSED,
                    "%s '%s' is on '%s', which is mounted read-only and cannot be frozen", p->role,
                    p->path, f->path_mounts[n]->path);
    }
}

void facts_read(struct facts *ret, struct mysql_lock *mysql, const struct mysql_login *login)
{
    struct err e = ERR_INIT;

    *ret = (struct facts){.read_us = mono_us()};
    if (mounts_read(&ret->mounts, "", "", &e) < 0)
        log_warn("%s", e.msg);
    e = ERR_INIT;
    (void)mysql_lock_ready(mysql, &ret->problem);
    /* an account that cannot lock may still be able to say which right it lacks; but a server that
     * does not answer is asked no more */
    ret->has_server =
        ret->problem.code != ERR_TIMEOUT && server_info_read(login, &ret->server, &e) == 0;
    if (!ret->has_server && !err_is_set(&ret->problem))
        ret->problem = e;
    /* now, not when told: asking for a path can wait for a disk */
    ret->path_mounts = xcalloc(ret->server.path_count + 1, sizeof(*ret->path_mounts));
    for (size_t n = 0; n < ret->server.path_count; n++)
        ret->path_mounts[n] = mounts_holding(&ret->mounts, ret->server.paths[n].path);
    refuse_read_only(ret);
    hookfacts_read(&ret->hook, "");
}

void facts_release(struct facts *f)
{
    mounts_release(&f->mounts);
    free(f->path_mounts);
    if (f->has_server)
        server_info_release(&f->server);
    *f = (struct facts){.read_us = 0};
}

static void describe_server(const struct facts *f, struct facts_view *v)
{
    const struct server_info *s = &f->server;

    cbsnap__server__init(&v->server);
    v->server_ptr = &v->server;
    v->server.version = s->version;
    v->server.uuid = s->uuid;
    if (s->has_server_id)
        MSG_SET(&v->server, server_id, s->server_id);
    v->paths = xcalloc(s->path_count + 1, sizeof(*v->paths));
    v->path_ptrs = xcalloc(s->path_count + 1, sizeof(Cbsnap__ServerPath *));
    for (size_t n = 0; n < s->path_count; n++) {
        const struct mount *m = f->path_mounts[n];

        cbsnap__server_path__init(&v->paths[n]);
        v->paths[n].role = (char *)s->paths[n].role;
        v->paths[n].path = s->paths[n].path;
        v->paths[n].mount = m ? m->path : NULL;
        v->path_ptrs[n] = &v->paths[n];
    }
    v->server.n_path = s->path_count;
    v->server.path = v->path_ptrs;
    v->server.n_missing_right = s->missing_count;
    v->server.missing_right = s->missing_rights;
}

void facts_describe(const struct facts *f, struct facts_view *ret)
{
    size_t count = f->mounts.count;

    *ret = (struct facts_view){.mount_count = count};
    if (f->has_server)
        describe_server(f, ret);
    ret->mounts = xcalloc(count + 1, sizeof(*ret->mounts));
    ret->mount_ptrs = xcalloc(count + 1, sizeof(Cbsnap__Mount *));
    for (size_t n = 0; n < count; n++) {
        describe_mount(&ret->mounts[n], &f->mounts.items[n]);
        ret->mount_ptrs[n] = &ret->mounts[n];
    }
    cbsnap__hook__init(&ret->hook);
    ret->hook.runner = (char *)hook_runner_name(f->hook.runner);
    ret->hook.problem = describe_text(f->hook.problem);
}

void facts_view_release(struct facts_view *v)
{
    free(v->paths);
    free(v->path_ptrs);
    free(v->mounts);
    free(v->mount_ptrs);
}
