/*
 * raw.c - members of a JSON text as they stand there, so that they can be copied unchanged.
 *
 * The text was checked before (sk_json_parse); so a walk needs only quotes and brackets.
 */
#include "docker/docker_priv.h"

#include <string.h>
#include <strings.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_spaces(struct sk_view *v)
{
    while (v->len && is_space(v->ptr[0])) {
        v->ptr++;
        v->len--;
    }
}

static void skip(struct sk_view *v, size_t n)
{
    v->ptr += n;
    v->len -= n;
}

/* Length of the text, with quotes, at the start of v. */
static size_t text_length(struct sk_view v)
{
    for (size_t i = 1; i < v.len; i++) {
        if (v.ptr[i] == '\\')
            i++;
        else if (v.ptr[i] == '"')
            return i + 1;
    }
    return v.len;
}

static size_t value_length(struct sk_view v)
{
    size_t depth = 0;

    for (size_t i = 0; i < v.len;) {
        char c = v.ptr[i];
        if (c == '"') {
            i += text_length((struct sk_view){ v.ptr + i, v.len - i });
        } else if (depth == 0 && i > 0 && (c == ',' || c == '}' || c == ']' || is_space(c))) {
            return i;
        } else {
            depth += c == '{' || c == '[';
            depth -= depth && (c == '}' || c == ']');
            i++;
        }
        if (depth == 0 && (c == '"' || c == '}' || c == ']'))
            return i;
    }
    return v.len;
}

struct sk_docker_raw sk_docker_raw_of(struct sk_view value)
{
    struct sk_docker_raw r = { value };

    skip_spaces(&r.rest);
    if (r.rest.len && (r.rest.ptr[0] == '{' || r.rest.ptr[0] == '['))
        skip(&r.rest, 1);
    else
        r.rest.len = 0;
    return r;
}

bool sk_docker_raw_next(struct sk_docker_raw *r, struct sk_docker_member *out)
{
    struct sk_view *v = &r->rest;

    *out = (struct sk_docker_member){ { v->ptr, 0 }, { v->ptr, 0 } };
    skip_spaces(v);
    if (v->len && v->ptr[0] == ',')
        skip(v, 1);
    skip_spaces(v);
    if (v->len == 0 || v->ptr[0] == '}' || v->ptr[0] == ']') {
        v->len = 0;
        return false;
    }
    size_t len = value_length(*v);
    struct sk_view first = { v->ptr, len };
    skip(v, len);
    skip_spaces(v);
    if (v->len == 0 || v->ptr[0] != ':') {
        out->value = first;
        return true;
    }
    skip(v, 1);
    skip_spaces(v);
    out->key = first;
    out->value = (struct sk_view){ v->ptr, value_length(*v) };
    skip(v, out->value.len);
    return true;
}

/* One ASCII character of a text; other ones become 0x7f, which no name of ours has. */
static char next_character(struct sk_view *v)
{
    static const char escapes[] = "\"\\/bfnrt", plain[] = "\"\\/\b\f\n\r\t";
    char c = v->ptr[0];

    skip(v, 1);
    if (c != '\\' || v->len == 0)
        return c < 0 ? 0x7f : c;
    c = v->ptr[0];
    skip(v, 1);
    const char *at = strchr(escapes, c);
    if (c != 'u')
        return at && c ? plain[at - escapes] : 0x7f;
    unsigned value = 0;
    for (int i = 0; i < 4 && v->len; i++) {
        value = value << 4 | ((unsigned)sk_hex_digit(v->ptr[0]) & 15);
        skip(v, 1);
    }
    return value < 0x80 ? (char)value : 0x7f;
}

void sk_docker_raw_text(struct sk_view quoted, char *out, size_t size)
{
    size_t n = 0;
    struct sk_view v = { quoted.ptr + 1, quoted.len >= 2 ? quoted.len - 2 : 0 };

    while (v.len && n + 1 < size)
        out[n++] = next_character(&v);
    out[n] = '\0';
}

bool sk_docker_raw_is(const struct sk_docker_member *m, const char *name)
{
    char text[64];

    if (m->key.len < 2)
        return false;
    sk_docker_raw_text(m->key, text, sizeof text);
    return strcasecmp(text, name) == 0;
}
