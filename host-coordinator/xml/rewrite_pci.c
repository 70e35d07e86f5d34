/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI addresses of the devices that are left; see rewrite.h. */
#include <stdlib.h>

#include "host-coordinator/xml/rewrite.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

struct pci {
    xmlNode *address; /* gone when its device is */
    long domain, bus, slot, function;
};

/* libvirt writes "0x02" and reads "2" too; what is no number is 0, as what is not there. */
static long number(xmlNode *node, const char *attr)
{
    AUTO_FREE char *text = xml_attr(node, attr);

    return strtol(text, NULL, 0);
}

static bool read_address(xmlNode *device, struct pci *ret)
{
    xmlNode *address = device->type == XML_ELEMENT_NODE ? xml_child(device, "address") : NULL;

    if (!address || !xml_attr_is(address, "type", "pci") || !xml_has(address, "slot"))
        return false;
    *ret = (struct pci){
        .address = address,
        .domain = number(address, "domain"),
        .bus = number(address, "bus"),
        .slot = number(address, "slot"),
        .function = number(address, "function"),
    };
    return true;
}

void pci_slots_read(struct pci_slots *ret, xmlNode *devices)
{
    struct pci one;

    *ret = (struct pci_slots){.all = NULL};
    for (xmlNode *n = devices->children; n; n = n->next) {
        if (!read_address(n, &one))
            continue;
        ret->all = xrealloc(ret->all, (ret->count + 1) * sizeof(*ret->all));
        ret->all[ret->count++] = one;
    }
}

void pci_slots_release(struct pci_slots *s)
{
    free(s->all);
    *s = (struct pci_slots){.all = NULL};
}

static bool same_slot(const struct pci *a, const struct pci *b)
{
    return a->domain == b->domain && a->bus == b->bus && a->slot == b->slot;
}

static bool had_function_0(const struct pci_slots *before, const struct pci *p)
{
    for (size_t n = 0; n < before->count; n++) {
        if (same_slot(&before->all[n], p) && before->all[n].function == 0)
            return true;
    }
    return false;
}

/* The lowest function of the slot that p is in, and how many it has. */
static struct pci *lowest(const struct pci_slots *s, struct pci *p, size_t *ret_functions)
{
    struct pci *low = p;

    *ret_functions = 0;
    for (size_t n = 0; n < s->count; n++) {
        if (!same_slot(&s->all[n], p))
            continue;
        ++*ret_functions;
        if (s->all[n].function < low->function)
            low = &s->all[n];
    }
    return low;
}

void pci_slots_mend(const struct pci_slots *before, xmlNode *devices)
{
    struct pci_slots now;

    pci_slots_read(&now, devices);
    for (size_t n = 0; n < now.count; n++) {
        size_t functions;
        struct pci *low = lowest(&now, &now.all[n], &functions);

        if (low->function == 0 || !had_function_0(before, low))
            continue;
        low->function = 0;
        xml_set_attr(low->address, "function", "0x0");
        xml_set_attr(low->address, "multifunction", functions > 1 ? "on" : NULL);
    }
    pci_slots_release(&now);
}
