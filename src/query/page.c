/*
 * page.c - tokens of the next page: "<offset>-<sum>" in hex.
 *
 * The sum (FNV-1a, 64 bits) is over what is searched, the filter and the orders, each with its
 * length. It finds tokens that belong to another search; it is no secret, and a forged token gives
 * only a page that its maker could ask for anyway.
 */
#include "query/query.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    DIGITS = 16
};

static uint64_t add(uint64_t sum, struct sk_view v)
{
    uint64_t len = v.len;

    for (unsigned i = 0; i < sizeof(len); i++)
        sum = (sum ^ (len >> (8 * i) & 0xff)) * 0x100000001b3u;
    for (size_t i = 0; i < v.len; i++)
        sum = (sum ^ (unsigned char)v.ptr[i]) * 0x100000001b3u;
    return sum;
}

static uint64_t sum_of(const struct sk_query_page *page)
{
    uint64_t sum = add(0xcbf29ce484222325u, sk_view_of(page->what));

    sum = add(sum, page->filter);
    for (size_t i = 0; i < page->order_count; i++)
        sum = add(sum, page->orders[i]);
    return sum;
}

int sk_query_page_read(const struct sk_query_page *page, const char *token, uint64_t *offset,
                       struct sk_err *err)
{
    const char *hex = "0123456789abcdef";
    uint64_t at, sum;

    if (!token || !token[0]) {
        *offset = 0;
        return 0;
    }
    if (strlen(token) != 2 * DIGITS + 1 || strspn(token, hex) != DIGITS || token[DIGITS] != '-' ||
        strspn(token + DIGITS + 1, hex) != DIGITS)
        return sk_fail(err, SK_INVALID,
                       "page_token: not one that this server gave; begin again without it");
    at = strtoull(token, NULL, 16);
    sum = strtoull(token + DIGITS + 1, NULL, 16);
    if (sum != sum_of(page))
        return sk_fail(err, SK_INVALID,
                       "page_token: of another search; begin again without it, or repeat the "
                       "filter and the order of the first page");
    if (at > INT64_MAX)
        return sk_fail(err, SK_INVALID, "page_token: beyond the end");
    *offset = at;
    return 0;
}

void sk_query_page_write(const struct sk_query_page *page, uint64_t offset, struct sk_buf *out)
{
    sk_buf_fmt(out, "%016" PRIx64 "-%016" PRIx64, offset, sum_of(page));
}
