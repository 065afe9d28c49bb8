/*
 * prep_tool.c - preprocessing alone, for tests/it/test_prep.py.
 *
 *     prep_tool CONFIG|- DTYPE nchw|nhwc HEIGHT WIDTH FILE...
 *
 * CONFIG is a preprocessor_config.json, "-" for none; HEIGHT and WIDTH are the model's, 0 for any.
 * For each picture the standard output gets height and width as two native uint32, then the raw
 * tensor. A picture that fails gives 0 and 0 there and one line on stderr; a configuration that
 * fails gives exit status 1.
 */
#include "base/file.h"
#include "base/str.h"
#include "prep/prep.h"
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_FILE_BYTES = 64 << 20,
    MAX_TENSOR_BYTES = 512 << 20
};

static int read_arguments(char **argv, struct sk_prep_input *input, struct sk_json **config,
                          struct sk_err *err)
{
    uint64_t height, width;

    input->dtype = sk_dtype_parse(argv[2], strlen(argv[2]));
    input->channels_last = strcmp(argv[3], "nhwc") == 0;
    if (sk_parse_u64("height", argv[4], 0, 65500, &height, err) < 0 ||
        sk_parse_u64("width", argv[5], 0, 65500, &width, err) < 0)
        return -1;
    input->height = (uint32_t)height;
    input->width = (uint32_t)width;
    return strcmp(argv[1], "-") == 0 ? 0 : sk_json_file(argv[1], config, err);
}

static int run_file(const struct sk_prep *p, const char *path, struct sk_prep_work *work,
                    void *tensor, uint32_t size[2], struct sk_err *err)
{
    SK_OWN(free) char *bytes = NULL;
    struct sk_prep_report report;
    size_t len;

    if (sk_file_read(path, MAX_FILE_BYTES, &bytes, &len, err) < 0 ||
        sk_prep_run(p, bytes, len, 0, false, work, tensor, MAX_TENSOR_BYTES, &report, err) < 0)
        return -1;
    size[0] = report.height;
    size[1] = report.width;
    return 0;
}

static int fail(const char *what, const struct sk_err *err)
{
    (void)fprintf(stderr, "%s: %s: %s\n", what, sk_code_name(err->code), err->text);
    return 1;
}

int main(int argc, char **argv)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_prep_input input;
    SK_OWN(sk_json_free) struct sk_json *config = NULL;
    SK_OWN(sk_prep_free) struct sk_prep *p = NULL;
    SK_OWN(sk_prep_work_free) struct sk_prep_work *work = sk_prep_work_new();
    SK_OWN(free) void *tensor = malloc(MAX_TENSOR_BYTES);

    if (argc < 7 || !work || !tensor)
        return 2;
    if (read_arguments(argv, &input, &config, &err) < 0 ||
        sk_prep_new(config, &input, NULL, &p, &err) < 0)
        return fail(argv[1], &err);
    for (int i = 6; i < argc; i++) {
        uint32_t size[2] = { 0, 0 };
        size_t bytes;

        if (run_file(p, argv[i], work, tensor, size, &err) < 0)
            (void)fail(argv[i], &err);
        bytes = (size_t)size[0] * size[1] * 3 * sk_dtype_size(input.dtype);
        if (fwrite(size, sizeof(size), 1, stdout) != 1 || fwrite(tensor, 1, bytes, stdout) != bytes)
            return 1;
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
