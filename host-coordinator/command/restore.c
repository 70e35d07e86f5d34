/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cbsnap-coord restore SET, verify SET, recover: going back, and its proof. */
#include "host-coordinator/back/back.h"
#include "host-coordinator/command/command.h"

#include "proto/base/cleanup.h"
#include "proto/base/log.h"

#include <stdio.h>
#include <string.h>

static bool flag(const struct command_context *c, const char *name)
{
    return command_option(c, name) != NULL;
}

static struct record *load_set(const struct command_context *c, struct err *e)
{
    return store_load(c->conf->state_dir, c->args[0], e);
}

/* What differs, is equal, or could not be compared, a line each; on stdout: it is the answer. */
static void print_comparison(const struct back *b)
{
    const struct certificate_result *r = &b->result;

    for (size_t n = 0; n < r->count; n++)
        printf("  differs   %s: expected %s, found %s\n", r->differences[n].what,
               r->differences[n].expected, r->differences[n].found);
    for (size_t n = 0; n < r->compared_count; n++)
        printf("  equal     %s\n", r->compared[n]);
    for (size_t n = 0; n < r->note_count; n++)
        printf("  note      %s\n", r->notes[n]);
}

static const char *result_words(const struct back *b)
{
    if (!b->concluded)
        return "not compared";
    if (b->result.count > 0)
        return "DIFFERENT: what came back is not what was taken";
    if (certificate_same(&b->result))
        return "same: what came back is what was taken";
    return b->result.position ? "sound, but the age of its data volume is not proven"
                              : "sound, but there was no position to compare with";
}

static void print_recovery(const struct back *b)
{
    double ms;

    if (record_real(b->run.record, "recovery_ms", &ms))
        printf("  recovery  %.1f s\n", ms / 1000);
}

static int finish(const struct command_context *c, struct back *b, int status, bool print,
                  struct err *e)
{
    if (print && c->json)
        command_answer(c, b->run.record);
    if (status == EXIT_DIFFERENT && !err_is_set(e))
        err_set(e, ERR_LOST, "set '%s': %s: expected %.100s, found %.200s", b->id,
                b->result.differences[0].what, b->result.differences[0].expected,
                b->result.differences[0].found);
    back_release(b);
    return status;
}

/* ---- restore --------------------------------------------------------------------------------- */

static int check_options(const struct command_context *c, struct err *e)
{
    const char *to = command_option(c, "to");

    if (to && flag(c, "in-place"))
        return err_set(e, ERR_USAGE,
                       "--to makes another VM, --in-place changes this one: give one");
    if (to && flag(c, "no-safety"))
        return err_set(e, ERR_USAGE,
                       "--to leaves the VM alone, so there is nothing to be safe from");
    return to && store_check_name(to, e) < 0 ? err_prefix(e, "--to") : 0;
}

static void print_restored(const struct back *b)
{
    double ms;

    printf("%s: %s\n", b->to ? b->to : b->run.domain_name, result_words(b));
    print_comparison(b);
    print_recovery(b);
    if (record_real(b->run.record, "out_of_service_ms", &ms))
        printf("  out of service %.1f s\n", ms / 1000);
    if (b->method == BACK_SWITCH && b->safety)
        printf("  what was before is set %s; its volumes are as they were\n", b->run.set);
}

int cmd_restore(const struct command_context *c, struct err *e)
{
    struct record *set;
    struct back b;
    int status;

    if (check_options(c, e) < 0)
        return EXIT_USAGE;
    set = load_set(c, e);
    if (!set)
        return EXIT_USAGE;
    back_init(&b, c->conf, &domain_libvirt, c->loop, c->uri, set);
    b.run.report = progress_reporter(c->json);
    b.to = command_option(c, "to");
    b.method = b.to ? BACK_COPY : flag(c, "in-place") ? BACK_IN_PLACE : BACK_SWITCH;
    b.force = flag(c, "force");
    b.safety = !b.to && !flag(c, "no-safety");
    b.start = !flag(c, "no-start");
    if (restore_run(&b, &status, e) == 0 && !c->json)
        print_restored(&b);
    return finish(c, &b, status, b.defined, e);
}

/* ---- verify ---------------------------------------------------------------------------------- */

static int read_memory(const struct command_context *c, int *ret, struct err *e)
{
    const char *text = command_option(c, "memory");
    char *end;
    long value = text ? strtol(text, &end, 10) : 0;

    if (text && (*end || end == text || value < 128 || value > 1048576))
        return err_set(e, ERR_USAGE, "--memory '%s' is not a number of MiB from 128 to 1048576",
                       text);
    *ret = (int)value;
    return 0;
}

static int check_tables(const struct command_context *c, struct err *e)
{
    const char *tables = command_option(c, "tables");

    if (tables && flag(c, "certificate-only"))
        return err_set(e, ERR_USAGE,
                       "--tables says what is read, --certificate-only that nothing is: give one");
    return tables && back_check_tables(tables, e) < 0 ? err_prefix(e, "--tables") : 0;
}

int cmd_verify(const struct command_context *c, struct err *e)
{
    struct record *set;
    struct back b;
    int status, memory = 0;

    if (read_memory(c, &memory, e) < 0 || check_tables(c, e) < 0)
        return EXIT_USAGE;
    set = load_set(c, e);
    if (!set)
        return EXIT_USAGE;
    back_init(&b, c->conf, &domain_libvirt, c->loop, c->uri, set);
    b.run.report = progress_reporter(c->json);
    b.memory_mib = memory;
    b.tables = command_option(c, "tables");
    b.certificate_only = flag(c, "certificate-only");
    b.force = flag(c, "force");
    if (verify_run(&b, &status, e) == 0 && !c->json) {
        printf("%s: %s\n", b.id, result_words(&b));
        print_comparison(&b);
        print_recovery(&b);
    }
    return finish(c, &b, status, b.concluded, e);
}

/* ---- recover --------------------------------------------------------------------------------- */

static void tell_one(const struct command_context *c, struct record *answer, const char *id,
                     const struct recovery *r, const struct err *why)
{
    bool failed = err_is_set(why);

    if (c->json) {
        struct record *one = record_append(answer, "runs");

        record_set_text(one, "id", id);
        record_set_text(one, "what", r->what);
        record_set_text(one, "set", r->set);
        record_set_text(one, "domain", r->domain);
        record_set_text(one, "outcome", r->outcome);
        if (failed)
            record_set_text(one, "error", why->msg);
        return;
    }
    printf("%s of %s: %s\n", r->what, r->domain ?: id, failed ? why->msg : r->outcome ?: "done");
}

int cmd_recover(const struct command_context *c, struct err *e)
{
    struct store_names ids;
    struct record *answer = record_new();
    int status = EXIT_DONE;

    if (journal_names(&ids, c->conf->state_dir, e) < 0) {
        record_free(answer);
        return EXIT_USAGE;
    }
    record_set_empty(answer, "runs");
    for (size_t n = 0; n < ids.count; n++) {
        struct recovery r;
        struct err why = ERR_INIT;

        (void)recover_journal(c->conf, &domain_libvirt, c->loop, c->uri, ids.names[n], NULL,
                              progress_reporter(true), &r, &why);
        /* a live run needs no recovery, and one that has ended meanwhile neither */
        if (!(why.code == ERR_BUSY || why.code == ERR_NOT_FOUND) || r.set) {
            tell_one(c, answer, ids.names[n], &r, &why);
            if (err_is_set(&why)) {
                *e = why;
                status = EXIT_LOOK;
            }
        }
        recovery_release(&r);
    }
    if (c->json)
        command_answer(c, answer);
    else if (ids.count == 0)
        printf("nothing to recover\n");
    store_names_release(&ids);
    record_free(answer);
    return status;
}
