/*
 * codecs.c - which libraries decode pictures here, in the versions that are loaded.
 *
 * libjpeg-turbo tells its version at compile time only; its ABI is checked when a decoder is made.
 */
#include "base/buf.h"
#include "image/image.h"
#include "image/tiff_priv.h"

#include <stdio.h>

#include <jpeglib.h>
#include <webp/decode.h>
#include <zlib.h>

#define TEXT2(x) #x
#define TEXT(x)  TEXT2(x)

#ifdef LIBJPEG_TURBO_VERSION
#define JPEG_NAME "libjpeg-turbo " TEXT(LIBJPEG_TURBO_VERSION)
#else
#define JPEG_NAME "libjpeg " TEXT(JPEG_LIB_VERSION)
#endif

void sk_image_codecs(struct sk_buf *out)
{
    const unsigned webp = (unsigned)WebPGetDecoderVersion();
    struct sk_err ignored = SK_ERR_INIT;
    const struct sk_tiff_api *lib = sk_tiff_library(&ignored);
    const char *tiff = lib ? lib->TIFFGetVersion() : "(not installed)";
    const char *number = strstr(tiff, "Version "); /* "LIBTIFF, Version 4.5.0\nCopyright ..." */

    tiff = number ? number + strlen("Version ") : tiff;
    sk_buf_fmt(out, JPEG_NAME ", zlib %s, libwebp %u.%u.%u, libtiff %.*s", zlibVersion(),
               webp >> 16, (webp >> 8) & 255, webp & 255, (int)strcspn(tiff, "\n"), tiff);
}
