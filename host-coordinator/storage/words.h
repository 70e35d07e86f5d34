/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the ElastiStor driver says about a request that failed. Pure functions, private to it. */
#ifndef CBSNAP_STORAGE_WORDS_H
#define CBSNAP_STORAGE_WORDS_H

#include "host-coordinator/storage/calls.h"

/* "appliance 'east': createStorageSnapshot of volume 'vol01': " before what is in e; an empty
 * volume is not named. */
void words_place(const struct elastistor *a, const char *verb, const struct volume *v,
                 struct err *e);

/*
 * No whole answer came: sets e, and returns -1. It says why, and, of a request that `changes`
 * something, that the array may have acted all the same.
 */
int words_no_answer(const struct elastistor *a, const struct http_reply *reply, bool changes,
                    struct err *e);

#endif
