/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SHA-256, on GnuTLS; see digest.h. */
#include "host-coordinator/digest/digest.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <stdint.h>
#include <sys/stat.h>

#define BYTES 32

static int failed(int code, struct err *e)
{
    return err_set(e, ERR_INTERNAL, "cannot compute a SHA-256: %s", gnutls_strerror(code));
}

static void as_text(char ret[DIGEST_TEXT], const uint8_t bytes[BYTES])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t n = 0; n < BYTES; n++) {
        ret[2 * n] = digits[bytes[n] >> 4];
        ret[2 * n + 1] = digits[bytes[n] & 15];
    }
    ret[2 * BYTES] = '\0';
}

int digest_bytes(char ret[DIGEST_TEXT], const void *data, size_t len, struct err *e)
{
    uint8_t bytes[BYTES];
    int code = gnutls_hash_fast(GNUTLS_DIG_SHA256, data, len, bytes);

    if (code < 0)
        return failed(code, e);
    as_text(ret, bytes);
    return 0;
}

static int add_file(gnutls_hash_hd_t hash, int fd, const char *path, struct err *e)
{
    AUTO_FREE uint8_t *piece = xcalloc(1, 65536);
    ssize_t n;
    int code;

    while ((n = read(fd, piece, 65536)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set_sys(e, ERR_IO, errno, "cannot read '%s'", path);
        code = gnutls_hash(hash, piece, (size_t)n);
        if (code < 0)
            return failed(code, e);
    }
    return 0;
}

int digest_file(char ret[DIGEST_TEXT], const char *path, struct err *e)
{
    /* a pipe must not keep us waiting */
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    gnutls_hash_hd_t hash;
    uint8_t bytes[BYTES];
    struct stat st;
    int code, rc;

    if (fd < 0 && errno == ENOENT) {
        *ret = '\0';
        return 0;
    }
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot read '%s'", path);
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_IO, "'%s' is no plain file", path);
    code = gnutls_hash_init(&hash, GNUTLS_DIG_SHA256);
    if (code < 0)
        return failed(code, e);
    rc = add_file(hash, fd, path, e);
    gnutls_hash_deinit(hash, bytes);
    if (rc == 0)
        as_text(ret, bytes);
    return rc;
}
