/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One error, told once.
 *
 * A function that can fail returns 0 or -1 (or NULL) and takes `struct err *e` last. The place
 * that detects a failure sets it, naming the object; callers on the way up add context with
 * err_prefix(); the top prints it once. Nothing here allocates, so failing works while the
 * guest's filesystems are frozen.
 *
 * Passing e == NULL is allowed everywhere and means "the caller does not want the words".
 * Thread-safe as long as two threads do not share one struct err.
 */
#ifndef CBSNAP_BASE_ERR_H
#define CBSNAP_BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>

/*
 * What an operator does next decides the code. The numbers are stable: they are the wire's
 * codes and the record's, so a value is never reused.
 */
enum err_code {
    ERR_NONE = 0,
    ERR_INTERNAL = 1,   /* report a bug */
    ERR_USAGE = 2,      /* correct the command line */
    ERR_CONFIG = 3,     /* correct a configuration or credentials file */
    ERR_REFUSED = 4,    /* a precondition does not hold; nothing was touched */
    ERR_BUSY = 5,       /* somebody else has the VM; try later */
    ERR_TIMEOUT = 6,    /* no answer in the time allowed: the outcome is unknown */
    ERR_IO = 7,         /* a local system call failed */
    ERR_PROTOCOL = 8,   /* the peer does not speak our protocol */
    ERR_NOT_FOUND = 9,  /* a named object does not exist */
    ERR_AUTH = 10,      /* not let in: correct keys, accounts or rights */
    ERR_MYSQL = 11,     /* the database server answered with an error */
    ERR_LOCK = 12,      /* the global read lock was not granted in the tries allowed */
    ERR_LOST = 13,      /* a lock or freeze that was held is gone: set not consistent */
    ERR_FREEZE = 14,    /* filesystems could not be frozen */
    ERR_STORAGE = 15,   /* the appliance failed the request */
    ERR_LIBVIRT = 16,   /* libvirt, QEMU or qemu-ga failed the request */
    ERR_CANCELLED = 17, /* a signal asked us to stop */
    ERR_LOOK = 18,      /* a person must look; the message names the repairing command */
};

#define ERR_TEXT 480 /* long enough for a sentence with two paths, short enough for a stack */

struct err {
    enum err_code code;
    int sys_errno;      /* 0 when no system call was involved */
    char msg[ERR_TEXT]; /* lower case, quotes the object, no final period */
};

#define ERR_INIT ((struct err){.code = ERR_NONE})

/* Sets e and returns -1, so that `return err_set(...)` reads as one act. e->msg may be among the
 * arguments: "... may be left (%s)". */
int err_set(struct err *e, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* As err_set(), with ": strerror(sys_errno)" appended and the number kept. */
int err_set_sys(struct err *e, enum err_code code, int sys_errno, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Puts "text: " before the message; keeps code and errno. Returns -1. */
int err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Appends " (text)": an extra fact or a hint on what to do. Returns -1. */
int err_hint(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Control characters become '?'; every message above has gone through it. */
void err_plain(char *text);

static inline bool err_is_set(const struct err *e)
{
    return e->code != ERR_NONE;
}

/* A stable lower-case word for the code: "timeout", "lost", ... for records and --json. */
const char *err_code_name(enum err_code code);

#endif
