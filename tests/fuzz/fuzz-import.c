/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cbsnap-coord import of a root volume that a hostile guest has written: the first record is the
 * newest manifest, the next one an older one. Whatever they say, records are made in their own
 * folder alone, under the names of sets, and each reads as a record that names its snapshots like
 * itself.
 */
#include <dirent.h>
#include <string.h>
#include <unistd.h>

#include "host-coordinator/back/inventory.h"
#include "host-coordinator/command/command.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "host-coordinator/storage/elastistor.h"
#include "tests/fuzz/mutate.h"
#include "tests/fuzz/world.h"
#include "tests/fuzz/world_internal.h"

#define FOLDER "clone/var/lib/cbsnap/instance"

const size_t fuzz_head_bytes = 0;
const size_t fuzz_message_at = FUZZ_NO_MESSAGES;

/* In place of storage/elastistor.c: the world's array. */
static int open_array(struct storage **ret, const struct storage_conf *conf, struct loop *loop,
                      struct err *e)
{
    (void)conf, (void)loop, (void)e;
    *ret = world_array_new();
    return 0;
}

const struct storage_ops elastistor_ops = {.name = "elastistor", .open = open_array};

static void check_record(const char *name)
{
    AUTO_FREE char *path = xasprintf("%s/records/%s", world.state_dir, name);
    struct record *r = store_read(path, NULL);
    const char *file = strchr(name, '/') + 1, *set, *domain;

    FUZZ_MUST(r);
    set = record_text(r, "set");
    domain = record_text(r, "domain.name");
    FUZZ_MUST(set && inventory_is_id(set, strlen(set)) && strncmp(file, set, strlen(set)) == 0);
    FUZZ_MUST(domain && strncmp(name, domain, strlen(domain)) == 0 && !strchr(domain, '/'));
    FUZZ_MUST(record_text(r, "imported.from") && record_text(r, "verdict"));
    for (size_t n = 0; n < record_count(r, "volumes"); n++) {
        const char *snapshot = record_text(record_at(r, "volumes", n), "snapshot.name");

        FUZZ_MUST(!snapshot || strcmp(snapshot, set) == 0);
    }
    record_free(r);
}

/* Nothing but what was there before, and the state. */
static void check_beside(void)
{
    DIR *d = opendir(fuzz_dir());
    struct dirent *entry;

    FUZZ_MUST(d);
    while ((entry = readdir(d))) {
        const char *name = entry->d_name;

        FUZZ_MUST(*name == '.' || strcmp(name, "state") == 0 || strcmp(name, "clone") == 0 ||
                  strcmp(name, "coord.conf") == 0);
    }
    closedir(d);
}

static void check_all(void)
{
    struct store_names names = {.count = 0};

    if (store_names(&names, world.state_dir, NULL, NULL) < 0)
        return;
    for (size_t n = 0; n < names.count; n++)
        check_record(names.names[n]);
    store_names_release(&names);
    check_beside();
}

static void write_manifests(struct fuzz_input in)
{
    static const char *const sets[] = {"20161104T101500Z-5a5a", "20161103T101500Z-7f3a"};
    struct fuzz_input one;

    fuzz_remove("clone");
    for (size_t n = 0; n < ARRAY_SIZE(sets) && fuzz_record(&in, &one); n++) {
        AUTO_FREE char *path = xasprintf("%s/" FOLDER "/%s.json", fuzz_dir(), sets[n]);

        fuzz_file(path, &one);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_FREE char *clone = xasprintf("%s/clone", fuzz_dir());
    bool answered = false;
    struct err e = ERR_INIT;
    FILE *own_stdout = stdout;
    struct command_context c;
    struct fuzz_sink sink;
    char *args[] = {clone, NULL};

    world_begin((struct fuzz_input){(const uint8_t *)"", 0}, 0);
    write_manifests((struct fuzz_input){data, size});
    c = (struct command_context){.conf = &world.conf,
                                 .loop = world.loop,
                                 .uri = "",
                                 .json = size % 2,
                                 .answered = &answered,
                                 .args = args,
                                 .arg_count = 1};
    fuzz_sink_begin(&sink);
    stdout = sink.to;
    (void)cmd_import(&c, &e);
    stdout = own_stdout;
    fuzz_sink_end(&sink, true);
    check_all();
    storage_close(world.array);
    world_end();
    return 0;
}
