/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See back_late.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/host-coordinator/back_late.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cleanup.h"

struct late late;

int late_setup(void **state)
{
    (void)state;
    memset(&late, 0, sizeof(late));
    world_open(true);
    (void)snprintf(late.kept, sizeof(late.kept), "%s/kept", w.dir);
    return 0;
}

int late_teardown(void **state)
{
    (void)state;
    world_close();
    return 0;
}

static void keep_journal(struct back *b, const char *event)
{
    AUTO_FREE char *command = NULL;

    if (strcmp(event, late.at) != 0)
        return;
    (void)snprintf(late.journal, sizeof(late.journal), "%s/journal/%s.jsonl", w.dir, b->run.set);
    command = xasprintf("cp '%s' '%s'", late.journal, late.kept);
    assert_int_equal(system(command), 0);
}

struct tale die_late(struct wanted wanted, const char *event)
{
    struct tale t;

    late.at = event;
    w.hook = keep_journal;
    t = world_run(wanted);
    assert_int_equal(rename(late.kept, late.journal), 0);
    return t;
}

void take_line_out(const char *path, const char *with)
{
    struct buf all = BUF_INIT, kept = BUF_INIT;
    FILE *f = fopen(path, "re");
    char line[65536];

    assert_non_null(f);
    while (fgets(line, sizeof(line), f)) {
        buf_addf(&all, "%s", line);
        if (!strstr(line, with))
            buf_addf(&kept, "%s", line);
    }
    (void)fclose(f);
    assert_true(kept.len < all.len);
    f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(buf_text(&kept), f) >= 0 && fclose(f) == 0);
    buf_release(&all);
    buf_release(&kept);
}

void expect_recovered(const char *words)
{
    struct store_names ids = {.count = 0};
    struct recovery r;
    struct err e = ERR_INIT;

    assert_int_equal(journal_names(&ids, w.dir, NULL), 0);
    assert_int_equal(ids.count, 1);
    if (recover_journal(&w.conf, &domain_fake, w.loop, "", ids.names[0], world_storages(),
                        (struct run_reporter){.arg = NULL}, &r, &e) < 0)
        fail_msg("%s", e.msg);
    assert_string_equal(r.outcome, words);
    recovery_release(&r);
    store_names_release(&ids);
    assert_int_equal(world_journals(), 0);
}

void forget(const char *name)
{
    struct domain *d;

    domain_fake_power(name, false);
    assert_int_equal(domain_fake.open(&d, "", name, NULL), 0);
    assert_int_equal(domain_fake.undefine(d, NULL), 0);
    domain_fake.close(d);
}
