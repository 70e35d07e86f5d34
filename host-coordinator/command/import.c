/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cbsnap-coord import DIR: the host and its records are lost, and a clone of a root volume is
 * mounted at DIR. The manifests on it become records again.
 *
 * A manifest was written before its set's freeze. So of the newest set nothing is known but what it
 * would hold; if its snapshots are all there it is called `crash`, and verify can prove more. Of
 * earlier sets the manifests of later ones tell verdict and position.
 *
 * What a guest's disk says is taken as such: the records name where they come from, and restore and
 * verify ask for --force before they give libvirt what stands there. But a guest may be hostile:
 * its links and special files are not followed, a record may speak of its own domain and snapshots
 * alone, and no more is read than an agent keeps.
 */
#include "host-coordinator/back/back.h"
#include "host-coordinator/back/inventory.h"
#include "host-coordinator/command/command.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/plain.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MANIFEST_DIR "var/lib/cbsnap/instance"
/* An agent keeps 32, and a coordinator tells of 10 earlier sets in each. */
#define MANIFESTS_MAX 64
#define EARLIER_MAX   32

struct import {
    const struct command_context *c;
    const char *domain; /* NULL: all */
    char *dir;
    struct record *answer;
    size_t made, left_out; /* sets that have no record yet */
};

/* ---- one record ------------------------------------------------------------------------------ */

static void copy_members(struct record *to, const struct record *from)
{
    static const char *const members[] = {"schema",  "cbsnap", "set",      "verdict",  "reasons",
                                          "started", "ended",  "domain",   "position", "volumes",
                                          "witness", "stall",  "instance", "server"};

    for (size_t n = 0; n < ARRAY_SIZE(members); n++)
        record_copy(to, from, members[n]);
}

static bool plain_id(const char *id)
{
    return id && inventory_is_id(id, strlen(id));
}

/* Also one that cannot be read: it is not ours to replace. */
static bool known(const struct import *im, const char *id)
{
    AUTO_FREE char *end = xasprintf("/%s.json", id);
    struct store_names names = {.count = 0};
    bool there = store_names(&names, im->c->conf->state_dir, NULL, NULL) < 0;

    for (size_t n = 0; n < names.count && !there; n++)
        there = strcmp(strchr(names.names[n], '/'), end) == 0;
    store_names_release(&names);
    return there;
}

static void tell(struct import *im, const char *id, const char *domain, const char *words)
{
    if (im->c->json) {
        struct record *one = record_append(im->answer, "sets");

        record_set_text(one, "set", id);
        record_set_text(one, "domain", domain);
        record_set_text(one, "outcome", words);
    } else {
        plain_line(stdout, "%s  %s  %s", id, domain, words);
    }
}

/* Why this cannot be the record of a set; NULL: it can. */
static const char *odd(const struct record *r)
{
    static const char *const verdicts[] = {"application", "filesystem", "crash", "void"};
    const char *domain = record_text(r, "domain.name"), *uuid = record_text(r, "domain.uuid");
    const char *verdict = record_text(r, "verdict");
    bool known_verdict = false;
    int64_t schema = 0;

    /* a manifest's own is checked as it is read, that of what it tells of earlier sets is not */
    if (record_int(r, "schema", &schema) && schema > RECORD_SCHEMA)
        return "a newer cbsnap-coord wrote it; install that one";
    for (size_t n = 0; n < ARRAY_SIZE(verdicts) && verdict; n++)
        known_verdict = known_verdict || strcmp(verdicts[n], verdict) == 0;
    if (!known_verdict)
        return "it has no verdict";
    if (!*domain || *domain == '.' || strchr(domain, '/') || (uuid && strchr(uuid, '/')))
        return "no domain is called so";
    for (size_t n = 0; n < record_count(r, "volumes"); n++) {
        const char *name = record_text(record_at(r, "volumes", n), "snapshot.name");

        if (name && strcmp(name, record_text(r, "set")) != 0)
            return "it names snapshots of another set";
    }
    if (!store_has_room(r))
        return "it is too long for a record";
    return NULL;
}

static int keep(struct import *im, struct record *r, const char *from, struct err *e)
{
    const char *id = record_text(r, "set"), *domain = record_text(r, "domain.name");
    const char *why = odd(r);
    char at[32];

    if (why) {
        log_warn("set '%s' in '%s' is left out: %s", id, from, why);
        im->left_out++;
        return 0;
    }
    record_set_text(r, "imported.from", from);
    record_set_text(r, "imported.at", clock_iso(wall_us(), at));
    if (store_prepare(im->c->conf->state_dir, domain, e) < 0 ||
        store_save(im->c->conf->state_dir, domain, id, r, e) < 0)
        return -1;
    im->made++;
    tell(im, id, domain, record_text(r, "verdict"));
    return 0;
}

static bool wanted(const struct import *im, const struct record *r)
{
    const char *id = record_text(r, "set"), *domain = record_text(r, "domain.name");
    bool its = domain && (!im->domain || strcmp(im->domain, domain) == 0 ||
                          store_same_uuid(im->domain, record_text(r, "domain.uuid")));

    return its && plain_id(id) && !known(im, id);
}

/* ---- the manifest's own set ------------------------------------------------------------------ */

static void judge(struct record *r, struct back *b, const struct err *why)
{
    record_clear(r, "reasons");
    record_set_text(r, "verdict", why ? "void" : "crash");
    record_append_text(r, "reasons",
                       why ? why->msg
                           : "rebuilt from its manifest: its snapshots are there, what was seen "
                             "while they were made is lost");
    for (size_t n = 0; n < b->count; n++) {
        struct record *v = record_at(r, "volumes", n);
        const struct back_volume *found = &b->volumes[n];

        record_set_text(v, "snapshot.name", record_text(r, "set"));
        record_set_text(v, "snapshot.state", found->at >= 0 ? "kept" : "unknown");
        if (found->at >= 0)
            record_set_text(v, "snapshot.path", found->snapshots[found->at].path);
    }
}

static int import_own(struct import *im, const struct record *manifest, const char *path,
                      struct err *e)
{
    struct record *r = record_new(), *set = record_new();
    struct err why = ERR_INIT;
    struct back b;
    int rc;

    copy_members(r, manifest);
    record_set_text(r, "verdict", "void");
    /* the agent had it when it was written: it is on the root volume, for here it is */
    record_set_text(r, "instance.manifest.path", path + strlen(im->dir));
    copy_members(set, r);
    back_init(&b, im->c->conf, &domain_libvirt, im->c->loop, im->c->uri, set);
    rc = step_back_storage(&b, &why);
    if (rc == 0)
        rc = back_check_whole(&b, &why);
    if (rc < 0 && why.code == ERR_REFUSED) {
        log_warn("'%s' is left out: %s", path, why.msg);
        im->left_out++;
    } else if (rc < 0 && why.code != ERR_NOT_FOUND) {
        *e = why;
    } else {
        judge(r, &b, rc < 0 ? &why : NULL);
        rc = keep(im, r, path, e);
    }
    back_release(&b);
    record_free(r);
    return rc < 0 && err_is_set(e) ? -1 : 0;
}

static struct record *read_manifest(const char *path, struct err *e)
{
    struct stat st;

    /* a pipe would never end, and what a link leads to is the host's */
    if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        err_set(e, ERR_CONFIG, "'%s' is no plain file, so it is not read as a manifest", path);
        return NULL;
    }
    return store_read(path, e);
}

/* Later sets do not tell the definition of an earlier one. It stands in that one's own manifest,
 * and where that is gone, the later one's is the nearest. */
static void add_definition(struct record *r, const struct record *manifest, const char *path)
{
    static const char *const members[] = {
        "instance.host",       "instance.hypervisor", "instance.libvirt", "instance.live",
        "instance.definition", "instance.disks",      "instance.channels"};
    const char *slash = strrchr(path, '/');
    AUTO_FREE char *own_path =
        xasprintf("%.*s/%s.json", (int)(slash - path), path, record_text(r, "set"));
    struct record *own = read_manifest(own_path, NULL);

    for (size_t n = 0; n < ARRAY_SIZE(members); n++)
        record_copy(r, own ? own : manifest, members[n]);
    record_free(own);
}

static bool of_same_domain(const struct record *one, const struct record *manifest)
{
    const char *a = record_text(one, "domain.name"), *b = record_text(manifest, "domain.name");

    return a && b && strcmp(a, b) == 0;
}

static int import_earlier(struct import *im, const struct record *manifest, const char *path,
                          struct err *e)
{
    for (size_t n = 0; n < record_count(manifest, "earlier") && n < EARLIER_MAX; n++) {
        const struct record *one = record_at(manifest, "earlier", n);
        struct record *r;
        int rc;

        if (!of_same_domain(one, manifest) || !wanted(im, one))
            continue;
        r = record_new();
        copy_members(r, one);
        add_definition(r, manifest, path);
        rc = keep(im, r, path, e);
        record_free(r);
        if (rc < 0)
            return -1;
    }
    return 0;
}

/* ---- the folder ------------------------------------------------------------------------------ */

static int newest_first(const void *a, const void *b)
{
    return strcmp(*(char *const *)b, *(char *const *)a);
}

/* A folder of the guest's that is a link would lead into the host's own. */
static int check_folders(const char *dir, struct err *e)
{
    AUTO_FREE char *path = xasprintf("%s/%s", dir, MANIFEST_DIR);
    size_t at = strlen(dir);

    while (path[at]) {
        size_t end = at + 1 + strcspn(path + at + 1, "/");
        AUTO_FREE char *folder = strndup(path, end);
        struct stat st;

        if (lstat(folder, &st) == 0 && S_ISLNK(st.st_mode))
            return err_set(e, ERR_CONFIG,
                           "'%s' is a link: mount the filesystem that holds it there, or give the "
                           "folder in which %s is",
                           folder, MANIFEST_DIR);
        at = end;
    }
    return 0;
}

/* `why` is opendir()'s errno, or 0: it is there and empty. */
static int no_manifests(const char *dir, int why, struct err *e)
{
    if (why == 0)
        (void)err_set(e, ERR_NOT_FOUND, "there are no manifests in '%s'", dir);
    else
        (void)err_set_sys(e, why == ENOENT || why == ENOTDIR ? ERR_NOT_FOUND : ERR_IO, why,
                          "cannot list the manifests in '%s'", dir);
    return err_hint(e, "give the folder at which a set's root volume is mounted");
}

static int list_manifests(const char *dir, char ***ret, size_t *ret_count, struct err *e)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    char **list = NULL;
    size_t count = 0;

    if (!d)
        return no_manifests(dir, errno, e);
    while ((entry = readdir(d))) {
        AUTO_FREE char *id = xstrdup(entry->d_name);
        char *dot = strrchr(id, '.');

        if (!dot || strcmp(dot, ".json") != 0)
            continue;
        *dot = '\0';
        if (!plain_id(id))
            continue;
        list = xrealloc(list, (count + 1) * sizeof(*list));
        list[count++] = xasprintf("%s/%s", dir, entry->d_name);
    }
    closedir(d);
    if (count == 0)
        return no_manifests(dir, 0, e);
    if (count > 1)
        qsort(list, count, sizeof(*list), newest_first);
    while (count > MANIFESTS_MAX)
        free(list[--count]);
    *ret = list;
    *ret_count = count;
    return 0;
}

/* What a later one has told of its set is enough. */
static void leave_out(struct import *im, const char *path, const struct err *why)
{
    const char *name = strrchr(path, '/') + 1;
    AUTO_FREE char *id = xasprintf("%.*s", (int)(strrchr(name, '.') - name), name);

    log_warn("%s", why->msg);
    im->left_out += !known(im, id);
}

/* Later sets tell more of an earlier one than its own manifest does: newest first. */
static int import_file(struct import *im, const char *path, struct err *e)
{
    struct err why = ERR_INIT;
    struct record *manifest = read_manifest(path, &why);
    int rc = 0;

    if (!manifest) {
        leave_out(im, path, &why);
        return 0;
    }
    if (wanted(im, manifest))
        rc = import_own(im, manifest, path, e);
    if (rc == 0)
        rc = import_earlier(im, manifest, path, e);
    record_free(manifest);
    return rc;
}

int cmd_import(const struct command_context *c, struct err *e)
{
    struct import im = {.c = c, .domain = command_option(c, "domain")};
    AUTO_FREE char *inner = xasprintf("%s/%s", c->args[0], MANIFEST_DIR);
    char **paths = NULL;
    size_t count = 0;
    int rc;

    im.dir = c->args[0];
    im.answer = record_new();
    record_set_empty(im.answer, "sets");
    rc = check_folders(im.dir, e);
    if (rc == 0)
        rc = list_manifests(inner, &paths, &count, e);
    for (size_t n = 0; n < count; n++) {
        if (rc == 0)
            rc = import_file(&im, paths[n], e);
        free(paths[n]);
    }
    free(paths);
    if (rc == 0 && im.made == 0 && im.left_out > 0)
        rc = err_set(e, ERR_IO, "nothing was imported from '%s': %zu %s left out, as told above",
                     inner, im.left_out, im.left_out == 1 ? "set is" : "sets are");
    if (c->json && rc == 0)
        command_answer(c, im.answer);
    else if (rc == 0 && im.made == 0)
        printf("no set that has no record yet\n");
    record_free(im.answer);
    if (rc == 0)
        return EXIT_DONE;
    return im.made == 0 && (e->code == ERR_NOT_FOUND || e->code == ERR_CONFIG) ? EXIT_USAGE
                                                                               : EXIT_FAILED;
}
