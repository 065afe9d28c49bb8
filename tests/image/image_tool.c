/*
 * image_tool.c - drives the image module from a script: many cases in one process.
 *
 * Reads requests on standard input and answers each on standard output; numbers are decimal.
 *
 *   decode LENGTH GREY16 EXIF MAX_PIXELS FAST\n  LENGTH bytes
 *       GREY16: clip, high_byte, min_max; EXIF: 0, 1; MAX_PIXELS 0: default; FAST 1: by way of
 *       jpeg_fast.c, as the server decodes
 *   probe LENGTH\n  LENGTH bytes
 *   fused LENGTH EXIF OUT_W OUT_H FILTER X Y W H THREADS\n  LENGTH bytes
 *       decodes and resizes in one go; W 0: no window; THREADS: 1, 2
 *
 *   ok WIDTH HEIGHT FORMAT ORIENTATION GREY16_CLIPPED\n  WIDTH * HEIGHT * 3 bytes of RGB
 *       none for probe
 *   error CODE TEXT\n
 *
 * The tool leaves with status 2 when a request makes no sense, with 0 at the end of input.
 */
#include "base/cleanup.h"
#include "image/image_priv.h"

#include <stdio.h>

enum {
    LINE_BYTES = 256
};

static const char *const grey16_names[SK_GREY16_COUNT] = { "clip", "high_byte", "min_max" };

static int bad_request(const char *line)
{
    (void)fprintf(stderr, "image_tool: bad request: %s\n", line);
    return 2;
}

static void answer_error(const struct sk_err *err)
{
    (void)printf("error %s %s\n", sk_code_name(err->code), err->text);
}

static void answer_info(const struct sk_image_info *info, uint32_t width, uint32_t height,
                        bool is_clipped)
{
    (void)printf("ok %u %u %s %d %d\n", width, height, info->format, info->orientation, is_clipped);
}

/* The bytes in memory of exactly their size, so that a sanitizer sees each read beyond. */
static uint8_t *read_bytes(size_t len)
{
    uint8_t *bytes = malloc(len > 0 ? len : 1);
    if (bytes && fread(bytes, 1, len, stdin) == len)
        return bytes;
    free(bytes);
    return NULL;
}

/* As sk_image_decode, with the decoder for ordinary JPEGs that sk_image_decode_resized has. */
static int decode_fast(const uint8_t *bytes, size_t len, const struct sk_decode_options *opts,
                       struct sk_image *img, struct sk_decode_report *report, struct sk_err *err)
{
    static struct sk_jpeg_fast *fast = NULL; /* kept: its scratch is reused from picture to picture
                                              */
    const struct sk_format *format = NULL;
    struct sk_decode_report r = { 0 };
    SK_AUTO(sk_image_done) struct sk_image tmp = { 0 };
    if (!fast && !(fast = sk_jpeg_fast_new()))
        return sk_nomem(err);
    if (sk_format_find(bytes, len, opts, &format, &r.info, err) < 0)
        return -1;
    const struct sk_decode d = {
        .bytes = bytes, .len = len, .opts = opts, .info = &r.info, .report = &r, .fast = fast
    };
    if (sk_format_collect(format, &d, img, &tmp, err) < 0)
        return -1;
    *report = r;
    return 0;
}

static int run_decode(const char *line, struct sk_image *img)
{
    size_t len = 0;
    unsigned long long max_pixels = 0;
    int exif = 0, fast = 0;
    char grey16[16];
    if (sscanf(line, "decode %zu %15s %d %llu %d", &len, grey16, &exif, &max_pixels, &fast) != 5)
        return bad_request(line);
    struct sk_decode_options opts = { .max_pixels = max_pixels, .exif_orientation = exif != 0 };
    while (opts.grey16 < SK_GREY16_COUNT && strcmp(grey16_names[opts.grey16], grey16) != 0)
        opts.grey16++;
    SK_AUTO(free_cleanup) uint8_t *bytes = read_bytes(len);
    if (opts.grey16 == SK_GREY16_COUNT || !bytes)
        return bad_request(line);
    struct sk_err err = SK_ERR_INIT;
    struct sk_decode_report report;
    int rc = fast != 0 ? decode_fast(bytes, len, &opts, img, &report, &err)
                       : sk_image_decode(bytes, len, &opts, img, &report, &err);
    if (rc < 0) {
        answer_error(&err);
        return 0;
    }
    answer_info(&report.info, img->width, img->height, report.grey16_clipped);
    (void)fwrite(img->pixels, 3, (size_t)img->width * img->height, stdout);
    return 0;
}

static int run_probe(const char *line)
{
    size_t len = 0;
    if (sscanf(line, "probe %zu", &len) != 1)
        return bad_request(line);
    SK_AUTO(free_cleanup) uint8_t *bytes = read_bytes(len);
    if (!bytes)
        return bad_request(line);
    struct sk_err err = SK_ERR_INIT;
    struct sk_image_info info;
    if (sk_image_probe(bytes, len, &info, &err) < 0)
        answer_error(&err);
    else
        answer_info(&info, info.width, info.height, false);
    return 0;
}

static int answer_plan(void *ctx, uint32_t src_w, uint32_t src_h, struct sk_resize *out,
                       struct sk_err *err)
{
    (void)src_w, (void)src_h, (void)err;
    *out = *(const struct sk_resize *)ctx;
    return 0;
}

static int run_fused(const char *line, struct sk_image_work *work, struct sk_image *dst)
{
    size_t len = 0;
    int exif = 0, threads = 1;
    char filter[16];
    struct sk_resize to = { 0 };
    if (sscanf(line, "fused %zu %d %u %u %15s %u %u %u %u %d", &len, &exif, &to.out_w, &to.out_h,
               filter, &to.x, &to.y, &to.w, &to.h, &threads) != 10)
        return bad_request(line);
    to.filter = sk_filter_parse(filter);
    SK_AUTO(free_cleanup) uint8_t *bytes = read_bytes(len);
    if (!bytes || !work)
        return bad_request(line);
    struct sk_err err = SK_ERR_INIT;
    struct sk_decode_report report;
    const struct sk_decode_options opts = { .exif_orientation = exif != 0 };
    if (sk_image_decode_resized(bytes, len, &opts, answer_plan, &to, threads == 2, work, dst,
                                &report, &err) < 0) {
        answer_error(&err);
        return 0;
    }
    answer_info(&report.info, dst->width, dst->height, report.grey16_clipped);
    (void)fwrite(dst->pixels, 3, (size_t)dst->width * dst->height, stdout);
    return 0;
}

int main(void)
{
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    SK_OWN(sk_image_work_free) struct sk_image_work *work = sk_image_work_new();
    char line[LINE_BYTES];
    while (fgets(line, sizeof line, stdin)) {
        int status = strncmp(line, "decode ", 7) == 0  ? run_decode(line, &img)
                     : strncmp(line, "probe ", 6) == 0 ? run_probe(line)
                     : strncmp(line, "fused ", 6) == 0 ? run_fused(line, work, &img)
                                                       : bad_request(line);
        if (status != 0)
            return status;
        (void)fflush(stdout);
    }
    return 0;
}
