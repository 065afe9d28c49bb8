/*
 * store.h - the hub's folder: one database and content-addressed blobs.
 *
 *     registry.db                    every table of registry, images, runs, accounts (schema/)
 *     blobs/sha256/ab/abcd...        the digest's hex digits; never changed once there
 *     blobs/sha512/ab/abcd...
 *     uploads/<id>-<scope>           what has come of an upload
 *     trash/                         what gc is about to unlink
 *     reserve                        room for deletions on a full disk
 *     tls/, owner.token              made by hub
 *     telemetry/, events/            journals of the hub, which no backup has
 *
 * Invariant: a row of `blob` stands for a whole, synced file of that digest and size. A blob's file
 * is linked into place, its folder synced, then its row is committed, all under the database's
 * write lock, so a file without a row is rubbish that gc may take under the same lock, and no
 * moment exists in which an acknowledged blob can be lost. Several processes may work on one
 * folder.
 *
 * Digests are texts of crypto.h, of any of its algorithms; bytes that came under two of them are
 * two blobs. Errors: those of db.h; SK_NOT_FOUND; SK_CORRUPT (a blob whose bytes do not fit its
 * name); SK_INVALID (a digest that is none, content that does not have the digest it was announced
 * with); SK_FULL (the disk; removing works all the same). Threads: all but struct sk_upload may be
 * shared.
 */
#ifndef SK_STORE_STORE_H
#define SK_STORE_STORE_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "crypto/crypto.h"
#include "db/db.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Folders of journals. */
#define SK_STORE_TELEMETRY "telemetry"
#define SK_STORE_EVENTS    "events"

enum {
    SK_UPLOAD_ID_TEXT = 33 /* 32 hex + NUL */
};

struct sk_store;

/* Makes an empty folder (0700) with a database; SK_EXISTS when there is one already. */
int sk_store_create(const char *dir, struct sk_err *err) SK_CHECK;
/* Opens, migrates. SK_NOT_FOUND: not a hub's folder. */
int sk_store_open(const char *dir, struct sk_store **out, struct sk_err *err) SK_CHECK;
void sk_store_close(struct sk_store *s);
SK_DEFINE_OWN(struct sk_store, sk_store_close);
struct sk_db *sk_store_db(struct sk_store *s);
const char *sk_store_dir(const struct sk_store *s);

/* ---- blobs ---- */
/* Size of a blob; SK_NOT_FOUND. */
int sk_blob_size(struct sk_tx *tx, const char *digest, uint64_t *size, struct sk_err *err) SK_CHECK;
/* In a write transaction: keeps the blob from gc for a grace period, as an upload of it would.
 * SK_NOT_FOUND. */
int sk_blob_touch(struct sk_tx *tx, const char *digest, struct sk_err *err) SK_CHECK;
/* The same in a transaction of its own, unless it was touched within fresh_ms. SK_NOT_FOUND. */
int sk_blob_keep(struct sk_store *s, const char *digest, uint64_t fresh_ms,
                 struct sk_err *err) SK_CHECK;
/* In a write transaction: touches every blob that was touched within grace_ms, but for the last
 * quarter of it. For those who bring many, which are named together when the last is there. */
int sk_blob_keep_recent(struct sk_tx *tx, uint64_t grace_ms, struct sk_err *err) SK_CHECK;
/* A descriptor for reading; the file lives as long as it is open, even past a gc. */
int sk_blob_open(struct sk_store *s, const char *digest, int *fd, uint64_t *size,
                 struct sk_err *err) SK_CHECK;
/* A small blob in memory; checked against its digest. *out: free(). */
int sk_blob_read(struct sk_store *s, const char *digest, size_t max, char **out, size_t *len,
                 struct sk_err *err) SK_CHECK;
/* Stores bytes at once (manifests) under their digest of this kind. Within the caller's write
 * transaction: the file is synced and in place before this returns, the row comes with the caller's
 * commit. */
int sk_blob_put(struct sk_store *s, struct sk_tx *tx, enum sk_hash_kind kind, const void *bytes,
                size_t len, char digest[SK_DIGEST_TEXT], struct sk_err *err) SK_CHECK;

/* ---- uploads: append-only, resumable, hashed by SHA-256 as they come ---- */
struct sk_upload;

/* `scope` is what may continue it ("repo/name", "artifacts"): opening asks for the same one. */
int sk_upload_begin(struct sk_store *s, const char *scope, struct sk_upload **out,
                    struct sk_err *err) SK_CHECK;
/* Continues after a break, also one of the process; what is on disk is then hashed by the finish
 * (1 GB/s); opening reads nothing. SK_NOT_FOUND: unknown, finished, or another scope; SK_BUSY: open
 * elsewhere. */
int sk_upload_open(struct sk_store *s, const char *id, const char *scope, struct sk_upload **out,
                   struct sk_err *err) SK_CHECK;
const char *sk_upload_id(const struct sk_upload *u);
uint64_t sk_upload_size(const struct sk_upload *u);
/* Size without opening (GET of an upload's status). */
int sk_upload_stat(struct sk_store *s, const char *id, const char *scope, uint64_t *size,
                   struct sk_err *err) SK_CHECK;
/* SK_FULL: the upload is of no use any more, and what it has on the disk is given back. SK_INVALID:
 * a finish was tried. */
int sk_upload_write(struct sk_upload *u, const void *bytes, size_t len,
                    struct sk_err *err) SK_CHECK;
/* Closes and keeps what came, to go on later. */
void sk_upload_suspend(struct sk_upload *u);
SK_DEFINE_OWN(struct sk_upload, sk_upload_suspend);
/* Syncs and makes it a blob. want: the digest it must have, NULL for sha256's; another one is
 * SK_INVALID and the upload is gone. For one of another kind the file is read and hashed again.
 * `also` (may be NULL) runs in the same write transaction. *u is NULL when the upload is gone: on
 * success, and when want is wrong. Else it is kept and still the caller's: it can be finished
 * again, but takes no more bytes. After an error of the disk's own (SK_FULL, a sync that failed) it
 * is of no use and goes with sk_upload_suspend. */
int sk_upload_finish(struct sk_upload **u, const char *want,
                     int (*also)(struct sk_tx *tx, const char *digest, uint64_t size, void *ctx,
                                 struct sk_err *err),
                     void *ctx, char digest[SK_DIGEST_TEXT], struct sk_err *err) SK_CHECK;
int sk_upload_abort(struct sk_store *s, const char *id, const char *scope,
                    struct sk_err *err) SK_CHECK;

/* ---- artifacts: a tree of names over blobs (MLflow's artifact paths; files of model versions)
 * ---- Paths are relative, '/'-separated UTF-8 without empty, "." or ".." parts, control characters
 * or backslashes, at most 1,024 bytes (SK_INVALID). A path cannot be a file and a folder at once.
 */
int sk_artifact_path_check(const char *path, struct sk_err *err) SK_CHECK;
int sk_artifact_put(struct sk_tx *tx, const char *path, const char *digest,
                    struct sk_err *err) SK_CHECK; /* replaces */
int sk_artifact_get(struct sk_tx *tx, const char *path, char digest[SK_DIGEST_TEXT], uint64_t *size,
                    struct sk_err *err) SK_CHECK;
/* Direct children of a folder ("" is the root), sorted; of folders size is 0. A missing folder is
 * empty. `each` gives -1 to stop. */
int sk_artifact_list(struct sk_tx *tx, const char *folder,
                     int (*each)(void *ctx, const char *name, bool is_dir, uint64_t size,
                                 struct sk_err *err),
                     void *ctx, struct sk_err *err) SK_CHECK;
/* Every file below a folder, by path: path is relative to the folder. A file itself: path "". */
int sk_artifact_walk(struct sk_tx *tx, const char *folder,
                     int (*each)(void *ctx, const char *path, const char *digest, uint64_t size,
                                 struct sk_err *err),
                     void *ctx, struct sk_err *err) SK_CHECK;
/* Removes a file or a folder with all below it; a missing one is fine. */
int sk_artifact_remove(struct sk_tx *tx, const char *path, struct sk_err *err) SK_CHECK;
/* Names the same blobs below `to` as are below `from`; costs no data. *count: how many. */
int sk_artifact_copy(struct sk_tx *tx, const char *from, const char *to, size_t *count,
                     struct sk_err *err) SK_CHECK;

/* ---- care ---- */
struct sk_store_report {
    uint64_t blobs, bytes;           /* looked at, or copied */
    uint64_t removed, removed_bytes; /* by gc */
    uint64_t uploads_removed;
    uint64_t problems;            /* by verify; each was given to `say` */
    uint64_t strays, stray_bytes; /* files that no row stands for: what a kill leaves; no problem */
};

typedef void sk_store_say(void *ctx, const char *text);
/* Re-hashes every blob, checks every reference of the schema, finds stray files. 0 also with
 * problems. progress may be NULL. */
int sk_store_verify(struct sk_store *s, sk_store_say *say, void *ctx,
                    bool (*progress)(void *ctx, uint64_t done, uint64_t total),
                    struct sk_store_report *out, struct sk_err *err) SK_CHECK;
/* Removes blobs that nothing names and that nobody touched for grace_ms, uploads idle for longer
 * than upload_ms, stray files. In slices: a writer waits at most a few ms. dry_run only counts. */
int sk_store_gc(struct sk_store *s, uint64_t grace_ms, uint64_t upload_ms, bool dry_run,
                struct sk_store_report *out, struct sk_err *err) SK_CHECK;
/* One file (tar) with the database and all blobs, while the hub runs; synced, renamed at the end.
 */
int sk_store_backup(struct sk_store *s, const char *file,
                    bool (*progress)(void *ctx, uint64_t done, uint64_t total), void *ctx,
                    struct sk_store_report *out, struct sk_err *err) SK_CHECK;
/* Makes `dir` (missing or empty) from a backup; every blob is hashed on the way. The folder appears
 * in one step at the end. */
int sk_store_restore(const char *file, const char *dir,
                     bool (*progress)(void *ctx, uint64_t done, uint64_t total), void *ctx,
                     struct sk_store_report *out, struct sk_err *err) SK_CHECK;

#endif
