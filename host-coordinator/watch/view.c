/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The page: the header, the panels that fit, and where one is in them; see view.h. */
#include "host-coordinator/watch/view_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/base/cleanup.h"

#define PANELS_MAX 16
#define HEADER     2

/* ---- lines ----------------------------------------------------------------------------------- */

void page_add(struct page *p, enum tone tone, const char *text)
{
    char *own = xstrdup(text);
    size_t len;

    text_cut(own, p->in->width);
    for (len = strlen(own); len > 0 && own[len - 1] == ' '; len--)
        own[len - 1] = '\0';
    p->lines = xrealloc(p->lines, (p->count + 1) * sizeof(*p->lines));
    p->lines[p->count++] = (struct view_line){.text = own, .tone = tone};
}

void page_addf(struct page *p, enum tone tone, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    page_add(p, tone, text);
}

static void page_release(struct page *p)
{
    for (size_t n = 0; n < p->count; n++)
        free(p->lines[n].text);
    free(p->lines);
    p->lines = NULL;
    p->count = 0;
}

static void page_move(struct page *to, struct page *from, size_t first, size_t count)
{
    for (size_t n = first; n < from->count && n < first + count; n++) {
        to->lines = xrealloc(to->lines, (to->count + 1) * sizeof(*to->lines));
        to->lines[to->count++] = from->lines[n];
        from->lines[n].text = NULL;
    }
}

/* ---- the header ------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    enum tone tone;
} states[] = {
    [FOLLOW_CONNECTING] = {"connecting", TONE_WARN}, [FOLLOW_LIVE] = {"live", TONE_GOOD},
    [FOLLOW_NO_AGENT] = {"no agent", TONE_BAD},      [FOLLOW_RUN] = {"a run has the VM", TONE_WARN},
    [FOLLOW_TURN] = {"waiting", TONE_WARN},          [FOLLOW_AWAY] = {"away", TONE_BAD},
};

static void add_clock(struct buf *line, int64_t wall_us)
{
    time_t at = (time_t)(wall_us / 1000000);
    char text[16] = "";
    struct tm tm;

    if (localtime_r(&at, &tm))
        (void)strftime(text, sizeof(text), "%H:%M:%S", &tm);
    buf_addf(line, "%s  ", text);
}

static void add_versions(struct buf *line, const struct view_input *in)
{
    if (*in->facts.server) {
        buf_addf(line, "MySQL ");
        text_safe(line, in->facts.server, 24, in->utf8);
        buf_addf(line, "  ");
    }
    if (*in->facts.agent) {
        buf_addf(line, "agent ");
        text_safe(line, in->facts.agent, 16, in->utf8);
    }
}

static void add_header(struct page *p)
{
    const struct view_input *in = p->in;
    struct buf line = BUF_INIT;
    char age[NUMBER_SIZE];

    text_safe(&line, in->facts.domain, in->width / 2, in->utf8);
    buf_addf(&line, "  %s%s%s  ", states[in->facts.state].name, in->facts.frozen ? ", frozen" : "",
             in->paused ? ", paused" : "");
    add_clock(&line, in->now_wall_us);
    if (in->facts.newest_us)
        buf_addf(&line, "sample %s ago  ",
                 number_text(age, (double)(in->now_us - in->facts.newest_us) / 1e6, UNIT_S));
    add_versions(&line, in);
    page_add(p, states[in->facts.state].tone, buf_text(&line));
    buf_clear(&line);
    if (*in->facts.words)
        text_safe(&line, in->facts.words, 400, in->utf8);
    else if (in->facts.rebooted_us)
        buf_addf(&line, "the guest has rebooted %s ago",
                 number_text(age, (double)(in->now_us - in->facts.rebooted_us) / 1e6, UNIT_S));
    page_add(p, *in->facts.words ? states[in->facts.state].tone : TONE_DIM, buf_text(&line));
    buf_release(&line);
}

/* ---- the panels ------------------------------------------------------------------------------ */

static size_t fill_panels(const struct view_input *in, struct page pages[PANELS_MAX])
{
    size_t total = 0;

    for (size_t n = 0; n < panel_count && n < PANELS_MAX; n++) {
        pages[n] = (struct page){.in = in};
        page_addf(&pages[n], TONE_TITLE, "%s", panels[n].title);
        panels[n].fill(&pages[n], &panels[n]);
        if (pages[n].count == 1)
            page_release(&pages[n]);
        total += pages[n].count;
    }
    return total;
}

static size_t least(const struct page pages[PANELS_MAX])
{
    size_t found = SIZE_MAX;

    for (size_t n = 0; n < panel_count && n < PANELS_MAX; n++) {
        if (pages[n].count > 0 && (found == SIZE_MAX || panels[n].rank > panels[found].rank))
            found = n;
    }
    return found;
}

/* Leaves out the least important ones until the rest fits; the last one is cut. */
static size_t drop_panels(struct page pages[PANELS_MAX], size_t total, size_t room)
{
    size_t hidden = 0;

    while (total > room) {
        size_t n = least(pages);

        if (n == SIZE_MAX || pages[n].count == total)
            break;
        hidden += pages[n].count;
        total -= pages[n].count;
        page_release(&pages[n]);
    }
    return hidden;
}

static void place_panels(struct view *v, struct page *to, const struct view_input *in)
{
    struct page pages[PANELS_MAX], all = {.in = in};
    size_t total = fill_panels(in, pages);
    size_t room = in->height == 0 ? SIZE_MAX : in->height > HEADER ? in->height - HEADER : 0;

    v->scrolled = total > room && in->scroll > total - room ? total - room : in->scroll;
    if (total <= room)
        v->scrolled = 0;
    else if (in->scroll == 0)
        v->hidden = drop_panels(pages, total, room);
    for (size_t n = 0; n < panel_count && n < PANELS_MAX; n++) {
        page_move(&all, &pages[n], 0, SIZE_MAX / 2);
        page_release(&pages[n]);
    }
    page_move(to, &all, v->scrolled, room);
    if (all.count > room + v->scrolled)
        v->hidden += all.count - room - v->scrolled;
    page_release(&all);
}

void view_make(struct view *ret, const struct view_input *in)
{
    struct page page = {.in = in};

    *ret = (struct view){.lines = NULL};
    add_header(&page);
    place_panels(ret, &page, in);
    ret->lines = page.lines;
    ret->count = page.count;
}

void view_release(struct view *v)
{
    for (size_t n = 0; n < v->count; n++)
        free(v->lines[n].text);
    free(v->lines);
    *v = (struct view){.lines = NULL};
}
