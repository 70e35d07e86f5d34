/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between what a record holds and its text: the library behind both. */
#ifndef CBSNAP_RECORD_INTERNAL_H
#define CBSNAP_RECORD_INTERNAL_H

#include "host-coordinator/record/record.h"

#include <jansson.h>

/* struct record is never defined: it is jansson's object under a name of ours. */
static inline json_t *json(const struct record *r)
{
    return (json_t *)r;
}

#endif
