/*
 * oci_priv.h - between names.c (what may be a name, a tag, a digest), ref.c, manifest.c,
 * challenge.c (what a registry asks for), docker_config.c (what the user has stored), auth.c (what
 * is sent), registry.c (one request), content.c, upload.c, download.c, layout.c and transfer.c
 * (whole images).
 */
#ifndef SK_OCI_OCI_PRIV_H
#define SK_OCI_OCI_PRIV_H

#include "oci/oci.h"

#include "base/str.h"
#include "fetch/fetch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SK_OCI_ITEMS_MAX = 1024,     /* layers of a manifest, manifests of an index */
    SK_OCI_JSON_VALUES = 200000, /* in a manifest, an index, an answer */
    SK_OCI_JSON_DEPTH = 32,
    SK_OCI_ANSWER_BYTES = 4 << 20, /* a page of tags, an index of referrers, a token's answer */
    SK_OCI_PAGES_MAX = 1000,       /* of one list */
    SK_OCI_TOKENS_MAX = 16         /* kept at once */
};

#define SK_OCI_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define SK_OCI_DOCKER_LIST     "application/vnd.docker.distribution.manifest.list.v2+json"

/* ---- names.c ---- */

/* One of crypto.h. */
bool sk_oci_is_digest(struct sk_view v);
/* NAME, NAME:PORT, IPv4, [IPv6]:PORT */
bool sk_oci_is_host(struct sk_view v);
/* TYPE/SUBTYPE of RFC 6838 */
bool sk_oci_is_media_type(struct sk_view v);

/* ---- url.c ---- */

/* What a Location or Link says, relative to the address it came from. *out: free(). */
int sk_oci_resolve(const char *base, const char *reference, char **out,
                   struct sk_err *err) SK_CHECK;
/* Scheme, host and port are the same. False when in doubt. */
bool sk_oci_same_origin(const char *a, const char *b);
/* localhost, 127.0.0.0/8, [::1]; with or without a port */
bool sk_oci_is_loopback(const char *host);
/* Appends "?name=value", or "&name=value" when the address has a query. */
void sk_oci_add_query(struct sk_buf *url, const char *name, const char *value);

/* ---- challenge.c ---- */

enum sk_oci_scheme {
    SK_OCI_NO_SCHEME,
    SK_OCI_BASIC,
    SK_OCI_BEARER
};

/* What a registry asks for (RFC 7235, RFC 6750). */
struct sk_oci_challenge {
    enum sk_oci_scheme scheme;
    char realm[1024], service[256], scope[1024];
};

/* From all lines "www-authenticate: ..." of an answer's headers; Bearer goes before Basic. A value
 * that is too long or broken makes its challenge one that is not there. */
void sk_oci_challenge_read(const char *headers, struct sk_oci_challenge *out);

/* ---- docker_config.c ---- */

/* What ~/.docker/config.json and its helpers hold for a host; all NULL: nothing. */
struct sk_oci_login {
    char *username, *password;
    char *identity_token; /* traded for tokens at the realm */
    char *registry_token; /* sent as bearer as it is */
};

int sk_oci_login_find(const char *host, struct sk_oci_login *out, struct sk_err *err) SK_CHECK;
void sk_oci_login_done(struct sk_oci_login *l);

/* ---- helper.c ---- */

/* Runs "docker-credential-NAME get" for a server. *out->username NULL: it has none. */
int sk_oci_helper_get(const char *name, const char *server, struct sk_oci_login *out,
                      struct sk_err *err) SK_CHECK;

/* ---- registry.c, auth.c ---- */

struct sk_oci_token {
    char *scope, *text;
    uint64_t until_ms; /* monotonic */
};

struct sk_oci_registry {
    struct sk_fetch *client; /* with second tries */
    struct sk_fetch *once;   /* without: for what must not be repeated blindly */
    char *host;
    char *base; /* "https://host:5000" */
    char *mount_from;
    char *fixed_token; /* the caller's, or the file's registrytoken */
    struct sk_oci_login login;
    struct sk_oci_challenge challenge; /* the last one */
    struct sk_oci_token tokens[SK_OCI_TOKENS_MAX];
    size_t token_count;
    uint64_t chunk_bytes;
    bool (*progress)(void *ctx, const char *what, uint64_t done, uint64_t total);
    void *ctx;
};

/* One request to the registry, or to an address it named. Secrets go to r->base's origin only. */
struct sk_oci_request {
    const char *method; /* NULL: GET */
    const char *url;
    const char *scope;          /* "repository:x:pull", for a token */
    const char *more_scope;     /* a second one, NULL: none */
    const char *const *headers; /* NULL-terminated, at most SK_OCI_HEADERS_MAX; may be NULL */
    const void *body;
    size_t body_len;
    const char *body_path; /* as in fetch */
    uint64_t body_offset;
    uint64_t range_from;
    bool only_once; /* no second try, neither by fetch nor by libcurl */
    int (*sink)(void *ctx, const void *bytes, size_t len, struct sk_err *err);
    bool (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *ctx;
};

enum {
    SK_OCI_HEADERS_MAX = 6
};

/* As sk_fetch_do; errors carry the registry's own code and words. Without a progress of its own the
 * request can be stopped by the registry's. */
int sk_oci_call(struct sk_oci_registry *r, const struct sk_oci_request *q,
                struct sk_fetch_answer *a, struct sk_err *err) SK_CHECK;

/* The header "Authorization: ..." for a scope, as far as it is known what the registry wants; *out
 * NULL: none. Fetches a token when one is needed. */
int sk_oci_authorize(struct sk_oci_registry *r, const struct sk_oci_request *q, char **out,
                     struct sk_err *err) SK_CHECK;
/* After a 401: takes note of what is asked for, forgets the token that was refused.
 * SK_UNAUTHENTICATED: nothing more can be tried. */
int sk_oci_challenged(struct sk_oci_registry *r, const struct sk_oci_request *q,
                      const struct sk_fetch_answer *a, bool is_second, struct sk_err *err) SK_CHECK;
void sk_oci_tokens_clear(struct sk_oci_registry *r);

/* False: the caller wants to stop. */
bool sk_oci_tell(const struct sk_oci_registry *r, const char *what, uint64_t done, uint64_t total);
/* Sleeps, asking the caller now and then. */
int sk_oci_pause(const struct sk_oci_registry *r, const char *what, uint64_t ms,
                 struct sk_err *err) SK_CHECK;
/* "repository:NAME:ACTIONS"; out has 300 bytes. */
const char *sk_oci_scope(const char *repository, const char *actions, char out[300]);
/* BASE/v2/REPOSITORY/what, malloc'd; SK_INVALID when the name is none. */
int sk_oci_url(const struct sk_oci_registry *r, const char *repository, const char *what,
               char **out, struct sk_err *err) SK_CHECK;

/* ---- upload.c ---- */

/* Whether the repository has the blob now, without bytes from here. */
int sk_oci_mount_blob(struct sk_oci_registry *r, const char *repository, const char *digest,
                      const char *mount_from, bool *is_there, struct sk_err *err) SK_CHECK;

/* ---- transfer.c ---- */

enum {
    SK_OCI_DEPTH_MAX = 3 /* indexes within indexes */
};

/* A manifest, fetched and read. */
struct sk_oci_got {
    char *bytes;
    size_t len;
    char digest[SK_OCI_DIGEST_TEXT];
    struct sk_oci_manifest m;
};

void sk_oci_got_done(struct sk_oci_got *g);
/* SK_CORRUPT when the registry calls it something else than it is. */
int sk_oci_get_parsed(struct sk_oci_registry *r, const char *repository, const char *reference,
                      struct sk_oci_got *out, struct sk_err *err) SK_CHECK;
/* Puts a manifest under a tag, or under its digest when tag is NULL or "". A registry names by
 * sha256 what it gets under a tag, so what has a digest of another kind is put under that, too. */
int sk_oci_put_named(struct sk_oci_registry *r, const char *repository, const char *tag,
                     const struct sk_oci_got *g, struct sk_err *err) SK_CHECK;
/* Layers that a registry need not have (Windows' base layers): they have addresses of their own. */
bool sk_oci_is_foreign(const char *media_type);

/* ---- platform.c ---- */

struct sk_oci_platform {
    char os[32], architecture[32], variant[32];
};

int sk_oci_platform_parse(const char *text, struct sk_oci_platform *out,
                          struct sk_err *err) SK_CHECK;
/* This machine's. */
void sk_oci_platform_own(struct sk_oci_platform *out);
bool sk_oci_platform_fits(const struct sk_oci_platform *wish, const char *os,
                          const char *architecture, const char *variant);
void sk_oci_platform_print(const struct sk_oci_platform *p, char out[100]);

/* The first 12 digits, for people. */
const char *sk_oci_short(const char *digest, char out[16]);

#endif
