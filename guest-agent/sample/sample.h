/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Samples: one reading of many metrics, and the ring that keeps the last minutes of them. Who reads
 * the metrics is a source (source.h).
 *
 * Names are kept once, in a table that both threads may use; a sample holds numbers only, so that
 * ten minutes of two hundred metrics take two MiB and not eight. A metric that cannot be read is
 * absent.
 */
#ifndef CBSNAP_SAMPLE_H
#define CBSNAP_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"

/*
 * The table of names: ids count from 0 and are never taken back. Any thread may add and look up.
 * It is bounded (NAMES_MAX): a guest with endless mounts loses the last ones, not its memory.
 */
#define NAMES_MAX 4096
struct names;
struct names *names_new(void);
void names_free(struct names *t);
size_t names_count(const struct names *t);
const char *names_at(const struct names *t, size_t id); /* lives as long as the table */

struct sample_trx {
    char id[24];
    uint64_t thread;
    char user[96];
    uint32_t age_s;
    uint64_t rows_modified;
    char *statement; /* NULL: none, or not to be told */
};

enum sample_line_level { LINE_OTHER, LINE_WARNING, LINE_ERROR };

struct sample_line {    /* of the server's error log */
    int64_t at_wall_us; /* 0 when the line tells no time */
    enum sample_line_level level;
    char *text;
};

struct sample_file { /* deleted and still open */
    char *path;
    uint64_t bytes;
};

struct sample_text { /* a metric whose value is a word */
    uint16_t id;
    char *text;
};

#define SAMPLE_TRX_MAX   3
#define SAMPLE_LINES_MAX 20
#define SAMPLE_FILES_MAX 10
#define SAMPLE_TEXTS_MAX 8

/* One reading; owns all that it points at but `names`. */
struct sample {
    struct names *names;
    int64_t mono_us, wall_us; /* when the reading began */
    uint32_t missed;          /* readings skipped since the previous one because it came late */
    uint16_t *ids;            /* of values[] at the same place */
    double *values;
    size_t count, cap;
    /* The lists are short, and mostly empty: allocated when first added to. */
    struct sample_trx *trx;
    struct sample_line *lines;
    struct sample_file *files;
    struct sample_text *texts;
    size_t trx_count, line_count, file_count, text_count;
};

struct sample *sample_new(struct names *names); /* stamped with now */
void sample_free(struct sample *s);             /* accepts NULL */

/* A value that is no finite number is not added; nor is a name when the table is full. */
void sample_emit(struct sample *s, const char *name, double value);
/* "disk.*.reads" with "vdb" for the '*'. Bytes that are no text become '?': a mount point may have
 * any, a record only UTF-8. */
void sample_emit_of(struct sample *s, const char *pattern, const char *instance, double value);
/* These copy what they are given. What is over the list's limit is dropped, the first stay. */
void sample_add_text(struct sample *s, const char *name, const char *text);
void sample_add_trx(struct sample *s, const struct sample_trx *t);
void sample_add_line(struct sample *s, int64_t at_wall_us, enum sample_line_level level,
                     const char *text);
void sample_add_file(struct sample *s, const char *path, uint64_t bytes);

/* Moves all values and lists of `from` (of the same table) to the end of `to`, and frees `from`.
 * The stamp and `missed` stay those of `to`. */
void sample_merge(struct sample *to, struct sample *from);
/* NULL when absent. */
const double *sample_get(const struct sample *s, const char *name);
/* Gives back what is allocated and not used; call it before keeping a sample for long. */
void sample_trim(struct sample *s);
/* Memory that it holds. */
size_t sample_bytes(const struct sample *s);

/*
 * The last samples, oldest dropped first: at most `capacity` of them and at most `bytes_max` of
 * memory, whichever is reached first. Owns them. Not thread-safe.
 */
struct sample_ring;
struct sample_ring *sample_ring_new(size_t capacity, size_t bytes_max);
void sample_ring_free(struct sample_ring *r);
void sample_ring_add(struct sample_ring *r, struct sample *s);     /* takes ownership */
void sample_ring_forget(struct sample_ring *r, int64_t before_us); /* drops older ones */
size_t sample_ring_count(const struct sample_ring *r);
const struct sample *sample_ring_at(const struct sample_ring *r, size_t n); /* 0 is the oldest */

#endif
