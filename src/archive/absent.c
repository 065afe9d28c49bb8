/*
 * absent.c - stands in for everything else here in a build without libarchive's headers: the
 * program is complete, and an archive says what it was built without.
 */
#include "archive/archive.h"

static int absent(struct sk_err *err)
{
    return sk_fail(err, SK_UNSUPPORTED,
                   "this program was built without archives: install libarchive-dev and build it "
                   "again");
}

int sk_tar_writer_new(enum sk_archive_filter filter,
                      int (*sink)(void *ctx, const void *bytes, size_t len, struct sk_err *err),
                      void *ctx, struct sk_tar_writer **out, struct sk_err *err)
{
    (void)filter;
    (void)sink;
    (void)ctx;
    (void)out;
    return absent(err);
}

int sk_tar_dir(struct sk_tar_writer *w, const char *name, unsigned mode, struct sk_err *err)
{
    (void)w;
    (void)name;
    (void)mode;
    return absent(err);
}

int sk_tar_link(struct sk_tar_writer *w, const char *name, const char *target, struct sk_err *err)
{
    (void)w;
    (void)name;
    (void)target;
    return absent(err);
}

int sk_tar_file(struct sk_tar_writer *w, const char *name, unsigned mode, uint64_t size,
                struct sk_err *err)
{
    (void)w;
    (void)name;
    (void)mode;
    (void)size;
    return absent(err);
}

int sk_tar_bytes(struct sk_tar_writer *w, const void *bytes, size_t len, struct sk_err *err)
{
    (void)w;
    (void)bytes;
    (void)len;
    return absent(err);
}

int sk_tar_copy(struct sk_tar_writer *w, const char *name, unsigned mode, const char *path,
                struct sk_err *err)
{
    (void)w;
    (void)name;
    (void)mode;
    (void)path;
    return absent(err);
}

int sk_tar_finish(struct sk_tar_writer *w, struct sk_err *err)
{
    (void)w;
    return absent(err);
}

void sk_tar_writer_free(struct sk_tar_writer *w)
{
    (void)w; /* there is none */
}

int sk_tar_reader_new(int fd, const struct sk_tar_limits *limits, struct sk_tar_reader **out,
                      struct sk_err *err)
{
    (void)fd;
    (void)limits;
    (void)out;
    return absent(err);
}

int sk_tar_next(struct sk_tar_reader *r, struct sk_tar_entry *out, struct sk_err *err)
{
    (void)r;
    (void)out;
    return absent(err);
}

int64_t sk_tar_read(struct sk_tar_reader *r, void *buf, size_t cap, struct sk_err *err)
{
    (void)r;
    (void)buf;
    (void)cap;
    return absent(err);
}

void sk_tar_reader_free(struct sk_tar_reader *r)
{
    (void)r; /* there is none */
}

int sk_tar_unpack(int fd, const struct sk_tar_limits *limits, const char *prefix, const char *dir,
                  bool sync, struct sk_err *err)
{
    (void)fd;
    (void)limits;
    (void)prefix;
    (void)dir;
    (void)sync;
    return absent(err);
}

int sk_gzip(const void *bytes, size_t len, struct sk_buf *out, struct sk_err *err)
{
    (void)bytes;
    (void)len;
    (void)out;
    return absent(err);
}

const char *sk_archive_version(void)
{
    return NULL;
}
