/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records written and removed, and the chain told of it; see store.h and chain.h. */
#include "host-coordinator/record/store.h"

#include "host-coordinator/digest/digest.h"
#include "host-coordinator/record/chain.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        text += n;
        len -= (size_t)n;
    }
    return 0;
}

static int sync_dir(const char *dir)
{
    AUTO_CLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 ? -1 : fsync(fd);
}

static int write_temp(const char *temp, const char *text)
{
    AUTO_CLOSE int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);

    if (fd >= 0)
        owner_as_directory(fd, temp);
    return fd < 0 || write_all(fd, text, strlen(text)) < 0 ? -1 : fsync(fd);
}

/* The chain is told before the record is put in its place, see chain.h. */
static int save(const struct chain *c, const char *dir, const char *set, const char *text,
                struct err *e)
{
    AUTO_FREE char *path = xasprintf("%s/%s.json", dir, set);
    AUTO_FREE char *temp = xasprintf("%s.tmp", path);
    char digest[DIGEST_TEXT], replaced[DIGEST_TEXT] = "";

    if (write_temp(temp, text) < 0 || sync_dir(dir) < 0)
        err_set_sys(e, ERR_IO, errno, "cannot write the record '%s'", path);
    if (err_is_set(e) || digest_bytes(digest, text, strlen(text), e) < 0 ||
        digest_file(replaced, path, e) < 0) {
        (void)unlink(temp);
        return -1;
    }
    if (chain_written(c, set, digest, replaced, e) == 0 && rename(temp, path) < 0)
        err_set_sys(e, ERR_IO, errno, "cannot write the record '%s'", path);
    if (err_is_set(e)) {
        if (chain_take_back(c) == 0)
            (void)unlink(temp);
        return -1;
    }
    return sync_dir(dir) < 0 ? err_set_sys(e, ERR_IO, errno, "cannot write the record '%s'", path)
                             : 0;
}

bool store_has_room(const struct record *r)
{
    AUTO_FREE char *text = record_format(r);

    return strlen(text) <= STORE_RECORD_MAX / 2;
}

int store_save(const char *state_dir, const char *domain, const char *set, struct record *r,
               struct err *e)
{
    AUTO_FREE char *dir = xasprintf("%s/records/%s", state_dir, domain), *text = NULL;
    struct err why = ERR_INIT; /* ours asks it, and `e` may be NULL */
    struct chain *c;
    int rc;

    if (chain_open(&c, dir, e) < 0)
        return err_prefix(e, "cannot write the record '%s/%s.json'", dir, set);
    record_set_int(r, "chain.line", chain_next(c));
    text = record_format(r);
    if (strlen(text) > STORE_RECORD_MAX)
        rc = err_set(
            &why, ERR_REFUSED,
            "the record '%s/%s.json' is not written: it would have %zu bytes, and more than "
            "%d are not read",
            dir, set, strlen(text), STORE_RECORD_MAX);
    else
        rc = save(c, dir, set, text, &why);
    chain_close(c);
    if (rc < 0 && e)
        *e = why;
    return rc;
}

/* What lies beside it goes first: while the record is there, it names the rest. */
static int remove_files(const struct chain *c, const char *dir, const char *set, struct err *e)
{
    AUTO_FREE char *series = xasprintf("%s/%s.series", dir, set);
    AUTO_FREE char *path = xasprintf("%s/%s.json", dir, set);
    char digest[DIGEST_TEXT];

    if (unlink(series) < 0 && errno != ENOENT)
        return err_set_sys(e, ERR_IO, errno, "cannot remove '%s'", series);
    if (digest_file(digest, path, e) < 0)
        return -1;
    if (!*digest)
        return 0;
    if (chain_removed(c, set, digest, e) < 0) {
        (void)chain_take_back(c);
        return -1;
    }
    if (unlink(path) < 0) {
        err_set_sys(e, ERR_IO, errno, "cannot remove '%s'", path);
        (void)chain_take_back(c);
        return -1;
    }
    return 0;
}

int store_remove(const char *state_dir, const char *domain, const char *set, struct err *e)
{
    AUTO_FREE char *dir = xasprintf("%s/records/%s", state_dir, domain);
    struct chain *c;
    int rc;

    if (access(dir, F_OK) < 0 && errno == ENOENT)
        return 0;
    if (chain_open(&c, dir, e) < 0)
        return err_prefix(e, "cannot remove the record '%s/%s.json'", dir, set);
    rc = remove_files(c, dir, set, e);
    if (rc == 0 && sync_dir(dir) < 0)
        rc = err_set_sys(e, ERR_IO, errno, "cannot write the folder '%s'", dir);
    chain_close(c);
    return rc;
}
