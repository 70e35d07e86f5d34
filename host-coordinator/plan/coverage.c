/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the server's files to the appliance's volumes; see coverage.h. */
#include "host-coordinator/plan/coverage.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#include <ctype.h>
#include <string.h>

#define SERIAL_MIN 16 /* shorter common beginnings prove nothing */

/* Goes to the list's next target, whose length it returns; 0 at its end. */
static size_t next_target(const char **list)
{
    *list += strspn(*list, ", \t");
    return strcspn(*list, ", \t");
}

bool coverage_excluded(const char *list, const char *target)
{
    size_t len;

    for (; (len = next_target(&list)) > 0; list += len) {
        if (len == strlen(target) && strncmp(list, target, len) == 0)
            return true;
    }
    return false;
}

char *coverage_excluded_unknown(const char *list, const struct domain_xml *xml)
{
    struct buf unknown = BUF_INIT;
    size_t len;

    for (; (len = next_target(&list)) > 0; list += len) {
        AUTO_FREE char *target = xasprintf("%.*s", (int)len, list);

        if (!domain_xml_disk(xml, target))
            buf_addf(&unknown, "%s'%s'", unknown.len ? ", " : "", target);
    }
    return unknown.len ? buf_steal(&unknown) : NULL;
}

/* How many characters two serials share from their start, hyphens and case ignored; 0 if one of
 * them goes on differently. */
static size_t serial_match(const char *a, const char *b)
{
    size_t same = 0;

    for (;;) {
        while (*a == '-')
            a++;
        while (*b == '-')
            b++;
        if (!*a || !*b)
            return same;
        if (tolower((unsigned char)*a++) != tolower((unsigned char)*b++))
            return 0;
        same++;
    }
}

static bool same_serial(const char *a, const char *b)
{
    return serial_match(a, b) >= SERIAL_MIN;
}

const struct volume *coverage_volume(const struct domain_disk *disk, const struct volume *volumes,
                                     size_t count)
{
    const struct volume *found = NULL;

    for (size_t n = 0; n < count; n++) {
        if (*disk->iqn && strcmp(disk->iqn, volumes[n].iqn) == 0)
            return &volumes[n];
    }
    /* an IQN that no volume has decides: a serial must not lead to some other volume */
    if (*disk->iqn || !*disk->serial)
        return NULL;
    for (size_t n = 0; n < count; n++) {
        if (!same_serial(disk->serial, volumes[n].serial) &&
            !same_serial(disk->serial, volumes[n].name))
            continue;
        if (found)
            return NULL; /* ambiguous */
        found = &volumes[n];
    }
    return found;
}

static uint64_t disk_by_target(const struct domain_xml *xml, const char *target)
{
    const struct domain_disk *disk = domain_xml_disk(xml, target);
    size_t n = disk ? (size_t)(disk - xml->disks) : COVERAGE_MAX_DISKS;

    return n < COVERAGE_MAX_DISKS ? UINT64_C(1) << n : 0;
}

static uint64_t disk_by_serial(const struct domain_xml *xml, const char *serial)
{
    uint64_t found = 0;

    for (size_t n = 0; n < xml->disk_count && n < COVERAGE_MAX_DISKS; n++) {
        if (!same_serial(xml->disks[n].serial, serial))
            continue;
        if (found)
            return 0; /* ambiguous */
        found = UINT64_C(1) << n;
    }
    return found;
}

static size_t words_of(const char *list)
{
    size_t count = list && *list;

    for (; list && *list; list++)
        count += *list == ',';
    return count;
}

static size_t bits_of(uint64_t mask)
{
    size_t count = 0;

    for (; mask; mask &= mask - 1)
        count++;
    return count;
}

/* A filesystem on several disks (LVM, md, multipath) has comma-separated serials. They tell it all
 * only if there is one for each disk that the guest names: one that has none would not be missed,
 * and an agent that leaves out what is empty is not told from one that has all. */
static bool disks_by_serials(const struct domain_xml *xml, const Cbsnap__Mount *mount,
                             uint64_t *found)
{
    AUTO_FREE char *copy = xstrdup(mount->serial);
    bool all = *copy && words_of(mount->serial) == words_of(mount->disk);
    char *rest = copy, *one;

    while ((one = strsep(&rest, ","))) {
        uint64_t disk = disk_by_serial(xml, one);

        all = all && disk;
        *found |= disk;
    }
    return all;
}

/* By qemu-ga's list, which may lack the mount. False when it names a disk that the domain has not.
 */
static bool disks_by_list(const struct domain_xml *xml, const struct domain_fs_list *fs,
                          const char *path, uint64_t *found)
{
    bool known = true;

    for (size_t n = 0; n < fs->count; n++) {
        if (!path || strcmp(fs->items[n].mountpoint, path) != 0)
            continue;
        for (size_t t = 0; t < fs->items[n].target_count; t++) {
            uint64_t disk = disk_by_target(xml, fs->items[n].targets[t]);

            known = known && disk;
            *found |= disk;
        }
    }
    return known;
}

/* libvirt finds the list's disks by the guest's PCI addresses, which need not be the domain's
 * (docs/pci-addresses.rst): where serials tell it all it is not asked. Without them it has to name
 * as many as the guest: libvirt leaves out of it what is no disk of the domain. */
uint64_t coverage_disks(const Cbsnap__Mount *mount, const struct domain_fs_list *fs,
                        const struct domain_xml *xml, bool *ret_all)
{
    uint64_t found = 0;
    bool known;

    *ret_all = disks_by_serials(xml, mount, &found);
    if (*ret_all)
        return found;
    known = disks_by_list(xml, fs, mount->path, &found);
    *ret_all = known && found && bits_of(found) == words_of(mount->disk);
    return found;
}

static const char *first_outside(const struct domain_xml *xml, uint64_t outside)
{
    for (size_t n = 0; n < xml->disk_count && n < COVERAGE_MAX_DISKS; n++) {
        if (outside & (UINT64_C(1) << n))
            return xml->disks[n].target;
    }
    return "?";
}

static int check_mount(const Cbsnap__ServerPath *p, const Cbsnap__Mount *mount,
                       const struct domain_fs_list *fs, const struct domain_xml *xml,
                       uint64_t in_set, struct err *e)
{
    const char *role = p->role ? p->role : "file", *path = p->path ? p->path : "?";
    bool all;
    uint64_t disks = coverage_disks(mount, fs, xml, &all);

    if (disks & ~in_set)
        return err_set(e, ERR_REFUSED,
                       "the server's %s '%s' is on disk '%s', which is not in the set; put it "
                       "on a volume of a configured appliance and leave it out of 'exclude'",
                       role, path, first_outside(xml, disks & ~in_set));
    if (!all)
        return err_set(e, ERR_REFUSED,
                       "cannot tell which disk of the domain holds the server's %s '%s' "
                       "(guest disk '%s'); give the disk a <serial> in the domain XML",
                       role, path, mount->disk ? mount->disk : "?");
    return 0;
}

/* Where one filesystem is mounted over another both are looked at: which is meant is not told. */
static int check_path(const Cbsnap__ServerPath *p, Cbsnap__Mount *const *mounts, size_t count,
                      const struct domain_fs_list *fs, const struct domain_xml *xml,
                      uint64_t in_set, struct err *e)
{
    bool any = false;

    for (size_t n = 0; n < count && p->mount; n++) {
        if (!mounts[n]->path || strcmp(mounts[n]->path, p->mount) != 0)
            continue;
        if (check_mount(p, mounts[n], fs, xml, in_set, e) < 0)
            return -1;
        any = true;
    }
    if (any)
        return 0;
    return err_set(e, ERR_REFUSED,
                   "the server's %s '%s' is on no block device of the guest, so no snapshot would "
                   "hold it; move it to a volume of the appliance",
                   p->role ? p->role : "file", p->path ? p->path : "?");
}

int coverage_check(const Cbsnap__Server *server, Cbsnap__Mount *const *mounts, size_t mount_count,
                   const struct domain_fs_list *fs, const struct domain_xml *xml, uint64_t in_set,
                   struct err *e)
{
    bool datadir = false;

    for (size_t n = 0; n < server->n_path; n++) {
        const Cbsnap__ServerPath *p = server->path[n];

        if (check_path(p, mounts, mount_count, fs, xml, in_set, e) < 0)
            return -1;
        datadir |= p->role && strcmp(p->role, "datadir") == 0;
    }
    if (!datadir)
        return err_set(e, ERR_REFUSED,
                       "the guest does not say where the server's datadir is; run "
                       "cbsnap-agent check in it");
    return 0;
}
