/*
 * route_body.c - a message's body as JSON, for conditions.
 *
 * It is looked at only when the content type begins with application/json and the encoding is
 * UTF-8 (also when none is given), UTF-16 or UTF-32. The latter two become UTF-8 first; a byte
 * order mark says their order, without one it is little-endian. A path is names with dots between,
 * each with one index at most: $body.path[0].x.
 */
#include "manifest/route_priv.h"

#include <string.h>

/* ---- bodies ---- */

static bool is_one_of(const char *text, const char *const *names)
{
    for (; *names; names++)
        if (sk_view_eq_nocase(sk_view_of(text), *names))
            return true;
    return false;
}

static bool is_json_type(const char *type)
{
    static const char json[] = "application/json";

    return type && strlen(type) >= sizeof(json) - 1 &&
           sk_view_eq_nocase((struct sk_view){ type, sizeof(json) - 1 }, json);
}

static uint32_t read_unit(const unsigned char *p, size_t width, bool is_big)
{
    uint32_t unit = 0;

    for (size_t i = 0; i < width; i++)
        unit |= (uint32_t)p[i] << (8 * (is_big ? width - 1 - i : i));
    return unit;
}

static void add_utf8(struct sk_buf *out, uint32_t c)
{
    if (c < 0x80) {
        sk_buf_chr(out, (char)c);
        return;
    }
    if (c < 0x800) {
        sk_buf_chr(out, (char)(0xc0 | (c >> 6)));
    } else {
        if (c < 0x10000) {
            sk_buf_chr(out, (char)(0xe0 | (c >> 12)));
        } else {
            sk_buf_chr(out, (char)(0xf0 | (c >> 18)));
            sk_buf_chr(out, (char)(0x80 | ((c >> 12) & 0x3f)));
        }
        sk_buf_chr(out, (char)(0x80 | ((c >> 6) & 0x3f)));
    }
    sk_buf_chr(out, (char)(0x80 | (c & 0x3f)));
}

/* width: 2 or 4. False for what is no such text. */
static bool to_utf8(struct sk_view body, size_t width, struct sk_buf *out)
{
    const unsigned char *p = (const unsigned char *)body.ptr;
    bool is_big = false;
    size_t i = 0;

    if (body.len % width != 0 || body.len == 0)
        return false;
    if (read_unit(p, width, false) == 0xfeff || read_unit(p, width, true) == 0xfeff) {
        is_big = read_unit(p, width, true) == 0xfeff;
        i = width;
    }
    for (; i < body.len; i += width) {
        uint32_t c = read_unit(p + i, width, is_big), low;

        if (width == 2 && c >= 0xd800 && c < 0xdc00) {
            low = i + 2 < body.len ? read_unit(p + i + 2, 2, is_big) : 0;
            if (low < 0xdc00 || low > 0xdfff)
                return false;
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
            i += 2;
        } else if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) {
            return false;
        }
        add_utf8(out, c);
    }
    return sk_buf_ok(out);
}

struct sk_json *sk_route_body_read(const struct sk_route_message *m)
{
    static const char *const utf8[] = { "", "utf-8", "utf8", NULL };
    static const char *const utf16[] = { "utf-16", "utf16", "unicode", NULL };
    static const char *const utf32[] = { "utf-32", "utf32", NULL };
    struct sk_json_limits limits = { .max_values = SK_ROUTE_VALUES_MAX };
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(2 * SK_ROUTE_BODY_MAX);
    const char *encoding = m->system(m->ctx, "contentEncoding");
    struct sk_view body = m->body;
    struct sk_err err = SK_ERR_INIT;
    struct sk_json *doc = NULL;

    if (!is_json_type(m->system(m->ctx, "contentType")) || body.len > SK_ROUTE_BODY_MAX)
        return NULL;
    if (encoding && (is_one_of(encoding, utf16) || is_one_of(encoding, utf32))) {
        if (!to_utf8(body, is_one_of(encoding, utf16) ? 2 : 4, &text))
            return NULL;
        body = (struct sk_view){ text.len ? text.data : "", text.len };
    } else if (encoding && !is_one_of(encoding, utf8)) {
        return NULL;
    }
    if (sk_json_parse(body.len ? body.ptr : "", body.len, &limits, &doc, &err) < 0)
        return NULL;
    if (sk_json_type(doc) == SK_JSON_OBJECT)
        return doc;
    sk_json_free(doc);
    return NULL;
}

/* ---- paths ---- */

static bool is_key(char c)
{
    return !strchr("()<>@,;:\\\"/[]?={}.\t\r\n", c);
}

int sk_route_steps(struct sk_view route, size_t base, struct sk_view path, struct sk_arena *arena,
                   const struct sk_route_step **out, struct sk_err *err)
{
    const struct sk_route_step *first = NULL;
    struct sk_route_step *last = NULL, *step;
    size_t i = 0;

    do {
        size_t from = i;

        while (i < path.len && is_key(path.ptr[i]))
            i++;
        if (i == from)
            return sk_route_fail(route, base + i, err, "expected a name, as in $body.path[0].x");
        step = sk_arena_alloc(arena, sizeof(*step));
        if (!step)
            return sk_nomem(err);
        *step = (struct sk_route_step){ .key = sk_arena_strndup(arena, path.ptr + from, i - from) };
        if (!step->key)
            return sk_nomem(err);
        if (i < path.len && path.ptr[i] == '[') {
            size_t digits = ++i;

            for (; i < path.len && path.ptr[i] >= '0' && path.ptr[i] <= '9' && i - digits < 9; i++)
                step->index = step->index * 10 + (size_t)(path.ptr[i] - '0');
            if (i == digits || i == path.len || path.ptr[i] != ']')
                return sk_route_fail(route, base + i, err, "expected an index, as in [0]");
            step->has_index = true;
            i++;
        }
        if (i < path.len && path.ptr[i] != '.')
            return sk_route_fail(route, base + i, err, "expected . or the end of the path");
        if (last)
            last->next = step;
        else
            first = step;
        last = step;
    } while (i++ < path.len);
    *out = first;
    return 0;
}

const struct sk_json *sk_route_body_find(const struct sk_json *body,
                                         const struct sk_route_step *steps)
{
    for (; steps && body; steps = steps->next) {
        body = sk_json_get(body, steps->key);
        if (steps->has_index)
            body = sk_json_at(body, steps->index);
    }
    return body;
}
