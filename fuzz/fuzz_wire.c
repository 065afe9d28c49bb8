/*
 * fuzz_wire.c - frames and messages of the wire.
 *
 * The first byte is the size of the pieces. In pieces and as a whole the same frames are found; one
 * that is a message is framed again and read as the same.
 */
#include "wire/wire_priv.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(struct sk_view frame)
{
    SK_AUTO(sk_buf_done) struct sk_buf again = SK_BUF_INIT(2 * SK_WIRE_OUT_MAX);
    struct sk_wire_message m;
    struct sk_err err = SK_ERR_INIT;
    if (sk_wire_message_parse(frame, &m, &err) < 0)
        return;
    if (m.is_answer && sk_wire_message_refusal(m.doc, &err) < 0 && err.code == SK_OK)
        abort();
    (void)(sk_wire_frame(frame, m.id, &again, &err) < 0);
    sk_json_free(m.doc);
}

static int read_all(const char *bytes, size_t len, size_t piece, struct sk_buf *told,
                    bool is_looked)
{
    SK_AUTO(sk_wire_frames_done) struct sk_wire_frames f = SK_WIRE_FRAMES_INIT;
    struct sk_err err = SK_ERR_INIT;
    struct sk_view v;
    int rc = 0;
    for (size_t at = 0; at < len && rc == 0; at += piece) {
        if (sk_wire_frames_add(&f, bytes + at, len - at < piece ? len - at : piece, &err) < 0)
            return -1;
        while ((rc = sk_wire_frames_next(&f, &v, &err)) == 1) {
            sk_buf_add(told, v.ptr, v.len);
            sk_buf_chr(told, '|');
            if (is_looked)
                look_at(v);
        }
    }
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SK_AUTO(sk_buf_done) struct sk_buf whole = SK_BUF_INIT(16 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf parts = SK_BUF_INIT(16 << 20);
    if (size < 2 || size > SK_WIRE_READ_BYTES)
        return 0;
    const char *bytes = (const char *)data + 1;
    int a = read_all(bytes, size - 1, size - 1, &whole, true);
    int b = read_all(bytes, size - 1, (size_t)data[0] + 1, &parts, false);
    if (a != b || whole.len != parts.len ||
        (whole.len > 0 && memcmp(whole.data, parts.data, whole.len) != 0))
        abort();
    return 0;
}
