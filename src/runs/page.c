/*
 * page.c - searches give pages: a page ends after max entries, or behind the entry that made it too
 * large to hold many of.
 *
 * A token holds how many entries came before. As with MLflow's own server, what is added or removed
 * between two pages shifts what follows.
 */
#include "runs/runs_priv.h"

#include <inttypes.h>

enum {
    SQL_MAX = 256 << 10
};

void sk_runs_write_token(const struct sk_query_page *search, uint64_t offset, struct sk_buf *out)
{
    sk_buf_str(out, ",\"next_page_token\":\"");
    sk_query_page_write(search, offset, out);
    sk_buf_chr(out, '"');
}

int sk_runs_write_page(struct sk_tx *tx, const struct sk_runs_page *page, struct sk_buf *out,
                       struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf sql = SK_BUF_INIT(SQL_MAX);
    uint64_t offset = 0, count = 0;
    size_t before = out->len;
    int next = 1;

    if (page->max > SK_RUNS_PAGE_MAX)
        return sk_fail(err, SK_INVALID, "max_results %u: at most %u are given at once", page->max,
                       (unsigned)SK_RUNS_PAGE_MAX);
    if (sk_query_page_read(&page->search, page->token, &offset, err) < 0)
        return -1;
    sk_buf_fmt(&sql, "%s LIMIT %u OFFSET %" PRIu64, page->sql, page->max + 1, offset);
    if (!sk_buf_ok(&sql))
        return sk_buf_fail(&sql, err);

    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_tx_prepare(tx, sql.data, sql.len, &s, err) < 0 ||
        (page->query && sk_query_bind(page->query, s, &next, err) < 0))
        return -1;
    sk_buf_fmt(out, "\"%s\":[", page->name);

    int got = 0;
    while ((got = sk_stmt_next(s, err)) > 0 && count < page->max &&
           out->len - before < SK_RUNS_PAGE_BYTES) {
        if (count++)
            sk_buf_chr(out, ',');
        if (page->write(tx, sk_stmt_int(s, 0), out, err) < 0)
            return -1;
    }
    if (got < 0)
        return -1;
    sk_buf_chr(out, ']');
    if (got > 0)
        sk_runs_write_token(&page->search, offset + count, out);
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}
