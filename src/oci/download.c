/*
 * download.c - a blob becomes a file: a transfer to PATH.part, hashed as it comes, each attempt a
 * call of the registry with what it wants for reading the repository.
 */
#include "oci/oci_priv.h"

#include "base/file.h"

#include "crypto/crypto.h"
#include "transfer/transfer.h"

enum {
    IDLE_TRIES_MAX = 4, /* in a row that brought nothing, each with the client's own tries */
    PAUSE_MS = 500
};

struct job {
    struct sk_oci_registry *r;
    const char *url;
    char scope[300], what[40];
};

static int request(void *ctx, const struct sk_transfer_ask *ask, struct sk_fetch_answer *answer,
                   struct sk_err *err)
{
    static const char *const headers[] = { "Accept-Encoding: identity", NULL };
    const struct job *j = ctx;
    const struct sk_oci_request q = { .url = j->url,
                                      .scope = j->scope,
                                      .headers = headers,
                                      .range_from = ask->range_from,
                                      .sink = ask->sink,
                                      .progress = ask->progress,
                                      .ctx = ask->ctx };

    return sk_oci_call(j->r, &q, answer, err);
}

static bool progress(void *ctx, uint64_t done, uint64_t total)
{
    const struct job *j = ctx;

    return sk_oci_tell(j->r, j->what, done, total);
}

int sk_oci_get_blob(struct sk_oci_registry *r, const char *repository, const char *digest,
                    uint64_t size, const char *path, struct sk_err *err)
{
    SK_OWN(free) char *url = NULL;
    struct job j = { .r = r };
    char what[160], name[16];

    if (!sk_digest_valid(digest))
        return sk_fail(err, SK_INVALID, "'%.140s' is no digest", digest);
    (void)snprintf(what, sizeof what, "blobs/%s", digest);
    (void)snprintf(j.what, sizeof j.what, "download %s", sk_oci_short(digest, name));
    (void)sk_oci_scope(repository, "pull", j.scope);
    if (sk_oci_url(r, repository, what, &url, err) < 0)
        return -1;
    j.url = url;
    const struct sk_transfer t = { .path = path,
                                   .size = size,
                                   .digest = digest,
                                   .request = request,
                                   .progress = progress,
                                   .ctx = &j,
                                   .idle_tries_max = IDLE_TRIES_MAX,
                                   .pause_ms = PAUSE_MS };
    if (sk_transfer_get(&t, err) < 0)
        return sk_wrap(err, "%s/%s, blob %s", r->host, repository, digest);
    if (!sk_oci_tell(r, j.what, size, size))
        return sk_fail(err, SK_CANCELLED, "%s/%s, blob %s: stopped", r->host, repository, digest);
    return 0;
}

int sk_oci_read_blob(struct sk_oci_registry *r, const char *repository,
                     const struct sk_oci_descriptor *blob, size_t max, char **out, size_t *len,
                     struct sk_err *err)
{
    SK_OWN(free) char *folder = NULL;
    SK_OWN(free) char *path = NULL;
    struct sk_err ignored = SK_ERR_INIT;

    if (blob->size > max)
        return sk_fail(err, SK_LIMIT, "blob %s has %llu bytes, at most %zu are taken", blob->digest,
                       (unsigned long long)blob->size, max);
    if (sk_temp_dir("/tmp", "skerry-blob", &folder, err) < 0) {
        err->code = SK_IO; /* this machine's, whatever its reason: not a word about the blob */
        return -1;
    }
    path = sk_path_join(folder, "blob");

    int rc = path ? sk_oci_get_blob(r, repository, blob->digest, blob->size, path, err)
                  : sk_nomem(err);

    if (rc == 0)
        rc = sk_file_read(path, max, out, len, err);
    (void)!sk_remove_tree(folder, &ignored); /* what matters has been read */
    return rc;
}
