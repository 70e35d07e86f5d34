/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What mutate.c (records) and mutate_message.c (a message in one) share, and what a target of
 * records tells them. */
#ifndef CBSNAP_TESTS_FUZZ_MUTATE_H
#define CBSNAP_TESTS_FUZZ_MUTATE_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the input before its first record. */
extern const size_t fuzz_head_bytes;
/* Where in each record an Envelope begins. */
extern const size_t fuzz_message_at;
#define FUZZ_NO_MESSAGES SIZE_MAX

/* Puts `with` in the place of `len` bytes at `at`, if there is room; the size from then on. */
size_t mutate_replace(uint8_t *data, size_t size, size_t max_size, size_t at, size_t len,
                      const uint8_t *with, size_t with_len);

/* Changes one field of the packed message at `data`: its number, or it goes, comes twice, or takes
 * another's bytes. The lengths around it stay right. The size from then on. */
size_t mutate_message(uint8_t *data, size_t size, size_t max_size, unsigned seed);

#endif
