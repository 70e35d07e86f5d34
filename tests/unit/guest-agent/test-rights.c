/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading SHOW GRANTS of servers old and new, and saying what lacks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "guest-agent/mysql/rights.h"

#define MYSQL9  90704
#define MYSQL57 50744
#define MARIA10 101119
#define MARIA55 50568

/* The sentences for one grant, joined by newlines; "" when nothing lacks. */
static void check_missing(const char *grant, bool mariadb, unsigned version, const char *want)
{
    struct rights r = {.global = NULL};
    char text[1024] = "", **list;
    size_t count;

    rights_add_line(&r, grant);
    rights_missing(&r, mariadb, version, "'u'@'h'", &list, &count);
    for (size_t n = 0; n < count; n++) {
        char *colon = strchr(list[n], ':');

        assert_non_null(colon);
        assert_non_null(strstr(list[n], "; GRANT "));
        assert_non_null(strstr(list[n], "'u'@'h'"));
        *colon = '\0';
        strcat(strcat(text, n ? "," : ""), list[n]);
        free(list[n]);
    }
    free(list);
    rights_release(&r);
    assert_string_equal(text, want);
}

static void all_is_all(void **state)
{
    (void)state;
    check_missing("GRANT ALL PRIVILEGES ON *.* TO 'root'@'localhost' WITH GRANT OPTION", true,
                  MARIA10, "");
    check_missing("GRANT ALL PRIVILEGES ON *.* TO `u`@`h`", false, MYSQL9, "");
}

static void nothing_is_nothing(void **state)
{
    (void)state;
    check_missing("GRANT USAGE ON *.* TO `u`@`h`", false, MYSQL9,
                  "RELOAD,PROCESS,REPLICATION CLIENT,BACKUP_ADMIN,SELECT on performance_schema");
    check_missing("GRANT USAGE ON *.* TO `u`@`h`", false, MYSQL57,
                  "RELOAD,PROCESS,REPLICATION CLIENT");
    check_missing("GRANT USAGE ON *.* TO `u`@`h`", true, MARIA10, "RELOAD,PROCESS,BINLOG MONITOR");
    check_missing("GRANT USAGE ON *.* TO `u`@`h`", true, MARIA55,
                  "RELOAD,PROCESS,REPLICATION CLIENT");
}

static void other_names_do_as_well(void **state)
{
    (void)state;
    check_missing(
        "GRANT SELECT, PROCESS, FLUSH_TABLES, REPLICATION CLIENT, BACKUP_ADMIN ON *.* TO u", false,
        MYSQL9, "");
    check_missing("GRANT reload,process , binlog monitor ON *.* TO u", true, MARIA10, "");
    check_missing("GRANT RELOAD, PROCESS, SUPER ON *.* TO u", false, MYSQL57, "");
}

static void only_global_grants_count(void **state)
{
    (void)state;
    check_missing("GRANT ALL PRIVILEGES ON `app`.* TO u", false, MYSQL57,
                  "RELOAD,PROCESS,REPLICATION CLIENT");
    check_missing("GRANT `backup_role`@`%` TO u", false, MYSQL57,
                  "RELOAD,PROCESS,REPLICATION CLIENT");
    check_missing("REVOKE RELOAD ON *.* FROM u", false, MYSQL57,
                  "RELOAD,PROCESS,REPLICATION CLIENT");
    check_missing("", false, MYSQL57, "RELOAD,PROCESS,REPLICATION CLIENT");
}

static void lines_add_up(void **state)
{
    struct rights r = {.global = NULL};
    char **list;
    size_t count;

    (void)state;
    rights_add_line(&r, "GRANT RELOAD, PROCESS, REPLICATION CLIENT ON *.* TO `u`@`h`");
    rights_add_line(&r, "GRANT BACKUP_ADMIN ON *.* TO `u`@`h`");
    rights_add_line(&r, "GRANT SELECT ON `performance_schema`.* TO `u`@`h`");
    assert_true(rights_have(&r, "BACKUP_ADMIN"));
    assert_false(rights_have(&r, "SUPER"));
    rights_missing(&r, false, MYSQL9, "u", &list, &count);
    assert_int_equal(count, 0);
    free(list);
    rights_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_all),
        cmocka_unit_test(nothing_is_nothing),
        cmocka_unit_test(other_names_do_as_well),
        cmocka_unit_test(only_global_grants_count),
        cmocka_unit_test(lines_add_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
