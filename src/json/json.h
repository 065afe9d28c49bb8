/*
 * json.h - a thin layer over jansson (RFC 8259): parsing with limits, typed access with good
 * errors.
 *
 * Text from outside is scanned before jansson sees it: UTF-8, nesting depth and the number of
 * values are bounded, so memory is at most 64 bytes per value and the text once more. NaN,
 * infinity, duplicate keys, U+0000 in texts, trailing text and numbers that overflow (integers:
 * int64) are errors with line and column.
 *
 * Values are borrowed from the document; the document is freed as a whole. Errors name the key; a
 * caller that reads inside something puts its part in front: "size: 'height': expected an integer,
 * got a string". Threads: a document may be read by several.
 */
#ifndef SK_JSON_JSON_H
#define SK_JSON_JSON_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sk_json; /* one value; jansson's json_t */

struct sk_json_limits {
    /* Numbers, texts, keys, literals; an array or object counts as 4. 0: SK_LIMIT_JSON_VALUES */
    size_t max_values;
    unsigned max_depth; /* 0: SK_LIMIT_JSON_DEPTH */
};

/* Errors: SK_INVALID (syntax, with line and column), SK_LIMIT, SK_NOMEM. *out: sk_json_free. */
int sk_json_parse(const char *text, size_t len, const struct sk_json_limits *limits,
                  struct sk_json **out, struct sk_err *err) SK_CHECK;
/* Reads and parses a file of at most SK_LIMIT_CONFIG_BYTES; errors begin with the path. */
int sk_json_file(const char *path, struct sk_json **out, struct sk_err *err) SK_CHECK;
void sk_json_free(struct sk_json *doc);
SK_DEFINE_OWN(struct sk_json, sk_json_free);

enum sk_json_type {
    SK_JSON_NULL,
    SK_JSON_BOOL,
    SK_JSON_INT,
    SK_JSON_REAL,
    SK_JSON_STRING,
    SK_JSON_ARRAY,
    SK_JSON_OBJECT
};

enum sk_json_type sk_json_type(const struct sk_json *v); /* NULL pointer: SK_JSON_NULL */
const char *sk_json_type_name(enum sk_json_type t);

/* Lookups: NULL for "none". */
const struct sk_json *sk_json_get(const struct sk_json *object, const char *key);
size_t sk_json_count(const struct sk_json *array_or_object);
const struct sk_json *sk_json_at(const struct sk_json *array, size_t index);
/* for (void *it = sk_json_first(o); it; it = sk_json_next(o, it)) key(it), value(it) */
void *sk_json_first(const struct sk_json *object);
void *sk_json_next(const struct sk_json *object, void *it);
const char *sk_json_key(void *it);
const struct sk_json *sk_json_value(void *it);

/* Plain readings; the fallback when the value is absent or of another type. */
/* NUL-terminated UTF-8, no NUL inside. */
const char *sk_json_text(const struct sk_json *v, const char *fallback);
/* Of an object's member. */
const char *sk_json_get_text(const struct sk_json *object, const char *key, const char *fallback);
size_t sk_json_text_len(const struct sk_json *v);
int64_t sk_json_int(const struct sk_json *v, int64_t fallback);
double sk_json_num(const struct sk_json *v, double fallback); /* integers too */
bool sk_json_bool(const struct sk_json *v, bool fallback);
/* Same types and values; the order of members does not matter. 1 and 1.0 are not equal. */
bool sk_json_equal(const struct sk_json *a, const struct sk_json *b);

/* Typed fields: 0 and *out untouched when the key is absent or null; SK_INVALID "'key': expected a
 * number, got a string" when it has another type or lies outside min..max. */
int sk_json_want_int(const struct sk_json *object, const char *key, int64_t min, int64_t max,
                     int64_t *out, struct sk_err *err) SK_CHECK;
int sk_json_want_num(const struct sk_json *object, const char *key, double min, double max,
                     double *out, struct sk_err *err) SK_CHECK;
int sk_json_want_bool(const struct sk_json *object, const char *key, bool *out,
                      struct sk_err *err) SK_CHECK;
int sk_json_want_text(const struct sk_json *object, const char *key, const char **out,
                      struct sk_err *err) SK_CHECK;
/* Any object or array, NULL when absent. */
int sk_json_want_object(const struct sk_json *object, const char *key, const struct sk_json **out,
                        struct sk_err *err) SK_CHECK;
int sk_json_want_array(const struct sk_json *object, const char *key, const struct sk_json **out,
                       struct sk_err *err) SK_CHECK;

/* Compact text of a value appended to a buffer. */
void sk_json_dump(const struct sk_json *v, struct sk_buf *out);

#endif
