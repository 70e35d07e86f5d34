/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers of an ElastiStor, as the tests of its driver's readers make them up. */
#ifndef CBSNAP_TESTS_ELASTISTOR_ANSWER_H
#define CBSNAP_TESTS_ELASTISTOR_ANSWER_H

#include "host-coordinator/storage/reply.h"

/* The API key. The shape of a real one: URL-safe base64, shorter. */
#define KEY "Zk3vQ_r8-TnW0yLhC5uXeD2aJ9bMfSg7"
/* A volume's id, and another's. */
#define UUID  "4e91c6d8-b370-3d2f-95ae-07f81b6c2d49"
#define OTHER "c7f20a95-38d1-3b6e-8c40-e95b1d72f603"
#define IQN   "iqn.2016-05.acme.vsm1:acmevol01"

/* reply_open(); the caller drops what it gives. NULL, and *e says why. */
json_t *answer_open(long status, const char *body, const char *key, struct err *e);
/* The same of a good answer, { KEY: {INNER} }: fails the test when it cannot be opened. */
json_t *answer_of(const char *key, const char *inner);
/* A reader of that answer returned `rc` and *e: a refusal in these words, without the API key. */
void answer_refused(int rc, const struct err *e, enum err_code code, const char *answer,
                    const char *words);

#endif
