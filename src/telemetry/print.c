/*
 * print.c - messages as JSON and as CSV.
 *
 * A body is JSON when its content type says so and it parses, so that what is printed is always
 * valid; else text when it is UTF-8 without NUL; else base64.
 */
#include "telemetry/telemetry_priv.h"

#include "base/clock.h"
#include "crypto/crypto.h"
#include "json/json.h"

#include <string.h>
#include <strings.h>

static bool says_json(const struct sk_stored *r)
{
    struct sk_view type = sk_stored_find(r, "$.ct");
    static const char json[] = "application/json";
    const size_t len = sizeof json - 1;
    return type.len >= len && strncasecmp(type.ptr, json, len) == 0 &&
           (type.len == len || type.ptr[len] == ';' || type.ptr[len] == ' ');
}

/* 1, 0; -1: not enough memory to say. */
static int is_json(struct sk_view body, struct sk_err *err)
{
    struct sk_err why = SK_ERR_INIT;
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    if (body.len == 0)
        return 0;
    if (sk_json_parse(body.ptr, body.len, NULL, &doc, &why) == 0)
        return 1;
    return why.code == SK_NOMEM ? sk_nomem(err) : 0;
}

static void member(struct sk_buf *out, const char *name, struct sk_view value)
{
    sk_buf_fmt(out, ",\"%s\":", name);
    sk_buf_json(out, value.ptr, value.len);
}

static void pair(struct sk_buf *out, bool *is_first, struct sk_view name, struct sk_view value,
                 bool has_value)
{
    if (!*is_first)
        sk_buf_chr(out, ',');
    *is_first = false;
    sk_buf_json(out, name.ptr, name.len);
    sk_buf_chr(out, ':');
    if (has_value)
        sk_buf_json(out, value.ptr, value.len);
    else
        sk_buf_str(out, "null");
}

/* Two names of the wire may be one outside it: then the later property holds. */
static bool is_outdone(const struct sk_stored *r, size_t at, const struct sk_iot_system *s)
{
    struct sk_iot_property p;
    while (sk_stored_property(r, &at, &p)) {
        const struct sk_iot_system *other = sk_iot_system_by_wire(p.name);
        if (other && strcmp(other->name, s->name) == 0)
            return true;
    }
    return false;
}

/* Names that begin with "$." are the system's, and have longer names outside the wire. */
static void put_system(const struct sk_stored *r, struct sk_buf *out)
{
    struct sk_iot_property p;
    bool is_first = true;
    sk_buf_str(out, ",\"systemProperties\":{");
    for (size_t at = 0; sk_stored_property(r, &at, &p);) {
        const struct sk_iot_system *s = sk_iot_system_by_wire(p.name);
        if (s && !is_outdone(r, at, s))
            pair(out, &is_first, sk_view_of(s->name), p.value, p.has_value);
    }
    if (r->generation.len > 0)
        pair(out, &is_first, SK_VIEW("iothub-connection-auth-generation-id"), r->generation, true);
    if (r->auth_method.len > 0)
        pair(out, &is_first, SK_VIEW("iothub-connection-auth-method"), r->auth_method, true);
    sk_buf_chr(out, '}');
}

static void put_properties(const struct sk_stored *r, struct sk_buf *out)
{
    static const char retained[] = "mqtt-retain", type[] = "iothub-MessageType";
    const bool is_retained = r->flags & SK_RECORD_RETAINED, is_will = r->flags & SK_RECORD_WILL;
    struct sk_iot_property p;
    bool is_first = true;
    sk_buf_chr(out, '{');
    for (size_t at = 0; sk_stored_property(r, &at, &p);)
        if (!sk_iot_system_by_wire(p.name) && !(is_retained && sk_view_eq(p.name, retained)) &&
            !(is_will && sk_view_eq(p.name, type)))
            pair(out, &is_first, p.name, p.value, p.has_value);
    if (is_retained)
        pair(out, &is_first, sk_view_of(retained), SK_VIEW("true"), true);
    if (is_will)
        pair(out, &is_first, sk_view_of(type), SK_VIEW("Will"), true);
    sk_buf_chr(out, '}');
}

/* A line break in JSON can only stand between values; an export has a message a line. */
static void on_one_line(struct sk_view json, struct sk_buf *out)
{
    char *at = sk_buf_reserve(out, json.len);
    for (size_t i = 0; at && i < json.len; i++)
        at[i] = json.ptr[i] == '\n' || json.ptr[i] == '\r' ? ' ' : json.ptr[i];
    if (at)
        sk_buf_commit(out, json.len);
}

/* A byte order mark is let in at the begin of a text, and nowhere else. */
static struct sk_view without_mark(struct sk_view json)
{
    static const char mark[] = "\xEF\xBB\xBF";
    const size_t skip = json.len >= 3 && memcmp(json.ptr, mark, 3) == 0 ? 3 : 0;
    return (struct sk_view){ json.ptr + skip, json.len - skip };
}

static int put_body(const struct sk_stored *r, struct sk_buf *out, struct sk_err *err)
{
    int json = says_json(r) ? is_json(r->body, err) : 0;
    if (json < 0)
        return -1;
    if (json) {
        sk_buf_str(out, ",\"body\":");
        on_one_line(without_mark(r->body), out);
    } else if (sk_stored_is_text(r->body)) {
        member(out, "bodyText", r->body);
    } else {
        sk_buf_str(out, ",\"bodyBase64\":\"");
        sk_base64(out, r->body.ptr, r->body.len);
        sk_buf_chr(out, '"');
    }
    return 0;
}

int sk_stored_json(const struct sk_stored *r, uint64_t seq, int64_t time_ms, struct sk_buf *out,
                   struct sk_err *err)
{
    char time[SK_TIME_TEXT];
    struct sk_view output = sk_stored_find(r, "$.on");
    sk_time_text((uint64_t)time_ms, time);
    sk_buf_str(out, "{\"sequence\":");
    sk_buf_u64(out, seq);
    sk_buf_fmt(out, ",\"enqueuedTime\":\"%s\"", time);
    member(out, "deviceId", r->device);
    if (r->module.len > 0)
        member(out, "moduleId", r->module);
    if (output.len > 0)
        member(out, "output", output);
    member(out, "source", r->source);
    put_system(r, out);
    sk_buf_str(out, ",\"properties\":");
    put_properties(r, out);
    if (put_body(r, out, err) < 0)
        return -1;
    sk_buf_chr(out, '}');
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

/* ---- CSV (RFC 4180) ---- */

static void cell(struct sk_buf *out, struct sk_view text)
{
    bool is_plain = true;
    for (size_t i = 0; i < text.len && is_plain; i++)
        is_plain = !memchr("\",\r\n", text.ptr[i], 4);
    /* A spreadsheet takes these for formulas. */
    bool is_formula = text.len > 0 && memchr("=+-@\t\r", text.ptr[0], 6);
    sk_buf_str(out, is_plain && !is_formula ? "" : "\"");
    sk_buf_str(out, is_formula ? "'" : "");
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"')
            sk_buf_chr(out, '"');
        sk_buf_chr(out, text.ptr[i]);
    }
    sk_buf_str(out, is_plain && !is_formula ? "" : "\"");
}

void sk_telemetry_csv_head(struct sk_buf *csv)
{
    sk_buf_str(csv,
               "sequence,enqueuedTime,deviceId,moduleId,output,contentType,properties,body\r\n");
}

int sk_stored_csv(const struct sk_stored *r, uint64_t seq, int64_t time_ms, struct sk_buf *out,
                  struct sk_err *err)
{
    char time[SK_TIME_TEXT];
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(6 * SK_RECORD_MAX);
    sk_time_text((uint64_t)time_ms, time);
    sk_buf_u64(out, seq);
    sk_buf_fmt(out, ",%s,", time);
    cell(out, r->device);
    sk_buf_chr(out, ',');
    cell(out, r->module);
    sk_buf_chr(out, ',');
    cell(out, sk_stored_find(r, "$.on"));
    sk_buf_chr(out, ',');
    cell(out, sk_stored_find(r, "$.ct"));
    sk_buf_chr(out, ',');
    put_properties(r, &text);
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    cell(out, (struct sk_view){ text.data, text.len });
    sk_buf_chr(out, ',');
    sk_buf_clear(&text);
    if (sk_stored_is_text(r->body)) {
        cell(out, r->body);
    } else {
        sk_buf_str(&text, "base64:");
        sk_base64(&text, r->body.ptr, r->body.len);
        if (!sk_buf_ok(&text))
            return sk_buf_fail(&text, err);
        cell(out, (struct sk_view){ text.data, text.len });
    }
    sk_buf_str(out, "\r\n");
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}
