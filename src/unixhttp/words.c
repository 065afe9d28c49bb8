/*
 * words.c - what a peer says of an error, without a parser of JSON: this module must be small, and
 * the text may be cut.
 *
 * One walk over the members of the outermost object; nested values are skipped by counting
 * brackets outside texts. Whatever the bytes are, the result is one line of UTF-8.
 */
#include "unixhttp/unixhttp_priv.h"

#include <string.h>

enum {
    KEY_BYTES = 16
};

struct words {
    char *out; /* NULL: skipped */
    size_t len, cap;
};

static void put(struct words *w, const char *bytes, size_t len)
{
    if (!w->out || w->len + len >= w->cap)
        return;
    memcpy(w->out + w->len, bytes, len);
    w->len += len;
}

/* A space for what would break the line. */
static void put_char(struct words *w, unsigned c)
{
    char utf8[4];
    size_t n = 0;
    if (c < 0x20 || c == 0x7f || (c >= 0xd800 && c < 0xe000)) {
        utf8[n++] = ' ';
    } else if (c < 0x80) {
        utf8[n++] = (char)c;
    } else if (c < 0x800) {
        utf8[n++] = (char)(0xc0 | c >> 6);
        utf8[n++] = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        utf8[n++] = (char)(0xe0 | c >> 12);
        utf8[n++] = (char)(0x80 | (c >> 6 & 0x3f));
        utf8[n++] = (char)(0x80 | (c & 0x3f));
    } else {
        utf8[n++] = (char)(0xf0 | c >> 18);
        utf8[n++] = (char)(0x80 | (c >> 12 & 0x3f));
        utf8[n++] = (char)(0x80 | (c >> 6 & 0x3f));
        utf8[n++] = (char)(0x80 | (c & 0x3f));
    }
    put(w, utf8, n);
}

/* One character as it stands. Returns its bytes. */
static size_t put_raw(struct words *w, struct sk_view in)
{
    size_t n = sk_utf8_step(in.ptr, in.len);
    if (n > 1)
        put(w, in.ptr, n);
    else
        put_char(w, n == 1 ? (unsigned char)in.ptr[0] : '?');
    return n ? n : 1;
}

static bool hex4(struct sk_view in, size_t at, unsigned *out)
{
    unsigned value = 0;
    for (size_t i = at; i < at + 4; i++) {
        int digit = i < in.len ? sk_hex_digit(in.ptr[i]) : -1;
        if (digit < 0)
            return false;
        value = value << 4 | (unsigned)digit;
    }
    *out = value;
    return true;
}

/* Behind a backslash. Returns the bytes of the escape. */
static size_t put_escape(struct words *w, struct sk_view in)
{
    unsigned c = 0, low = 0;
    if (in.len == 0)
        return 0;
    if (in.ptr[0] != 'u') {
        put_char(w, strchr("\"\\/", in.ptr[0]) ? (unsigned char)in.ptr[0] : ' ');
        return 1;
    }
    if (!hex4(in, 1, &c))
        return 1;
    if (c >= 0xd800 && c < 0xdc00 && in.len > 6 && in.ptr[5] == '\\' && in.ptr[6] == 'u' &&
        hex4(in, 7, &low) && low >= 0xdc00 && low < 0xe000) {
        put_char(w, 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00));
        return 11;
    }
    put_char(w, c);
    return 5;
}

/* At the opening quote. Returns the place behind the closing one, or the end. */
static size_t take_text(struct sk_view in, size_t at, struct words *w)
{
    for (at++; at < in.len && in.ptr[at] != '"';) {
        const struct sk_view rest = { in.ptr + at, in.len - at };
        if (in.ptr[at] != '\\')
            at += put_raw(w, rest);
        else
            at += 1 + put_escape(w, (struct sk_view){ rest.ptr + 1, rest.len - 1 });
    }
    if (w->out)
        w->out[w->len] = '\0';
    return at < in.len ? at + 1 : in.len;
}

static size_t skip_spaces(struct sk_view in, size_t at)
{
    while (at < in.len && memchr(" \t\r\n", in.ptr[at], 4))
        at++;
    return at;
}

/* To the comma or the bracket behind a value. */
static size_t skip_value(struct sk_view in, size_t at)
{
    struct words none = { .out = NULL };
    size_t depth = 0;
    while (at < in.len) {
        const char c = in.ptr[at];
        if (depth == 0 && (c == ',' || c == '}'))
            break;
        if (c == '{' || c == '[')
            depth++;
        if ((c == '}' || c == ']') && depth > 0)
            depth--;
        at = c == '"' ? take_text(in, at, &none) : at + 1;
    }
    return at;
}

/* Whether the object has a text of that name. */
static bool find_text(struct sk_view in, const char *name, struct words *out)
{
    size_t at = skip_spaces(in, 0);
    if (at == in.len || in.ptr[at] != '{')
        return false;
    at = skip_spaces(in, at + 1);
    while (at < in.len && in.ptr[at] == '"') {
        char key[KEY_BYTES] = "";
        struct words k = { key, 0, sizeof key };
        at = skip_spaces(in, take_text(in, at, &k));
        if (at == in.len || in.ptr[at] != ':')
            return false;
        at = skip_spaces(in, at + 1);
        if (at < in.len && in.ptr[at] == '"' && strcmp(key, name) == 0) {
            (void)take_text(in, at, out);
            return out->len > 0;
        }
        at = skip_value(in, at);
        if (at == in.len || in.ptr[at] != ',')
            return false;
        at = skip_spaces(in, at + 1);
    }
    return false;
}

void sk_unixhttp_words(struct sk_view body, char out[SK_UNIXHTTP_WORDS_BYTES])
{
    static const char *const names[] = { "message", "Message", "error" };
    struct words w = { out, 0, SK_UNIXHTTP_WORDS_BYTES };
    out[0] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (find_text(body, names[i], &w))
            return;
    size_t at = skip_spaces(body, 0);
    if (at == body.len || strchr("{[<", body.ptr[at]))
        return;
    while (at < body.len && body.ptr[at] != '\n' && body.ptr[at] != '\r')
        at += put_raw(&w, (struct sk_view){ body.ptr + at, body.len - at });
    out[w.len] = '\0';
}
