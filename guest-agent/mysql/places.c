/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a server's files lie besides what it says: behind symbolic links in its datadir, for
 * MyISAM's DATA DIRECTORY is told nowhere else; and on what is mounted below it, for the server
 * names its files there by the datadir alone. And whether it means by its paths what we do.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest-agent/mysql/server_internal.h"
#include "guest-agent/mysql/sight.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

/* ---- links ---- */

static void add_link(struct server_info *s, pid_t pid, const char *path)
{
    char *target = realpath(path, NULL);

    if (!target)
        return; /* dangling: holds no data */
    /* and so is one into what is hidden from the server (ProtectHome=, PrivateTmp=) */
    if (sight_lacks("", pid, target) || server_is_below(target, server_datadir(s)))
        free(target);
    else
        server_add_path(s, "tablespace", target);
}

/* Symbolic links in `dir` and, if `deeper`, in the directories right below it. */
static int add_links(struct server_info *s, pid_t pid, const char *dir, bool deeper, struct err *e)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    int rc = 0;

    if (!d && errno == ENOENT && !deeper)
        return 0; /* a database dropped meanwhile */
    if (!d)
        return err_set_sys(e, ERR_IO, errno,
                           "cannot look for files that are linked to elsewhere in '%s'", dir);
    while (rc == 0 && (entry = readdir(d))) {
        AUTO_FREE char *path = NULL;
        unsigned char type = entry->d_type;
        struct stat st;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (type == DT_REG)
            continue;
        path = xasprintf("%s/%s", dir, entry->d_name);
        if (type == DT_UNKNOWN && lstat(path, &st) == 0)
            type = S_ISLNK(st.st_mode) ? DT_LNK : S_ISDIR(st.st_mode) ? DT_DIR : DT_REG;
        if (type == DT_LNK)
            add_link(s, pid, path);
        else if (type == DT_DIR && deeper)
            rc = add_links(s, pid, path, false, e);
    }
    closedir(d);
    return rc;
}

/* ---- mounts ---- */

struct finding {
    struct server_info *server;
    const struct identity *id;
};

static void add_mount(struct finding *f, const char *path)
{
    /* one that another mount has covered since is nobody's */
    if (access(path, F_OK) == 0 || sight_of("", f->id->pid, path, NULL) == SIGHT_OTHER)
        server_add_path(f->server, "directory", xstrdup(path));
}

/* In the server's tmpdir, which may be a list: what is there is not needed when it is started. But
 * where that is the datadir, or above, it says nothing. */
static bool is_temporary(const struct finding *f, const char *path, const char *name)
{
    AUTO_FREE char *list = xstrdup(f->id->tmpdir ? f->id->tmpdir : "");
    char *save = NULL;

    for (char *part = strtok_r(list, ":", &save); part; part = strtok_r(NULL, ":", &save)) {
        AUTO_FREE char *full = server_absolute(server_datadir(f->server), part);
        AUTO_FREE char *real = realpath(full, NULL);

        if (real && server_is_below(path, real) && strlen(real) >= (size_t)(name - path))
            return true;
    }
    return server_is_below(name, "#innodb_temp");
}

/* Each directory of the datadir is a database or one of InnoDB's, whatever is mounted there: of
 * what lies on no block device a snapshot would hold nothing. But on disk no database has a name
 * that begins with a dot; ".snapshot" is somebody else's. */
static void add_below_datadir(void *arg, const char *path, const char *name)
{
    if (*name != '.' && !is_temporary(arg, path, name))
        add_mount(arg, path);
}

/* Of the server's other directories that of the redo log alone has another of its own in it, and
 * they need not be its alone: a disk for backups may be mounted beside the binary logs. */
static void add_below_redo(void *arg, const char *path, const char *name)
{
    if (server_is_below(name, "#innodb_redo"))
        add_mount(arg, path);
}

static int add_mounts(struct server_info *s, const struct identity *id, struct err *e)
{
    struct finding f = {.server = s, .id = id};
    size_t told = s->path_count;
    int rc = sight_mounts("", id->pid, server_datadir(s), add_below_datadir, &f, e);

    for (size_t n = 0; rc == 0 && n < told; n++) {
        if (strcmp(s->paths[n].role, "redo") == 0)
            rc = sight_mounts("", id->pid, s->paths[n].path, add_below_redo, &f, e);
    }
    return rc;
}

/* ---- all of it ---- */

/* Of the paths from number `from` on. */
static int check_sight(struct server_info *s, size_t from, pid_t pid, struct err *e)
{
    for (size_t n = from; n < s->path_count; n++) {
        struct err why = ERR_INIT;
        enum sight sight = sight_of("", pid, s->paths[n].path, &why);

        if (sight == SIGHT_OTHER)
            return err_set(e, ERR_REFUSED,
                           "the server sees other files at '%s' than this system does, as in a "
                           "container or chroot: cbsnap needs its files under their own names",
                           s->paths[n].path);
        if (sight == SIGHT_UNKNOWN && !s->doubt)
            s->doubt = xstrdup(why.msg);
    }
    return 0;
}

int server_find_places(struct server_info *s, const struct identity *id, struct err *e)
{
    size_t told = s->path_count;

    if (check_sight(s, 0, id->pid, e) < 0 ||
        add_links(s, id->pid, server_datadir(s), true, e) < 0 || add_mounts(s, id, e) < 0)
        return -1;
    return check_sight(s, told, id->pid, e);
}
