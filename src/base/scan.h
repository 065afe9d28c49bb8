/*
 * scan.h - a small language read piece by piece (filters, queries), with errors that show the
 * place.
 *
 * Words are of any case, names are letters, digits, _ and what is not ASCII; a text in quotes has
 * its quote doubled inside. What is read is a view into the text, but for texts with doubled
 * quotes, which are copied into the arena.
 */
#ifndef SK_BASE_SCAN_H
#define SK_BASE_SCAN_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

/* A text and how far it was read. All may be read and set. */
struct sk_scan {
    struct sk_view text; /* borrowed */
    size_t pos;
    const char *what; /* "filter", "query": begins an error */
    struct sk_arena *arena;
    char also; /* of names, beside the usual; 0: nothing */
};

/* SK_LIMIT: more than max bytes; SK_INVALID: no UTF-8, or a NUL. */
int sk_scan_begin(struct sk_scan *s, const char *what, struct sk_view text, size_t max,
                  struct sk_arena *arena, struct sk_err *err) SK_CHECK;
/* The byte at `ahead` of what is next; 0 behind the end. */
char sk_scan_peek(const struct sk_scan *s, size_t ahead);
void sk_scan_skip_spaces(struct sk_scan *s);
/* Skips spaces; true at the end. */
bool sk_scan_at_end(struct sk_scan *s);
/* Skips spaces, and the word or sign if it is next. */
bool sk_scan_word(struct sk_scan *s, const char *word);
bool sk_scan_sign(struct sk_scan *s, const char *sign);
bool sk_scan_is_name(const struct sk_scan *s, char c);
/* A name, without skipping spaces; empty: there is none. */
struct sk_view sk_scan_name(struct sk_scan *s);
/* The bytes that fit, likewise. */
struct sk_view sk_scan_run(struct sk_scan *s, bool (*fits)(char c));
/* At the opening quote, which may be any byte. SK_INVALID: it is never closed. */
int sk_scan_quoted(struct sk_scan *s, struct sk_view *out, struct sk_err *err) SK_CHECK;
/* SK_INVALID: the text, the position (in characters, from 1), and what stands around it with >>> at
 * the place. at is at most the length. */
int sk_scan_fail(const struct sk_scan *s, size_t at, struct sk_err *err, const char *fmt, ...)
    SK_PRINTF(4, 5);

#endif
