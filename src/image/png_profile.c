/*
 * png_profile.c - EXIF that ImageMagick wrote into a PNG's text: key "Raw profile type exif", then
 *
 *   "\nexif\n" length "\n" hexadecimal digits, lines of 72
 *
 * plain (tEXt) or compressed (zTXt). Only the orientation is wanted, and that stands near the
 * beginning: a window of the text is enough, and no memory is taken.
 */
#include "image/png_priv.h"

#define ZLIB_CONST /* next_in points to const */
#include <zlib.h>

enum {
    TEXT_BYTES = 16 << 10
};

static size_t inflate_text(const uint8_t *packed, size_t len, uint8_t *out)
{
    z_stream z = { .next_in = packed, .avail_in = len < TEXT_BYTES ? (uInt)len : TEXT_BYTES };
    z.next_out = out;
    z.avail_out = TEXT_BYTES;
    if (inflateInit(&z) != Z_OK)
        return 0;
    (void)inflate(&z, Z_SYNC_FLUSH); /* what came out of a broken stream is worth a look */
    (void)inflateEnd(&z);
    return TEXT_BYTES - z.avail_out;
}

static int digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Behind the third line feed; digits to bytes in place. */
static size_t decode_digits(uint8_t *text, size_t len)
{
    size_t at = 0, out = 0;
    for (int lines = 0; lines < 3; at++) {
        if (at == len)
            return 0;
        lines += text[at] == '\n';
    }
    int high = -1;
    for (; at < len; at++) {
        int d = digit(text[at]);
        if (d < 0 && text[at] != '\n')
            break;
        if (d < 0)
            continue;
        if (high < 0) {
            high = d;
            continue;
        }
        text[out++] = (uint8_t)(high << 4 | d);
        high = -1;
    }
    return out;
}

int sk_png_profile_orientation(const uint8_t *text, size_t len, bool is_packed)
{
    uint8_t window[TEXT_BYTES];
    if (is_packed) {
        len = inflate_text(text, len, window);
    } else {
        len = len < TEXT_BYTES ? len : TEXT_BYTES;
        memcpy(window, text, len);
    }
    return sk_exif_orientation(window, decode_digits(window, len));
}
