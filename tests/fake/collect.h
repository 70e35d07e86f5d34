/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hands a record that a test made to tests/schema/check, by way of the folder in CBSNAP_RECORDS. */
#ifndef CBSNAP_TESTS_COLLECT_H
#define CBSNAP_TESTS_COLLECT_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "host-coordinator/record/record.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

/* Nothing without the folder, or when `r` is NULL: a run that was refused may have none. */
static inline void collect_record(const struct record *r)
{
    static int number;
    const char *folder = getenv("CBSNAP_RECORDS");
    AUTO_FREE char *path = NULL, *text = NULL;
    FILE *f;

    if (!folder || !*folder || !r)
        return;
    path = xasprintf("%s/unit-%ld-%d.json", folder, (long)getpid(), ++number);
    text = record_format(r);
    f = fopen(path, "we");
    if (!f || fputs(text, f) == EOF || fclose(f) == EOF) {
        perror(path);
        abort();
    }
}

#endif
