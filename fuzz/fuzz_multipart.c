/*
 * fuzz_multipart.c - the multipart parser: no input may crash it, and no split of an input may
 * change its result.
 *
 * The input's first byte chooses the length of chunks, its first line is the Content-Type, the rest
 * the body. The body is parsed in one piece, then in chunks; results are compared part by part.
 */
#include "http/http.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_PARTS = 16,
    MAX_BYTES = 1 << 24
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* 0 with *out, or -1 with the first error. chunk 0: all at once. */
static int parse(const char *type, const char *body, size_t len, size_t chunk,
                 struct sk_multipart **out, struct sk_err *err)
{
    SK_OWN(sk_multipart_free) struct sk_multipart *m = NULL;
    if (sk_multipart_new(type, MAX_BYTES, MAX_PARTS, &m, err) < 0)
        return -1;
    for (size_t at = 0; at < len;) {
        size_t n = chunk && chunk < len - at ? chunk : len - at;
        if (sk_multipart_feed(m, body + at, n, err) < 0)
            return -1;
        at += n;
    }
    if (sk_multipart_finish(m, err) < 0)
        return -1;
    *out = SK_TAKE(m);
    return 0;
}

static void same_text(const char *a, const char *b)
{
    if (!a != !b || (a && strcmp(a, b) != 0))
        abort();
}

static void same_parts(const struct sk_multipart *a, const struct sk_multipart *b)
{
    if (sk_multipart_count(a) != sk_multipart_count(b) || sk_multipart_count(a) > MAX_PARTS)
        abort();
    for (size_t i = 0; i < sk_multipart_count(a); i++) {
        const struct sk_http_part *p = sk_multipart_at(a, i), *q = sk_multipart_at(b, i);
        same_text(p->name, q->name);
        same_text(p->filename, q->filename);
        same_text(p->content_type, q->content_type);
        if (p->body.len != q->body.len ||
            (p->body.len && memcmp(p->body.ptr, q->body.ptr, p->body.len) != 0))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t chunk = 1 + data[0] % 17;
    const char *line = (const char *)data + 1;
    const char *lf = memchr(line, '\n', size - 1);
    size_t line_len = lf ? (size_t)(lf - line) : size - 1;
    const char *body = lf ? lf + 1 : line + line_len;
    size_t len = (size_t)((const char *)data + size - body);
    char *type = strndup(line, line_len);
    if (!type)
        return 0;

    struct sk_err whole_err = SK_ERR_INIT, split_err = SK_ERR_INIT;
    SK_OWN(sk_multipart_free) struct sk_multipart *whole = NULL;
    SK_OWN(sk_multipart_free) struct sk_multipart *split = NULL;
    int a = parse(type, body, len, 0, &whole, &whole_err);
    int b = parse(type, body, len, chunk, &split, &split_err);
    free(type);
    if (a != b)
        abort();
    if (a == 0)
        same_parts(whole, split);
    else if (whole_err.code != split_err.code || strcmp(whole_err.text, split_err.text) != 0)
        abort();
    return 0;
}
