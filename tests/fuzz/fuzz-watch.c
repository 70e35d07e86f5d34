/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `watch` makes of a guest that may say anything: its link and its readings
 * (host-coordinator/watch, guest, series), and what is shown of them in screens of many sizes and
 * as a document. First byte: the size; then the guest's messages, an empty record being a pause.
 */
#include <string.h>
#include <unistd.h>

#include "host-coordinator/watch/document.h"
#include "host-coordinator/watch/follow_internal.h"
#include "proto/base/cleanup.h"
#include "proto/base/clock.h"
#include "tests/fuzz/mutate.h"
#include "tests/fuzz/world.h"

const size_t fuzz_head_bytes = 1;
const size_t fuzz_message_at = 0;

static bool never(void *arg)
{
    (void)arg;
    return false;
}

static void check_line(const char *text)
{
    FUZZ_MUST(fuzz_utf8(text));
    for (; *text; text++) {
        FUZZ_MUST((unsigned char)*text >= 0x20 && *text != 0x7f);
        FUZZ_MUST((unsigned char)*text != 0xC2 || ((unsigned char)text[1] & 0xE0) != 0x80);
    }
}

static void show(const struct follow *f, unsigned size)
{
    struct view_input in = {.now_us = mono_us(),
                            .now_wall_us = wall_us(),
                            .utf8 = size & 1,
                            .width = 20 + size,
                            .height = size % 50,
                            .scroll = size % 7};
    struct record *doc, *again;
    AUTO_FREE char *text = NULL;
    struct view v;

    follow_facts(f, &in.facts);
    view_make(&v, &in);
    FUZZ_MUST(in.height == 0 || v.count <= in.height);
    for (size_t n = 0; n < v.count; n++)
        check_line(v.lines[n].text);
    view_release(&v);
    doc = document_make(&in);
    text = record_format(doc);
    again = record_parse(text, "it", NULL);
    FUZZ_MUST(again);
    record_free(again);
    record_free(doc);
}

static void look_on(struct follow *f, unsigned size)
{
    struct err e = ERR_INIT;

    follow_greeted(f);
    while (world.input.len > 0 && !guest_gone(f->run.guest, &e)) {
        (void)loop_wait_until(world.loop, never, NULL, mono_in_ms(1000), NULL);
        follow_take_answer(f);
        show(f, size);
    }
    show(f, 200 - size % 200);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    unsigned screen = fuzz_byte(&in);
    struct follow f = {.fd = -1, .lock_fd = -1, .pace_ms = 1000};
    struct err e = ERR_INIT;

    world_begin(in, 0);
    f.o = (struct follow_options){
        .conf = &world.conf, .ops = &world_domain, .loop = world.loop, .uri = "", .domain = "db"};
    run_init(&f.run, &world.conf, &world_domain, world.loop, "", "db");
    FUZZ_MUST(guest_begin(&f.run.guest, world.loop, dup(STDERR_FILENO), "port", follow_on_event, &f,
                          &e) == 0);
    if (guest_greet(f.run.guest, mono_in_ms(1000), &e) == 0)
        look_on(&f, screen);
    follow_parting(&f);
    message_free(f.hello);
    run_release(&f.run);
    storage_close(world.array);
    world_end();
    return 0;
}
