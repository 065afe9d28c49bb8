/*
 * fuzz_telemetry.c - a record of the journal: a byte says how long its key is.
 *
 * What is read stays within the record, and prints as JSON that parses, on one line, and as one
 * line of CSV whose quotes are even.
 */
#include "telemetry/telemetry_priv.h"

#include "json/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct sk_view v, struct sk_view all)
{
    if (v.len > 0 && (v.ptr < all.ptr || v.ptr + v.len > all.ptr + all.len))
        abort();
}

static void check_views(const struct sk_stored *rec, struct sk_view key, struct sk_view bytes)
{
    struct sk_iot_property p;
    unsigned count = 0;
    inside(rec->device, key);
    inside(rec->module, key);
    inside(rec->source, bytes);
    inside(rec->generation, bytes);
    inside(rec->auth_method, bytes);
    inside(rec->body, bytes);
    for (size_t at = 0; sk_stored_property(rec, &at, &p); count++) {
        inside(p.name, rec->properties);
        inside(p.value, rec->properties);
    }
    if (count != rec->count)
        abort();
}

static void check_json(const struct sk_stored *rec)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(64 << 20);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    const struct sk_json_limits limits = { 1 << 20, 200 };
    if (sk_stored_json(rec, 1, 0, &out, &err) < 0 || memchr(out.data, '\n', out.len) ||
        sk_json_parse(out.data, out.len, &limits, &doc, &err) < 0)
        abort();
}

static void check_csv(const struct sk_stored *rec)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(64 << 20);
    bool is_quoted = false;
    unsigned cells = 1;
    if (sk_stored_csv(rec, 1, 0, &out, &err) < 0 || out.len < 2)
        abort();
    for (size_t i = 0; i < out.len - 2; i++) {
        is_quoted ^= out.data[i] == '"';
        cells += !is_quoted && out.data[i] == ',';
        if (!is_quoted && (out.data[i] == '\n' || out.data[i] == '\r'))
            abort();
    }
    if (is_quoted || cells != 8)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_stored rec;
    if (size < 1 || size < 1 + (size_t)data[0])
        return 0;
    const struct sk_view key = { (const char *)data + 1, data[0] };
    const struct sk_view bytes = { key.ptr + key.len, size - 1 - key.len };
    if (sk_stored_read(key, bytes, &rec, &err) < 0) {
        if (err.code != SK_CORRUPT || !err.text[0])
            abort();
        return 0;
    }
    check_views(&rec, key, bytes);
    check_json(&rec);
    check_csv(&rec);
    return 0;
}
