/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A domain's records against its chain; see chain.h. */
#include "host-coordinator/record/chain_internal.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A look takes milliseconds, and sets are minutes apart. */
#define LOOKS_MS 10000

struct check {
    const char *folder;
    char *path; /* of the chain */
    const struct chain_ask *ask;
    struct record *to;
    struct chain_line *lines;
    size_t line_count;
    bool unfinished; /* what the last line tells is not done yet */
    int looked_at;
    int64_t records, before;
};

/* As an editor counts them. */
static size_t place(const struct check *c, const struct chain_line *l)
{
    return (size_t)(l - c->lines) + 1;
}

static void tell(struct check *c, const char *kind, const char *set, size_t line, char *message)
{
    struct record *f = record_append(c->to, "findings");
    AUTO_FREE char *path = set ? chain_record_path(c->folder, set) : xstrdup(c->path);
    AUTO_FREE char *whole = xasprintf("'%s' %s", path, message);

    record_set_text(f, "kind", kind);
    record_set_text(f, "path", path);
    record_set_text(f, "set", set);
    if (line > 0)
        record_set_int(f, "line", (int64_t)line);
    record_set_text(f, "message", whole);
    free(message);
}

static void note(struct check *c, char *text)
{
    record_append_text(c->to, "notes", text);
    free(text);
}

static bool asked(const struct check *c, const char *set)
{
    return !c->ask->set || strncmp(set, c->ask->set, strlen(c->ask->set)) == 0;
}

/* ---- the chain itself ------------------------------------------------------------------------ */

static int read_file(struct buf *to, const char *path, struct err *e)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat st;

    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot read the chain of records '%s'", path);
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_IO, "'%s' is no plain file", path);
    if (buf_read(to, fd, SIZE_MAX) < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot read the chain of records '%s'", path);
    return 0;
}

static int take_line(struct check *c, const char *text, size_t len, struct err *e)
{
    if ((c->line_count & (c->line_count - 1)) == 0)
        c->lines = xrealloc(c->lines, (c->line_count ? c->line_count * 2 : 1) * sizeof(*c->lines));
    if (chain_line_parse(&c->lines[c->line_count], text, len, e) < 0)
        return -1;
    c->line_count++;
    return 0;
}

static int read_lines(struct check *c, struct err *e)
{
    struct buf file = BUF_INIT;
    int rc = read_file(&file, c->path, e);
    size_t at = 0;

    while (rc == 0 && at < file.len) {
        const char *from = (const char *)file.data + at;
        const char *end = memchr(from, '\n', file.len - at);

        if (!end) {
            note(c,
                 xasprintf("'%s' ends in half a line, as a crash leaves it: it was not acted on, "
                           "and the next record that is written takes it off",
                           c->path));
            break;
        }
        rc = take_line(c, from, (size_t)(end - from), e);
        at += (size_t)(end - from) + 1;
    }
    buf_release(&file);
    return rc;
}

static void check_link(struct check *c, const struct chain_line *before, const struct chain_line *l)
{
    bool follows = strcmp(l->before, before ? before->own : "") == 0;

    if (l->event == CHAIN_NONE)
        tell(
            c, "line", NULL, place(c, l),
            xasprintf("has a line %zu that no cbsnap-coord has written: it was edited; compare the "
                      "file with a backup of it",
                      place(c, l)));
    else if (!follows && before)
        tell(c, "line", NULL, place(c, l),
             xasprintf("has a line %zu that does not follow from the one before it: one of the two "
                       "was edited, put in or moved, or lines between them were taken out; compare "
                       "the file with a backup of it",
                       place(c, l)));
    else if (!follows)
        tell(c, "line", NULL, 1,
             xasprintf(
                 "begins with a line that is not the first of a chain: it was edited, or those "
                 "before it were taken out; compare the file with a backup of it"));
}

static void check_links(struct check *c)
{
    bool held = !c->ask->head;
    int64_t earlier = 0;

    for (size_t n = 0; n < c->line_count; n++) {
        check_link(c, n > 0 ? &c->lines[n - 1] : NULL, &c->lines[n]);
        held = held || strcasecmp(c->lines[n].own, c->ask->head) == 0;
        earlier += c->lines[n].earlier > 0;
    }
    if (!held)
        tell(c, "head", NULL, 0,
             xasprintf(
                 "has no line with the digest %.64s that you noted: since then its end was cut "
                 "off, or it was written anew; compare it with a backup",
                 c->ask->head));
    if (earlier > 0)
        note(c, xasprintf("'%s' began when an earlier chain had gone, in which %lld of the records "
                          "that it found had been",
                          c->path, (long long)earlier));
}

/* ---- one record ------------------------------------------------------------------------------ */

/* A record that says it has a line which is not there, or is another's by now. */
static bool tell_cut(struct check *c, const char *set, bool also_taken)
{
    int64_t line = chain_claim(c->folder, set);
    bool there = line > 0 && line <= (int64_t)c->line_count;
    const struct chain_line *l = there ? &c->lines[line - 1] : NULL;

    if (line <= 0 || (there && (!also_taken || !l->set || strcmp(l->set, set) == 0)))
        return false;
    tell(
        c, "cut", set, 0,
        xasprintf("says that it was written as line %lld of the chain, %s: the chain's end was cut "
                  "off; bring 'chain.jsonl' back from a backup",
                  (long long)line, there ? "which tells of another" : "which has no such line"));
    return true;
}

/* What is in the file, if the chain has seen it before. */
static const struct chain_line *find_digest(const struct check *c, const char *digest,
                                            const char *set)
{
    const struct chain_line *other = NULL;

    for (size_t n = c->line_count; n-- > 0;) {
        const struct chain_line *l = &c->lines[n];

        if (l->event == CHAIN_NONE || strcmp(l->sha256, digest) != 0)
            continue;
        if (strcmp(l->set, set) == 0)
            return l;
        other = l;
    }
    return other;
}

static void tell_edited(struct check *c, const struct chain_line *last, const char *digest)
{
    const struct chain_line *seen = find_digest(c, digest, last->set);

    if (!seen && tell_cut(c, last->set, true))
        return;
    if (!seen)
        tell(c, "edited", last->set, place(c, last),
             xasprintf(
                 "was edited: it is not as line %zu of the chain (%s) left it; believe nothing "
                 "that it says, and bring it back from a backup of that time or later",
                 place(c, last), last->at));
    else if (strcmp(seen->set, last->set) == 0)
        tell(c, "older", last->set, place(c, last),
             xasprintf("was put back to an older version: it is as line %zu of the chain (%s) left "
                       "it, and line %zu (%s) has changed it since; bring that back from a backup",
                       place(c, seen), seen->at, place(c, last), last->at));
    else
        tell(c, "other", last->set, place(c, last),
             xasprintf("holds the record of set %s, as line %zu of the chain tells; bring its own "
                       "back, which line %zu (%s) left, from a backup",
                       seen->set, place(c, seen), place(c, last), last->at));
}

/* What a line's writer found must be what the line before it about that set had left. */
static void check_step(struct check *c, const struct chain_line *was, const struct chain_line *l)
{
    const char *left = was && was->event != CHAIN_REMOVED ? was->sha256 : "";
    const char *found = l->event == CHAIN_REMOVED ? l->sha256 : l->replaced;
    AUTO_FREE char *act = xasprintf("before line %zu of the chain (%s) %s it", place(c, l), l->at,
                                    l->event == CHAIN_REMOVED ? "removed" : "changed");

    if (l->event == CHAIN_FOUND || strcmp(left, found) == 0)
        return;
    if (!*left)
        tell(c, "rewritten", l->set, place(c, l),
             xasprintf("had been put there %s: no line tells of that; what it says may come from "
                       "somebody else",
                       act));
    else if (!*found)
        tell(c, "rewritten", l->set, place(c, l),
             xasprintf(
                 "had been taken away %s: line %zu (%s) had left one; compare it with a backup "
                 "of that time",
                 act, place(c, was), was->at));
    else
        tell(c, "rewritten", l->set, place(c, l),
             xasprintf("had been edited %s: it was no longer as line %zu (%s) had left it; what it "
                       "says may rest on that: compare it with a backup of that time",
                       act, place(c, was), was->at));
}

static int check_file(struct check *c, const struct chain_line *last, struct err *e)
{
    AUTO_FREE char *path = chain_record_path(c->folder, last->set);
    char digest[DIGEST_TEXT] = "?"; /* of what is no plain file: that of no record */
    struct err why = ERR_INIT;

    if (digest_file(digest, path, &why) < 0 && why.sys_errno != 0) {
        if (e)
            *e = why;
        return -1;
    }
    c->records += *digest != '\0';
    c->before += *digest && last->event == CHAIN_FOUND;
    if (last == &c->lines[c->line_count - 1] && c->unfinished)
        note(c,
             xasprintf("'%s' was being %s when the process died, as line %zu of the chain tells; "
                       "the next record of the domain that is written finishes it",
                       path, last->event == CHAIN_REMOVED ? "removed" : "written", place(c, last)));
    else if (last->event == CHAIN_REMOVED && *digest)
        tell(c, "returned", last->set, place(c, last),
             xasprintf(
                 "is there again, and line %zu of the chain (%s) tells that it was removed, as "
                 "its snapshots were: move it away",
                 place(c, last), last->at));
    else if (last->event != CHAIN_REMOVED && !*digest)
        tell(c, "missing", last->set, place(c, last),
             xasprintf(
                 "is missing: line %zu of the chain (%s) tells of it, and none that it was "
                 "removed; bring it back from a backup, or have cbsnap-coord import rebuild it "
                 "from the VM's root volume",
                 place(c, last), last->at));
    else if (last->event != CHAIN_REMOVED && strcmp(digest, last->sha256) != 0)
        tell_edited(c, last, digest);
    return 0;
}

/* No line tells of this one. */
static void check_stranger(struct check *c, const char *set)
{
    c->records++;
    if (!tell_cut(c, set, false))
        tell(c, "unknown", set, 0,
             xasprintf("was put there by something else than cbsnap-coord: no line of the chain "
                       "tells of it; move it away unless you know where it is from"));
}

/* ---- all of them ----------------------------------------------------------------------------- */

static int by_set(const void *a, const void *b)
{
    const struct chain_line *x = *(struct chain_line *const *)a;
    const struct chain_line *y = *(struct chain_line *const *)b;
    int order = strcmp(x->set, y->set);

    return order != 0 ? order : (x > y) - (x < y);
}

/* The lines that can be read, those of a set together and in their order. */
static struct chain_line **sort_lines(const struct check *c, size_t *ret_count)
{
    struct chain_line **sorted = xcalloc(c->line_count + 1, sizeof(struct chain_line *));
    size_t count = 0;

    for (size_t n = 0; n < c->line_count; n++) {
        if (c->lines[n].event != CHAIN_NONE)
            sorted[count++] = &c->lines[n];
    }
    if (count > 1)
        qsort(sorted, count, sizeof(struct chain_line *), by_set);
    *ret_count = count;
    return sorted;
}

static int check_set(struct check *c, struct chain_line *const *lines, size_t count, struct err *e)
{
    for (size_t n = 0; n < count; n++)
        check_step(c, n > 0 ? lines[n - 1] : NULL, lines[n]);
    c->looked_at++;
    return check_file(c, lines[count - 1], e);
}

/* Both lists are in the order of the sets' names. */
static int compare_all(struct check *c, char *const *sets, size_t set_count, struct err *e)
{
    size_t line_count, at = 0, n = 0;
    AUTO_FREE struct chain_line **lines = sort_lines(c, &line_count);

    while (at < line_count || n < set_count) {
        int order = at == line_count ? 1 : n == set_count ? -1 : strcmp(lines[at]->set, sets[n]);
        size_t from = at;

        while (order <= 0 && at < line_count && strcmp(lines[at]->set, lines[from]->set) == 0)
            at++;
        if (at > from && asked(c, lines[from]->set) && check_set(c, &lines[from], at - from, e) < 0)
            return -1;
        if (order > 0 && asked(c, sets[n])) {
            c->looked_at++;
            check_stranger(c, sets[n]);
        }
        n += order >= 0;
    }
    return 0;
}

/* Records without a chain are from before it, unless they say otherwise. */
static void check_unchained(struct check *c, char *const *sets, size_t count)
{
    const char *first = NULL;
    size_t claims = 0;

    for (size_t n = 0; n < count; n++) {
        bool claims_one = chain_claim(c->folder, sets[n]) > 0;

        claims += claims_one;
        first = claims_one && !first ? sets[n] : first;
        c->looked_at += asked(c, sets[n]);
        c->records += asked(c, sets[n]);
        c->before += asked(c, sets[n]) && !claims_one;
    }
    if (claims > 0)
        tell(
            c, "gone", NULL, 0,
            xasprintf("is missing or empty, though %zu of the records say that they are in it, set "
                      "%s first: bring it back from a backup; without it, the next record that is "
                      "written begins another",
                      claims, first));
}

static int check_records(struct check *c, struct err *e)
{
    char **sets = NULL;
    size_t count = 0;
    int rc = chain_sets(&sets, &count, c->folder, e);

    if (rc == 0 && c->line_count > 0)
        rc = compare_all(c, sets, count, e);
    else if (rc == 0)
        check_unchained(c, sets, count);
    for (size_t n = 0; n < count; n++)
        free(sets[n]);
    free(sets);
    return rc;
}

static void describe(struct check *c)
{
    record_set_text(c->to, "chain", c->path);
    if (c->line_count > 0) {
        record_set_int(c->to, "lines", (int64_t)c->line_count);
        record_set_text(c->to, "since", c->lines[0].at);
        record_set_text(c->to, "head", c->lines[c->line_count - 1].own);
    }
    record_set_int(c->to, "records", c->records);
    record_set_int(c->to, "before", c->before);
}

/* One look, while a writer may be at work. */
static int look(struct record *to, const char *folder, const struct chain_ask *ask, struct err *e)
{
    struct check c = {.folder = folder, .ask = ask, .to = to, .path = chain_path(folder)};
    int rc;

    record_set_empty(to, "findings");
    record_set_empty(to, "notes");
    rc = read_lines(&c, e);
    if (rc == 0 && c.line_count > 0)
        rc = chain_unfinished(&c.unfinished, folder, &c.lines[c.line_count - 1], e);
    if (rc == 0) {
        check_links(&c);
        rc = check_records(&c, e);
        describe(&c);
    }
    for (size_t n = 0; n < c.line_count; n++)
        chain_line_release(&c.lines[n]);
    free(c.lines);
    free(c.path);
    return rc < 0 ? -1 : c.looked_at;
}

/* A writer's every act leaves the file another, one that is taken back too. */
static bool same_file(const char *path, const struct stat *was)
{
    struct stat is;

    return stat(path, &is) == 0 && is.st_ino == was->st_ino && is.st_size == was->st_size &&
           is.st_mtim.tv_sec == was->st_mtim.tv_sec && is.st_mtim.tv_nsec == was->st_mtim.tv_nsec &&
           is.st_ctim.tv_sec == was->st_ctim.tv_sec && is.st_ctim.tv_nsec == was->st_ctim.tv_nsec;
}

/* Did the look fall into no writer's work? *ret_seen is what it saw. */
static int look_calm(bool *ret_calm, struct record **ret_seen, int lock, const char *folder,
                     const struct chain_ask *ask, struct err *e)
{
    AUTO_FREE char *path = chain_path(folder);
    struct stat before = {.st_ino = 0};
    bool there;
    int rc;

    *ret_seen = NULL;
    /* in this order: a writer that appended before the first has the lock at the second, or is done
     */
    there = stat(path, &before) == 0;
    if (chain_wait_calm(lock, folder, e) < 0)
        return -1;
    *ret_seen = record_new();
    rc = look(*ret_seen, folder, ask, e);
    if (rc < 0 || chain_wait_calm(lock, folder, e) < 0)
        return -1;
    *ret_calm = there ? same_file(path, &before) : access(path, F_OK) < 0;
    return rc;
}

/* What was seen amiss may be a writer's work in hand: seen again while there is none, it counts. */
static int look_again(struct record **ret_seen, const char *folder, const struct chain_ask *ask,
                      struct err *e)
{
    AUTO_FREE char *path = chain_lock_path(folder);
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    int64_t deadline = mono_in_ms(LOOKS_MS);
    bool calm = false;
    int rc;

    *ret_seen = NULL;
    if (fd < 0 && errno != ENOENT)
        return err_set_sys(e, ERR_IO, errno, "cannot open '%s'", path);
    if (fd < 0) { /* nobody has ever written here */
        *ret_seen = record_new();
        return look(*ret_seen, folder, ask, e);
    }
    do {
        record_free(*ret_seen);
        rc = look_calm(&calm, ret_seen, fd, folder, ask, e);
        if (rc < 0 || calm)
            return rc;
    } while (mono_us() < deadline);
    return err_set(e, ERR_BUSY,
                   "records in '%s' have been written all the time for %d s; check them when there "
                   "is less to do",
                   folder, LOOKS_MS / 1000);
}

int chain_check(struct record *to, const char *state_dir, const char *domain,
                const struct chain_ask *ask, struct err *e)
{
    static const char *const members[] = {"chain",   "lines",  "since",    "head",
                                          "records", "before", "findings", "notes"};
    AUTO_FREE char *folder = xasprintf("%s/records/%s", state_dir, domain);
    struct record *seen = record_new();
    int rc = look(seen, folder, ask, e);

    if (rc >= 0 && (record_count(seen, "findings") > 0 || record_count(seen, "notes") > 0)) {
        record_free(seen);
        rc = look_again(&seen, folder, ask, e);
    }
    record_set_text(to, "domain", domain);
    for (size_t n = 0; n < ARRAY_SIZE(members) && rc >= 0; n++)
        record_copy(to, seen, members[n]);
    record_free(seen);
    return rc;
}
