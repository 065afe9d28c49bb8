/*
 * query.c - IoT Hub's queries: pages of twins, or of the columns of a projection.
 *
 * A page ends with a row id, which is the continuation: the next page has those above it, so
 * devices that come and go between the pages move nothing. One row more than asked is looked for,
 * so that the last page says it is the last. Aggregates are one page.
 */
#include "devices/devices_priv.h"

#include "iotql/iotql.h"

#include <stdio.h>
#include <string.h>

enum {
    QUERY_LIMIT_MS = 10000,
    DEFAULT_PAGE = 100,
    PAGE_BYTES = 4 << 20 /* with so much a page ends early: a thousand twins may have 900 MB */
};

struct page {
    const struct sk_iotql *query;
    struct sk_tx *tx;
    struct sk_buf *out;
    unsigned max, rows;
    int64_t last;
};

static int add_twin(struct page *p, int64_t identity, struct sk_err *err)
{
    SK_AUTO(sk_twin_done) struct sk_twin t = { .tags = NULL };
    if (sk_twin_read_id(p->tx, identity, &t, err) < 0)
        return -1;
    sk_twin_json(&t, p->out);
    return 0;
}

static void add_value(struct sk_stmt *s, int col, const char *type, struct sk_buf *out)
{
    struct sk_view v;
    if (strcmp(type, "text") == 0) {
        v = sk_stmt_view(s, col);
        sk_buf_json(out, v.ptr, v.len);
    } else if (strcmp(type, "integer") == 0 || strcmp(type, "real") == 0) {
        int64_t whole = sk_stmt_int(s, col);
        double value = sk_stmt_num(s, col);
        if ((double)whole == value)
            sk_buf_i64(out, whole);
        else
            sk_buf_num(out, value, 17);
    } else if (strcmp(type, "object") == 0 || strcmp(type, "array") == 0) {
        v = sk_stmt_view(s, col);
        sk_buf_add(out, v.ptr, v.len);
    } else {
        sk_buf_str(out, type); /* true, false, null */
    }
}

/* Members that are not defined are left out. */
static void add_columns(const struct page *p, struct sk_stmt *s)
{
    bool is_first = true;
    sk_buf_chr(p->out, '{');
    for (size_t i = 0; i < sk_iotql_columns(p->query); i++) {
        int at = (int)(1 + 2 * i);
        if (sk_stmt_is_null(s, at))
            continue;
        if (!is_first)
            sk_buf_chr(p->out, ',');
        is_first = false;
        sk_buf_json_str(p->out, sk_iotql_column(p->query, i));
        sk_buf_chr(p->out, ':');
        char type[16];
        (void)snprintf(type, sizeof type, "%s", sk_stmt_text(s, at));
        add_value(s, at + 1, type, p->out);
    }
    sk_buf_chr(p->out, '}');
}

/* 1: there are more than the page has. */
static int add_rows(struct page *p, struct sk_stmt *s, struct sk_err *err)
{
    int more;
    while ((more = sk_stmt_next(s, err)) == 1) {
        int64_t id = sk_stmt_int(s, 0);
        if (id != 0 && p->rows > 0 && (p->rows == p->max || p->out->len >= PAGE_BYTES))
            return 1;
        if (p->rows++ > 0)
            sk_buf_chr(p->out, ',');
        p->last = id;
        if (!sk_iotql_is_star(p->query))
            add_columns(p, s);
        else if (add_twin(p, id, err) < 0)
            return -1;
        if (!sk_buf_ok(p->out))
            return sk_buf_fail(p->out, err);
    }
    return more;
}

static int parse(const char *text, struct sk_iotql **out, struct sk_err *err)
{
    if (sk_iotql_parse(text, out, err) == 0)
        return 0;
    return err->code == SK_INVALID || err->code == SK_LIMIT ? sk_wrap(err, "IotHubFormatError")
                                                            : -1;
}

static int read_continuation(const char *text, int64_t *after, struct sk_err *err)
{
    uint64_t value = 0;
    if (text && text[0] && sk_parse_u64("the continuation", text, 0, INT64_MAX, &value, err) < 0)
        return sk_wrap(err, "ArgumentInvalid");
    *after = (int64_t)value;
    return 0;
}

int sk_devices_query(struct sk_devices *d, const char *text, const char *continuation, unsigned max,
                     struct sk_buf *out, char next[32], const char **item_type, struct sk_err *err)
{
    SK_OWN(sk_iotql_free) struct sk_iotql *query = NULL;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int64_t after = 0;
    if (read_continuation(continuation, &after, err) < 0 || parse(text, &query, err) < 0 ||
        sk_db_begin(d->db, SK_DB_READ, &tx, err) < 0)
        return -1;
    struct page p = { .query = query, .tx = tx, .out = out, .max = max ? max : DEFAULT_PAGE };
    if (p.max > SK_DEVICES_PAGE_MAX)
        p.max = SK_DEVICES_PAGE_MAX;
    sk_tx_limit(tx, QUERY_LIMIT_MS);
    if (sk_iotql_run(query, tx, after, p.max + 1, 0, &s, err) < 0)
        return -1;
    sk_buf_chr(out, '[');
    int more = add_rows(&p, s, err);
    if (more < 0)
        return -1;
    sk_buf_chr(out, ']');
    if (!sk_buf_ok(out))
        return sk_buf_fail(out, err);
    next[0] = '\0';
    if (more)
        (void)snprintf(next, 32, "%lld", (long long)p.last);
    *item_type = sk_iotql_is_star(query) ? "Twin" : "Raw";
    return 0;
}

int sk_devices_query_count(struct sk_devices *d, const char *text, int64_t *out, struct sk_err *err)
{
    SK_OWN(sk_iotql_free) struct sk_iotql *query = NULL;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int64_t rows = 0;
    int more;
    if (parse(text, &query, err) < 0 || sk_db_begin(d->db, SK_DB_READ, &tx, err) < 0)
        return -1;
    sk_tx_limit(tx, QUERY_LIMIT_MS);
    if (sk_iotql_run(query, tx, 0, INT32_MAX, 0, &s, err) < 0)
        return -1;
    while ((more = sk_stmt_next(s, err)) == 1)
        rows++;
    if (more < 0)
        return -1;
    *out = rows;
    return 0;
}
