/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal of a dead run, as a power cut or a full disk may have left it: read, and recovered
 * from. First byte: is there a record of the set too, and do the clones exist; then the file.
 * Recovering ends, in one go or with an error that says something, and never with the journal of a
 * run that it could not finish gone.
 */
#include <string.h>
#include <unistd.h>

#include "host-coordinator/back/back.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "tests/fuzz/world.h"

#define SET "20161104T101500Z-5a5a"

static const char record[] =
    "{\"schema\": 1, \"set\": \"" SET "\", \"verdict\": \"application\", \"started\": "
    "\"2016-11-04T10:15:00.000Z\", \"domain\": {\"name\": \"db\", \"uuid\": "
    "\"99999999-2222-4333-8444-555555555555\"}, \"volumes\": [{\"target\": \"vda\", \"appliance\": "
    "\"east\", \"id\": \"id-root\", \"name\": \"root\"}, {\"target\": \"vdb\", \"appliance\": "
    "\"east\", \"id\": \"id-log\", \"name\": \"log\"}, {\"target\": \"vdc\", \"appliance\": "
    "\"east\", \"id\": \"id-data\", \"name\": \"data\"}]}";

static void write_record(void)
{
    AUTO_FREE char *path = xasprintf("%s/records/db/" SET ".json", world.state_dir);
    struct fuzz_input in = {(const uint8_t *)record, sizeof(record) - 1};

    fuzz_file(path, &in);
}

static void read_journal(void)
{
    struct record *r = journal_read(world.state_dir, "it", NULL), *again;
    AUTO_FREE char *text = NULL;

    FUZZ_MUST(r);
    text = record_format(r);
    again = record_parse(text, "it", NULL);
    FUZZ_MUST(again);
    record_free(again);
    record_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    unsigned flags = fuzz_byte(&in);
    AUTO_FREE char *path = NULL;
    struct recovery told;
    struct err e = ERR_INIT;
    int rc;

    world_begin((struct fuzz_input){(const uint8_t *)"", 0}, 0);
    path = xasprintf("%s/journal/it.jsonl", world.state_dir);
    fuzz_file(path, &in);
    if (flags & 1)
        write_record();
    read_journal();
    rc = recover_journal(&world.conf, &world_domain, world.loop, "", "it", world_storages(),
                         world_reporter(), &told, &e);
    FUZZ_MUST((rc < 0) == err_is_set(&e));
    FUZZ_MUST(rc < 0 || told.outcome);
    FUZZ_MUST(rc == 0 || access(path, F_OK) == 0);
    recovery_release(&told);
    world_end();
    return 0;
}
