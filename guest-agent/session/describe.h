/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The session's facts as messages. Everything borrows the text of what it describes; the arrays
 * are the caller's to free.
 */
#ifndef CBSNAP_SESSION_DESCRIBE_H
#define CBSNAP_SESSION_DESCRIBE_H

#include "guest-agent/fs/freeze.h"
#include "guest-agent/mysql/lock.h"
#include "proto/message.h"

/* "" and NULL both become absent */
char *describe_text(const char *s);
void describe_position(Cbsnap__Position *out, const struct position *p);
void describe_tries(const struct lock_report *r, Cbsnap__LockTry *tries, Cbsnap__LockTry **ptrs);

void describe_mount(Cbsnap__Mount *out, const struct mount *m);
/* Adds what the kernel answered. */
void describe_answer(Cbsnap__Mount *out, const struct fs_result *r);

#endif
