/*
 * fuzz_hf.c - what the hub and the command line may say: nothing of it leads out of the cache.
 *
 * The first line is a repository, the rest are the headers of an answer. Whatever is accepted must
 * be a name that stays within its folder.
 */
#include "hf/hf_priv.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void stays_inside(const char *path)
{
    if (path[0] == '\0' || path[0] == '/' || strcmp(path, "..") == 0 || strstr(path, "/../") ||
        strncmp(path, "../", 3) == 0 || strstr(path, "//") ||
        (strlen(path) > 2 && strcmp(path + strlen(path) - 3, "/..") == 0))
        abort();
}

static void try_spec(const char *text)
{
    SK_AUTO(sk_hf_spec_done) struct sk_hf_spec spec = { 0 };
    struct sk_err err = SK_ERR_INIT;

    if (sk_hf_spec_parse(text, &spec, &err) < 0) {
        if (err.text[0] == '\0')
            abort();
        return;
    }
    SK_OWN(free) char *folder = sk_hf_repo_dir("/c", spec.repo);
    if (!folder || strchr(folder + 3, '/') || strstr(spec.repo, "--"))
        abort();
    stays_inside(spec.revision);
}

static void try_answer(char *headers, int status)
{
    const struct sk_fetch_answer a = { .status = status, .headers = headers };
    struct sk_hf_meta meta;

    if (!sk_hf_read_meta(&a, &meta))
        return;
    stays_inside(meta.etag);
    if (!sk_hf_is_commit(meta.commit) || strchr(meta.etag, '/') || meta.etag[0] == '.')
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SK_OWN(free) char *text = malloc(size + 1);

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    char *rest = text + strcspn(text, "\n");
    if (*rest)
        *rest++ = '\0';
    try_spec(text);
    try_answer(rest, 200);
    try_answer(rest, 302);
    return 0;
}
