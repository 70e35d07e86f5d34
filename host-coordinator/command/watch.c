/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cbsnap-coord watch DOMAIN: live metrics on a screen, once as text, or as JSON. Reads only, and
 * lets go of the agent's port for everybody else; see watch/follow.h.
 *
 * With --json and without --once it prints a document per sample, and one when there are none and
 * why, each on one line: the one exception to "one JSON document on stdout".
 */
#include "host-coordinator/command/command.h"

#include "host-coordinator/screen/screen.h"
#include "host-coordinator/watch/document.h"
#include "host-coordinator/watch/follow.h"
#include "host-coordinator/watch/view.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DRAW_EVERY_US INT64_C(250000)
#define PARTS_WAIT_US INT64_C(5000000)
#define ONCE_US       INT64_C(9000000) /* from then on what is there has to do */
#define TEXT_WIDTH    100

const struct usage_option watch_options[] = {
    {0, "once", NULL, "print one full sample and end"},
    {0, "interval", "SECONDS", "between samples, 0.1 to 60; the agent's own otherwise"},
    {0},
};

struct watch {
    const struct command_context *c;
    struct follow *follow;
    struct screen *screen;
    bool once, paused, utf8, quit;
    size_t scroll, page;
    int64_t drawn_us, full_us, began_us;
    unsigned printed;       /* readings seen when the last document was printed */
    enum follow_state told; /* with --json: the state that was told last */
    struct err err;         /* of the screen or of stdout */
};

static struct view_input look(const struct watch *w)
{
    struct view_input in = {.now_us = mono_us(),
                            .now_wall_us = wall_us(),
                            .paused = w->paused,
                            .utf8 = w->utf8,
                            .width = TEXT_WIDTH,
                            .scroll = w->scroll};

    follow_facts(w->follow, &in.facts);
    return in;
}

/* Two readings, so that rates exist, and none from the agent's past alone. */
static bool is_full(const struct follow_facts *f)
{
    return f->readings >= 2 && mono_us() - f->newest_us < INT64_C(3000) * f->pace_ms;
}

/* ---- the screen ------------------------------------------------------------------------------ */

static void stop(struct watch *w)
{
    w->quit = true;
    loop_cancel(w->c->loop);
}

static void draw_foot(struct watch *w, const struct view *v, size_t width, size_t height)
{
    char text[160];

    if (v->hidden > 0)
        (void)snprintf(text, sizeof(text), "q quit  p pause  arrows: %zu more lines", v->hidden);
    else
        (void)snprintf(text, sizeof(text), "q quit  p pause");
    text[width < sizeof(text) ? width : sizeof(text) - 1] = '\0';
    screen_line(w->screen, height - 1, INK_DIM, text);
}

static void draw(struct watch *w)
{
    static const enum screen_ink inks[] = {
        [TONE_PLAIN] = INK_PLAIN, [TONE_TITLE] = INK_TITLE, [TONE_DIM] = INK_DIM,
        [TONE_GOOD] = INK_GOOD,   [TONE_WARN] = INK_WARN,   [TONE_BAD] = INK_BAD,
    };
    struct view_input in = look(w);
    struct view v;
    size_t height;

    screen_size(w->screen, &in.width, &height);
    in.height = height > 3 ? height - 1 : height;
    view_make(&v, &in);
    w->scroll = v.scrolled;
    w->page = in.height > 4 ? in.height - 3 : 1;
    screen_begin(w->screen);
    for (size_t n = 0; n < v.count; n++)
        screen_line(w->screen, n, inks[v.lines[n].tone], v.lines[n].text);
    if (height > 3)
        draw_foot(w, &v, in.width, height);
    screen_end(w->screen);
    view_release(&v);
    w->drawn_us = mono_us();
}

static void on_key(void *arg, enum screen_key key)
{
    struct watch *w = arg;

    switch (key) {
    case SCREEN_QUIT:
        stop(w);
        return;
    case SCREEN_PAUSE:
        w->paused = !w->paused;
        break;
    case SCREEN_UP:
        w->scroll -= w->scroll > 0;
        break;
    case SCREEN_DOWN:
        w->scroll++;
        break;
    case SCREEN_PAGE_UP:
        w->scroll -= w->scroll < w->page ? w->scroll : w->page;
        break;
    case SCREEN_PAGE_DOWN:
        w->scroll += w->page;
        break;
    case SCREEN_HOME:
        w->scroll = 0;
        break;
    case SCREEN_RESIZED:
        break;
    }
    if (w->screen)
        draw(w);
}

/* Nothing of ours may be printed across the screen. */
static void swallow(void *arg, enum log_level level, const char *line)
{
    (void)arg;
    (void)level;
    (void)line;
}

/* The screen comes when there is something to show: until then errors are told as usual. */
static void show(struct watch *w, const struct follow_facts *facts)
{
    if (!facts->found || w->quit)
        return;
    if (!w->screen) {
        if (screen_open(&w->screen, loop_uv(w->c->loop), on_key, w, &w->err) < 0) {
            stop(w);
            return;
        }
        log_set_sink(swallow, NULL);
    }
    if (!w->paused && mono_us() - w->drawn_us >= DRAW_EVERY_US)
        draw(w);
}

/* ---- text and documents ---------------------------------------------------------------------- */

static void print_text(struct watch *w)
{
    struct view_input in = look(w);
    struct view v;

    view_make(&v, &in);
    for (size_t n = 0; n < v.count; n++)
        puts(v.lines[n].text);
    view_release(&v);
}

static void print_document(struct watch *w)
{
    struct view_input in = look(w);
    struct record *r = document_make(&in);

    if (w->once) {
        command_answer(w->c, r);
    } else {
        AUTO_FREE char *line = record_format_line(r);

        *w->c->answered = true;
        if (fputs(line, stdout) == EOF || fflush(stdout) == EOF)
            stop(w); /* who read it has gone */
    }
    record_free(r);
}

/* ---- following ------------------------------------------------------------------------------- */

/* A document for each sample, and where there are none one that says why, once: the words of a
 * state may count milliseconds. */
static void tell_news(struct watch *w, const struct follow_facts *facts)
{
    bool changed = facts->state != w->told && facts->state != FOLLOW_CONNECTING;

    if (changed) /* each try connects, and what it meets again is no news */
        w->told = facts->state;
    if ((changed && facts->state != FOLLOW_LIVE) ||
        (facts->readings != w->printed && is_full(facts))) {
        w->printed = facts->readings;
        print_document(w);
    }
}

static void on_news(void *arg)
{
    struct watch *w = arg;
    struct follow_facts facts;

    if (w->once || !w->follow)
        return;
    follow_facts(w->follow, &facts);
    if (w->c->json)
        tell_news(w, &facts);
    else
        show(w, &facts);
}

/*
 * What comes from elsewhere than /proc, and so may come after the first readings: what the server
 * is, its status, its transactions (of a frozen guest they are not read), the appliance's volumes.
 */
static bool has_parts(const struct watch *w)
{
    static const char *const late[] = {"mysql.uptime", "innodb.lsn", "innodb.trx_active"};
    struct view_input in = look(w);
    double value;

    if (!in.facts.asked || !in.facts.volumes_asked)
        return false;
    for (size_t n = 0; n < ARRAY_SIZE(late) && !in.facts.frozen; n++) {
        if (!view_value(&in, late[n], &value))
            return false;
    }
    return true;
}

/* The parts are worth a moment: a server that does not answer must not hide the rest. */
static bool is_enough(void *arg)
{
    struct watch *w = arg;
    struct follow_facts facts;
    int64_t now_us = mono_us();

    if (!w->once)
        return false;
    follow_facts(w->follow, &facts);
    if (!is_full(&facts))
        return false;
    if (!w->full_us)
        w->full_us = now_us;
    return has_parts(w) || now_us - w->full_us > PARTS_WAIT_US || now_us - w->began_us > ONCE_US;
}

static int parse_interval(const char *text, int *ret_ms, struct err *e)
{
    char *end;
    double s;

    *ret_ms = 0;
    if (!text)
        return 0;
    s = strtod(text, &end);
    if (end == text || *end || !(s >= 0.1 && s <= 60))
        return err_set(e, ERR_USAGE, "--interval takes seconds from 0.1 to 60, not '%s'", text);
    *ret_ms = (int)(s * 1000 + 0.5);
    return 0;
}

/* 0: it ended as it should. */
static int run(struct watch *w, const struct follow_options *options, struct err *e)
{
    int rc;

    w->follow = follow_new(options);
    rc = follow_run(w->follow, e);
    screen_close(w->screen);
    log_set_sink(NULL, NULL);
    if (rc == 0) {
        if (w->c->json)
            print_document(w);
        else
            print_text(w);
    } else if (e->code == ERR_CANCELLED && !w->once) {
        /* a key or a signal: how one leaves */
        *e = w->err;
        rc = err_is_set(e) ? -1 : 0;
    }
    follow_free(w->follow);
    return rc;
}

int cmd_watch(const struct command_context *c, struct err *e)
{
    struct watch w = {.c = c,
                      .once = command_option(c, "once") != NULL,
                      .utf8 = screen_utf8(),
                      .began_us = mono_us()};
    struct follow_options options = {
        .conf = c->conf,
        .ops = &domain_libvirt,
        .loop = c->loop,
        .uri = c->uri,
        .domain = c->args[0],
        .once = w.once,
        .news = on_news,
        .enough = is_enough,
        .arg = &w,
    };

    if (parse_interval(command_option(c, "interval"), &options.interval_ms, e) < 0)
        return EXIT_USAGE;
    if (!w.once && !c->json && !(isatty(STDIN_FILENO) && isatty(STDOUT_FILENO))) {
        err_set(e, ERR_USAGE,
                "watch draws on a terminal, and this is none; give --once, or --json for one "
                "document a line");
        return EXIT_USAGE;
    }
    if (run(&w, &options, e) < 0)
        return e->code == ERR_USAGE ? EXIT_USAGE : EXIT_REFUSED;
    return EXIT_DONE;
}
