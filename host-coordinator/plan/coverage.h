/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does the set hold the whole database? mount -> guest disk -> domain disk -> volume, each link by
 * a fact: qemu-ga's filesystem list (which names domain disks), the disk serial that guest and
 * domain both show, the IQN or serial that domain and appliance both show.
 *
 * Pure functions on what was gathered before; no input or output.
 */
#ifndef CBSNAP_COVERAGE_H
#define CBSNAP_COVERAGE_H

#include "host-coordinator/domain/domain.h"
#include "host-coordinator/storage/storage.h"
#include "host-coordinator/xml/domain_xml.h"
#include "proto/cbsnap.pb-c.h"

/* Is the disk excluded by the configuration's comma-separated list of targets? */
bool coverage_excluded(const char *list, const char *target);

/* What of the list is no disk of the domain, for people: "'vdx', 'vdz'"; NULL if all are. The
 * caller frees. */
char *coverage_excluded_unknown(const char *list, const struct domain_xml *xml);

/*
 * The volume behind the disk, or NULL. By IQN; else by the disk's serial against the volume's unit
 * serial or name, hyphens and case ignored. virtio cuts serials to 20 characters, so a beginning of
 * at least 16 characters counts, if it fits one volume only.
 */
const struct volume *coverage_volume(const struct domain_disk *disk, const struct volume *volumes,
                                     size_t count);

/*
 * The domain disks that the guest's mount is known to lie on, as a bit mask by index. *ret_all is
 * false unless these are all: each disk that the guest names has a serial that one disk of the
 * domain has, or qemu-ga's list helps to find as many. What either of the two tells is found.
 */
uint64_t coverage_disks(const Cbsnap__Mount *mount, const struct domain_fs_list *fs,
                        const struct domain_xml *xml, bool *ret_all);
#define COVERAGE_MAX_DISKS 64

/*
 * ERR_REFUSED unless every path of the server lies on disks in `in_set` (mask by index in
 * xml->disks); the message names role, path and disk.
 */
int coverage_check(const Cbsnap__Server *server, Cbsnap__Mount *const *mounts, size_t mount_count,
                   const struct domain_fs_list *fs, const struct domain_xml *xml, uint64_t in_set,
                   struct err *e);

#endif
