/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All that is read of /proc and /sys: sources of samples, processes, mounts, how qemu-ga runs, the
 * asset tag. Each record's first byte names the file that the rest becomes; every source reads
 * after each third of them, so that rates are taken over what changes. No value is anything but a
 * finite number, and no name anything but text.
 */
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest-agent/evidence/asset.h"
#include "guest-agent/fs/mounts.h"
#include "guest-agent/hookfacts.h"
#include "guest-agent/sample/procinfo.h"
#include "guest-agent/sample/server_facts.h"
#include "guest-agent/sample/sources.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"

const size_t fuzz_head_bytes = 0;
const size_t fuzz_message_at = FUZZ_NO_MESSAGES;

static const char *const files[] = {
    "proc/loadavg",           "proc/stat",
    "proc/meminfo",           "proc/vmstat",
    "proc/net/dev",           "proc/diskstats",
    "proc/self/statm",        "proc/42/status",
    "proc/42/stat",           "proc/42/cgroup",
    "proc/42/comm",           "proc/42/cmdline",
    "proc/self/mountinfo",    "etc/qemu/qemu-ga.conf",
    "etc/sysconfig/qemu-ga",  "sys/class/dmi/id/chassis_asset_tag",
    "sys/devices/vdb/serial", "sys/devices/vdb/vpd_pg80",
    "sys/devices/vdb/wwid",   "sys/devices/vdb/dm/uuid",
};

static char *full(const char *name)
{
    return xasprintf("%s/root/%s", fuzz_dir(), name);
}

/* Folders and links that stay, and no file. */
static void reset(void)
{
    static bool made;

    for (size_t n = 0; n < ARRAY_SIZE(files); n++) {
        AUTO_FREE char *path = full(files[n]);
        struct fuzz_input empty = {(const uint8_t *)"", 0};

        if (!made)
            fuzz_file(path, &empty);
        (void)unlink(path);
    }
    if (!made) {
        AUTO_FREE char *dev = full("sys/dev/block/253:16");
        AUTO_FREE char *to = full("sys/devices/vdb");
        AUTO_FREE char *parents = full("sys/dev/block/x");
        struct fuzz_input empty = {(const uint8_t *)"", 0};

        fuzz_file(parents, &empty);
        if (symlink(to, dev) < 0)
            abort();
    }
    made = true;
}

static void read_sources(void **selves, struct names *names)
{
    struct sample *s = sample_new(names);

    for (size_t n = 0; n < os_source_count; n++)
        os_sources[n]->read(selves[n], s);
    for (size_t n = 0; n < s->count; n++)
        FUZZ_MUST(isfinite(s->values[n]));
    for (size_t n = 0; n < names_count(names); n++)
        FUZZ_MUST(fuzz_utf8(names_at(names, n)));
    FUZZ_MUST(s->file_count <= SAMPLE_FILES_MAX && names_count(names) <= NAMES_MAX);
    sample_free(s);
    fuzz_let_pass(1000000);
}

static void read_process(const char *root)
{
    char set[SETID_SIZE];
    int64_t boot_us;
    AUTO_FREE char *unit = procinfo_unit(root, 42);
    AUTO_FREE char *tag = full("sys/class/dmi/id/chassis_asset_tag");

    (void)procinfo_started(root, 42, &boot_us);
    (void)procinfo_started_wall(root, 42);
    (void)procinfo_lives(root, 42);
    (void)procinfo_server(root);
    if (unit)
        FUZZ_MUST(!strpbrk(unit, "/ \n") && *unit != '-');
    if (asset_verifying(tag, set))
        FUZZ_MUST(setid_is(set, strlen(set)));
}

static void read_mounts(const char *root)
{
    struct mount_table t;
    struct hook_facts hook;
    struct err e = ERR_INIT;

    if (mounts_read(&t, root, root, &e) == 0) {
        for (size_t n = 0; n < t.count; n++)
            FUZZ_MUST(t.items[n].path && t.items[n].device && t.items[n].disk &&
                      t.items[n].serial && t.items[n].fstype);
        mounts_release(&t);
    }
    hookfacts_read(&hook, root);
    (void)hook_runner_name(hook.runner);
}

static void read_all(const char *root, struct fuzz_input in)
{
    struct source_config c = {.root = root, .log_every_ms = 1};
    void **selves = xcalloc(os_source_count, sizeof(*selves));
    struct names *names = names_new();
    struct fuzz_input one;
    unsigned count = 0;

    c.server = server_facts_new();
    server_facts_set(c.server, 42, NULL, "/", "/");
    for (size_t n = 0; n < os_source_count; n++)
        selves[n] = os_sources[n]->open(&c);
    while (fuzz_record(&in, &one)) {
        AUTO_FREE char *path = full(files[fuzz_byte(&one) % ARRAY_SIZE(files)]);

        fuzz_file(path, &one);
        if (++count % 3 == 0)
            read_sources(selves, names);
    }
    read_sources(selves, names);
    for (size_t n = 0; n < os_source_count; n++)
        os_sources[n]->close(selves[n]);
    free(selves);
    names_free(names);
    server_facts_free(c.server);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_FREE char *root = xasprintf("%s/root", fuzz_dir());

    fuzz_begin();
    reset();
    read_all(root, (struct fuzz_input){data, size});
    read_process(root);
    read_mounts(root);
    return 0;
}
