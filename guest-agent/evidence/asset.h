/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether this guest was booted to verify a set: the host then gives the throw-away VM the SMBIOS
 * chassis asset tag "cbsnap-verify:SET". What is no set's id does not make a guest verify.
 * Source: SMBIOS specification, type 3, "Asset Tag"; /sys/class/dmi/id/chassis_asset_tag.
 */
#ifndef CBSNAP_EVIDENCE_ASSET_H
#define CBSNAP_EVIDENCE_ASSET_H

#include "guest-agent/evidence/setid.h"

#define ASSET_FILE_DEFAULT "/sys/class/dmi/id/chassis_asset_tag"
#define ASSET_PREFIX       "cbsnap-verify:"

/* True with the set when the tag in `path` says so; a file that is not there says nothing. */
bool asset_verifying(const char *path, char ret_set[SETID_SIZE]);

#endif
