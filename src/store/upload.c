/*
 * upload.c - append-only files that become blobs.
 *
 * An upload is a file uploads/<id>-<16 hex of the scope's SHA-256>: asking for it with another
 * scope finds nothing, and beginning one costs no transaction. Who has it open holds flock on it;
 * gc takes only what it can lock. What was written goes to the disk in the background as it comes,
 * so that the sync at the end is short. The hash of a suspended upload is kept for a while; one
 * whose hash is gone (another process, many others since) is read and hashed by its finish, which
 * may take its time. Opening and writing never read, for they run on event loops.
 *
 * Finishing links the file to its blob's name and commits (blob.c); only then the upload's own name
 * goes. A commit that fails leaves an upload with two names, which can be finished again but not
 * written to: its bytes may be a blob's by then.
 */
#include "store/store_priv.h"

#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

enum {
    FLUSH_BYTES = 8 << 20, /* given to the disk at once */
    MAKE_TRIES = 100       /* against a gc that takes uploads of no age */
};

static bool is_id(const char *id)
{
    return id && strspn(id, "0123456789abcdef") == SK_UPLOAD_ID_TEXT - 1 &&
           id[SK_UPLOAD_ID_TEXT - 1] == '\0';
}

static int unknown(const char *id, struct sk_err *err)
{
    return sk_fail(err, SK_NOT_FOUND, "upload '%s' is unknown or finished: begin a new one",
                   id ? id : "");
}

static int make_name(const char *id, const char *scope, char out[SK_UPLOAD_NAME],
                     struct sk_err *err)
{
    char hex[SK_SHA256_HEX];

    if (!is_id(id))
        return unknown(id, err);
    if (sk_sha256_hex(scope, strlen(scope), hex, err) < 0)
        return -1;
    (void)snprintf(out, SK_UPLOAD_NAME, "%s-%.16s", id, hex);
    return 0;
}

int sk_upload_lock(int fd, const char *id, struct stat *st, struct sk_err *err)
{
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK)
            return sk_fail(err, SK_BUSY, "upload '%s' is in use by another request", id);
        return sk_store_fail(err, "upload '%s'", id);
    }
    if (fstat(fd, st) < 0)
        return sk_store_fail(err, "upload '%s'", id);
    return st->st_nlink == 0 ? unknown(id, err) : 0;
}

int sk_upload_make(struct sk_store *s, const char *name, int *out, struct sk_err *err)
{
    for (int tries = 0; tries < MAKE_TRIES; tries++) {
        SK_AUTO(sk_close)
        int fd = openat(s->uploads_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        struct stat st;
        if (fd < 0)
            return sk_store_fail(err, "upload");
        /* Nobody but gc can have it; that takes it at once, if ever. */
        while (flock(fd, LOCK_EX) < 0)
            if (errno != EINTR)
                return sk_store_fail(err, "upload '%s'", name);
        if (fstat(fd, &st) < 0)
            return sk_store_fail(err, "upload '%s'", name);
        if (st.st_nlink > 0) {
            *out = sk_take_fd(&fd);
            return 0;
        }
    }
    return sk_fail(err, SK_BUSY, "upload '%s': gc takes new ones away; try again", name);
}

static struct sk_upload *upload_new(struct sk_store *s, struct sk_err *err)
{
    struct sk_upload *u = calloc(1, sizeof *u);

    if (!u) {
        (void)sk_nomem(err);
        return NULL;
    }
    u->store = s;
    u->fd = -1;
    return u;
}

static void upload_free(struct sk_upload *u)
{
    if (!u)
        return;
    sk_close(&u->fd);
    sk_hash_free(u->sha);
    free(u);
}

SK_DEFINE_OWN(struct sk_upload, upload_free);

int sk_upload_begin(struct sk_store *s, const char *scope, struct sk_upload **out,
                    struct sk_err *err)
{
    SK_OWN(upload_free) struct sk_upload *u = upload_new(s, err);

    if (!u || sk_reserve_room(s, SK_DB_WRITE, err) < 0 || sk_store_random(u->id, err) < 0 ||
        make_name(u->id, scope, u->name, err) < 0 || sk_hash_new(SK_SHA256, &u->sha, err) < 0 ||
        sk_upload_make(s, u->name, &u->fd, err) < 0)
        return -1;
    *out = SK_TAKE(u);
    return 0;
}

/* ---- hashes of suspended uploads ---- */

/* Takes the kept hash of u, if there is one that fits. */
static void recall(struct sk_upload *u, const struct stat *st)
{
    SK_LOCK(&u->store->mutex);
    for (size_t i = 0; i < SK_STORE_HASHES; i++) {
        struct upload_hash *h = &u->store->hashes[i];
        if (!h->sha || strcmp(h->id, u->id) != 0)
            continue;
        if (h->inode == st->st_ino && h->size == (uint64_t)st->st_size)
            u->sha = SK_TAKE(h->sha);
        sk_hash_free(SK_TAKE(h->sha));
        return;
    }
}

/* Keeps u's hash in a free place or in that of the oldest. */
static void remember(struct sk_upload *u)
{
    struct stat st;

    if (fstat(u->fd, &st) < 0 || (uint64_t)st.st_size != u->size)
        return;
    SK_LOCK(&u->store->mutex);
    struct upload_hash *place = &u->store->hashes[0];
    for (size_t i = 0; i < SK_STORE_HASHES && place->sha; i++) {
        struct upload_hash *h = &u->store->hashes[i];
        if (!h->sha || h->used_ms < place->used_ms)
            place = h;
    }
    sk_hash_free(place->sha);
    memcpy(place->id, u->id, sizeof place->id);
    place->inode = st.st_ino;
    place->size = u->size;
    place->used_ms = sk_now_ms();
    place->sha = SK_TAKE(u->sha);
}

int sk_upload_open(struct sk_store *s, const char *id, const char *scope, struct sk_upload **out,
                   struct sk_err *err)
{
    SK_OWN(upload_free) struct sk_upload *u = upload_new(s, err);
    struct stat st;

    if (!u || make_name(id, scope, u->name, err) < 0)
        return -1;
    memcpy(u->id, id, sizeof u->id);
    u->fd = openat(s->uploads_fd, u->name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (u->fd < 0)
        return errno == ENOENT ? unknown(id, err) : sk_store_fail(err, "upload '%s'", id);
    if (sk_upload_lock(u->fd, id, &st, err) < 0)
        return -1;
    u->size = u->flushed = (uint64_t)st.st_size;
    u->is_whole = st.st_nlink > 1;
    recall(u, &st);
    if (!u->sha && u->size == 0 && sk_hash_new(SK_SHA256, &u->sha, err) < 0)
        return -1;
    if (lseek(u->fd, 0, SEEK_END) < 0)
        return sk_store_fail(err, "upload '%s'", id);
    *out = SK_TAKE(u);
    return 0;
}

const char *sk_upload_id(const struct sk_upload *u)
{
    return u->id;
}

uint64_t sk_upload_size(const struct sk_upload *u)
{
    return u->size;
}

int sk_upload_stat(struct sk_store *s, const char *id, const char *scope, uint64_t *size,
                   struct sk_err *err)
{
    char name[SK_UPLOAD_NAME];
    struct stat st;

    if (make_name(id, scope, name, err) < 0)
        return -1;
    if (fstatat(s->uploads_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? unknown(id, err) : sk_store_fail(err, "upload '%s'", id);
    *size = (uint64_t)st.st_size;
    return 0;
}

static int lost(const struct sk_upload *u, struct sk_err *err)
{
    return sk_fail(err, SK_IO, "upload '%s': the disk did not take it: begin a new one", u->id);
}

/* On a full disk its space is more useful than what came. */
static int give_up(struct sk_upload *u)
{
    u->is_lost = true;
    (void)!ftruncate(u->fd, 0);
    return -1;
}

int sk_upload_write(struct sk_upload *u, const void *bytes, size_t len, struct sk_err *err)
{
    if (len == 0)
        return 0;
    if (u->is_lost)
        return lost(u, err);
    if (u->is_whole)
        return sk_fail(err, SK_INVALID, "upload '%s' is whole: finish it or begin a new one",
                       u->id);
    if (sk_reserve_room(u->store, SK_DB_WRITE, err) < 0)
        return give_up(u);
    if (sk_write_all(u->fd, bytes, len) < 0) {
        (void)sk_store_fail(err, "upload '%s'", u->id);
        if (err->code == SK_FULL)
            return give_up(u);
        /* Takes back a part of the piece; the position goes with it. */
        if (ftruncate(u->fd, (off_t)u->size) < 0 || lseek(u->fd, (off_t)u->size, SEEK_SET) < 0)
            u->is_lost = true;
        return -1;
    }
    if (u->sha && sk_hash_add(u->sha, bytes, len, err) < 0) {
        u->is_lost = true;
        return -1;
    }
    u->size += len;
    if (u->size - u->flushed >= FLUSH_BYTES) {
        /* Only starts it; whether it succeeded is for fsync to say. */
        (void)sync_file_range(u->fd, (off_t)u->flushed, (off_t)(u->size - u->flushed),
                              SYNC_FILE_RANGE_WRITE);
        u->flushed = u->size;
    }
    return 0;
}

void sk_upload_suspend(struct sk_upload *u)
{
    if (!u)
        return;
    if (u->is_lost)
        (void)unlinkat(u->store->uploads_fd, u->name, 0);
    else if (u->sha)
        remember(u);
    upload_free(u);
}

/* ---- the end ---- */

static void discard(struct sk_upload **u)
{
    (void)unlinkat((*u)->store->uploads_fd, (*u)->name, 0);
    upload_free(SK_TAKE(*u));
}

static int find_digest(struct sk_upload *u, enum sk_hash_kind kind, struct sk_err *err)
{
    uint64_t size = 0;

    if (sk_digest_is(u->digest, kind))
        return 0;
    u->is_whole = true;
    if (kind != SK_SHA256 || !u->sha)
        return sk_store_hash_fd(u->fd, kind, u->digest, &size, NULL, NULL, err);
    if (sk_hash_digest(u->sha, u->digest, err) < 0) {
        u->digest[0] = '\0';
        u->is_lost = true;
        return -1;
    }
    sk_hash_free(SK_TAKE(u->sha));
    return 0;
}

static int sync_file(struct sk_upload *u, struct sk_err *err)
{
    if (fsync(u->fd) == 0)
        return 0;
    /* The kernel forgets what it could not write: a second fsync would lie. */
    u->is_lost = true;
    return sk_store_fail(err, "upload '%s'", u->id);
}

typedef int also_call(struct sk_tx *tx, const char *digest, uint64_t size, void *ctx,
                      struct sk_err *err);

static int commit(struct sk_upload *u, also_call *also, void *ctx, struct sk_err *err)
{
    struct sk_store *s = u->store;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;

    if (sk_db_begin(s->db, SK_DB_WRITE, &tx, err) < 0 ||
        sk_blob_link(s, s->uploads_fd, u->name, u->digest, err) < 0 ||
        sk_blob_insert(tx, u->digest, u->size, err) < 0 ||
        (also && also(tx, u->digest, u->size, ctx, err) < 0))
        return -1;
    return sk_tx_commit(&tx, err);
}

int sk_upload_finish(struct sk_upload **u, const char *want, also_call *also, void *ctx,
                     char digest[SK_DIGEST_TEXT], struct sk_err *err)
{
    enum sk_hash_kind kind = SK_SHA256;

    if ((*u)->is_lost)
        return lost(*u, err);
    if (want && !sk_digest_parse(sk_view_of(want), &kind)) {
        discard(u);
        return sk_blob_check_digest(want, err);
    }
    if (find_digest(*u, kind, err) < 0)
        return -1;
    if (want && strcmp(want, (*u)->digest) != 0) {
        (void)sk_fail(err, SK_INVALID, "what came has the digest %s, announced was %s",
                      (*u)->digest, want);
        discard(u);
        return -1;
    }
    if (sync_file(*u, err) < 0 || commit(*u, also, ctx, err) < 0) {
        /* The bytes may be a blob's by now: only the upload's name is given back. */
        (*u)->is_lost |= err->code == SK_FULL;
        return -1;
    }
    memcpy(digest, (*u)->digest, SK_DIGEST_TEXT);
    discard(u);
    return 0;
}

int sk_upload_abort(struct sk_store *s, const char *id, const char *scope, struct sk_err *err)
{
    char name[SK_UPLOAD_NAME];
    struct stat st;

    if (make_name(id, scope, name, err) < 0)
        return -1;
    SK_AUTO(sk_close) int fd = openat(s->uploads_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? unknown(id, err) : sk_store_fail(err, "upload '%s'", id);
    if (sk_upload_lock(fd, id, &st, err) < 0)
        return -1;
    if (unlinkat(s->uploads_fd, name, 0) < 0)
        return sk_store_fail(err, "upload '%s'", id);
    return 0;
}
