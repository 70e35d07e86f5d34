/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Statements made fit to leave the guest: cut at a character's boundary, or without the values in
 * them. Text alone, no server. Private to this folder.
 */
#ifndef CBSNAP_MYSQL_DIGEST_H
#define CBSNAP_MYSQL_DIGEST_H

#include <stddef.h>

#define STATEMENT_CHARS 200

/*
 * The statement with '?' for each number and quoted text, comments left out, blanks joined: what
 * is left is words, names in backticks and signs. NULL when in doubt where a text ends (a statement
 * may hold personal data, and which quotes and backslashes count depends on a session's sql_mode),
 * or when nothing is left. `sql` may be cut off anywhere. The caller frees.
 * Source: MySQL manual "Lexical Structure": Literals, Comments, sql_mode.
 */
char *digest_of(const char *sql);

/* At most `chars` characters as valid UTF-8 without control characters: what is not, becomes '?'
 * or a blank. The caller frees. */
char *utf8_head(const char *text, size_t chars);

#endif
