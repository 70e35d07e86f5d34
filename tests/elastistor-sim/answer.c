/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bodies on the wire, sound and faulty; see answer.h. */
#include "tests/elastistor-sim/answer.h"
#include "tests/elastistor-sim/pause.h"

#include <string.h>
#include <zlib.h>

#define GZIP_FROM 1024 /* Tomcat's compressionMinSize */
#define CHUNK     4096

/* Sent piece by piece by read_body(). */
struct stream {
    struct buf body;
    size_t stop_at;   /* the connection is broken here; SIZE_MAX: never */
    uint64_t endless; /* bytes to send after the body */
};

static ssize_t read_body(void *arg, uint64_t pos, char *to, size_t max)
{
    struct stream *st = arg;
    size_t n;

    if (pos >= st->stop_at)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (pos < st->body.len) {
        n = st->body.len - (size_t)pos;
        if (n > st->stop_at - pos)
            n = st->stop_at - (size_t)pos;
        if (n > max)
            n = max;
        memcpy(to, st->body.data + pos, n);
        return (ssize_t)n;
    }
    if (pos - st->body.len >= st->endless)
        return MHD_CONTENT_READER_END_OF_STREAM;
    /* as fast as a disk, not as fast as a loopback: a machine has other things to do */
    if (!pause_ms(1))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    memset(to, ' ', max);
    return (ssize_t)max;
}

static void free_stream(void *arg)
{
    struct stream *st = arg;

    buf_release(&st->body);
    free(st);
}

static struct MHD_Response *streamed(struct stream st, uint64_t size)
{
    struct stream *copy = xcalloc(1, sizeof(*copy));

    *copy = st;
    return MHD_create_response_from_callback(size, st.endless ? 65536 : CHUNK, read_body, copy,
                                             free_stream);
}

static int gzip(struct buf *body)
{
    struct buf out = BUF_INIT;
    z_stream z = {.next_in = body->data, .avail_in = (uInt)body->len};
    size_t room;

    /* 15 bits of window, +16: with a gzip header */
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return -1;
    room = deflateBound(&z, (uLong)body->len);
    z.next_out = buf_reserve(&out, room);
    z.avail_out = (uInt)room;
    if (deflate(&z, Z_FINISH) != Z_STREAM_END) {
        deflateEnd(&z);
        buf_release(&out);
        return -1;
    }
    out.len = z.total_out;
    deflateEnd(&z);
    buf_release(body);
    *body = out;
    return 0;
}

static void make_garbage(struct buf *body)
{
    static const char page[] = "<html><head><title>Apache Tomcat/6.0.33 - Error report</title>"
                               "</head><body>\x80\xfe{ \"count\": </body>";

    buf_clear(body);
    buf_add(body, page, sizeof(page) - 1);
}

struct MHD_Response *answer_make(struct buf *body, bool gzip_offered, struct fault fault)
{
    struct stream st = {.stop_at = SIZE_MAX};
    struct MHD_Response *r;
    bool zipped = false;
    uint64_t size;

    if (fault.kind == FAULT_GARBAGE)
        make_garbage(body);
    if (fault.kind == FAULT_ENDLESS)
        st.endless = fault.value > 0 ? (uint64_t)fault.value << 20 : UINT64_MAX / 2;
    else if (fault.kind != FAULT_TRUNCATED && gzip_offered && body->len >= GZIP_FROM)
        zipped = gzip(body) == 0;
    size = zipped || st.endless ? MHD_SIZE_UNKNOWN : body->len;
    if (fault.kind == FAULT_TRUNCATED)
        st.stop_at = body->len / 2;
    st.body = *body;
    *body = BUF_INIT;
    r = streamed(st, size);
    if (r && zipped)
        MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip");
    return r;
}
