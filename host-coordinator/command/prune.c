/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cbsnap-coord delete SET, prune DOMAIN: removing sets without losing the good ones. */
#include "host-coordinator/command/prune.h"

#include "host-coordinator/command/command.h"
#include "host-coordinator/rank/when.h"

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/plain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* No run of the VM may begin or be under way: it would have the appliance wait for us, and could
 * clone what was just seen to have no clones. */
static int lock_vm(struct run *r, const char *uuid, struct err *e)
{
    return uuid ? store_lock(r->conf->state_dir, uuid, &r->lock_fd, e) : 0;
}

/* Everything is read before anything is removed. */
static int begin(const struct command_context *c, struct run *r, struct inventory *inv,
                 const char *uuid, struct err *e)
{
    *inv = (struct inventory){.run = NULL};
    run_init(r, c->conf, &domain_libvirt, c->loop, c->uri, "");
    r->report = progress_reporter(true);
    return lock_vm(r, uuid, e) < 0 ? -1 : inventory_read(inv, r, e);
}

/* What ended it before anything was removed. */
static int begin_exit(const struct err *e)
{
    return e->code == ERR_CONFIG || e->code == ERR_USAGE ? EXIT_USAGE : EXIT_REFUSED;
}

static void end(struct run *r, struct inventory *inv)
{
    inventory_release(inv);
    run_release(r);
}

/* ---- delete ---------------------------------------------------------------------------------- */

static int delete_set(const struct command_context *c, struct inventory *inv, const char *id,
                      struct err *e)
{
    struct record *set = inventory_set(inv, id);
    struct standing s;

    if (!set) {
        err_set(e, ERR_NOT_FOUND, "there is no set '%s'; cbsnap-coord list shows all", id);
        return EXIT_USAGE;
    }
    if (inventory_last_good(inv, set) && !command_option(c, "force")) {
        inventory_judge(inv, set, &s);
        err_set(e, ERR_REFUSED,
                s.good
                    ? "set '%s' is the last of domain '%s' that can be gone back to; --force "
                      "deletes it"
                    : "set '%s' may be the last of domain '%s' that can be gone back to, but not "
                      "all of it is listed now; --force deletes it",
                record_text(set, "set"), record_text(set, "domain.name"));
        return EXIT_REFUSED;
    }
    if (inventory_remove(inv, set, e) == 0)
        return EXIT_DONE;
    return e->code == ERR_REFUSED ? EXIT_REFUSED : EXIT_FAILED;
}

int cmd_delete(const struct command_context *c, struct err *e)
{
    struct record *given = store_load(c->conf->state_dir, c->args[0], e); /* a prefix will do */
    struct inventory inv;
    struct run r;
    int status;

    if (!given)
        return EXIT_USAGE;
    status = begin(c, &r, &inv, record_text(given, "domain.uuid"), e) < 0
                 ? begin_exit(e)
                 : delete_set(c, &inv, record_text(given, "set") ?: c->args[0], e);
    end(&r, &inv);
    record_free(given);
    return status;
}

/* ---- prune: what is asked -------------------------------------------------------------------- */

static int read_count(const char *option, const char *text, size_t *ret, struct err *e)
{
    char *rest;
    unsigned long value;

    if (!text)
        return 0;
    errno = 0;
    value = strtoul(text, &rest, 10);
    if (*text < '0' || *text > '9' || *rest || errno || value == 0)
        return err_set(e, ERR_USAGE, "--%s '%s' is not a number of sets above 0", option, text);
    *ret = value;
    return 0;
}

static int read_rules(const struct command_context *c, struct retain_rules *rules, struct err *e)
{
    const char *within = command_option(c, "keep-within");

    *rules = (struct retain_rules){.now_us = wall_us()};
    for (int n = 0; n < RETAIN_RULES; n++) {
        AUTO_FREE char *option = xasprintf("keep-%s", retain_rule_names[n]);

        if (read_count(option, command_option(c, option), &rules->keep[n], e) < 0)
            return -1;
    }
    /* a rule that is given and keeps nothing would remove what it was to keep */
    if (within && (!when_span(within, &rules->within_us) || rules->within_us == 0))
        return err_set(e, ERR_USAGE,
                       "--keep-within '%s' is no length of time above 0; give 90m, 12h, 7d or 2w",
                       within);
    if (command_option(c, "repair") && !command_option(c, "orphans"))
        return err_set(e, ERR_USAGE, "--repair repairs what --orphans lists: give both");
    if (retain_rules_any(rules) || command_option(c, "orphans"))
        return 0;
    return err_set(e, ERR_USAGE,
                   "prune without a rule would keep everything; give one, such as --keep-daily 7");
}

/* ---- prune: the sets ------------------------------------------------------------------------- */

static bool of_domain(const struct record *set, const char *domain)
{
    const char *name = record_text(set, "domain.name");

    return name && strcmp(name, domain) == 0;
}

/* `ids` and times come from the records; what cannot be judged stays. */
size_t prune_describe(const struct inventory *inv, const char *domain, struct retain_set **ret)
{
    struct retain_set *sets = xcalloc(inv->set_count + 1, sizeof(*sets));
    size_t count = 0;

    for (size_t n = 0; n < inv->set_count; n++) {
        const struct record *set = inv->sets[n];
        const char *result = record_text(set, "verify.result");
        const char *verdict = record_text(set, "verdict");
        struct retain_set *to = &sets[count];
        struct standing s;

        if (!of_domain(set, domain))
            continue;
        count++;
        inventory_judge(inv, set, &s);
        to->id = record_text(set, "set");
        /* what a restore went back from: no rule's newest, and a person says when it may go */
        if (record_text(set, "safety_of"))
            to->pins |= RETAIN_PIN_SAFETY;
        to->good = s.good && strcmp(verdict, "crash") != 0 && !to->pins;
        to->verified = result && strcmp(result, "same") == 0;
        to->verify_failed = result && strcmp(result, "different") == 0;
        to->pins |= (s.clones ? RETAIN_PIN_CLONES : 0u) | (s.journal ? RETAIN_PIN_JOURNAL : 0u);
        /* an appliance that does not tell of a volume or a snapshot has not lost it yet */
        if (s.present < s.volumes && verdict && strcmp(verdict, "void") != 0)
            to->pins |= RETAIN_PIN_UNKNOWN;
        if (!when_rfc3339(record_text(set, "started") ?: "", &to->started_us))
            to->pins |= RETAIN_PIN_UNKNOWN;
    }
    *ret = sets;
    return count;
}

static void tell_set(const struct command_context *c, struct record *answer,
                     const struct retain_rules *rules, const struct retain_set *set, bool dry)
{
    struct buf words = BUF_INIT;

    retain_words(rules, set, &words);
    if (c->json) {
        struct record *one = record_append(answer, "sets");

        record_set_text(one, "set", set->id);
        record_set_bool(one, "keep", set->keep);
        record_set_text(one, "why", buf_text(&words));
    } else {
        plain_line(stdout, "%-12s %s  %s",
                   set->keep ? "keep"
                   : dry     ? "would remove"
                             : "remove",
                   set->id, buf_text(&words));
    }
    buf_release(&words);
}

static int remove_sets(struct inventory *inv, const struct retain_set *sets, size_t count,
                       struct err *e)
{
    int rc = 0;

    for (size_t n = count; n-- > 0;) { /* oldest first */
        struct err why = ERR_INIT;

        if (sets[n].keep)
            continue;
        if (loop_check(inv->run->loop, e) < 0)
            return -1;
        if (inventory_remove(inv, inventory_set(inv, sets[n].id), &why) < 0) {
            /* one that will not go keeps no other from going */
            if (rc == 0)
                *e = why;
            rc = -1;
        }
    }
    return rc;
}

static int prune_sets(const struct command_context *c, struct inventory *inv,
                      const struct retain_rules *rules, struct record *answer, bool dry,
                      struct err *e)
{
    AUTO_FREE struct retain_set *sets = NULL;
    size_t count = prune_describe(inv, c->args[0], &sets);

    if (!retain_rules_any(rules))
        return 0;
    retain_decide(rules, sets, count);
    record_set_empty(answer, "sets");
    for (size_t n = 0; n < count; n++)
        tell_set(c, answer, rules, &sets[n], dry);
    return dry ? 0 : remove_sets(inv, sets, count, e);
}

/* ---- prune: orphans -------------------------------------------------------------------------- */

static bool on_volume_of(const struct record *set, const struct inventory_volume *v)
{
    for (size_t n = 0; n < record_count(set, "volumes"); n++) {
        const struct record *rec = record_at(set, "volumes", n);
        const char *appliance = record_text(rec, "appliance"), *id = record_text(rec, "id");

        if (appliance && id && strcmp(appliance, v->appliance) == 0 &&
            strcmp(id, v->volume.id) == 0)
            return true;
    }
    return false;
}

/* What is another domain's is not asked about, and its VM is not locked. A clone of a verification
 * tells no domain, and is nobody's once that is over. */
static bool of_this_domain(const struct inventory *inv, const struct orphan *o, const char *domain)
{
    if (o->set)
        return of_domain(o->set, domain);
    if (o->kind != ORPHAN_SNAPSHOT)
        return true;
    for (size_t n = 0; n < inv->set_count; n++) {
        if (of_domain(inv->sets[n], domain) && on_volume_of(inv->sets[n], o->volume))
            return true;
    }
    return false;
}

static int prune_orphans(const struct command_context *c, struct inventory *inv,
                         struct record *answer, bool dry, struct err *e)
{
    bool repair = !dry && command_option(c, "repair");
    struct orphan *orphans;
    size_t count = inventory_orphans(inv, &orphans);
    int rc = 0;

    record_set_empty(answer, "orphans");
    for (size_t n = 0; n < count; n++) {
        struct err why = ERR_INIT;

        if (!of_this_domain(inv, &orphans[n], c->args[0]))
            continue;
        if (c->json)
            record_append_text(answer, "orphans", orphans[n].text);
        else
            plain_line(stdout, "orphan       %s", orphans[n].text);
        if (repair && orphan_repair(inv, &orphans[n], &why) < 0) {
            if (rc == 0)
                *e = why;
            rc = -1;
        }
    }
    orphans_release(orphans, count);
    return rc;
}

int cmd_prune(const struct command_context *c, struct err *e)
{
    bool dry = command_option(c, "dry-run") != NULL;
    struct record *answer = record_new();
    struct retain_rules rules;
    AUTO_FREE char *uuid = NULL;
    struct inventory inv;
    struct run r;
    int status = EXIT_DONE;
    bool begun;

    if (read_rules(c, &rules, e) < 0 || store_uuid(c->conf->state_dir, c->args[0], &uuid, e) < 0) {
        record_free(answer);
        return EXIT_USAGE;
    }
    begun = begin(c, &r, &inv, dry ? NULL : uuid, e) == 0;
    if (!begun)
        status = begin_exit(e);
    else if (prune_sets(c, &inv, &rules, answer, dry, e) < 0 ||
             (command_option(c, "orphans") && prune_orphans(c, &inv, answer, dry, e) < 0))
        status = EXIT_FAILED;
    if (c->json && begun)
        command_answer(c, answer);
    end(&r, &inv);
    record_free(answer);
    return status;
}
