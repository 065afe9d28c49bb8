/*
 * fuzz_events.c - server-sent events.
 *
 * The first byte is the size of the pieces. In pieces and as a whole the same events are told.
 */
#include "remote/remote_priv.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int note(void *ctx, const char *id, struct sk_view data, struct sk_err *err)
{
    struct sk_buf *told = ctx;
    if (strlen(id) >= SK_REMOTE_EVENT_ID)
        abort();
    sk_buf_str(told, id);
    sk_buf_chr(told, '=');
    sk_buf_add(told, data.ptr, data.len);
    sk_buf_chr(told, '|');
    return sk_buf_ok(told) ? 0 : sk_buf_fail(told, err);
}

static int read_all(const char *text, size_t len, size_t piece, struct sk_buf *told)
{
    SK_AUTO(sk_event_reader_done) struct sk_event_reader e;
    struct sk_err err = SK_ERR_INIT;
    sk_event_reader_init(&e, note, told);
    for (size_t at = 0; at < len; at += piece)
        if (sk_event_reader_add(&e, text + at, len - at < piece ? len - at : piece, &err) < 0)
            return -1;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SK_AUTO(sk_buf_done) struct sk_buf whole = SK_BUF_INIT(16 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf parts = SK_BUF_INIT(16 << 20);
    if (size < 2)
        return 0;
    const char *text = (const char *)data + 1;
    int a = read_all(text, size - 1, size - 1, &whole);
    int b = read_all(text, size - 1, (size_t)data[0] + 1, &parts);
    if (a != b || whole.len != parts.len ||
        (whole.len > 0 && memcmp(whole.data, parts.data, whole.len) != 0))
        abort();
    return 0;
}
