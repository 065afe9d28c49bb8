/* fuzz_json.c - JSON texts: whatever is accepted can be walked, dumped, and read again as the same.
 */
#include "json/json.h"

static void walk(const struct sk_json *v)
{
    (void)sk_json_text(v, NULL);
    (void)sk_json_num(v, 0);
    for (size_t i = 0; i < sk_json_count(v) && sk_json_type(v) == SK_JSON_ARRAY; i++)
        walk(sk_json_at(v, i));
    for (void *it = sk_json_first(v); it; it = sk_json_next(v, it))
        walk(sk_json_value(it));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_json_limits limits = { .max_values = 4096 };
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    SK_OWN(sk_json_free) struct sk_json *again = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf first = SK_BUF_INIT(1u << 22);
    SK_AUTO(sk_buf_done) struct sk_buf second = SK_BUF_INIT(1u << 22);

    if (sk_json_parse((const char *)data, size, &limits, &doc, &err) < 0) {
        if (err.text[0] == 0)
            abort();
        return 0;
    }
    walk(doc);
    sk_json_dump(doc, &first);
    if (!sk_buf_ok(&first) || sk_json_parse(first.data, first.len, &limits, &again, &err) < 0)
        abort();
    sk_json_dump(again, &second);
    if (first.len != second.len || memcmp(first.data, second.data, first.len) != 0)
        abort();
    return 0;
}
