/*
 * twin_json.c - twins as text: values, and what devices and services get to see.
 *
 * A section is kept as compact text that begins with '{' and ends with '}', so "$version" and
 * "$metadata" are put into it without parsing.
 */
#include "iot/iot_priv.h"

#include <string.h>

void sk_iot_write_comma(struct sk_buf *out)
{
    char last = out->len > 0 ? out->data[out->len - 1] : '{';
    if (last != '{' && last != '[')
        sk_buf_chr(out, ',');
}

/* A double that prints without '.' and exponent would come back as an integer. */
static void write_real(double value, struct sk_buf *out)
{
    size_t start = out->len;
    sk_buf_num(out, value, 17);
    if (sk_buf_ok(out) && strcspn(out->data + start, ".e") == out->len - start)
        sk_buf_str(out, ".0");
}

static void write_object(const struct sk_json *v, enum sk_iot_write how, struct sk_buf *out)
{
    sk_buf_chr(out, '{');
    for (void *it = sk_json_first(v); it; it = sk_json_next(v, it)) {
        const struct sk_json *member = sk_json_value(it);
        if (how == SK_IOT_NO_NULLS && sk_json_type(member) == SK_JSON_NULL)
            continue;
        sk_iot_write_comma(out);
        sk_buf_json_str(out, sk_json_key(it));
        sk_buf_chr(out, ':');
        sk_iot_write_value(member, how, out);
    }
    sk_buf_chr(out, '}');
}

void sk_iot_write_value(const struct sk_json *v, enum sk_iot_write how, struct sk_buf *out)
{
    switch (sk_json_type(v)) {
    case SK_JSON_NULL:
        sk_buf_str(out, "null");
        break;
    case SK_JSON_BOOL:
        sk_buf_str(out, sk_json_bool(v, false) ? "true" : "false");
        break;
    case SK_JSON_INT:
        sk_buf_i64(out, sk_json_int(v, 0));
        break;
    case SK_JSON_REAL:
        write_real(sk_json_num(v, 0), out);
        break;
    case SK_JSON_STRING:
        sk_buf_json(out, sk_json_text(v, ""), sk_json_text_len(v));
        break;
    case SK_JSON_OBJECT:
        write_object(v, how, out);
        break;
    case SK_JSON_ARRAY:
        sk_buf_chr(out, '[');
        for (size_t i = 0; i < sk_json_count(v); i++) {
            sk_iot_write_comma(out);
            sk_iot_write_value(sk_json_at(v, i), SK_IOT_ALL, out);
        }
        sk_buf_chr(out, ']');
        break;
    }
}

bool sk_twin_is_extra(const char *name)
{
    return strcmp(name, "$version") == 0 || strcmp(name, "$metadata") == 0;
}

/* The section's members, without the closing brace, ready for one more. */
static void open_section(const struct sk_twin_section *section, struct sk_buf *out)
{
    sk_buf_add(out, section->body, strlen(section->body) - 1);
    sk_iot_write_comma(out);
}

static void close_section(const struct sk_twin_section *section, struct sk_buf *out)
{
    sk_buf_str(out, "\"$version\":");
    sk_buf_i64(out, section->version);
    sk_buf_chr(out, '}');
}

void sk_twin_device_json(const struct sk_twin_section *desired,
                         const struct sk_twin_section *reported, struct sk_buf *out)
{
    sk_buf_str(out, "{\"desired\":");
    open_section(desired, out);
    close_section(desired, out);
    sk_buf_str(out, ",\"reported\":");
    open_section(reported, out);
    close_section(reported, out);
    sk_buf_chr(out, '}');
}

void sk_twin_service_json(const struct sk_twin_section *section, struct sk_buf *out)
{
    open_section(section, out);
    sk_buf_str(out, "\"$metadata\":");
    sk_buf_str(out, section->meta);
    sk_buf_chr(out, ',');
    close_section(section, out);
}
