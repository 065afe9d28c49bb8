/*
 * catalog.h - a hub's registered models as the commands use them: a bundle becomes a version, a
 * version becomes a folder.
 *
 * Registering reads the bundle (bundle.h), so that what cannot be served is refused here and not on
 * a ship; files go up by digest, those that the hub has are skipped; the version appears with all
 * of them or not at all, and trying again gives the same version. Downloading checks every digest,
 * goes on where it was cut, and the folder appears whole.
 *
 * Errors: those of remote.h and bundle.h. Threads: one per remote.
 */
#ifndef SK_CATALOG_CATALOG_H
#define SK_CATALOG_CATALOG_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "bundle/bundle.h"
#include "remote/remote.h"
#include "json/json.h"

#include <stddef.h>
#include <stdint.h>

/* ---- the files of a bundle ---- */

struct sk_catalog_file {
    char *name; /* below the folder, with '/' */
    char *path;
    char digest[72]; /* "sha256:..." */
    uint64_t size;
};

struct sk_catalog_files {
    struct sk_catalog_file *items; /* by name */
    size_t count;
    uint64_t bytes;
};

/* Of a folder: every regular file but hidden ones and a training's checkpoint; of a lone .onnx:
 * itself and its external data. Links are followed to files within the folder only. Hashes
 * them: 1 to 2 GB/s. */
int sk_catalog_files_read(const char *bundle, struct sk_catalog_files *out,
                          struct sk_err *err) SK_CHECK;
void sk_catalog_files_done(struct sk_catalog_files *f);
/* The file at path goes as `name`, whether there was one of that name or not. */
int sk_catalog_files_put(struct sk_catalog_files *f, const char *name, const char *path,
                         struct sk_err *err) SK_CHECK;
/* The digest of all, as models.h defines it: "sha256:...". */
int sk_catalog_digest(const struct sk_catalog_files *f, char out[72], struct sk_err *err) SK_CHECK;

/* ---- versions ---- */

struct sk_catalog_new {
    const char *bundle;
    const char *settings;    /* file that goes along as skerry.json; NULL: its own */
    const char *name;        /* NULL: the bundle's */
    const char *description; /* NULL: the bundle's */
    const char *type;        /* "custom_model" */
    const char *parent;      /* NAME:VERSION that it was trained from; NULL: none */
    const char *run_id;      /* NULL: none */
    const char *const *tags; /* "key=value" */
    size_t tag_count;
};

/* What is kept of a bundle beside its files, as JSON: type, format, size, inputs, outputs, labels,
 * preprocessing, training and evaluation (of training.json), lineage. b: n->bundle, opened. */
int sk_catalog_describe(const struct sk_catalog_new *n, const struct sk_bundle *b,
                        struct sk_buf *out, struct sk_err *err) SK_CHECK;
/* A name that can be part of a URL: not "", "." or "..". What else the hub refuses, it says. */
int sk_catalog_check_name(const char *name, struct sk_err *err) SK_CHECK;
/* *out: the version; sk_json_free. */
int sk_catalog_register(struct sk_remote *r, const struct sk_catalog_new *n,
                        sk_remote_progress *progress, void *ctx, struct sk_json **out,
                        struct sk_err *err) SK_CHECK;
/* NAME, NAME:3, NAME@champion, NAME@sha256:...: the version. */
int sk_catalog_resolve(struct sk_remote *r, const char *reference, struct sk_json **out,
                       struct sk_err *err) SK_CHECK;
/* Makes the folder `dir`, which must not exist; what an earlier try left beside it is used.
 * *out (may be NULL): the version. */
int sk_catalog_download(struct sk_remote *r, const char *reference, const char *dir,
                        sk_remote_progress *progress, void *ctx, struct sk_json **out,
                        struct sk_err *err) SK_CHECK;

#endif
