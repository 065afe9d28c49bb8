/*
 * hf_priv.h - between spec.c (what was asked for), env.c (the user's settings), cache.c (the folder
 * shared with Python), hub.c (what the hub says about a file), download.c (its bytes) and hf.c (the
 * order of all that).
 */
#ifndef SK_HF_HF_PRIV_H
#define SK_HF_HF_PRIV_H

#include "base/cleanup.h"
#include "fetch/fetch.h"
#include "hf/hf.h"

#include <stddef.h>

enum {
    SK_HF_COMMIT_HEX = 41,
    SK_HF_NAME_MAX = 96,      /* of an owner and of a name: the hub's own rule */
    SK_HF_REVISION_MAX = 250, /* one file name below refs/ */
    SK_HF_ETAG_MAX = 200,
};

/* ---- spec.c ---- */

struct sk_hf_spec {
    char *repo; /* "OWNER/NAME", or "NAME" */
    char *revision;
    bool is_commit; /* the revision is a full commit */
};

int sk_hf_spec_parse(const char *text, struct sk_hf_spec *out, struct sk_err *err) SK_CHECK;
void sk_hf_spec_done(struct sk_hf_spec *s);
/* 40 lower-case hex digits */
bool sk_hf_is_commit(const char *text);
/* Components without "", "." and "..", no control characters: safe below a folder. */
bool sk_hf_is_safe_path(const char *path);
/* An entity tag as the name of a blob. */
bool sk_hf_is_safe_etag(const char *etag);

/* ---- env.c ---- */

struct sk_hf_env {
    char *endpoint;         /* without a slash at the end */
    char *cache;            /* the hub folder */
    char *token;            /* NULL: none */
    char *token_from;       /* "HF_TOKEN", or the path of the file */
    const char *offline_by; /* name of the variable that forbids the network; NULL: none does */
    uint64_t connect_ms, stall_ms;
};

int sk_hf_env_read(struct sk_hf_env *out, struct sk_err *err) SK_CHECK;
void sk_hf_env_done(struct sk_hf_env *e);

/* ---- hub.c ---- */

/* What the hub says about one file of one revision. */
struct sk_hf_meta {
    char commit[SK_HF_COMMIT_HEX];
    char etag[SK_HF_ETAG_MAX + 1]; /* normalised: the blob's name */
    uint64_t size;
    bool has_size;
    bool is_direct; /* the hub sends the bytes itself, under this tag */
};

enum sk_hf_found {
    SK_HF_FOUND,   /* meta */
    SK_HF_NO_FILE, /* meta->commit, when the hub named it, else "" */
    SK_HF_FINAL,   /* err: nothing that a cached copy would answer (no such revision) */
    SK_HF_UNKNOWN, /* err: a cached copy will do */
};

/* "ENDPOINT/REPO/resolve/REVISION/FILE"; NULL: out of memory. */
char *sk_hf_url(const struct sk_hf_env *env, const char *repo, const char *revision,
                const char *file);
enum sk_hf_found sk_hf_ask(struct sk_fetch *client, const struct sk_hf_env *env,
                           const struct sk_hf_spec *spec, const char *file,
                           const struct sk_hf_options *opts, struct sk_hf_meta *meta,
                           struct sk_err *err);
/* Reads the headers of the answer to a HEAD; false when they are not those of a hub. */
bool sk_hf_read_meta(const struct sk_fetch_answer *a, struct sk_hf_meta *meta);

/* ---- cache.c ---- */

/* Parts joined by '/', NULL at the end; NULL: out of memory. */
char *sk_hf_join(const char *first, ...) __attribute__((sentinel));

/* The folder of one repository: CACHE/models--OWNER--NAME. */
char *sk_hf_repo_dir(const char *cache, const char *repo);
/* The commit that refs/REVISION names, or the revision when it is one; "": none. */
int sk_hf_cached_commit(const char *repo_dir, const struct sk_hf_spec *spec, char *commit,
                        struct sk_err *err) SK_CHECK;
/* *path: snapshots/COMMIT/FILE when it leads to a file (of `size` bytes, unless NULL), else NULL.
 */
int sk_hf_cached_file(const char *repo_dir, const char *commit, const char *file,
                      const uint64_t *size, char **path, struct sk_err *err) SK_CHECK;
/* .no_exist/COMMIT/FILE; writing it is not vital. */
bool sk_hf_is_absent(const char *repo_dir, const char *commit, const char *file);
void sk_hf_note_absent(const char *repo_dir, const char *commit, const char *file);
/* refs/REVISION, when it says something else. */
int sk_hf_write_ref(const char *repo_dir, const char *revision, const char *commit,
                    struct sk_err *err) SK_CHECK;
/* Points snapshots/COMMIT/FILE to blobs/ETAG. */
int sk_hf_link(const char *repo_dir, const char *commit, const char *file, const char *etag,
               struct sk_err *err) SK_CHECK;
/* Waits for CACHE/.locks/REPO/ETAG.lock; *fd is -1 where the file system has no locks. */
int sk_hf_lock(const char *cache, const char *repo_dir, const char *etag,
               const struct sk_hf_options *opts, const char *file, int *fd,
               struct sk_err *err) SK_CHECK;

/* ---- download.c ---- */

struct sk_hf_download {
    struct sk_fetch *client;
    const struct sk_hf_env *env;
    const char *repo, *file;
    const struct sk_hf_meta *meta;
    const struct sk_hf_options *opts;
    const char *blob; /* where it goes; the file beside it, ".incomplete", is resumed */
};

int sk_hf_download(const struct sk_hf_download *d, struct sk_err *err) SK_CHECK;

#endif
