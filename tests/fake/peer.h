/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's end of the port, played by a script: QEMU's socket and the agent behind it in one
 * thread. A script is a function that receives and sends in the order it likes; what it finds
 * wrong it tells by peer_fail(), and peer_stop() hands that to the test (cmocka's assertions work
 * in the main thread alone).
 *
 * peer_start() -> the test uses peer_path() -> peer_stop(). After the script has ended, the peer
 * reads and drops what comes until its client leaves.
 */
#ifndef CBSNAP_TESTS_PEER_H
#define CBSNAP_TESTS_PEER_H

#include "proto/message.h"

struct peer;
typedef void peer_script(struct peer *p);

/* Accepts one client. NULL as script: nobody is ever accepted, as by a QEMU that has a client. */
struct peer *peer_start(peer_script *script);
const char *peer_path(const struct peer *p);
/* Call it when the client has closed its end. NULL, or what the script found wrong (static). */
const char *peer_stop(struct peer *p);

/* How long the peers that are started from now on wait; 5 s if never called. */
void peer_set_patience(int ms);

/* For scripts. Every wait ends after that time and counts as something wrong. */
void peer_fail(struct peer *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The next message, the caller's to free; NULL when the client has left. */
Cbsnap__Envelope *peer_receive(struct peer *p);
/* Receives, and fails unless the body is of this kind. */
Cbsnap__Envelope *peer_expect(struct peer *p, Cbsnap__Envelope__BodyCase body);
void peer_send(struct peer *p, Cbsnap__Envelope *m);
void peer_send_raw(struct peer *p, const void *data, size_t len);
/* The frame of m, as peer_send() would write it. */
void peer_frame(struct peer *p, Cbsnap__Envelope *m, struct buf *ret);
/* Sends Hello of that instance; reply_to 0: unasked. */
void peer_hello(struct peer *p, uint64_t instance, uint32_t reply_to);
/* Says hello to who has come, waits for the client's and answers it. */
void peer_greet(struct peer *p, uint64_t instance);
/* Answers the request with an idle State. */
void peer_answer_state(struct peer *p, const Cbsnap__Envelope *request);
/* An unasked LogLine. */
void peer_log_line(struct peer *p, const char *text);
/* Leaves the client and takes the next one, as QEMU does when its client has gone; false when
 * none comes in time. */
bool peer_next(struct peer *p);
/* QEMU ends: the client reads end of file. */
void peer_close(struct peer *p);
/* Our clock minus the client's, put on all that is sent from now on; and our boot id. */
void peer_set_clock(struct peer *p, int64_t offset_us);
void peer_set_boot(struct peer *p, const char *boot_id);

#endif
