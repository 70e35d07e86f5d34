/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The certificate of a guest that has started from a set's volumes: what its server holds
 * (mysql/holding.h), and what the guest itself knows. Not a verdict: the host compares.
 *
 * A server that does not answer is no error: `ready` is false, `problem` says what was seen, and
 * the warnings of its error log are there if its process logs to a file, or, when there is none, if
 * that lies where packages put it. Blocks as holding.h
 * says, or for the connect timeout. Any thread.
 */
#ifndef CBSNAP_EVIDENCE_CERTIFICATE_H
#define CBSNAP_EVIDENCE_CERTIFICATE_H

#include "guest-agent/evidence/answer.h"
#include "proto/message.h"

struct certificate_query {
    const char *verifying;   /* the set that this guest was booted to verify; NULL: none */
    const char *binlog_file; /* NULL: not told */
    const char *mark_table;  /* "": none */
    const char *manifest_dir;
    bool (*stop)(void *arg); /* as holding.h */
    void *arg;
    struct answer_watch *watch; /* NULL outside of verifying */
};

/* Free it with cbsnap__certificate__free_unpacked(c, NULL). What `stop` cut short is worth nothing.
 */
Cbsnap__Certificate *certificate_make(const struct mysql_login *login,
                                      const struct certificate_query *q);

#endif
