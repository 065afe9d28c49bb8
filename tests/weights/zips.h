/*
 * zips.h - writes zip archives for tests, sound ones and such that lie.
 *
 *     struct zip z = ZIP_INIT;
 *     zip_add(&z, "a/data.pkl", bytes, len);
 *     zip_end(&z, 0);                           // z.bytes is the archive
 *     zip_done(&z);
 */
#ifndef SK_TESTS_WEIGHTS_ZIPS_H
#define SK_TESTS_WEIGHTS_ZIPS_H

#include "test_util.h"

struct zip {
    struct sk_buf bytes, directory;
    unsigned count;
    unsigned method, flags; /* of what is added from now on */
};

#define ZIP_INIT                                                                                   \
    {                                                                                              \
        .bytes = SK_BUF_INIT(1 << 24), .directory = SK_BUF_INIT(1 << 24)                           \
    }

enum {
    ZIP_64 = 1 /* all numbers in zip64 fields, as torch.save writes them for large files */
};

static inline void zip_done(struct zip *z)
{
    sk_buf_done(&z->bytes);
    sk_buf_done(&z->directory);
}

static inline void zip_add(struct zip *z, const char *name, const void *bytes, size_t len)
{
    size_t at = z->bytes.len, name_len = strlen(name);

    sk_buf_add(&z->bytes, "PK\3\4\0\0", 6);
    add_le(&z->bytes, z->flags, 2);
    add_le(&z->bytes, z->method, 2);
    add_le(&z->bytes, 0, 8); /* time, checksum */
    add_le(&z->bytes, len, 4);
    add_le(&z->bytes, len, 4);
    add_le(&z->bytes, name_len, 2);
    add_le(&z->bytes, 5, 2);
    sk_buf_add(&z->bytes, name, name_len);
    sk_buf_add(&z->bytes, "FB\1\0Z", 5); /* PyTorch's padding */
    sk_buf_add(&z->bytes, bytes, len);

    sk_buf_add(&z->directory, "PK\1\2\0\0\0\0", 8);
    add_le(&z->directory, z->flags, 2);
    add_le(&z->directory, z->method, 2);
    add_le(&z->directory, 0, 8);
    add_le(&z->directory, UINT32_MAX, 4);
    add_le(&z->directory, UINT32_MAX, 4);
    add_le(&z->directory, name_len, 2);
    add_le(&z->directory, 4 + 24 + 5, 2); /* extra field */
    add_le(&z->directory, 0, 2 + 2 + 2 + 4);
    add_le(&z->directory, UINT32_MAX, 4);
    sk_buf_add(&z->directory, name, name_len);
    sk_buf_add(&z->directory, "FB\1\0Z", 5);
    add_le(&z->directory, 1, 2);
    add_le(&z->directory, 24, 2);
    add_le(&z->directory, len, 8);
    add_le(&z->directory, len, 8);
    add_le(&z->directory, at, 8);
    z->count++;
}

static inline void zip_end(struct zip *z, unsigned flags)
{
    size_t at = z->bytes.len;
    bool is_64 = flags & ZIP_64;

    sk_buf_add(&z->bytes, z->directory.data, z->directory.len);
    if (is_64) {
        size_t end = z->bytes.len;
        sk_buf_add(&z->bytes, "PK\6\6", 4);
        add_le(&z->bytes, 44, 8);
        add_le(&z->bytes, 0, 2 + 2 + 4 + 4);
        add_le(&z->bytes, z->count, 8);
        add_le(&z->bytes, z->count, 8);
        add_le(&z->bytes, z->directory.len, 8);
        add_le(&z->bytes, at, 8);
        sk_buf_add(&z->bytes, "PK\6\7\0\0\0\0", 8);
        add_le(&z->bytes, end, 8);
        add_le(&z->bytes, 1, 4);
    }
    sk_buf_add(&z->bytes, "PK\5\6\0\0\0\0", 8);
    add_le(&z->bytes, is_64 ? UINT16_MAX : z->count, 2);
    add_le(&z->bytes, is_64 ? UINT16_MAX : z->count, 2);
    add_le(&z->bytes, is_64 ? UINT32_MAX : z->directory.len, 4);
    add_le(&z->bytes, is_64 ? UINT32_MAX : at, 4);
    add_le(&z->bytes, 0, 2);
    assert_true(sk_buf_ok(&z->bytes) && sk_buf_ok(&z->directory));
}

#endif
