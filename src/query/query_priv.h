/*
 * query_priv.h - keys and values of a filter.
 */
#ifndef SK_QUERY_QUERY_PRIV_H
#define SK_QUERY_QUERY_PRIV_H

#include "base/scan.h"
#include "query/query.h"

/* A key: prefix is empty when there was none. */
struct sk_query_key {
    struct sk_view prefix, name;
    size_t at;
};

int sk_query_read_key(struct sk_scan *s, struct sk_query_key *out, struct sk_err *err) SK_CHECK;
/* What stands there as a value: a text in quotes (without them), or the letters of a number. */
int sk_query_read_value(struct sk_scan *s, struct sk_view *out, bool *is_quoted,
                        struct sk_err *err) SK_CHECK;
#endif
