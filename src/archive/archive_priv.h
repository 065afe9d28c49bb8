/*
 * archive_priv.h - between library.c (libarchive's functions, by dlopen), name.c (what a name may
 * be), write.c, read.c and unpack.c.
 */
#ifndef SK_ARCHIVE_ARCHIVE_PRIV_H
#define SK_ARCHIVE_ARCHIVE_PRIV_H

#include "archive/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>

/* What we call of libarchive; all of it exists since 3.3.3 (2018). */
#define SK_ARCHIVE_TABLE(X)                                                                        \
    X(archive_entry_clear)                                                                         \
    X(archive_entry_filetype)                                                                      \
    X(archive_entry_free)                                                                          \
    X(archive_entry_hardlink)                                                                      \
    X(archive_entry_new)                                                                           \
    X(archive_entry_pathname)                                                                      \
    X(archive_entry_perm)                                                                          \
    X(archive_entry_set_filetype)                                                                  \
    X(archive_entry_set_gid)                                                                       \
    X(archive_entry_set_mtime)                                                                     \
    X(archive_entry_set_pathname)                                                                  \
    X(archive_entry_set_perm)                                                                      \
    X(archive_entry_set_size)                                                                      \
    X(archive_entry_set_symlink)                                                                   \
    X(archive_entry_set_uid)                                                                       \
    X(archive_entry_size)                                                                          \
    X(archive_entry_symlink)                                                                       \
    X(archive_errno)                                                                               \
    X(archive_error_string)                                                                        \
    X(archive_filter_bytes)                                                                        \
    X(archive_read_append_filter)                                                                  \
    X(archive_read_data)                                                                           \
    X(archive_read_free)                                                                           \
    X(archive_read_new)                                                                            \
    X(archive_read_next_header)                                                                    \
    X(archive_read_open2)                                                                          \
    X(archive_read_support_format_tar)                                                             \
    X(archive_version_string)                                                                      \
    X(archive_write_add_filter_gzip)                                                               \
    X(archive_write_add_filter_zstd)                                                               \
    X(archive_write_close)                                                                         \
    X(archive_write_data)                                                                          \
    X(archive_write_fail)                                                                          \
    X(archive_write_free)                                                                          \
    X(archive_write_header)                                                                        \
    X(archive_write_new)                                                                           \
    X(archive_write_open)                                                                          \
    X(archive_write_set_bytes_per_block)                                                           \
    X(archive_write_set_filter_option)                                                             \
    X(archive_write_set_format_pax_restricted)                                                     \
    X(archive_write_set_format_raw)

struct sk_archive_api {
#define SK_ARCHIVE_SLOT(name) __typeof__(name) *name;
    SK_ARCHIVE_TABLE(SK_ARCHIVE_SLOT)
#undef SK_ARCHIVE_SLOT
};

/* The library, loaded by the first call of the process and never unloaded. NULL: err says what to
 * install. Threads: any. */
const struct sk_archive_api *sk_archive(struct sk_err *err);
/* Fills a table from the first of the names (NULL-terminated) that dlopen finds. */
int sk_archive_load(const char *const *names, struct sk_archive_api *out,
                    struct sk_err *err) SK_CHECK;

/* libarchive converts names by the thread's locale. Ours are UTF-8 whatever the environment says,
 * from SK_ARCHIVE_UTF8() to the end of its scope. */
locale_t sk_archive_utf8(void);
void sk_archive_locale_back(locale_t *before);
#define SK_ARCHIVE_UTF8()                                                                          \
    __attribute__((unused)) SK_AUTO(sk_archive_locale_back)                                        \
        locale_t locale_before_ = sk_archive_utf8()

/* libarchive's reason, with the code that its errno means; returns -1. */
int sk_archive_fail(const struct sk_archive_api *lib, struct archive *a, struct sk_err *err);

/* The name as it may be used: relative, without empty and "." parts; "" for the root itself. *out:
 * free(). SK_INVALID, SK_LIMIT. */
int sk_tar_clean(const char *raw, char **out, struct sk_err *err) SK_CHECK;

/* For error texts: at most 120 bytes, '?' for what is not printable. */
enum {
    SK_TAR_SHOWN_BYTES = 128
};

const char *sk_tar_shown(const char *name, char out[SK_TAR_SHOWN_BYTES]);

#endif
