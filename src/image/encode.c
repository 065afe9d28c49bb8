/*
 * encode.c - JPEG and PNG for tests, the demo and warm-up pictures.
 *
 * JPEG by libjpeg-turbo with its defaults (4:2:0). PNG: 8-bit RGB, every row filtered with Sub, one
 * IDAT chunk of zlib data (PNG specification, third edition, sections 5, 9 and 10).
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "image/image.h"

#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>
#define ZLIB_CONST
#include <zlib.h>

static int check(const struct sk_image *img, struct sk_err *err)
{
    return img->width > 0 && img->height > 0
               ? 0
               : sk_fail(err, SK_INVALID, "an empty picture cannot be encoded");
}

/* ---- JPEG ---- */

struct jpeg_run {
    struct jpeg_compress_struct cinfo;
    struct jpeg_error_mgr errors;
    jmp_buf escape;
    struct sk_err *err;
    unsigned char *out;
    unsigned long len;
};

static void fail_and_leave(j_common_ptr cinfo)
{
    struct jpeg_run *run = cinfo->client_data;
    char text[JMSG_LENGTH_MAX];
    cinfo->err->format_message(cinfo, text);
    (void)sk_fail(run->err, SK_BUG, "jpeg: %s", text);
    longjmp(run->escape, 1);
}

static int run_jpeg(struct jpeg_run *run, const struct sk_image *img, int quality)
{
    if (setjmp(run->escape))
        return -1;
    jpeg_create_compress(&run->cinfo);
    jpeg_mem_dest(&run->cinfo, &run->out, &run->len);
    run->cinfo.image_width = img->width;
    run->cinfo.image_height = img->height;
    run->cinfo.input_components = 3;
    run->cinfo.in_color_space = JCS_RGB;
    jpeg_set_defaults(&run->cinfo);
    jpeg_set_quality(&run->cinfo, quality, TRUE);
    jpeg_start_compress(&run->cinfo, TRUE);
    while (run->cinfo.next_scanline < run->cinfo.image_height) {
        JSAMPROW row = img->pixels + (size_t)run->cinfo.next_scanline * img->width * 3;
        (void)jpeg_write_scanlines(&run->cinfo, &row, 1);
    }
    jpeg_finish_compress(&run->cinfo);
    return 0;
}

int sk_image_encode_jpeg(const struct sk_image *img, int quality, uint8_t **out, size_t *len,
                         struct sk_err *err)
{
    struct jpeg_run run = { .err = err };
    if (check(img, err) < 0)
        return -1;
    run.cinfo.err = jpeg_std_error(&run.errors);
    run.cinfo.client_data = &run;
    run.errors.error_exit = fail_and_leave;
    int result = run_jpeg(&run, img, quality);
    jpeg_destroy_compress(&run.cinfo);
    if (result < 0) {
        free(run.out);
        return -1;
    }
    *out = run.out;
    *len = run.len;
    return 0;
}

/* ---- PNG ---- */

static void add_be32(struct sk_buf *b, uint32_t v)
{
    const uint8_t bytes[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8),
                               (uint8_t)v };
    sk_buf_add(b, bytes, sizeof bytes);
}

static void add_chunk(struct sk_buf *b, const char type[4], const uint8_t *data, uint32_t len)
{
    add_be32(b, len);
    sk_buf_add(b, type, 4);
    sk_buf_add(b, data, len);
    uLong crc = crc32_z(crc32_z(0, (const Bytef *)type, 4), data, len);
    add_be32(b, (uint32_t)crc);
}

/* Every row as its filter byte 1 and the differences to the pixel on the left. */
static uint8_t *filter_rows(const struct sk_image *img, size_t *len)
{
    size_t row = (size_t)img->width * 3;
    uint8_t *out = malloc((row + 1) * img->height);
    if (!out)
        return NULL;
    uint8_t *p = out;
    for (uint32_t y = 0; y < img->height; y++) {
        const uint8_t *in = img->pixels + y * row;
        *p++ = 1;
        for (size_t i = 0; i < row; i++)
            *p++ = (uint8_t)(in[i] - (i >= 3 ? in[i - 3] : 0));
    }
    *len = (row + 1) * img->height;
    return out;
}

int sk_image_encode_png(const struct sk_image *img, uint8_t **out, size_t *len, struct sk_err *err)
{
    if (check(img, err) < 0)
        return -1;
    size_t raw_len = 0;
    SK_AUTO(free_cleanup) uint8_t *raw = filter_rows(img, &raw_len);
    if (!raw)
        return sk_nomem(err);
    uLong packed_len = compressBound(raw_len);
    if (packed_len > INT32_MAX)
        return sk_fail(err, SK_LIMIT, "the picture is too large for one PNG chunk");
    SK_AUTO(free_cleanup) uint8_t *packed = malloc(packed_len);
    if (!packed || compress(packed, &packed_len, raw, raw_len) != Z_OK)
        return sk_nomem(err);

    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT((size_t)packed_len + 128);
    SK_AUTO(sk_buf_done) struct sk_buf header = SK_BUF_INIT(64);
    add_be32(&header, img->width);
    add_be32(&header, img->height);
    sk_buf_add(&header, "\x08\x02\0\0\0", 5); /* 8 bits, RGB, deflate, the standard filters, not
                                                 interlaced */
    if (!sk_buf_ok(&header))
        return sk_buf_fail(&header, err);
    sk_buf_add(&b, "\x89PNG\r\n\x1a\n", 8);
    add_chunk(&b, "IHDR", (const uint8_t *)header.data, (uint32_t)header.len);
    add_chunk(&b, "IDAT", packed, (uint32_t)packed_len);
    add_chunk(&b, "IEND", NULL, 0);
    if (!sk_buf_ok(&b))
        return sk_buf_fail(&b, err);
    *len = b.len;
    *out = (uint8_t *)sk_buf_take(&b);
    return 0;
}
