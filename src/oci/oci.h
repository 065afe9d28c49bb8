/*
 * oci.h - container images as a client sees them: references, manifests, registries, layouts.
 *
 * Works with every registry that speaks the OCI distribution specification 1.1 (Docker's
 * registry:2, ours, the public ones): token and basic authentication, names and secrets from
 * ~/.docker/config.json (DOCKER_CONFIG; credential helpers), chunked and resumed uploads, mounts,
 * downloads that go on by range after a cut. Nothing is used before its digest was checked.
 *
 * Errors: those of fetch.h; SK_INVALID (a reference, a manifest), SK_CORRUPT (a digest or a size
 * that does not fit), SK_LIMIT. Threads: a registry belongs to one thread.
 */
#ifndef SK_OCI_OCI_H
#define SK_OCI_OCI_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "crypto/crypto.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SK_OCI_DIGEST_TEXT = SK_DIGEST_TEXT,
    SK_OCI_MANIFEST_MAX = 4 << 20
};

#define SK_OCI_MANIFEST   "application/vnd.oci.image.manifest.v1+json"
#define SK_OCI_INDEX      "application/vnd.oci.image.index.v1+json"
#define SK_OCI_CONFIG     "application/vnd.oci.image.config.v1+json"
#define SK_OCI_LAYER      "application/vnd.oci.image.layer.v1.tar"
#define SK_OCI_LAYER_GZIP "application/vnd.oci.image.layer.v1.tar+gzip"

/* ---- names: the grammar of the distribution specification ---- */
/* At most 255 bytes. Neither can leave its place in a path. */
bool sk_oci_is_repository(struct sk_view v);
bool sk_oci_is_tag(struct sk_view v); /* at most 128 bytes */

/* ---- references: [HOST[:PORT]/]NAME[:TAG][@DIGEST] ---- */
struct sk_oci_ref {
    char host[256];       /* "docker.io" when none was given; "localhost:5000" */
    char repository[256]; /* "library/x" for a bare name on docker.io */
    char tag[129];        /* "latest" when neither tag nor digest was given, "" beside a digest */
    char digest[SK_OCI_DIGEST_TEXT]; /* "" when absent */
};

/* default_host: for names without a host (a hub that one is logged in to); NULL: docker.io. The
 * first part is a host when it has a '.' or ':' or is "localhost". */
int sk_oci_ref_parse(const char *text, const char *default_host, struct sk_oci_ref *out,
                     struct sk_err *err) SK_CHECK;
void sk_oci_ref_print(const struct sk_oci_ref *ref, struct sk_buf *out);

/* ---- manifests ---- */
struct sk_oci_descriptor {
    char media_type[128];
    char digest[SK_OCI_DIGEST_TEXT];
    uint64_t size;
    char architecture[32], os[32], variant[32]; /* of an index's entries; "" otherwise */
    char artifact_type[128];                    /* likewise: entries of referrers have it */
    char *annotations;                          /* JSON object or NULL */
};

struct sk_oci_manifest {
    char media_type[128];
    bool is_index;
    char artifact_type[128];          /* "" */
    char subject[SK_OCI_DIGEST_TEXT]; /* "" */
    struct sk_oci_descriptor config;  /* media_type "" in an index */
    struct sk_oci_descriptor *items;  /* layers, or the manifests of an index */
    size_t count;
    char *annotations; /* JSON object or NULL */
};

/* OCI and Docker schema 2. SK_INVALID says where. At most 1,024 items. */
int sk_oci_manifest_parse(const char *bytes, size_t len, struct sk_oci_manifest *out,
                          struct sk_err *err) SK_CHECK;
void sk_oci_manifest_done(struct sk_oci_manifest *m);

/* ---- a registry ---- */
struct sk_oci_registry;

struct sk_oci_options {
    const char *host;                /* of a reference */
    const char *ca_file;             /* NULL: the system's */
    const char *username, *password; /* NULL: of ~/.docker/config.json, or none */
    const char *token;               /* sent as bearer at once; NULL: none */
    /* http; without it only for localhost and 127.0.0.0/8 when https is refused, and no token given
     */
    bool plain_http;
    unsigned retries;
    const char *mount_from; /* a repository of the same registry that sk_oci_push may mount from */
    uint64_t chunk_bytes;   /* of an upload in pieces; 0: 64 MiB */
    /* false stops (SK_CANCELLED). what: of a blob, "upload 0123456789ab" or "download ..."; NULL:
     * it is only asked whether to go on. May be NULL. */
    bool (*progress)(void *ctx, const char *what, uint64_t done, uint64_t total);
    void *ctx;
    /* What sk_fetch_options.waiting is, with a NULL ctx. NULL: none. */
    void (*waiting)(void *ctx, const char *host, bool is_waiting);
};

int sk_oci_registry_new(const struct sk_oci_options *opts, struct sk_oci_registry **out,
                        struct sk_err *err) SK_CHECK;
void sk_oci_registry_free(struct sk_oci_registry *r);
SK_DEFINE_OWN(struct sk_oci_registry, sk_oci_registry_free);

/* The exact bytes (malloc'd) of a manifest by tag or digest; digest receives theirs, checked when
 * `reference` is one. SK_NOT_FOUND. */
int sk_oci_get_manifest(struct sk_oci_registry *r, const char *repository, const char *reference,
                        char **bytes, size_t *len, char media_type[128],
                        char digest[SK_OCI_DIGEST_TEXT], struct sk_err *err) SK_CHECK;
int sk_oci_put_manifest(struct sk_oci_registry *r, const char *repository, const char *reference,
                        const char *media_type, const char *bytes, size_t len,
                        struct sk_err *err) SK_CHECK;
int sk_oci_delete_manifest(struct sk_oci_registry *r, const char *repository, const char *reference,
                           struct sk_err *err) SK_CHECK;
int sk_oci_has_blob(struct sk_oci_registry *r, const char *repository, const char *digest,
                    bool *has, struct sk_err *err) SK_CHECK;
/* Into a file `path`: what is there of an earlier try (path + ".part") is gone on from; the file
 * appears when digest and size are right. */
int sk_oci_get_blob(struct sk_oci_registry *r, const char *repository, const char *digest,
                    uint64_t size, const char *path, struct sk_err *err) SK_CHECK;
/* A small one in memory, through a file that is gone when this returns; more than max is SK_LIMIT.
 * *out: free(); NUL-terminated behind len. */
int sk_oci_read_blob(struct sk_oci_registry *r, const char *repository,
                     const struct sk_oci_descriptor *blob, size_t max, char **out, size_t *len,
                     struct sk_err *err) SK_CHECK;
/* Uploads a file unless the registry has it or can mount it from mount_from (NULL: none). A cut
 * connection is gone on from where the registry says. */
int sk_oci_put_blob(struct sk_oci_registry *r, const char *repository, const char *digest,
                    uint64_t size, const char *path, const char *mount_from,
                    struct sk_err *err) SK_CHECK;
typedef int sk_oci_each(void *ctx, const char *name, struct sk_err *err);
int sk_oci_tags(struct sk_oci_registry *r, const char *repository, sk_oci_each *each, void *ctx,
                struct sk_err *err) SK_CHECK;
int sk_oci_catalog(struct sk_oci_registry *r, sk_oci_each *each, void *ctx,
                   struct sk_err *err) SK_CHECK;
/* The index of manifests that refer to a digest; falls back to the tag sha256-HEX (64 digits at
 * most). *out: free(). */
int sk_oci_referrers(struct sk_oci_registry *r, const char *repository, const char *digest,
                     char **out, size_t *len, struct sk_err *err) SK_CHECK;

/* ---- layouts: a folder with oci-layout, index.json, blobs/sha256/... ---- */
/* Makes one or opens what is there. */
int sk_oci_layout_make(const char *dir, struct sk_err *err) SK_CHECK;
/* Path of a blob in it; malloc'd. */
char *sk_oci_layout_blob(const char *dir, const char *digest);
/* Adds (or moves) a tag to a manifest whose blobs are there. tag NULL: without a name. */
int sk_oci_layout_tag(const char *dir, const char *tag, const char *media_type, const char *digest,
                      uint64_t size, struct sk_err *err) SK_CHECK;
/* The manifest of a tag (NULL: the only one, signatures apart). */
int sk_oci_layout_find(const char *dir, const char *tag, char media_type[128],
                       char digest[SK_OCI_DIGEST_TEXT], struct sk_err *err) SK_CHECK;

/* An image (all that its manifest names) from a layout to a registry and back. */
int sk_oci_push(struct sk_oci_registry *r, const char *layout, const char *digest,
                const struct sk_oci_ref *to, struct sk_err *err) SK_CHECK;
/* platform "linux/amd64", NULL: this machine's, "all": an index stays one; of an index the fitting
 * manifest is taken. want: the digest that the manifest or index of the reference must have (a
 * verified signature's), NULL: any. digest: of what the layout has now, under the reference's tag.
 */
int sk_oci_pull(struct sk_oci_registry *r, const struct sk_oci_ref *from, const char *platform,
                const char *want, const char *layout, char digest[SK_OCI_DIGEST_TEXT],
                struct sk_err *err) SK_CHECK;
/* Only the manifest, chosen likewise. *bytes: free(). */
int sk_oci_find_image(struct sk_oci_registry *r, const struct sk_oci_ref *from,
                      const char *platform, const char *want, char **bytes, size_t *len,
                      char digest[SK_OCI_DIGEST_TEXT], struct sk_err *err) SK_CHECK;

/* An image of the registry under another name in it: blobs are mounted, then the manifest is put.
 * SK_UNSUPPORTED: the registry does not mount. digest: of the image. */
int sk_oci_copy(struct sk_oci_registry *r, const struct sk_oci_ref *from,
                const struct sk_oci_ref *to, char digest[SK_OCI_DIGEST_TEXT],
                struct sk_err *err) SK_CHECK;

#endif
