/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Table-driven INI reading on inih; see conf.h. */
#include "proto/conf/conf.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/compat.h"
#include "proto/base/duration.h"

#include <ctype.h>
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

static int assign_int(const struct conf_option *o, int *at, const char *text, struct err *e)
{
    char *end;
    long number;

    errno = 0;
    number = strtol(text, &end, 10);
    if (errno || end == text || *end)
        return err_set(e, ERR_CONFIG, "'%s = %s': write a whole number", o->key, text);
    if (number < o->min || number > o->max)
        return err_set(e, ERR_CONFIG, "'%s = %s': write a number from %d to %d", o->key, text,
                       o->min, o->max);
    *at = (int)number;
    return 0;
}

static int assign_duration(const struct conf_option *o, int *at, const char *text, struct err *e)
{
    int64_t us;
    size_t len = duration_parse(text, &us);

    if (len == 0 || text[len] != '\0')
        return err_set(e, ERR_CONFIG, "'%s = %s': write a time such as 500ms, 5s, 2m or 1h", o->key,
                       text);
    if (us % 1000 != 0 || us / 1000 < o->min || us / 1000 > o->max)
        return err_set(e, ERR_CONFIG, "'%s = %s': write a time from %dms to %dms", o->key, text,
                       o->min, o->max);
    *at = (int)(us / 1000);
    return 0;
}

/* A relative path would be another file for each place that the program is run from. */
static int assign_text(const struct conf_option *o, char **at, const char *text, struct err *e)
{
    if (o->type == CONF_PATH && *text != '/' && (*text || o->min > 0))
        return err_set(e, ERR_CONFIG, "'%s = %s': write a path that begins with '/'", o->key, text);
    free(*at);
    *at = xstrdup(text);
    return 0;
}

static int assign(const struct conf_spec *spec, const struct conf_option *o, void *target,
                  const char *text, struct conf_place *place, struct err *e)
{
    void *at = (char *)target + o->offset;

    switch (o->type) {
    case CONF_STRING:
    case CONF_PATH:
        return assign_text(o, at, text, e);
    case CONF_BOOL:
        if (parse_bool(text, at) < 0)
            return err_set(e, ERR_CONFIG, "'%s = %s': write yes or no", o->key, text);
        return 0;
    case CONF_INT:
        return assign_int(o, at, text, e);
    case CONF_DURATION:
        return assign_duration(o, at, text, e);
    case CONF_TAKE:
    case CONF_LIST:
        return spec->take(target, o, text, place, e);
    }
    return err_set(e, ERR_INTERNAL, "option '%s' has no type", o->key);
}

void conf_defaults(const struct conf_spec *spec, const char *word, void *target)
{
    struct conf_place nowhere = {0};

    for (size_t n = 0; n < spec->count; n++) {
        const struct conf_option *o = &spec->options[n];

        if (is_named(o, word) && o->type != CONF_LIST)
            (void)assign(spec, o, target, o->fallback, &nowhere, NULL);
    }
}

void conf_release(const struct conf_spec *spec, const char *word, void *target)
{
    for (size_t n = 0; n < spec->count; n++) {
        const struct conf_option *o = &spec->options[n];

        if ((o->type == CONF_STRING || o->type == CONF_PATH) && is_named(o, word)) {
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
    FILE *file;
    int unread; /* errno of the read that failed, 0 if none did */
    unsigned line;
    char *raw; /* the line as it stands in the file */
    size_t raw_size;
    struct conf_place wrong; /* with e set; no column if that says nothing */
    char *section;           /* what stands in the newest header; NULL before the first */
    void *fills;             /* the struct that its options fill */
    char **seen;             /* "SECTION KEY" of each option so far; the newest is the last */
    size_t seen_count;
};

/* ---- sections -------------------------------------------------------------------------------- */

/* [appliance west] has the options of "appliance *". */
static bool in_section(const struct conf_option *o, const char *section)
{
    AUTO_FREE char *word = xasprintf("%.*s", (int)strcspn(section, " "), section);

    return strchr(section, ' ') ? is_named(o, word) : strcmp(o->section, section) == 0;
}

/* What the options of [section] fill; NULL with e set if there is no such section. */
static void *filled_by(struct reading *r, const char *section)
{
    AUTO_FREE char *word = xstrdup(section);
    char *name = strchr(word, ' ');

    if (name)
        *name++ = '\0';
    for (size_t n = 0; n < r->spec->count; n++) {
        if (in_section(&r->spec->options[n], section))
            return name ? r->spec->named(r->target, word, name, r->e) : r->target;
    }
    err_set(r->e, ERR_CONFIG, "there is no section [%s]; correct or remove it", section);
    return NULL;
}

/* The text between the brackets of a header, the caller's; NULL if the line is none. */
static char *header_of(const struct reading *r)
{
    const char *at = r->raw, *end;

    if (r->line == 1 && strncmp(at, "\xEF\xBB\xBF", 3) == 0)
        at += 3;
    at += strspn(at, " \t\r\n\v\f");
    end = *at == '[' ? strchr(at, ']') : NULL;
    return end ? xasprintf("%.*s", (int)(end - at - 1), at + 1) : NULL;
}

/* inih tells of a section with its first option only: one without any would never be looked at. */
static int enter_section(struct reading *r)
{
    char *section = header_of(r);

    if (!section)
        return 0;
    free(r->section);
    r->section = section;
    r->fills = filled_by(r, section);
    if (r->fills)
        return 0;
    r->wrong.line = r->line;
    return -1;
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* inih's reader: `into` holds what it can take of a line. It would go on with the rest of a longer
 * one as if that were a line. */
static char *next_line(char *into, int size, void *arg)
{
    struct reading *r = arg;
    ssize_t len = getline(&r->raw, &r->raw_size, r->file);

    if (len < 0 && ferror(r->file))
        r->unread = errno;
    if (len < 0 || err_is_set(r->e))
        return NULL;
    r->line++;
    if (len >= size || strlen(r->raw) != (size_t)len) {
        r->wrong.line = r->line;
        err_set(r->e, ERR_CONFIG, "the line is longer than %d characters, or no text", size - 2);
        return NULL;
    }
    if (enter_section(r) < 0)
        return NULL;
    memcpy(into, r->raw, (size_t)len + 1);
    return into;
}

/* Where in the line the value of "key = value" begins. */
static unsigned value_column(const char *raw)
{
    size_t at = strcspn(raw, "=:");

    if (raw[at])
        at++;
    return (unsigned)(at + strspn(raw + at, " \t") + 1);
}

/* The row of `key` in the section that inih says; NULL with e set if there is none. inih cuts a
 * long name, and two sections could become one. */
static const struct conf_option *find(struct reading *r, const char *section, const char *key)
{
    if (!r->section) {
        (void)filled_by(r, "");
        return NULL;
    }
    if (strcmp(r->section, section) != 0) {
        err_set(r->e, ERR_CONFIG, "[%s] is too long, [%s] is what would be left of it; shorten it",
                r->section, section);
        return NULL;
    }
    for (size_t n = 0; n < r->spec->count; n++) {
        const struct conf_option *o = &r->spec->options[n];

        if (in_section(o, section) && strcmp(o->key, key) == 0)
            return o;
    }
    err_set(r->e, ERR_CONFIG, "section [%s] has no option '%s'; correct or remove it", section,
            key);
    return NULL;
}

/* The later one would silently win. inih hands a continued line over as the same key once more. */
static bool twice(struct reading *r, const struct conf_option *o)
{
    AUTO_FREE char *here = xasprintf("%s %s", r->section, o->key);
    size_t newest = r->seen_count ? r->seen_count - 1 : 0, n = o->type == CONF_LIST ? newest : 0;

    while (n < r->seen_count && strcmp(r->seen[n], here) != 0)
        n++;
    if (n < r->seen_count)
        return o->type != CONF_LIST || isspace((unsigned char)r->raw[0]);
    r->seen = xrealloc(r->seen, (r->seen_count + 1) * sizeof(*r->seen));
    r->seen[r->seen_count++] = STEAL_PTR(here);
    return false;
}

/* inih's callback: 1 to go on, 0 to stop (the file's line is then ini_parse's result). */
static int on_line(void *user, const char *section, const char *key, const char *value)
{
    struct reading *r = user;
    struct conf_place place = {r->line, value_column(r->raw)};
    const struct conf_option *o;

    if (err_is_set(r->e))
        return 0;
    o = find(r, section, key);
    if (o && twice(r, o))
        err_set(r->e, ERR_CONFIG, "'%s' is given twice, or continued; write it once, on one line",
                key);
    else if (o && assign(r->spec, o, r->fills, value ? value : "", &place, r->e) == 0)
        return 1;
    r->wrong = place;
    if (!o || (o->type != CONF_TAKE && o->type != CONF_LIST))
        r->wrong.column = 0;
    return 0;
}

static void reading_release(struct reading *r)
{
    if (r->raw)
        wipe(r->raw, r->raw_size); /* the credentials file is read this way too */
    free(r->raw);
    free(r->section);
    for (size_t n = 0; n < r->seen_count; n++)
        free(r->seen[n]);
    free(r->seen);
}

/* ---- the file -------------------------------------------------------------------------------- */

static int misread(const struct reading *r, const char *path, int line, const struct err *own,
                   struct err *e)
{
    if (!e)
        return -1;
    *e = *own;
    /* inih reads on behind a line that is none, and tells the first */
    if (!err_is_set(own) || (line > 0 && (unsigned)line < r->wrong.line)) {
        err_set(e, ERR_CONFIG, "this is neither '[section]' nor 'key = value'");
        return line > 0 ? err_prefix(e, "%s line %d", path, line) : err_prefix(e, "%s", path);
    }
    if (r->wrong.column > 0)
        return err_prefix(e, "%s line %u column %u", path, r->wrong.line, r->wrong.column);
    return err_prefix(e, "%s line %u", path, r->wrong.line);
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
    r.file = f;
    line = ini_parse_stream(next_line, &r, on_line, &r);
    reading_release(&r);
    if (r.unread)
        return err_set_sys(e, ERR_CONFIG, r.unread, "cannot read the configuration file '%s'",
                           path);
    if (line == 0 && !err_is_set(&own))
        return 0;
    return misread(&r, path, line, &own, e);
}

int conf_check_private(const char *path, uid_t keeper, struct err *e)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return errno == ENOENT
                   ? err_set(e, ERR_CONFIG,
                             "there is no credentials file '%s': make it, mode 0600, with "
                             "'api_key = ...' below [appliance NAME]",
                             path)
                   : err_set_sys(e, ERR_CONFIG, errno, "cannot read the credentials file '%s'",
                                 path);
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_CONFIG, "the credentials file '%s' is not a regular file", path);
    if (st.st_mode & 077)
        return err_set(e, ERR_CONFIG,
                       "the credentials file '%s' can be read by others (mode %04o): run chmod "
                       "600 on it",
                       path, (unsigned)st.st_mode & 07777);
    if (st.st_uid != 0 && st.st_uid != geteuid() && st.st_uid != keeper)
        return err_set(e, ERR_CONFIG,
                       "the credentials file '%s' belongs to user %u: it must be root's or yours",
                       path, (unsigned)st.st_uid);
    /* root's, and we are another: opening it would only say "Permission denied" */
    if (st.st_uid != geteuid() && faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) < 0)
        return err_set(e, ERR_CONFIG,
                       "the credentials file '%s' belongs to user %u, and only that one may read "
                       "it: for you, run chown %u on it",
                       path, (unsigned)st.st_uid, (unsigned)geteuid());
    return 0;
}
