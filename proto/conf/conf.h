/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * INI files as data: a program declares its options in a table (section, key, type, default,
 * range, help); reading fills a struct. An unknown section or key, a key given twice, a value of
 * the wrong kind or out of range is an error with file and line: nothing is silently ignored.
 *
 * Built on inih. The only owner of that library.
 */
#ifndef CBSNAP_CONF_H
#define CBSNAP_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "proto/base/err.h"

enum conf_type {
    CONF_STRING,   /* char *, owned by the struct, "" never NULL; conf_release() frees */
    CONF_PATH,     /* the same, and begins with '/'; may be "" where min is 0 */
    CONF_INT,      /* int; min..max */
    CONF_BOOL,     /* bool; yes/no, true/false, on/off, 1/0 */
    CONF_DURATION, /* int, milliseconds; written 500ms, 5s, 2m, 1h; min..max */
    CONF_TAKE,     /* what the spec's `take` makes of the text; nothing at `offset` is touched */
    CONF_LIST,     /* the same, and may be given many times, each one line; no fallback */
};

/* Where a value stands, counted from 1. */
struct conf_place {
    unsigned line, column;
};

struct conf_option {
    const char *section; /* "lock", or "appliance *" for a section that is named and repeatable */
    const char *key;
    enum conf_type type;
    size_t offset; /* in the struct that the section fills */
    const char *fallback;
    int min, max; /* CONF_INT, CONF_DURATION; min 1 of a CONF_PATH: it is needed */
    const char *help;
};

struct conf_spec {
    const struct conf_option *options;
    size_t count;
    /*
     * For CONF_TAKE and CONF_LIST: gets the struct that the section fills, the option and its
     * text. On failure it may move *place to what is wrong in it: the message is led by both.
     */
    int (*take)(void *target, const struct conf_option *o, const char *text,
                struct conf_place *place, struct err *e);
    /*
     * For sections "word *": gives the struct to fill for [word NAME], made on first sight, with
     * defaults applied by conf_defaults(). NULL with e set refuses the name. Unused otherwise.
     */
    void *(*named)(void *target, const char *word, const char *name, struct err *e);
};

/* Sets every option of plain sections (word == NULL) or of "word *" sections in `target`. */
void conf_defaults(const struct conf_spec *spec, const char *word, void *target);

/* Reads `path` over the defaults already in place. A missing file is ERR_NOT_FOUND, one that cannot
 * be read to its end ERR_CONFIG with sys_errno. */
int conf_read(const struct conf_spec *spec, const char *path, void *target, struct err *e);

/* Frees the strings that the table's rows for `word` (NULL: plain sections) own in `target`. */
void conf_release(const struct conf_spec *spec, const char *word, void *target);

/* 0600 or narrower, a regular file, owned by root, by us or by `keeper` (0: nobody else), that we
 * may read; else ERR_CONFIG and what to do. */
int conf_check_private(const char *path, uid_t keeper, struct err *e);

#endif
