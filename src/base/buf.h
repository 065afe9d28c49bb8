/*
 * buf.h - a growing byte buffer with a ceiling.
 *
 * Appending after a failure does nothing, so a run of appends is followed by one sk_buf_ok(). The
 * contents always carry a NUL behind the last byte, so text can be used as a C string.
 *
 *     SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_LIMIT_JSON_BYTES);
 *     sk_buf_str(&b, "{\"error\":");
 *     sk_buf_json_str(&b, text);
 *     sk_buf_str(&b, "}");
 *     if (!sk_buf_ok(&b))
 *         return sk_buf_fail(&b, err);
 */
#ifndef SK_BASE_BUF_H
#define SK_BASE_BUF_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* data, len may be read; data is NULL while nothing was added. */
struct sk_buf {
    char *data;
    size_t len;
    size_t cap;
    size_t ceiling;      /* len never exceeds it */
    enum sk_code failed; /* SK_OK, SK_LIMIT (ceiling) or SK_NOMEM */
};

#define SK_BUF_INIT(max)                                                                           \
    {                                                                                              \
        .ceiling = (max)                                                                           \
    }

void sk_buf_done(struct sk_buf *b);
/* Empties, keeps the memory, forgets a failure. */
void sk_buf_clear(struct sk_buf *b);
void sk_buf_add(struct sk_buf *b, const void *bytes, size_t len);
void sk_buf_str(struct sk_buf *b, const char *text);
void sk_buf_chr(struct sk_buf *b, char c);
void sk_buf_fmt(struct sk_buf *b, const char *fmt, ...) SK_PRINTF(2, 3);
/* A JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. text may be NULL when len
 * is 0. */
void sk_buf_json(struct sk_buf *b, const char *text, size_t len);
/* The same of a C string. */
void sk_buf_json_str(struct sk_buf *b, const char *text);
/* Percent-encoded (RFC 3986, section 2.1): all but letters, digits, "-._~" and what `plain` has. */
void sk_buf_percent(struct sk_buf *b, const char *text, size_t len, const char *plain);
/* The shortest of %.{9,17}g that is safe: a JSON number, `null` for NaN and infinity. digits is 9
 * for float32 and 17 for float64. */
void sk_buf_num(struct sk_buf *b, double value, int digits);
/* Decimal integers without printf. */
void sk_buf_u64(struct sk_buf *b, uint64_t value);
void sk_buf_i64(struct sk_buf *b, int64_t value);
/* Makes room for len more bytes and returns where they go (NULL on failure); then sk_buf_commit. */
void *sk_buf_reserve(struct sk_buf *b, size_t len);
void sk_buf_commit(struct sk_buf *b, size_t len);
bool sk_buf_ok(const struct sk_buf *b);
/* Turns the buffer's failure into err; returns -1. */
int sk_buf_fail(const struct sk_buf *b, struct sk_err *err);
/* Gives the memory away (free() it); the buffer is empty afterwards. NULL when failed or nothing
 * was added. */
char *sk_buf_take(struct sk_buf *b);

#endif
