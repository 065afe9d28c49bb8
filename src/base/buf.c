/*
 * buf.c - the growing byte buffer, and text in JSON form.
 *
 * The memory doubles, so appending is O(1) on average; it holds one byte more than `len` for the
 * NUL. Invariant: len <= ceiling, cap <= ceiling + 1, and once `failed` is set nothing changes
 * until a clear.
 *
 * Numbers are printed with the fewest digits that read back as the same value. A candidate of d
 * digits is m = round(value * 10^k). While m < 2^53 and k <= 22 both m and 10^k are exact doubles,
 * so m / 10^k is the correctly rounded value of the decimal text (Clinger, "How to read floating
 * point numbers accurately", 1990) and comparing it with the value decides. Values out of that
 * range take snprintf.
 */
#include "base/buf.h"

#include "base/str.h"

#include <math.h>
#include <stdarg.h>

enum {
    FIRST_BYTES = 256
};

void sk_buf_done(struct sk_buf *b)
{
    if (!b)
        return;
    free(b->data);
    *b = (struct sk_buf){ .ceiling = b->ceiling };
}

void sk_buf_clear(struct sk_buf *b)
{
    b->len = 0;
    b->failed = SK_OK;
    if (b->data)
        b->data[0] = '\0';
}

/* Makes room for len more bytes and the NUL. */
static bool grow(struct sk_buf *b, size_t len)
{
    if (b->failed != SK_OK)
        return false;
    if (len > b->ceiling - b->len) {
        b->failed = SK_LIMIT;
        return false;
    }
    size_t need = b->len + len;
    if (need < b->cap)
        return true;

    size_t cap = b->cap ? b->cap : FIRST_BYTES;
    while (cap <= need && cap <= SIZE_MAX / 2)
        cap *= 2;
    if (cap <= need || cap > b->ceiling)
        cap = b->ceiling < SIZE_MAX ? b->ceiling + 1 : SIZE_MAX;
    char *data = cap > need ? realloc(b->data, cap) : NULL;
    if (!data) {
        b->failed = SK_NOMEM;
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

void *sk_buf_reserve(struct sk_buf *b, size_t len)
{
    return grow(b, len) ? b->data + b->len : NULL;
}

void sk_buf_commit(struct sk_buf *b, size_t len)
{
    if (b->failed != SK_OK || !b->data)
        return;
    b->len += len;
    b->data[b->len] = '\0';
}

void sk_buf_add(struct sk_buf *b, const void *bytes, size_t len)
{
    if (!grow(b, len))
        return;
    if (len > 0)
        memcpy(b->data + b->len, bytes, len);
    sk_buf_commit(b, len);
}

void sk_buf_str(struct sk_buf *b, const char *text)
{
    sk_buf_add(b, text, strlen(text));
}

void sk_buf_chr(struct sk_buf *b, char c)
{
    if (!grow(b, 1))
        return;
    b->data[b->len] = c;
    sk_buf_commit(b, 1);
}

void sk_buf_fmt(struct sk_buf *b, const char *fmt, ...)
{
    char small[256];
    va_list args;
    va_list again;

    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(small, sizeof small, fmt, args);
    if (n < 0) {
        b->failed = b->failed ? b->failed : SK_BUG;
    } else if ((size_t)n < sizeof small) {
        sk_buf_add(b, small, (size_t)n);
    } else if (grow(b, (size_t)n)) {
        (void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
        sk_buf_commit(b, (size_t)n);
    }
    va_end(again);
    va_end(args);
}

/* RFC 8259, section 7. Returns the bytes of the escape written to out (at most 6). */
static size_t escape(unsigned char c, char *out)
{
    static const char hex[] = "0123456789abcdef";
    static const char named[] = "\"\"\\\\\bb\ff\nn\rr\tt";

    out[0] = '\\';
    for (size_t i = 0; i < sizeof named - 1; i += 2) {
        if ((unsigned char)named[i] == c) {
            out[1] = named[i + 1];
            return 2;
        }
    }
    memcpy(out + 1, "u00", 3);
    out[4] = hex[c >> 4];
    out[5] = hex[c & 15];
    return 6;
}

void sk_buf_json(struct sk_buf *b, const char *text, size_t len)
{
    size_t start = 0; /* of the run that is copied as it is */
    char esc[6];

    sk_buf_chr(b, '"');
    for (size_t i = 0; i < len;) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
            i++;
            continue;
        }
        size_t n = c < 0x80 ? 0 : sk_utf8_step(text + i, len - i);
        if (n > 0) {
            i += n;
            continue;
        }
        sk_buf_add(b, text + start, i - start);
        if (c < 0x80)
            sk_buf_add(b, esc, escape(c, esc));
        else
            sk_buf_add(b, "\xef\xbf\xbd", 3); /* U+FFFD */
        start = ++i;
    }
    if (start < len)
        sk_buf_add(b, text + start, len - start);
    sk_buf_chr(b, '"');
}

void sk_buf_json_str(struct sk_buf *b, const char *text)
{
    sk_buf_json(b, text, strlen(text));
}

void sk_buf_percent(struct sk_buf *b, const char *text, size_t len, const char *plain)
{
    static const char hex[] = "0123456789ABCDEF";
    static const char
        unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    size_t start = 0; /* of the run that is copied as it is */

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c != '\0' && (strchr(unreserved, c) || strchr(plain, c)))
            continue;
        sk_buf_add(b, text + start, i - start);
        sk_buf_add(b, (char[]){ '%', hex[c >> 4], hex[c & 15] }, 3);
        start = i + 1;
    }
    sk_buf_add(b, text + start, len - start);
}

/* Writes value right-aligned before end; returns the first character. */
static char *digits_of(uint64_t value, char *end)
{
    do {
        *--end = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return end;
}

void sk_buf_u64(struct sk_buf *b, uint64_t value)
{
    char text[20];
    char *end = text + sizeof text;
    const char *start = digits_of(value, end);
    sk_buf_add(b, start, (size_t)(end - start));
}

void sk_buf_i64(struct sk_buf *b, int64_t value)
{
    char text[21];
    char *end = text + sizeof text;
    char *start = digits_of(value < 0 ? 0 - (uint64_t)value : (uint64_t)value, end);
    if (value < 0)
        *--start = '-';
    sk_buf_add(b, start, (size_t)(end - start));
}

enum {
    EXACT_POWERS = 23
};

static const double powers[EXACT_POWERS] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

/* Does the decimal m / 10^k read back as value? near is m / 10^k, correctly rounded to double. For
 * float32 a double that sits in the middle of two floats may be the result of the first of two
 * roundings: undecided, so no. */
static bool reads_back(double near, double value, bool is_float)
{
    if (!is_float)
        return near == value;
    uint64_t bits = 0;
    memcpy(&bits, &near, sizeof bits);
    return (bits & 0x1fffffffu) != 0x10000000u && (double)(float)near == value;
}

/* Prints m / 10^k without trailing zeros, as ddd.ddd or d.ddde-xx. */
static void add_decimal(struct sk_buf *b, uint64_t m, int k)
{
    char text[24];
    char *end = text + sizeof text;

    while (m % 10 == 0 && k > 0) {
        m /= 10;
        k--;
    }
    char *start = digits_of(m, end);
    int n = (int)(end - start);
    int point = n - k; /* digits before the decimal point */

    if (k == 0) {
        sk_buf_add(b, start, (size_t)n);
    } else if (point > 0) {
        sk_buf_add(b, start, (size_t)point);
        sk_buf_chr(b, '.');
        sk_buf_add(b, start + point, (size_t)(n - point));
    } else if (point > -4) {
        sk_buf_add(b, "0.000", (size_t)(2 - point));
        sk_buf_add(b, start, (size_t)n);
    } else {
        sk_buf_chr(b, *start);
        if (n > 1) {
            sk_buf_chr(b, '.');
            sk_buf_add(b, start + 1, (size_t)(n - 1));
        }
        sk_buf_fmt(b, "e-%02d", 1 - point);
    }
}

/* The fast way, for positive values of ordinary size. False: not decided here. */
static bool add_short(struct sk_buf *b, double value, bool is_float)
{
    const int first = is_float ? 6 : 15;
    const int last = is_float ? 9 : 15;

    if (value < 1e-7 || value >= 1e6)
        return false;
    int before = 0; /* the place of the first digit: value is in [10^(before-1), 10^before) */
    while (before < 6 && value >= powers[before])
        before++;
    while (before <= 0 && before > -7 && value * powers[1 - before] < 1)
        before--;
    for (int d = first; d <= last; d++) {
        int k = d - before;
        if (k >= EXACT_POWERS)
            return false;
        double m = nearbyint(value * powers[k]);
        if (reads_back(m / powers[k], value, is_float)) {
            add_decimal(b, (uint64_t)m, k);
            return true;
        }
    }
    return false;
}

void sk_buf_num(struct sk_buf *b, double value, int digits)
{
    const bool is_float = digits <= 9;
    char text[40];

    if (!isfinite(value)) {
        sk_buf_str(b, "null");
        return;
    }
    if (value == 0) {
        sk_buf_str(b, signbit(value) ? "-0" : "0");
        return;
    }
    if (fabs(value) < 1e15 && value == nearbyint(value)) {
        sk_buf_i64(b, (int64_t)value);
        return;
    }
    if (value < 0)
        sk_buf_chr(b, '-');
    value = fabs(value);
    if (add_short(b, value, is_float))
        return;
    for (int d = is_float ? 6 : 15; d <= (is_float ? 9 : 17); d++) {
        (void)snprintf(text, sizeof text, "%.*g", d, value);
        if (is_float ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value)
            break;
    }
    sk_buf_str(b, text);
}

bool sk_buf_ok(const struct sk_buf *b)
{
    return b->failed == SK_OK;
}

int sk_buf_fail(const struct sk_buf *b, struct sk_err *err)
{
    if (b->failed == SK_LIMIT)
        return sk_fail(err, SK_LIMIT, "more than %zu bytes", b->ceiling);
    if (b->failed == SK_BUG)
        return sk_fail(err, SK_BUG, "a text could not be formatted");
    return sk_nomem(err);
}

char *sk_buf_take(struct sk_buf *b)
{
    char *data = b->data;

    if (b->failed != SK_OK)
        return NULL;
    *b = (struct sk_buf){ .ceiling = b->ceiling };
    return data;
}
