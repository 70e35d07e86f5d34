/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names under /dev/disk/by-path of disks that open-iscsi logged in; see domain_xml.h. */
#include "host-coordinator/xml/domain_xml.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"

/* "N" or "N-partM", and nothing after it; -1 if it is neither. */
static int lun_of(const char *text)
{
    char *end;
    long lun;

    if (!isdigit((unsigned char)*text))
        return -1;
    lun = strtol(text, &end, 0); /* LUNs above 255 are written in hexadecimal */
    if (lun > INT_MAX)
        return -1;
    if (strncmp(end, "-part", 5) == 0 && isdigit((unsigned char)end[5]))
        end += 5 + strspn(end + 5, "0123456789");
    return *end ? -1 : (int)lun;
}

/* An IQN may itself hold "-lun-" and "-iscsi-": the last of the one and the first of the other
 * count. */
static const char *last_of(const char *text, const char *word)
{
    const char *found = NULL;

    for (const char *at = text; (at = strstr(at, word)); at++)
        found = at;
    return found;
}

bool by_path_iqn(const char *path, char **ret_iqn, int *ret_lun)
{
    static const char dir[] = "/dev/disk/by-path/";
    const char *ip, *iqn, *end;
    int lun;

    if (strncmp(path, dir, sizeof(dir) - 1) != 0)
        return false;
    path += sizeof(dir) - 1;
    /* "ip-..." or, with the adapter first, "pci-0000:00:1f.2-ip-..." */
    ip = strncmp(path, "ip-", 3) == 0 ? path : strstr(path, "-ip-");
    iqn = strstr(path, "-iscsi-");
    /* behind it, it would be a part of the IQN */
    if (!ip || !iqn || ip > iqn)
        return false;
    iqn += strlen("-iscsi-");
    end = last_of(iqn, "-lun-");
    if (!end || end == iqn)
        return false;
    lun = lun_of(end + strlen("-lun-"));
    if (lun < 0)
        return false;
    *ret_iqn = xasprintf("%.*s", (int)(end - iqn), iqn);
    *ret_lun = lun;
    return true;
}
