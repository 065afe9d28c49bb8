/*
 * frame.c - frames: a length of 4 bytes, little endian, and so many bytes of JSON.
 *
 *     05 00 00 00  {...}          an object with "type"; of a call with "id" too
 *     {"type":"answer","id":7,...}            what a call gave
 *     {"type":"answer","id":7,"error":"..","code":"not_found"}   why it could not be done
 *
 * What was given out is dropped at the next add, so that a frame can be read where it lies.
 */
#include "wire/wire_priv.h"

#include <string.h>

int sk_wire_frames_add(struct sk_wire_frames *f, const void *bytes, size_t len, struct sk_err *err)
{
    struct sk_buf *b = &f->bytes;
    if (f->at > 0) {
        memmove(b->data, b->data + f->at, b->len - f->at);
        b->len -= f->at;
        f->at = 0;
    }
    if (b->len == 0 && b->cap > SK_WIRE_KEEP_BYTES)
        sk_buf_done(b);
    sk_buf_add(b, bytes, len);
    return sk_buf_ok(b) ? 0 : sk_buf_fail(b, err);
}

static uint32_t length_at(const char *bytes)
{
    const unsigned char *p = (const unsigned char *)bytes;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

int sk_wire_frames_next(struct sk_wire_frames *f, struct sk_view *out, struct sk_err *err)
{
    const size_t there = f->bytes.len - f->at;
    if (there < SK_WIRE_HEAD)
        return 0;
    const uint32_t len = length_at(f->bytes.data + f->at);
    if (len == 0 || len > SK_WIRE_MAX)
        return sk_fail(err, SK_INVALID, "a message of %u bytes; 1 to %d are allowed", len,
                       SK_WIRE_MAX);
    if (there - SK_WIRE_HEAD < len)
        return 0;
    *out = (struct sk_view){ f->bytes.data + f->at + SK_WIRE_HEAD, len };
    f->at += SK_WIRE_HEAD + (size_t)len;
    return 1;
}

void sk_wire_frames_done(struct sk_wire_frames *f)
{
    sk_buf_done(&f->bytes);
    f->at = 0;
}

int sk_wire_message_parse(struct sk_view frame, struct sk_wire_message *out, struct sk_err *err)
{
    const struct sk_json_limits limits = { .max_values = SK_WIRE_VALUES_MAX };
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    const char *type = NULL;
    int64_t id = 0;
    if (sk_json_parse(frame.ptr, frame.len, &limits, &doc, err) < 0)
        return -1;
    if (sk_json_type(doc) != SK_JSON_OBJECT)
        return sk_fail(err, SK_INVALID, "expected an object, got a %s",
                       sk_json_type_name(sk_json_type(doc)));
    if (sk_json_want_text(doc, "type", &type, err) < 0 ||
        sk_json_want_int(doc, "id", 1, INT64_MAX, &id, err) < 0)
        return -1;
    if (!type || !*type || strlen(type) > SK_WIRE_TYPE_MAX)
        return sk_fail(err, SK_INVALID, "'type': expected 1 to %d characters", SK_WIRE_TYPE_MAX);
    const bool is_answer = strcmp(type, "answer") == 0;
    if (is_answer && id == 0)
        return sk_fail(err, SK_INVALID, "an answer without 'id'");
    *out = (struct sk_wire_message){ .type = type, .id = id, .is_answer = is_answer };
    out->doc = SK_TAKE(doc);
    return 0;
}

static enum sk_code code_of(const char *name)
{
    for (int c = SK_OK + 1; c < SK_CODE_COUNT; c++)
        if (strcmp(sk_code_name((enum sk_code)c), name) == 0)
            return (enum sk_code)c;
    return SK_REMOTE;
}

int sk_wire_message_refusal(const struct sk_json *answer, struct sk_err *err)
{
    const char *text = sk_json_get_text(answer, "error", NULL);
    if (!text)
        return 0;
    return sk_fail(err, code_of(sk_json_get_text(answer, "code", "")), "%s",
                   *text ? text : "refused without a reason");
}

int sk_wire_frame(struct sk_view json, int64_t id, struct sk_buf *out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf head = SK_BUF_INIT(64);
    if (json.len < 2 || json.ptr[0] != '{')
        return sk_fail(err, SK_INVALID, "a message must be an object");
    sk_buf_chr(&head, '{');
    if (id != 0)
        sk_buf_fmt(&head, "\"id\":%lld,", (long long)id);
    if (!sk_buf_ok(&head))
        return sk_buf_fail(&head, err);
    const size_t len = head.len + json.len - 1;
    if (len > SK_WIRE_MAX)
        return sk_fail(err, SK_TOO_LARGE, "a message of %zu bytes; at most %d are allowed", len,
                       SK_WIRE_MAX);
    const unsigned char prefix[SK_WIRE_HEAD] = { (unsigned char)len, (unsigned char)(len >> 8),
                                                 (unsigned char)(len >> 16),
                                                 (unsigned char)(len >> 24) };
    sk_buf_add(out, prefix, sizeof prefix);
    sk_buf_add(out, head.data, head.len);
    sk_buf_add(out, json.ptr + 1, json.len - 1);
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}
