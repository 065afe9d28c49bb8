/*
 * pack_priv.h - between
 *
 *     elf.c      what an ELF file needs, and what of it is loaded
 *     loader.c   where the loader finds a library; everything a program maps
 *     base.c     the base layer: entries, key, tar
 *     cache.c    bases that were made before
 *     foreign.c  a base made elsewhere
 *     model.c    the files of a bundle that go into the image
 *     labels.c   labels and annotations
 *     config.c   the image's config and manifest
 *     blob.c     contents by digest in a layout
 *     pack.c     one image
 *     save.c     a layout as one file
 */
#ifndef SK_PACK_PACK_PRIV_H
#define SK_PACK_PACK_PRIV_H

#include "archive/archive.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "bundle/bundle.h"
#include "crypto/crypto.h"
#include "pack/pack.h"

/* ---- elf.c ---- */

enum {
    SK_ELF_NEEDED = 256
};

struct sk_elf {
    uint16_t machine; /* EM_... */
    bool is_64;
    char *interp; /* NULL: none */
    char *rpath;  /* DT_RUNPATH, else DT_RPATH; NULL: none */
    bool is_runpath;
    char **needed;
    size_t needed_count;
    uint64_t loaded_bytes; /* the part of the file that segments use */
};

/* SK_INVALID: not ELF, or not of this byte order; SK_CORRUPT: broken. */
int sk_elf_parse(const void *bytes, size_t len, struct sk_elf *out, struct sk_err *err) SK_CHECK;
int sk_elf_read(const char *path, struct sk_elf *out, struct sk_err *err) SK_CHECK;
void sk_elf_done(struct sk_elf *e);
/* The Go name of the machine: "amd64"; "" when it has none here. */
const char *sk_elf_architecture(const struct sk_elf *e);

/* Without sections, which only tools read: symbols and debug information are most of a program that
 * was built to be debugged. Writes the first header_cap bytes of that file and its size. */
enum {
    SK_ELF_HEADER = 64
};

int sk_elf_trim(const struct sk_map *map, unsigned char header[SK_ELF_HEADER], uint64_t *size,
                struct sk_err *err) SK_CHECK;

/* ---- loader.c ---- */

struct sk_pack_loader {
    struct sk_map cache;  /* ld.so.cache; empty: none */
    const char *env_path; /* LD_LIBRARY_PATH; NULL */
};

/* cache_path NULL: /etc/ld.so.cache; a missing one is fine. */
int sk_pack_loader_open(const char *cache_path, struct sk_pack_loader *out,
                        struct sk_err *err) SK_CHECK;
void sk_pack_loader_done(struct sk_pack_loader *l);
/* The path that ld.so.cache has for a name, fit for this machine; NULL. Borrowed from the map. */
const char *sk_pack_loader_cached(const struct sk_pack_loader *l, const char *name,
                                  const char *after);
/* The file that `name` means to the object at `path`. *out: free(). SK_NOT_FOUND. */
int sk_pack_loader_find(const struct sk_pack_loader *l, const char *name, const char *path,
                        const struct sk_elf *needs, char **out, struct sk_err *err) SK_CHECK;

struct sk_pack_library {
    char *name; /* as it is needed */
    char *path;
};

struct sk_pack_closure {
    char *interp; /* NULL: a static program */
    char architecture[32];
    struct sk_pack_library *items; /* in the order they were found */
    size_t count, cap;
};

/* All libraries that the objects need, directly or not. Each file counts once. */
int sk_pack_closure_add(const struct sk_pack_loader *l, const char *object,
                        struct sk_pack_closure *c, struct sk_err *err) SK_CHECK;
/* And the library `name`, which `object` opens when it runs. */
int sk_pack_closure_add_opened(const struct sk_pack_loader *l, const char *object, const char *name,
                               struct sk_pack_closure *c, struct sk_err *err) SK_CHECK;
void sk_pack_closure_done(struct sk_pack_closure *c);

/* ---- base.c ---- */

struct sk_pack_base_entry {
    char *name; /* in the image, without a slash in front */
    unsigned mode;
    bool is_dir, is_trimmed;
    char *path;       /* on this machine; NULL: text */
    const char *text; /* of small files */
    uint64_t size;
    char hex[SK_SHA256_HEX]; /* of files, as they are in the image */
};

struct sk_pack_base {
    struct sk_pack_base_entry *items; /* sorted by name */
    size_t count, cap;
    char architecture[32];
    uint64_t unpacked;
    char key[SK_SHA256_HEX]; /* of everything in it */
};

int sk_pack_base_collect(const struct sk_pack_own *own, struct sk_pack_base *out,
                         struct sk_err *err) SK_CHECK;
void sk_pack_base_done(struct sk_pack_base *b);

/* A layer of the image. */
struct sk_pack_layer {
    char media_type[64];
    char digest[SK_OCI_DIGEST_TEXT], diff_id[SK_OCI_DIGEST_TEXT];
    uint64_t bytes, unpacked;
};

/* The layer's gzip into a file, which is synced. */
int sk_pack_base_write(const struct sk_pack_base *b, const char *path, struct sk_pack_layer *out,
                       struct sk_err *err) SK_CHECK;

/* ---- cache.c ---- */

enum {
    SK_BASES_KEPT = 4
};

/* Finds or makes the layer; *path (free()) is its file. */
int sk_pack_cache_base(const struct sk_pack_base *b, struct sk_pack_layer *out, char **path,
                       bool *was_cached, struct sk_err *err) SK_CHECK;
/* A new folder below the cache for something that is put together; the caller removes it. */
int sk_pack_cache_scratch(char **out, struct sk_err *err) SK_CHECK;
/* Removes and frees it. For SK_AUTO. */
void sk_pack_cache_scratch_done(char **path);

/* ---- foreign.c ---- */

struct sk_pack_foreign {
    char *scratch; /* of an archive; NULL */
    char *path;    /* the layer's blob */
    char platform[64];
    struct sk_pack_layer layer;
};

int sk_pack_foreign_open(const char *base, struct sk_pack_foreign *out,
                         struct sk_err *err) SK_CHECK;
void sk_pack_foreign_done(struct sk_pack_foreign *f);

/* ---- model.c ---- */

struct sk_pack_model_file {
    char *name; /* in the bundle */
    char *path; /* without links */
};

struct sk_pack_model_files {
    struct sk_pack_model_file *items; /* sorted by name */
    size_t count, cap;
};

int sk_pack_model_collect(const char *path, const struct sk_bundle *b, const char *settings_file,
                          struct sk_pack_model_files *out, struct sk_err *err) SK_CHECK;
void sk_pack_model_files_done(struct sk_pack_model_files *f);

/* ---- labels.c ---- */

enum {
    SK_LABELS_MAX = 128
};

struct sk_pack_label {
    char *key, *value;
};

struct sk_pack_labels {
    struct sk_pack_label items[SK_LABELS_MAX]; /* sorted by key */
    size_t count;
};

/* A later one replaces an earlier; value NULL: nothing is done. */
int sk_pack_labels_set(struct sk_pack_labels *l, const char *key, const char *value,
                       struct sk_err *err) SK_CHECK;
/* "key=value" of a user; keys of ours are refused. */
int sk_pack_labels_user(struct sk_pack_labels *l, const char *text, struct sk_err *err) SK_CHECK;
void sk_pack_labels_done(struct sk_pack_labels *l);
void sk_pack_labels_json(const struct sk_pack_labels *l, struct sk_buf *out);

/* ---- config.c ---- */

struct sk_pack_image {
    const char *architecture, *created, *model_path; /* model_path NULL: a base alone */
    const struct sk_pack_labels *labels;
    const struct sk_pack_layer *layers; /* base, model */
    size_t layer_count;
    unsigned port;
};

void sk_pack_image_config(const struct sk_pack_image *image, struct sk_buf *out);
void sk_pack_image_manifest(const struct sk_pack_image *image, const char *config_digest,
                            size_t config_size, struct sk_buf *out);
/* "2026-11-28T23:00:00Z", as RFC 3339 has it. */
bool sk_pack_is_rfc3339(const char *text);

/* ---- blob.c ---- */

struct sk_pack_blob_out {
    struct sk_file_out file;
    struct sk_hash *hash;
    char *path; /* of the file while it has no digest */
    uint64_t size;
};

int sk_pack_blob_begin(const char *layout, struct sk_pack_blob_out *b, struct sk_err *err) SK_CHECK;
/* A sink for tar writers; ctx is the blob. */
int sk_pack_blob_put(void *ctx, const void *bytes, size_t len, struct sk_err *err) SK_CHECK;
int sk_pack_blob_end(struct sk_pack_blob_out *b, const char *layout,
                     char digest[SK_OCI_DIGEST_TEXT], struct sk_err *err) SK_CHECK;
void sk_pack_blob_done(struct sk_pack_blob_out *b);
int sk_pack_blob_bytes(const char *layout, const void *bytes, size_t len,
                       char digest[SK_OCI_DIGEST_TEXT], struct sk_err *err) SK_CHECK;
/* A file whose digest must be this one: SK_CORRUPT. */
int sk_pack_blob_copy(const char *layout, const char *path, const char *digest,
                      struct sk_err *err) SK_CHECK;

#endif
