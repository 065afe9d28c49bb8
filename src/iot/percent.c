/*
 * percent.c - percent-encoding as in topics, user names and tokens (RFC 3986, section 2.1).
 *
 * Written: all but the unreserved characters, in upper case, so that nothing is left that a client
 * could take for a separator ('/', '=', '&') or for a system property that is not encoded ('$').
 * Read: hex of either case. '+' is an ordinary character; it is never a space.
 */
#include "iot/iot_priv.h"

#include <string.h>

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void sk_iot_escape(struct sk_buf *out, const char *text, size_t len)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t start = 0; /* of the run that is copied as it is */
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (is_unreserved(text[i]))
            continue;
        sk_buf_add(out, text + start, i - start);
        sk_buf_add(out, (char[]){ '%', hex[c >> 4], hex[c & 15] }, 3);
        start = i + 1;
    }
    sk_buf_add(out, text + start, len - start);
}

static int hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool sk_iot_unescape(struct sk_view v, char *out, size_t *out_len)
{
    size_t used = 0;
    for (size_t i = 0; i < v.len; i++) {
        char c = v.ptr[i];
        if (c == '%') {
            int high = v.len - i > 2 ? hex_of(v.ptr[i + 1]) : -1;
            int low = v.len - i > 2 ? hex_of(v.ptr[i + 2]) : -1;
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
