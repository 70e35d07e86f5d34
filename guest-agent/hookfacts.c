/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-ga's hook, from its process, its configuration and the files it names; see hookfacts.h. */
#include "guest-agent/hookfacts.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

/* where -F without a path looks (CONFIG_QEMU_CONFDIR) */
#define DEFAULT_RUNNER "/etc/qemu/fsfreeze-hook"
#define DEFAULT_CONFIG "/etc/qemu/qemu-ga.conf"
#define SYSCONFIG      "/etc/sysconfig/qemu-ga"

struct ga_setup {
    char runner[256];
    char config[256];
    char blocked[1024]; /* comma-separated calls */
    char allowed[1024];
};

static void problem(struct hook_facts *f, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The first problem is the one to solve first; later ones often follow from it. */
static void problem(struct hook_facts *f, const char *fmt, ...)
{
    va_list ap;

    if (f->problem[0])
        return;
    va_start(ap, fmt);
    (void)vsnprintf(f->problem, sizeof(f->problem), fmt, ap);
    va_end(ap);
}

/* A small file whole, NUL-terminated; -1 when it cannot be read. */
static int slurp(const char *root, const char *path, struct buf *ret)
{
    AUTO_FREE char *full = xasprintf("%s%s", root, path);
    AUTO_CLOSE int fd = open(full, O_RDONLY | O_CLOEXEC);

    return fd < 0 ? -1 : buf_read(ret, fd, 256 * 1024); /* an empty file is text too */
}

static void keep(char *to, size_t size, const char *from)
{
    (void)snprintf(to, size, "%s", from);
}
#define KEEP(field, text) keep((field), sizeof(field), (text))

/* ---- the command line --------------------------------------------------------------------------
 */

/* The value of a long or short option given in one word or two; NULL when `arg` is not it. */
static const char *value_of(const char *arg, const char *next, const char *name, char letter)
{
    size_t len = strlen(name);

    if (strncmp(arg, "--", 2) == 0 && strncmp(arg + 2, name, len) == 0) {
        if (arg[2 + len] == '=')
            return arg + 3 + len;
        if (arg[2 + len] == '\0')
            return next;
    }
    if (letter && arg[0] == '-' && arg[1] == letter)
        return arg[2] ? arg + 2 : next;
    return NULL;
}

static void take_argument(struct ga_setup *g, const char *arg, const char *next)
{
    const char *v;

    /* the hook's path is an optional argument, so it is never the next word */
    if ((v = value_of(arg, "", "fsfreeze-hook", 'F')))
        KEEP(g->runner, *v ? v : DEFAULT_RUNNER);
    else if ((v = value_of(arg, next, "block-rpcs", 'b')) ||
             (v = value_of(arg, next, "blacklist", 0)))
        KEEP(g->blocked, v);
    else if ((v = value_of(arg, next, "allow-rpcs", 'a')))
        KEEP(g->allowed, v);
    else if ((v = value_of(arg, next, "config", 'c')))
        KEEP(g->config, v);
}

static bool is_ga(const char *argv0)
{
    const char *base = strrchr(argv0, '/');

    return strcmp(base ? base + 1 : argv0, "qemu-ga") == 0;
}

/* Reads the arguments of the first qemu-ga among the processes. */
static bool read_process(struct ga_setup *g, const char *root)
{
    AUTO_FREE char *proc = xasprintf("%s/proc", root);
    DIR *dir = opendir(proc);
    struct dirent *entry;
    bool found = false;

    while (dir && !found && (entry = readdir(dir))) {
        struct buf args = BUF_INIT;
        AUTO_FREE char *path = xasprintf("/proc/%s/cmdline", entry->d_name);

        if (isdigit((unsigned char)entry->d_name[0]) && slurp(root, path, &args) == 0 &&
            is_ga(buf_text(&args))) {
            const char *p = buf_text(&args), *end = p + args.len;

            found = true;
            for (p += strlen(p) + 1; p < end; p += strlen(p) + 1) {
                const char *next = p + strlen(p) + 1;

                take_argument(g, p, next < end ? next : "");
            }
        }
        buf_release(&args);
    }
    if (dir)
        closedir(dir);
    return found;
}

/* ---- configuration files -----------------------------------------------------------------------
 */

/* Calls `take` for each "key = value" line, without blanks and quotes. */
static void each_setting(char *text, void (*take)(void *arg, const char *key, const char *value),
                         void *arg)
{
    char *save = NULL;

    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *eq = strchr(line, '='), *value, *end;

        line += strspn(line, " \t");
        if (!eq || *line == '#' || *line == ';' || eq <= line)
            continue;
        for (end = eq; end > line && isspace((unsigned char)end[-1]);)
            end--;
        *end = '\0';
        value = eq + 1 + strspn(eq + 1, " \t\"'");
        for (end = value + strlen(value); end > value && strchr(" \t\r\"'", end[-1]);)
            end--;
        *end = '\0';
        take(arg, line, value);
    }
}

/* What the command line said wins over the file. */
static void take_config(void *arg, const char *key, const char *value)
{
    struct ga_setup *g = arg;

    if (strcmp(key, "fsfreeze-hook") == 0 && !g->runner[0])
        KEEP(g->runner, value);
    else if ((strcmp(key, "block-rpcs") == 0 || strcmp(key, "blacklist") == 0) && !g->blocked[0])
        KEEP(g->blocked, value);
    else if (strcmp(key, "allow-rpcs") == 0 && !g->allowed[0])
        KEEP(g->allowed, value);
}

struct sysconfig {
    bool enabled;
    char path[256];
    struct ga_setup *setup;
};

static void take_sysconfig(void *arg, const char *key, const char *value)
{
    struct sysconfig *c = arg;

    if (strcmp(key, "FSFREEZE_HOOK_ENABLE") == 0)
        c->enabled = strcmp(value, "1") == 0 || strcmp(value, "yes") == 0;
    else if (strcmp(key, "FSFREEZE_HOOK_PATHNAME") == 0)
        KEEP(c->path, value);
    else if (strcmp(key, "BLACKLIST_RPC") == 0 && !c->setup->blocked[0])
        KEEP(c->setup->blocked, value);
}

static void read_files(struct ga_setup *g, const char *root, bool ga_running)
{
    struct buf text = BUF_INIT;
    struct sysconfig c = {.setup = g};

    if (slurp(root, g->config[0] ? g->config : DEFAULT_CONFIG, &text) == 0)
        each_setting((char *)text.data, take_config, g);
    buf_clear(&text);
    /* a running qemu-ga was given by its unit what that file says */
    if (!ga_running && slurp(root, SYSCONFIG, &text) == 0) {
        each_setting((char *)text.data, take_sysconfig, &c);
        if (!g->runner[0] && (c.enabled || c.path[0]))
            KEEP(g->runner, c.path[0] ? c.path : DEFAULT_RUNNER);
    }
    buf_release(&text);
}

/* ---- the hook and its directory ----------------------------------------------------------------
 */

static bool is_there(const char *root, const char *path)
{
    AUTO_FREE char *full = xasprintf("%s%s", root, path);

    return access(full, F_OK) == 0;
}

static bool is_executable(const char *root, const char *path)
{
    AUTO_FREE char *full = xasprintf("%s%s", root, path);
    struct stat st;

    return stat(full, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111);
}

/* The runner's own list: what package managers and editors leave beside the real ones. */
static bool is_backup(const char *name)
{
    static const char *const ends[] = {"~",        ".bak",     ".orig",  ".rpmnew",
                                       ".rpmorig", ".rpmsave", ".sample"};
    size_t len = strlen(name);

    for (size_t n = 0; n < ARRAY_SIZE(ends); n++) {
        if (len >= strlen(ends[n]) && strcmp(name + len - strlen(ends[n]), ends[n]) == 0)
            return true;
    }
    return strstr(name, ".dpkg-") != NULL;
}

static bool mentions(const char *root, const char *path, const char *word)
{
    struct buf text = BUF_INIT;
    bool found = slurp(root, path, &text) == 0 && text.len > 0 &&
                 memmem(text.data, text.len, word, strlen(word)) != NULL;

    buf_release(&text);
    return found;
}

/* Ours says where it looks in one line, HOOK_DIR=${CBSNAP_HOOK_DIR:-DIR}. */
static void own_dir(const char *text, char *ret, size_t size)
{
    const char *at = strstr(text, "CBSNAP_HOOK_DIR:-");

    if (!at)
        return;
    at += strlen("CBSNAP_HOOK_DIR:-");
    (void)snprintf(ret, size, "%.*s", (int)strcspn(at, "}\n\""), at);
}

static void read_runner(struct hook_facts *f, const char *root)
{
    struct buf text = BUF_INIT;

    if (slurp(root, f->runner_path, &text) < 0 || text.len == 0) {
        problem(f, "qemu-ga's hook '%s' does not exist: install it or correct qemu-ga's -F",
                f->runner_path);
        buf_release(&text);
        return;
    }
    if (strstr(buf_text(&text), "cbsnap-fsfreeze-runner")) {
        f->runner = RUNNER_CBSNAP;
        own_dir(buf_text(&text), f->dir, sizeof(f->dir));
    } else if (strstr(buf_text(&text), "cbsnap-agent hook")) {
        f->runner = RUNNER_DIRECT;
        KEEP(f->hook_path, f->runner_path);
    } else if (strstr(buf_text(&text), "fsfreeze-hook.d")) {
        const char *slash = strrchr(f->runner_path, '/');

        f->runner = RUNNER_STOCK;
        (void)snprintf(f->dir, sizeof(f->dir), "%.*s/fsfreeze-hook.d",
                       slash ? (int)(slash - f->runner_path) : 0, f->runner_path);
    } else {
        f->runner = RUNNER_OTHER;
        problem(f,
                "qemu-ga's hook '%s' is neither cbsnap's nor QEMU's: whether it calls cbsnap's "
                "hook cannot be told",
                f->runner_path);
    }
    if (!is_executable(root, f->runner_path))
        problem(f, "qemu-ga's hook '%s' is not executable: run chmod 755 on it", f->runner_path);
    buf_release(&text);
}

static void find_own_hook(struct hook_facts *f, const char *root)
{
    AUTO_FREE char *full = xasprintf("%s%s", root, f->dir);
    DIR *dir = opendir(full);
    struct dirent *entry;
    bool there_not_executable = false;

    while (dir && !f->hook_path[0] && (entry = readdir(dir))) {
        AUTO_FREE char *path = xasprintf("%s/%s", f->dir, entry->d_name);

        if (entry->d_name[0] == '.' || is_backup(entry->d_name) ||
            !mentions(root, path, "cbsnap-agent hook"))
            continue;
        if (is_executable(root, path))
            KEEP(f->hook_path, path);
        else
            there_not_executable = true;
    }
    if (dir)
        closedir(dir);
    if (f->hook_path[0])
        return;
    if (there_not_executable)
        problem(f, "cbsnap's hook in '%s' is not executable: run chmod 755 on it", f->dir);
    else
        problem(f,
                "cbsnap's hook is not in '%s', where qemu-ga's hook '%s' looks: install it there",
                f->dir, f->runner_path);
}

static bool lists(const char *commas, const char *word)
{
    size_t len = strlen(word);

    for (const char *p = commas; *p; p += strcspn(p, ","), p += *p == ',') {
        p += strspn(p, " ");
        if (strncmp(p, word, len) == 0 && strchr(", ", p[len]))
            return true;
    }
    return false;
}

static void check_calls(struct hook_facts *f, const struct ga_setup *g)
{
    static const char *const calls[] = {"guest-fsfreeze-freeze", "guest-fsfreeze-thaw",
                                        "guest-fsfreeze-status"};

    for (size_t n = 0; n < ARRAY_SIZE(calls); n++) {
        if (lists(g->blocked, calls[n]))
            problem(f,
                    "qemu-ga refuses the call %s (block-rpcs or blacklist): remove it from that "
                    "list",
                    calls[n]);
        if (g->allowed[0] && !lists(g->allowed, calls[n]))
            problem(f, "qemu-ga's allow-rpcs lacks the call %s: add it", calls[n]);
    }
}

void hookfacts_read(struct hook_facts *ret, const char *root)
{
    struct ga_setup setup = {.runner = ""};

    *ret = (struct hook_facts){.runner = RUNNER_NONE};
    ret->ga_running = read_process(&setup, root);
    read_files(&setup, root, ret->ga_running);
    ret->update_aside = is_there(root, SYSCONFIG ".rpmnew");
    KEEP(ret->runner_path, setup.runner);
    if (!ret->ga_running)
        problem(ret, "qemu-ga is not running: start qemu-guest-agent");
    check_calls(ret, &setup);
    if (!ret->runner_path[0]) {
        problem(ret, "no hook is enabled in qemu-ga: run cbsnap's qemu-ga-hook enable, or start it "
                     "with -F and the path of cbsnap's fsfreeze-hook");
        return;
    }
    read_runner(ret, root);
    if (ret->dir[0])
        find_own_hook(ret, root);
}

const char *hook_runner_name(enum hook_runner r)
{
    switch (r) {
    case RUNNER_CBSNAP:
    case RUNNER_DIRECT:
        return "cbsnap";
    case RUNNER_STOCK:
        return "stock";
    case RUNNER_OTHER:
        return "other";
    case RUNNER_NONE:
        break;
    }
    return NULL;
}
