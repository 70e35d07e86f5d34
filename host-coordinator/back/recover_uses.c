/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * recover, of a restore onto clones: are they the VM's by now? That its XML names none is no proof:
 * an administrator may have written them otherwise, as volumes of a pool or as devices of the host.
 * So what is to be undone is a VM that is seen to have the disks of before, or one of which libvirt
 * never heard that it has others.
 */
#include "host-coordinator/back/recover.h"
#include "host-coordinator/back/vm.h"

#include "host-coordinator/xml/domain_xml.h"

#include "proto/base/cleanup.h"

#include <string.h>

enum uses { USES_CLONES, USES_OLD, USES_UNKNOWN };

/* Those of the set: what else is attached or taken away meanwhile is no clone of ours. */
static bool same_disks(const struct back *b, const struct domain_xml *is,
                       const struct domain_xml *was)
{
    for (size_t n = 0; n < b->count; n++) {
        const struct domain_disk *now = domain_xml_disk(is, b->volumes[n].target);
        const struct domain_disk *then = domain_xml_disk(was, b->volumes[n].target);

        if (!now || !then || strcmp(now->source, then->source) != 0)
            return false;
    }
    return true;
}

static bool has_old_disks(const struct back *b, const char *xml)
{
    struct domain_xml is = {.disk_count = 0}, was = {.disk_count = 0};
    bool same = xml && b->old_definition && domain_xml_parse(&is, xml, NULL) == 0 &&
                domain_xml_parse(&was, b->old_definition, NULL) == 0 && same_disks(b, &is, &was);

    domain_xml_release(&is);
    domain_xml_release(&was);
    return same;
}

static enum uses uses_of(const struct back *b, const struct record *j, const char *xml)
{
    if (vm_names_clone(b, xml))
        return USES_CLONES;
    return !recover_begun(j, "define") || has_old_disks(b, xml) ? USES_OLD : USES_UNKNOWN;
}

static int cannot_tell(const struct back *b, const char *why, struct err *e)
{
    return err_set(e, ERR_LOOK,
                   "domain '%s' may use the clones of set '%s': %s; have it use the ones or the "
                   "others and run cbsnap-coord recover again, or see to what is left and remove "
                   "the journal",
                   b->run.ops->name(b->run.domain), b->id, why);
}

/* Of one that is not here, or not awake, libvirt tells what its next start would take. */
static int check_elsewhere(const struct back *b, const struct record *j, enum domain_state state,
                           struct err *e)
{
    if (b->defined || !recover_begun(j, "define"))
        return 0;
    if (state == DOMAIN_AWAY)
        return cannot_tell(
            b, "it was migrated away, and which disks it has there is not known here", e);
    return cannot_tell(b,
                       "its memory is saved, and with which disks is not known here (virsh "
                       "managedsave-dumpxml)",
                       e);
}

/* One that runs on its old volumes has served from them: then it is as before, whatever its next
 * start would take. */
int recover_uses_clones(struct back *b, const struct record *j, const char *definition,
                        enum domain_state state, bool *ret, struct err *e)
{
    AUTO_FREE char *live = NULL;
    enum uses defined, runs;

    if (back_find_clones(b, e) < 0)
        return -1;
    defined = uses_of(b, j, definition);
    b->defined = *ret = defined == USES_CLONES;
    if (defined == USES_UNKNOWN)
        return cannot_tell(b,
                           "the disks in its definition (virsh dumpxml --inactive) are neither "
                           "they nor those of before",
                           e);
    if (state == DOMAIN_OFF)
        return 0;
    if (state == DOMAIN_AWAY || state == DOMAIN_SAVED)
        return check_elsewhere(b, j, state, e);
    if (vm_live_xml(b, &live, e) < 0)
        return -1;
    runs = uses_of(b, j, live);
    *ret = runs == USES_CLONES;
    if (runs == USES_UNKNOWN)
        return cannot_tell(b,
                           "the disks in its live XML (virsh dumpxml) are neither they nor those "
                           "of before",
                           e);
    if (*ret && !b->defined)
        return err_set(e, ERR_LOOK,
                       "domain '%s' runs from the clones of set '%s' and is defined without them: "
                       "end it (virsh destroy %s) to have it as before, and run cbsnap-coord "
                       "recover again",
                       b->run.domain_name, b->id, b->run.domain_name);
    return 0;
}

/* A copy may be another host's by now, or have another name where its UUID was not written down. */
int recover_check_gone(const struct back *b, const struct record *j, struct err *e)
{
    if (b->method == BACK_SWITCH)
        return err_set(e, ERR_LOOK, "domain '%s' is gone: restore the set with --to",
                       b->run.domain_name);
    if (!recover_ended(j, "define") || record_has_text(j, "undone", "define") ||
        record_bool(j, "copy_forgotten"))
        return 0;
    return err_set(e, ERR_LOOK,
                   "domain '%s' was made and is gone: another host may have it, and with it the "
                   "clones of set '%s', volumes whose names end in '-%s'; remove on the appliance "
                   "those that nobody uses, then the journal",
                   b->to, b->id, b->run.set);
}
