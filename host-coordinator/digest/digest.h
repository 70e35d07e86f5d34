/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SHA-256 (FIPS 180-4) of bytes and of files, as 64 lower-case hexadecimal digits, as sha256sum
 * prints it. The only owner of GnuTLS, which libvirt brings into the process anyway. `ret` is
 * untouched on failure. Thread-safe.
 */
#ifndef CBSNAP_DIGEST_H
#define CBSNAP_DIGEST_H

#include <stddef.h>

#include "proto/base/err.h"

#define DIGEST_TEXT 65 /* with its NUL */

int digest_bytes(char ret[DIGEST_TEXT], const void *data, size_t len, struct err *e);

/* Of what a file holds; "" when it is not there, ERR_IO also when it is no plain file. */
int digest_file(char ret[DIGEST_TEXT], const char *path, struct err *e);

#endif
