/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Members of the appliance's answers, checked: what the readers of reply.h are made of. Pure
 * functions, private to them; what they hand out lives as long as the answer. */
#ifndef CBSNAP_STORAGE_REPLY_MEMBER_H
#define CBSNAP_STORAGE_REPLY_MEMBER_H

#include "host-coordinator/storage/reply.h"

#define ID_MAX 128
#define MIB    1048576.0

/* No control characters, at most `max` bytes. */
bool member_plain(const char *text, size_t max);
/* Something that may stand in a URL and in a message as it is. */
bool member_is_id(const char *text);

/*
 * A member that is text, "" if absent or of another kind. Control characters and the API key have
 * no business in a name: NULL with e set.
 */
const char *member_text(json_t *item, const char *name, const char *api_key, struct err *e);
/* The same, and it must be an id: NULL with e set otherwise. */
const char *member_id(json_t *item, const char *name, const char *api_key, struct err *e);

/*
 * The items of a list; an absent array is an empty one. A count that disagrees means that we did
 * not get all there is, and then nothing may be called absent.
 */
int member_list(json_t **ret, json_t *answer, const char *name, struct err *e);

/* A number, or a number in quotes; false for whatever cannot have been measured. */
bool member_reading(json_t *item, const char *name, double *ret);

#endif
