/*
 * pack.h - a model becomes a container image: base layer, model layer, config, manifest.
 *
 * The base layer has the program, the libraries that `skerry serve` needs (found by walking the
 * dynamic section as the loader would), ONNX Runtime, certificates' folder, passwd, and is cached
 * by the digest of its contents; the model layer has the bundle below /models/<name>. Nothing in
 * the image depends on the time or the machine's names, so the same input gives the same digest.
 *
 * The model layer is an uncompressed tar (weights do not compress, and a device reads it in place);
 * the base layer is gzip. Errors: SK_INVALID (a model, a platform), SK_NOT_FOUND (a library:
 * which), SK_IO. Threads: one.
 */
#ifndef SK_PACK_PACK_H
#define SK_PACK_PACK_H

#include "base/buf.h"
#include "base/err.h"
#include "oci/oci.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SK_PACK_BUNDLE_FORMAT = 1 /* label and config field skerry.bundle */
};

struct sk_pack_options {
    const char *bundle;  /* folder, or a lone .onnx file */
    const char *name;    /* of the model; NULL: the bundle's */
    const char *version; /* NULL: none */
    const char *digest;  /* of the registered version; NULL: computed from the files */
    const char *title, *description, *created; /* created: RFC 3339, NULL: 1970-01-01T00:00:00Z */
    const char *platform;                      /* NULL: this machine's */
    const char *base;          /* a base made for another CPU (OCI layout or archive); NULL: ours */
    const char *layout;        /* where the image goes: an OCI layout, made when missing */
    const char *tag;           /* in the layout */
    const char *const *labels; /* further "key=value", NULL-terminated; may be NULL */
    unsigned port;             /* 0: 5001 */
};

struct sk_pack_result {
    char manifest[SK_OCI_DIGEST_TEXT], config[SK_OCI_DIGEST_TEXT];
    char base_layer[SK_OCI_DIGEST_TEXT], model_layer[SK_OCI_DIGEST_TEXT];
    uint64_t base_bytes, base_unpacked_bytes, model_bytes;
    bool base_was_cached;
};

int sk_pack(const struct sk_pack_options *opts, struct sk_pack_result *out,
            struct sk_err *err) SK_CHECK;
/* The base's files, sorted: each(ctx, path in the image, bytes). */
int sk_pack_base_list(int (*each)(void *ctx, const char *path, uint64_t size, struct sk_err *err),
                      void *ctx, struct sk_err *err) SK_CHECK;
/* Only the base, as a layout: what `base` above takes on another machine. */
int sk_pack_base(const char *layout, struct sk_pack_result *out, struct sk_err *err) SK_CHECK;
/* An image of a layout as one file: an OCI archive, or what `docker load` takes (with names). */
int sk_pack_archive(const char *layout, const char *digest, const char *name_tag, bool docker,
                    const char *file, struct sk_err *err) SK_CHECK;

#endif
