/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The records compared with their chains; see show_check.h. */
#include "host-coordinator/command/show_check.h"

#include "host-coordinator/record/chain.h"
#include "host-coordinator/record/store.h"
#include "proto/base/buf.h"
#include "proto/base/cleanup.h"
#include "proto/base/plain.h"

#include <stdio.h>
#include <string.h>

#define DIGEST_LEN 64

struct checked {
    const struct command_context *c;
    const char *given; /* a set or a domain; NULL: all */
    struct chain_ask ask;
    struct record *answer; /* with --json */
    size_t sets, findings;
};

static void tell_summary(const struct record *r)
{
    int64_t lines = 0, records = 0, before = 0;
    AUTO_FREE char *chain = record_int(r, "lines", &lines)
                                ? xasprintf("%lld line%s since %s", (long long)lines,
                                            lines == 1 ? "" : "s", record_text(r, "since") ?: "?")
                                : xstrdup("it begins with the next that is written");

    (void)record_int(r, "records", &records);
    (void)record_int(r, "before", &before);
    plain_line(stdout, "%s: %lld record%s, %lld from before the chain; %s",
               record_text(r, "domain"), (long long)records, records == 1 ? "" : "s",
               (long long)before, chain);
}

static void tell_people(const struct record *r)
{
    size_t findings = record_count(r, "findings");

    tell_summary(r);
    for (size_t n = 0; n < findings; n++)
        plain_line(stdout, "  %s", record_text(record_at(r, "findings", n), "message"));
    for (size_t n = 0; n < record_count(r, "notes"); n++)
        plain_line(stdout, "  note: %s", record_text_at(r, "notes", n));
    if (findings == 0 && record_text(r, "head"))
        plain_line(stdout, "  all are as the chain tells, head %s", record_text(r, "head"));
}

static int check_domain(struct checked *k, const char *domain, struct err *e)
{
    struct record *r = record_new();
    int sets = chain_check(r, k->c->conf->state_dir, domain, &k->ask, e);

    /* the chain of a domain that has no such set is not what was asked about */
    if (sets > 0 || (sets == 0 && !k->ask.set)) {
        k->sets += (size_t)sets;
        k->findings += record_count(r, "findings");
        if (k->answer)
            record_append_copy(k->answer, "domains", r);
        else
            tell_people(r);
    }
    record_free(r);
    return sets < 0 ? -1 : 0;
}

/* What was given is a domain if there is one of that name, else the beginning of sets' ids. */
static int check_all(struct checked *k, const struct store_names *domains, struct err *e)
{
    bool is_domain = false;

    for (size_t n = 0; n < domains->count && k->given; n++)
        is_domain = is_domain || strcmp(domains->names[n], k->given) == 0;
    if (k->ask.head && !is_domain)
        return err_set(e, ERR_USAGE, "--head is of one chain: give its domain");
    if (k->ask.head && strlen(k->ask.head) != DIGEST_LEN)
        return err_set(e, ERR_USAGE, "--head '%.100s' is no digest of %d hexadecimal digits",
                       k->ask.head, DIGEST_LEN);
    if (k->given && !is_domain)
        k->ask.set = k->given;
    for (size_t n = 0; n < domains->count; n++) {
        if (is_domain && strcmp(domains->names[n], k->given) != 0)
            continue;
        if (check_domain(k, domains->names[n], e) < 0)
            return -1;
    }
    if (k->ask.set && k->sets == 0)
        return err_set(
            e, ERR_NOT_FOUND,
            "there is no domain and no set '%s' in '%s/records'; cbsnap-coord list shows "
            "all",
            k->given, k->c->conf->state_dir);
    return 0;
}

int show_check(const struct command_context *c, struct err *e)
{
    struct checked k = {.c = c};
    AUTO_FREE char *given = NULL;
    struct store_names domains;
    int rc;

    if (c->arg_count > 0 && store_domain_of(c->conf->state_dir, c->args[0], &given, e) < 0)
        return EXIT_USAGE;
    k.given = given;
    k.ask.head = command_option(c, "head");
    if (store_domains(&domains, c->conf->state_dir, e) < 0)
        return EXIT_USAGE;
    if (c->json) {
        k.answer = record_new();
        record_set_empty(k.answer, "domains");
    }
    rc = check_all(&k, &domains, e);
    if (rc == 0 && c->json) {
        record_set_bool(k.answer, "good", k.findings == 0);
        command_answer(c, k.answer);
    } else if (rc == 0 && domains.count == 0) {
        printf("there are no records\n");
    }
    record_free(k.answer);
    store_names_release(&domains);
    if (rc < 0)
        return e->code == ERR_BUSY ? EXIT_REFUSED : EXIT_USAGE;
    return k.findings > 0 ? EXIT_DIFFERENT : EXIT_DONE;
}
