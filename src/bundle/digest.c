/*
 * digest.c - what a model is (a SHA-256 over its bytes), and a quick look whether it changed.
 *
 * A model in one file has the digest of that file, as sha256sum prints it. With external data the
 * digest is over a list of all files: "<hex>  <name>\n", the model first under the name "model",
 * then the data in the order of their names.
 *
 * Digests of files are remembered in the cache folder under what changes with every write (device,
 * inode, size, times). A file that was written in the last seconds is not remembered: the clock of
 * the file system may be too coarse to show another write.
 */
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "bundle/bundle_priv.h"
#include "crypto/crypto.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    FRESH_SECONDS = 2,
    SIGNATURE_DEPTH = 4,
    SIGNATURE_FILES = 10000
};

/* ---- digests ---- */

/* Where the digest of this state of a file is remembered; NULL: nowhere. */
static char *memo_path(const struct stat *st)
{
    SK_AUTO(free_cleanup) char *cache = NULL;
    SK_AUTO(free_cleanup) char *folder = NULL;
    struct sk_err ignored = SK_ERR_INIT;
    char key[256], hex[SK_SHA256_HEX];
    int len = snprintf(key, sizeof(key), "%jd %ju %jd %jd.%09ld %jd.%09ld", (intmax_t)st->st_dev,
                       (uintmax_t)st->st_ino, (intmax_t)st->st_size, (intmax_t)st->st_mtim.tv_sec,
                       st->st_mtim.tv_nsec, (intmax_t)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);

    if (sk_sha256_hex(key, (size_t)len, hex, &ignored) < 0 || sk_cache_dir(&cache, &ignored) < 0)
        return NULL;
    folder = sk_path_join(cache, "digests");
    if (!folder || sk_mkdirs(folder, 0700, &ignored) < 0)
        return NULL;
    hex[32] = '\0';
    return sk_path_join(folder, hex);
}

static bool is_hex(const char *text)
{
    return strlen(text) == SK_SHA256_HEX - 1 &&
           strspn(text, "0123456789abcdef") == SK_SHA256_HEX - 1;
}

static bool recall(const char *memo, char *hex)
{
    SK_AUTO(free_cleanup) char *text = NULL;
    struct sk_err ignored = SK_ERR_INIT;
    size_t len;

    if (sk_file_read(memo, 1024, &text, &len, &ignored) < 0 || !is_hex(text))
        return false;
    memcpy(hex, text, SK_SHA256_HEX);
    return true;
}

static void remember(const char *memo, const struct stat *st, const char *hex)
{
    struct sk_err why = SK_ERR_INIT;
    int64_t now = (int64_t)(sk_wall_ms() / 1000);

    if (now - (int64_t)st->st_ctim.tv_sec <= FRESH_SECONDS)
        return;
    if (sk_file_write(memo, hex, SK_SHA256_HEX - 1, 0600, &why) < 0)
        sk_log(SK_DEBUG, "digest_not_remembered",
               "error=\"%s\" next=\"reading the model again next time\"", why.text);
}

static int file_digest(const char *path, char *hex, struct sk_err *err)
{
    SK_AUTO(free_cleanup) char *memo = NULL;
    struct stat before, after;

    if (stat(path, &before) != 0)
        return sk_fail_errno(err, "'%s'", path);
    memo = memo_path(&before);
    if (memo && recall(memo, hex))
        return 0;
    if (sk_sha256_file(path, hex, err) < 0)
        return -1;
    if (stat(path, &after) != 0)
        return sk_fail_errno(err, "'%s'", path);
    if (before.st_size != after.st_size ||
        memcmp(&before.st_ctim, &after.st_ctim, sizeof(after.st_ctim)) != 0)
        return sk_fail(err, SK_CORRUPT, "'%s' changed while it was read", path);
    if (memo)
        remember(memo, &after, hex);
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_external(const char *model_path, const struct sk_onnx_info *onnx,
                         struct sk_buf *list, struct sk_err *err)
{
    SK_AUTO(free_cleanup) const char **names = calloc(onnx->external_count, sizeof(*names));
    const char *slash = strrchr(model_path, '/');
    int folder_len = slash ? (int)(slash - model_path) + 1 : 0;
    char hex[SK_SHA256_HEX];

    if (!names)
        return sk_nomem(err);
    for (size_t i = 0; i < onnx->external_count; i++)
        names[i] = onnx->external_files[i];
    qsort(names, onnx->external_count, sizeof(*names), compare_names);
    for (size_t i = 0; i < onnx->external_count; i++) {
        SK_AUTO(free_cleanup) char *path = NULL;

        if (asprintf(&path, "%.*s%s", folder_len, model_path, names[i]) < 0) {
            path = NULL;
            return sk_nomem(err);
        }
        if (file_digest(path, hex, err) < 0)
            return sk_wrap(err, "external data");
        sk_buf_fmt(list, "%s  %s\n", hex, names[i]);
    }
    return 0;
}

int sk_bundle_digest_files(const char *model_path, const struct sk_onnx_info *onnx, char *out,
                           struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf list = SK_BUF_INIT(16 << 20);
    char hex[SK_SHA256_HEX];

    if (file_digest(model_path, hex, err) < 0)
        return -1;
    if (onnx->external_count == 0) {
        memcpy(out, hex, sizeof(hex));
        return 0;
    }
    sk_buf_fmt(&list, "%s  model\n", hex);
    if (list_external(model_path, onnx, &list, err) < 0)
        return -1;
    if (!sk_buf_ok(&list))
        return sk_buf_fail(&list, err);
    return sk_sha256_hex(list.data, list.len, out, err);
}

int sk_bundle_digest(const struct sk_bundle *b, char *out, struct sk_err *err)
{
    return sk_bundle_digest_files(b->model_path, b->onnx, out, err);
}

/* ---- the signature ---- */

struct signature {
    uint64_t hash; /* FNV-1a */
    unsigned files;
};

static void mix(struct signature *s, const void *bytes, size_t len)
{
    const unsigned char *b = bytes;

    for (size_t i = 0; i < len; i++)
        s->hash = (s->hash ^ b[i]) * 1099511628211u;
}

static void mix_number(struct signature *s, uint64_t n)
{
    mix(s, &n, sizeof(n));
}

static void mix_stat(struct signature *s, const char *name, const struct stat *st)
{
    mix(s, name, strlen(name) + 1);
    mix_number(s, (uint64_t)st->st_size);
    mix_number(s, (uint64_t)st->st_ino);
    mix_number(s, (uint64_t)st->st_mtim.tv_sec);
    mix_number(s, (uint64_t)st->st_mtim.tv_nsec);
}

/* prefix: only names that begin with it. Hidden names are files in the making (rsync, editors) or
 * not ours. */
static void mix_folder(struct signature *s, const char *folder, const char *prefix, unsigned depth)
{
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
    struct sk_err ignored = SK_ERR_INIT;

    if (depth > SIGNATURE_DEPTH || sk_dir_read(folder, &dir, &ignored) < 0)
        return;
    for (size_t i = 0; i < dir.count && s->files < SIGNATURE_FILES; i++) {
        SK_AUTO(free_cleanup) char *path = NULL;
        struct stat st;

        if (dir.names[i][0] == '.' || !sk_starts_with(dir.names[i], prefix))
            continue;
        path = sk_path_join(folder, dir.names[i]);
        if (!path || stat(path, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode)) {
            mix(s, dir.names[i], strlen(dir.names[i]) + 1);
            mix_folder(s, path, "", depth + 1);
        } else {
            s->files++;
            mix_stat(s, dir.names[i], &st);
        }
    }
}

uint64_t sk_bundle_signature(const char *path)
{
    struct signature s = { .hash = 14695981039346656037u };
    const char *slash = strrchr(path, '/');
    SK_AUTO(free_cleanup) char *folder = NULL;
    struct stat st;

    if (stat(path, &st) != 0)
        return 0;
    if (S_ISDIR(st.st_mode)) {
        mix_folder(&s, path, "", 0);
        return s.hash;
    }
    folder = !slash          ? strdup(".")
             : slash == path ? strdup("/")
                             : strndup(path, (size_t)(slash - path));
    if (folder)
        mix_folder(&s, folder, slash ? slash + 1 : path, 0); /* model.onnx, model.onnx.data,
                                                                model.onnx_data */
    return s.hash;
}
