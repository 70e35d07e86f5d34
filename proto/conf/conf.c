/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Table-driven INI reading on inih; see conf.h. */
#include "proto/conf/conf.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* "appliance *" declares sections [appliance NAME]. */
static bool is_named(const struct conf_option *o, const char *word)
{
    size_t n = strlen(o->section);

    if (n < 2 || strcmp(o->section + n - 2, " *") != 0)
        return word == NULL;
    return word && strlen(word) == n - 2 && strncmp(o->section, word, n - 2) == 0;
}

static int parse_bool(const char *text, bool *ret)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"yes", true}, {"true", true},   {"on", true},   {"1", true},
                 {"no", false}, {"false", false}, {"off", false}, {"0", false}};

    for (size_t n = 0; n < ARRAY_SIZE(words); n++) {
        if (strcasecmp(text, words[n].word) == 0) {
            *ret = words[n].value;
            return 0;
        }
    }
    return -1;
}

static int assign(const struct conf_option *o, void *target, const char *text, struct err *e)
{
    void *at = (char *)target + o->offset;
    char *end;
    long number;

    switch (o->type) {
    case CONF_STRING:
        free(*(char **)at);
        *(char **)at = xstrdup(text);
        return 0;
    case CONF_BOOL:
        if (parse_bool(text, at) < 0)
            return err_set(e, ERR_CONFIG, "'%s = %s': write yes or no", o->key, text);
        return 0;
    case CONF_INT:
        errno = 0;
        number = strtol(text, &end, 10);
        if (errno || end == text || *end)
            return err_set(e, ERR_CONFIG, "'%s = %s': write a whole number", o->key, text);
        if (number < o->min || number > o->max)
            return err_set(e, ERR_CONFIG, "'%s = %s': write a number from %d to %d", o->key, text,
                           o->min, o->max);
        *(int *)at = (int)number;
        return 0;
    }
    return err_set(e, ERR_INTERNAL, "option '%s' has no type", o->key);
}

void conf_defaults(const struct conf_spec *spec, const char *word, void *target)
{
    for (size_t n = 0; n < spec->count; n++) {
        if (is_named(&spec->options[n], word))
            (void)assign(&spec->options[n], target, spec->options[n].fallback, NULL);
    }
}

void conf_release(const struct conf_spec *spec, const char *word, void *target)
{
    for (size_t n = 0; n < spec->count; n++) {
        const struct conf_option *o = &spec->options[n];

        if (o->type == CONF_STRING && is_named(o, word)) {
            char **at = (char **)(void *)((char *)target + o->offset);

            free(*at);
            *at = NULL;
        }
    }
}

struct reading {
    const struct conf_spec *spec;
    void *target;
    struct err *e;
    char last[128]; /* "SECTION KEY" of the line before */
};

/* The option row for [section] key, and the struct it fills; NULL with e set if there is none. */
static const struct conf_option *find(struct reading *r, const char *section, const char *key,
                                      void **ret_target)
{
    AUTO_FREE char *word = xstrdup(section);
    char *name = strchr(word, ' ');
    bool section_known = false;

    if (name)
        *name++ = '\0';
    for (size_t n = 0; n < r->spec->count; n++) {
        const struct conf_option *o = &r->spec->options[n];

        if (name ? !is_named(o, word) : strcmp(o->section, section) != 0)
            continue;
        section_known = true;
        if (strcmp(o->key, key) != 0)
            continue;
        *ret_target = name ? r->spec->named(r->target, word, name, r->e) : r->target;
        return *ret_target ? o : NULL;
    }
    if (section_known)
        err_set(r->e, ERR_CONFIG, "section [%s] has no option '%s'; correct or remove it", section,
                key);
    else
        err_set(r->e, ERR_CONFIG, "there is no section [%s]; correct or remove it", section);
    return NULL;
}

/* inih's callback: 1 to go on, 0 to stop (the file's line is then ini_parse's result). */
static int on_line(void *user, const char *section, const char *key, const char *value)
{
    struct reading *r = user;
    const struct conf_option *o;
    void *target;

    char here[sizeof(r->last)];

    if (err_is_set(r->e))
        return 0;
    /* inih hands a continued line over as the same key once more, which would replace the value */
    (void)snprintf(here, sizeof(here), "%s %s", section, key);
    if (strcmp(here, r->last) == 0) {
        err_set(r->e, ERR_CONFIG, "'%s' is given twice, or continued; write it on one line", key);
        return 0;
    }
    memcpy(r->last, here, sizeof(here));
    o = find(r, section, key, &target);
    return o && assign(o, target, value ? value : "", r->e) == 0;
}

int conf_read(const struct conf_spec *spec, const char *path, void *target, struct err *e)
{
    struct err own = ERR_INIT;
    struct reading r = {.spec = spec, .target = target, .e = &own};
    AUTO_FCLOSE FILE *f = fopen(path, "re");
    int line;

    if (!f)
        return err_set_sys(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_CONFIG, errno,
                           "cannot read the configuration file '%s'", path);
    line = ini_parse_file(f, on_line, &r);
    if (line == 0)
        return 0;
    if (!err_is_set(&own))
        err_set(&own, ERR_CONFIG, "this is neither '[section]' nor 'key = value'");
    if (e)
        *e = own;
    return line > 0 ? err_prefix(e, "%s line %d", path, line) : err_prefix(e, "%s", path);
}

int conf_check_private(const char *path, struct err *e)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return err_set_sys(e, ERR_CONFIG, errno, "cannot read the credentials file '%s'", path);
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_CONFIG, "the credentials file '%s' is not a regular file", path);
    if (st.st_mode & 077)
        return err_set(e, ERR_CONFIG,
                       "the credentials file '%s' can be read by others (mode %04o): run chmod "
                       "600 on it",
                       path, (unsigned)st.st_mode & 07777);
    if (st.st_uid != 0 && st.st_uid != geteuid())
        return err_set(e, ERR_CONFIG,
                       "the credentials file '%s' belongs to user %u: it must be root's or yours",
                       path, (unsigned)st.st_uid);
    return 0;
}
