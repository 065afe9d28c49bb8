/*
 * base64.c - base64 (RFC 4648), both alphabets.
 *
 * Reading takes either alphabet, and is strict where forgiving would hide damage: no spaces, no
 * bits beyond the last byte, padding whole or absent.
 */
#include "crypto/crypto.h"

#include <string.h>

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode(struct sk_buf *b, const unsigned char *p, size_t len, const char *alphabet,
                   bool pads)
{
    for (; len >= 3; p += 3, len -= 3) {
        const char four[4] = { alphabet[p[0] >> 2], alphabet[(p[0] & 3) << 4 | p[1] >> 4],
                               alphabet[(p[1] & 15) << 2 | p[2] >> 6], alphabet[p[2] & 63] };
        sk_buf_add(b, four, sizeof four);
    }
    if (len == 0)
        return;
    unsigned second = len == 2 ? p[1] : 0;
    sk_buf_chr(b, alphabet[p[0] >> 2]);
    sk_buf_chr(b, alphabet[(p[0] & 3) << 4 | second >> 4]);
    if (len == 2)
        sk_buf_chr(b, alphabet[(second & 15) << 2]);
    if (pads)
        sk_buf_str(b, len == 2 ? "=" : "==");
}

void sk_base64(struct sk_buf *b, const void *bytes, size_t len)
{
    encode(b, bytes, len, standard, true);
}

void sk_base64_url(struct sk_buf *b, const void *bytes, size_t len)
{
    encode(b, bytes, len, url_safe, false);
}

/* 0..63, or -1. */
static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

int sk_base64_decode(const char *text, size_t len, struct sk_buf *out, struct sk_err *err)
{
    size_t pads = 0;
    while (pads < 2 && pads < len && text[len - 1 - pads] == '=')
        pads++;
    size_t digits = len - pads;
    if (digits % 4 == 1 || (pads > 0 && len % 4 != 0))
        return sk_fail(err, SK_INVALID, "base64: %zu characters are no whole number of bytes", len);
    size_t size = digits / 4 * 3 + (digits % 4 ? digits % 4 - 1 : 0);
    if (size == 0)
        return 0;
    unsigned char *p = sk_buf_reserve(out, size);
    if (!p)
        return sk_buf_fail(out, err);
    unsigned bits = 0;
    size_t used = 0;
    for (size_t i = 0; i < digits; i++) {
        int v = value_of(text[i]);
        if (v < 0)
            return sk_fail(err, SK_INVALID, "base64: character %zu is not of its alphabet", i + 1);
        bits = bits << 6 | (unsigned)v;
        if (i % 4 != 0)
            p[used++] = (unsigned char)(bits >> (6 - i % 4 * 2));
    }
    if ((digits % 4 == 2 && bits & 15) || (digits % 4 == 3 && bits & 3))
        return sk_fail(err, SK_INVALID, "base64: bits are left over at the end");
    sk_buf_commit(out, size);
    return 0;
}
