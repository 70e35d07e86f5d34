/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reference page is the catalogue, and the sources emit nothing that is not in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "guest-agent/catalogue.h"
#include "proto/metrics.h"
#include "tests/unit/guest-agent/reading.h"

/* Run from the top. */
static void the_page_is_the_catalogue(void **state)
{
    AUTO_FREE char *page = tree_read(".", "docs/metrics.md");
    struct buf text = BUF_INIT;

    (void)state;
    catalogue_markdown(&text);
    if (!page || strcmp(page, buf_text(&text)) != 0)
        fail_msg("docs/metrics.md is not what the catalogue says: make docs");
    buf_release(&text);
}

static void the_page_has_every_row(void **state)
{
    struct buf text = BUF_INIT;

    (void)state;
    catalogue_markdown(&text);
    for (size_t n = 0; n < metric_row_count; n++) {
        AUTO_FREE char *cell = xasprintf("| `%s` |", metric_rows[n].name);

        if (!strstr(buf_text(&text), cell))
            fail_msg("%s is not on the page", metric_rows[n].name);
    }
    buf_release(&text);
}

static void json_has_every_row(void **state)
{
    struct buf text = BUF_INIT;
    size_t rows = 0;

    (void)state;
    catalogue_json(&text);
    for (const char *at = buf_text(&text); (at = strstr(at, "{\"name\":\"")); at++)
        rows++;
    assert_int_equal(rows, metric_row_count);
    buf_release(&text);
}

/* Of this machine, all that the sources tell. */
static void what_is_emitted_is_in_the_catalogue(void **state)
{
    struct source_config config = {.root = "", .log_every_ms = 1000};

    (void)state;
    names = names_new();
    config.server = server_facts_new();
    server_facts_set(config.server, getpid(), NULL, NULL, NULL);
    for (size_t n = 0; n < os_source_count; n++) {
        void *self = os_sources[n]->open(&config);

        sample_free(read_at(os_sources[n], self, 1000000));
        usleep(20000);
        sample_free(read_at(os_sources[n], self, 2000000));
        os_sources[n]->close(self);
    }
    assert_true(names_count(names) > 20);
    for (size_t n = 0; n < names_count(names); n++) {
        if (!metric_find(names_at(names, n)))
            fail_msg("'%s' is not in the catalogue", names_at(names, n));
    }
    server_facts_free(config.server);
    names_free(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_is_the_catalogue),
        cmocka_unit_test(the_page_has_every_row),
        cmocka_unit_test(json_has_every_row),
        cmocka_unit_test(what_is_emitted_is_in_the_catalogue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
