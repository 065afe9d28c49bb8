/* store_priv.h - the folder's parts, for the files of store. */
#ifndef SK_STORE_STORE_PRIV_H
#define SK_STORE_STORE_PRIV_H

#include "store/store.h"

#include "base/thread.h"
#include "crypto/crypto.h"

#include <sys/stat.h>

#define SK_STORE_APP      0x534b4859u /* "SKHY": application_id of registry.db */
#define SK_STORE_DATABASE "registry.db"
#define SK_STORE_RESERVE  "reserve"

enum {
    SK_STORE_PIECE = 1 << 18, /* what is read or hashed at once */
    SK_STORE_HASHES = 32,     /* suspended uploads whose hash goes on without reading them again */
    SK_BLOB_PATH = SK_DIGEST_TEXT + 3, /* "sha512/ab/" + 128 hex + NUL */
    SK_UPLOAD_NAME = 33 + 17,          /* id "-" 16 hex of the scope, NUL */
    SK_STORE_SLICE = 64,               /* blobs that gc takes in one transaction */
    SK_STORE_SLICE_GAP_MS = 4,         /* and how long others may write before the next */
    SK_STORE_STRAY_MS = 60000,         /* age of a stray file that gc takes */
    SK_STORE_CARE_WAIT_MS = 60000,
    SK_STORE_RESERVE_BYTES = 16 << 20,
    SK_STORE_RESERVE_PART = 64 /* of a small disk it takes this part */
};

/* Where the hash of a suspended upload stands. */
struct upload_hash {
    char id[SK_UPLOAD_ID_TEXT];
    ino_t inode;
    uint64_t size, used_ms;
    struct sk_hash *sha; /* NULL: the entry is free */
};

struct sk_store {
    char *dir;
    int dir_fd, blobs_fd, uploads_fd, trash_fd, reserve_fd;
    uint64_t reserve_bytes;
    struct sk_db *db;
    bool has_mutex;
    pthread_mutex_t mutex; /* guards hashes */
    struct upload_hash hashes[SK_STORE_HASHES];
};

struct sk_upload {
    struct sk_store *store;
    char id[SK_UPLOAD_ID_TEXT];
    char name[SK_UPLOAD_NAME]; /* below uploads/ */
    int fd;
    uint64_t size, flushed;
    struct sk_hash *sha;         /* of all that came; NULL: the finish reads the file */
    char digest[SK_DIGEST_TEXT]; /* that a finish has found last, or "" */
    bool is_whole;               /* a finish has begun: no bytes may be added */
    bool is_lost;                /* a sync failed: what was written may not be there */
};

/* The migrations, NULL-terminated. */
extern const char *const sk_store_migrations[];

/* errno as an error; ENOSPC, EDQUOT and EFBIG are "disk is full". Returns -1. */
int sk_store_fail(struct sk_err *err, const char *fmt, ...) SK_PRINTF(2, 3);
/* A folder's entries are on the disk when it returns. */
int sk_store_sync_dir(int dir_fd, const char *name, struct sk_err *err) SK_CHECK;
/* Makes dir/name (0700) when it is not there, and opens it. */
int sk_store_open_dir(int dir_fd, const char *name, bool make, int *out,
                      struct sk_err *err) SK_CHECK;
/* Digest of fd from its start to its end, and how long it is. go_on may be NULL; false ends with
 * SK_CANCELLED. */
int sk_store_hash_fd(int fd, enum sk_hash_kind kind, char digest[SK_DIGEST_TEXT], uint64_t *size,
                     bool (*go_on)(void *ctx, uint64_t bytes), void *ctx,
                     struct sk_err *err) SK_CHECK;
/* A database of ours; create: a new file. The second: that of a folder, "registry.db", a new one as
 * "registry.db.new". */
int sk_store_open_db_file(const char *path, bool create, struct sk_db **out,
                          struct sk_err *err) SK_CHECK;
int sk_store_open_db(const char *dir, bool create, struct sk_db **out, struct sk_err *err) SK_CHECK;

/* "blobs" and the folders in it, one for each kind of digest, below dir_fd; synced. */
int sk_blob_make_folders(int dir_fd, struct sk_err *err) SK_CHECK;
/* "sha256/ab/abcd..." below blobs. digest must be valid. Returns its kind. */
enum sk_hash_kind sk_blob_path(const char *digest, char out[SK_BLOB_PATH]);
/* SK_INVALID when it is no digest. */
int sk_blob_check_digest(const char *digest, struct sk_err *err) SK_CHECK;
/*
 * Gives the synced file from_fd/from the blob's name as well, in place of what is there, and syncs
 * the folder. To be called in a write transaction.
 */
int sk_blob_link(struct sk_store *s, int from_fd, const char *from, const char *digest,
                 struct sk_err *err) SK_CHECK;
/* The blob's row. */
int sk_blob_insert(struct sk_tx *tx, const char *digest, uint64_t size,
                   struct sk_err *err) SK_CHECK;

/* A new locked file below uploads/: name is filled when it is empty. */
int sk_upload_make(struct sk_store *s, const char *name, int *fd, struct sk_err *err) SK_CHECK;
/* Locks what is open as name: SK_BUSY when another has it, SK_NOT_FOUND when it is gone. */
int sk_upload_lock(int fd, const char *id, struct stat *st, struct sk_err *err) SK_CHECK;
/* A random name of 32 hex digits. */
int sk_store_random(char out[SK_UPLOAD_ID_TEXT], struct sk_err *err) SK_CHECK;

/* Opens the reserve, and fills it when there is room. */
int sk_reserve_open(struct sk_store *s, struct sk_err *err) SK_CHECK;
void sk_reserve_fill(struct sk_store *s);
/* A sk_db_room; ctx is the store. SK_FULL: no more is to be stored. For SK_DB_SHRINK the reserve is
 * given up when it is needed, and nothing is refused. */
int sk_reserve_room(void *ctx, enum sk_db_mode mode, struct sk_err *err) SK_CHECK;

/* gc against backup: *fd is open while it is held. SK_BUSY after wait_ms. */
int sk_store_care_lock(struct sk_store *s, bool exclusive, uint64_t wait_ms, int *fd,
                       struct sk_err *err) SK_CHECK;

#endif
