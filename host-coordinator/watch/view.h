/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a person sees of a VM: lines of text, each with a tone, for a screen of a given size. Pure:
 * made from readings and facts, it knows no terminal, no clock and no link.
 *
 * Panels are rows of a table (panels.c) with a rank. Where the height does not do for all, those of
 * the lowest rank are left out whole; who scrolls gets everything in order.
 *
 * A value is shown when it is as fresh as its source's pace allows, beside the newest sample;
 * otherwise "-", and never 0.
 */
#ifndef CBSNAP_WATCH_VIEW_H
#define CBSNAP_WATCH_VIEW_H

#include "host-coordinator/watch/follow.h"

enum tone { TONE_PLAIN, TONE_TITLE, TONE_DIM, TONE_GOOD, TONE_WARN, TONE_BAD };

struct view_line {
    char *text; /* as wide as the screen at most, one column a character */
    enum tone tone;
};

struct view {
    struct view_line *lines;
    size_t count;
    size_t hidden;   /* lines that did not fit */
    size_t scrolled; /* as far as there is something to scroll to */
};

struct view_input {
    struct follow_facts facts;
    int64_t now_us, now_wall_us;
    bool paused, utf8;
    size_t width, height; /* height 0: no limit */
    size_t scroll;        /* lines from the top; the header stays */
};

/* view_release() empties it. */
void view_make(struct view *ret, const struct view_input *in);
void view_release(struct view *v);

/* The newest value of a metric, if it is fresh enough to be told. */
bool view_value(const struct view_input *in, const char *metric, double *ret);

#endif
