/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packing and unpacking envelopes; see message.h. */
#include "proto/message.h"

#include "proto/base/clock.h"
#include "proto/base/cleanup.h"

int message_frame(struct buf *to, Cbsnap__Envelope *m, struct err *e)
{
    AUTO_FREE uint8_t *packed = NULL;
    size_t len;

    MSG_SET(m, sent_us, mono_us());
    len = cbsnap__envelope__get_packed_size(m);
    packed = xcalloc(1, len);
    cbsnap__envelope__pack(m, packed);
    return wire_frame(to, packed, len, e);
}

Cbsnap__Envelope *message_next(struct wire_reader *r, unsigned *bad)
{
    const uint8_t *payload;
    size_t len;

    while (wire_reader_next(r, &payload, &len)) {
        Cbsnap__Envelope *m = cbsnap__envelope__unpack(NULL, len, payload);

        if (m)
            return m;
        if (bad)
            (*bad)++;
    }
    return NULL;
}

void message_free(Cbsnap__Envelope *m)
{
    if (m)
        cbsnap__envelope__free_unpacked(m, NULL);
}

Cbsnap__Envelope *message_copy(const Cbsnap__Envelope *m)
{
    size_t len = cbsnap__envelope__get_packed_size(m);
    AUTO_FREE uint8_t *packed = xcalloc(1, len);

    cbsnap__envelope__pack(m, packed);
    return cbsnap__envelope__unpack(NULL, len, packed);
}

void message_from_err(Cbsnap__Error *out, const struct err *e)
{
    MSG_SET(out, code, (uint32_t)e->code);
    MSG_SET(out, sys_errno, e->sys_errno);
    out->message = (char *)e->msg;
}

int message_to_err(const Cbsnap__Error *in, struct err *e)
{
    err_set(e, in->has_code && in->code != 0 ? (enum err_code)in->code : ERR_INTERNAL, "%s",
            in->message ? in->message : "the peer gave no reason");
    if (e)
        e->sys_errno = in->has_sys_errno ? in->sys_errno : 0;
    return -1;
}
