/* fuzz_unixhttp.c - answers over unix sockets: any split gives the same status, body and verdict;
 * a peer's words are a line of UTF-8. The first byte is the size of the pieces. */
#include "base/buf.h"
#include "base/cleanup.h"
#include "unixhttp/unixhttp_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct result {
    enum sk_code code;
    int status;
    bool is_whole;
    struct sk_buf body;
};

static void parse(struct sk_view text, size_t step, struct result *out)
{
    SK_OWN(free) struct sk_unixhttp_parser *p = calloc(1, sizeof *p);
    struct sk_err err = SK_ERR_INIT;
    if (!p)
        return;
    for (size_t at = 0; at < text.len && out->code == SK_OK && p->state != SK_UNIXHTTP_DONE;) {
        struct sk_view in = { text.ptr + at, step < text.len - at ? step : text.len - at };
        struct sk_view piece;
        const size_t given = in.len;
        if (sk_unixhttp_feed(p, &in, &piece, &err) < 0)
            out->code = err.code;
        sk_buf_add(&out->body, piece.ptr, piece.len);
        at += given - in.len;
        if (given == in.len && out->code == SK_OK)
            abort(); /* it would not come forward */
    }
    out->status = p->status;
    out->is_whole = sk_unixhttp_end(p, &err) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char words[SK_UNIXHTTP_WORDS_BYTES];
    if (size < 1)
        return 0;
    const struct sk_view text = { (const char *)data + 1, size - 1 };
    struct result whole = { .body = SK_BUF_INIT(1 << 24) };
    struct result split = { .body = SK_BUF_INIT(1 << 24) };
    parse(text, text.len, &whole);
    parse(text, data[0] ? data[0] : 1, &split);
    if (whole.code != split.code || whole.status != split.status ||
        whole.is_whole != split.is_whole || whole.body.len != split.body.len)
        abort();
    if (whole.body.len > 0 && memcmp(whole.body.data, split.body.data, whole.body.len) != 0)
        abort();
    sk_unixhttp_words(text, words);
    if (!sk_utf8_valid(words, strlen(words)) || strpbrk(words, "\r\n"))
        abort();
    sk_buf_done(&whole.body);
    sk_buf_done(&split.body);
    return 0;
}
