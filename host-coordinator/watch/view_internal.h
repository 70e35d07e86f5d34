/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What view.c (the page), panels.c (what is on it) and draw.c (how a panel is filled) share. */
#ifndef CBSNAP_VIEW_INTERNAL_H
#define CBSNAP_VIEW_INTERNAL_H

#include "host-coordinator/watch/view.h"
#include "host-coordinator/watch/words.h"

/* A label and a value: one of many that flow over the width. */
struct cell {
    const char *label, *metric;
    bool rate; /* what it grows by per second */
};

/* Of a table with a line for each instance of the '*'. */
struct column {
    const char *head, *metric;
    size_t width;
    bool spark;     /* the last minutes instead of the value */
    const char *of; /* shown as a share of this metric */
};

/* Lines under construction. */
struct page {
    const struct view_input *in;
    struct view_line *lines;
    size_t count;
};
void page_add(struct page *p, enum tone tone, const char *text);
void page_addf(struct page *p, enum tone tone, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

struct panel {
    const char *title;
    unsigned rank; /* the higher, the earlier it is left out */
    void (*fill)(struct page *p, const struct panel *panel);
    const struct cell *cells;     /* up to one without a label */
    const struct column *columns; /* up to one without a head */
};
extern const struct panel panels[];
extern const size_t panel_count;

/* draw.c */
void draw_cells(struct page *p, const struct panel *panel);
void draw_table(struct page *p, const struct panel *panel);

#endif
