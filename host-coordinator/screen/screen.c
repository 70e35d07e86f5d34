/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ncurses, driven by the loop; see screen.h. */
#include "host-coordinator/screen/screen.h"

#include <langinfo.h>
#include <locale.h>
#include <ncurses.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "proto/base/buf.h"

struct screen {
    SCREEN *term;
    uv_poll_t keys;
    uv_signal_t resized, continued;
    int open_handles;
    void (*key)(void *arg, enum screen_key key);
    void *arg;
    int inks[INK_COUNT];
};

/* ---- keys ------------------------------------------------------------------------------------ */

static const struct {
    int code;
    enum screen_key key;
} keymap[] = {
    {'q', SCREEN_QUIT},
    {'Q', SCREEN_QUIT},
    {'p', SCREEN_PAUSE},
    {'P', SCREEN_PAUSE},
    {' ', SCREEN_PAUSE},
    {KEY_UP, SCREEN_UP},
    {'k', SCREEN_UP},
    {KEY_DOWN, SCREEN_DOWN},
    {'j', SCREEN_DOWN},
    {KEY_PPAGE, SCREEN_PAGE_UP},
    {KEY_NPAGE, SCREEN_PAGE_DOWN},
    {KEY_HOME, SCREEN_HOME},
    {'g', SCREEN_HOME},
    {'L' - '@', SCREEN_RESIZED},
};

static void on_keys(uv_poll_t *poll, int status, int events)
{
    struct screen *s = poll->data;
    int code;

    (void)events;
    if (status < 0) {
        (void)uv_poll_stop(poll); /* the terminal has gone: SIGHUP follows */
        return;
    }
    while ((code = getch()) != ERR) {
        for (size_t n = 0; n < sizeof(keymap) / sizeof(keymap[0]); n++) {
            if (keymap[n].code == code)
                s->key(s->arg, keymap[n].key);
        }
    }
}

static void on_resized(uv_signal_t *handle, int number)
{
    struct screen *s = handle->data;
    struct winsize size;

    if (number == SIGWINCH && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 &&
        size.ws_col > 0)
        (void)resizeterm(size.ws_row, size.ws_col);
    (void)clearok(curscr, TRUE);
    s->key(s->arg, SCREEN_RESIZED);
}

/* ---- life ------------------------------------------------------------------------------------ */

bool screen_utf8(void)
{
    return setlocale(LC_CTYPE, "") && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

static void choose_inks(struct screen *s)
{
    static const short colors[INK_COUNT] = {[INK_TITLE] = COLOR_CYAN,
                                            [INK_GOOD] = COLOR_GREEN,
                                            [INK_WARN] = COLOR_YELLOW,
                                            [INK_BAD] = COLOR_RED};

    s->inks[INK_TITLE] = A_BOLD;
    s->inks[INK_DIM] = A_DIM;
    s->inks[INK_WARN] = s->inks[INK_GOOD] = A_BOLD;
    s->inks[INK_BAD] = A_BOLD | A_REVERSE;
    if (!has_colors() || start_color() == ERR || use_default_colors() == ERR)
        return;
    for (short n = 0; n < INK_COUNT; n++) {
        if (colors[n] && init_pair(n, colors[n], -1) != ERR)
            s->inks[n] = (int)(COLOR_PAIR(n) | (n == INK_BAD ? A_BOLD : 0));
    }
}

static void set_up(void)
{
    (void)cbreak();
    (void)noecho();
    (void)keypad(stdscr, TRUE);
    (void)nodelay(stdscr, TRUE);
    (void)curs_set(0);
    set_escdelay(50);
}

static void attend(struct screen *s, uv_loop_t *loop)
{
    (void)uv_poll_init(loop, &s->keys, STDIN_FILENO);
    (void)uv_signal_init(loop, &s->resized);
    (void)uv_signal_init(loop, &s->continued);
    s->open_handles = 3;
    s->keys.data = s->resized.data = s->continued.data = s;
    (void)uv_poll_start(&s->keys, UV_READABLE, on_keys);
    /* before ncurses sets its own, which it does only where nobody else has */
    (void)uv_signal_start(&s->resized, on_resized, SIGWINCH);
    (void)uv_signal_start(&s->continued, on_resized, SIGCONT);
}

static void on_closed(uv_handle_t *handle)
{
    struct screen *s = handle->data;

    if (--s->open_handles == 0)
        free(s);
}

int screen_open(struct screen **ret, uv_loop_t *loop, void (*key)(void *arg, enum screen_key key),
                void *arg, struct err *e)
{
    struct screen *s;

    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return err_set(e, ERR_USAGE, "standard input and output must be a terminal");
    s = xcalloc(1, sizeof(*s));
    s->key = key;
    s->arg = arg;
    attend(s, loop);
    s->term = newterm(NULL, stdout, stdin);
    if (!s->term) {
        screen_close(s);
        return err_set(e, ERR_USAGE, "ncurses does not know the terminal '%s' ($TERM)",
                       getenv("TERM") ? getenv("TERM") : "");
    }
    set_up();
    choose_inks(s);
    *ret = s;
    return 0;
}

void screen_close(struct screen *s)
{
    if (!s)
        return;
    if (s->term) {
        (void)endwin();
        delscreen(s->term);
    }
    uv_close((uv_handle_t *)&s->keys, on_closed);
    uv_close((uv_handle_t *)&s->resized, on_closed);
    uv_close((uv_handle_t *)&s->continued, on_closed);
}

/* ---- drawing --------------------------------------------------------------------------------- */

void screen_size(const struct screen *s, size_t *ret_width, size_t *ret_height)
{
    (void)s;
    *ret_width = (size_t)(COLS > 0 ? COLS : 1);
    *ret_height = (size_t)(LINES > 0 ? LINES : 1);
}

void screen_begin(struct screen *s)
{
    (void)s;
    (void)erase();
}

void screen_line(struct screen *s, size_t n, enum screen_ink ink, const char *text)
{
    if (n >= (size_t)LINES)
        return;
    (void)attrset(s->inks[ink]);
    (void)mvaddstr((int)n, 0, text);
    (void)attrset(A_NORMAL);
}

void screen_end(struct screen *s)
{
    (void)s;
    (void)refresh();
}
