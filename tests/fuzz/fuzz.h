/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the fuzz targets share. A target is one file fuzz-NAME.c with LLVMFuzzerTestOneInput(): it
 * gives the bytes to a reader of the product and then asks what must hold whatever they were.
 *
 * It is linked twice: with libFuzzer, which looks for bytes that break it (make fuzz), and with
 * replay.c, which gives it the inputs that are kept (make check). So a target must do the same for
 * the same bytes each time, and leave nothing behind.
 *
 * Inputs of several parts are records: two bytes of length, little endian, then so many bytes; a
 * length that is too large is what is left. mutate.c knows that form.
 */
#ifndef CBSNAP_TESTS_FUZZ_H
#define CBSNAP_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What does not hold ends the program, and the input that did it is kept. */
#define FUZZ_MUST(what)                                                                            \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #what);              \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct fuzz_input {
    const uint8_t *data;
    size_t len;
};

/* The next byte; 0 at the end. */
uint8_t fuzz_byte(struct fuzz_input *in);
/* The next record; false at the end. */
bool fuzz_record(struct fuzz_input *in, struct fuzz_input *ret);
/* A copy that ends with a NUL, to be freed. */
char *fuzz_text(const struct fuzz_input *in);

/* Call it first: log lines are formatted and dropped from now on, and it is the same time again. */
void fuzz_begin(void);

/*
 * The product's clocks and random bytes are ours, or no input would do the same twice: it is
 * FUZZ_WALL_US when a target begins, each look at a clock takes 50 us, and what waits moves them.
 * The makefile sees to it that the product calls these.
 */
#define FUZZ_MONO_US INT64_C(1000000000)
#define FUZZ_WALL_US INT64_C(1478254500000000) /* 2016-11-04T10:15:00Z */
void fuzz_let_pass(int64_t us);

/* A folder in memory if there is such a place (in $CBSNAP_FUZZ_DIR if set), made once and removed
 * at the end of the program. */
const char *fuzz_dir(void);
/* Makes the file new with these bytes; the folders above it are made too. */
void fuzz_file(const char *path, const struct fuzz_input *in);
/* Removes what is there of that name, with all that is in it. */
void fuzz_remove(const char *name);
/* A stream whose text nobody reads, in memory; fuzz_sink_end() checks that it is all text that a
 * terminal obeys nothing of. */
struct fuzz_sink {
    FILE *to;
    char *text;
    size_t len;
};
void fuzz_sink_begin(struct fuzz_sink *s);
void fuzz_sink_end(struct fuzz_sink *s, bool plain);
/* Valid UTF-8? */
bool fuzz_utf8(const char *text);

#endif
