/*
 * percent.c - percent-encoding as in topics, user names and tokens (RFC 3986, section 2.1), read.
 *
 * Hex of either case. '+' is an ordinary character; it is never a space. (Written it is by
 * sk_buf_percent without exceptions, so that nothing is left that a client could take for a
 * separator or for a system property.)
 */
#include "iot/iot_priv.h"

#include <string.h>

bool sk_iot_unescape(struct sk_view v, char *out, size_t *out_len)
{
    size_t used = 0;
    for (size_t i = 0; i < v.len; i++) {
        char c = v.ptr[i];
        if (c == '%') {
            int high = v.len - i > 2 ? sk_hex_digit(v.ptr[i + 1]) : -1;
            int low = v.len - i > 2 ? sk_hex_digit(v.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (c == '\0')
            return false;
        out[used++] = c;
    }
    *out_len = used;
    return sk_utf8_valid(out, used);
}

bool sk_iot_cut(struct sk_view *v, char sign, struct sk_view *head)
{
    const char *at = v->len > 0 ? memchr(v->ptr, sign, v->len) : NULL;
    *head = *v;
    if (!at) {
        *v = (struct sk_view){ v->len > 0 ? v->ptr + v->len : v->ptr, 0 };
        return false;
    }
    head->len = (size_t)(at - v->ptr);
    *v = (struct sk_view){ at + 1, v->len - head->len - 1 };
    return true;
}
