/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Subcommands are rows: name, arguments, what main() must have ready, function. main() enforces the
 * row before the call.
 */
#ifndef CBSNAP_COMMAND_H
#define CBSNAP_COMMAND_H

#include <stdbool.h>

#include "host-coordinator/config/config.h"
#include "host-coordinator/loop/loop.h"
#include "host-coordinator/plan/run.h"
#include "proto/base/usage.h"

/* Exit statuses; command_exits says what each means. */
enum {
    EXIT_DONE = 0,
    EXIT_USAGE = 2,
    EXIT_REFUSED = 3,
    EXIT_FAILED = 4,
    EXIT_LOOK = 5,
    EXIT_DIFFERENT = 6,
};

struct given_option {
    const char *name, *value; /* value "" for a flag */
};

struct command_context {
    const struct config *conf;
    struct loop *loop; /* NULL unless NEED_LOOP */
    const char *uri;
    bool json, verbose;
    bool *answered; /* with json: set once the command has printed its document */
    char **args;
    int arg_count;
    const struct given_option *given;
    size_t given_count;
};

/* What was given for an option of this command: its value, "" for a flag, NULL when it was not
 * given. The last one counts. */
const char *command_option(const struct command_context *c, const char *name);

enum command_need {
    NEED_LOOP = 1,       /* an event loop that catches signals */
    NEED_APPLIANCES = 2, /* coord.conf and credentials must be whole */
    LIKE_APPLIANCES = 4, /* the same if they are, else without */
    ONLY_TELLS = 8,      /* it changes nothing: when its output is lost it was for nothing */
    RECORDS_DOMAIN = 16, /* its argument; a UUID is told by the records, libvirt is not asked */
};

struct command {
    const char *name;
    const char *synopsis; /* of its arguments: "DOMAIN", "[DOMAIN]" */
    const char *help;     /* one sentence, without a capital and a period */
    int min_args, max_args;
    unsigned needs;
    const struct usage_option *options; /* its own, beside common_options */
    /* Returns the exit status. On failure e is set unless the command told it already. */
    int (*run)(const struct command_context *c, struct err *e);
};

extern const struct usage_option watch_options[];

extern const struct command commands[];
extern const size_t command_count;
extern const struct usage_option common_options[]; /* of all commands */
extern const struct usage_exit command_exits[];
extern const size_t command_exit_count;

int cmd_best(const struct command_context *c, struct err *e);
int cmd_check(const struct command_context *c, struct err *e);
int cmd_delete(const struct command_context *c, struct err *e);
int cmd_import(const struct command_context *c, struct err *e);
int cmd_list(const struct command_context *c, struct err *e);
int cmd_prune(const struct command_context *c, struct err *e);
int cmd_recover(const struct command_context *c, struct err *e);
int cmd_restore(const struct command_context *c, struct err *e);
int cmd_show(const struct command_context *c, struct err *e);
int cmd_snapshot(const struct command_context *c, struct err *e);
int cmd_thaw(const struct command_context *c, struct err *e);
int cmd_verify(const struct command_context *c, struct err *e);
int cmd_watch(const struct command_context *c, struct err *e);

/* Prints the document on stdout: the only one, whatever the command does later. */
void command_answer(const struct command_context *c, const struct record *r);

/* The same, of a document that ends in a long list; see record_write_list(). */
void command_answer_list(const struct command_context *c, const struct record *head,
                         const char *name, record_next *next, void *arg);

/* Progress on stderr: a live line on a terminal, plain lines otherwise; nothing but failures unless
 * the output is for people. */
struct run_reporter progress_reporter(bool quiet);

#endif
