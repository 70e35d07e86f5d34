/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ids of sets, as the coordinator makes them: 20161104T101500Z-7f3a. They sort by time, and nothing
 * in them needs quoting in a path or a statement. Pure.
 */
#ifndef CBSNAP_EVIDENCE_SETID_H
#define CBSNAP_EVIDENCE_SETID_H

#include <stdbool.h>
#include <stddef.h>

#define SETID_LEN  21
#define SETID_SIZE (SETID_LEN + 1)

/* True when the first `len` characters are one. */
bool setid_is(const char *text, size_t len);

#endif
