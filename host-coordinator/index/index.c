/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the index remembers brought up to date with the folders of records; see index.h. */
#include "host-coordinator/index/index_internal.h"

#include "host-coordinator/record/store.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Room for so many in all: growing by halves touches twice the memory. */
static void reserve(struct index_list *l, size_t cap)
{
    if (cap <= l->cap)
        return;
    l->cap = cap;
    l->entries = xrealloc(l->entries, l->cap * sizeof(*l->entries));
}

/* The next entry, not set to anything yet. */
static struct index_entry *next_entry(struct index_list *l)
{
    if (l->count == l->cap)
        reserve(l, l->cap ? l->cap * 2 : 64);
    return &l->entries[l->count++];
}

struct index_entry *index_add(struct index_list *l)
{
    struct index_entry *entry = next_entry(l);

    *entry = (struct index_entry){.name = NULL};
    facts_init(&entry->facts);
    return entry;
}

void index_entry_release(struct index_entry *entry)
{
    free(entry->name);
    free(entry->problem);
    facts_release(&entry->facts);
    *entry = (struct index_entry){.name = NULL};
}

void index_release(struct index_list *l)
{
    for (size_t n = 0; n < l->count; n++)
        index_entry_release(&l->entries[n]);
    free(l->entries);
    *l = (struct index_list){.entries = NULL};
}

/* ---- one record ------------------------------------------------------------------------------ */

/* What stat(2) says of a record. */
struct seen {
    bool gone; /* since its folder was listed */
    int64_t mtime_ns, size, inode;
};

/* A record is replaced by rename, so a new one has another inode even within one tick of the
 * filesystem's clock. */
static bool same_file(const struct index_entry *entry, const struct seen *seen)
{
    return entry->mtime_ns == seen->mtime_ns && entry->size == seen->size &&
           entry->inode == seen->inode;
}

static void look_at(struct seen *seen, int records, const char *name)
{
    struct stat st;

    *seen = (struct seen){.gone = false};
    if (fstatat(records, name, &st, 0) < 0) {
        seen->gone = errno == ENOENT;
        return;
    }
    seen->mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    seen->size = st.st_size;
    seen->inode = (int64_t)st.st_ino;
}

/*
 * Ten thousand files are looked at in a thread of its own, while the index is read: each takes half
 * of the time that a list takes. A record that is replaced after it was looked at is read again by
 * who asks next, for it is not the file that was seen.
 */
struct look {
    int records; /* the folder of all: a shorter way than by path */
    const struct store_names *names;
    struct seen *seen;
    pthread_t thread;
    bool threaded;
};

static void *look_at_all(void *arg)
{
    struct look *l = arg;

    for (size_t n = 0; n < l->names->count; n++)
        look_at(&l->seen[n], l->records, l->names->names[n]);
    return NULL;
}

static void look_begin(struct look *l)
{
    l->seen = xcalloc(l->names->count + 1, sizeof(*l->seen));
    l->threaded = pthread_create(&l->thread, NULL, look_at_all, l) == 0;
}

static void look_end(struct look *l)
{
    if (l->threaded)
        (void)pthread_join(l->thread, NULL);
    else
        (void)look_at_all(l);
}

static void read_entry(struct index_entry *entry, const char *path)
{
    struct err why = ERR_INIT;
    struct record *r = store_read(path, &why);

    if (r)
        facts_read(&entry->facts, r);
    else
        entry->problem = xstrdup(why.msg);
    record_free(r);
}

/* ---- all of them ----------------------------------------------------------------------------- */

struct update {
    const char *state_dir, *domain;
    struct index_list known, now;
    size_t next; /* of the known ones */
    size_t read, gone;
};

static bool of_domain(const char *name, const char *domain)
{
    size_t len = domain ? strlen(domain) : 0;

    return !domain || (strncmp(name, domain, len) == 0 && name[len] == '/');
}

static void take_over(struct update *u, struct index_entry *entry)
{
    *next_entry(&u->now) = *entry;
    *entry = (struct index_entry){.name = NULL};
}

/* The known entries that come before `name` (NULL: all that are left) have no file any more, unless
 * they belong to a folder that nobody asked for. */
static void pass_over(struct update *u, const char *name)
{
    for (; u->next < u->known.count; u->next++) {
        struct index_entry *entry = &u->known.entries[u->next];

        if (name && store_newest_first(entry->name, name) >= 0)
            break;
        if (of_domain(entry->name, u->domain))
            u->gone++;
        else
            take_over(u, entry);
    }
}

/* What could not be read before is tried again: rights change and leave no trace in the file. */
static void update_one(struct update *u, const char *name, const struct seen *seen)
{
    AUTO_FREE char *path = NULL;
    struct index_entry *entry, *old = NULL;

    pass_over(u, name);
    if (u->next < u->known.count && strcmp(u->known.entries[u->next].name, name) == 0)
        old = &u->known.entries[u->next];
    if (seen->gone)
        return; /* gone: so is the known one, when it is passed over */
    if (old)
        u->next++;
    if (old && !old->problem && same_file(old, seen)) {
        take_over(u, old);
        return;
    }
    path = xasprintf("%s/records/%s", u->state_dir, name);
    entry = index_add(&u->now);
    entry->name = xstrdup(name);
    entry->mtime_ns = seen->mtime_ns;
    entry->size = seen->size;
    entry->inode = seen->inode;
    read_entry(entry, path);
    if (!old || !old->problem || !entry->problem || strcmp(old->problem, entry->problem) != 0)
        u->read++;
}

static void remember(const struct update *u, int64_t began_us)
{
    struct err why = ERR_INIT;

    if (u->read == 0 && u->gone == 0)
        return;
    log_debug("index: %zu records read, %zu gone, in %lld ms", u->read, u->gone,
              (long long)(mono_us() - began_us) / 1000);
    if (index_save(&u->now, u->state_dir, &why) < 0)
        log_debug("%s; what is answered is right, only slower", why.msg);
}

/* Keeps the entries of the domain that was asked for. */
static void narrow(struct index_list *l, const char *domain)
{
    size_t kept = 0;

    for (size_t n = 0; n < l->count; n++) {
        if (of_domain(l->entries[n].name, domain))
            l->entries[kept++] = l->entries[n];
        else
            index_entry_release(&l->entries[n]);
    }
    l->count = kept;
}

int index_read(struct index_list *ret, const char *state_dir, const char *domain, struct err *e)
{
    AUTO_FREE char *folder = xasprintf("%s/records", state_dir);
    AUTO_CLOSE int records = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct update u = {.state_dir = state_dir, .domain = domain};
    int64_t began_us = mono_us();
    struct store_names names;
    struct look look = {.records = records, .names = &names};
    struct err why = ERR_INIT;

    if (store_names(&names, state_dir, domain, e) < 0)
        return -1;
    look_begin(&look);
    reserve(&u.now, names.count);
    if (names.count > 0 && index_load(&u.known, state_dir, &why) < 0)
        log_debug("%s; reading the records", why.msg);
    look_end(&look);
    for (size_t n = 0; n < names.count; n++)
        update_one(&u, names.names[n], &look.seen[n]);
    free(look.seen);
    pass_over(&u, NULL);
    remember(&u, began_us);
    narrow(&u.now, domain);
    *ret = u.now;
    index_release(&u.known);
    store_names_release(&names);
    return 0;
}
