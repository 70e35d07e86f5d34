/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verbs of storage-drive that go back to a snapshot. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tests/integration/storage-drive.h"

int verb_snapshots(struct drive *d, int argc, char **argv)
{
    struct storage_op op = {.done = false};
    int rc;

    if (argc != 1 || drive_list(d) < 0)
        return -1;
    d->array->ops->list_snapshots(d->array, drive_volume(d, argv[0]), drive_deadline(d), &op);
    rc = drive_finish(d, &op);
    for (size_t i = 0; rc == 0 && i < op.snapshot_count; i++)
        printf("%s %s %" PRId64 " %s\n", op.snapshots[i].name, op.snapshots[i].path,
               op.snapshots[i].clones, op.snapshots[i].time);
    storage_op_release(&op);
    return rc;
}

int verb_rollback(struct drive *d, int argc, char **argv)
{
    struct storage_op op = {.done = false};
    int rc;

    if (argc != 2 || drive_list(d) < 0)
        return -1;
    d->array->ops->rollback(d->array, drive_volume(d, argv[1]), argv[0], drive_deadline(d), &op);
    rc = drive_finish(d, &op);
    storage_op_release(&op);
    return rc;
}

int verb_clone(struct drive *d, int argc, char **argv)
{
    struct storage_op op = {.done = false};
    int rc;

    if (argc != 3 || drive_list(d) < 0)
        return -1;
    d->array->ops->clone(d->array, drive_volume(d, argv[1]), argv[0], argv[2], drive_deadline(d),
                         &op);
    rc = drive_finish(d, &op);
    if (rc == 0)
        drive_put_volume(&op.volumes[0]);
    storage_op_release(&op);
    return rc;
}

int verb_delete(struct drive *d, int argc, char **argv)
{
    char none[] = "";
    const struct volume given = {.id = argc == 2 ? argv[1] : none,
                                 .name = argv[0],
                                 .iqn = none,
                                 .serial = none,
                                 .group = none};
    struct storage_op op = {.done = false};
    int rc;

    if (argc < 1 || argc > 2 || (argc == 1 && drive_list(d) < 0))
        return -1;
    d->array->ops->remove_volume(d->array, argc == 2 ? &given : drive_volume(d, argv[0]),
                                 drive_deadline(d), &op);
    rc = drive_finish(d, &op);
    storage_op_release(&op);
    return rc;
}

int verb_access(struct drive *d, int argc, char **argv)
{
    struct storage_op op = {.done = false};
    int rc;

    if (argc != 1 || drive_list(d) < 0)
        return -1;
    d->array->ops->access(d->array, drive_volume(d, argv[0]), drive_deadline(d), &op);
    rc = drive_finish(d, &op);
    if (rc == 0)
        puts(op.access[0] ? op.access : "-");
    storage_op_release(&op);
    return rc;
}

int verb_set_access(struct drive *d, int argc, char **argv)
{
    struct storage_op op = {.done = false};
    const char *word;
    int rc;

    if (argc != 2 || drive_list(d) < 0)
        return -1;
    word = strcmp(argv[1], "-") == 0 ? "" : argv[1];
    d->array->ops->set_access(d->array, drive_volume(d, argv[0]), word, drive_deadline(d), &op);
    rc = drive_finish(d, &op);
    storage_op_release(&op);
    return rc;
}
