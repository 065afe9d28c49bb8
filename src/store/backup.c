/*
 * backup.c - the whole folder in one tar file, while others write.
 *
 *     skerry-hub/format                     "1\n"; first
 *     skerry-hub/registry.db                a copy made in one read transaction
 *     skerry-hub/blobs/sha256/ab/abcd...    (sha512 likewise) every blob that it has a row for
 *     skerry-hub/files/tls/...              the small files beside them: keys, certificates
 *
 * The journals of messages and events are not in it: they keep what they have for a time of their
 * own, may be larger than all the rest, and change while they are read.
 *
 * gc is held off meanwhile, and nobody else removes blobs, so what the copy names stays there. Each
 * blob is hashed while it is written: a spoiled one must not be found when the backup is needed.
 * The file has mode 0600, for it holds the hub's keys; it is synced and takes its name at the end.
 *
 * Until then it is FILE.partial.XXXXXX, locked, with the copy of the database beside it as
 * FILE.partial.XXXXXX-db: all that a backup writes is on the target's side. What a kill leaves of
 * these is nobody's lock, and the next backup to the same name removes it.
 */
#include "store/store_priv.h"

#include "archive/archive.h"
#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>

enum {
    FILES_DEPTH = 4 /* of folders beside the blobs */
};

struct backup {
    struct sk_store *store;
    struct sk_tar_writer *tar;
    bool (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *ctx;
    uint64_t done, total;
    struct sk_store_report *out;
};

static int sink(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    struct sk_file_out *f = ctx;

    return sk_write_all(f->fd, bytes, len) < 0 ? sk_store_fail(err, "'%s'", f->path) : 0;
}

static int advance(struct backup *b, uint64_t bytes, struct sk_err *err)
{
    b->done += bytes;
    if (b->progress && !b->progress(b->ctx, b->done, b->total))
        return sk_fail(err, SK_CANCELLED, "stopped");
    return 0;
}

static int copy_bytes(struct backup *b, int fd, uint64_t size, enum sk_hash_kind kind,
                      char digest[SK_DIGEST_TEXT], struct sk_err *err)
{
    SK_OWN(sk_hash_free) struct sk_hash *hash = NULL;
    SK_OWN(free) char *piece = malloc(SK_STORE_PIECE);

    if (!piece)
        return sk_nomem(err);
    if (sk_hash_new(kind, &hash, err) < 0)
        return -1;
    for (uint64_t left = size; left > 0;) {
        ssize_t n = read(fd, piece, left < SK_STORE_PIECE ? (size_t)left : SK_STORE_PIECE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? sk_store_fail(err, "reading")
                         : sk_fail(err, SK_CORRUPT, "the file ends early");
        if (sk_hash_add(hash, piece, (size_t)n, err) < 0 ||
            sk_tar_bytes(b->tar, piece, (size_t)n, err) < 0 || advance(b, (uint64_t)n, err) < 0)
            return -1;
        left -= (uint64_t)n;
    }
    return sk_hash_digest(hash, digest, err);
}

static int add_blob(struct backup *b, const char *digest, struct sk_err *err)
{
    SK_AUTO(sk_close) int fd = -1;
    char path[SK_BLOB_PATH], name[SK_BLOB_PATH + 32], found[SK_DIGEST_TEXT];
    uint64_t size = 0;

    if (sk_blob_open(b->store, digest, &fd, &size, err) < 0)
        return -1;
    enum sk_hash_kind kind = sk_blob_path(digest, path);
    (void)snprintf(name, sizeof name, "skerry-hub/blobs/%s", path);
    if (sk_tar_file(b->tar, name, 0600, size, err) < 0 ||
        copy_bytes(b, fd, size, kind, found, err) < 0)
        return sk_wrap(err, "blob %s", digest);
    if (strcmp(found, digest) != 0)
        return sk_fail(err, SK_CORRUPT,
                       "blob %s has other contents: `skerry hub verify` lists what is broken",
                       digest);
    b->out->blobs++;
    b->out->bytes += size;
    return 0;
}

static int add_blobs(struct backup *b, struct sk_db *copy, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int more = 0;

    if (sk_db_begin(copy, SK_DB_READ, &tx, err) < 0 ||
        sk_tx_query(tx, &s, err, "SELECT digest FROM blob ORDER BY digest", "") < 0)
        return -1;
    while ((more = sk_stmt_next(s, err)) > 0)
        if (add_blob(b, sk_stmt_text(s, 0), err) < 0)
            return -1;
    return more;
}

static int find_total(struct backup *b, struct sk_db *copy, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;

    if (sk_db_begin(copy, SK_DB_READ, &tx, err) < 0 ||
        sk_tx_query(tx, &s, err, "SELECT sum(size) FROM blob", "") < 0 || sk_stmt_next(s, err) < 0)
        return -1;
    b->total = (uint64_t)sk_stmt_int(s, 0);
    return 0;
}

/* ---- the small files ---- */

/* What the backup has in another form, or not at all. */
static bool is_left_out(const char *name)
{
    static const char *const names[] = {
        "blobs", "uploads", "trash", SK_STORE_RESERVE, SK_STORE_TELEMETRY, SK_STORE_EVENTS,
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return sk_starts_with(name, SK_STORE_DATABASE) || sk_ends_with(name, ".lock");
}

static int add_files(struct backup *b, const char *path, const char *name, int depth,
                     struct sk_err *err)
{
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };

    if (depth > FILES_DEPTH)
        return sk_fail(err, SK_LIMIT, "'%s': more than %d folders deep", path, FILES_DEPTH);
    if (sk_dir_read(path, &dir, err) < 0)
        return -1;
    for (size_t i = 0; i < dir.count; i++) {
        SK_OWN(free) char *file = sk_path_join(path, dir.names[i]);
        SK_OWN(free) char *inside = sk_path_join(name, dir.names[i]);
        struct stat st;
        if (!file || !inside)
            return sk_nomem(err);
        if ((depth == 0 && is_left_out(dir.names[i])) || lstat(file, &st) < 0)
            continue;
        int rc = 0;
        if (S_ISDIR(st.st_mode))
            rc = add_files(b, file, inside, depth + 1, err);
        else if (S_ISREG(st.st_mode))
            rc = sk_tar_copy(b->tar, inside, st.st_mode & 0777, file, err);
        if (rc < 0)
            return -1;
    }
    return 0;
}

/* ---- all of it ---- */

static int write_all(struct backup *b, const char *copy_path, struct sk_db *copy,
                     struct sk_err *err)
{
    static const char format[] = "1\n";

    if (find_total(b, copy, err) < 0 ||
        sk_tar_file(b->tar, "skerry-hub/format", 0600, sizeof format - 1, err) < 0 ||
        sk_tar_bytes(b->tar, format, sizeof format - 1, err) < 0 ||
        sk_tar_copy(b->tar, "skerry-hub/" SK_STORE_DATABASE, 0600, copy_path, err) < 0 ||
        add_blobs(b, copy, err) < 0 || add_files(b, b->store->dir, "skerry-hub/files", 0, err) < 0)
        return -1;
    return sk_tar_finish(b->tar, err);
}

/* The copy and what SQLite makes beside it. */
static void remove_copy(int dir_fd, const char *name)
{
    static const char *const endings[] = { "-db", "-db-wal", "-db-shm", "-db-journal", "-db.new" };
    char path[PATH_MAX];

    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
        if (snprintf(path, sizeof path, "%s%s", name, endings[i]) < (int)sizeof path)
            (void)unlinkat(dir_fd, path, 0);
}

/* Of backups to this name that were killed, as far as the folder lets us. */
static int remove_leftovers(const char *partial, struct sk_err *err)
{
    const char *slash = strrchr(partial, '/'), *base = slash ? slash + 1 : partial;
    SK_OWN(free)
    char *folder = slash ? strndup(partial, (size_t)(slash - partial) + 1) : strdup(".");
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };

    if (!folder)
        return sk_nomem(err);
    if (sk_dir_read(folder, &dir, err) < 0) /* whoever writes there says it better */
        return err->code == SK_NOMEM ? -1 : 0;
    SK_AUTO(sk_close) int dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; dir_fd >= 0 && i < dir.count; i++) {
        if (!sk_file_is_leftover(dir.names[i], base))
            continue;
        SK_AUTO(sk_close)
        int fd = openat(dir_fd, dir.names[i], O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
            continue;
        remove_copy(dir_fd, dir.names[i]); /* first: the file is what is found */
        (void)unlinkat(dir_fd, dir.names[i], 0);
    }
    return 0;
}

static int write_copy(struct backup *b, struct sk_file_out *f, struct sk_err *err)
{
    SK_OWN(sk_db_close) struct sk_db *copy = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(PATH_MAX);

    sk_buf_fmt(&path, "%s-db", f->temp);
    if (!sk_buf_ok(&path))
        return sk_buf_fail(&path, err);
    if (sk_db_backup(b->store->db, path.data, err) < 0)
        return sk_wrap(err, "'%s'", path.data);
    if (sk_store_open_db_file(path.data, false, &copy, err) < 0 ||
        sk_tar_writer_new(SK_ARCHIVE_PLAIN, sink, f, &b->tar, err) < 0)
        return -1;
    int rc = write_all(b, path.data, copy, err);
    sk_tar_writer_free(SK_TAKE(b->tar));
    return rc;
}

static int write_file(struct backup *b, const char *file, struct sk_err *err)
{
    SK_AUTO(sk_file_out_done) struct sk_file_out f = SK_FILE_OUT_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf partial = SK_BUF_INIT(PATH_MAX);
    struct stat st;

    sk_buf_fmt(&partial, "%s.partial", file);
    if (!sk_buf_ok(&partial))
        return sk_buf_fail(&partial, err);
    if (remove_leftovers(partial.data, err) < 0 || sk_file_begin(&f, partial.data, err) < 0)
        return -1;
    f.path = file; /* the name that it takes */
    if (flock(f.fd, LOCK_EX | LOCK_NB) < 0 || fstat(f.fd, &st) < 0 || st.st_nlink == 0)
        return sk_fail(err, SK_BUSY, "'%s': another backup to this file has begun", file);
    int rc = write_copy(b, &f, err);
    remove_copy(AT_FDCWD, f.temp);
    return rc < 0 ? -1 : sk_file_end(&f, 0600, err);
}

int sk_store_backup(struct sk_store *s, const char *file,
                    bool (*progress)(void *ctx, uint64_t done, uint64_t total), void *ctx,
                    struct sk_store_report *out, struct sk_err *err)
{
    SK_AUTO(sk_close) int lock = -1;
    struct sk_store_report report = { 0 };
    struct backup b = { .store = s, .progress = progress, .ctx = ctx, .out = &report };

    if (sk_store_care_lock(s, false, SK_STORE_CARE_WAIT_MS, &lock, err) < 0)
        return -1;
    if (write_file(&b, file, err) < 0)
        return sk_wrap(err, "backup");
    *out = report;
    return 0;
}
