/* zip_priv.h - the directory of a zip archive, and its stored entries. For this folder and its
 * tests. */
#ifndef SK_WEIGHTS_ZIP_PRIV_H
#define SK_WEIGHTS_ZIP_PRIV_H

#include "base/err.h"
#include "base/str.h"

enum {
    SK_ZIP_MAX_ENTRIES = 1 << 19 /* a checkpoint holds storages of optimisers too */
};

struct sk_zip_entry {
    struct sk_view name, data; /* borrowed from the archive */
    bool is_packed;            /* compressed or encrypted: data are not the contents */
};

struct sk_zip {
    struct sk_zip_entry *entries; /* sorted by name */
    size_t count;
};

bool sk_zip_is(const uint8_t *bytes, size_t len);
/* Errors: SK_CORRUPT, SK_LIMIT. *out: sk_zip_done. */
int sk_zip_open(const uint8_t *bytes, size_t len, struct sk_zip *out, struct sk_err *err) SK_CHECK;
void sk_zip_done(struct sk_zip *zip);
/* The entry named a followed by b, NULL: none. */
const struct sk_zip_entry *sk_zip_find(const struct sk_zip *zip, struct sk_view a,
                                       struct sk_view b);
/* Its contents; SK_NOT_FOUND when there is no such entry, SK_UNSUPPORTED when it is not stored. */
int sk_zip_read(const struct sk_zip *zip, struct sk_view a, struct sk_view b, struct sk_view *out,
                struct sk_err *err) SK_CHECK;

#endif
