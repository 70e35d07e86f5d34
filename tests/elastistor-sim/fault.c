/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of latencies and waiting faults; see fault.h. */
#include "tests/elastistor-sim/fault.h"
#include "tests/elastistor-sim/model.h"
#include "tests/elastistor-sim/reply.h"
#include "proto/base/cleanup.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define LATENCY_DEFAULT_MS 30
#define MS_MAX             3600000

static const char *const kind_names[] = {
    [FAULT_NONE] = "none",           [FAULT_STATUS] = "status",       [FAULT_SLOW] = "slow",
    [FAULT_JOB_STUCK] = "job-stuck", [FAULT_JOB_FAIL] = "job-fail",   [FAULT_RESET] = "reset",
    [FAULT_GARBAGE] = "garbage",     [FAULT_TRUNCATED] = "truncated", [FAULT_ENDLESS] = "endless",
};

static const struct {
    const char *command;
    int64_t ms;
} measured[] = {
    {"listTsm", 200},
    {"addQosGroup", 150},
    {"createVolume", 60},
    {"createVolume.job", 7000},
    {"deleteFileSystem", 60},
    {"deleteFileSystem.job", 4000},
    {"listFileSystem", 60},
    {"updateFileSystem", 330},
    {"updateVolumeiSCSIService", 400},
    {"createStorageSnapshot", 235},
    {"listStorageSnapshots", 90},
    {"deleteSnapshot", 290},
    {"rollbackToSnapshot", 290}, /* nobody timed it; as a delete, which is as much work for ZFS */
    {"cloneDatasetSnapshot", 4400},
};

struct latency {
    char command[64];
    int64_t ms;
};

struct waiting {
    struct fault fault;
    char command[64], match_name[64], match_text[256];
    int64_t left; /* 0: for ever */
};

struct faults {
    pthread_mutex_t lock;
    const struct options *o;
    struct latency latencies[MAX_SETTINGS];
    struct waiting waiting[MAX_SETTINGS];
    size_t n_latencies, n_waiting;
};

static int number(const struct params *p, const char *name, int64_t min, int64_t max, int64_t *ret,
                  struct err *e)
{
    const char *text = params_get(p, name);
    char *end;
    long long n;

    if (!text)
        return 0;
    errno = 0;
    n = strtoll(text, &end, 10);
    if (errno || end == text || *end || n < min || n > max)
        return err_set(e, ERR_USAGE, "'%s' must be a number from %lld to %lld, not '%s'", name,
                       (long long)min, (long long)max, text);
    *ret = n;
    return 0;
}

static int set_latency(struct faults *f, const char *command, int64_t ms, struct err *e)
{
    size_t i = 0;

    while (i < f->n_latencies && strcasecmp(f->latencies[i].command, command) != 0)
        i++;
    if (i == MAX_SETTINGS)
        return err_set(e, ERR_USAGE, "more than %d latencies", MAX_SETTINGS);
    snprintf(f->latencies[i].command, sizeof(f->latencies[i].command), "%s", command);
    f->latencies[i].ms = ms;
    if (i == f->n_latencies)
        f->n_latencies++;
    return 0;
}

int faults_set_latency(struct faults *f, const struct params *p, struct err *e)
{
    const char *command = params_get(p, "command");
    int64_t ms = -1;

    if (!command || !params_get(p, "ms"))
        return err_set(e, ERR_USAGE, "a latency needs command=NAME and ms=NUMBER");
    if (number(p, "ms", 0, MS_MAX, &ms, e) < 0)
        return -1;
    AUTO_LOCK(held, &f->lock);
    return set_latency(f, command, ms, e);
}

static int read_kind(const struct params *p, enum fault_kind *ret, struct err *e)
{
    const char *text = params_get(p, "kind");

    for (size_t i = 1; text && i < ARRAY_SIZE(kind_names); i++)
        if (strcmp(kind_names[i], text) == 0) {
            *ret = (enum fault_kind)i;
            return 0;
        }
    return err_set(e, ERR_USAGE,
                   "kind must be status, job-stuck, job-fail, slow, reset, garbage, truncated or "
                   "endless, not '%s'",
                   text ? text : "");
}

static int read_fault(const struct params *p, struct waiting *w, struct err *e)
{
    const char *command = params_get(p, "command"), *match = params_get(p, "match");
    const char *colon = match ? strchr(match, ':') : NULL;

    if (!command || STR_SET(w->command, command) < 0)
        return err_set(e, ERR_USAGE, "a fault needs command=NAME, or command=* for all");
    if (match && !colon)
        return err_set(e, ERR_USAGE, "match must look like parameter:value, not '%s'", match);
    if (match &&
        ((size_t)(colon - match) >= sizeof(w->match_name) || STR_SET(w->match_text, colon + 1) < 0))
        return err_set(e, ERR_USAGE, "match '%s' is too long", match);
    if (match)
        memcpy(w->match_name, match, (size_t)(colon - match));
    if (read_kind(p, &w->fault.kind, e) < 0 ||
        number(p, "value", 0, MS_MAX, &w->fault.value, e) < 0 ||
        number(p, "count", 0, INT32_MAX, &w->left, e) < 0)
        return -1;
    if (w->fault.kind == FAULT_STATUS && (w->fault.value < 300 || w->fault.value > 599))
        return err_set(e, ERR_USAGE, "kind=status needs value=300..599");
    return 0;
}

int faults_add(struct faults *f, const struct params *p, struct err *e)
{
    struct waiting w = {.left = 0};

    if (read_fault(p, &w, e) < 0)
        return -1;
    AUTO_LOCK(held, &f->lock);
    if (f->n_waiting == MAX_SETTINGS)
        return err_set(e, ERR_USAGE, "more than %d faults", MAX_SETTINGS);
    f->waiting[f->n_waiting++] = w;
    return 0;
}

static bool fits(const struct waiting *w, const char *command, const struct params *p)
{
    const char *text;

    if (strcmp(w->command, "*") != 0 && strcasecmp(w->command, command) != 0)
        return false;
    if (!w->match_name[0])
        return true;
    text = params_get(p, w->match_name);
    return text && strcmp(text, w->match_text) == 0;
}

struct fault faults_take(struct faults *f, const char *command, const struct params *p)
{
    AUTO_LOCK(held, &f->lock);
    for (size_t i = 0; i < f->n_waiting; i++) {
        struct waiting *w = &f->waiting[i];
        struct fault fault = w->fault;

        if (!fits(w, command, p))
            continue;
        if (w->left > 0 && --w->left == 0) {
            memmove(w, w + 1, (f->n_waiting - i - 1) * sizeof(*w));
            f->n_waiting--;
        }
        return fault;
    }
    return (struct fault){.kind = FAULT_NONE};
}

int64_t faults_latency_ms(struct faults *f, const char *command)
{
    AUTO_LOCK(held, &f->lock);
    for (size_t i = 0; i < f->n_latencies; i++)
        if (strcasecmp(f->latencies[i].command, command) == 0)
            return f->latencies[i].ms;
    return LATENCY_DEFAULT_MS;
}

/* Defaults and the configuration's lines, which were checked when the program started. */
static int load(struct faults *f, struct err *e)
{
    int rc = 0;

    f->n_latencies = f->n_waiting = 0;
    for (size_t i = 0; i < ARRAY_SIZE(measured); i++)
        set_latency(f, measured[i].command, measured[i].ms, NULL);
    for (size_t i = 0; i < f->o->n_latencies && rc == 0; i++) {
        struct params p = {.n = 0};
        int64_t ms = 0;

        params_add(&p, "ms", f->o->latencies[i].value);
        rc = number(&p, "ms", 0, MS_MAX, &ms, e);
        if (rc == 0)
            rc = set_latency(f, f->o->latencies[i].name, ms, e);
        if (rc < 0)
            err_prefix(e, "[latency] %s", f->o->latencies[i].name);
        params_release(&p);
    }
    for (size_t i = 0; i < f->o->n_faults && rc == 0; i++) {
        struct params p = {.n = 0};
        struct waiting w = {.left = 0};

        params_parse(&p, f->o->faults[i].value);
        rc = read_fault(&p, &w, e);
        if (rc == 0)
            f->waiting[f->n_waiting++] = w;
        else
            err_prefix(e, "[faults] %s", f->o->faults[i].name);
        params_release(&p);
    }
    return rc;
}

struct faults *faults_new(const struct options *o, struct err *e)
{
    struct faults *f = xcalloc(1, sizeof(*f));

    pthread_mutex_init(&f->lock, NULL);
    f->o = o;
    if (load(f, e) < 0) {
        e->code = ERR_CONFIG; /* the same words at run time are a wrong request */
        faults_free(f);
        return NULL;
    }
    return f;
}

void faults_free(struct faults *f)
{
    if (!f)
        return;
    pthread_mutex_destroy(&f->lock);
    free(f);
}

void faults_clear(struct faults *f)
{
    AUTO_LOCK(held, &f->lock);
    (void)load(f, NULL);
}

json_t *faults_show(struct faults *f)
{
    json_t *o = json_object(), *latencies = json_object(), *waiting = json_array();

    AUTO_LOCK(held, &f->lock);
    for (size_t i = 0; i < f->n_latencies; i++)
        put_int(latencies, f->latencies[i].command, f->latencies[i].ms);
    for (size_t i = 0; i < f->n_waiting; i++) {
        const struct waiting *w = &f->waiting[i];
        json_t *item = json_object();

        put_text(item, "command", "%s", w->command);
        put_text(item, "kind", "%s", fault_kind_name(w->fault.kind));
        put_int(item, "value", w->fault.value);
        put_int(item, "left", w->left);
        if (w->match_name[0])
            put_text(item, "match", "%s:%s", w->match_name, w->match_text);
        json_array_append_new(waiting, item);
    }
    json_object_set_new(o, "latency_ms", latencies);
    json_object_set_new(o, "faults", waiting);
    return o;
}

const char *fault_kind_name(enum fault_kind kind)
{
    return kind_names[kind];
}
