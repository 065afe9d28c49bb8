/*
 * resize_tool.c - drives the resizer from a script: many cases in one process. It needs nothing but
 * the resizer, so that it can be built for another CPU and run in an emulator.
 *
 * Reads requests on standard input and answers each on standard output; numbers are decimal.
 *
 *   resize SRC_W SRC_H OUT_W OUT_H FILTER X Y W H KERNELS\n  SRC_W * SRC_H * 3 bytes of RGB
 *       W 0: no window; answers  ok WIDTH HEIGHT\n  WIDTH * HEIGHT * 3 bytes of RGB, or
 *       error CODE TEXT\n
 *   kernels\n
 *       answers with their names, one line
 *
 * The tool leaves with status 2 when a request makes no sense, with 0 at the end of input.
 */
#include "base/cleanup.h"
#include "image/image_priv.h"

#include <stdio.h>

enum {
    LINE_BYTES = 256
};

static int bad_request(const char *line)
{
    (void)fprintf(stderr, "resize_tool: bad request: %s\n", line);
    return 2;
}

static int run_resize(const char *line, struct sk_image *dst)
{
    struct sk_image src = { 0 };
    struct sk_resize to = { 0 };
    char filter[16], kernels[16];
    if (sscanf(line, "resize %u %u %u %u %15s %u %u %u %u %15s", &src.width, &src.height, &to.out_w,
               &to.out_h, filter, &to.x, &to.y, &to.w, &to.h, kernels) != 10)
        return bad_request(line);
    struct sk_err err = SK_ERR_INIT;
    to.filter = sk_filter_parse(filter);
    src.cap_bytes = (size_t)src.width * src.height * 3 + SK_BAND_SLACK;
    SK_AUTO(free_cleanup) uint8_t *pixels = calloc(src.cap_bytes, 1);
    if (!pixels ||
        fread(pixels, 3, (size_t)src.width * src.height, stdin) != (size_t)src.width * src.height)
        return bad_request(line);
    src.pixels = pixels;
    if (sk_image_kernels_select(kernels, &err) < 0 || sk_image_resize(&src, &to, dst, &err) < 0) {
        (void)printf("error %s %s\n", sk_code_name(err.code), err.text);
        return 0;
    }
    (void)printf("ok %u %u\n", dst->width, dst->height);
    (void)fwrite(dst->pixels, 3, (size_t)dst->width * dst->height, stdout);
    return 0;
}

/* The kernels that this CPU runs, one line. */
static int list_kernels(void)
{
    for (const char *const *name = sk_image_kernels_available(); *name; name++)
        (void)printf("%s%s", *name, name[1] ? " " : "\n");
    return 0;
}

int main(void)
{
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    char line[LINE_BYTES];
    while (fgets(line, sizeof line, stdin)) {
        int status = strncmp(line, "resize ", 7) == 0 ? run_resize(line, &img)
                     : strcmp(line, "kernels\n") == 0 ? list_kernels()
                                                      : bad_request(line);
        if (status != 0)
            return status;
        (void)fflush(stdout);
    }
    return 0;
}
