/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See asset.h. */
#include "guest-agent/evidence/asset.h"

#include <string.h>

#include "proto/base/cleanup.h"
#include "proto/base/log.h"

bool asset_verifying(const char *path, char ret_set[SETID_SIZE])
{
    AUTO_FCLOSE FILE *f = fopen(path, "re");
    size_t prefix = strlen(ASSET_PREFIX);
    char tag[128];

    if (!f || !fgets(tag, sizeof(tag), f) || strncmp(tag, ASSET_PREFIX, prefix) != 0)
        return false;
    tag[strcspn(tag, "\n")] = '\0';
    if (!setid_is(tag + prefix, strlen(tag + prefix))) {
        log_warn("the chassis asset tag '%s' names no set: this is an ordinary boot", tag);
        return false;
    }
    memcpy(ret_set, tag + prefix, SETID_SIZE);
    return true;
}
