/*
 * archive.h - tar archives, plain, gzip or zstd (libarchive, loaded with dlopen when first needed).
 *
 * Writing is reproducible: entries as they are put, owner 0:0, time 0, no names of users, ustar
 * with pax headers only where a name or size needs them; gzip without name and time. The same
 * entries give the same bytes on every run.
 *
 * Reading is for archives from outside: names are checked (relative, no "..", no absolute, no
 * control characters), and entries, bytes and the ratio of packed to unpacked bytes are limited.
 * Errors: SK_CORRUPT, SK_LIMIT (which limit, its value), SK_INVALID (a name, a kind of entry that
 * is not wanted), SK_IO, SK_UNSUPPORTED (no libarchive: what to install). Threads: one object, one
 * thread.
 */
#ifndef SK_ARCHIVE_ARCHIVE_H
#define SK_ARCHIVE_ARCHIVE_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sk_archive_filter {
    SK_ARCHIVE_PLAIN,
    SK_ARCHIVE_GZIP,
    SK_ARCHIVE_ZSTD
};

/* ---- writing ---- */
struct sk_tar_writer;

/* Bytes go to `sink` in order; -1 (with err) ends it. */
int sk_tar_writer_new(enum sk_archive_filter filter,
                      int (*sink)(void *ctx, const void *bytes, size_t len, struct sk_err *err),
                      void *ctx, struct sk_tar_writer **out, struct sk_err *err) SK_CHECK;
int sk_tar_dir(struct sk_tar_writer *w, const char *name, unsigned mode,
               struct sk_err *err) SK_CHECK;
int sk_tar_link(struct sk_tar_writer *w, const char *name, const char *target,
                struct sk_err *err) SK_CHECK; /* symbolic */
/* Announces a file of `size` bytes; then sk_tar_bytes until they are all there. */
int sk_tar_file(struct sk_tar_writer *w, const char *name, unsigned mode, uint64_t size,
                struct sk_err *err) SK_CHECK;
int sk_tar_bytes(struct sk_tar_writer *w, const void *bytes, size_t len,
                 struct sk_err *err) SK_CHECK;
/* A regular file of the disk, read piece by piece; one that changes its size meanwhile is SK_IO. */
int sk_tar_copy(struct sk_tar_writer *w, const char *name, unsigned mode, const char *path,
                struct sk_err *err) SK_CHECK;
/* The end of the archive. Without it sk_tar_writer_free gives up what was begun. */
int sk_tar_finish(struct sk_tar_writer *w, struct sk_err *err) SK_CHECK;
void sk_tar_writer_free(struct sk_tar_writer *w);
SK_DEFINE_OWN(struct sk_tar_writer, sk_tar_writer_free);

/* Appends `bytes` as a gzip file (RFC 1952) without name and time. Any thread. */
int sk_gzip(const void *bytes, size_t len, struct sk_buf *out, struct sk_err *err) SK_CHECK;

/* ---- reading ---- */
enum sk_tar_kind {
    SK_TAR_FILE,
    SK_TAR_DIR,
    SK_TAR_SYMLINK,
    SK_TAR_HARDLINK,
    SK_TAR_OTHER /* devices, pipes */
};

struct sk_tar_entry {
    const char *name;   /* cleaned: no "./" in front, no trailing slash; "" is the root folder */
    const char *target; /* of links, as written; else NULL */
    enum sk_tar_kind kind;
    unsigned mode;
    uint64_t size;
};

#define SK_TAR_MAX_ENTRIES 100000u
#define SK_TAR_MAX_BYTES   (16ull << 30)
#define SK_TAR_MAX_RATIO   1000u

enum {
    SK_TAR_NAME_BYTES = 4096,
    SK_TAR_PART_BYTES = 255, /* between two slashes */
    SK_TAR_DEPTH = 64
};

struct sk_tar_limits {
    uint64_t max_entries; /* 0: SK_TAR_MAX_ENTRIES */
    uint64_t max_bytes;   /* unpacked, all together; 0: SK_TAR_MAX_BYTES */
    uint64_t max_ratio;   /* unpacked to packed, once beyond 1 MiB; 0: SK_TAR_MAX_RATIO */
};

struct sk_tar_reader;

/* fd is borrowed and read from where it stands, and need not be a file. gzip and zstd are
 * recognised by their first bytes. limits may be NULL. */
int sk_tar_reader_new(int fd, const struct sk_tar_limits *limits, struct sk_tar_reader **out,
                      struct sk_err *err) SK_CHECK;
/* 1: entry (valid until the next call), 0: end, -1. */
int sk_tar_next(struct sk_tar_reader *r, struct sk_tar_entry *out, struct sk_err *err) SK_CHECK;
/* The current file's bytes: what was read, 0 at its end, -1. */
int64_t sk_tar_read(struct sk_tar_reader *r, void *buf, size_t cap, struct sk_err *err) SK_CHECK;
void sk_tar_reader_free(struct sk_tar_reader *r);
SK_DEFINE_OWN(struct sk_tar_reader, sk_tar_reader_free);

/* Unpacks files and folders below `prefix` ("" for all; it is removed from the names) into dir,
 * which must exist. Nothing below a prefix is SK_NOT_FOUND. Links and special files are SK_INVALID,
 * a file that is there already SK_EXISTS. Nothing is ever written outside dir: folders are opened
 * without following links. Modes become 0755 or 0644; files and folders are synced when `sync`.
 * After a failure dir holds what came before it. limits may be NULL. */
int sk_tar_unpack(int fd, const struct sk_tar_limits *limits, const char *prefix, const char *dir,
                  bool sync, struct sk_err *err) SK_CHECK;

/* "libarchive 3.6.2", or NULL when it cannot be loaded. */
const char *sk_archive_version(void);

#endif
