/*
 * bench_jpeg.c - the baseline JPEG decoder beside libjpeg-turbo, whole and in parts: median and
 * best of many runs.
 *
 *     bench_jpeg [FILE.jpg ...]        without files: a made 1920x1080 picture in 4:2:0 at quality
 * 75 and 90
 *
 * Rows of pixels are thrown away as they come, on both sides. "codes" is the Huffman decoder alone.
 * Run it on one core (taskset -c 1) for all but the line of two threads.
 */
#include "../tests/image/jpeg_util.h"

#include "base/clock.h"
#include "base/file.h"

enum {
    RUNS = 101
};

static int ignore_begin(struct sk_sink *sink, uint32_t width, uint32_t height, struct sk_err *err)
{
    (void)sink, (void)width, (void)height, (void)err;
    return 0;
}

static int ignore_rows(struct sk_sink *sink, const uint8_t *rgb, size_t stride, uint32_t y,
                       uint32_t count, struct sk_err *err)
{
    (void)sink, (void)rgb, (void)stride, (void)y, (void)count, (void)err;
    return 0;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void report(const char *what, const char *kernels, uint64_t *ns)
{
    qsort(ns, RUNS, sizeof *ns, compare);
    (void)printf("  %-14s %-8s median %7.3f ms   best %7.3f ms\n", what, kernels,
                 (double)ns[RUNS / 2] / 1e6, (double)ns[0] / 1e6);
}

static void run_libjpeg(struct jpeg j)
{
    uint64_t ns[RUNS];
    for (int i = 0; i < RUNS; i++) {
        struct jpeg_decompress_struct d;
        struct jpeg_error_mgr e;
        uint64_t start = sk_now_ns();
        d.err = jpeg_std_error(&e);
        jpeg_create_decompress(&d);
        jpeg_mem_src(&d, j.bytes, j.len);
        (void)jpeg_read_header(&d, TRUE);
        d.out_color_space = JCS_RGB;
        (void)jpeg_start_decompress(&d);
        JSAMPARRAY row = d.mem->alloc_sarray((j_common_ptr)&d, JPOOL_IMAGE, d.output_width * 3, 1);
        while (d.output_scanline < d.output_height)
            (void)jpeg_read_scanlines(&d, row, 1);
        (void)jpeg_finish_decompress(&d);
        jpeg_destroy_decompress(&d);
        ns[i] = sk_now_ns() - start;
    }
    report("libjpeg-turbo", "", ns);
}

static void run_whole(struct jpeg j, const struct sk_jf_kernels *kernels, bool two_threads)
{
    uint64_t ns[RUNS];
    struct sk_jpeg_fast *f = sk_jpeg_fast_new();
    struct sk_sink sink = { ignore_begin, ignore_rows };
    struct sk_err err = SK_ERR_INIT;
    if (!f)
        return;
    sk_jpeg_fast_use(f, kernels);
    for (int i = 0; i < RUNS; i++) {
        uint64_t start = sk_now_ns();
        if (sk_jpeg_fast_decode(f, j.bytes, j.len, two_threads, &sink, &err) != SK_FAST_DONE) {
            (void)puts("  not for the baseline decoder");
            break;
        }
        ns[i] = sk_now_ns() - start;
        if (i + 1 == RUNS)
            report(two_threads ? "two threads" : "one thread", kernels->name, ns);
    }
    sk_jpeg_fast_free(f);
}

static bool read_codes(struct sk_jf_scan *scan, const struct sk_jf_head *head,
                       const struct sk_jf_kernels *kernels, struct sk_jf_block *blocks)
{
    uint32_t mcus_x = (head->width + 8 * head->h - 1) / (8 * head->h);
    uint32_t mcus_y = (head->height + 8 * head->v - 1) / (8 * head->v);
    sk_jf_scan_prepare(scan, head, blocks, SK_JF_SPAN_MCUS);
    for (uint32_t y = 0; y < mcus_y; y++)
        for (uint32_t x = 0; x < mcus_x; x += SK_JF_SPAN_MCUS)
            if (!sk_jf_scan_span(scan, kernels, sk_jf_span_mcus(mcus_x, x), blocks))
                return false;
    return sk_jf_scan_end(scan);
}

static void run_codes(struct jpeg j, const struct sk_jf_kernels *kernels)
{
    static struct sk_jf_head head;
    static struct sk_jf_scan scan;
    static struct sk_jf_block blocks[SK_JF_SPAN_BLOCKS];
    uint64_t ns[RUNS];
    for (int i = 0; i < RUNS; i++) {
        uint64_t start = sk_now_ns();
        if (!sk_jf_head_read(j.bytes, j.len, &head) ||
            !sk_jf_scan_start(&scan, &head, j.bytes, j.len) ||
            !read_codes(&scan, &head, kernels, blocks))
            return;
        ns[i] = sk_now_ns() - start;
    }
    report("codes", kernels->name, ns);
}

static void run(const char *name, struct jpeg j)
{
    const struct sk_jf_kernels *kernels[3];
    size_t count = jpeg_kernels(kernels);
    (void)printf("%s: %zu bytes\n", name, j.len);
    run_libjpeg(j);
    for (size_t k = 0; k < count; k++) {
        run_codes(j, kernels[k]);
        run_whole(j, kernels[k], false);
    }
    run_whole(j, kernels[count - 1], true);
}

int main(int argc, char **argv)
{
    struct sk_err err = SK_ERR_INIT;
    for (int i = 1; i < argc; i++) {
        char *bytes = NULL;
        size_t len = 0;
        if (sk_file_read(argv[i], 64u << 20, &bytes, &len, &err) < 0) {
            (void)fprintf(stderr, "bench_jpeg: %s\n", err.text);
            return 1;
        }
        run(argv[i], (struct jpeg){ (uint8_t *)bytes, len });
        free(bytes);
    }
    for (int quality = 75; argc < 2 && quality <= 90; quality += 15) {
        struct ref_encode o = { 1920, 1080, 3, 2, 2, quality, false, false, 0, 0 };
        uint32_t state = 1;
        char name[32];
        struct jpeg j = jpeg_make(&o, JPEG_CALM, &state);
        (void)snprintf(name, sizeof name, "made, quality %d", quality);
        run(name, j);
        free(j.bytes);
    }
    return 0;
}
