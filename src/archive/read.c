/*
 * read.c - tar archives from outside.
 *
 * libarchive is given one format and one filter, chosen by the first bytes, so that a gzip within a
 * gzip is not unpacked twice. It asks for packed bytes through feed(), and there, before each
 * piece, the unpacked bytes so far are compared with the packed ones: no header, however large or
 * often repeated, and no skipped file gets around the limits. A sparse file gives more bytes than
 * the stream has; these are counted when they are read.
 */
#include "archive/archive_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    BLOCK_BYTES = 64 << 10,
    RATIO_FROM = 1 << 20,  /* a short archive of zeroes is no bomb */
    HEADER_BYTES = 4 << 10 /* per entry, what names may take beside max_bytes */
};

struct sk_tar_reader {
    const struct sk_archive_api *lib;
    struct archive *archive;
    struct sk_tar_limits limits;
    int fd;
    bool is_open, has_failed;
    size_t peeked; /* bytes in block that libarchive has not had */
    uint64_t packed, entries, announced, given;
    uint64_t size;         /* of a regular file: skipping must not go beyond; 0: none */
    struct sk_err refused; /* feed's reason */
    char *name, *target;
    unsigned char block[BLOCK_BYTES];
};

static int too_much(struct sk_err *err, uint64_t unpacked, const struct sk_tar_reader *r)
{
    if (unpacked > RATIO_FROM && unpacked / r->limits.max_ratio > r->packed)
        return sk_fail(err, SK_LIMIT, "it unpacks to more than %llu times its size",
                       (unsigned long long)r->limits.max_ratio);
    return 0;
}

/* What the format has taken of the unpacked stream, against what it was made from. */
static int check_stream(struct sk_tar_reader *r, struct sk_err *err)
{
    int64_t at = r->is_open ? r->lib->archive_filter_bytes(r->archive, 0) : 0;
    uint64_t taken = at > 0 ? (uint64_t)at : 0, most = r->limits.max_bytes;

    if (__builtin_add_overflow(most, r->limits.max_entries * HEADER_BYTES, &most))
        most = UINT64_MAX;
    if (taken > most)
        return sk_fail(err, SK_LIMIT, "it unpacks to more than %llu bytes",
                       (unsigned long long)r->limits.max_bytes);
    return too_much(err, taken, r);
}

static ssize_t read_block(struct sk_tar_reader *r, size_t from)
{
    for (;;) {
        ssize_t n = read(r->fd, r->block + from, sizeof r->block - from);
        if (n >= 0 || errno != EINTR)
            return n;
    }
}

static la_ssize_t feed(struct archive *a, void *ctx, const void **out)
{
    struct sk_tar_reader *r = ctx;
    ssize_t n = (ssize_t)r->peeked;

    (void)a;
    if (r->refused.code != SK_OK || check_stream(r, &r->refused) < 0)
        return -1;
    if (n == 0)
        n = read_block(r, 0);
    if (n < 0) {
        (void)sk_fail_errno(&r->refused, "reading the archive");
        return -1;
    }
    r->peeked = 0;
    r->packed += (uint64_t)n;
    *out = r->block;
    return n;
}

/* Of a plain archive in a file what is not wanted is not read. 0: read it after all. */
static la_int64_t skip(struct archive *a, void *ctx, la_int64_t request)
{
    struct sk_tar_reader *r = ctx;
    off_t at = lseek(r->fd, 0, SEEK_CUR);

    (void)a;
    if (r->peeked || r->size == 0 || at < 0 || request <= 0 || (uint64_t)at > r->size ||
        (uint64_t)request > r->size - (uint64_t)at || lseek(r->fd, request, SEEK_CUR) < 0)
        return 0;
    r->packed += (uint64_t)request;
    return request;
}

static int failed(struct sk_tar_reader *r, struct sk_err *err)
{
    r->has_failed = true;
    if (r->refused.code == SK_OK)
        return sk_archive_fail(r->lib, r->archive, err);
    *err = r->refused;
    return -1;
}

/* The first bytes decide; they stay in the block for the first feed. */
static int peek_filter(struct sk_tar_reader *r, int *filter, struct sk_err *err)
{
    static const unsigned char gzip[] = { 0x1f, 0x8b }, zstd[] = { 0x28, 0xb5, 0x2f, 0xfd };

    while (r->peeked < sizeof zstd) {
        ssize_t n = read_block(r, r->peeked);
        if (n < 0)
            return sk_fail_errno(err, "reading the archive");
        if (n == 0)
            break;
        r->peeked += (size_t)n;
    }
    *filter = ARCHIVE_FILTER_NONE;
    if (r->peeked >= sizeof gzip && memcmp(r->block, gzip, sizeof gzip) == 0)
        *filter = ARCHIVE_FILTER_GZIP;
    if (r->peeked >= sizeof zstd && memcmp(r->block, zstd, sizeof zstd) == 0)
        *filter = ARCHIVE_FILTER_ZSTD;
    return 0;
}

static int open_archive(struct sk_tar_reader *r, struct sk_err *err)
{
    const struct sk_archive_api *lib = r->lib;
    struct stat st;
    int filter;

    if (peek_filter(r, &filter, err) < 0)
        return -1;
    if (r->peeked == 0)
        return sk_fail(err, SK_CORRUPT, "the archive is empty");
    if (filter == ARCHIVE_FILTER_NONE && fstat(r->fd, &st) == 0 && S_ISREG(st.st_mode))
        r->size = (uint64_t)st.st_size;
    /* A library without the filter would run a program for it, with a warning. */
    if (lib->archive_read_append_filter(r->archive, filter) != ARCHIVE_OK)
        return sk_fail(err, SK_UNSUPPORTED, "this libarchive cannot read %s",
                       filter == ARCHIVE_FILTER_ZSTD ? "zstd" : "gzip");
    if (lib->archive_read_support_format_tar(r->archive) != ARCHIVE_OK ||
        lib->archive_read_open2(r->archive, r, NULL, feed, skip, NULL) != ARCHIVE_OK)
        return failed(r, err);
    r->is_open = true;
    return 0;
}

static uint64_t or_default(uint64_t value, uint64_t def)
{
    return value ? value : def;
}

int sk_tar_reader_new(int fd, const struct sk_tar_limits *limits, struct sk_tar_reader **out,
                      struct sk_err *err)
{
    const struct sk_archive_api *lib = sk_archive(err);
    const struct sk_tar_limits none = { 0 };
    SK_OWN(sk_tar_reader_free) struct sk_tar_reader *r = lib ? calloc(1, sizeof *r) : NULL;

    if (!lib)
        return -1;
    if (!r)
        return sk_nomem(err);
    limits = limits ? limits : &none;
    r->lib = lib;
    r->fd = fd;
    r->limits.max_entries = or_default(limits->max_entries, SK_TAR_MAX_ENTRIES);
    r->limits.max_bytes = or_default(limits->max_bytes, SK_TAR_MAX_BYTES);
    r->limits.max_ratio = or_default(limits->max_ratio, SK_TAR_MAX_RATIO);
    r->archive = lib->archive_read_new();
    if (!r->archive)
        return sk_nomem(err);
    if (open_archive(r, err) < 0)
        return -1;
    *out = SK_TAKE(r);
    return 0;
}

void sk_tar_reader_free(struct sk_tar_reader *r)
{
    if (!r)
        return;
    if (r->archive)
        (void)r->lib->archive_read_free(r->archive);
    free(r->name);
    free(r->target);
    free(r);
}

static enum sk_tar_kind kind_of(const struct sk_archive_api *lib, struct archive_entry *e)
{
    if (lib->archive_entry_hardlink(e))
        return SK_TAR_HARDLINK;
    switch (lib->archive_entry_filetype(e)) {
    case AE_IFREG:
        return SK_TAR_FILE;
    case AE_IFDIR:
        return SK_TAR_DIR;
    case AE_IFLNK:
        return SK_TAR_SYMLINK;
    default:
        return SK_TAR_OTHER;
    }
}

static int take_size(struct sk_tar_reader *r, int64_t size, struct sk_err *err)
{
    if (size < 0)
        return sk_fail(err, SK_CORRUPT, "'%s' has a negative size", r->name);
    if (++r->entries > r->limits.max_entries)
        return sk_fail(err, SK_LIMIT, "it has more than %llu entries",
                       (unsigned long long)r->limits.max_entries);
    if ((uint64_t)size > r->limits.max_bytes - r->announced)
        return sk_fail(err, SK_LIMIT, "it unpacks to more than %llu bytes",
                       (unsigned long long)r->limits.max_bytes);
    r->announced += (uint64_t)size;
    return 0;
}

/* The header that libarchive has read, checked. */
static int take_entry(struct sk_tar_reader *r, struct archive_entry *e, struct sk_tar_entry *out,
                      struct sk_err *err)
{
    const struct sk_archive_api *lib = r->lib;
    const char *name = lib->archive_entry_pathname(e);
    struct sk_tar_entry entry = { .kind = kind_of(lib, e),
                                  .mode = (unsigned)lib->archive_entry_perm(e) };
    const char *target = entry.kind == SK_TAR_HARDLINK  ? lib->archive_entry_hardlink(e)
                         : entry.kind == SK_TAR_SYMLINK ? lib->archive_entry_symlink(e)
                                                        : NULL;

    free(SK_TAKE(r->name));
    free(SK_TAKE(r->target));
    if (!name)
        return sk_fail(err, SK_INVALID, "a name is not UTF-8");
    if (sk_tar_clean(name, &r->name, err) < 0)
        return -1;
    if (target && !(r->target = strdup(target)))
        return sk_nomem(err);
    if (r->name[0] == '\0' && entry.kind != SK_TAR_DIR)
        return sk_fail(err, SK_INVALID, "a file has no name");
    if (take_size(r, entry.kind == SK_TAR_FILE ? lib->archive_entry_size(e) : 0, err) < 0)
        return -1;
    entry.name = r->name;
    entry.target = r->target;
    entry.size = entry.kind == SK_TAR_FILE ? (uint64_t)lib->archive_entry_size(e) : 0;
    *out = entry;
    return 1;
}

int sk_tar_next(struct sk_tar_reader *r, struct sk_tar_entry *out, struct sk_err *err)
{
    SK_ARCHIVE_UTF8();
    struct archive_entry *e = NULL;

    if (r->has_failed)
        return sk_fail(err, SK_BUG, "the archive has failed before");
    int rc = r->lib->archive_read_next_header(r->archive, &e);
    if (r->refused.code == SK_OK && check_stream(r, &r->refused) < 0) /* what was skipped just now
                                                                       */
        return failed(r, err);
    if (rc == ARCHIVE_EOF)
        return 0;
    if (rc != ARCHIVE_OK) /* a warning is damage, too: half a pax header, a name in no charset */
        return failed(r, err);
    rc = take_entry(r, e, out, err);
    r->has_failed = rc < 0;
    return rc;
}

int64_t sk_tar_read(struct sk_tar_reader *r, void *buf, size_t cap, struct sk_err *err)
{
    if (r->has_failed)
        return sk_fail(err, SK_BUG, "the archive has failed before");
    la_ssize_t n = r->lib->archive_read_data(r->archive, buf, cap);
    if (n < 0)
        return failed(r, err);
    r->given += (uint64_t)n;
    if (too_much(err, r->given, r) < 0) {
        r->has_failed = true;
        return -1;
    }
    return n;
}
