/*
 * jpeg_ref.h - libjpeg-turbo as the reference for our JPEG decoder: decode with its defaults, and
 * encode with any tables, sampling and restart interval. Shared by the tests, the fuzzer and the
 * bench.
 */
#ifndef SK_TESTS_IMAGE_JPEG_REF_H
#define SK_TESTS_IMAGE_JPEG_REF_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

struct ref_error {
    struct jpeg_error_mgr base;
    jmp_buf jump;
};

static inline void ref_exit(j_common_ptr c)
{
    longjmp(((struct ref_error *)(void *)c->err)->jump, 1);
}

static inline void ref_silent(j_common_ptr c, int level)
{
    if (level < 0)
        c->err->num_warnings++;
}

static inline struct jpeg_error_mgr *ref_error_init(struct ref_error *e)
{
    jpeg_std_error(&e->base);
    e->base.error_exit = ref_exit;
    e->base.emit_message = ref_silent;
    return &e->base;
}

/* A decoded picture; rgb is NULL where libjpeg refused. free(rgb). */
struct ref_picture {
    uint32_t width, height;
    uint8_t *rgb;
    long warnings;
};

/* max_pixels: larger ones count as refused. */
static inline struct ref_picture ref_decode(const uint8_t *bytes, size_t len, uint64_t max_pixels)
{
    struct jpeg_decompress_struct d;
    struct ref_error e;
    uint8_t *volatile rgb = NULL;
    memset(&d, 0, sizeof(d));
    d.err = ref_error_init(&e);
    if (setjmp(e.jump)) {
        jpeg_destroy_decompress(&d);
        free(rgb);
        return (struct ref_picture){ 0 };
    }
    jpeg_create_decompress(&d);
    jpeg_mem_src(&d, bytes, len);
    jpeg_read_header(&d, TRUE);
    if ((uint64_t)d.image_width * d.image_height > max_pixels)
        ref_exit((j_common_ptr)&d);
    d.out_color_space = JCS_RGB;
    jpeg_start_decompress(&d);
    rgb = malloc((size_t)d.output_width * d.output_height * 3);
    while (rgb && d.output_scanline < d.output_height) {
        JSAMPROW row = rgb + (size_t)d.output_scanline * d.output_width * 3;
        jpeg_read_scanlines(&d, &row, 1);
    }
    jpeg_finish_decompress(&d);
    struct ref_picture p = { d.output_width, d.output_height, rgb, d.err->num_warnings };
    jpeg_destroy_decompress(&d);
    return p;
}

/* What to encode. */
struct ref_encode {
    unsigned width, height;
    unsigned components; /* 1: grey; 3: rgb */
    unsigned h, v;       /* sampling factors of the first component */
    int quality;
    bool optimise, progressive;
    unsigned restart_mcus;
    unsigned quant; /* not 0: every step of every table */
};

static inline void ref_setup(struct jpeg_compress_struct *c, const struct ref_encode *o)
{
    c->image_width = o->width;
    c->image_height = o->height;
    c->input_components = (int)o->components;
    c->in_color_space = o->components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(c);
    jpeg_set_quality(c, o->quality, TRUE);
    for (int t = 0; o->quant && t < 2; t++)
        for (int i = 0; i < 64; i++)
            c->quant_tbl_ptrs[t]->quantval[i] = (UINT16)o->quant;
    c->comp_info[0].h_samp_factor = (int)o->h;
    c->comp_info[0].v_samp_factor = (int)o->v;
    c->optimize_coding = o->optimise;
    c->restart_interval = o->restart_mcus;
    if (o->progressive)
        jpeg_simple_progression(c);
}

/* *out: free(). False: libjpeg refused. */
static inline bool ref_encode(const struct ref_encode *o, const uint8_t *pixels, uint8_t **out,
                              size_t *len)
{
    struct jpeg_compress_struct c;
    struct ref_error e;
    unsigned char *bytes = NULL;
    unsigned long size = 0;
    memset(&c, 0, sizeof c);
    c.err = ref_error_init(&e);
    if (setjmp(e.jump)) {
        jpeg_destroy_compress(&c);
        return false;
    }
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &bytes, &size);
    ref_setup(&c, o);
    jpeg_start_compress(&c, TRUE);
    while (c.next_scanline < c.image_height) {
        union { /* libjpeg does not write to it, but its types say so */
            const uint8_t *read;
            JSAMPROW row;
        } u = { pixels + (size_t)c.next_scanline * o->width * o->components };

        jpeg_write_scanlines(&c, &u.row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    *out = bytes;
    *len = size;
    return true;
}

/* Sets one block of coefficients in natural order. */
typedef void ref_block_fn(void *ctx, JCOEF *block);

/*
 * The same picture with other coefficients, each block from `set`, and quantisation steps `quant`
 * (64 in natural order): what no encoder makes of pixels. *out: free().
 */
static inline bool ref_recode(const uint8_t *bytes, size_t bytes_len, ref_block_fn *set, void *ctx,
                              const uint8_t *quant, uint8_t **out, size_t *len)
{
    struct jpeg_decompress_struct d;
    struct jpeg_compress_struct c;
    struct ref_error e;
    unsigned char *made = NULL;
    unsigned long size = 0;
    memset(&d, 0, sizeof d);
    memset(&c, 0, sizeof c);
    d.err = c.err = ref_error_init(&e);
    if (setjmp(e.jump)) {
        jpeg_destroy_compress(&c);
        jpeg_destroy_decompress(&d);
        return false;
    }
    jpeg_create_decompress(&d);
    jpeg_mem_src(&d, bytes, bytes_len);
    jpeg_read_header(&d, TRUE);
    jvirt_barray_ptr *arrays = jpeg_read_coefficients(&d);
    for (int i = 0; i < d.num_components; i++) {
        const jpeg_component_info *info = &d.comp_info[i];
        for (JDIMENSION y = 0; y < info->height_in_blocks; y++) {
            JBLOCKARRAY row = d.mem->access_virt_barray((j_common_ptr)&d, arrays[i], y, 1, TRUE);
            for (JDIMENSION x = 0; x < info->width_in_blocks; x++)
                set(ctx, row[0][x]);
        }
    }
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &made, &size);
    jpeg_copy_critical_parameters(&d, &c);
    for (int t = 0; t < 2; t++)
        for (int i = 0; c.quant_tbl_ptrs[t] && i < 64; i++)
            c.quant_tbl_ptrs[t]->quantval[i] = quant[i];
    c.optimize_coding = TRUE;
    jpeg_write_coefficients(&c, arrays);
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    (void)jpeg_finish_decompress(&d);
    jpeg_destroy_decompress(&d);
    *out = made;
    *len = size;
    return true;
}

#endif
