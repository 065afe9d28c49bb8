/*
 * tarball.h - tar archives made by hand, also those that no honest program writes.
 */
#ifndef SK_ARCHIVE_TARBALL_H
#define SK_ARCHIVE_TARBALL_H

#include "archive/archive.h"
#include "base/buf.h"

enum {
    SK_TARBALL_BYTES = 64 << 20
};

/* A ustar header (type as in the format: '0' file, '5' folder, '2' link, ...) and `len` bytes,
 * filled up to whole blocks. size is what the header says. */
void sk_tarball_entry(struct sk_buf *b, const char *name, char type, const char *target,
                      uint64_t size, const void *bytes, size_t len);
void sk_tarball_end(struct sk_buf *b);

/* The same as a table: name, type, target of a link, bytes as text (their length is the size). */
struct sk_tarball_part {
    const char *name, *type, *target, *bytes;
};

#define SK_FILE(name, bytes)                                                                       \
    {                                                                                              \
        name, "0", "", bytes                                                                       \
    }
#define SK_DIR(name)                                                                               \
    {                                                                                              \
        name, "5", "", ""                                                                          \
    }
#define SK_LINK(name, target)                                                                      \
    {                                                                                              \
        name, "2", target, ""                                                                      \
    }
#define SK_PART(name, type, b)                                                                     \
    {                                                                                              \
        name, type, "", b                                                                          \
    }

#define SK_NO_PART                                                                                 \
    {                                                                                              \
        NULL, NULL, NULL, NULL                                                                     \
    }

/* All parts up to SK_NO_PART, and the end. */
void sk_tarball_build(struct sk_buf *b, const struct sk_tarball_part *parts);
/* A sink of sk_tar_writer_new; ctx is a struct sk_buf. */
int sk_tarball_sink(void *ctx, const void *bytes, size_t len, struct sk_err *err);
/* The bytes as a file without a name, at its beginning. */
int sk_tarball_fd(const void *bytes, size_t len);

#endif
