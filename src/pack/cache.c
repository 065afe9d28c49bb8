/*
 * cache.c - base layers that were made before, and room for things in the making.
 *
 *     $CACHE/packages/base-KEY/layer.tar.gz   layer.json {digest, diff_id, bytes, unpacked}
 *                     new-XXXXXX/
 *
 * A folder under its final name is complete: it is filled as new-..., synced and renamed. The bytes
 * are compared with their digest whenever they are used (blob.c), so a damaged cache cannot become
 * an image. The newest bases stay; what was left by a kill goes after a day.
 */
#include "pack/pack_priv.h"

#include "base/clock.h"
#include "base/str.h"
#include "json/json.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum {
    STALE_SECONDS = 24 * 3600
};

#define LAYER_FILE "layer.tar.gz"
#define INFO_FILE  "layer.json"

static int open_folder(char **out, struct sk_err *err)
{
    SK_OWN(free) char *cache = NULL;

    if (sk_cache_dir(&cache, err) < 0)
        return -1;
    *out = sk_path_join(cache, "packages");
    if (!*out)
        return sk_nomem(err);
    return sk_mkdirs(*out, 0700, err);
}

static int64_t age_of(const char *path)
{
    struct stat st;
    return stat(path, &st) < 0 ? 0 : (int64_t)(sk_wall_ms() / 1000) - (int64_t)st.st_mtim.tv_sec;
}

/* What a kill left; trouble with it is no reason to fail. */
static void sweep_scratch(const char *folder)
{
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
    struct sk_err ignored = SK_ERR_INIT;

    if (sk_dir_read(folder, &dir, &ignored) < 0)
        return;
    for (size_t i = 0; i < dir.count; i++) {
        SK_OWN(free) char *path = sk_path_join(folder, dir.names[i]);
        if (path && sk_starts_with(dir.names[i], "new-") && age_of(path) > STALE_SECONDS)
            (void)!sk_remove_tree(path, &ignored);
    }
}

int sk_pack_cache_scratch(char **out, struct sk_err *err)
{
    SK_OWN(free) char *folder = NULL;
    SK_OWN(free) char *path = NULL;

    if (open_folder(&folder, err) < 0)
        return -1;
    sweep_scratch(folder);
    path = sk_path_join(folder, "new-XXXXXX");
    if (!path)
        return sk_nomem(err);
    if (!mkdtemp(path))
        return sk_fail_errno(err, "'%s'", path);
    *out = SK_TAKE(path);
    return 0;
}

void sk_pack_cache_scratch_done(char **path)
{
    struct sk_err ignored = SK_ERR_INIT;

    if (*path)
        (void)!sk_remove_tree(*path, &ignored);
    free(SK_TAKE(*path));
}

/* ---- one base ---- */

static bool is_digest(const char *text)
{
    return sk_digest_is(text, SK_SHA256);
}

/* What is there, when it is whole. */
static int load(const char *folder, struct sk_pack_layer *out, struct sk_err *err)
{
    SK_OWN(free) char *info = sk_path_join(folder, INFO_FILE);
    SK_OWN(free) char *path = sk_path_join(folder, LAYER_FILE);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_pack_layer layer = { .media_type = SK_OCI_LAYER_GZIP };
    struct stat st;

    if (!info || !path)
        return sk_nomem(err);
    if (sk_json_file(info, &doc, err) < 0)
        return -1;
    const char *digest = sk_json_get_text(doc, "digest", "");
    const char *diff_id = sk_json_get_text(doc, "diff_id", "");
    layer.bytes = (uint64_t)sk_json_int(sk_json_get(doc, "bytes"), 0);
    layer.unpacked = (uint64_t)sk_json_int(sk_json_get(doc, "unpacked"), 0);
    if (!is_digest(digest) || !is_digest(diff_id) || stat(path, &st) < 0 ||
        (uint64_t)st.st_size != layer.bytes)
        return sk_fail(err, SK_CORRUPT, "'%s' is not whole", folder);
    (void)snprintf(layer.digest, sizeof layer.digest, "%s", digest);
    (void)snprintf(layer.diff_id, sizeof layer.diff_id, "%s", diff_id);
    *out = layer;
    return 0;
}

static int make(const struct sk_pack_base *b, const char *folder, struct sk_pack_layer *out,
                struct sk_err *err)
{
    SK_AUTO(sk_pack_cache_scratch_done) char *scratch = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(4096);
    struct sk_err why = SK_ERR_INIT;

    if (sk_pack_cache_scratch(&scratch, err) < 0)
        return -1;
    SK_OWN(free) char *path = sk_path_join(scratch, LAYER_FILE);
    SK_OWN(free) char *info = sk_path_join(scratch, INFO_FILE);
    if (!path || !info)
        return sk_nomem(err);
    if (sk_pack_base_write(b, path, out, err) < 0)
        return -1;
    sk_buf_fmt(&text, "{\"digest\":\"%s\",\"diff_id\":\"%s\",\"bytes\":%llu,\"unpacked\":%llu}\n",
               out->digest, out->diff_id, (unsigned long long)out->bytes,
               (unsigned long long)out->unpacked);
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    if (sk_file_write(info, text.data, text.len, 0644, err) < 0)
        return -1;
    if (rename(scratch, folder) == 0) {
        free(SK_TAKE(scratch));
        return 0;
    }
    int number = errno;
    if (load(folder, out, &why) == 0) /* another process was faster */
        return 0;
    errno = number;
    return sk_fail_errno(err, "'%s'", folder);
}

/* Only the newest SK_BASES_KEPT stay. */
static void sweep_bases(const char *folder)
{
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
    struct sk_err ignored = SK_ERR_INIT;

    if (sk_dir_read(folder, &dir, &ignored) < 0)
        return;
    for (size_t i = 0; i < dir.count; i++) {
        SK_OWN(free) char *path = sk_path_join(folder, dir.names[i]);
        size_t newer = 0;
        if (!path || !sk_starts_with(dir.names[i], "base-"))
            continue;
        for (size_t k = 0; k < dir.count; k++) {
            SK_OWN(free) char *other = sk_path_join(folder, dir.names[k]);
            newer += other && k != i && sk_starts_with(dir.names[k], "base-") &&
                     age_of(other) < age_of(path);
        }
        if (newer >= SK_BASES_KEPT)
            (void)!sk_remove_tree(path, &ignored);
    }
}

int sk_pack_cache_base(const struct sk_pack_base *b, struct sk_pack_layer *out, char **path,
                       bool *was_cached, struct sk_err *err)
{
    SK_OWN(free) char *parent = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf folder = SK_BUF_INIT(8192);
    struct sk_err why = SK_ERR_INIT;
    struct sk_pack_layer layer;

    if (open_folder(&parent, err) < 0)
        return -1;
    sk_buf_fmt(&folder, "%s/base-%s", parent, b->key);
    if (!sk_buf_ok(&folder))
        return sk_buf_fail(&folder, err);
    bool is_there = load(folder.data, &layer, &why) == 0;
    if (!is_there &&
        (sk_remove_tree(folder.data, err) < 0 || make(b, folder.data, &layer, err) < 0))
        return sk_wrap(err, "base layer");
    if (!is_there)
        sweep_bases(parent);
    char *file = sk_path_join(folder.data, LAYER_FILE);
    if (!file)
        return sk_nomem(err);
    *path = file;
    *out = layer;
    *was_cached = is_there;
    return 0;
}
