/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What cbsnap-coord show --check finds: after everything that is done by right, nothing. */
#ifndef CBSNAP_CHAIN_TROUBLE_H
#define CBSNAP_CHAIN_TROUBLE_H

#include "host-coordinator/record/chain.h"
#include "host-coordinator/record/store.h"
#include "proto/base/buf.h"

/* The findings, or why there is no answer, one a line; NULL when all is well. The caller frees. */
static inline char *chain_trouble(const char *state_dir)
{
    struct store_names domains = {.count = 0};
    struct chain_ask ask = {.set = NULL};
    struct buf told = BUF_INIT;
    struct err e = ERR_INIT;

    if (store_domains(&domains, state_dir, &e) < 0)
        buf_addf(&told, "%s\n", e.msg);
    for (size_t n = 0; n < domains.count; n++) {
        struct record *r = record_new();

        if (chain_check(r, state_dir, domains.names[n], &ask, &e) < 0)
            buf_addf(&told, "%s\n", e.msg);
        for (size_t i = 0; i < record_count(r, "findings"); i++)
            buf_addf(&told, "%s\n", record_text(record_at(r, "findings", i), "message"));
        record_free(r);
    }
    store_names_release(&domains);
    return told.len > 0 ? buf_steal(&told) : NULL;
}

#endif
