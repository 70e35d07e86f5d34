/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A terminal that is drawn on line by line, and keys that are read from it. The only code that
 * includes ncurses. One at a time; main thread only.
 *
 *     screen_open() -> screen_draw() whenever there is something new -> screen_close(), always
 *
 * Keys and changes of size come as callbacks from the loop. What dies without closing (SIGKILL)
 * leaves the terminal to the shell, as any full-screen program does.
 */
#ifndef CBSNAP_SCREEN_H
#define CBSNAP_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "proto/base/err.h"

enum screen_key {
    SCREEN_QUIT,  /* q, Q */
    SCREEN_PAUSE, /* p, P, blank */
    SCREEN_UP,
    SCREEN_DOWN,
    SCREEN_PAGE_UP,
    SCREEN_PAGE_DOWN,
    SCREEN_HOME,
    SCREEN_RESIZED, /* or whatever else asks for a new drawing */
};

enum screen_ink { INK_PLAIN, INK_TITLE, INK_DIM, INK_GOOD, INK_WARN, INK_BAD, INK_COUNT };

struct screen;
/* ERR_USAGE: stdin or stdout is no terminal, or ncurses does not know it ($TERM). */
int screen_open(struct screen **ret, uv_loop_t *loop, void (*key)(void *arg, enum screen_key key),
                void *arg, struct err *e);
/* Gives the terminal back as it was. Accepts NULL. */
void screen_close(struct screen *s);

void screen_size(const struct screen *s, size_t *ret_width, size_t *ret_height);
/* One after the other, from the top; line `n` of `count`, each at most as wide as the screen. */
void screen_begin(struct screen *s);
void screen_line(struct screen *s, size_t n, enum screen_ink ink, const char *text);
void screen_end(struct screen *s);

/* Whether texts may go beyond ASCII: the locale's encoding, set for the whole process. */
bool screen_utf8(void);

#endif
