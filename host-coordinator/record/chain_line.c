/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One line of a chain, and the files that it tells of; see chain.h. */
#include "host-coordinator/record/chain_internal.h"

#include "host-coordinator/record/store.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINES_MAX INT64_C(1000000000000000)
#define PIECE     65536
#define WORD_MAX  16

static const char *const event_names[] = {
    [CHAIN_NONE] = "",
    [CHAIN_FOUND] = "found",
    [CHAIN_WRITTEN] = "written",
    [CHAIN_REMOVED] = "removed",
};

static enum chain_event event_of(const char *name)
{
    for (size_t n = CHAIN_FOUND; n < ARRAY_SIZE(event_names); n++) {
        if (name && strcmp(event_names[n], name) == 0)
            return (enum chain_event)n;
    }
    return CHAIN_NONE;
}

/* True also when it is absent, and then "" in `ret`. */
static bool take_digest(char ret[DIGEST_TEXT], const json_t *line, const char *name)
{
    const char *text = json_string_value(json_object_get(line, name));

    if (text && strlen(text) != DIGEST_TEXT - 1)
        return false;
    memcpy(ret, text ? text : "", text ? DIGEST_TEXT : 1);
    return true;
}

static void take_members(struct chain_line *l, const json_t *line)
{
    const char *at = json_string_value(json_object_get(line, "at"));
    const char *set = json_string_value(json_object_get(line, "set"));
    json_int_t n = json_integer_value(json_object_get(line, "n"));

    if (n < 1 || n > LINES_MAX || !at || !set || !*set || strchr(set, '/') ||
        !take_digest(l->sha256, line, "sha256") || !*l->sha256 ||
        !take_digest(l->replaced, line, "replaced") || !take_digest(l->before, line, "before"))
        return;
    l->event = event_of(json_string_value(json_object_get(line, "event")));
    l->n = n;
    l->earlier = json_integer_value(json_object_get(line, "earlier"));
    l->at = xstrdup(at);
    l->set = xstrdup(set);
}

int chain_line_parse(struct chain_line *ret, const char *text, size_t len, struct err *e)
{
    struct chain_line l = {.event = CHAIN_NONE};
    json_t *line;

    if (digest_bytes(l.own, text, len, e) < 0)
        return -1;
    line = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(line))
        take_members(&l, line);
    json_decref(line);
    *ret = l;
    return 0;
}

void chain_line_release(struct chain_line *l)
{
    free(l->at);
    free(l->set);
    *l = (struct chain_line){.event = CHAIN_NONE};
}

static void set_digest(json_t *line, const char *name, const char *digest)
{
    if (*digest)
        json_object_set_new(line, name, json_string(digest));
}

char *chain_line_format(const struct chain_line *l)
{
    json_t *line = json_pack("{sI ss ss ss}", "n", (json_int_t)l->n, "at", l->at, "event",
                             event_names[l->event], "set", l->set);
    AUTO_FREE char *text = NULL;

    if (!line)
        return NULL;
    if (l->earlier)
        json_object_set_new(line, "earlier", json_integer(l->earlier));
    set_digest(line, "sha256", l->sha256);
    set_digest(line, "replaced", l->replaced);
    set_digest(line, "before", l->before);
    text = json_dumps(line, JSON_COMPACT);
    json_decref(line);
    return text ? xasprintf("%s\n", text) : NULL;
}

/* ---- files ----------------------------------------------------------------------------------- */

char *chain_path(const char *folder)
{
    return xasprintf("%s/chain.jsonl", folder);
}

char *chain_lock_path(const char *folder)
{
    return xasprintf("%s/chain.lock", folder);
}

char *chain_record_path(const char *folder, const char *set)
{
    return xasprintf("%s/%s.json", folder, set);
}

char *chain_temp_path(const char *folder, const char *set)
{
    return xasprintf("%s/%s.json.tmp", folder, set);
}

/* Parsing ten thousand records takes half a minute, and those from before the chain need not be. */
static bool holds(const char *path, const char *word)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    AUTO_FREE char *piece = xcalloc(1, PIECE + WORD_MAX);
    size_t len = strlen(word), kept = 0;
    ssize_t n;

    while (fd >= 0 && (n = read(fd, piece + kept, PIECE)) > 0) {
        size_t all = kept + (size_t)n;

        if (memmem(piece, all, word, len))
            return true;
        kept = all < len - 1 ? all : len - 1; /* it may go on in the next piece */
        memmove(piece, piece + all - kept, kept);
    }
    return false;
}

int64_t chain_claim(const char *folder, const char *set)
{
    AUTO_FREE char *path = chain_record_path(folder, set);
    struct record *r = holds(path, "\"chain\"") ? store_read(path, NULL) : NULL;
    int64_t line = 0;

    if (r)
        (void)record_int(r, "chain.line", &line);
    record_free(r);
    return line;
}

int chain_unfinished(bool *ret, const char *folder, const struct chain_line *last, struct err *e)
{
    AUTO_FREE char *path = chain_record_path(folder, last->set ? last->set : "");
    AUTO_FREE char *temp = chain_temp_path(folder, last->set ? last->set : "");
    char there[DIGEST_TEXT] = "", ready[DIGEST_TEXT] = "";

    *ret = false;
    if (last->event == CHAIN_REMOVED) {
        if (digest_file(there, path, e) < 0)
            return -1;
        *ret = strcmp(there, last->sha256) == 0;
    } else if (last->event == CHAIN_WRITTEN && access(temp, F_OK) == 0) {
        if (digest_file(there, path, e) < 0 || digest_file(ready, temp, e) < 0)
            return -1;
        *ret = strcmp(ready, last->sha256) == 0 && strcmp(there, last->replaced) == 0;
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int chain_sets(char ***ret, size_t *ret_count, const char *folder, struct err *e)
{
    DIR *d = opendir(folder);
    struct dirent *entry;
    char **sets = NULL;
    size_t count = 0;

    if (!d && errno != ENOENT)
        return err_set_sys(e, ERR_IO, errno, "cannot list the records in '%s'", folder);
    while (d && (entry = readdir(d))) {
        size_t len = strlen(entry->d_name);

        if (len <= 5 || strcmp(entry->d_name + len - 5, ".json") != 0)
            continue;
        if ((count & (count - 1)) == 0)
            sets = xrealloc(sets, (count ? count * 2 : 1) * sizeof(*sets));
        sets[count++] = xasprintf("%.*s", (int)(len - 5), entry->d_name);
    }
    if (d)
        closedir(d);
    if (count > 1)
        qsort(sets, count, sizeof(*sets), by_name);
    *ret = sets;
    *ret_count = count;
    return 0;
}
