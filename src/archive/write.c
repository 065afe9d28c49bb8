/*
 * write.c - tar archives whose bytes depend on nothing but their entries.
 *
 * The format is ustar; pax headers appear where a name is long or not ASCII, or a file has 8 GiB
 * and more. Owner, group and time are 0. The block is 0 bytes, so nothing is padded beyond the two
 * empty blocks of the end, and every piece goes to the sink as it is.
 *
 * Invariant: `left` is what the file that was announced still lacks. libarchive would fill it up
 * with zeroes; here it is an error.
 */
#include "archive/archive_priv.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    PIECE_BYTES = 256 << 10
};

struct sk_tar_writer {
    const struct sk_archive_api *lib;
    struct archive *archive;
    struct archive_entry *entry;
    int (*sink)(void *ctx, const void *bytes, size_t len, struct sk_err *err);
    void *ctx;
    char *piece; /* of sk_tar_copy; made by the first */
    uint64_t left;
    struct sk_err refused; /* the sink's reason */
    bool is_over;          /* it was finished, given up, or has failed */
};

/* Always takes all: after a failure libarchive would not release its filters. What it says is kept
 * for settle(), and nothing goes to the sink any more. */
static la_ssize_t give(struct archive *a, void *ctx, const void *bytes, size_t len)
{
    struct sk_tar_writer *w = ctx;

    (void)a;
    if (!w->is_over && w->refused.code == SK_OK)
        (void)w->sink(w->ctx, bytes, len, &w->refused);
    return (la_ssize_t)len;
}

/* The end of each call into libarchive. */
static int settle(struct sk_tar_writer *w, bool is_fine, struct sk_err *err)
{
    if (is_fine && w->refused.code == SK_OK)
        return 0;
    w->is_over = true;
    if (w->refused.code != SK_OK) {
        *err = w->refused;
        return -1;
    }
    if (sk_archive_fail(w->lib, w->archive, err) < 0 && err->code == SK_CORRUPT)
        err->code = SK_INVALID; /* what we wrote, not what came */
    return -1;
}

static int set_filter(struct sk_tar_writer *w, enum sk_archive_filter filter, struct sk_err *err)
{
    const struct sk_archive_api *lib = w->lib;
    int rc = ARCHIVE_OK;

    if (filter == SK_ARCHIVE_GZIP) {
        rc = lib->archive_write_add_filter_gzip(w->archive);
        if (rc == ARCHIVE_OK)
            rc = lib->archive_write_set_filter_option(w->archive, "gzip", "timestamp", NULL);
    } else if (filter == SK_ARCHIVE_ZSTD) {
        rc = lib->archive_write_add_filter_zstd(w->archive);
    }
    /* A library without the format would run a program for it, with a warning. */
    if (rc != ARCHIVE_OK)
        return sk_fail(err, SK_UNSUPPORTED, "this libarchive cannot write %s",
                       filter == SK_ARCHIVE_GZIP ? "gzip" : "zstd");
    return 0;
}

int sk_tar_writer_new(enum sk_archive_filter filter,
                      int (*sink)(void *ctx, const void *bytes, size_t len, struct sk_err *err),
                      void *ctx, struct sk_tar_writer **out, struct sk_err *err)
{
    const struct sk_archive_api *lib = sk_archive(err);
    SK_OWN(sk_tar_writer_free) struct sk_tar_writer *w = lib ? calloc(1, sizeof *w) : NULL;

    if (!lib)
        return -1;
    if (!w)
        return sk_nomem(err);
    *w = (struct sk_tar_writer){ .lib = lib, .sink = sink, .ctx = ctx };
    w->archive = lib->archive_write_new();
    w->entry = lib->archive_entry_new();
    if (!w->archive || !w->entry)
        return sk_nomem(err);
    bool is_fine = lib->archive_write_set_format_pax_restricted(w->archive) == ARCHIVE_OK &&
                   lib->archive_write_set_bytes_per_block(w->archive, 0) == ARCHIVE_OK;
    if (settle(w, is_fine, err) < 0 || set_filter(w, filter, err) < 0)
        return -1;
    is_fine = lib->archive_write_open(w->archive, w, NULL, give, NULL) == ARCHIVE_OK;
    if (settle(w, is_fine, err) < 0)
        return -1;
    *out = SK_TAKE(w);
    return 0;
}

void sk_tar_writer_free(struct sk_tar_writer *w)
{
    if (!w)
        return;
    w->is_over = true; /* the end, when it is still to be written, reaches nobody */
    if (w->archive) {
        /* Without "fail" close would fill the last file up; without "close" filters would leak. */
        (void)w->lib->archive_write_fail(w->archive);
        (void)w->lib->archive_write_close(w->archive);
        (void)w->lib->archive_write_free(w->archive);
    }
    if (w->entry)
        w->lib->archive_entry_free(w->entry);
    free(w->piece);
    free(w);
}

/* Whether another entry, or the end, may come now. */
static int ready(const struct sk_tar_writer *w, struct sk_err *err)
{
    if (w->is_over)
        return sk_fail(err, SK_BUG, "the archive has ended");
    if (w->left > 0)
        return sk_fail(err, SK_IO, "the file lacks %llu bytes", (unsigned long long)w->left);
    return 0;
}

static int put_header(struct sk_tar_writer *w, const char *name, unsigned type, unsigned mode,
                      uint64_t size, const char *target, struct sk_err *err)
{
    SK_ARCHIVE_UTF8();
    const struct sk_archive_api *lib = w->lib;
    SK_OWN(free) char *clean = NULL;

    if (ready(w, err) < 0 || sk_tar_clean(name, &clean, err) < 0)
        return -1;
    if (clean[0] == '\0')
        return sk_fail(err, SK_INVALID, "an entry needs a name");
    if (size > INT64_MAX)
        return sk_fail(err, SK_LIMIT, "'%s' is too large for an archive", clean);
    lib->archive_entry_clear(w->entry);
    lib->archive_entry_set_pathname(w->entry, clean);
    lib->archive_entry_set_filetype(w->entry, type);
    lib->archive_entry_set_perm(w->entry, (__LA_MODE_T)(mode & 07777));
    lib->archive_entry_set_uid(w->entry, 0);
    lib->archive_entry_set_gid(w->entry, 0);
    lib->archive_entry_set_mtime(w->entry, 0, 0);
    lib->archive_entry_set_size(w->entry, (int64_t)size);
    if (target)
        lib->archive_entry_set_symlink(w->entry, target);
    w->left = size;
    return settle(w, lib->archive_write_header(w->archive, w->entry) == ARCHIVE_OK, err);
}

int sk_tar_dir(struct sk_tar_writer *w, const char *name, unsigned mode, struct sk_err *err)
{
    return put_header(w, name, AE_IFDIR, mode, 0, NULL, err);
}

int sk_tar_link(struct sk_tar_writer *w, const char *name, const char *target, struct sk_err *err)
{
    return put_header(w, name, AE_IFLNK, 0777, 0, target, err);
}

int sk_tar_file(struct sk_tar_writer *w, const char *name, unsigned mode, uint64_t size,
                struct sk_err *err)
{
    return put_header(w, name, AE_IFREG, mode, size, NULL, err);
}

int sk_tar_bytes(struct sk_tar_writer *w, const void *bytes, size_t len, struct sk_err *err)
{
    if (w->is_over)
        return sk_fail(err, SK_BUG, "the archive has ended");
    if (len > w->left)
        return sk_fail(err, SK_IO, "the file has more bytes than were announced");
    for (const char *at = bytes; len > 0;) {
        la_ssize_t n = w->lib->archive_write_data(w->archive, at, len);
        if (settle(w, n > 0, err) < 0)
            return -1;
        at += n;
        len -= (size_t)n;
        w->left -= (uint64_t)n;
    }
    return 0;
}

int sk_tar_copy(struct sk_tar_writer *w, const char *name, unsigned mode, const char *path,
                struct sk_err *err)
{
    SK_AUTO(sk_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    ssize_t n;

    if (fd < 0 || fstat(fd, &st) < 0)
        return sk_fail_errno(err, "'%s'", path);
    if (!S_ISREG(st.st_mode))
        return sk_fail(err, SK_INVALID, "'%s' is not a regular file", path);
    if (!w->piece && !(w->piece = malloc(PIECE_BYTES)))
        return sk_nomem(err);
    if (sk_tar_file(w, name, mode, (uint64_t)st.st_size, err) < 0)
        return -1;
    while ((n = read(fd, w->piece, PIECE_BYTES)) > 0) {
        if ((uint64_t)n > w->left)
            break;
        if (sk_tar_bytes(w, w->piece, (size_t)n, err) < 0)
            return -1;
    }
    if (n < 0)
        return sk_fail_errno(err, "'%s'", path);
    if (n > 0 || w->left > 0)
        return sk_fail(err, SK_IO, "'%s' changed while it was read", path);
    return 0;
}

int sk_tar_finish(struct sk_tar_writer *w, struct sk_err *err)
{
    if (ready(w, err) < 0)
        return -1;
    int rc = settle(w, w->lib->archive_write_close(w->archive) == ARCHIVE_OK, err);
    w->is_over = true;
    return rc;
}
