/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of domain_rewrite(), each for some of a domain's elements. They change the document in
 * place; one that fails leaves it half changed, and it is then thrown away.
 */
#ifndef CBSNAP_XML_REWRITE_H
#define CBSNAP_XML_REWRITE_H

#include "host-coordinator/xml/domain_rewrite.h"
#include "host-coordinator/xml/tree.h"

/* Memory, NUMA, the asset tag, firmware's variables, tuning, labels: what is not in <devices>. */
int rewrite_system(xmlNode *root, const struct domain_rewrite *how, struct err *e);
/* Disks: moved, or left out. `devices` may be NULL, as in a domain without any. */
int rewrite_disks(xmlNode *devices, const struct domain_rewrite *how, struct err *e);
/* All other devices; for COPY and THROWAWAY. */
int rewrite_devices(xmlNode *devices, const struct domain_rewrite *how, struct err *e);
/* Serial ports, consoles and channels; for COPY and THROWAWAY. */
void rewrite_chardevs(xmlNode *devices, const struct domain_rewrite *how);
/*
 * A guest looks for functions 1 to 7 of a PCI slot only where there is a function 0: where that one
 * was left out, the lowest of those that remain takes its place. Not where the definition never had
 * one: QEMU's chipsets have bridges of their own there (PIIX at 1.0, ICH9 at 1f.0).
 */
struct pci_slots {
    struct pci *all; /* addresses of all devices, before some were left out */
    size_t count;
};
void pci_slots_read(struct pci_slots *ret, xmlNode *devices);
void pci_slots_mend(const struct pci_slots *before, xmlNode *devices);
void pci_slots_release(struct pci_slots *s);

#endif
