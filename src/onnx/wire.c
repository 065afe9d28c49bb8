/*
 * wire.c - protobuf's wire format (protobuf.dev, "Encoding"), as a reader over memory that copies
 * nothing.
 *
 *   message = field*            field = tag value           tag = varint: number << 3 | type
 *   type 0: varint    1: 8 bytes    2: varint length, bytes    5: 4 bytes
 *
 * Types 3 and 4 (groups) were given up before ONNX existed and are refused. Every read is bounded
 * by the enclosing message, so at never passes end and a field's body lies within its message.
 */
#include "onnx/onnx_priv.h"

#include <inttypes.h>

static int corrupt(const struct sk_wire *w, const char *what, struct sk_err *err)
{
    return sk_fail(err, SK_CORRUPT, "%s at byte %td", what, w->at - w->base);
}

static int read_varint(struct sk_wire *w, uint64_t *out, struct sk_err *err)
{
    uint64_t value = 0;
    const uint8_t *at = w->at;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte;

        if (at == w->end)
            return corrupt(w, "a number is cut off", err);
        byte = *at++;
        if (shift == 63 && byte > 1)
            break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            w->at = at;
            *out = value;
            return 0;
        }
    }
    return corrupt(w, "a number is longer than 64 bits", err);
}

static int skip(struct sk_wire *w, size_t len, struct sk_err *err)
{
    if ((size_t)(w->end - w->at) < len)
        return corrupt(w, "a field is cut off", err);
    w->at += len;
    return 0;
}

static int read_body(struct sk_wire *w, struct sk_wire_field *out, struct sk_err *err)
{
    struct sk_wire at_length = *w;
    uint64_t len;

    if (read_varint(w, &len, err) < 0)
        return -1;
    if (len > (uint64_t)(w->end - w->at))
        return sk_fail(err, SK_CORRUPT,
                       "field %u at byte %td wants %" PRIu64 " bytes, %td are left", out->number,
                       at_length.at - w->base, len, w->end - w->at);
    out->body = (struct sk_wire){ w->base, w->at, w->at + len };
    w->at += len;
    return 0;
}

int sk_wire_next(struct sk_wire *w, struct sk_wire_field *out, struct sk_err *err)
{
    struct sk_wire start = *w;
    uint64_t tag;
    int rc;

    if (w->at == w->end)
        return 0;
    if (read_varint(w, &tag, err) < 0)
        return -1;
    if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
        return corrupt(&start, "a field has an impossible number", err);
    out->number = (uint32_t)(tag >> 3);
    out->type = (enum sk_wire_type)(tag & 7);
    switch (tag & 7) {
    case SK_WIRE_VARINT:
        rc = read_varint(w, &out->value, err);
        break;
    case SK_WIRE_FIXED64:
        rc = skip(w, 8, err);
        break;
    case SK_WIRE_BYTES:
        rc = read_body(w, out, err);
        break;
    case SK_WIRE_FIXED32:
        rc = skip(w, 4, err);
        break;
    default:
        rc = corrupt(&start, "a field has an unknown wire type", err);
    }
    return rc < 0 ? -1 : 1;
}

int sk_wire_number(struct sk_wire *w, uint64_t *out, struct sk_err *err)
{
    if (w->at == w->end)
        return 0;
    return read_varint(w, out, err) < 0 ? -1 : 1;
}

struct sk_view sk_wire_text(const struct sk_wire_field *f)
{
    return (struct sk_view){ (const char *)f->body.at, (size_t)(f->body.end - f->body.at) };
}

int sk_wire_want(const struct sk_wire_field *f, enum sk_wire_type type, struct sk_err *err)
{
    if (f->type == type)
        return 0;
    return sk_fail(err, SK_CORRUPT, "field %u has wire type %d, ONNX has %d there", f->number,
                   (int)f->type, (int)type);
}
