/*
 * str.c - views, numbers and comparisons of text that came from outside.
 *
 * Numbers are parsed strictly: the whole text or nothing, no leading blanks, no sign on unsigned
 * ones, no hexadecimal, no "inf". Each error names what was being read and the range that is
 * allowed.
 */
#include "base/str.h"

#include <errno.h>
#include <math.h>
#include <strings.h>

struct sk_view sk_view_of(const char *text)
{
    return (struct sk_view){ text, text ? strlen(text) : 0 };
}

bool sk_view_eq(struct sk_view v, const char *text)
{
    size_t len = strlen(text);
    return v.len == len && (len == 0 || memcmp(v.ptr, text, len) == 0);
}

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

bool sk_view_eq_nocase(struct sk_view v, const char *text)
{
    if (strlen(text) != v.len)
        return false;
    for (size_t i = 0; i < v.len; i++)
        if (lower(v.ptr[i]) != lower(text[i]))
            return false;
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct sk_view sk_view_trim(struct sk_view v)
{
    while (v.len > 0 && is_blank(v.ptr[0])) {
        v.ptr++;
        v.len--;
    }
    while (v.len > 0 && is_blank(v.ptr[v.len - 1]))
        v.len--;
    return v;
}

int sk_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool sk_starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool sk_ends_with(const char *text, const char *suffix)
{
    size_t len = strlen(text);
    size_t n = strlen(suffix);
    return len >= n && memcmp(text + len - n, suffix, n) == 0;
}

/* Reads the decimal digits at the start of text; *end is the first byte that is none. False: no
 * digit, or the value does not fit. */
static bool read_digits(const char *text, const char **end, uint64_t *out)
{
    uint64_t value = 0;
    const char *p = text;

    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
            return false;
    *end = p;
    *out = value;
    return p != text;
}

int sk_parse_u64(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *out,
                 struct sk_err *err)
{
    const char *end = text;
    uint64_t value = 0;

    if (!read_digits(text, &end, &value) || *end != '\0' || value < min || value > max) {
        if (max == UINT64_MAX)
            return sk_fail(err, SK_INVALID, "%s: '%s' is not a whole number of at least %llu", what,
                           text, (unsigned long long)min);
        return sk_fail(err, SK_INVALID, "%s: '%s' is not a whole number from %llu to %llu", what,
                       text, (unsigned long long)min, (unsigned long long)max);
    }
    *out = value;
    return 0;
}

int sk_parse_f64(const char *what, const char *text, double min, double max, double *out,
                 struct sk_err *err)
{
    char *end = NULL;
    bool plain = text[0] != '\0' && text[strspn(text, "0123456789+-.eE")] == '\0';
    double value = plain ? strtod(text, &end) : 0;

    if (!plain || *end != '\0' || !isfinite(value) || value < min || value > max)
        return sk_fail(err, SK_INVALID, "%s: '%s' is not a number from %g to %g", what, text, min,
                       max);
    *out = value;
    return 0;
}

struct unit {
    const char *suffix;
    uint64_t factor;
};

/* A number with one of the suffixes behind it. False: neither. */
static bool read_with_unit(const char *text, const struct unit *units, uint64_t *out)
{
    const char *end = text;
    uint64_t value = 0;

    if (!read_digits(text, &end, &value))
        return false;
    for (const struct unit *u = units; u->suffix; u++)
        if (sk_view_eq_nocase(sk_view_of(end), u->suffix))
            return !__builtin_mul_overflow(value, u->factor, out);
    return false;
}

int sk_parse_size(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *out,
                  struct sk_err *err)
{
    static const struct unit units[] = {
        { "", 1 },           { "B", 1 },          { "K", 1u << 10 },
        { "KiB", 1u << 10 }, { "M", 1u << 20 },   { "MiB", 1u << 20 },
        { "G", 1u << 30 },   { "GiB", 1u << 30 }, { NULL, 0 },
    };
    uint64_t value = 0;

    if (!read_with_unit(text, units, &value))
        return sk_fail(err, SK_INVALID, "%s: '%s' is not a size such as 4096, 64K, 10M or 2G", what,
                       text);
    if (value < min || value > max)
        return sk_fail(err, SK_INVALID, "%s: '%s' is not a size from %llu to %llu bytes", what,
                       text, (unsigned long long)min, (unsigned long long)max);
    *out = value;
    return 0;
}

int sk_parse_ms(const char *what, const char *text, uint64_t min, uint64_t max, uint64_t *out,
                struct sk_err *err)
{
    static const struct unit units[] = {
        { "ms", 1 }, { "", 1000 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { NULL, 0 },
    };
    uint64_t value = 0;

    if (!read_with_unit(text, units, &value))
        return sk_fail(err, SK_INVALID, "%s: '%s' is not a time such as 250ms, 30s, 5m or 2h", what,
                       text);
    if (value < min || value > max)
        return sk_fail(err, SK_INVALID, "%s: '%s' is not a time from %llu to %llu ms", what, text,
                       (unsigned long long)min, (unsigned long long)max);
    *out = value;
    return 0;
}

/* RFC 3629, section 4: the ranges that the second byte must be in exclude overlong forms and
 * surrogates. */
size_t sk_utf8_step(const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    size_t n = 0;

    if (len == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        n = 2;
    } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
        n = 3;
        low = p[0] == 0xe0 ? 0xa0 : low;
        high = p[0] == 0xed ? 0x9f : high;
    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        n = 4;
        low = p[0] == 0xf0 ? 0x90 : low;
        high = p[0] == 0xf4 ? 0x8f : high;
    }
    if (n == 0 || n > len || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

bool sk_utf8_valid(const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t n = sk_utf8_step(text + i, len - i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

bool sk_equal_secret(const char *a, size_t a_len, const char *b, size_t b_len)
{
    volatile unsigned char differ = a_len != b_len;

    for (size_t i = 0; i < a_len; i++)
        differ |= (unsigned char)(a[i] ^ (b_len ? b[i % b_len] : 0));
    return differ == 0;
}

bool sk_mul_size(size_t a, size_t b, size_t *out)
{
    size_t product = 0;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *out = product;
    return true;
}

bool sk_add_size(size_t a, size_t b, size_t *out)
{
    size_t sum = 0;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *out = sum;
    return true;
}

enum {
    EDIT_MAX = 64
};

static int least(int a, int b, int c)
{
    int m = a < b ? a : b;
    return m < c ? m : c;
}

/* Optimal string alignment: insert, delete, replace, or swap two neighbours, each costs one. */
int sk_edit_distance(const char *a, const char *b)
{
    int rows[3][EDIT_MAX + 1];
    size_t a_len = strlen(a);
    size_t b_len = strlen(b);

    if (a_len > EDIT_MAX || b_len > EDIT_MAX)
        return -1;
    for (size_t j = 0; j <= b_len; j++)
        rows[0][j] = (int)j;
    for (size_t i = 1; i <= a_len; i++) {
        int *row = rows[i % 3];
        const int *up = rows[(i + 2) % 3];
        const int *up2 = rows[(i + 1) % 3];

        row[0] = (int)i;
        for (size_t j = 1; j <= b_len; j++) {
            row[j] = least(up[j] + 1, row[j - 1] + 1, up[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                up2[j - 2] + 1 < row[j])
                row[j] = up2[j - 2] + 1;
        }
    }
    return rows[a_len % 3][b_len];
}
