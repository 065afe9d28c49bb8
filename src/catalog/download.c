/*
 * download.c - a version becomes a folder.
 *
 * Files are fetched into DIR.<digest>.part, each checked against its digest; the folder is renamed
 * when all are there. What a cut left there is used again.
 */
#include "base/file.h"
#include "catalog/catalog.h"
#include "crypto/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int call(struct sk_remote *r, struct sk_buf *path, struct sk_json **out, struct sk_err *err)
{
    if (!sk_buf_ok(path))
        return sk_buf_fail(path, err);
    return sk_remote_call(r, "GET", path->data, NULL, out, err);
}

int sk_catalog_resolve(struct sk_remote *r, const char *reference, struct sk_json **out,
                       struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(8192);

    sk_buf_str(&path, "/api/v1/resolve?ref=");
    sk_url_escape(&path, reference);
    return call(r, &path, out, err);
}

static int list_files(struct sk_remote *r, const struct sk_json *version, struct sk_json **out,
                      struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(8192);
    const char *name = sk_json_get_text(version, "name", NULL);
    const char *number = sk_json_get_text(version, "version", NULL);

    if (!name || !number)
        return sk_fail(err, SK_REMOTE, "the hub's answer has no name and version");
    sk_buf_str(&path, "/api/v1/models/");
    sk_url_escape(&path, name);
    sk_buf_str(&path, "/versions/");
    sk_url_escape(&path, number);
    sk_buf_str(&path, "/files");
    return call(r, &path, out, err);
}

/* The hub is trusted to name models, not to write outside the folder. */
static bool is_safe(const char *path)
{
    const char *p = path;

    if (!*p)
        return false;
    for (;;) {
        size_t len = strcspn(p, "/");

        if (len == 0 || (len == 1 && p[0] == '.') || (len == 2 && p[0] == '.' && p[1] == '.'))
            return false;
        if (!p[len])
            return true;
        p += len + 1;
    }
}

static int make_parent(const char *path, struct sk_err *err)
{
    SK_OWN(free) char *folder = strdup(path);
    char *slash = folder ? strrchr(folder, '/') : NULL;

    if (!folder)
        return sk_nomem(err);
    if (!slash || slash == folder)
        return 0;
    *slash = '\0';
    return sk_mkdirs(folder, 0755, err);
}

/* Whether an earlier try already fetched it. */
static bool is_there(const char *path, const char *digest)
{
    struct sk_err ignored = SK_ERR_INIT;
    char hex[SK_SHA256_HEX];

    return sk_is_file(path) && sk_sha256_file(path, hex, &ignored) == 0 &&
           strcmp(hex, digest + strlen("sha256:")) == 0;
}

static int fetch_file(struct sk_remote *r, const struct sk_json *file, const char *part,
                      sk_remote_progress *progress, void *ctx, struct sk_err *err)
{
    const char *name = sk_json_get_text(file, "path", NULL);
    const char *digest = sk_json_get_text(file, "digest", NULL);
    int64_t size = sk_json_int(sk_json_get(file, "size"), -1);

    if (!name || !digest || size < 0 || strncmp(digest, "sha256:", 7) != 0 || !is_safe(name))
        return sk_fail(err, SK_REMOTE, "the hub's list of files is not usable: '%s'",
                       name ? name : "");

    SK_OWN(free) char *path = sk_path_join(part, name);

    if (!path)
        return sk_nomem(err);
    if (make_parent(path, err) < 0)
        return -1;
    if (is_there(path, digest))
        return 0;
    return sk_remote_download(r, digest, (uint64_t)size, path, progress, ctx, err);
}

static int sync_parent(const char *dir)
{
    SK_OWN(free) char *folder = strdup(dir);
    char *slash = folder ? strrchr(folder, '/') : NULL;
    SK_AUTO(sk_close) int fd = -1;

    if (slash)
        slash[slash == folder] = '\0';
    fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -1 : fsync(fd);
}

static const char *digest_of(const struct sk_json *version)
{
    const char *digest = sk_json_get_text(version, "digest", "");

    return strncmp(digest, "sha256:", 7) == 0 ? digest + 7 : "";
}

int sk_catalog_download(struct sk_remote *r, const char *reference, const char *dir,
                        sk_remote_progress *progress, void *ctx, struct sk_json **out,
                        struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *version = NULL;
    SK_OWN(sk_json_free) struct sk_json *answer = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf part = SK_BUF_INIT(8192);
    struct stat st;

    if (lstat(dir, &st) == 0)
        return sk_fail(err, SK_EXISTS, "%s is there already: name another folder", dir);
    if (sk_catalog_resolve(r, reference, &version, err) < 0 ||
        list_files(r, version, &answer, err) < 0)
        return -1;
    /* The digest keeps the tries of different versions apart. */
    sk_buf_fmt(&part, "%s.%.12s.part", dir, digest_of(version));
    if (!sk_buf_ok(&part))
        return sk_buf_fail(&part, err);

    const struct sk_json *files = sk_json_get(answer, "files");

    if (sk_json_count(files) == 0)
        return sk_fail(err, SK_NOT_FOUND,
                       "%s has no files at this hub: it was registered with its source elsewhere",
                       reference);
    if (sk_mkdirs(part.data, 0755, err) < 0)
        return -1;
    for (size_t i = 0; i < sk_json_count(files); i++) {
        if (fetch_file(r, sk_json_at(files, i), part.data, progress, ctx, err) < 0)
            return -1;
    }
    if (rename(part.data, dir) < 0 || sync_parent(dir) < 0)
        return sk_fail(err, SK_IO, "%s: %s", dir, strerror(errno));
    if (out)
        *out = SK_TAKE(version);
    return 0;
}
