/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text from a guest, a server or an appliance on its way to somebody's terminal: a terminal obeys
 * control characters, so none of them may come from there.
 */
#ifndef CBSNAP_BASE_PLAIN_H
#define CBSNAP_BASE_PLAIN_H

#include <stdio.h>

/* One line, its newline added; each control character in it becomes '?' (err_plain()). */
void plain_line(FILE *to, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
