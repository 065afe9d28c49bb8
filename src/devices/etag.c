/* etag.c - numbers that count changes, as IoT Hub's clients see and send them. */
#include "devices/devices_priv.h"

#include <string.h>

void sk_etag_text(int64_t etag, char out[SK_ETAG_TEXT])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint64_t value = (uint64_t)etag;
    /* 64 bits are ten digits of 6 and one of 4. */
    for (unsigned i = 0; i < 10; i++)
        out[i] = digits[value >> (58 - 6 * i) & 63];
    out[10] = digits[(value & 15) << 2];
    memcpy(out + 11, "=", 2);
}

/* Without quotes; false: it is "*". */
static bool names_one(const char *if_match, struct sk_view *out)
{
    struct sk_view v = sk_view_trim(sk_view_of(if_match));
    if (v.len >= 2 && v.ptr[0] == 'W' && v.ptr[1] == '/') {
        v.ptr += 2;
        v.len -= 2;
    }
    if (v.len >= 2 && v.ptr[0] == '"' && v.ptr[v.len - 1] == '"') {
        v.ptr++;
        v.len -= 2;
    }
    *out = v;
    return !sk_view_eq(v, "*");
}

int sk_etag_check(int64_t etag, const char *if_match, struct sk_err *err)
{
    char text[SK_ETAG_TEXT];
    struct sk_view wanted;
    if (!if_match || !names_one(if_match, &wanted))
        return 0;
    sk_etag_text(etag, text);
    if (sk_view_eq(wanted, text))
        return 0;
    return sk_fail(err, SK_MISMATCH, "PreconditionFailed: the etag is \"%s\", not \"%.*s\"", text,
                   wanted.len > 40 ? 40 : (int)wanted.len, wanted.ptr);
}
