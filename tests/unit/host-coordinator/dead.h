/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tests of a coordinator that dies share: a child process is the world after the death. */
#ifndef CBSNAP_TESTS_DEAD_H
#define CBSNAP_TESTS_DEAD_H

/* The folder of records as the dead one left it, its locks nobody's; but for what is hidden, and
 * for a folder "dead" in it. */
void dead_copy(const char *from, const char *to);
void dead_copy_file(const char *from, const char *to);
/* Before fork(): a thread that works or ends may hold a lock that the child would wait for for
 * ever. */
void dead_wait_asleep(void);

#endif
