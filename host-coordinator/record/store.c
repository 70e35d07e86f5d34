/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records on disk: finding, listing; the lock of a VM. See store.h. */
#include "host-coordinator/record/store.h"

#include "host-coordinator/record/chain.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/owner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

int store_check_name(const char *name, struct err *e)
{
    if (!*name || name[0] == '.' || strpbrk(name, "/\n") || strlen(name) > 200)
        return err_set(e, ERR_USAGE, "'%.200s' cannot be the name of a folder of records", name);
    return 0;
}

static int make_dir(const char *path, struct err *e)
{
    AUTO_CLOSE int fd = -1;

    if (mkdir(path, 0750) < 0) {
        if (errno == EEXIST)
            return 0;
        return err_set_sys(e, ERR_IO, errno, "cannot make the directory '%s'", path);
    }
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0)
        owner_as_directory(fd, path);
    return 0;
}

int store_prepare(const char *state_dir, const char *domain, struct err *e)
{
    AUTO_FREE char *records = xasprintf("%s/records", state_dir);
    AUTO_FREE char *folder = xasprintf("%s/records/%s", state_dir, domain);
    AUTO_FREE char *journal = xasprintf("%s/journal", state_dir);
    struct chain *c;

    if (store_check_name(domain, e) < 0 || make_dir(state_dir, e) < 0 || make_dir(records, e) < 0 ||
        make_dir(folder, e) < 0 || make_dir(journal, e) < 0 || chain_open(&c, folder, e) < 0)
        return -1;
    chain_close(c);
    return 0;
}

/* A newer one may mean other things by the same names. */
static struct record *check_schema(struct record *r, const char *path, struct err *e)
{
    int64_t schema = 0;

    if (!r || !record_int(r, "schema", &schema) || schema <= RECORD_SCHEMA)
        return r;
    err_set(e, ERR_CONFIG,
            "record '%s' has schema %lld and was written by a newer cbsnap-coord; install that one",
            path, (long long)schema);
    record_free(r);
    return NULL;
}

struct record *store_read(const char *path, struct err *e)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct buf text = BUF_INIT;
    struct record *r = NULL;

    if (fd < 0) {
        err_set_sys(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "cannot read '%s'", path);
        return NULL;
    }
    if (buf_read(&text, fd, STORE_RECORD_MAX) < 0)
        err_set_sys(e, ERR_IO, errno, "cannot read '%s' as a record", path);
    else if (text.len > STORE_RECORD_MAX)
        err_set(e, ERR_IO, "cannot read '%s' as a record: it has more than %d bytes", path,
                STORE_RECORD_MAX);
    else
        r = record_parse(buf_text(&text), path, e);
    buf_release(&text);
    return check_schema(r, path, e);
}

static void add_name(struct store_names *l, char *name)
{
    if ((l->count & (l->count - 1)) == 0) /* full: it grows by doubling */
        l->names = xrealloc(l->names, (l->count ? l->count * 2 : 1) * sizeof(*l->names));
    l->names[l->count++] = name;
}

void store_names_release(struct store_names *l)
{
    for (size_t n = 0; n < l->count; n++)
        free(l->names[n]);
    free(l->names);
    *l = (struct store_names){.names = NULL};
}

/* Set ids begin with their time, so names sort by age. */
int store_newest_first(const char *x, const char *y)
{
    int order = strcmp(strchr(y, '/'), strchr(x, '/'));

    return order != 0 ? order : strcmp(x, y);
}

static int compare_names(const void *a, const void *b)
{
    return store_newest_first(*(char *const *)a, *(char *const *)b);
}

static int compare_domains(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int scan_domain(const char *state_dir, const char *domain, struct store_names *l,
                       struct err *e)
{
    AUTO_FREE char *path = xasprintf("%s/records/%s", state_dir, domain);
    DIR *d = opendir(path);
    struct dirent *entry;

    /* a stray file among the folders is no folder of records; one that is closed to us may be */
    if (!d && errno != ENOENT && errno != ENOTDIR)
        return err_set_sys(e, ERR_IO, errno, "cannot list the records in '%s'", path);
    while (d && (entry = readdir(d))) {
        size_t len = strlen(entry->d_name);

        if (len > 5 && strcmp(entry->d_name + len - 5, ".json") == 0)
            add_name(l, xasprintf("%s/%s", domain, entry->d_name));
    }
    if (d)
        closedir(d);
    return 0;
}

static int scan(const char *state_dir, const char *domain, struct store_names *l, struct err *e)
{
    AUTO_FREE char *records = xasprintf("%s/records", state_dir);
    struct dirent *entry;
    int rc = 0;
    DIR *d;

    if (domain) {
        if (store_check_name(domain, e) < 0)
            return -1;
        rc = scan_domain(state_dir, domain, l, e);
    } else {
        d = opendir(records);
        if (!d && errno != ENOENT)
            return err_set_sys(e, ERR_IO, errno, "cannot list the records in '%s'", records);
        while (rc == 0 && d && (entry = readdir(d))) {
            if (entry->d_name[0] != '.')
                rc = scan_domain(state_dir, entry->d_name, l, e);
        }
        if (d)
            closedir(d);
    }
    if (l->count > 1)
        qsort(l->names, l->count, sizeof(*l->names), compare_names);
    return rc;
}

/* Folders of records; a stray file among them is none. */
int store_domains(struct store_names *ret, const char *state_dir, struct err *e)
{
    AUTO_FREE char *records = xasprintf("%s/records", state_dir);
    struct store_names l = {.count = 0};
    DIR *d = opendir(records);
    struct dirent *entry;
    struct stat st;

    if (!d && errno != ENOENT)
        return err_set_sys(e, ERR_IO, errno, "cannot list the records in '%s'", records);
    while (d && (entry = readdir(d))) {
        if (entry->d_name[0] != '.' && fstatat(dirfd(d), entry->d_name, &st, 0) == 0 &&
            S_ISDIR(st.st_mode))
            add_name(&l, xstrdup(entry->d_name));
    }
    if (d)
        closedir(d);
    if (l.count > 1)
        qsort(l.names, l.count, sizeof(*l.names), compare_domains);
    *ret = l;
    return 0;
}

int store_names(struct store_names *ret, const char *state_dir, const char *domain, struct err *e)
{
    struct store_names l = {.count = 0};

    if (scan(state_dir, domain, &l, e) < 0) {
        store_names_release(&l);
        return -1;
    }
    *ret = l;
    return 0;
}

struct record *store_load(const char *state_dir, const char *set, struct err *e)
{
    struct store_names l;
    struct record *r = NULL;
    char *match = NULL;
    size_t matches = 0;

    if (store_names(&l, state_dir, NULL, e) < 0)
        return NULL;
    for (size_t n = 0; n < l.count && *set; n++) {
        const char *name = strchr(l.names[n], '/') + 1;

        if (strncmp(name, set, strlen(set)) == 0) {
            match = l.names[n];
            matches++;
        }
    }
    if (matches == 1) {
        AUTO_FREE char *path = xasprintf("%s/records/%s", state_dir, match);

        r = store_read(path, e);
    } else if (matches > 1) {
        err_set(e, ERR_USAGE, "'%s' is the beginning of %zu sets; give more of it", set, matches);
    } else {
        err_set(e, ERR_NOT_FOUND,
                "there is no set '%.100s' in '%s/records'; cbsnap-coord list shows all", set,
                state_dir);
    }
    store_names_release(&l);
    return r;
}

/* ---- the lock of a VM ------------------------------------------------------------------------ */

/* Places in the lock file, of one byte for the lock and of a line for the process's number. */
enum lock_place { PLACE_RUN, PLACE_WATCH };
#define PID_WIDTH 12

static struct flock lock_of(enum lock_place place)
{
    return (struct flock){
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)place, .l_len = 1};
}

/* For messages only: the lock itself is the kernel's. */
static long read_pid(int fd, enum lock_place place)
{
    char text[PID_WIDTH + 1] = "";
    ssize_t n = pread(fd, text, PID_WIDTH, (off_t)place * PID_WIDTH);

    text[n > 0 ? n : 0] = '\0';
    return strtol(text, NULL, 10);
}

static int lock_failed(int fd, const char *what, struct err *e)
{
    int why = errno;
    char link[32], path[4096];
    ssize_t len;

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    len = readlink(link, path, sizeof(path));
    return err_set_sys(e, ERR_IO, why, "cannot %s the VM's lock file '%.*s'", what,
                       len > 0 ? (int)len : 0, path);
}

static int take_place(int fd, enum lock_place place, struct err *e)
{
    struct flock lock = lock_of(place);
    char pid[PID_WIDTH + 1];

    if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
        if (errno != EAGAIN && errno != EACCES)
            return lock_failed(fd, "lock", e);
        return err_set(e, ERR_BUSY, "another %s has this VM (process %ld); wait until it has ended",
                       place == PLACE_RUN ? "run" : "watch", read_pid(fd, place));
    }
    (void)snprintf(pid, sizeof(pid), "%*ld\n", PID_WIDTH - 1, (long)getpid());
    if (pwrite(fd, pid, PID_WIDTH, (off_t)place * PID_WIDTH) != PID_WIDTH)
        return lock_failed(fd, "write", e);
    return 0;
}

int store_look(const char *state_dir, const char *uuid, int *ret_fd, struct err *e)
{
    AUTO_FREE char *path = xasprintf("%s/journal/%s.lock", state_dir, uuid);
    int fd;

    if (!*uuid || strchr(uuid, '/')) /* a record's, which may come from elsewhere */
        return err_set(e, ERR_CONFIG, "'%.100s' is no domain's uuid", uuid);
    fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (fd < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot open the lock file '%s'", path);
    owner_as_directory(fd, path);
    *ret_fd = fd;
    return 0;
}

int store_lock(const char *state_dir, const char *uuid, int *ret_fd, struct err *e)
{
    AUTO_CLOSE int fd = -1;

    if (store_look(state_dir, uuid, &fd, e) < 0 || take_place(fd, PLACE_RUN, e) < 0)
        return -1;
    *ret_fd = STEAL_FD(fd);
    return 0;
}

int store_watch(int fd, struct err *e)
{
    return take_place(fd, PLACE_WATCH, e);
}

bool store_run_has(int fd, long *ret_pid)
{
    struct flock lock = lock_of(PLACE_RUN);

    if (fcntl(fd, F_OFD_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
        return false;
    *ret_pid = read_pid(fd, PLACE_RUN);
    return true;
}
