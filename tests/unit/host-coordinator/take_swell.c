/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An agent that tells more than anybody wants to know: within the bounds of each message, and of a
 * series, and in all more than a record may hold. */
#include "tests/unit/host-coordinator/take_world.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/cleanup.h"
#include "tests/slow.h"

#define NAMES   SERIES_NAMES_MAX
#define PORTION 512 /* of names or texts: a message holds them */

/* ---- readings -------------------------------------------------------------------------------- */

static void make_name(char name[SERIES_NAME_MAX + 1], unsigned n)
{
    memset(name, w.fault == AGENT_ODD_NAMES ? '\1' : '"', SERIES_NAME_MAX);
    name[SERIES_NAME_MAX] = '\0';
    if (w.fault == AGENT_MANY_DISKS)
        (void)snprintf(name, SERIES_NAME_MAX, "disk.vd%u.write_time", n);
    else if (w.fault == AGENT_ODD_NAMES && n == 0)
        (void)snprintf(name, SERIES_NAME_MAX, "system.load1");
    for (int at = 0; w.fault != AGENT_MANY_DISKS && n > 0; at++, n /= 8)
        name[at] = (char)((w.fault == AGENT_ODD_NAMES ? '\2' : 'a') + n % 8);
}

static void send_names(struct peer *p, unsigned from)
{
    static char text[PORTION][SERIES_NAME_MAX + 1];
    static Cbsnap__Name name[PORTION], *names[PORTION];
    Cbsnap__Names list = CBSNAP__NAMES__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

    for (unsigned n = 0; n < PORTION; n++) {
        cbsnap__name__init(&name[n]);
        make_name(text[n], from + n);
        name[n].name = text[n];
        MSG_SET(&name[n], id, from + n);
        names[n] = &name[n];
    }
    list.n_name = PORTION;
    list.name = names;
    MSG_BODY(&m, names, NAMES, &list);
    peer_send(p, &m);
}

static void send_values(struct peer *p)
{
    static uint32_t ids[NAMES];
    static double values[NAMES];
    Cbsnap__Sample sample = CBSNAP__SAMPLE__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

    for (unsigned n = 0; n < NAMES; n++) {
        ids[n] = n;
        values[n] = 1e9 / 7 + n;
    }
    MSG_SET(&sample, mono_us, mono_us());
    sample.n_id = sample.n_value = NAMES;
    sample.id = ids;
    sample.value = values;
    MSG_BODY(&m, sample, SAMPLE, &sample);
    peer_send(p, &m);
}

static void send_texts(struct peer *p, unsigned from)
{
    static char text[SERIES_TEXT_MAX + 1];
    static Cbsnap__TextValue value[PORTION], *values[PORTION];
    Cbsnap__Sample sample = CBSNAP__SAMPLE__INIT;
    Cbsnap__Envelope m = CBSNAP__ENVELOPE__INIT;

    memset(text, '\1', SERIES_TEXT_MAX);
    for (unsigned n = 0; n < PORTION; n++) {
        cbsnap__text_value__init(&value[n]);
        MSG_SET(&value[n], id, from + n);
        value[n].text = text;
        values[n] = &value[n];
    }
    MSG_SET(&sample, mono_us, mono_us());
    sample.n_text = PORTION;
    sample.text = values;
    MSG_BODY(&m, sample, SAMPLE, &sample);
    peer_send(p, &m);
}

void swell_readings(struct peer *p)
{
    if (w.fault != AGENT_ODD_NAMES && w.fault != AGENT_LONG_TEXTS && w.fault != AGENT_MANY_DISKS)
        return;
    /* well within a window: a release is over for who asked for it */
    usleep(200000 * (useconds_t)slowness());
    for (unsigned n = 0; n < NAMES; n += PORTION)
        send_names(p, n);
    send_values(p);
    if (w.fault != AGENT_LONG_TEXTS)
        return;
    send_texts(p, 0);
    send_texts(p, PORTION);
}

/* ---- facts ----------------------------------------------------------------------------------- */

/* So many control characters, each of which takes six bytes in a record. */
static char *endless(size_t len)
{
    static char text[1000000];

    if (!*text)
        memset(text, '\1', sizeof(text) - 1);
    return text + sizeof(text) - 1 - len;
}

void swell_server(Cbsnap__Prepared *m)
{
    static Cbsnap__Mount more[3000], *all[3000];

    if (w.fault != AGENT_BOASTS)
        return;
    m->server->version = endless(100000);
    m->server->uuid = endless(100000);
    m->hook->runner = endless(100000);
    for (size_t n = 0; n < ARRAY_SIZE(all); n++) {
        cbsnap__mount__init(&more[n]);
        more[n].path = endless(190);
        more[n].serial = (char *)"serial-of-the-root-disk";
        all[n] = n < m->n_mount ? m->mount[n] : &more[n];
    }
    m->n_mount = ARRAY_SIZE(all);
    m->mount = all;
}

void swell_lock(Cbsnap__FreezeEvent *m)
{
    static Cbsnap__LockTry one, *all[20000];

    if (w.fault != AGENT_BOASTS || !m->position)
        return;
    m->position->source = endless(300000);
    m->position->server_version = endless(200000);
    m->position->server_uuid = endless(100000);
    cbsnap__lock_try__init(&one);
    MSG_SET(&one, waited_ms, 1000);
    MSG_SET(&one, victims, 1000);
    one.outcome = (char *)"no";
    for (size_t n = 0; n < ARRAY_SIZE(all); n++)
        all[n] = &one;
    m->n_try_ = ARRAY_SIZE(all);
    m->try_ = all;
}

void swell_stored(Cbsnap__ManifestStored *m)
{
    if (w.fault == AGENT_BOASTS)
        m->path = endless(900000);
}
