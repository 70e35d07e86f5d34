/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Would a freeze by qemu-ga reach us? Found out from the command line of the running qemu-ga (or,
 * when it does not run, its configuration), the hook that it names, and that hook's directory.
 *
 * Source: qemu-ga(8) and qga/main.c: -F[PATH], --fsfreeze-hook[=PATH], -b/--block-rpcs (formerly
 * --blacklist), -a/--allow-rpcs, -c/--config; /etc/qemu/qemu-ga.conf [general]; Enterprise Linux:
 * /etc/sysconfig/qemu-ga FSFREEZE_HOOK_ENABLE, FSFREEZE_HOOK_PATHNAME, BLACKLIST_RPC (which 9.2
 * and 9.4 gave other names; the list is then empty for who kept the old file).
 * Stateless; blocks only on reading local files, so not to be used while frozen.
 */
#ifndef CBSNAP_AGENT_HOOKFACTS_H
#define CBSNAP_AGENT_HOOKFACTS_H

#include <stdbool.h>

enum hook_runner {
    RUNNER_NONE,
    RUNNER_CBSNAP, /* ours: a failing hook fails the freeze */
    RUNNER_STOCK,  /* QEMU's: ignores a failing hook */
    RUNNER_DIRECT, /* qemu-ga calls cbsnap's hook itself */
    RUNNER_OTHER,
};

struct hook_facts {
    bool ga_running;
    enum hook_runner runner;
    char runner_path[256]; /* what qemu-ga calls; "" when no hook is enabled */
    char dir[256];         /* where that looks for hooks; "" when it looks nowhere */
    char hook_path[256];   /* ours in it; "" when it is not there */
    char problem[512];     /* why a freeze would not reach us; "" when it would */
    bool update_aside; /* a package's newer /etc/sysconfig/qemu-ga lies beside it, not in force */
};

/* `root` is "" for the live system; tests give a directory that holds /proc, /etc, ... */
void hookfacts_read(struct hook_facts *ret, const char *root);

/* The word for the wire: "cbsnap", "stock", "other"; NULL for none. */
const char *hook_runner_name(enum hook_runner r);

#endif
