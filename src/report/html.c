/* html.c - what comes from outside, made safe for a page: text, names, bytes. */
#include "report/report_priv.h"

#include "base/str.h"

#include <math.h>
#include <string.h>

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

static const char *entity_of(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return (unsigned char)c < 0x20 || c == 0x7f ? replacement : NULL;
    }
}

void sk_html_text(struct sk_buf *out, const char *text)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len;) {
        size_t step = sk_utf8_step(text + i, len - i);
        const char *entity = step == 0 ? replacement : step == 1 ? entity_of(text[i]) : NULL;
        if (entity)
            sk_buf_str(out, entity);
        else
            sk_buf_add(out, text + i, step);
        i += step ? step : 1;
    }
}

void sk_html_name(struct sk_buf *out, const char *text)
{
    sk_buf_str(out, "<bdi>");
    sk_html_text(out, text);
    sk_buf_str(out, "</bdi>");
}

void sk_html_base64(struct sk_buf *out, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < len; i += 3) {
        uint32_t three = (uint32_t)bytes[i] << 16;
        three |= i + 1 < len ? (uint32_t)bytes[i + 1] << 8 : 0;
        three |= i + 2 < len ? (uint32_t)bytes[i + 2] : 0;
        const char four[4] = {
            digits[three >> 18],
            digits[three >> 12 & 63],
            i + 1 < len ? digits[three >> 6 & 63] : '=',
            i + 2 < len ? digits[three & 63] : '=',
        };
        sk_buf_add(out, four, sizeof four);
    }
}

void sk_html_percent(struct sk_buf *out, double share)
{
    if (!isfinite(share))
        sk_buf_chr(out, '-');
    else if (share > 0.999 && share < 1) /* not quite all is not "100.0 %" */
        sk_buf_fmt(out, "%.2f %%", fmin(100 * share, 99.99));
    else
        sk_buf_fmt(out, "%.1f %%", 100 * share);
}
