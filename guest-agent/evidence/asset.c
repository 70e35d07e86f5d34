/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See asset.h. */
#include "guest-agent/evidence/asset.h"

#include <string.h>

#include "proto/base/cleanup.h"
#include "proto/base/log.h"

static bool read_line(const char *path, char *line, int size)
{
    AUTO_FCLOSE FILE *f = fopen(path, "re");

    return f && fgets(line, size, f);
}

bool asset_verifying(const char *path, char ret_set[SETID_SIZE])
{
    size_t prefix = strlen(ASSET_PREFIX);
    char tag[128];

    if (!read_line(path, tag, sizeof(tag)) || strncmp(tag, ASSET_PREFIX, prefix) != 0)
        return false;
    tag[strcspn(tag, "\n")] = '\0';
    if (!setid_is(tag + prefix, strlen(tag + prefix))) {
        log_warn("the chassis asset tag '%s' names no set: this is an ordinary boot", tag);
        return false;
    }
    memcpy(ret_set, tag + prefix, SETID_SIZE);
    return true;
}
