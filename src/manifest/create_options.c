/*
 * create_options.c - the body of Docker's "create container", however it was written down.
 *
 * A twin's text is short, so tools cut the JSON in chunks: createOptions, createOptions01, 02 and
 * so on, put together in the order of their numbers, without a gap. The bytes of a text are kept
 * but for white space outside of texts: what the engine knows and we do not must arrive unchanged.
 */
#include "manifest/manifest_priv.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

struct chunk {
    const char *key, *digits;
    const struct sk_json *value;
};

/* Numbers in order; the same number twice is found by take_chunks. */
static void sort_in(struct chunk *chunks, size_t count, struct chunk c)
{
    size_t i = count;

    for (; i > 0 && strcmp(chunks[i - 1].digits, c.digits) > 0; i--)
        chunks[i] = chunks[i - 1];
    chunks[i] = c;
}

static int collect(const struct sk_json *settings, struct chunk *chunks, size_t *count,
                   struct sk_err *err)
{
    *count = 0;
    for (void *it = sk_json_first(settings); it; it = sk_json_next(settings, it)) {
        struct chunk c = { .key = sk_json_key(it), .value = sk_json_value(it) };

        c.digits = sk_manifest_chunk_of(c.key);
        if (!c.digits || sk_json_type(c.value) == SK_JSON_NULL)
            continue;
        if (*count == SK_MANIFEST_CHUNKS_MAX)
            return sk_fail(err, SK_LIMIT, "createOptions in more than %d chunks",
                           SK_MANIFEST_CHUNKS_MAX);
        sort_in(chunks, (*count)++, c);
    }
    return 0;
}

static int join(const struct chunk *chunks, size_t count, struct sk_buf *out, struct sk_err *err)
{
    for (size_t i = 0; i < count; i++) {
        enum sk_json_type type = sk_json_type(chunks[i].value);
        char wanted[24] = "";

        if (i > 0)
            (void)snprintf(wanted, sizeof(wanted), "%02zu", i);
        if (strcmp(chunks[i].digits, wanted) != 0)
            return sk_fail(err, SK_INVALID, "expected createOptions%s, found %s", wanted,
                           chunks[i].key);
        if (type == SK_JSON_STRING)
            sk_buf_add(out, sk_json_text(chunks[i].value, ""), sk_json_text_len(chunks[i].value));
        else if (type == SK_JSON_OBJECT)
            sk_json_dump(chunks[i].value, out);
        else
            return sk_fail(err, SK_INVALID, "%s: expected a string or an object, got %s",
                           chunks[i].key, sk_json_type_name(type));
    }
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* text is JSON. */
static void add_compact(const char *text, size_t len, struct sk_buf *out)
{
    bool is_quoted = false;

    for (size_t i = 0; i < len; i++) {
        if (is_quoted && text[i] == '\\') {
            sk_buf_add(out, text + i++, 2); /* JSON does not end behind a backslash */
            continue;
        }
        is_quoted ^= text[i] == '"';
        if (is_quoted || !is_space(text[i]))
            sk_buf_chr(out, text[i]);
    }
}

int sk_manifest_create_options(const struct sk_json *settings, struct sk_buf *out,
                               struct sk_err *err)
{
    struct chunk chunks[SK_MANIFEST_CHUNKS_MAX];
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_MANIFEST_CREATE_MAX);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    size_t count, from = 0;

    if (collect(settings, chunks, &count, err) < 0 || join(chunks, count, &text, err) < 0)
        return -1;
    if (text.len >= 3 && memcmp(text.data, "\xEF\xBB\xBF", 3) == 0)
        from = 3;
    while (from < text.len && is_space(text.data[from]))
        from++;
    if (from == text.len) {
        sk_buf_str(out, "{}");
    } else {
        if (sk_json_parse(text.data + from, text.len - from, NULL, &doc, err) < 0)
            return sk_wrap(err, "createOptions");
        if (sk_json_type(doc) != SK_JSON_OBJECT)
            return sk_fail(err, SK_INVALID, "createOptions: expected an object, got %s",
                           sk_json_type_name(sk_json_type(doc)));
        add_compact(text.data + from, text.len - from, out);
    }
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}
