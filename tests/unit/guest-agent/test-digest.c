/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Statements without their values: what must stay, and above all what must never come through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "guest-agent/mysql/digest.h"

static void check(const char *sql, const char *want)
{
    char *got = digest_of(sql);

    if (!want && got)
        fail_msg("'%s' gave '%s', and should give nothing", sql, got);
    if (want && (!got || strcmp(got, want) != 0))
        fail_msg("'%s' gave '%s', not '%s'", sql, got ? got : "(nothing)", want);
    free(got);
}

static void values_go_names_stay(void **state)
{
    (void)state;
    check("SELECT * FROM t1 WHERE id = 42 AND name='Jane Doe'",
          "SELECT * FROM t1 WHERE id = ? AND name=?");
    check("insert into `my``table` (a, b2) values (-1.5e-3, 0xDEAD), (.5,'x')",
          "insert into `my``table` (a, b2) values (-?, ?), (?,?)");
    check("UPDATE db.t SET d = DATE'2024-01-31', e = _utf8mb4'\xc3\xa4', f=x'4A', g=b'01', h=N'n'",
          "UPDATE db.t SET d = DATE?, e = _utf8mb4?, f=x?, g=b?, h=N?");
    check("select \"Jane\" , @v, t.c1 from \xc3\xa4pfel", "select ? , @v, t.c1 from \xc3\xa4pfel");
    check("  SELECT\n\t1  ;\n", "SELECT ? ;");
    check("SELECT 1e+10, 2E5, 3e-7,4abc,5.6.7", "SELECT ?, ?, ?,?,?");
    check("SELECT 5--3", "SELECT ?--?");
}

static void quotes_inside_quotes(void **state)
{
    (void)state;
    check("SELECT 'it''s Jane', 1", "SELECT ?, ?");
    check("SELECT \"say \"\"Jane\"\"\" FROM t", "SELECT ? FROM t");
    check("SELECT 'a\"b', \"c'd\", `e'f`", "SELECT ?, ?, `e'f`");
    check("SELECT 'C:\\\\temp\\\\' , 'Jane'", "SELECT ? , ?");
    check("SELECT 'a\\nb' , 'Jane'", "SELECT ? , ?");
}

/* With backslashes as escapes and without, these texts end at different places. */
static void doubts_give_nothing(void **state)
{
    (void)state;
    check("SELECT 'it\\'s Jane'", NULL);
    check("SELECT 'a\\' OR name = 'Jane' --'", NULL);
    check("SELECT \"a\\\\\\\" b\"", NULL);
    check("SELECT \\N", NULL);
    check("SELECT $$Jane$$", NULL);
    check("SELECT $tag$Jane$tag$", NULL);
    check("SELECT /*!50000 'a*/ Jane' */ 1", NULL);
    check("SELECT /*M! 'a*/ Jane' */ 1", NULL);
    check("a */ b", NULL);
    check("", NULL);
    check(" \n", NULL);
}

static void comments_go(void **state)
{
    (void)state;
    check("SELECT /* Jane's */ 1 -- Jane\n FROM t # Jane", "SELECT ? FROM t");
    check("/* user=Jane */SELECT/**/1", "SELECT ?");
    check("SELECT /*!40001 SQL_NO_CACHE */ * FROM `t`", "SELECT * FROM `t`");
    check("SELECT 1 --", "SELECT ?");
}

/* The server cuts after 1024 characters, wherever that is. */
static void cut_off_anywhere(void **state)
{
    static const char sql[] =
        "SELECT `na``me`, 'Ja''ne' /* Jane */ FROM t WHERE x = \"Jane\" -- Jane\n"
        " AND y = 4711 AND z IN (0x4A616E65, 'Jane') # Jane";

    (void)state;
    for (size_t n = 0; n <= strlen(sql); n++) {
        char *head = strndup(sql, n), *got = digest_of(head);

        if (got && (strstr(got, "Ja") || strstr(got, "ne'") || strchr(got, '4')))
            fail_msg("cut after %zu characters: '%s'", n, got);
        free(got);
        free(head);
    }
    check("SELECT 'unfinished Jane", "SELECT ?");
    check("SELECT `unfinished", "SELECT");
}

static void check_head(const char *text, size_t chars, const char *want)
{
    char *got = utf8_head(text, chars);

    assert_string_equal(got, want);
    free(got);
}

static void cut_at_characters(void **state)
{
    (void)state;
    check_head("abc", 5, "abc");
    check_head("abc", 2, "ab");
    check_head("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xac!", 4,
               "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xac");
    check_head("a\xc3\xa4", 1, "a");
    check_head("", 3, "");
}

static void what_is_no_text_is_replaced(void **state)
{
    (void)state;
    check_head("a\x1b[2Jb\nc\x7f", 99, "a [2Jb c ");
    check_head("a\xc2\x9b"
               "b",
               99, "a b"); /* C1 control */
    check_head("\xff"
               "a\xc3",
               99, "?a?");                           /* broken off at the end */
    check_head("\xc0\xaf\xed\xa0\x80", 99, "?????"); /* overlong, surrogate */
    check_head("\xf4\x90\x80\x80", 99, "????");      /* beyond U+10FFFF */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_go_names_stay),
        cmocka_unit_test(quotes_inside_quotes),
        cmocka_unit_test(doubts_give_nothing),
        cmocka_unit_test(comments_go),
        cmocka_unit_test(cut_off_anywhere),
        cmocka_unit_test(cut_at_characters),
        cmocka_unit_test(what_is_no_text_is_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
