/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Positions, tries and mounts as messages; see describe.h. */
#include "guest-agent/session/describe.h"

#include "proto/base/cleanup.h"

char *describe_text(const char *s)
{
    return s && *s ? (char *)s : NULL;
}

void describe_position(Cbsnap__Position *out, const struct position *p)
{
    cbsnap__position__init(out);
    out->binlog_file = p->binlog_file;
    if (p->binlog_file)
        MSG_SET(out, binlog_offset, p->binlog_offset);
    out->gtid_set = p->gtid_set;
    if (p->has_lsn)
        MSG_SET(out, innodb_lsn, p->lsn);
    if (p->has_checkpoint)
        MSG_SET(out, innodb_lsn_checkpoint, p->checkpoint);
    out->server_uuid = p->server_uuid;
    if (p->has_server_id)
        MSG_SET(out, server_id, p->server_id);
    out->server_version = p->server_version;
    out->source = (char *)p->source;
}

void describe_tries(const struct lock_report *r, Cbsnap__LockTry *tries, Cbsnap__LockTry **ptrs)
{
    for (unsigned n = 0; n < r->tries && n < LOCK_MAX_TRIES; n++) {
        cbsnap__lock_try__init(&tries[n]);
        MSG_SET(&tries[n], waited_ms, r->try[n].waited_ms);
        MSG_SET(&tries[n], victims, r->try[n].victims);
        tries[n].outcome = (char *)lock_outcome_name(r->try[n].outcome);
        ptrs[n] = &tries[n];
    }
}

void describe_mount(Cbsnap__Mount *out, const struct mount *m)
{
    cbsnap__mount__init(out);
    out->path = m->path;
    out->device = m->device;
    out->disk = describe_text(m->disk);
    out->serial = describe_text(m->serial);
    out->fstype = m->fstype;
}

void describe_answer(Cbsnap__Mount *out, const struct fs_result *r)
{
    if (r->answer != FS_FAILED)
        MSG_SET(out, frozen, r->answer == FS_FROZEN);
    out->problem = (char *)fs_result_problem(r);
}
