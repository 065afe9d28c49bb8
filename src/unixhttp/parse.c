/*
 * parse.c - answers of HTTP/1.1 (RFC 9112), as they come.
 *
 *     STATUS -> HEADERS -+-> LENGTH ----------------------------> DONE
 *        ^         |     +-> CLOSE ---- the connection ends ----> DONE
 *        +-- 1xx --+     +-> SIZE -> CHUNK -> BEHIND -> SIZE ...
 *                        |     +---- 0 ----> TRAILER -----------> DONE
 *                        +--- 204, 304, HEAD -------------------> DONE
 *
 * Lines are gathered in the parser, bodies are never copied. What could be read in two ways is
 * refused: two lengths that differ, a length beside chunks, another transfer coding than chunked.
 */
#include "unixhttp/unixhttp_priv.h"

#include <string.h>

enum {
    HEX_DIGITS = 15 /* of a chunk's size: below 2^60 */
};

/* Gathers a line without its end. 1: it is there; 0: more is needed. */
static int take_line(struct sk_unixhttp_parser *p, struct sk_view *in, struct sk_err *err)
{
    const char *end = in->len ? memchr(in->ptr, '\n', in->len) : NULL;
    size_t n = end ? (size_t)(end - in->ptr) + 1 : in->len;
    if (n > sizeof p->line - p->line_len)
        return sk_fail(err, SK_LIMIT, "a line of the answer's head is longer than %d bytes",
                       SK_UNIXHTTP_LINE_BYTES);
    if (n > 0)
        memcpy(p->line + p->line_len, in->ptr, n);
    p->line_len += n;
    in->ptr += n;
    in->len -= n;
    if (p->state != SK_UNIXHTTP_SIZE && p->state != SK_UNIXHTTP_BEHIND)
        p->head_bytes += n;
    if (p->head_bytes > SK_UNIXHTTP_HEAD_BYTES)
        return sk_fail(err, SK_LIMIT, "the answer's head is larger than %d bytes",
                       SK_UNIXHTTP_HEAD_BYTES);
    if (!end)
        return 0;
    p->line_len--;
    if (p->line_len > 0 && p->line[p->line_len - 1] == '\r')
        p->line_len--;
    if (memchr(p->line, '\0', p->line_len))
        return sk_fail(err, SK_INVALID, "the answer's head has a NUL");
    return 1;
}

/* "HTTP/1.1 200 OK" */
static int take_status(struct sk_unixhttp_parser *p, struct sk_err *err)
{
    static const char version[] = "HTTP/1.";
    const size_t at = sizeof version + 1; /* behind "HTTP/1.1 " */
    const char *l = p->line;
    bool is_good = p->line_len >= at + 3 && memcmp(l, version, sizeof version - 1) == 0 &&
                   (l[at - 2] == '0' || l[at - 2] == '1') && l[at - 1] == ' ' &&
                   (p->line_len == at + 3 || l[at + 3] == ' ');
    int status = 0;
    for (size_t i = at; is_good && i < at + 3; i++) {
        is_good = l[i] >= '0' && l[i] <= '9';
        status = status * 10 + (l[i] - '0');
    }
    if (!is_good || status < 100 || status > 599)
        return sk_fail(err, SK_INVALID, "the answer does not begin as HTTP/1.1 does");
    p->coming = status;
    p->left = 0;
    p->state = SK_UNIXHTTP_HEADERS;
    return 0;
}

static int take_length(struct sk_unixhttp_parser *p, struct sk_view value, struct sk_err *err)
{
    uint64_t n = 0;
    bool is_good = value.len > 0 && value.len <= 18;
    for (size_t i = 0; is_good && i < value.len; i++) {
        is_good = value.ptr[i] >= '0' && value.ptr[i] <= '9';
        n = n * 10 + (uint64_t)(value.ptr[i] - '0');
    }
    if (!is_good || (p->has_length && n != p->left))
        return sk_fail(err, SK_INVALID, "the answer's Content-Length is no number, or two");
    p->has_length = true;
    p->left = n;
    return 0;
}

static int take_header(struct sk_unixhttp_parser *p, struct sk_err *err)
{
    const char *colon = memchr(p->line, ':', p->line_len);
    if (!colon || colon == p->line || p->line[0] == ' ' || p->line[0] == '\t')
        return sk_fail(err, SK_INVALID, "a header of the answer is malformed");
    const struct sk_view name = { p->line, (size_t)(colon - p->line) };
    const struct sk_view value = sk_view_trim(
        (struct sk_view){ colon + 1, p->line_len - name.len - 1 });
    if (sk_view_eq_nocase(name, "Content-Length"))
        return take_length(p, value, err);
    if (!sk_view_eq_nocase(name, "Transfer-Encoding"))
        return 0;
    if (p->is_chunked || !sk_view_eq_nocase(value, "chunked"))
        return sk_fail(err, SK_INVALID, "the answer has another transfer coding than chunked");
    p->is_chunked = true;
    return 0;
}

/* The head is complete. */
static int begin_body(struct sk_unixhttp_parser *p, struct sk_err *err)
{
    const int status = p->coming;
    if (p->has_length && p->is_chunked)
        return sk_fail(err, SK_INVALID, "the answer has a Content-Length and chunks");
    if (status == 101)
        return sk_fail(err, SK_INVALID, "the peer switches to another protocol, unasked");
    if (status < 200) { /* an interim answer: the real one follows */
        p->has_length = p->is_chunked = false;
        p->state = SK_UNIXHTTP_STATUS;
        return 0;
    }
    p->status = status;
    if (p->is_headless || status == 204 || status == 304 || (p->has_length && p->left == 0))
        p->state = SK_UNIXHTTP_DONE;
    else if (p->is_chunked)
        p->state = SK_UNIXHTTP_SIZE;
    else
        p->state = p->has_length ? SK_UNIXHTTP_LENGTH : SK_UNIXHTTP_CLOSE;
    return 0;
}

/* "1a2b", with extensions behind ';' that say nothing to us */
static int take_size(struct sk_unixhttp_parser *p, struct sk_err *err)
{
    uint64_t size = 0;
    size_t i = 0;
    int digit = 0;
    for (; i < p->line_len && (digit = sk_hex_digit(p->line[i])) >= 0; i++) {
        if (i == HEX_DIGITS)
            return sk_fail(err, SK_INVALID, "a chunk of the answer is absurdly large");
        size = size * 16 + (uint64_t)digit;
    }
    const struct sk_view rest = sk_view_trim((struct sk_view){ p->line + i, p->line_len - i });
    if (i == 0 || (rest.len > 0 && rest.ptr[0] != ';'))
        return sk_fail(err, SK_INVALID, "the size of a chunk of the answer is malformed");
    p->left = size;
    p->state = size ? SK_UNIXHTTP_CHUNK : SK_UNIXHTTP_TRAILER;
    return 0;
}

static int take_whole_line(struct sk_unixhttp_parser *p, struct sk_err *err)
{
    switch (p->state) {
    case SK_UNIXHTTP_STATUS:
        return take_status(p, err);
    case SK_UNIXHTTP_HEADERS:
        return p->line_len == 0 ? begin_body(p, err) : take_header(p, err);
    case SK_UNIXHTTP_SIZE:
        return take_size(p, err);
    case SK_UNIXHTTP_BEHIND:
        if (p->line_len > 0)
            return sk_fail(err, SK_INVALID, "a chunk of the answer is longer than its size");
        p->state = SK_UNIXHTTP_SIZE;
        return 0;
    default:
        if (p->line_len == 0)
            p->state = SK_UNIXHTTP_DONE;
        return 0;
    }
}

static void take_bytes(struct sk_unixhttp_parser *p, struct sk_view *in, struct sk_view *piece)
{
    size_t n = in->len;
    if (p->state != SK_UNIXHTTP_CLOSE) {
        n = n < p->left ? n : (size_t)p->left;
        p->left -= n;
    }
    *piece = (struct sk_view){ in->ptr, n };
    in->ptr += n;
    in->len -= n;
    if (p->state != SK_UNIXHTTP_CLOSE && p->left == 0)
        p->state = p->state == SK_UNIXHTTP_CHUNK ? SK_UNIXHTTP_BEHIND : SK_UNIXHTTP_DONE;
}

int sk_unixhttp_feed(struct sk_unixhttp_parser *p, struct sk_view *in, struct sk_view *piece,
                     struct sk_err *err)
{
    *piece = (struct sk_view){ NULL, 0 };
    while (in->len > 0 && p->state != SK_UNIXHTTP_DONE) {
        if (p->state == SK_UNIXHTTP_LENGTH || p->state == SK_UNIXHTTP_CLOSE ||
            p->state == SK_UNIXHTTP_CHUNK) {
            take_bytes(p, in, piece);
            return 0;
        }
        int n = take_line(p, in, err);
        if (n < 0)
            return -1;
        if (n == 0)
            continue;
        if (take_whole_line(p, err) < 0)
            return -1;
        p->line_len = 0;
    }
    return 0;
}

int sk_unixhttp_end(const struct sk_unixhttp_parser *p, struct sk_err *err)
{
    if (p->state == SK_UNIXHTTP_DONE || p->state == SK_UNIXHTTP_CLOSE)
        return 0;
    if (p->head_bytes == 0)
        return sk_fail(err, SK_IO, "the peer ended the connection without an answer");
    return sk_fail(err, SK_IO, "the connection ended in the middle of the answer");
}
