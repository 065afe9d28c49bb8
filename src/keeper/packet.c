/*
 * packet.c - the datagrams between agent and keeper.
 *
 *     "SKK" version(1) op(1)  then fields:  tag(1) length(2, little-endian) value
 *
 * A value is a text without NUL, or a number of 8 bytes, little-endian. A field that a reader does
 * not know is skipped, so that either side may be the older one.
 */
#include "keeper/keeper_priv.h"

#include <string.h>

static const char magic[3] = { 'S', 'K', 'K' };

enum {
    HEAD = sizeof magic + 2
};

void sk_keeper_put_head(struct sk_buf *b, unsigned op)
{
    sk_buf_add(b, magic, sizeof magic);
    sk_buf_chr(b, SK_KEEPER_VERSION);
    sk_buf_chr(b, (char)op);
}

static void put_field(struct sk_buf *b, enum sk_keeper_field f, const void *bytes, size_t len)
{
    sk_buf_chr(b, (char)f);
    sk_buf_chr(b, (char)(len & 0xff));
    sk_buf_chr(b, (char)(len >> 8));
    sk_buf_add(b, bytes, len);
}

void sk_keeper_put_text(struct sk_buf *b, enum sk_keeper_field f, const char *text)
{
    size_t len = strlen(text);

    put_field(b, f, text, len > UINT16_MAX ? UINT16_MAX : len);
}

void sk_keeper_put_number(struct sk_buf *b, enum sk_keeper_field f, uint64_t value)
{
    unsigned char bytes[8];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(value >> (8 * i));
    put_field(b, f, bytes, sizeof bytes);
}

int sk_keeper_read_head(struct sk_keeper_reader *r, struct sk_view packet, struct sk_err *err)
{
    *r = (struct sk_keeper_reader){ .op = 0 };
    if (packet.len < HEAD || memcmp(packet.ptr, magic, sizeof magic) != 0)
        return sk_fail(err, SK_INVALID, "this is no packet of a keeper");
    r->op = (uint8_t)packet.ptr[HEAD - 1];
    r->rest = (struct sk_view){ packet.ptr + HEAD, packet.len - HEAD };
    if ((uint8_t)packet.ptr[sizeof magic] != SK_KEEPER_VERSION)
        return sk_fail(err, SK_UNSUPPORTED, "packet of version %u; this program speaks version %u",
                       (unsigned)(uint8_t)packet.ptr[sizeof magic], (unsigned)SK_KEEPER_VERSION);
    return 0;
}

bool sk_keeper_read_field(struct sk_keeper_reader *r, unsigned *field, struct sk_view *value)
{
    const unsigned char *p = (const unsigned char *)r->rest.ptr;

    if (r->rest.len == 0 || r->is_broken)
        return false;
    size_t len = r->rest.len < 3 ? SIZE_MAX : (size_t)p[1] | (size_t)p[2] << 8;
    if (r->rest.len < 3 || len > r->rest.len - 3) {
        r->is_broken = true;
        return false;
    }
    *field = p[0];
    *value = (struct sk_view){ r->rest.ptr + 3, len };
    r->rest.ptr += 3 + len;
    r->rest.len -= 3 + len;
    return true;
}

uint64_t sk_keeper_number(struct sk_view value)
{
    uint64_t n = 0;

    if (value.len != 8)
        return UINT64_MAX;
    for (size_t i = 0; i < 8; i++)
        n |= (uint64_t)(unsigned char)value.ptr[i] << (8 * i);
    return n;
}

/* ---- requests ---- */

static int take_text(char *out, size_t size, struct sk_view value, const char *what,
                     struct sk_err *err)
{
    if (value.len >= size)
        return sk_fail(err, SK_INVALID, "%s has %zu bytes; at most %zu are taken", what, value.len,
                       size - 1);
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] <= ' ' || value.ptr[i] > '~' || value.ptr[i] == '|')
            return sk_fail(err, SK_INVALID,
                           "%s has a character that it must not have at position %zu: only "
                           "printable ASCII without spaces and '|' is taken",
                           what, i + 1);
    memcpy(out, value.ptr, value.len);
    out[value.len] = '\0';
    return 0;
}

static int take_field(struct sk_keeper_request *r, unsigned field, struct sk_view value,
                      struct sk_err *err)
{
    uint64_t n = 0;

    switch (field) {
    case SK_KEEPER_F_NAME:
    case SK_KEEPER_F_AFTER:
        return take_text(r->name, sizeof r->name, value, "the name of a port", err);
    case SK_KEEPER_F_HOST:
        return take_text(r->host, sizeof r->host, value, "the address of a port", err);
    case SK_KEEPER_F_TARGET:
        r->has_target = true;
        return take_text(r->target, sizeof r->target, value, "the target of a forward", err);
    case SK_KEEPER_F_PORT:
        n = sk_keeper_number(value);
        if (n > UINT16_MAX)
            return sk_fail(err, SK_INVALID, "a port is at most 65535");
        r->port = (uint16_t)n;
        return 0;
    case SK_KEEPER_F_IS_FORWARD:
        r->is_forward = sk_keeper_number(value) != 0;
        return 0;
    default:
        return 0;
    }
}

int sk_keeper_read_request(struct sk_view packet, struct sk_keeper_request *out, struct sk_err *err)
{
    struct sk_keeper_request r = { .name = "" };
    struct sk_keeper_reader reader;
    struct sk_view value;
    unsigned field;

    if (sk_keeper_read_head(&reader, packet, err) < 0)
        return -1;
    if (reader.op < SK_KEEPER_LISTEN || reader.op > SK_KEEPER_STOP)
        return sk_fail(err, SK_UNSUPPORTED, "request %u is not known to this keeper", reader.op);
    r.op = (enum sk_keeper_op)reader.op;
    while (sk_keeper_read_field(&reader, &field, &value))
        if (take_field(&r, field, value, err) < 0)
            return -1;
    if (reader.is_broken)
        return sk_fail(err, SK_INVALID, "the packet is cut off");
    if (!r.name[0] && r.op <= SK_KEEPER_CLOSE)
        return sk_fail(err, SK_INVALID, "a port must have a name");
    *out = r;
    return 0;
}
