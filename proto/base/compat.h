/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the oldest systems that cbsnap is built for do not have: Enterprise Linux 7, whose glibc is
 * 2.17 and whose kernel is 3.10. The rest of the code calls these, on every system, and no younger
 * function of libc; `make check-el7` proves it.
 */
#ifndef CBSNAP_BASE_COMPAT_H
#define CBSNAP_BASE_COMPAT_H

#include <stddef.h>

/*
 * Random bytes, without ever waiting for them: early in a boot they may be guessed, so they are for
 * ids, not for keys. getrandom() came with glibc 2.25 and Linux 3.17; before, and while that would
 * wait, it is /dev/urandom. 0, or -1 when there are none (a chroot without /dev, say).
 */
int random_fill(void *to, size_t len);

/* Zeros that the compiler may not leave out, though nobody reads them: explicit_bzero() came with
 * glibc 2.25. */
void wipe(void *at, size_t len);

#endif
