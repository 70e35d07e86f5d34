/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drives a storage driver from a shell script: test-storage.sh breaks the stand-in, runs this, and
 * reads what it says.
 *
 *     storage-drive [--url URL] [--ca FILE] [--fingerprint PIN] [--key-file FILE]
 *                   [--deadline MS] [--timeout MS] [--cancel MS] [--warm] [--files DIR] VERB
 * [ARGUMENT...]
 *
 *     list                   one line per volume: NAME ID IQN SERIAL GROUP BYTES FREE
 *     snapshot NAME VOLUME.. all at once; a line per volume, with the ms until its request
 *                            and its answer; --warm prepares the connections first
 *     find NAME VOLUME       "found PATH" or "absent"
 *     remove NAME VOLUME
 *     snapshots VOLUME       "NAME PATH CLONES TIME" for each, oldest first
 *     rollback NAME VOLUME
 *     clone NAME VOLUME CLONE  the new volume's line, as in list
 *     delete VOLUME [ID]     with its id also when it is not listed any more
 *     access VOLUME          the array's word for who may use it; "-": nobody
 *     set-access VOLUME WORD "-" as word: nobody
 *     stats VOLUME           "iops N throughput N latency N throttle N used N"; what is not had: -
 *     history VOLUME         "IOPS TIME" for each reading remembered
 *     idle MS                opens, lists and stays, for a look from outside
 *     contract               the cases of tests/contract, as TAP; --files is where the stand-in
 *                            keeps volumes, as NAME.img
 *
 * A failure prints "error CODE: MESSAGE" on stderr and ends with 1; a line "unsure" follows when
 * the array may have done it all the same. --timeout is that of one request; --deadline is that of
 * what the verb is about, not of the list before it; with --cancel it is taken back after that
 * time.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "tests/contract/storage_contract.h"
#include "tests/integration/storage-drive.h"
#include "tests/slow.h"

#define LIST_US    (10 * INT64_C(1000000) * slowness())
#define OVERDUE_US 500000

int64_t drive_deadline(const struct drive *d)
{
    return mono_us() + (int64_t)d->deadline_ms * 1000;
}

static int fail(const struct err *e)
{
    fprintf(stderr, "error %s: %s\n", err_code_name(e->code), e->msg);
    return -1;
}

/* The driver itself must keep the deadline; the wait here only catches one that does not. */
static int finish_by(struct drive *d, struct storage_op *op, int64_t deadline_us)
{
    struct err e = ERR_INIT;

    if (loop_wait(d->loop, &op->done, deadline_us + OVERDUE_US, &e) < 0) {
        fprintf(stderr, "error overdue: the driver did not keep its deadline: %s\n", e.msg);
        storage_cancel(d->array, op);
        return -1;
    }
    if (!err_is_set(&op->err))
        return 0;
    (void)fail(&op->err);
    if (op->unsure)
        fputs("unsure\n", stderr);
    return -1;
}

int drive_finish(struct drive *d, struct storage_op *op)
{
    if (d->cancel_ms > 0) {
        (void)loop_wait(d->loop, &op->done, mono_us() + (int64_t)d->cancel_ms * 1000, NULL);
        storage_cancel(d->array, op);
    }
    return finish_by(d, op, drive_deadline(d));
}

int drive_list(struct drive *d)
{
    int64_t deadline_us = mono_us() + LIST_US;

    d->array->ops->list_volumes(d->array, deadline_us, &d->list);
    return finish_by(d, &d->list, deadline_us);
}

void drive_put_volume(const struct volume *v)
{
    printf("%s %s %s %s %s %" PRId64 " %" PRId64 "\n", v->name, v->id, v->iqn, v->serial, v->group,
           v->size_bytes, v->free_bytes);
}

static int verb_list(struct drive *d, int argc, char **argv)
{
    (void)argc, (void)argv;
    if (drive_list(d) < 0)
        return -1;
    for (size_t i = 0; i < d->list.volume_count; i++)
        drive_put_volume(&d->list.volumes[i]);
    return 0;
}

const struct volume *drive_volume(const struct drive *d, const char *name)
{
    for (size_t i = 0; i < d->list.volume_count; i++) {
        if (strcmp(d->list.volumes[i].name, name) == 0)
            return &d->list.volumes[i];
    }
    fprintf(stderr, "error usage: there is no volume '%s'\n", name);
    exit(2);
}

static int prepare(struct drive *d, int argc, char **argv)
{
    struct volume *volumes = xcalloc((size_t)argc, sizeof(*volumes));
    struct storage_op op = {.done = false};
    int rc;

    for (int i = 0; i < argc; i++)
        volumes[i] = *drive_volume(d, argv[i]);
    d->array->ops->prepare(d->array, volumes, (size_t)argc, NULL, drive_deadline(d), &op);
    rc = drive_finish(d, &op);
    storage_op_release(&op);
    free(volumes);
    return rc;
}

static int verb_snapshot(struct drive *d, int argc, char **argv)
{
    struct storage_op ops[16] = {{.done = false}};
    int64_t began;
    int rc = 0;

    if (argc < 2 || argc > 17 || drive_list(d) < 0)
        return -1;
    if (d->warm && prepare(d, argc - 1, argv + 1) < 0)
        return -1;
    began = mono_us();
    for (int i = 1; i < argc; i++)
        d->array->ops->snapshot(d->array, drive_volume(d, argv[i]), argv[0], drive_deadline(d),
                                &ops[i - 1]);
    for (int i = 1; i < argc; i++) {
        struct storage_op *op = &ops[i - 1];

        if (drive_finish(d, op) < 0)
            rc = -1;
        else
            printf("%s %.1f %.1f\n", argv[i], (double)(op->started_us - began) / 1e3,
                   (double)(op->ended_us - began) / 1e3);
    }
    for (int i = 1; i < argc; i++)
        storage_op_release(&ops[i - 1]);
    return rc;
}

static int verb_find(struct drive *d, int argc, char **argv)
{
    struct storage_op op = {.done = false};
    int rc;

    if (argc != 2 || drive_list(d) < 0)
        return -1;
    d->array->ops->find_snapshot(d->array, drive_volume(d, argv[1]), argv[0], drive_deadline(d),
                                 &op);
    rc = drive_finish(d, &op);
    if (rc == 0 && op.found)
        printf("found %s\n", op.snapshot_path);
    else if (rc == 0)
        puts("absent");
    storage_op_release(&op);
    return rc;
}

static int verb_remove(struct drive *d, int argc, char **argv)
{
    struct storage_op op = {.done = false};
    int rc;

    if (argc != 2 || drive_list(d) < 0)
        return -1;
    d->array->ops->remove_snapshot(d->array, drive_volume(d, argv[1]), argv[0], drive_deadline(d),
                                   &op);
    rc = drive_finish(d, &op);
    storage_op_release(&op);
    return rc;
}

static void put_reading(const char *name, bool had, double value)
{
    if (had)
        printf("%s %.0f ", name, value);
    else
        printf("%s - ", name);
}

static int verb_stats(struct drive *d, int argc, char **argv)
{
    struct storage_op op = {.done = false};
    const struct volume_stats *s = &op.stats;
    int rc;

    if (argc != 1 || drive_list(d) < 0)
        return -1;
    d->array->ops->stats(d->array, drive_volume(d, argv[0]), drive_deadline(d), &op);
    rc = drive_finish(d, &op);
    if (rc == 0) {
        put_reading("iops", s->has_iops, s->iops);
        put_reading("throughput", s->has_throughput, s->throughput_kb_s);
        put_reading("latency", s->has_latency, s->latency);
        put_reading("throttle", s->has_throttle, s->throttle);
        put_reading("used", s->has_used, s->used_bytes);
        puts("");
    }
    storage_op_release(&op);
    return rc;
}

static int verb_history(struct drive *d, int argc, char **argv)
{
    struct storage_op op = {.done = false};
    int rc;

    if (argc != 1 || drive_list(d) < 0)
        return -1;
    d->array->ops->history(d->array, drive_volume(d, argv[0]), drive_deadline(d), &op);
    rc = drive_finish(d, &op);
    for (size_t i = 0; rc == 0 && i < op.history_count; i++)
        printf("%.0f %s\n", op.history[i].iops, op.history[i].time);
    storage_op_release(&op);
    return rc;
}

static int verb_idle(struct drive *d, int argc, char **argv)
{
    bool never = false;

    if (argc != 1 || drive_list(d) < 0)
        return -1;
    puts("ready");
    (void)fflush(stdout);
    (void)loop_wait(d->loop, &never, mono_us() + atol(argv[0]) * 1000, NULL);
    return 0;
}

static FILE *open_data(const struct drive *d, const struct volume *v, const char *mode)
{
    AUTO_FREE char *path = xasprintf("%s/%s.img", d->files, v->name);
    FILE *f = fopen(path, mode);

    if (f)
        return f;
    fprintf(stderr, "error usage: cannot open '%s'\n", path);
    exit(2);
}

/* A volume's content is its first byte. */
static void write_data(void *arg, const struct volume *v, int content)
{
    AUTO_FCLOSE FILE *f = open_data(arg, v, "r+e");

    if (fputc(content, f) == EOF || fflush(f) != 0) {
        perror("error usage: cannot write a volume");
        exit(2);
    }
}

static int read_data(void *arg, const struct volume *v)
{
    AUTO_FCLOSE FILE *f = open_data(arg, v, "re");

    return fgetc(f);
}

static int verb_contract(struct drive *d, int argc, char **argv)
{
    const struct storage_contract c = {
        .title = "storage contract: elastistor",
        .loop = d->loop,
        .array = d->array,
        .write = write_data,
        .read = read_data,
        .arg = d,
    };

    (void)argc, (void)argv;
    return storage_contract_run(&c) == 0 ? 0 : -1;
}

static const struct {
    const char *name;
    int (*run)(struct drive *d, int argc, char **argv);
} verbs[] = {
    {"list", verb_list},         {"snapshot", verb_snapshot},     {"find", verb_find},
    {"remove", verb_remove},     {"stats", verb_stats},           {"history", verb_history},
    {"idle", verb_idle},         {"contract", verb_contract},     {"snapshots", verb_snapshots},
    {"rollback", verb_rollback}, {"clone", verb_clone},           {"delete", verb_delete},
    {"access", verb_access},     {"set-access", verb_set_access},
};

static void read_key(struct drive *d, const char *path)
{
    AUTO_FCLOSE FILE *f = fopen(path, "re");

    if (!f || !fgets(d->key, sizeof(d->key), f)) {
        fprintf(stderr, "error usage: cannot read '%s'\n", path);
        exit(2);
    }
    d->key[strcspn(d->key, "\n")] = '\0';
}

static void read_options(struct drive *d, int argc, char **argv)
{
    static const struct option options[] = {
        {"url", required_argument, NULL, 'u'},         {"ca", required_argument, NULL, 'c'},
        {"fingerprint", required_argument, NULL, 'f'}, {"key-file", required_argument, NULL, 'k'},
        {"deadline", required_argument, NULL, 'd'},    {"warm", no_argument, NULL, 'w'},
        {"timeout", required_argument, NULL, 't'},     {"cancel", required_argument, NULL, 'C'},
        {"files", required_argument, NULL, 'F'},       {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
        if (c == 'u')
            d->conf.url = optarg;
        else if (c == 'c')
            d->conf.ca = optarg;
        else if (c == 'f')
            d->conf.fingerprint = optarg;
        else if (c == 'k')
            read_key(d, optarg);
        else if (c == 'd')
            d->deadline_ms = atoi(optarg);
        else if (c == 't')
            d->conf.timeout_ms = atoi(optarg);
        else if (c == 'C')
            d->cancel_ms = atoi(optarg);
        else if (c == 'w')
            d->warm = true;
        else if (c == 'F')
            d->files = optarg;
        else
            exit(2);
    }
    d->conf.api_key = d->key;
}

static int run_verb(struct drive *d, int argc, char **argv)
{
    struct err e = ERR_INIT;
    int rc = -1;

    for (size_t i = 0; argc > 0 && i < ARRAY_SIZE(verbs); i++) {
        if (strcmp(argv[0], verbs[i].name) != 0)
            continue;
        d->loop = loop_new();
        if (storage_open(&d->array, &d->conf, d->loop, &e) < 0)
            (void)fail(&e);
        else
            rc = verbs[i].run(d, argc - 1, argv + 1);
        storage_op_release(&d->list);
        storage_close(d->array);
        loop_free(d->loop);
        return rc;
    }
    fprintf(stderr, "error usage: give a verb\n");
    exit(2);
}

int main(int argc, char **argv)
{
    struct drive d = {
        .deadline_ms = 10000,
        .files = ".",
        .conf = {.name = "east",
                 .driver = "elastistor",
                 .url = "",
                 .ca = "",
                 .fingerprint = "",
                 .timeout_ms = 60000},
    };

    read_options(&d, argc, argv);
    return run_verb(&d, argc - optind, argv + optind) < 0 ? 1 : 0;
}
