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

/* ---- unpacking ------------------------------------------------------------------------------- */

static bool numbers_are_valid(const ProtobufCMessage *m);

/* The messages that field `f` of `m` holds: one, several or none. */
static bool field_is_valid(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    const char *at = (const char *)m + f->offset, *count = (const char *)m + f->quantifier_offset;
    ProtobufCMessage *const *parts = NULL;
    size_t n = 1;

    if (f->type != PROTOBUF_C_TYPE_MESSAGE)
        return true;
    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        n = *(const size_t *)(const void *)count;
        parts = *(ProtobufCMessage *const *const *)(const void *)at;
    } else if (!(f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) ||
               *(const uint32_t *)(const void *)count == f->id) {
        parts = (ProtobufCMessage *const *)(const void *)at;
    }
    for (size_t k = 0; parts && k < n; k++)
        if (parts[k] && !numbers_are_valid(parts[k]))
            return false;
    return true;
}

/*
 * No field has the number 0, which protobuf forbids. The library refuses it, unless it comes in
 * more bytes than it needs: then it is kept as unknown, packed in one byte, and what was packed
 * cannot be unpacked again. Such a message could be neither copied nor read back from a file.
 */
static bool numbers_are_valid(const ProtobufCMessage *m)
{
    for (unsigned n = 0; n < m->n_unknown_fields; n++)
        if (m->unknown_fields[n].tag == 0)
            return false;
    for (unsigned n = 0; n < m->descriptor->n_fields; n++)
        if (!field_is_valid(m, &m->descriptor->fields[n]))
            return false;
    return true;
}

Cbsnap__Envelope *message_unpack(const uint8_t *payload, size_t len)
{
    Cbsnap__Envelope *m = cbsnap__envelope__unpack(NULL, len, payload);

    if (m && numbers_are_valid(&m->base))
        return m;
    message_free(m);
    return NULL;
}

Cbsnap__Envelope *message_next(struct wire_reader *r, unsigned *bad)
{
    const uint8_t *payload;
    size_t len;

    while (wire_reader_next(r, &payload, &len)) {
        Cbsnap__Envelope *m = message_unpack(payload, len);

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
    return message_unpack(packed, len);
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
