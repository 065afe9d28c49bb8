/*
 * str.h - text that came from outside: views, numbers, comparisons.
 */
#ifndef SK_BASE_STR_H
#define SK_BASE_STR_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Pointer and length, borrowed, not NUL-terminated. */
struct sk_view {
    const char *ptr;
    size_t len;
};

#define SK_VIEW(literal) ((struct sk_view){ (literal), sizeof(literal) - 1 })

struct sk_view sk_view_of(const char *text); /* NULL gives an empty view */
bool sk_view_eq(struct sk_view v, const char *text);
bool sk_view_eq_nocase(struct sk_view v, const char *text); /* ASCII */
struct sk_view sk_view_trim(struct sk_view v);              /* spaces and tabs at both ends */
bool sk_starts_with(const char *text, const char *prefix);
bool sk_ends_with(const char *text, const char *suffix);

/* The whole text must be a decimal number in [min, max]; errors name `what` and the range. */
int sk_parse_u64(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *out,
                 struct sk_err *err) SK_CHECK;
int sk_parse_f64(const char *what, const char *text, double min, double max, double *out,
                 struct sk_err *err) SK_CHECK;
/* 4096, 64K, 10M, 2G (powers of 1024; "KiB", "MiB", "GiB" too). */
int sk_parse_size(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *out,
                  struct sk_err *err) SK_CHECK;
/* 250ms, 30s, 5m, 2h; a bare number is seconds. Result in milliseconds. */
int sk_parse_ms(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *out,
                struct sk_err *err) SK_CHECK;

/* Of a hexadecimal digit of either case; -1: it is none. */
int sk_hex_digit(char c);
/* True when the bytes are UTF-8 (no overlong forms, no surrogates). */
bool sk_utf8_valid(const char *text, size_t len);
/* Bytes of the UTF-8 character at the start of text, 1 to 4; 0 when there is none. */
size_t sk_utf8_step(const char *text, size_t len);
/* Time independent of where the texts differ. */
bool sk_equal_secret(const char *a, size_t a_len, const char *b, size_t b_len);
/* a * b and a + b; false on overflow, *out untouched then. */
bool sk_mul_size(size_t a, size_t b, size_t *out);
bool sk_add_size(size_t a, size_t b, size_t *out);
/* Edit distance for "did you mean"; -1 when longer than 64. */
int sk_edit_distance(const char *a, const char *b);

#endif
