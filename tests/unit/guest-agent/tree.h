/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A directory that looks like / to code that takes a root: made, filled and removed by a test. */
#ifndef CBSNAP_TESTS_TREE_H
#define CBSNAP_TESTS_TREE_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

static inline char *tree_new(void)
{
    char *root = xstrdup("/tmp/cbsnap-tree.XXXXXX");

    if (!mkdtemp(root))
        abort();
    return root;
}

static inline void tree_dirs(const char *root, const char *path, int whole)
{
    char *full = xasprintf("%s/%s", root, path);

    for (char *c = full + strlen(root) + 1; *c; c++) {
        if (*c != '/')
            continue;
        *c = '\0';
        (void)mkdir(full, 0755);
        *c = '/';
    }
    if (whole)
        (void)mkdir(full, 0755);
    free(full);
}

static inline void tree_bytes(const char *root, const char *path, const void *data, size_t len)
{
    char *full = xasprintf("%s/%s", root, path);
    FILE *f;

    tree_dirs(root, path, 0);
    f = fopen(full, "w");
    if (!f || fwrite(data, 1, len, f) != len || fclose(f) != 0)
        abort();
    free(full);
}

static inline void tree_file(const char *root, const char *path, const char *text)
{
    tree_bytes(root, path, text, strlen(text));
}

/* `target` is below the root too; the link is absolute. */
static inline void tree_link(const char *root, const char *path, const char *target)
{
    char *full = xasprintf("%s/%s", root, path), *to = xasprintf("%s/%s", root, target);

    tree_dirs(root, path, 0);
    if (symlink(to, full) < 0)
        abort();
    free(full);
    free(to);
}

static inline char *tree_read(const char *root, const char *path)
{
    char *full = xasprintf("%s/%s", root, path), *text = NULL;
    FILE *f = fopen(full, "r");
    size_t cap = 0;

    if (f && getdelim(&text, &cap, '\0', f) < 0)
        *text = '\0';
    if (f)
        fclose(f);
    free(full);
    return text;
}

static inline int tree_remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static inline void tree_free(char *root)
{
    (void)nftw(root, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(root);
}

#endif
