/*
 * hf_tool.c - sk_hf_get() as a command, for tests/it/test_hf.py.
 *
 *     hf_tool SPEC FILE...   prints "path PATH" and "commit COMMIT", or "CODE TEXT" and exits 1
 *
 * HF_TOOL_STOP_AT=N stops once N bytes are there; HF_TOOL_PROGRESS prints what the progress is
 * told.
 */
#include "hf/hf.h"

#include "base/cleanup.h"
#include "base/str.h"

static bool progress(void *ctx, const char *file, uint64_t done, uint64_t total)
{
    const uint64_t *stop_at = ctx;

    if (getenv("HF_TOOL_PROGRESS"))
        printf("progress %s %llu %llu\n", file, (unsigned long long)done,
               (unsigned long long)total);
    return *stop_at == 0 || done < *stop_at;
}

int main(int argc, char **argv)
{
    SK_OWN(free) char *path = NULL;
    SK_OWN(free) char *commit = NULL;
    struct sk_err err = SK_ERR_INIT;
    uint64_t stop_at = 0;
    const char *text = getenv("HF_TOOL_STOP_AT");
    struct sk_hf_options opts = { .progress = progress, .ctx = &stop_at };

    if (argc < 3) {
        (void)fprintf(stderr, "hf_tool SPEC FILE...\n");
        return 2;
    }
    if ((text && sk_parse_u64("HF_TOOL_STOP_AT", text, 1, UINT64_MAX, &stop_at, &err) < 0) ||
        sk_hf_get(argv[1], (const char *const *)(argv + 2), &opts, &path, &commit, &err) < 0) {
        printf("%s %s\n", sk_code_name(err.code), err.text);
        return 1;
    }
    printf("path %s\ncommit %s\n", path, commit);
    return 0;
}
