/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The world of the tests of the link to the agent: a loop, a scripted peer at the other end of the
 * port, the link, and what came over it unasked.
 *
 *     world_setup -> world_open -> ask -> world_teardown; *state is the world
 */
#ifndef CBSNAP_TESTS_GUEST_WORLD_H
#define CBSNAP_TESTS_GUEST_WORLD_H

#include "host-coordinator/guest/guest.h"
#include "tests/fake/peer.h"

#define MS INT64_C(1000)

struct world {
    struct loop *loop;
    struct peer *peer;
    struct guest *guest;
    unsigned lines;
    unsigned hellos_of[16]; /* by instance */
    size_t longest;         /* of the lines */
    char last[32];
};

#define GUEST_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
int world_setup(void **state);
int world_teardown(void **state);

int64_t in_ms(int ms);
/* Takes down what comes unasked; `arg` is the world. */
void world_on_event(void *arg, const Cbsnap__Envelope *m);
/* To the port at that path, and until its agent has answered. */
int world_connect(struct world *w, const char *path, int ms, struct err *e);
/* The same to a peer that plays this script. */
int world_try_open(struct world *w, peer_script *script, int ms, struct err *e);
void world_open(struct world *w, peer_script *script);

/* Asks the agent for its state. */
void world_send(struct world *w, struct guest_request *r);
int world_ask(struct world *w, struct guest_request *r, int ms, struct err *e);
/* The link works: a state is asked for and comes. */
void world_must_answer(struct world *w);
/* It is asked for in vain. */
struct err world_must_fail(struct world *w, enum err_code code);

/* What began then took so long: at most, on a slow machine, as many times that as it is slower. */
#define assert_took(began_us, least_ms, most_ms)                                                   \
    assert_int_in_range(mono_us() - (began_us), MS * (least_ms), MS * (most_ms)*slowness())

/* What a script does to end: the state asked for is answered. */
void script_answer_one(struct peer *p);
/* The greeting as it is meant, and no more than script_answer_one(). */
void script_polite(struct peer *p);
/* Greets as instance 7, and takes a request that it does not answer. */
void script_take_one(struct peer *p);

#endif
