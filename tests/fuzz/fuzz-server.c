/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the database server tells and its clients may have written: statements, of which no value
 * may leave the guest (guest-agent/mysql/digest.c), the head of a binary log (gtidhead.c), grants
 * (rights.c).
 */
#include <string.h>

#include "guest-agent/mysql/digest.h"
#include "guest-agent/mysql/gtidhead.h"
#include "guest-agent/mysql/rights.h"
#include "proto/base/cleanup.h"
#include "tests/fuzz/fuzz.h"

/* No text in quotes, but in a name: that is a value. */
static void check_digest(const char *digest)
{
    AUTO_FREE char *told = utf8_head(digest, STATEMENT_CHARS);
    bool in_name = false;

    FUZZ_MUST(*digest && fuzz_utf8(told));
    for (; *digest; digest++) {
        in_name ^= *digest == '`';
        FUZZ_MUST(in_name || (*digest != '\'' && *digest != '"'));
    }
}

static void check_sentences(struct sentences *s)
{
    for (size_t n = 0; n < s->count; n++)
        FUZZ_MUST(*s->list[n]);
    sentences_release(s);
}

static void read_rights(const char *text)
{
    struct rights r = {.count = 0};
    struct sentences missing = {.count = 0}, excess = {.count = 0};

    rights_add_line(&r, text);
    (void)rights_have(&r, "RELOAD");
    (void)rights_read(&r, "log_status");
    rights_missing(&r, false, 80036, "cbsnap", &missing);
    rights_excess(&r, "cbsnap", &excess);
    check_sentences(&missing);
    check_sentences(&excess);
    rights_release(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    AUTO_FREE char *text = fuzz_text(&in);
    AUTO_FREE char *digest = digest_of(text);
    AUTO_FREE char *head = utf8_head(text, STATEMENT_CHARS);
    AUTO_FREE char *previous = gtidhead_of("Previous_gtids", text);
    AUTO_FREE char *list = gtidhead_of("Gtid_list", text);

    fuzz_begin();
    if (digest)
        check_digest(digest);
    FUZZ_MUST(fuzz_utf8(head) && strlen(head) <= 4 * (size_t)STATEMENT_CHARS);
    if (previous)
        FUZZ_MUST(!strpbrk(previous, " \n"));
    if (list)
        FUZZ_MUST(!strpbrk(list, " \n"));
    read_rights(text);
    return 0;
}
