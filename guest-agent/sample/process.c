/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * FAMILY_PROCESS: memory of the server's process. Source: proc_pid_status(5).
 * Read with the files' lane although it cannot block: nothing about the server is told while
 * frozen.
 */
#include <stdio.h>
#include <stdlib.h>

#include "guest-agent/sample/keyed.h"
#include "guest-agent/sample/procfile.h"
#include "guest-agent/sample/server_facts.h"
#include "guest-agent/sample/sources.h"

/* It takes the kernel as long as many other files together, the more threads the longer. */
#define EVERY_MS 1000

struct process {
    const struct source_config *config;
    pid_t pid; /* of `file`; 0: none */
    struct procfile file;
    struct keyed *rows;
};

static void *process_open(const struct source_config *c)
{
    struct process *self = xcalloc(1, sizeof(*self));

    self->config = c;
    self->rows = keyed_new(FAMILY_PROCESS);
    return self;
}

static void follow(struct process *self, pid_t pid)
{
    char name[64];

    if (self->pid)
        procfile_release(&self->file);
    if (pid) {
        (void)snprintf(name, sizeof(name), "%d/status", (int)pid);
        procfile_init(&self->file, self->config->root, name);
    }
    self->pid = pid;
    keyed_forget(self->rows);
}

static void process_read(void *arg, struct sample *to)
{
    struct process *self = arg;
    pid_t pid = server_facts_get(self->config->server, NULL, NULL, NULL);
    char *text;

    if (pid != self->pid)
        follow(self, pid);
    text = pid ? procfile_read(&self->file, 16 * 1024) : NULL;
    if (text)
        keyed_read(self->rows, text, to);
}

static void process_close(void *arg)
{
    struct process *self = arg;

    follow(self, 0);
    keyed_free(self->rows);
    free(self);
}

const struct source process_source = {.name = "server's process",
                                      .lane = LANE_FILES,
                                      .every_ms = EVERY_MS,
                                      .open = process_open,
                                      .read = process_read,
                                      .close = process_close};
