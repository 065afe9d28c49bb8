/* record.c - messages as bytes and back. */
#include "telemetry/telemetry_priv.h"

#include <string.h>

static void put_u8(struct sk_buf *out, size_t value)
{
    sk_buf_chr(out, (char)(unsigned char)value);
}

static void put_u16(struct sk_buf *out, size_t value)
{
    put_u8(out, value & 0xff);
    put_u8(out, value >> 8);
}

/* Of at most 255 bytes; the hub's own texts are. */
static void put_text(struct sk_buf *out, const char *text)
{
    size_t len = text ? strlen(text) : 0;
    len = len > 255 ? 255 : len;
    put_u8(out, len);
    sk_buf_add(out, text, len);
}

static void put_properties(struct sk_buf *out, const struct sk_iot_bag *bag)
{
    size_t count = 0;
    for (size_t i = 0; bag && i < bag->count; i++)
        count += !sk_iot_property_is_stamp(bag->items[i].name);
    put_u16(out, count);
    for (size_t i = 0; bag && i < bag->count; i++) {
        const struct sk_iot_property *p = &bag->items[i];
        if (sk_iot_property_is_stamp(p->name))
            continue;
        put_u16(out, p->name.len);
        sk_buf_add(out, p->name.ptr, p->name.len);
        put_u16(out, p->has_value ? p->value.len : SK_RECORD_NO_VALUE);
        if (p->has_value)
            sk_buf_add(out, p->value.ptr, p->value.len);
    }
}

void sk_stored_write(const struct sk_message *m, struct sk_buf *out)
{
    put_u8(out, SK_RECORD_FORMAT);
    put_u8(out, (m->is_retained ? SK_RECORD_RETAINED : 0u) | (m->is_will ? SK_RECORD_WILL : 0u));
    put_text(out, m->source);
    put_text(out, m->generation);
    put_text(out, m->auth_method);
    put_properties(out, m->bag);
    sk_buf_add(out, m->body.ptr, m->body.len);
}

/* ---- reading: `at` never passes the end ---- */

struct reader {
    struct sk_view bytes;
    size_t at;
    bool is_short;
};

static struct sk_view take(struct reader *r, size_t len)
{
    if (r->is_short || r->bytes.len - r->at < len) {
        r->is_short = true;
        return (struct sk_view){ "", 0 };
    }
    struct sk_view v = { r->bytes.ptr + r->at, len };
    r->at += len;
    return v;
}

static size_t take_number(struct reader *r, size_t bytes)
{
    struct sk_view v = take(r, bytes);
    size_t value = 0;
    for (size_t i = v.len; i > 0; i--)
        value = value << 8 | (unsigned char)v.ptr[i - 1];
    return value;
}

static void take_property(struct reader *r, struct sk_iot_property *out)
{
    out->name = take(r, take_number(r, 2));
    size_t len = take_number(r, 2);
    out->has_value = len != SK_RECORD_NO_VALUE;
    out->value = out->has_value ? take(r, len) : (struct sk_view){ "", 0 };
}

static void split_key(struct sk_view key, struct sk_stored *out)
{
    const char *slash = memchr(key.ptr, '/', key.len);
    size_t len = slash ? (size_t)(slash - key.ptr) : key.len;
    out->device = (struct sk_view){ key.ptr, len };
    out->module = slash ? (struct sk_view){ slash + 1, key.len - len - 1 } : SK_VIEW("");
}

bool sk_stored_is_text(struct sk_view v)
{
    return v.len == 0 || (!memchr(v.ptr, '\0', v.len) && sk_utf8_valid(v.ptr, v.len));
}

static bool is_same(struct sk_view a, struct sk_view b)
{
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

/* As property bags have them: names once, not empty, and all of it text. */
static bool are_good(const struct sk_stored *rec)
{
    struct sk_iot_property p, before;
    for (size_t at = 0; sk_stored_property(rec, &at, &p);) {
        if (p.name.len == 0 || !sk_stored_is_text(p.name) || !sk_stored_is_text(p.value))
            return false;
        const char *own = p.name.ptr;
        for (size_t i = 0; sk_stored_property(rec, &i, &before) && before.name.ptr != own;)
            if (is_same(before.name, p.name))
                return false;
    }
    return true;
}

int sk_stored_read(struct sk_view key, struct sk_view bytes, struct sk_stored *out,
                   struct sk_err *err)
{
    struct reader r = { .bytes = bytes };
    struct sk_stored rec = { 0 };
    if (take_number(&r, 1) != SK_RECORD_FORMAT)
        return sk_fail(err, SK_CORRUPT, "a message's record has an unknown form");
    split_key(key, &rec);
    rec.flags = (unsigned)take_number(&r, 1);
    rec.source = take(&r, take_number(&r, 1));
    rec.generation = take(&r, take_number(&r, 1));
    rec.auth_method = take(&r, take_number(&r, 1));
    rec.count = (unsigned)take_number(&r, 2);
    size_t start = r.at;
    if (rec.count > SK_IOT_PROPERTIES_MAX)
        return sk_fail(err, SK_CORRUPT, "a message's record has %u properties", rec.count);
    for (unsigned i = 0; i < rec.count && !r.is_short; i++) {
        struct sk_iot_property skipped;
        take_property(&r, &skipped);
    }
    if (r.is_short)
        return sk_fail(err, SK_CORRUPT, "a message's record is cut off");
    rec.properties = (struct sk_view){ bytes.ptr + start, r.at - start };
    rec.body = (struct sk_view){ bytes.ptr + r.at, bytes.len - r.at };
    if (!sk_stored_is_text(key) || !sk_stored_is_text(rec.source) ||
        !sk_stored_is_text(rec.generation) || !sk_stored_is_text(rec.auth_method) ||
        !are_good(&rec))
        return sk_fail(err, SK_CORRUPT, "a message's record has no text where text must be");
    *out = rec;
    return 0;
}

bool sk_stored_property(const struct sk_stored *rec, size_t *at, struct sk_iot_property *out)
{
    struct reader r = { .bytes = rec->properties, .at = *at };
    if (*at >= rec->properties.len)
        return false;
    take_property(&r, out);
    *at = r.at;
    return true;
}

struct sk_view sk_stored_find(const struct sk_stored *rec, const char *name)
{
    struct sk_view found = { "", 0 };
    struct sk_iot_property p;
    for (size_t at = 0; sk_stored_property(rec, &at, &p);)
        if (sk_view_eq(p.name, name))
            found = p.value;
    return found;
}
