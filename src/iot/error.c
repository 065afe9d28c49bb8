/*
 * error.c - the body of an error, as IoT Hub words it.
 *
 * Clients take it apart: Node's service SDK splits Message at ';' and then at ':'.
 */
#include "iot/iot_priv.h"

#include "base/cleanup.h"
#include "base/clock.h"

/* The text as JSON; the buffer is empty afterwards. */
static void move_text(struct sk_buf *text, struct sk_buf *out)
{
    if (sk_buf_ok(text))
        sk_buf_json(out, text->data ? text->data : "", text->len);
    else if (sk_buf_ok(out))
        out->failed = text->failed;
    sk_buf_clear(text);
}

void sk_iot_error_json_at(const char *code, const char *text, const char *tracking,
                          uint64_t wall_ms, struct sk_buf *out)
{
    SK_AUTO(sk_buf_done) struct sk_buf plain = SK_BUF_INIT(1 << 16);
    char time[SK_TIME_TEXT]; /* "2026-11-24T12:00:00.123Z" */

    sk_time_text(wall_ms, time);
    sk_buf_str(out, "{\"Message\":");
    sk_buf_fmt(&plain, "ErrorCode:%s;%s", code, text);
    move_text(&plain, out);
    sk_buf_str(out, ",\"ExceptionMessage\":");
    sk_buf_fmt(&plain, "Tracking ID:%s-G:0-TimeStamp:%.2s/%.2s/%.4s %.8s", tracking, time + 5,
               time + 8, time, time + 11);
    move_text(&plain, out);
    sk_buf_chr(out, '}');
}

void sk_iot_error_json(const char *code, const char *text, const char *tracking, struct sk_buf *out)
{
    sk_iot_error_json_at(code, text, tracking, sk_wall_ms(), out);
}
