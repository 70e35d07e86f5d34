/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the INI file into struct options and refuses what it cannot mean; see options.h. */
#include "tests/elastistor-sim/options.h"
#include "tests/elastistor-sim/model.h"
#include "proto/base/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <string.h>

enum key_type { KEY_TEXT, KEY_NUMBER };

struct key {
    const char *name;
    enum key_type type;
    size_t offset, size;
    int64_t min, max;
    bool required;
};

#define SIZE_OF(m) sizeof(((struct options *)0)->m)
#define TEXT(n, m, req)                                                                            \
    {                                                                                              \
        n, KEY_TEXT, offsetof(struct options, m), SIZE_OF(m), 0, 0, req                            \
    }
#define NUMBER(n, m, min, max)                                                                     \
    {                                                                                              \
        n, KEY_NUMBER, offsetof(struct options, m), 8, min, max, false                             \
    }

static const struct key keys[] = {
    TEXT("listen", listen, false),
    NUMBER("port", port, 0, 65535),
    TEXT("port-file", port_file, false),
    TEXT("pid-file", pid_file, false),
    TEXT("cert", cert, true),
    TEXT("key", key, true),
    TEXT("api-key", api_key, true),
    TEXT("state-dir", state_dir, true),
    TEXT("log-file", log_file, false),
    TEXT("portal-address", portal_address, false),
    NUMBER("portal-port", portal_port, 1, 65535),
    NUMBER("tgt-control-port", tgt_control_port, 0, 65535),
    TEXT("account", account, false),
    TEXT("tsm", tsm, false),
    NUMBER("tsm-iops", tsm_iops, 1, 100000000),
    NUMBER("qos-interval-ms", qos_interval_ms, 100, 3600000),
};

struct reader {
    struct options *o;
    struct err *e;
};

static int number_parse(const char *value, int64_t min, int64_t max, int64_t *ret)
{
    char *end;
    long long n;

    errno = 0;
    n = strtoll(value, &end, 10);
    if (errno || end == value || *end || n < min || n > max)
        return -1;
    *ret = n;
    return 0;
}

static int set_key(struct reader *r, const char *name, const char *value)
{
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        const struct key *k = &keys[i];
        void *at = (char *)r->o + k->offset;

        if (strcmp(k->name, name) != 0)
            continue;
        if (k->type == KEY_TEXT)
            return str_set(at, k->size, value) == 0
                       ? 0
                       : err_set(r->e, ERR_CONFIG, "'%s' is longer than %zu bytes", name,
                                 k->size - 1);
        if (number_parse(value, k->min, k->max, at) < 0)
            return err_set(r->e, ERR_CONFIG, "'%s' must be a number from %lld to %lld, not '%s'",
                           name, (long long)k->min, (long long)k->max, value);
        return 0;
    }
    return err_set(r->e, ERR_CONFIG, "unknown key '%s' in [sim]", name);
}

static int set_choice(struct reader *r, const char *name, const char *value, bool *ret_second,
                      const char *first, const char *second)
{
    *ret_second = strcmp(value, second) == 0;
    if (*ret_second || strcmp(value, first) == 0)
        return 0;
    return err_set(r->e, ERR_CONFIG, "'%s' must be '%s' or '%s', not '%s'", name, first, second,
                   value);
}

static int set_sim(struct reader *r, const char *name, const char *value)
{
    bool second;

    if (strcmp(name, "iscsi") == 0)
        return set_choice(r, name, value, &r->o->tgt, "none", "tgt");
    if (strcmp(name, "clone-initiators") == 0)
        return set_choice(r, name, value, &r->o->open_clones, "None", "ALL");
    if (strcmp(name, "rollback-past-newer") == 0) {
        if (set_choice(r, name, value, &second, "refuse", "destroy") < 0)
            return -1;
        r->o->rollback = second ? ROLLBACK_DESTROY : ROLLBACK_REFUSE;
        return 0;
    }
    return set_key(r, name, value);
}

/* [pools]: NAME = SIZE */
static int set_pool(struct reader *r, const char *name, const char *value)
{
    struct pool_option *p = &r->o->pools[r->o->n_pools];
    int64_t bytes = quota_parse(value);

    if (r->o->n_pools == MAX_POOLS)
        return err_set(r->e, ERR_CONFIG, "more than %d pools", MAX_POOLS);
    if (bytes < INT64_C(1) << 20)
        return err_set(r->e, ERR_CONFIG, "size of pool '%s' must look like 20G, not '%s'", name,
                       value);
    if (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") !=
            strlen(name) ||
        STR_SET(p->name, name) < 0)
        return err_set(r->e, ERR_CONFIG, "pool name '%s' is no short word", name);
    p->size_mib = bytes >> 20;
    r->o->n_pools++;
    return 0;
}

static int add_setting(struct reader *r, struct setting *list, size_t *n, const char *name,
                       const char *value)
{
    if (*n == MAX_SETTINGS)
        return err_set(r->e, ERR_CONFIG, "more than %d lines", MAX_SETTINGS);
    if (STR_SET(list[*n].name, name) < 0 || STR_SET(list[*n].value, value) < 0)
        return err_set(r->e, ERR_CONFIG, "'%s' is too long", name);
    (*n)++;
    return 0;
}

static int on_line(void *user, const char *section, const char *name, const char *value)
{
    struct reader *r = user;
    int rc;

    if (err_is_set(r->e))
        return 0; /* inih goes on after an error; the first one is the one to tell */
    if (strcmp(section, "sim") == 0)
        rc = set_sim(r, name, value);
    else if (strcmp(section, "pools") == 0)
        rc = set_pool(r, name, value);
    else if (strcmp(section, "latency") == 0)
        rc = add_setting(r, r->o->latencies, &r->o->n_latencies, name, value);
    else if (strcmp(section, "faults") == 0)
        rc = add_setting(r, r->o->faults, &r->o->n_faults, name, value);
    else
        rc = err_set(r->e, ERR_CONFIG, "unknown section [%s]", section);
    return rc == 0;
}

static void set_defaults(struct options *o)
{
    *o = (struct options){
        .port = 443, .portal_port = 3260, .tsm_iops = 100000, .qos_interval_ms = 30000};
    STR_SET(o->listen, "127.0.0.1");
    STR_SET(o->portal_address, "127.0.0.1");
    STR_SET(o->account, "acme");
    STR_SET(o->tsm, "vsm1");
}

static int check_word(const char *key, const char *value, struct err *e)
{
    /* they become directory names and parts of an IQN */
    for (const char *p = value; *p; p++)
        if (!isalnum((unsigned char)*p) && *p != '_')
            return err_set(e, ERR_CONFIG, "'%s' may hold letters, digits and '_' only, not '%s'",
                           key, value);
    return *value ? 0 : err_set(e, ERR_CONFIG, "'%s' is empty", key);
}

static int check_whole(const struct options *o, struct err *e)
{
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (keys[i].required && *((const char *)o + keys[i].offset) == 0)
            return err_set(e, ERR_CONFIG, "[sim] lacks '%s'", keys[i].name);
    if (o->n_pools == 0)
        return err_set(e, ERR_CONFIG, "[pools] lacks a line such as 'pool1 = 20G'");
    if (o->state_dir[0] != '/')
        return err_set(e, ERR_CONFIG, "'state-dir' must be an absolute path, not '%s'",
                       o->state_dir);
    return check_word("account", o->account, e) < 0 || check_word("tsm", o->tsm, e) < 0 ? -1 : 0;
}

int options_read(struct options *o, const char *path, struct err *e)
{
    struct reader r = {.o = o, .e = e};
    int rc;

    set_defaults(o);
    rc = ini_parse(path, on_line, &r);
    if (rc < 0)
        return err_set_sys(e, ERR_CONFIG, errno, "cannot read configuration '%s'", path);
    if (rc > 0 && !err_is_set(e))
        err_set(e, ERR_CONFIG, "not a 'key = value' line");
    if (rc > 0)
        return err_prefix(e, "configuration '%s', line %d", path, rc);
    return check_whole(o, e) < 0 ? err_prefix(e, "configuration '%s'", path) : 0;
}
