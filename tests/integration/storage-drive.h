/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the files of storage-drive: the driver under test, and its verbs. */
#ifndef CBSNAP_STORAGE_DRIVE_H
#define CBSNAP_STORAGE_DRIVE_H

#include "host-coordinator/storage/storage.h"

struct drive {
    struct loop *loop;
    struct storage *array;
    struct storage_op list;
    int deadline_ms, cancel_ms;
    bool warm;
    const char *files;
    struct storage_conf conf;
    char key[512];
};

/* As the command line has it, counted from now; not for the list. */
int64_t drive_deadline(const struct drive *d);
/* Waits; -1 after a failure, which is printed. */
int drive_finish(struct drive *d, struct storage_op *op);
/* The volumes, into d->list. */
int drive_list(struct drive *d);
/* Of that name; ends the program when there is none. */
const struct volume *drive_volume(const struct drive *d, const char *name);
void drive_put_volume(const struct volume *v);

int verb_snapshots(struct drive *d, int argc, char **argv);
int verb_rollback(struct drive *d, int argc, char **argv);
int verb_clone(struct drive *d, int argc, char **argv);
int verb_delete(struct drive *d, int argc, char **argv);
int verb_access(struct drive *d, int argc, char **argv);
int verb_set_access(struct drive *d, int argc, char **argv);

#endif
