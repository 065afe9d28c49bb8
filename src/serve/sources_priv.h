/*
 * sources_priv.h - what lies in the folders that are served: names, versions, places.
 */
#ifndef SK_SERVE_SOURCES_PRIV_H
#define SK_SERVE_SOURCES_PRIV_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* In a list made by sk_sources_scan the texts belong to the list. */
struct sk_source {
    const char *name; /* NULL: the bundle's own name */
    const char *version;
    const char *path;
    uint64_t signature;
};

struct sk_sources {
    struct sk_source *items;
    size_t count, cap;
};

/* Each path is a bundle, an .onnx file, or a folder of: bundles, .onnx files, and NAME/<digits>/
 * bundles. A folder without any model is SK_NOT_FOUND. */
int sk_sources_scan(char *const *paths, size_t count, struct sk_sources *out,
                    struct sk_err *err) SK_CHECK;
void sk_sources_done(struct sk_sources *s);
const struct sk_source *sk_sources_find(const struct sk_sources *s, const char *path);

#endif
