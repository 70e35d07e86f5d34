/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The life of an act that goes back to a set; see back.h. */
#include "host-coordinator/back/back.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/compat.h"

#include <string.h>

void back_init(struct back *b, const struct config *conf, const struct domain_ops *ops,
               struct loop *loop, const char *uri, struct record *set)
{
    *b = (struct back){.set = set, .safety = true, .start = true};
    run_init(&b->run, conf, ops, loop, uri, record_text(set, "domain.name") ?: "");
    b->id = record_text(set, "set") ?: "";
}

static void release_snapshots(struct back_volume *v)
{
    for (size_t n = 0; n < v->snapshot_count; n++)
        volume_snapshot_release(&v->snapshots[n]);
    free(v->snapshots);
}

static void release_volume(struct back_volume *v)
{
    storage_op_release(&v->op);
    release_snapshots(v);
    volume_release(&v->volume);
    volume_release(&v->clone);
    free(v->clone_name);
    free(v->access);
}

void back_release(struct back *b)
{
    for (size_t n = 0; n < b->count; n++)
        release_volume(&b->volumes[n]);
    free(b->volumes);
    free(b->left);
    free(b->old_definition);
    if (b->secret_definition)
        wipe(b->secret_definition, strlen(b->secret_definition));
    free(b->secret_definition);
    free(b->new_definition);
    message_free(b->certificate);
    message_free(b->checked);
    certificate_release(&b->result);
    run_release(&b->run);
    record_free(b->set);
}

/* A guest's disk has said it, and it would be the host's libvirt that does it: share its folders,
 * hand over its devices. Of a throw-away VM's that is left out, but a kernel, a firmware or an
 * emulator are still files of the host, which libvirt even makes its own for as long as it runs. */
static int check_definition(const struct back *b, struct err *e)
{
    if (b->force || !record_text(b->set, "imported.from"))
        return 0;
    if (!record_text(b->set, "instance.definition") && !record_text(b->set, "instance.live"))
        return 0;
    return err_set(e, ERR_REFUSED,
                   "set '%s' was imported: its VM's definition is what the guest's own disk says, "
                   "and may name files and devices of this host; read it (cbsnap-coord show %s "
                   "--json), then --force",
                   b->id, b->id);
}

int step_set(void *back, struct err *e)
{
    struct back *b = back;
    const char *verdict = record_text(b->set, "verdict");

    if (!*b->id || !record_text(b->set, "domain.name"))
        return err_set(e, ERR_REFUSED, "the record names no set or no domain");
    if (!verdict || strcmp(verdict, "void") == 0)
        return err_set(e, ERR_REFUSED, "set '%s' is void: %s", b->id,
                       record_text_at(b->set, "reasons", 0) ?: "its record gives no reason");
    return check_definition(b, e);
}
