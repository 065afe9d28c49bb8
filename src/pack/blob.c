/*
 * blob.c - contents by digest in a layout: written beside, hashed on the way, synced, renamed to
 * their digest. A blob under its digest is whole.
 */
#include "pack/pack_priv.h"

#include <fcntl.h>
#include <string.h>

enum {
    PIECE_BYTES = 256 << 10
};

int sk_pack_blob_begin(const char *layout, struct sk_pack_blob_out *b, struct sk_err *err)
{
    *b = (struct sk_pack_blob_out){ .file = SK_FILE_OUT_INIT };
    b->path = sk_path_join(layout, "blobs/sha256/new");
    if (!b->path)
        return sk_nomem(err);
    if (sk_hash_new(SK_SHA256, &b->hash, err) < 0)
        return -1;
    return sk_file_begin(&b->file, b->path, err);
}

int sk_pack_blob_put(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    struct sk_pack_blob_out *b = ctx;

    b->size += len;
    if (sk_hash_add(b->hash, bytes, len, err) < 0)
        return -1;
    return sk_file_put(&b->file, bytes, len, err);
}

int sk_pack_blob_end(struct sk_pack_blob_out *b, const char *layout,
                     char digest[SK_OCI_DIGEST_TEXT], struct sk_err *err)
{
    char found[SK_OCI_DIGEST_TEXT];

    if (sk_hash_digest(b->hash, found, err) < 0)
        return -1;
    if (digest[0] && strcmp(digest, found) != 0)
        return sk_fail(err, SK_CORRUPT, "it has the digest %s, not %s", found, digest);
    SK_OWN(free) char *path = sk_oci_layout_blob(layout, found);
    if (!path)
        return sk_nomem(err);
    b->file.path = path;
    if (sk_file_end(&b->file, 0644, err) < 0)
        return -1;
    memcpy(digest, found, SK_OCI_DIGEST_TEXT);
    return 0;
}

void sk_pack_blob_done(struct sk_pack_blob_out *b)
{
    sk_file_out_done(&b->file);
    sk_hash_free(b->hash);
    free(b->path);
    *b = (struct sk_pack_blob_out){ .file = SK_FILE_OUT_INIT };
}

int sk_pack_blob_bytes(const char *layout, const void *bytes, size_t len,
                       char digest[SK_OCI_DIGEST_TEXT], struct sk_err *err)
{
    SK_AUTO(sk_pack_blob_done) struct sk_pack_blob_out b = { .file = SK_FILE_OUT_INIT };

    digest[0] = '\0';
    if (sk_pack_blob_begin(layout, &b, err) < 0 || sk_pack_blob_put(&b, bytes, len, err) < 0)
        return -1;
    return sk_pack_blob_end(&b, layout, digest, err);
}

int sk_pack_blob_copy(const char *layout, const char *path, const char *digest, struct sk_err *err)
{
    SK_AUTO(sk_pack_blob_done) struct sk_pack_blob_out b = { .file = SK_FILE_OUT_INIT };
    SK_AUTO(sk_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    SK_OWN(free) char *piece = malloc(PIECE_BYTES);
    char wanted[SK_OCI_DIGEST_TEXT];
    ssize_t n;

    if (!piece)
        return sk_nomem(err);
    if (fd < 0)
        return sk_fail_errno(err, "'%s'", path);
    if (sk_pack_blob_begin(layout, &b, err) < 0)
        return -1;
    while ((n = read(fd, piece, PIECE_BYTES)) > 0)
        if (sk_pack_blob_put(&b, piece, (size_t)n, err) < 0)
            return -1;
    if (n < 0)
        return sk_fail_errno(err, "'%s'", path);
    (void)snprintf(wanted, sizeof wanted, "%s", digest);
    if (sk_pack_blob_end(&b, layout, wanted, err) < 0)
        return sk_wrap(err, "'%s'", path);
    return 0;
}
