/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The readings of one run as a file beside its record, in frames like those of the port (wire.h):
 *
 *     SeriesHead, then Names and Samples as they came, SeriesHead again
 *
 * The coordinator's own readings are Samples with host = true; their ids begin at SERIES_NAMES_MAX,
 * which the guest's may not. Envelope.id counts the messages, so a reader knows how many are
 * missing. The head stands at both ends: one survives a damaged beginning or a cut end.
 *
 * A log gathers the messages in memory while the run lasts, since nothing may wait for our own disk
 * while writers wait; it is written once, when the run is published. The guest is not trusted: what
 * is over the limit pushes out the oldest, which is counted.
 *
 * A reader takes any bytes: it skips what is damaged, and fields and messages that it does not
 * know. Its memory is bounded by the limits of `struct series`. Not thread-safe.
 */
#ifndef CBSNAP_SERIES_FILE_H
#define CBSNAP_SERIES_FILE_H

#include "host-coordinator/series/series.h"

#define SERIES_LOG_BYTES (64 * 1024 * 1024)

/* All host times are its monotonic clock, in microseconds. */
struct series_head {
    char set[64], domain[256];
    int64_t started_us, started_wall_us; /* when the run began */
    bool related;                        /* the two clocks are; else the next two mean nothing */
    int64_t clock_offset_us, clock_uncertainty_us; /* guest clock - offset is the host's */
    int64_t freeze_from_us, freeze_to_us;          /* 0: nothing was frozen */
    uint64_t dropped; /* oldest readings for which memory had no room; set by the log */
};

/* What a reader has to say about the file. */
struct series_damage {
    uint64_t frames; /* that are missing: damaged, or behind a cut end at least one */
    uint64_t bytes;  /* that belong to no whole frame */
};

struct series_log;
struct series_log *series_log_new(size_t max_bytes);
void series_log_free(struct series_log *log); /* accepts NULL */
/* Keeps a copy of what the guest sent, if it is Names or Sample. */
void series_log_take(struct series_log *log, const Cbsnap__Envelope *m);
/* One reading of our own. */
void series_log_take_host(struct series_log *log, const char *name, int64_t at_us, double value);
/* Readings pushed out by later ones. */
uint64_t series_log_dropped(const struct series_log *log);

/* STATE/records/DOMAIN/SET.series, which the caller frees: beside SET.json, whose folder is made.
 */
char *series_file_path(const char *state_dir, const char *domain, const char *set);

/* Whole or not at all (proto/base/replace.h), mode 0640. */
int series_file_write(const char *path, const struct series_head *head,
                      const struct series_log *log, struct err *e);

/*
 * ERR_NOT_FOUND without a file; ERR_PROTOCOL when no head is left, as its times then mean nothing.
 * A file with other damage is read as far as it goes and *ret_damage tells of it. `into` is new,
 * and its guest times are the host's afterwards if the head relates the clocks.
 */
int series_file_read(const char *path, struct series *into, struct series_head *ret_head,
                     struct series_damage *ret_damage, struct err *e);
/* The same from memory; `what` is its name for errors. */
int series_file_parse(const void *data, size_t len, const char *what, struct series *into,
                      struct series_head *ret_head, struct series_damage *ret_damage,
                      struct err *e);

#endif
