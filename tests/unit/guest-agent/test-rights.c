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

#define TABLE "SELECT on performance_schema."
#define TABLES                                                                                     \
    TABLE "log_status," TABLE "threads," TABLE "metadata_locks," TABLE                             \
          "events_statements_current," TABLE "error_log"

/* What each sentence is about, joined by commas; "" when there are none. */
static void check_subjects(struct sentences *s, char end, const char *want)
{
    char text[1024] = "";

    for (size_t n = 0; n < s->count; n++) {
        char *stop = strchr(s->list[n], end);

        assert_non_null(stop);
        *stop = '\0';
        strcat(strcat(text, n ? "," : ""), s->list[n]);
    }
    sentences_release(s);
    assert_string_equal(text, want);
}

/* For one grant. */
static void check_missing(const char *grant, bool mariadb, unsigned version, const char *want)
{
    struct rights r = {.global = NULL};
    struct sentences s;

    rights_add_line(&r, grant);
    rights_missing(&r, mariadb, version, "'u'@'h'", &s);
    for (size_t n = 0; n < s.count; n++) {
        assert_non_null(strstr(s.list[n], "; GRANT "));
        assert_non_null(strstr(s.list[n], "'u'@'h'"));
    }
    check_subjects(&s, ':', want);
    rights_release(&r);
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
                  "RELOAD,PROCESS,REPLICATION CLIENT,BACKUP_ADMIN," TABLES);
    check_missing("GRANT USAGE ON *.* TO `u`@`h`", false, MYSQL57,
                  "RELOAD,PROCESS,REPLICATION CLIENT");
    check_missing("GRANT USAGE ON *.* TO `u`@`h`", true, MARIA10,
                  "RELOAD,PROCESS,BINLOG MONITOR,REPLICA MONITOR");
    check_missing("GRANT USAGE ON *.* TO `u`@`h`", true, MARIA55,
                  "RELOAD,PROCESS,REPLICATION CLIENT");
}

static void other_names_do_as_well(void **state)
{
    (void)state;
    check_missing(
        "GRANT SELECT, PROCESS, FLUSH_TABLES, REPLICATION CLIENT, BACKUP_ADMIN ON *.* TO u", false,
        MYSQL9, "");
    check_missing("GRANT reload,process , binlog monitor, slave monitor ON *.* TO u", true, MARIA10,
                  "");
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

static void add(struct rights *r, const char *const *lines)
{
    for (; *lines; lines++)
        rights_add_line(r, *lines);
}

/* The lines of docs/security.md, as MySQL 9.7 and MariaDB 10.11 show them. */
static const char *const mysql_least[] = {
    "GRANT RELOAD, PROCESS, REPLICATION CLIENT ON *.* TO `u`@`h`",
    "GRANT BACKUP_ADMIN ON *.* TO `u`@`h`",
    "GRANT SELECT ON `performance_schema`.`error_log` TO `u`@`h`",
    "GRANT SELECT ON `performance_schema`.`events_statements_current` TO `u`@`h`",
    "GRANT SELECT ON `performance_schema`.`log_status` TO `u`@`h`",
    "GRANT SELECT ON `performance_schema`.`metadata_locks` TO `u`@`h`",
    "GRANT SELECT ON `performance_schema`.`threads` TO `u`@`h`",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON `cbsnap`.`mark` TO `u`@`h`",
    NULL};
static const char *const mariadb_least[] = {
    "GRANT RELOAD, PROCESS, BINLOG MONITOR, SLAVE MONITOR ON *.* TO `u`@`h` IDENTIFIED VIA "
    "unix_socket",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON `cbsnap`.`mark` TO `u`@`h`", NULL};

static void check_least(const char *const *lines, bool mariadb, unsigned version)
{
    struct rights r = {.global = NULL};
    struct sentences s;

    add(&r, lines);
    rights_missing(&r, mariadb, version, "u", &s);
    check_subjects(&s, ':', "");
    rights_excess(&r, "u", &s);
    check_subjects(&s, ' ', "");
    rights_release(&r);
}

static void least_is_enough_and_not_too_much(void **state)
{
    (void)state;
    check_least(mysql_least, false, MYSQL9);
    check_least(mariadb_least, true, MARIA10);
}

static void one_table_is_not_another(void **state)
{
    (void)state;
    check_missing("GRANT SELECT ON `performance_schema`.* TO u", false, MYSQL9,
                  "RELOAD,PROCESS,REPLICATION CLIENT,BACKUP_ADMIN");
    check_missing("GRANT SELECT ON `performance_schema`.`threads` TO u", false, 80011,
                  "RELOAD,PROCESS,REPLICATION CLIENT,BACKUP_ADMIN," TABLE "log_status," TABLE
                  "metadata_locks," TABLE "events_statements_current");
    check_missing("GRANT UPDATE ON `performance_schema`.* TO u", false, MYSQL9,
                  "RELOAD,PROCESS,REPLICATION CLIENT,BACKUP_ADMIN," TABLES);
}

/* ---- too much ---- */

static void check_excess(const char *const *lines, const char *want)
{
    struct rights r = {.global = NULL};
    struct sentences s;

    add(&r, lines);
    rights_excess(&r, "'u'@'h'", &s);
    for (size_t n = 0; n < s.count; n++)
        assert_non_null(strstr(s.list[n], "'u'@'h'"));
    check_subjects(&s, *want == '\'' ? ' ' : 'l', want);
    rights_release(&r);
}

#define EXCESS(want, ...) check_excess((const char *const[]){__VA_ARGS__, NULL}, want)

static void each_that_is_too_much_is_told(void **state)
{
    (void)state;
    EXCESS("", "GRANT USAGE ON *.* TO u");
    EXCESS("SUPER ,FILE ", "GRANT RELOAD, SUPER, FILE ON *.* TO u");
    EXCESS("GRANT OPTION ", "GRANT RELOAD ON *.* TO u WITH GRANT OPTION");
    EXCESS("PROXY ", "GRANT PROXY ON ''@'' TO 'u'@'h'");
    EXCESS("SELECT ,a right on app.* ", "GRANT SELECT ON *.* TO u", "GRANT INSERT ON `app`.* TO u");
}

static void an_administrator_is_told_once(void **state)
{
    (void)state;
    EXCESS("'u'@'h'", "GRANT ALL PRIVILEGES ON *.* TO u WITH GRANT OPTION",
           "GRANT PROXY ON ''@'' TO u");
    /* root of MySQL 8 and later has them one by one */
    EXCESS("'u'@'h'",
           "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, SHUTDOWN, PROCESS, FILE "
           "ON *.* TO `u`@`h` WITH GRANT OPTION");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_all),
        cmocka_unit_test(nothing_is_nothing),
        cmocka_unit_test(other_names_do_as_well),
        cmocka_unit_test(only_global_grants_count),
        cmocka_unit_test(least_is_enough_and_not_too_much),
        cmocka_unit_test(one_table_is_not_another),
        cmocka_unit_test(each_that_is_too_much_is_told),
        cmocka_unit_test(an_administrator_is_told_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
