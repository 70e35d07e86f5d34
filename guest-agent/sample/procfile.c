/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading files of /proc and taking their text apart; see procfile.h. */
#include "guest-agent/sample/procfile.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void procfile_init(struct procfile *f, const char *root, const char *name)
{
    *f = (struct procfile){.path = xasprintf("%s/proc/%s", root, name), .fd = -1};
}

static void shut(struct procfile *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}

void procfile_release(struct procfile *f)
{
    shut(f);
    buf_release(&f->text);
    free(f->path);
    f->path = NULL;
}

/* Most files of /proc give a page or so at each call, whatever is asked for. */
static int read_all(struct procfile *f, size_t max)
{
    ssize_t got;

    buf_clear(&f->text);
    do {
        size_t room = max - f->text.len;

        if (room > 4096)
            room = 4096;
        got = pread(f->fd, buf_reserve(&f->text, room), room, (off_t)f->text.len);
        if (got > 0)
            f->text.len += (size_t)got;
    } while ((got > 0 && f->text.len < max) || (got < 0 && errno == EINTR));
    return got < 0 || f->text.len == 0 ? -1 : 0;
}

/* The last line of a file that is longer ends anywhere, even within a number: it would lie. */
static void cut_at_line(struct procfile *f, size_t max)
{
    const unsigned char *end = f->text.len < max ? NULL : memrchr(f->text.data, '\n', f->text.len);

    if (end)
        f->text.len = (size_t)(end - f->text.data);
}

char *procfile_read(struct procfile *f, size_t max)
{
    if (f->fd < 0)
        f->fd = open(f->path, O_RDONLY | O_CLOEXEC);
    if (f->fd < 0)
        return NULL;
    if (read_all(f, max) < 0) {
        shut(f); /* of a process that ended, or a device that went */
        return NULL;
    }
    cut_at_line(f, max);
    f->text.data[f->text.len] = '\0'; /* buf keeps room for it */
    return (char *)f->text.data;
}

char *text_line(char **at)
{
    char *line = *at, *end;

    if (*line == '\0')
        return NULL;
    end = strchr(line, '\n');
    if (!end)
        end = line + strlen(line);
    *at = *end ? end + 1 : end;
    *end = '\0';
    return line;
}

static char *skip_blanks(char *s)
{
    while (*s == ' ' || *s == '\t')
        s++;
    return s;
}

char *text_word(char **at)
{
    char *word = skip_blanks(*at), *end = word;

    while (*end && *end != ' ' && *end != '\t' && *end != '\n')
        end++;
    *at = *end ? end + 1 : end;
    *end = '\0';
    return word;
}

bool text_number(char **at, uint64_t *ret)
{
    char *s = skip_blanks(*at);
    uint64_t n = 0;

    if (!isdigit((unsigned char)*s))
        return false;
    for (; isdigit((unsigned char)*s); s++)
        n = n * 10 + (uint64_t)(*s - '0'); /* counters wrap at 2^64 just as this does */
    *at = s;
    *ret = n;
    return true;
}

/* Bytes of the character at s, at most `left`; 0 when it is no valid UTF-8 (RFC 3629). */
static size_t utf8_bytes(const unsigned char *s, size_t left)
{
    size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

    if (len == 0 || len > left || s[0] > 0xf4)
        return 0;
    for (size_t n = 1; n < len; n++) {
        if ((s[n] & 0xc0) != 0x80)
            return 0;
    }
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return len;
}

void text_clean(char *to, size_t size, const char *from, size_t len)
{
    const unsigned char *s = (const unsigned char *)from;

    while (len > 0) {
        size_t n = utf8_bytes(s, len);

        if (n > 1 && n >= size)
            break;
        if (size <= 1)
            break;
        if (n == 0 || (n == 1 && (*s < 0x20 || *s == 0x7f))) {
            *to++ = *s == '\t' ? ' ' : '?';
            n = 1;
        } else {
            memcpy(to, s, n);
            to += n;
        }
        size -= n;
        s += n;
        len -= n;
    }
    *to = '\0';
}
