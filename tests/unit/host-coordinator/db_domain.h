/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The live XML of the VM that the worlds of a snapshot have: three volumes and our port. The caller
 * frees. `root` names the volume of the root disk; `socket` is where the scripted agent listens.
 */
#ifndef CBSNAP_TESTS_DB_DOMAIN_H
#define CBSNAP_TESTS_DB_DOMAIN_H

#include "proto/base/buf.h"

static inline char *db_domain_xml(const char *uuid, const char *root, const char *socket)
{
    return xasprintf(
        "<domain><name>db</name><uuid>%s</uuid><devices>"
        "<disk type='network' device='disk'><source protocol='iscsi' name='iqn.t:%s/0'/>"
        "<target dev='vda'/><serial>serial-of-the-root-disk</serial></disk>"
        "<disk type='network' device='disk'><source protocol='iscsi' name='iqn.t:log/0'/>"
        "<target dev='vdb'/><serial>serial-of-the-log-disk1</serial></disk>"
        "<disk type='network' device='disk'><source protocol='iscsi' name='iqn.t:data/0'/>"
        "<target dev='vdc'/><serial>serial-of-the-data-disk</serial></disk>"
        "<channel type='unix'><source mode='bind' path='%s'/>"
        "<target type='virtio' name='org.cbsnap.agent.0' state='connected'/></channel>"
        "</devices></domain>",
        uuid, root, socket);
}

#endif
