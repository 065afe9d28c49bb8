/*
 * query_priv.h - reading a filter piece by piece, with errors that show the place.
 */
#ifndef SK_QUERY_QUERY_PRIV_H
#define SK_QUERY_QUERY_PRIV_H

#include "base/arena.h"
#include "query/query.h"

/* A text and how far it was read. */
struct sk_scan {
    struct sk_view text;
    size_t pos;
    const char *what; /* "filter", "order_by" */
    struct sk_arena *arena;
};

/* A key: prefix is empty when there was none. */
struct sk_scan_key {
    struct sk_view prefix, name;
    size_t at;
};

/* Length and UTF-8. */
int sk_scan_begin(struct sk_scan *s, const char *what, struct sk_view text, struct sk_arena *arena,
                  struct sk_err *err) SK_CHECK;
/* Skips spaces; true at the end. */
bool sk_scan_at_end(struct sk_scan *s);
/* Skips spaces, and the word or sign if it is next. */
bool sk_scan_word(struct sk_scan *s, const char *word);
bool sk_scan_sign(struct sk_scan *s, const char *sign);
int sk_scan_key(struct sk_scan *s, struct sk_scan_key *out, struct sk_err *err) SK_CHECK;
/* What stands there as a value: a text in quotes (without them), or the letters of a number. */
int sk_scan_value(struct sk_scan *s, struct sk_view *out, bool *is_quoted,
                  struct sk_err *err) SK_CHECK;
/* SK_INVALID: the text, the position (in characters, from 1), and what stands around it with >>> at
 * the place. at is at most the length. */
int sk_scan_fail(const struct sk_scan *s, size_t at, struct sk_err *err, const char *fmt, ...)
    SK_PRINTF(4, 5);

#endif
