/*
 * multipart.c - multipart/form-data (RFC 7578, RFC 2046 section 5.1), parsed while it arrives.
 *
 *     preamble CRLF? --boundary LWSP* CRLF headers CRLF CRLF body CRLF --boundary LWSP* CRLF ...
 * CRLF --boundary-- epilogue
 *
 * Chunks are appended to one buffer and scanned there, each byte about once; a part's body is a
 * range of that buffer, so it is contiguous and was copied only once. A decision is taken only when
 * all bytes it depends on are there, and `pos` never moves past a byte that is still undecided: so
 * every split of the input into chunks gives the same result.
 *
 * A line ends with CRLF. Hand-made bodies with bare LF are taken too, when the first boundary line
 * ends so; then all lines must, which keeps a CR before a boundary in the part it belongs to. Text
 * in front of the first boundary and behind the last is skipped. filename* (RFC 5987) is ignored:
 * RFC 7578 forbids it.
 */
#include "http/http_priv.h"

#include <ctype.h>
#include <strings.h>

enum {
    PADDING_MAX = 256,
    NEEDLE_MAX = 4 + SK_LIMIT_BOUNDARY_BYTES
};

enum state {
    PREAMBLE,
    HEADERS,
    BODY,
    END
};

/* Offsets into the text (0: absent; the text begins with a spare byte) and into the data. */
struct slot {
    size_t name, filename, content_type;
    size_t start, end;
};

struct sk_multipart {
    char needle[NEEDLE_MAX]; /* CR LF - - boundary */
    size_t needle_len;
    enum state state;
    bool has_bare_lf;
    unsigned max_parts;
    struct sk_buf own; /* the data of a parser that was not lent a buffer */
    struct sk_buf *data;
    struct sk_buf text; /* names, each with its NUL */
    size_t pos;         /* everything before is decided */
    size_t headers_start;
    struct slot *slots;
    struct sk_http_part *parts; /* made by finish */
    size_t count, cap;
    struct sk_err failed; /* code SK_OK: not */
};

/* ---- the Content-Type ---- */

static bool is_boundary_char(char c)
{
    return isalnum((unsigned char)c) || (c && strchr("'()+_,-./:=? ", c));
}

static const char *skip(const char *s, const char *end, const char *any)
{
    while (s < end && *s && strchr(any, *s))
        s++;
    return s;
}

static const char *find(const char *s, const char *end, const char *any)
{
    while (s < end && !(*s && strchr(any, *s)))
        s++;
    return s;
}

/* A quoted string from behind its first quote; returns where it ended, NULL without a last quote.
 */
static const char *read_quoted(const char *s, const char *end, struct sk_buf *out)
{
    for (; s < end && *s != '"'; s++) {
        if (*s == '\\' && s + 1 < end && (s[1] == '"' || s[1] == '\\'))
            s++; /* other backslashes are part of a file's name */
        sk_buf_chr(out, *s);
    }
    return s < end ? s + 1 : NULL;
}

/* One parameter "; name=value" of a header value, value a token or quoted. Moves *p behind it;
 * false at the end or when the text is malformed. out receives the value without quotes and
 * escapes. */
static bool next_param(const char **p, const char *end, struct sk_view *name, struct sk_buf *out)
{
    const char *start = skip(*p, end, "; \t");
    const char *s = find(start, end, "=;");
    if (s == end || *s == ';')
        return false;
    *name = sk_view_trim((struct sk_view){ start, (size_t)(s - start) });
    s = skip(s + 1, end, " \t");
    sk_buf_clear(out);
    if (s < end && *s == '"') {
        s = read_quoted(s + 1, end, out);
    } else {
        start = s;
        s = find(s, end, "; \t");
        sk_buf_add(out, start, (size_t)(s - start));
    }
    *p = s;
    return s && sk_buf_ok(out);
}

static int find_boundary(const char *content_type, struct sk_buf *out, struct sk_err *err)
{
    const char *end = content_type + strlen(content_type);
    const char *p = content_type + strcspn(content_type, ";");
    SK_AUTO(sk_buf_done) struct sk_buf value = SK_BUF_INIT(SK_LIMIT_HEADER_BYTES);
    struct sk_view name;
    bool found = false;
    while (next_param(&p, end, &name, &value)) {
        if (!sk_view_eq_nocase(name, "boundary"))
            continue;
        if (found)
            return sk_fail(err, SK_INVALID,
                           "multipart: there are two boundaries in the Content-Type");
        found = true;
        sk_buf_add(out, value.data, value.len);
    }
    if (!sk_buf_ok(&value) || out->failed == SK_NOMEM)
        return sk_nomem(err);
    if (!sk_buf_ok(out))
        return sk_fail(err, SK_INVALID, "multipart: the boundary is longer than %u characters",
                       SK_LIMIT_BOUNDARY_BYTES);
    if (!found || out->len == 0)
        return sk_fail(err, SK_INVALID, "multipart: the Content-Type has no boundary");
    for (size_t i = 0; i < out->len; i++)
        if (!is_boundary_char(out->data[i]))
            return sk_fail(err, SK_INVALID,
                           "multipart: the boundary has a character that is not allowed");
    if (out->data[out->len - 1] == ' ')
        return sk_fail(err, SK_INVALID, "multipart: the boundary ends with a space");
    return 0;
}

/* ---- a parser's life ---- */

struct sk_multipart *sk_multipart_alloc(void)
{
    struct sk_multipart *m = calloc(1, sizeof *m);
    if (m)
        m->data = &m->own;
    return m;
}

int sk_multipart_begin(struct sk_multipart *m, const char *content_type, struct sk_buf *data,
                       unsigned max_parts, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf boundary = SK_BUF_INIT(SK_LIMIT_BOUNDARY_BYTES);
    if (find_boundary(content_type, &boundary, err) < 0)
        return -1;
    memcpy(m->needle, "\r\n--", 4);
    memcpy(m->needle + 4, boundary.data, boundary.len);
    m->needle_len = 4 + boundary.len;
    m->state = PREAMBLE;
    m->has_bare_lf = false;
    m->max_parts = max_parts;
    m->data = data;
    m->pos = 0;
    m->count = 0;
    m->failed.code = SK_OK;
    m->text.ceiling = SIZE_MAX / 4; /* bounded by parts times header bytes */
    sk_buf_clear(&m->text);
    sk_buf_chr(&m->text, '\0');
    return sk_buf_ok(&m->text) ? 0 : sk_buf_fail(&m->text, err);
}

int sk_multipart_new(const char *content_type, size_t max_bytes, unsigned max_parts,
                     struct sk_multipart **out, struct sk_err *err)
{
    SK_OWN(sk_multipart_free) struct sk_multipart *m = sk_multipart_alloc();
    if (!m)
        return sk_nomem(err);
    m->own.ceiling = max_bytes;
    if (sk_multipart_begin(m, content_type, &m->own, max_parts, err) < 0)
        return -1;
    *out = SK_TAKE(m);
    return 0;
}

void sk_multipart_free(struct sk_multipart *m)
{
    if (!m)
        return;
    sk_buf_done(&m->own);
    sk_buf_done(&m->text);
    free(m->slots);
    free(m->parts);
    free(m);
}

/* ---- headers of a part ---- */

static int add_slot(struct sk_multipart *m, struct sk_err *err)
{
    if (m->count == m->max_parts)
        return sk_fail(err, SK_LIMIT, "multipart: more than %u parts", m->max_parts);
    if (m->count == m->cap) {
        size_t cap = m->cap ? 2 * m->cap : 8;
        struct slot *slots = realloc(m->slots, cap * sizeof *slots);
        if (!slots)
            return sk_nomem(err);
        m->slots = slots;
        struct sk_http_part *parts = realloc(m->parts, cap * sizeof *parts);
        if (!parts)
            return sk_nomem(err);
        m->parts = parts;
        m->cap = cap;
    }
    m->slots[m->count] = (struct slot){ 0 };
    return 0;
}

/* Appends a text with its NUL; its offset goes to *slot unless there is one already. */
static void keep_text(struct sk_multipart *m, const char *text, size_t len, size_t *slot)
{
    if (*slot)
        return;
    *slot = m->text.len;
    sk_buf_add(&m->text, text, len);
    sk_buf_chr(&m->text, '\0');
}

static int read_disposition(struct sk_multipart *m, struct sk_view value, struct sk_err *err)
{
    const char *end = value.ptr + value.len;
    const char *p = memchr(value.ptr, ';', value.len);
    struct slot *slot = &m->slots[m->count];
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_LIMIT_PART_HEADER_BYTES);
    struct sk_view name;
    while (p && next_param(&p, end, &name, &text)) {
        if (sk_view_eq_nocase(name, "name"))
            keep_text(m, text.data, text.len, &slot->name);
        else if (sk_view_eq_nocase(name, "filename"))
            keep_text(m, text.data, text.len, &slot->filename);
    }
    return sk_buf_ok(&m->text) && sk_buf_ok(&text) ? 0 : sk_nomem(err);
}

static int read_header(struct sk_multipart *m, const char *line, size_t len, struct sk_err *err)
{
    for (size_t i = 0; i < len; i++)
        if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 0x7f)
            return sk_fail(err, SK_INVALID, "multipart: a control character in a part's headers");
    const char *colon = memchr(line, ':', len);
    if (!colon || colon == line || line[0] == ' ' || line[0] == '\t')
        return sk_fail(err, SK_INVALID, "multipart: a malformed header in part %zu", m->count + 1);
    struct sk_view name = { line, (size_t)(colon - line) };
    struct sk_view value = sk_view_trim((struct sk_view){ colon + 1, len - name.len - 1 });
    if (sk_view_eq_nocase(name, "Content-Disposition"))
        return read_disposition(m, value, err);
    if (sk_view_eq_nocase(name, "Content-Type"))
        keep_text(m, value.ptr, value.len, &m->slots[m->count].content_type);
    if (!sk_buf_ok(&m->text))
        return sk_nomem(err);
    if (sk_view_eq_nocase(name, "Content-Transfer-Encoding") &&
        !sk_view_eq_nocase(value, "binary") && !sk_view_eq_nocase(value, "8bit") &&
        !sk_view_eq_nocase(value, "7bit"))
        return sk_fail(err, SK_UNSUPPORTED,
                       "multipart: Content-Transfer-Encoding '%.*s' is not supported",
                       (int)(value.len < 40 ? value.len : 40), value.ptr);
    return 0;
}

/* 1: the body begins, 0: more bytes are needed. */
static int scan_headers(struct sk_multipart *m, struct sk_err *err)
{
    for (;;) {
        const char *line = m->data->data + m->pos;
        const char *lf = memchr(line, '\n', m->data->len - m->pos);
        size_t seen = (lf ? (size_t)(lf - m->data->data) + 1 : m->data->len) - m->headers_start;
        if (seen > SK_LIMIT_PART_HEADER_BYTES)
            return sk_fail(err, SK_LIMIT, "multipart: the headers of part %zu exceed %u bytes",
                           m->count + 1, SK_LIMIT_PART_HEADER_BYTES);
        if (!lf)
            return 0;
        size_t len = (size_t)(lf - line);
        bool has_cr = len > 0 && line[len - 1] == '\r';
        if (has_cr == m->has_bare_lf)
            return sk_fail(err, SK_INVALID,
                           "multipart: lines end with CRLF here and with LF there");
        len -= has_cr;
        m->pos = (size_t)(lf - m->data->data) + 1;
        if (len == 0)
            return 1;
        if (read_header(m, line, len, err) < 0)
            return -1;
    }
}

/* ---- boundaries ---- */

enum found {
    MORE,
    NOT_HERE,
    NEXT_PART,
    CLOSED
};

/* What follows a boundary at p; *after is where the next thing begins. In the preamble the line's
 * end decides about LF. */
static enum found look_behind_boundary(struct sk_multipart *m, size_t p, size_t *after)
{
    const char *d = m->data->data;
    size_t len = m->data->len;
    if (p < len && d[p] == '-') {
        if (p + 1 == len)
            return MORE;
        if (d[p + 1] == '-')
            return CLOSED;
        return NOT_HERE;
    }
    size_t end = p;
    while (end < len && end - p < PADDING_MAX && (d[end] == ' ' || d[end] == '\t'))
        end++;
    if (end == len)
        return MORE;
    bool has_cr = d[end] == '\r';
    if (has_cr && end + 1 == len)
        return MORE;
    if (d[end + has_cr] != '\n')
        return NOT_HERE;
    if (m->state == PREAMBLE)
        m->has_bare_lf = !has_cr;
    else if (has_cr == m->has_bare_lf)
        return NOT_HERE;
    *after = end + has_cr + 1;
    return NEXT_PART;
}

/* Does the needle, from its byte `skip` on, stand at `at`? */
static enum found match(const struct sk_multipart *m, size_t at, size_t skip)
{
    size_t want = m->needle_len - skip;
    size_t have = m->data->len - at;
    if (memcmp(m->data->data + at, m->needle + skip, have < want ? have : want) != 0)
        return NOT_HERE;
    return have < want ? MORE : NEXT_PART;
}

/* Finds the next boundary at or after m->pos. *start: where the body before it ends. */
static enum found find_delimiter(struct sk_multipart *m, size_t *start, size_t *after)
{
    size_t skip = m->state == PREAMBLE || m->has_bare_lf ? 1 : 0; /* the needle begins with LF then,
                                                                     not CR LF */
    for (;;) {
        size_t at = m->pos;
        size_t from = skip;
        if (m->state == PREAMBLE && at == 0 && m->data->len > 0 && m->data->data[0] == '-') {
            from = 2; /* the body begins with the boundary itself */
        } else {
            const char *hit = m->data->len > at
                                  ? memchr(m->data->data + at, m->needle[skip], m->data->len - at)
                                  : NULL;
            at = hit ? (size_t)(hit - m->data->data) : m->data->len;
        }
        m->pos = at;
        if (at == m->data->len)
            return MORE;
        enum found f = match(m, at, from);
        if (f == NEXT_PART)
            f = look_behind_boundary(m, at + m->needle_len - from, after);
        if (f != NOT_HERE) {
            *start = at;
            return f;
        }
        m->pos = at + 1;
    }
}

/* 1: a boundary was passed, 0: more bytes are needed. */
static int scan_to_boundary(struct sk_multipart *m, struct sk_err *err)
{
    size_t start = 0, after = 0;
    enum found f = find_delimiter(m, &start, &after);
    if (f == MORE)
        return 0;
    if (m->state == BODY) {
        struct slot *slot = &m->slots[m->count++];
        slot->end = start > slot->start ? start : slot->start;
    }
    if (f == CLOSED) {
        m->state = END;
        return 1;
    }
    m->state = HEADERS;
    m->pos = m->headers_start = after;
    return add_slot(m, err) < 0 ? -1 : 1;
}

static int scan(struct sk_multipart *m, struct sk_err *err)
{
    int rc = 1;
    while (rc == 1 && m->state != END) {
        if (m->state == HEADERS) {
            rc = scan_headers(m, err);
            if (rc == 1) {
                m->slots[m->count].start = m->pos;
                m->state = BODY;
                m->pos -= m->has_bare_lf ? 1 : 2; /* an empty body: the headers' last line end is
                                                     the boundary's first */
            }
        } else {
            rc = scan_to_boundary(m, err);
        }
    }
    return rc < 0 ? -1 : 0;
}

int sk_multipart_feed(struct sk_multipart *m, const char *bytes, size_t len, struct sk_err *err)
{
    if (m->failed.code != SK_OK) {
        *err = m->failed;
        return -1;
    }
    if (m->state == END)
        return 0; /* the epilogue */
    sk_buf_add(m->data, bytes, len);
    int rc = sk_buf_ok(m->data) ? scan(m, err) : sk_buf_fail(m->data, err);
    if (rc < 0)
        m->failed = *err;
    return rc;
}

int sk_multipart_finish(struct sk_multipart *m, struct sk_err *err)
{
    if (m->failed.code != SK_OK) {
        *err = m->failed;
        return -1;
    }
    if (m->state != END) {
        m->count = 0;
        return sk_fail(err, SK_INVALID, "multipart: the body ends before its closing boundary");
    }
    const char *text = m->text.data;
    for (size_t i = 0; i < m->count; i++) {
        const struct slot *s = &m->slots[i];
        m->parts[i] = (struct sk_http_part){
            .name = s->name ? text + s->name : "",
            .filename = s->filename ? text + s->filename : NULL,
            .content_type = s->content_type ? text + s->content_type : NULL,
            .body = { m->data->data + s->start, s->end - s->start },
        };
    }
    return 0;
}

size_t sk_multipart_count(const struct sk_multipart *m)
{
    return m->state == END ? m->count : 0;
}

const struct sk_http_part *sk_multipart_at(const struct sk_multipart *m, size_t i)
{
    return i < sk_multipart_count(m) ? &m->parts[i] : NULL;
}
