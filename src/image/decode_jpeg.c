/*
 * decode_jpeg.c - JPEG, by our own decoder (jpeg_fast.c) where that is sure of the result, else by
 * libjpeg-turbo as Pillow drives it.
 *
 * Slow integer IDCT, fancy upsampling, block smoothing: the library's defaults. The source is a
 * suspending one that shows the file to the library in steps of 64 KiB, as Pillow does: when the
 * library asks for more than there is, the picture is truncated and refused; whatever the library
 * only warns about is accepted. After the last row nothing is asked of the rest of the file.
 *
 * Invariant: the library's state lives in struct run, outside the frame that setjmp returns to, so
 * longjmp leaves no local in doubt, and decode() releases it on every path.
 */
#include "base/clock.h"
#include "base/limits.h"
#include "image/decode_priv.h"

#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

enum {
    STEP_BYTES = 64 << 10
};

struct run {
    struct jpeg_decompress_struct cinfo;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    const uint8_t *rest; /* what the library has not been shown */
    size_t rest_len;
    size_t skip; /* bytes to pass over before the next */
    const struct sk_decode *d;
    struct sk_sink *sink;
    struct sk_err *err;
    struct sk_band band;
    uint8_t *row; /* one row of CMYK or grey */
    unsigned components;
};

static struct run *run_of(j_common_ptr cinfo)
{
    return cinfo->client_data;
}

/* ---- what the library calls ---- */

static void fail_and_leave(j_common_ptr cinfo)
{
    struct run *run = run_of(cinfo);
    char text[JMSG_LENGTH_MAX];
    cinfo->err->format_message(cinfo, text);
    if (strncmp(text, "Insufficient memory", 19) == 0) /* jerror.h, which has the code's name, uses
                                                          banned functions */
        (void)sk_nomem(run->err);
    else
        (void)sk_fail(run->err, SK_CORRUPT, "%s", text);
    longjmp(run->escape, 1);
}

static void say_nothing(j_common_ptr cinfo)
{
    (void)cinfo;
}

static void source_noop(j_decompress_ptr cinfo)
{
    (void)cinfo;
}

static boolean source_suspend(j_decompress_ptr cinfo)
{
    (void)cinfo;
    return FALSE;
}

static void source_skip(j_decompress_ptr cinfo, long count)
{
    struct run *run = run_of((j_common_ptr)cinfo);
    size_t wanted = count > 0 ? (size_t)count : 0;
    size_t here = wanted < run->source.bytes_in_buffer ? wanted : run->source.bytes_in_buffer;
    run->source.next_input_byte += here;
    run->source.bytes_in_buffer -= here;
    run->skip = wanted - here;
}

/* A progressive file of a few kilobytes can hold thousands of scans, each of which costs a pass
 * over the picture, and no row comes before the last pass. The library calls this once per row of
 * MCUs that it reads and per row of pixels that it gives. */
static void limit_work(j_common_ptr cinfo)
{
    struct run *run = run_of(cinfo);
    uint64_t deadline_ns = run->d->opts->deadline_ns;
    if (deadline_ns != 0 && sk_deadline_check(deadline_ns, sk_now_ns(), run->err) < 0)
        longjmp(run->escape, 1);
    if (run->cinfo.input_scan_number > (int)SK_LIMIT_JPEG_SCANS) {
        (void)sk_fail(run->err, SK_LIMIT, "more than %u scans", SK_LIMIT_JPEG_SCANS);
        longjmp(run->escape, 1);
    }
}

/* ---- driving it ---- */

/* Shows the library the next step; -1 when there is none. */
static int more(struct run *run)
{
    do {
        if (run->rest_len == 0)
            return sk_fail(run->err, SK_CORRUPT, "the file is truncated");
        size_t step = run->rest_len < STEP_BYTES ? run->rest_len : STEP_BYTES;
        run->source.bytes_in_buffer += step;
        run->rest += step;
        run->rest_len -= step;
        if (run->skip > 0)
            source_skip(&run->cinfo, (long)run->skip);
    } while (run->skip > 0);
    return 0;
}

static void choose_colours(struct run *run)
{
    switch (run->components) {
    case 1:
        run->cinfo.out_color_space = JCS_GRAYSCALE;
        break;
    case 3:
        run->cinfo.out_color_space = JCS_RGB;
        break;
    default:
        run->cinfo.out_color_space = JCS_CMYK;
    }
}

static int start(struct run *run)
{
    int ok;
    while ((ok = jpeg_read_header(&run->cinfo, FALSE)) != JPEG_HEADER_OK)
        if (ok == JPEG_SUSPENDED && more(run) < 0)
            return -1;
    if (run->cinfo.image_width != run->d->info->width ||
        run->cinfo.image_height != run->d->info->height ||
        run->cinfo.num_components != (int)run->components)
        return sk_fail(run->err, SK_CORRUPT, "two frame headers disagree");
    choose_colours(run);
    if (sk_band_open(&run->band, run->sink, run->cinfo.image_width, run->cinfo.image_height,
                     SK_BAND_ROWS, run->err) < 0)
        return -1;
    while (!jpeg_start_decompress(&run->cinfo))
        if (more(run) < 0)
            return -1;
    return 0;
}

static int read_row(struct run *run, uint8_t *row)
{
    JSAMPROW rows[1] = { row };
    while (jpeg_read_scanlines(&run->cinfo, rows, 1) != 1)
        if (more(run) < 0)
            return -1;
    return 0;
}

/* Pillow takes every four-component JPEG for one by Adobe: stored inverted. */
static void invert(uint8_t *row, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        row[i] = (uint8_t)~row[i];
}

static int read_rows(struct run *run)
{
    uint32_t width = run->band.width;
    if (run->components != 3) {
        run->row = malloc((size_t)width * run->components);
        if (!run->row)
            return sk_nomem(run->err);
    }
    for (uint32_t y = 0; y < run->band.height; y++) {
        uint8_t *out = sk_band_row(&run->band);
        if (read_row(run, run->row ? run->row : out) < 0)
            return -1;
        if (run->components == 1) {
            sk_grey_to_rgb(run->row, width, out);
        } else if (run->components == 4) {
            invert(run->row, (size_t)width * 4);
            sk_cmyk_to_rgb(run->row, width, out);
        }
        if (sk_band_next(&run->band, run->err) < 0)
            return -1;
    }
    return 0;
}

/* As Pillow: what the library refuses behind the last row is refused, a missing end is not. The
 * bundled library of Pillow calls a frame header there a second one before it has seen its length,
 * ours only after. */
static int finish(struct run *run)
{
    if (jpeg_finish_decompress(&run->cinfo))
        return 0;
    switch (run->cinfo.unread_marker) {
    case 0xc0:
    case 0xc1:
    case 0xc2:
    case 0xc9:
    case 0xca:
        return sk_fail(run->err, SK_CORRUPT, "a second frame header");
    default:
        return 0;
    }
}

static int run_guarded(struct run *run)
{
    if (setjmp(run->escape))
        return -1;
    jpeg_create_decompress(&run->cinfo);
    run->cinfo.src = &run->source;
    run->cinfo.progress = &run->progress;
    if (start(run) < 0 || read_rows(run) < 0)
        return -1;
    return finish(run);
}

static int decode_by_library(const struct sk_decode *d, unsigned components, struct sk_sink *sink,
                             struct sk_err *err)
{
    struct run run = {
        .source = {
            .next_input_byte = d->bytes,
            .init_source = source_noop,
            .fill_input_buffer = source_suspend,
            .skip_input_data = source_skip,
            .resync_to_restart = jpeg_resync_to_restart,
            .term_source = source_noop,
        },
        .progress = { .progress_monitor = limit_work },
        .rest = d->bytes,
        .rest_len = d->len,
        .d = d,
        .sink = sink,
        .err = err,
        .components = components,
    };
    run.cinfo.err = jpeg_std_error(&run.errors);
    run.cinfo.client_data = &run;
    run.errors.error_exit = fail_and_leave;
    run.errors.output_message = say_nothing;
    int result = run_guarded(&run);
    jpeg_destroy_decompress(&run.cinfo);
    sk_band_done(&run.band);
    free(run.row);
    return result;
}

/* ---- the format ---- */

static bool is_jpeg(const uint8_t *bytes, size_t len)
{
    return len >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0;
}

static int probe(const uint8_t *bytes, size_t len, struct sk_image_info *out, struct sk_err *err)
{
    struct sk_jpeg_header header;
    if (sk_jpeg_header_read(bytes, len, &header, err) < 0)
        return -1;
    out->width = header.width;
    out->height = header.height;
    out->orientation = header.orientation;
    return 0;
}

static int decode(const struct sk_decode *d, struct sk_sink *sink, struct sk_err *err)
{
    struct sk_jpeg_header header;
    if (sk_jpeg_header_read(d->bytes, d->len, &header, err) < 0)
        return -1;
    if (d->fast) {
        enum sk_fast fast = sk_jpeg_fast_decode(d->fast, d->bytes, d->len, d->two_threads, sink,
                                                err);
        if (fast != SK_FAST_NO)
            return fast == SK_FAST_DONE ? 0 : -1;
    }
    return decode_by_library(d, header.components, sink, err);
}

const struct sk_format sk_format_jpeg = { "jpeg", is_jpeg, probe, decode };
