/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See datafiles.h. */
#include "guest-agent/evidence/datafiles.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/base/cleanup.h"

#define TOOL       "innochecksum"
#define OUTPUT_MAX 4096
#define WORDS_MAX  300
#define DEPTH_MAX  4 /* datadir, schema, and partitions or folders that an administrator made */

/* ---- names ---- */

static bool ends(const char *name, const char *suffix)
{
    size_t n = strlen(name), s = strlen(suffix);

    return n > s && strcmp(name + n - s, suffix) == 0;
}

/* "undo001" of MariaDB and MySQL 5.7, "undo_001" of MySQL 8 */
static bool is_undo(const char *name)
{
    if (strncmp(name, "undo", 4) != 0)
        return false;
    name += name[4] == '_' ? 5 : 4;
    return *name && strspn(name, "0123456789") == strlen(name);
}

/* "ibdata1:12M;/other/data2:12M:autoextend" */
static enum data_file system_kind(const char *name, const char *data_file_path)
{
    AUTO_FREE char *copy = xstrdup(data_file_path ? data_file_path : "ibdata1");
    enum data_file kind = DATA_FILE_SYSTEM;
    char *save = NULL;

    for (char *part = strtok_r(copy, ";", &save); part; part = strtok_r(NULL, ";", &save)) {
        const char *slash;

        part[strcspn(part, ":")] = '\0';
        slash = strrchr(part, '/');
        if (strcmp(slash ? slash + 1 : part, name) == 0)
            return kind;
        kind = DATA_FILE_SYSTEM_MORE;
    }
    return strncmp(name, "ibdata", 6) == 0 ? DATA_FILE_SYSTEM_MORE : DATA_FILE_NONE;
}

enum data_file data_files_kind(const char *name, const char *data_file_path)
{
    if (ends(name, ".ibd") || ends(name, ".ibu") || is_undo(name))
        return DATA_FILE_WHOLE;
    return system_kind(name, data_file_path);
}

uint32_t data_files_doublewrite(const char *version, unsigned long page_size)
{
    unsigned a = 0, b = 0, c = 0;

    (void)sscanf(version, "%u.%u.%u", &a, &b, &c);
    if (page_size < 4096 || (!strstr(version, "MariaDB") && a * 10000 + b * 100 + c >= 80020))
        return 0;
    return page_size <= 16384 ? (uint32_t)(1048576 / page_size) : 64;
}

/* ---- looking for them ---- */

struct seen {
    dev_t dev;
    ino_t ino;
};

struct search {
    const char *data_file_path;
    struct data_files *found;
    struct seen *seen; /* of found->paths: directories may be told twice, or lie in each other */
};

static void add(struct search *s, const char *path, enum data_file kind, const struct stat *st)
{
    struct data_files *f = s->found;

    for (size_t n = 0; n < f->count; n++) {
        if (s->seen[n].dev == st->st_dev && s->seen[n].ino == st->st_ino)
            return;
    }
    f->paths = xrealloc(f->paths, (f->count + 1) * sizeof(*f->paths));
    s->seen = xrealloc(s->seen, (f->count + 1) * sizeof(*s->seen));
    s->seen[f->count] = (struct seen){.dev = st->st_dev, .ino = st->st_ino};
    f->kinds = xrealloc(f->kinds, (f->count + 1) * sizeof(*f->kinds));
    f->kinds[f->count] = kind;
    f->paths[f->count++] = xstrdup(path);
}

static int search_dir(struct search *s, const char *dir, int depth, struct err *e);

/* What vanishes meanwhile, or leads nowhere, holds no page. */
static int look_at(struct search *s, const char *path, int depth, struct err *e)
{
    const char *slash = strrchr(path, '/');
    enum data_file kind;
    struct stat st;

    if (stat(path, &st) < 0)
        return 0;
    if (S_ISDIR(st.st_mode))
        return depth > 0 ? search_dir(s, path, depth, e) : 0;
    kind = data_files_kind(slash ? slash + 1 : path, s->data_file_path);
    if (S_ISREG(st.st_mode) && st.st_size > 0 && kind != DATA_FILE_NONE)
        add(s, path, kind, &st);
    return 0;
}

static int search_dir(struct search *s, const char *dir, int depth, struct err *e)
{
    DIR *d = opendir(dir);
    struct dirent *entry;
    int rc = 0;

    if (!d)
        return err_set_sys(e, ERR_IO, errno, "cannot look for data files in '%s'", dir);
    while (rc == 0 && (entry = readdir(d))) {
        AUTO_FREE char *path = NULL;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            strcmp(entry->d_name, "lost+found") == 0)
            continue;
        path = xasprintf("%s/%s", dir, entry->d_name);
        rc = look_at(s, path, depth - 1, e);
    }
    closedir(d);
    return rc;
}

int data_files_find(const struct server_info *info, const char *data_file_path,
                    struct data_files *ret, struct err *e)
{
    static const char *const roles[] = {"datadir", "undo", "tablespace"};
    struct search s = {.data_file_path = data_file_path, .found = ret};
    int rc = 0;

    *ret = (struct data_files){.count = 0};
    for (size_t n = 0; rc == 0 && n < info->path_count; n++) {
        for (size_t k = 0; rc == 0 && k < ARRAY_SIZE(roles); k++) {
            if (strcmp(info->paths[n].role, roles[k]) == 0)
                rc = look_at(&s, info->paths[n].path, DEPTH_MAX, e);
        }
    }
    free(s.seen);
    if (rc < 0)
        data_files_release(ret);
    return rc;
}

void data_files_release(struct data_files *f)
{
    for (size_t n = 0; n < f->count; n++)
        free(f->paths[n]);
    free(f->paths);
    free(f->kinds);
    *f = (struct data_files){.count = 0};
}

/* ---- one of them ---- */

/* Lines joined by "; ", blanks by one, and only the first words of it. */
char *data_files_words(const char *output, int status)
{
    struct buf words = BUF_INIT;
    const char *gap = "";

    for (const char *s = output; *s && words.len < WORDS_MAX; s++) {
        if (isspace((unsigned char)*s)) {
            if (words.len > 0 && (*s == '\n' || !*gap))
                gap = *s == '\n' ? "; " : " ";
            continue;
        }
        buf_addf(&words, "%s%c", gap, *s);
        gap = "";
    }
    if (!words.len)
        buf_addf(&words, "no word");
    buf_addf(&words, " (" TOOL " ended with status %d)", status);
    return buf_steal(&words);
}

static int run_tool(const char *const argv[], bool (*stop)(void *arg), void *arg, char **ret_words,
                    struct err *e)
{
    const struct child_limits limits = {.output_max = OUTPUT_MAX, .stop = stop, .arg = arg};
    struct buf out = BUF_INIT;
    int status = 0, rc;

    rc = child_run(argv, &limits, &out, &status, e);
    if (rc == 0 && status != 0) {
        *ret_words = data_files_words(buf_text(&out), status);
        rc = 1;
    }
    buf_release(&out);
    return rc;
}

int data_files_check(const char *path, const struct data_file_pages *pages, bool (*stop)(void *arg),
                     void *arg, char **ret_words, struct err *e)
{
    uint32_t extent = pages->doublewrite;
    AUTO_FREE char *last = xasprintf("--end-page=%u", extent - 1);
    AUTO_FREE char *first = xasprintf("--start-page=%u", 3 * extent);
    const char *const whole[] = {TOOL, path, NULL}, *const head[] = {TOOL, last, path, NULL},
                      *const tail[] = {TOOL, first, path, NULL};
    struct stat st;
    int rc;

    if (!extent)
        return run_tool(whole, stop, arg, ret_words, e);
    rc = run_tool(head, stop, arg, ret_words, e);
    /* a file that ends with the buffer has no tail to read */
    if (rc != 0 || (stat(path, &st) == 0 && st.st_size <= (off_t)(3 * extent * pages->page_size)))
        return rc;
    return run_tool(tail, stop, arg, ret_words, e);
}
