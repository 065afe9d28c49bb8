/* gzip.c - one stream of bytes, packed (RFC 1952), without a name and a time. */
#include "archive/archive_priv.h"

static la_ssize_t give(struct archive *a, void *ctx, const void *bytes, size_t len)
{
    (void)a;
    sk_buf_add(ctx, bytes, len); /* what fails shows in the end */
    return (la_ssize_t)len;
}

static bool write_raw(const struct sk_archive_api *lib, struct archive *a,
                      struct archive_entry *entry, const void *bytes, size_t len,
                      struct sk_buf *out)
{
    lib->archive_entry_set_filetype(entry, AE_IFREG);
    lib->archive_entry_set_pathname(entry, "data");
    return lib->archive_write_set_format_raw(a) == ARCHIVE_OK &&
           lib->archive_write_set_bytes_per_block(a, 0) == ARCHIVE_OK &&
           lib->archive_write_add_filter_gzip(a) == ARCHIVE_OK &&
           lib->archive_write_set_filter_option(a, "gzip", "timestamp", NULL) == ARCHIVE_OK &&
           lib->archive_write_open(a, out, NULL, give, NULL) == ARCHIVE_OK &&
           lib->archive_write_header(a, entry) == ARCHIVE_OK &&
           lib->archive_write_data(a, bytes, len) == (la_ssize_t)len &&
           lib->archive_write_close(a) == ARCHIVE_OK;
}

int sk_gzip(const void *bytes, size_t len, struct sk_buf *out, struct sk_err *err)
{
    const struct sk_archive_api *lib = sk_archive(err);
    int rc = -1;

    if (!lib)
        return -1;
    struct archive *a = lib->archive_write_new();
    struct archive_entry *entry = lib->archive_entry_new();
    if (!a || !entry)
        (void)sk_nomem(err);
    else if (!write_raw(lib, a, entry, bytes, len, out))
        (void)sk_archive_fail(lib, a, err);
    else
        rc = sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
    if (entry)
        lib->archive_entry_free(entry);
    if (a)
        (void)lib->archive_write_free(a);
    return rc;
}
