/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which of the system's rows this system does not have, and why: for `cbsnap-agent check`. */
#ifndef CBSNAP_SAMPLE_ABSENT_H
#define CBSNAP_SAMPLE_ABSENT_H

/*
 * Reads the families of the operating system (proto/metrics.h, up to FAMILY_DISK) twice, for rates,
 * and calls `absent` for each row of which nothing was seen. Rows that depend on there being
 * requests just now are not among them. `root` as in source.h. Takes a fifth of a second.
 */
void os_rows_absent(const char *root,
                    void (*absent)(void *arg, const char *name, const char *reason), void *arg);

#endif
