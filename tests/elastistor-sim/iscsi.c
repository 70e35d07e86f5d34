/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs tgtadm and reads what it prints; see iscsi.h. */
#include "tests/elastistor-sim/iscsi.h"
#include "tests/elastistor-sim/model.h"
#include "tests/elastistor-sim/pause.h"
#include "proto/base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define TGTADM_MS 10000
#define MAX_ARGS  24

extern char **environ;

struct target {
    int tid; /* 0: there is none */
    bool has_lun;
    char path[512];
    struct buf acl; /* one entry per line */
};

/* Reads until the child closes its output; -1 when that takes too long. */
static int read_all(int fd, struct buf *out)
{
    int64_t until = epoch_ms() + TGTADM_MS;

    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = until - epoch_ms();
        ssize_t n;

        if (left <= 0 || poll(&p, 1, (int)left) == 0)
            return -1;
        n = read(fd, buf_reserve(out, 4096), 4096);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return 0;
        out->len += (size_t)n;
        out->data[out->len] = 0;
    }
}

static int spawn(char *const argv[], int out, pid_t *ret_pid, struct err *e)
{
    posix_spawn_file_actions_t actions;
    int rc;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out, STDERR_FILENO);
    rc = posix_spawnp(ret_pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return rc == 0 ? 0 : err_set_sys(e, ERR_IO, rc, "cannot run 'tgtadm'");
}

static int run(char *const argv[], struct buf *out, struct err *e)
{
    AUTO_CLOSE int in = -1;
    int fds[2], status, rc;
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_set_sys(e, ERR_IO, errno, "cannot make a pipe");
    in = fds[0];
    rc = spawn(argv, fds[1], &pid, e);
    close(fds[1]);
    if (rc < 0)
        return -1;
    rc = read_all(in, out);
    if (rc < 0)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return err_set_sys(e, ERR_IO, errno, "cannot wait for 'tgtadm'");
    if (rc < 0)
        return err_set(e, ERR_IO, "'tgtadm' gave no answer in %d s", TGTADM_MS / 1000);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return err_set(e, ERR_IO, "'tgtadm' failed: %.*s", (int)strcspn(buf_text(out), "\n"),
                       buf_text(out));
    return 0;
}

/* `args` ends in NULL; `out` may be NULL. */
static int tgtadm_args(const struct options *o, struct buf *out, struct err *e,
                       const char *const *args)
{
    char port[16];
    char *argv[MAX_ARGS] = {"tgtadm", "-C", port, "--lld", "iscsi"};
    struct buf own = BUF_INIT;
    int n = 5, rc;

    snprintf(port, sizeof(port), "%d", (int)o->tgt_control_port);
    while (*args && n < MAX_ARGS - 1)
        argv[n++] = (char *)(uintptr_t)*args++; /* posix_spawn() takes them without const */
    rc = run(argv, out ? out : &own, e);
    buf_release(&own);
    return rc;
}

#define tgtadm(o, out, e, ...) tgtadm_args(o, out, e, (const char *const[]){__VA_ARGS__, NULL})

static const char *after(const char *line, const char *prefix)
{
    line += strspn(line, " ");
    return strncmp(line, prefix, strlen(prefix)) == 0 ? line + strlen(prefix) : NULL;
}

/* Fills t from "show" for one IQN; *ret_max is the highest target number in use. */
static void parse_targets(char *text, const char *iqn, struct target *t, int *ret_max)
{
    bool ours = false, in_acl = false;
    int lun = -1;
    char *line;

    while ((line = strsep(&text, "\n")) != NULL) {
        const char *rest;
        int tid;

        if (sscanf(line, "Target %d:", &tid) == 1) {
            rest = strchr(line, ':') + 1;
            ours = strcmp(rest + strspn(rest, " "), iqn) == 0;
            in_acl = false;
            lun = -1;
            if (tid > *ret_max)
                *ret_max = tid;
            if (ours)
                t->tid = tid;
        } else if (!ours) {
            continue;
        } else if ((rest = after(line, "LUN: ")) != NULL) {
            lun = atoi(rest);
            t->has_lun |= lun == ISCSI_LUN;
        } else if (lun == ISCSI_LUN && (rest = after(line, "Backing store path: ")) != NULL) {
            snprintf(t->path, sizeof(t->path), "%s", rest);
        } else if (after(line, "ACL information:")) {
            in_acl = true;
        } else if (in_acl && (rest = after(line, "")) != NULL && *rest) {
            buf_addf(&t->acl, "%s\n", rest);
        }
    }
}

static int show(const struct options *o, const char *iqn, struct target *t, int *ret_max,
                struct err *e)
{
    struct buf out = BUF_INIT;
    int rc = tgtadm(o, &out, e, "--op", "show", "--mode", "target");

    *t = (struct target){.tid = 0};
    *ret_max = 0;
    if (rc == 0 && out.data)
        parse_targets((char *)out.data, iqn, t, ret_max);
    buf_release(&out);
    return rc;
}

int iscsi_probe(const struct options *o, struct err *e)
{
    if (!o->tgt)
        return 0;
    if (tgtadm(o, NULL, e, "--op", "show", "--mode", "target") < 0)
        return err_hint(e, "start 'tgtd -C %d' first, or set iscsi = none",
                        (int)o->tgt_control_port);
    return 0;
}

static int bind_one(const struct options *o, const char *tid, const char *op, const char *entry,
                    struct err *e)
{
    /* tgt tells names from addresses by the option only */
    bool is_name = strncmp(entry, "iqn.", 4) == 0 || strncmp(entry, "eui.", 4) == 0;

    return tgtadm(o, NULL, e, "--op", op, "--mode", "target", "--tid", tid,
                  is_name ? "--initiator-name" : "--initiator-address", entry);
}

static bool has_entry(const char *list, const char *sep, const char *entry)
{
    AUTO_FREE char *copy = xstrdup(list);
    char *rest = copy, *part;

    while ((part = strsep(&rest, sep)) != NULL)
        if (strcmp(part, entry) == 0)
            return true;
    return false;
}

/* What tgt should have: "None" is an empty list, which lets nobody in; a list of names makes
 * the addresses moot, because tgt would let in whoever fits either. */
static char *wanted_acl(const struct iscsi_volume *v)
{
    if (strcmp(v->initiators, "None") == 0)
        return xstrdup("");
    if (strcmp(v->initiators, "ALL") == 0)
        return xstrdup("ALL");
    return xstrdup(v->initiators[0] ? v->initiators : v->addresses);
}

static int apply_acl(const struct options *o, const char *tid, const struct target *t,
                     const struct iscsi_volume *v, struct err *e)
{
    AUTO_FREE char *wanted = wanted_acl(v);
    AUTO_FREE char *have = xstrdup(buf_text(&t->acl));
    AUTO_FREE char *want = xstrdup(wanted);
    char *rest = have, *part;

    while ((part = strsep(&rest, "\n")) != NULL)
        if (*part && !has_entry(wanted, ",", part) && bind_one(o, tid, "unbind", part, e) < 0)
            return -1;
    rest = want;
    while ((part = strsep(&rest, ",")) != NULL)
        if (*part && !has_entry(buf_text(&t->acl), "\n", part) &&
            bind_one(o, tid, "bind", part, e) < 0)
            return -1;
    return 0;
}

static int add_lun(const struct options *o, const char *tid, const struct iscsi_volume *v,
                   struct err *e)
{
    AUTO_FREE char *params =
        xasprintf("scsi_sn=%s,vendor_id=CLDBYTE,product_id=OS_Stand-in", v->serial);

    if (tgtadm(o, NULL, e, "--op", "new", "--mode", "logicalunit", "--tid", tid, "--lun", "1",
               "--backing-store", v->path) < 0)
        return -1;
    return tgtadm(o, NULL, e, "--op", "update", "--mode", "logicalunit", "--tid", tid, "--lun", "1",
                  "--params", params);
}

static int drop_lun(const struct options *o, const char *tid, struct err *e)
{
    return tgtadm(o, NULL, e, "--op", "delete", "--mode", "logicalunit", "--tid", tid, "--lun",
                  "1");
}

static int export_target(const struct options *o, const struct iscsi_volume *v, struct target *t,
                         int max, struct err *e)
{
    char tid[16];

    snprintf(tid, sizeof(tid), "%d", t->tid ? t->tid : max + 1);
    if (!t->tid && tgtadm(o, NULL, e, "--op", "new", "--mode", "target", "--tid", tid,
                          "--targetname", v->iqn) < 0)
        return -1;
    if (t->has_lun && strcmp(t->path, v->path) != 0) {
        if (drop_lun(o, tid, e) < 0)
            return -1;
        t->has_lun = false;
    }
    if (!t->has_lun && add_lun(o, tid, v, e) < 0)
        return -1;
    return apply_acl(o, tid, t, v, e);
}

int iscsi_export(const struct options *o, const struct iscsi_volume *v, struct err *e)
{
    struct target t;
    int max, rc;

    if (!o->tgt)
        return 0;
    rc = show(o, v->iqn, &t, &max, e);
    if (rc == 0)
        rc = export_target(o, v, &t, max, e);
    buf_release(&t.acl);
    return rc < 0 ? err_prefix(e, "cannot export '%s'", v->iqn) : 0;
}

int iscsi_resize(const struct options *o, const struct iscsi_volume *v, struct err *e)
{
    struct target t;
    char tid[16];
    int max, rc;

    if (!o->tgt)
        return 0;
    rc = show(o, v->iqn, &t, &max, e);
    buf_release(&t.acl);
    if (rc == 0 && t.has_lun) {
        snprintf(tid, sizeof(tid), "%d", t.tid);
        rc = drop_lun(o, tid, e);
    }
    return rc < 0 ? err_prefix(e, "cannot resize '%s'", v->iqn) : iscsi_export(o, v, e);
}

int iscsi_remove(const struct options *o, const char *iqn, struct err *e)
{
    struct target t;
    char tid[16];
    int max, rc;

    if (!o->tgt)
        return 0;
    rc = show(o, iqn, &t, &max, e);
    buf_release(&t.acl);
    if (rc == 0 && t.tid) {
        snprintf(tid, sizeof(tid), "%d", t.tid);
        rc = tgtadm(o, NULL, e, "--op", "delete", "--mode", "target", "--force", "--tid", tid);
    }
    return rc < 0 ? err_prefix(e, "cannot remove target '%s'", iqn) : 0;
}

/* Lines "tgt lun sid", then bytes and commands of reads submitted, reads done, writes submitted,
 * writes done, and errors: one per session and LUN. */
static void parse_counters(char *text, int64_t *ops, int64_t *bytes)
{
    char *line;

    while ((line = strsep(&text, "\n")) != NULL) {
        long long rb, rc, wb, wc;
        int lun;

        if (sscanf(line, "%*d %d %*d %*d %*d %lld %lld %*d %*d %lld %lld", &lun, &rb, &rc, &wb,
                   &wc) != 5 ||
            lun != ISCSI_LUN)
            continue;
        *ops += rc + wc;
        *bytes += rb + wb;
    }
}

int iscsi_counters(const struct options *o, const char *iqn, int64_t *ret_ops, int64_t *ret_bytes,
                   struct err *e)
{
    struct buf out = BUF_INIT;
    int64_t ops = 0, bytes = 0;
    struct target t;
    char tid[16];
    int max, rc;

    rc = show(o, iqn, &t, &max, e);
    buf_release(&t.acl);
    if (rc < 0)
        return -1;
    snprintf(tid, sizeof(tid), "%d", t.tid);
    rc = t.tid ? tgtadm(o, &out, e, "--op", "stat", "--mode", "target", "--tid", tid) : 0;
    if (rc == 0 && out.data)
        parse_counters((char *)out.data, &ops, &bytes);
    buf_release(&out);
    if (rc < 0)
        return -1;
    *ret_ops = ops;
    *ret_bytes = bytes;
    return 0;
}
