/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the server's files to the appliance's volumes; see coverage.h. */
#include "host-coordinator/plan/coverage.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#include <ctype.h>
#include <string.h>

#define SERIAL_MIN 16 /* shorter common beginnings prove nothing */

bool coverage_excluded(const char *list, const char *target)
{
    size_t len = strlen(target);

    while (*list) {
        size_t word;

        list += strspn(list, ", \t");
        word = strcspn(list, ", \t");
        if (word == len && strncmp(list, target, len) == 0)
            return true;
        list += word;
    }
    return false;
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
    for (size_t n = 0; n < xml->disk_count && n < COVERAGE_MAX_DISKS; n++) {
        if (strcmp(xml->disks[n].target, target) == 0)
            return UINT64_C(1) << n;
    }
    return 0;
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

/* A filesystem on several disks (LVM, md) has comma-separated serials; each must be found. */
static uint64_t disks_by_serials(const struct domain_xml *xml, const char *serials)
{
    AUTO_FREE char *copy = xstrdup(serials);
    uint64_t found = 0;
    char *rest = copy, *one;

    while ((one = strsep(&rest, ","))) {
        uint64_t disk = disk_by_serial(xml, one);

        if (!disk)
            return 0;
        found |= disk;
    }
    return found;
}

uint64_t coverage_disks(const Cbsnap__Mount *mount, const struct domain_fs_list *fs,
                        const struct domain_xml *xml)
{
    uint64_t by_serial = mount->serial ? disks_by_serials(xml, mount->serial) : 0;

    if (by_serial)
        return by_serial;
    for (size_t n = 0; n < fs->count; n++) {
        uint64_t found = 0;

        if (!mount->path || strcmp(fs->items[n].mountpoint, mount->path) != 0)
            continue;
        for (size_t t = 0; t < fs->items[n].target_count; t++) {
            uint64_t disk = disk_by_target(xml, fs->items[n].targets[t]);

            if (!disk)
                return 0;
            found |= disk;
        }
        return found;
    }
    return 0;
}

static const Cbsnap__Mount *mount_of(const Cbsnap__ServerPath *path, Cbsnap__Mount *const *mounts,
                                     size_t count)
{
    for (size_t n = 0; n < count && path->mount; n++) {
        if (mounts[n]->path && strcmp(mounts[n]->path, path->mount) == 0)
            return mounts[n];
    }
    return NULL;
}

static const char *first_outside(const struct domain_xml *xml, uint64_t outside)
{
    for (size_t n = 0; n < xml->disk_count && n < COVERAGE_MAX_DISKS; n++) {
        if (outside & (UINT64_C(1) << n))
            return xml->disks[n].target;
    }
    return "?";
}

int coverage_check(const Cbsnap__Server *server, Cbsnap__Mount *const *mounts, size_t mount_count,
                   const struct domain_fs_list *fs, const struct domain_xml *xml, uint64_t in_set,
                   struct err *e)
{
    bool datadir = false;

    for (size_t n = 0; n < server->n_path; n++) {
        const Cbsnap__ServerPath *p = server->path[n];
        const Cbsnap__Mount *mount = mount_of(p, mounts, mount_count);
        const char *role = p->role ? p->role : "file", *path = p->path ? p->path : "?";
        uint64_t disks;

        if (!mount)
            return err_set(e, ERR_REFUSED,
                           "the server's %s '%s' is on no block device of the guest, so no "
                           "snapshot would hold it; move it to a volume of the appliance",
                           role, path);
        disks = coverage_disks(mount, fs, xml);
        if (!disks)
            return err_set(e, ERR_REFUSED,
                           "cannot tell which disk of the domain holds the server's %s '%s' "
                           "(guest disk '%s'); give the disk a <serial> in the domain XML",
                           role, path, mount->disk ? mount->disk : "?");
        if (disks & ~in_set)
            return err_set(e, ERR_REFUSED,
                           "the server's %s '%s' is on disk '%s', which is not in the set; put it "
                           "on a volume of a configured appliance and leave it out of 'exclude'",
                           role, path, first_outside(xml, disks & ~in_set));
        datadir |= strcmp(role, "datadir") == 0;
    }
    if (!datadir)
        return err_set(e, ERR_REFUSED,
                       "the guest does not say where the server's datadir is; run "
                       "cbsnap-agent check in it");
    return 0;
}
