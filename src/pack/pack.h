/*
 * pack.h - a model becomes a container image: base layer, model layer, config, manifest.
 *
 * The base layer has the program, the libraries that `skerry serve` needs (found by walking the
 * dynamic sections as the loader would), ONNX Runtime, passwd with an unprivileged user, /tmp and
 * /models; no shell. It is cached by the digest of its contents. The model layer has the bundle
 * below /models/<name>. Nothing in the image depends on the time, the folder, the umask or the
 * machine's name, so the same input gives the same digest.
 *
 * The model layer is an uncompressed tar (weights do not compress, and a device reads it in place);
 * the base layer is gzip. Layers carry the annotation skerry.layer: "base" or "model".
 *
 * Errors: SK_INVALID (a model, a platform, a label, a base), SK_NOT_FOUND (a library: which),
 * SK_CORRUPT, SK_IO, SK_UNSUPPORTED (no libarchive). Threads: one.
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
    SK_PACK_BUNDLE_FORMAT = 1, /* label skerry.bundle */
    SK_PACK_PORT = 5001,
    SK_PACK_UID = 10001,
    SK_PACK_FILES = 10000, /* of a bundle */
    SK_PACK_FOLDERS = 8    /* how deep */
};

/* What a base of this machine is made of. */
struct sk_pack_own {
    const char *program;     /* NULL: the running one */
    const char *onnxruntime; /* the library that the engine would load */
};

struct sk_pack_options {
    const char *bundle;   /* folder, or a lone .onnx file */
    const char *settings; /* file that goes along as its skerry.json; NULL: its own */
    const char *name;     /* of the model; NULL: the bundle's */
    const char *version;  /* NULL: none */
    const char *digest;   /* "sha256:..." of the registered version; NULL: computed */
    uint64_t signature;   /* sk_bundle_signature() before `digest` was computed; 0: changes go
                             unnoticed */
    const char *title, *description, *created; /* created: RFC 3339, NULL: 1970-01-01T00:00:00Z */
    const char *platform;                      /* "linux/arm64"; NULL: the base's */
    struct sk_pack_own own;
    const char *base;          /* one made elsewhere (OCI layout or archive); NULL: ours */
    const char *layout;        /* where the image goes: an OCI layout, made when missing */
    const char *tag;           /* in the layout; NULL: none */
    const char *const *labels; /* further "key=value", NULL-terminated; may be NULL */
    unsigned port;             /* 0: SK_PACK_PORT */
};

struct sk_pack_result {
    char manifest[SK_OCI_DIGEST_TEXT], config[SK_OCI_DIGEST_TEXT];
    char base_layer[SK_OCI_DIGEST_TEXT], model_layer[SK_OCI_DIGEST_TEXT]; /* model "": none */
    char model_digest[SK_OCI_DIGEST_TEXT];                                /* of the label */
    char platform[64];
    char model_path[192]; /* in the image: "/models/NAME" */
    uint64_t base_bytes, base_unpacked_bytes, model_bytes;
    bool base_was_cached;
};

int sk_pack(const struct sk_pack_options *opts, struct sk_pack_result *out,
            struct sk_err *err) SK_CHECK;

/* The files of our base, sorted: each(ctx, path in the image, bytes). */
typedef int sk_pack_each(void *ctx, const char *path, uint64_t size, struct sk_err *err);
int sk_pack_base_list(const struct sk_pack_own *own, sk_pack_each *each, void *ctx,
                      struct sk_err *err) SK_CHECK;
/* Only the base, as a layout: what `base` above takes on another machine. */
int sk_pack_base(const struct sk_pack_own *own, const char *layout, const char *tag,
                 struct sk_pack_result *out, struct sk_err *err) SK_CHECK;

/* An image of a layout as one file. name_tag: "REPO:TAG" as `docker images` shows it. Every such
 * file is an OCI archive, with the image's signature when the layout has it (sign.h); with docker
 * it also has the manifest.json that `docker load` reads. */
int sk_pack_archive(const char *layout, const char *digest, const char *name_tag, bool docker,
                    const char *file, struct sk_err *err) SK_CHECK;

#endif
