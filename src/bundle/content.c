/*
 * content.c - what lies in a bundle's folder, before it goes into a registry or an image.
 *
 * A private key is refused: what is published cannot be called back. Other files that no bundle
 * needs go along, and are named, so that a core or notes do not travel unnoticed.
 */
#include "base/buf.h"
#include "base/file.h"
#include "base/str.h"
#include "bundle/bundle.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    HEAD_BYTES = 64 << 10, /* a certificate may stand before its key */
    DEPTH = 8,
    NAMED = 5
};

/* Of skerry, transformers and timm; and what people put beside them. */
static const char *const known[] = {
    "config.json", "preprocessor_config.json", "skerry.json", "labels.txt", "training.json",
    "report.html",
};
static const char *const beginnings[] = { "README",     "LICENSE",
                                          "LICENCE",    "NOTICE",
                                          "COPYING",    "CHANGELOG",
                                          "MODEL_CARD", "checkpoint.safetensors" };
static const char *const endings[] = { ".onnx",  ".onnx_data", ".onnx.data", ".safetensors",
                                       ".pt",    ".pth",       ".bin",       ".ckpt",
                                       ".h5",    ".keras",     ".msgpack",   ".ort",
                                       ".tflite" };

/* "-----BEGIN ... PRIVATE KEY": PKCS#8, SEC 1, RSA, OpenSSH, PGP, cosign. */
static bool has_key(const char *bytes, size_t len)
{
    static const char begin[] = "-----BEGIN ", key[] = "PRIVATE KEY";
    const char *end = bytes + len;

    for (const char *p = bytes; (p = memmem(p, (size_t)(end - p), begin, sizeof begin - 1)); p++) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        if (memmem(p, (size_t)((stop ? stop : end) - p), key, sizeof key - 1))
            return true;
    }
    return false;
}

int sk_bundle_check_file(const char *path, const char *name, struct sk_err *err)
{
    SK_AUTO(sk_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    SK_OWN(free) char *head = malloc(HEAD_BYTES);
    size_t len = 0;
    ssize_t n = 0;

    if (!head)
        return sk_nomem(err);
    if (fd < 0)
        return sk_fail_errno(err, "'%s'", path);
    while (len < HEAD_BYTES && (n = read(fd, head + len, HEAD_BYTES - len)) > 0)
        len += (size_t)n;
    if (n < 0)
        return sk_fail_errno(err, "'%s'", path);
    if (has_key(head, len))
        return sk_fail(err, SK_INVALID,
                       "'%s' has a private key in it: it would be published with the model; keep "
                       "it elsewhere",
                       name);
    return 0;
}

/* ---- files that no bundle needs ---- */

struct foreign {
    const struct sk_bundle *bundle;
    size_t root_len;
    struct sk_buf *out;
    size_t count;
};

static bool is_any(const char *name, const char *const *list, size_t count,
                   bool (*fits)(const char *, const char *))
{
    for (size_t i = 0; i < count; i++)
        if (fits(name, list[i]))
            return true;
    return false;
}

static bool is_same(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static bool is_known(const struct foreign *f, const char *path, const char *entry)
{
    const struct sk_bundle *b = f->bundle;

    if (is_any(entry, known, sizeof known / sizeof *known, is_same) ||
        is_any(entry, beginnings, sizeof beginnings / sizeof *beginnings, sk_starts_with) ||
        is_any(entry, endings, sizeof endings / sizeof *endings, sk_ends_with) ||
        (b->warmup_image && strcmp(path, b->warmup_image) == 0) ||
        (b->test && strcmp(path, b->test->image) == 0))
        return true;
    for (size_t i = 0; i < b->onnx->external_count; i++)
        if (strcmp(path + f->root_len, b->onnx->external_files[i]) == 0)
            return true;
    return false;
}

static int look(struct foreign *f, const char *folder, unsigned depth, struct sk_err *err)
{
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };

    if (depth > DEPTH)
        return 0; /* refused by those who take the files */
    if (sk_dir_read(folder, &dir, err) < 0)
        return -1;
    for (size_t i = 0; i < dir.count; i++) {
        SK_OWN(free) char *path = sk_path_join(folder, dir.names[i]);
        if (!path)
            return sk_nomem(err);
        if (dir.names[i][0] == '.')
            continue;
        if (sk_is_dir(path)) {
            if (look(f, path, depth + 1, err) < 0)
                return -1;
        } else if (!is_known(f, path, dir.names[i]) && f->count++ < NAMED) {
            sk_buf_fmt(f->out, "%s%s", f->count > 1 ? ", " : "", path + f->root_len);
        }
    }
    return 0;
}

int sk_bundle_foreign(const struct sk_bundle *b, struct sk_buf *out, struct sk_err *err)
{
    struct foreign f = { .bundle = b, .root_len = strlen(b->path), .out = out };

    if (!sk_is_dir(b->path))
        return 0; /* a lone file brings only what it needs */
    f.root_len += b->path[f.root_len - 1] != '/';
    if (look(&f, b->path, 0, err) < 0)
        return -1;
    if (f.count > NAMED)
        sk_buf_fmt(out, " and %zu more", f.count - NAMED);
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}
