/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The option tables of coord.conf and of the credentials file; see config.h. */
#include "host-coordinator/config/config.h"

#include "host-coordinator/policy/policy.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/compat.h"
#include "proto/conf/conf.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT(sec, k, member, def, text)                                                            \
    {                                                                                              \
        .section = sec, .key = k, .type = CONF_STRING, .offset = offsetof(struct config, member),  \
        .fallback = def, .help = text                                                              \
    }
/* never empty */
#define PATH(sec, k, member, def, text)                                                            \
    {                                                                                              \
        .section = sec, .key = k, .type = CONF_PATH, .offset = offsetof(struct config, member),    \
        .fallback = def, .min = 1, .help = text                                                    \
    }
#define NUMBER(sec, k, member, def, lo, hi, text)                                                  \
    {                                                                                              \
        .section = sec, .key = k, .type = CONF_INT, .offset = offsetof(struct config, member),     \
        .fallback = def, .min = lo, .max = hi, .help = text                                        \
    }
#define APPLIANCE(k, member, def, text)                                                            \
    {                                                                                              \
        .section = "appliance *", .key = k, .type = CONF_STRING,                                   \
        .offset = offsetof(struct appliance_config, member), .fallback = def, .help = text         \
    }

static const struct conf_option options[] = {
    TEXT("libvirt", "uri", uri, "qemu:///system", "libvirt connection; -c overrides it"),
    NUMBER("libvirt", "timeout_ms", libvirt_ms, "10000", 100, 600000,
           "how long an ordinary libvirt call may take"),
    PATH("files", "state_dir", state_dir, "/var/lib/cbsnap", "records and journals live below"),
    PATH("files", "credentials", credentials, CBSNAP_SYSCONFDIR "/cbsnap/credentials",
         "API keys, one section [appliance NAME] with api_key each; mode 0600"),
    TEXT("guest", "channel", channel, "org.cbsnap.agent.0",
         "the agent's channel in the domain XML"),
    NUMBER("guest", "answer_ms", answer_ms, "5000", 100, 600000,
           "how long the agent may take to answer"),
    NUMBER("guest", "flush_ms", flush_ms, "30000", 0, 600000,
           "how much longer it may take when it flushes before the freeze what has gathered"),
    TEXT("snapshot", "exclude", exclude, "", "disks left out of every set: vdd, vde"),
    NUMBER("snapshot", "lease_ms", lease_ms, "10000", 1000, 300000,
           "the guest lets go by itself when it has not heard from us for so long"),
    NUMBER("snapshot", "freeze_ms", freeze_ms, "60000", 1000, 600000,
           "how long the freeze may take, the tries for the lock included"),
    NUMBER("snapshot", "max_stall_ms", max_stall_ms, "10000", 1000, 300000,
           "frozen longer than this, the run gives up"),
    NUMBER("snapshot", "late_ms", late_ms, "10000", 0, 600000,
           "how long a given-up snapshot is waited for before it is believed never to come"),
    NUMBER("snapshot", "before_ms", before_ms, "10000", 0, 600000,
           "fast samples are gathered so long before the freeze; the policy looks at them"),
    NUMBER("snapshot", "after_ms", after_ms, "30000", 0, 600000,
           "fast samples are gathered so long after the thaw"),
    NUMBER("snapshot", "fast_ms", fast_ms, "200", 100, 60000,
           "interval between fast samples, as asked of the agent"),
    NUMBER("snapshot", "history_ms", history_ms, "60000", 0, 600000,
           "how much of the samples that the agent has kept is taken into the record"),
    NUMBER("restore", "clone_ms", clone_ms, "600000", 1000, CONFIG_CLONE_MAX_MS,
           "how long the appliance may take for a clone, a roll back or a removal"),
    NUMBER("restore", "stop_ms", stop_ms, "120000", 1000, 3600000,
           "how long a guest may take to shut down, for each way of asking"),
    NUMBER("restore", "boot_ms", boot_ms, "300000", 1000, 3600000,
           "how long a started VM may take until its agent answers"),
    NUMBER("restore", "recovery_ms", recovery_ms, "3600000", 1000, 86400000,
           "how long the server of a started VM may take to recover"),
    NUMBER("verify", "check_ms", check_ms, "86400000", 1000, 604800000,
           "how long reading all data may take"),
    NUMBER("verify", "memory_mib", verify_mib, "0", 0, 1048576,
           "memory of the throw-away VM; 0: as the set's"),
    {.section = "policy",
     .key = "refuse",
     .type = CONF_LIST,
     .help = "a rule: no snapshot is begun while it is so"},
    {.section = "policy",
     .key = "warn",
     .type = CONF_LIST,
     .help = "a rule that is only told, and kept in the record"},
    {.section = "policy",
     .key = "wait",
     .type = CONF_DURATION,
     .offset = offsetof(struct config, wait_ms),
     .fallback = "0",
     .max = 24 * 3600 * 1000,
     .help = "how long to wait for a moment that nothing refuses; 0: not at all"},
    {.section = "policy",
     .key = "absent",
     .type = CONF_TAKE,
     .fallback = "note",
     .help = "note or refuse: what a 'refuse' does that no reading can decide"},
    APPLIANCE("driver", driver, "elastistor", "what kind of appliance: elastistor"),
    APPLIANCE("url", url, "", "of its API: https://HOST/client/api"),
    {.section = "appliance *",
     .key = "ca",
     .type = CONF_PATH,
     .offset = offsetof(struct appliance_config, ca),
     .fallback = "",
     .help = "PEM file of the CA to trust; empty: the system's"},
    APPLIANCE("fingerprint", fingerprint, "", "sha256//BASE64 of the public key, instead of a CA"),
    {.section = "appliance *",
     .key = "timeout_ms",
     .type = CONF_INT,
     .offset = offsetof(struct appliance_config, timeout_ms),
     .fallback = "60000",
     .min = 100,
     .max = 600000,
     .help = "how long one request may take outside of the freeze"},
};

static const struct conf_option secrets[] = {
    APPLIANCE("api_key", api_key, "", "the key of an ElastiCenter user"),
};

static struct appliance_config *find(struct config *c, const char *name)
{
    for (size_t n = 0; n < c->appliance_count; n++) {
        if (strcmp(c->appliances[n].name, name) == 0)
            return &c->appliances[n];
    }
    return NULL;
}

static void *secret_section(void *target, const char *word, const char *name, struct err *e)
{
    void *a = find(target, name);

    if (!a)
        err_set(e, ERR_CONFIG, "there is no [%s %s] in coord.conf; correct the name", word, name);
    return a;
}

const struct conf_spec credentials_spec = {
    .options = secrets, .count = ARRAY_SIZE(secrets), .named = secret_section};

static void *appliance_section(void *target, const char *word, const char *name, struct err *e);

static int take_rule(struct config *c, enum policy_action action, const char *text,
                     struct conf_place *place, struct err *e)
{
    size_t column = 1;

    if (policy_add(c->policy, action, text, place->line, &column, e) == 0)
        return 0;
    place->column += (unsigned)column - 1;
    return -1;
}

/* The options of [policy] that are no plain values. */
static int take(void *target, const struct conf_option *o, const char *text,
                struct conf_place *place, struct err *e)
{
    struct config *c = target;
    bool refuse = strcmp(text, "refuse") == 0;

    if (strcmp(o->key, "refuse") == 0)
        return take_rule(c, POLICY_REFUSE, text, place, e);
    if (strcmp(o->key, "warn") == 0)
        return take_rule(c, POLICY_WARN, text, place, e);
    if (!refuse && strcmp(text, "note") != 0)
        return err_set(e, ERR_CONFIG, "'%s = %s': write note or refuse", o->key, text);
    c->absent_refuses = refuse;
    return 0;
}

const struct conf_spec config_spec = {
    .options = options, .count = ARRAY_SIZE(options), .take = take, .named = appliance_section};

static void *appliance_section(void *target, const char *word, const char *name, struct err *e)
{
    struct config *c = target;
    struct appliance_config *a = find(c, name);

    if (a)
        return a;
    if (!*name) {
        err_set(e, ERR_CONFIG, "[%s] needs a name, as in [%s east]", word, word);
        return NULL;
    }
    c->appliances = xrealloc(c->appliances, (c->appliance_count + 1) * sizeof(*c->appliances));
    a = &c->appliances[c->appliance_count++];
    *a = (struct appliance_config){.name = xstrdup(name)};
    conf_defaults(&config_spec, word, a);
    conf_defaults(&credentials_spec, word, a);
    return a;
}

static int check(const struct config *c, const char *path, struct err *e)
{
    for (size_t n = 0; n < c->appliance_count; n++) {
        const struct appliance_config *a = &c->appliances[n];

        if (!*a->url)
            return err_set(e, ERR_CONFIG,
                           "[appliance %s] in %s has no 'url'; set it to https://HOST/client/api",
                           a->name, path);
        if (!*a->api_key)
            return err_set(e, ERR_CONFIG,
                           "there is no API key for appliance '%s'; put 'api_key = ...' under "
                           "[appliance %s] into %s",
                           a->name, a->name, c->credentials);
    }
    return 0;
}

/* As root: the user whom the state directory belongs to, for that is who runs cbsnap-coord else. */
static uid_t own_user(const struct config *c)
{
    struct stat st;

    return geteuid() == 0 && stat(c->state_dir, &st) == 0 ? st.st_uid : 0;
}

static int read_secrets(struct config *c, const char *path, struct err *e)
{
    /* the first thing that is missing right after the installation: before the file with its key */
    if (c->appliance_count == 0)
        return err_set(e, ERR_CONFIG, "%s names no appliance; add a section [appliance NAME]",
                       path);
    if (conf_check_private(c->credentials, own_user(c), e) < 0)
        return -1;
    if (conf_read(&credentials_spec, c->credentials, c, e) < 0)
        return e->sys_errno ? err_set_sys(e, ERR_CONFIG, e->sys_errno,
                                          "cannot read the credentials file '%s'", c->credentials)
                            : -1;
    return check(c, path, e);
}

int config_load(struct config *ret, const char *path, bool appliances, struct err *e)
{
    struct config c = {.policy = policy_new()};
    bool may_be_absent = !path && !appliances;
    struct err why = ERR_INIT;
    int rc;

    if (!path)
        path = CONFIG_DEFAULT;
    conf_defaults(&config_spec, NULL, &c);
    rc = conf_read(&config_spec, path, &c, &why);
    if (rc < 0 && why.code == ERR_NOT_FOUND && may_be_absent)
        rc = 0;
    if (rc == 0 && appliances)
        rc = read_secrets(&c, path, &why);
    if (rc < 0) {
        /* a missing file is the user's to mend, like a wrong one */
        if (why.code == ERR_NOT_FOUND)
            err_hint(&why, "write it, or name another with --config");
        why.code = ERR_CONFIG;
        *e = why;
        config_release(&c);
        return -1;
    }
    *ret = c;
    return 0;
}

void config_release(struct config *c)
{
    for (size_t n = 0; n < c->appliance_count; n++) {
        struct appliance_config *a = &c->appliances[n];

        if (a->api_key)
            wipe(a->api_key, strlen(a->api_key));
        conf_release(&credentials_spec, "appliance", a);
        conf_release(&config_spec, "appliance", a);
        free(a->name);
    }
    free(c->appliances);
    policy_free(c->policy);
    conf_release(&config_spec, NULL, c);
    *c = (struct config){.appliance_count = 0};
}
