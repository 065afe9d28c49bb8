/*
 * restore.c - a folder from a backup (backup.c has the format).
 *
 * The archive comes from outside: only names of the format are taken, each blob must have the
 * digest that its name says, and the database must be one of ours, whole, with a file for every
 * blob that it names. All of it goes into a folder beside the target, is synced, and takes the
 * target's name in the end; a restore that stops leaves nothing. What one leaves that was killed is
 * locked by nobody, and the next restore to the same name removes it.
 */
#include "store/store_priv.h"

#include "archive/archive.h"
#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>

struct restore {
    const char *dir; /* that which is filled */
    int dir_fd;
    struct sk_tar_reader *tar;
    bool (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *ctx;
    int file_fd; /* the backup: how far it is read */
    uint64_t total;
    bool has_format, has_database;
    struct sk_store_report *out;
};

static int advance(struct restore *r, struct sk_err *err)
{
    off_t at = lseek(r->file_fd, 0, SEEK_CUR);

    if (r->progress && !r->progress(r->ctx, at > 0 ? (uint64_t)at : 0, r->total))
        return sk_fail(err, SK_CANCELLED, "stopped");
    return 0;
}

/* The current entry into fd, and its digest. */
static int copy_out(struct restore *r, int fd, enum sk_hash_kind kind, char digest[SK_DIGEST_TEXT],
                    struct sk_err *err)
{
    SK_OWN(sk_hash_free) struct sk_hash *hash = NULL;
    SK_OWN(free) char *piece = malloc(SK_STORE_PIECE);

    if (!piece)
        return sk_nomem(err);
    if (sk_hash_new(kind, &hash, err) < 0)
        return -1;
    for (;;) {
        int64_t n = sk_tar_read(r->tar, piece, SK_STORE_PIECE, err);
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        if (sk_write_all(fd, piece, (size_t)n) < 0)
            return sk_store_fail(err, "'%s'", r->dir);
        if (sk_hash_add(hash, piece, (size_t)n, err) < 0 || advance(r, err) < 0)
            return -1;
    }
    if (fsync(fd) < 0)
        return sk_store_fail(err, "'%s'", r->dir);
    return sk_hash_digest(hash, digest, err);
}

static int make_file(struct restore *r, const char *path, unsigned mode, enum sk_hash_kind kind,
                     char digest[SK_DIGEST_TEXT], struct sk_err *err)
{
    SK_AUTO(sk_close)
    int fd = openat(r->dir_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                    (mode_t)mode & 0700);

    if (fd < 0)
        return sk_store_fail(err, "'%s/%s'", r->dir, path);
    return copy_out(r, fd, kind, digest, err);
}

/* SHA256/AB/HEX: the digest, when it lies where sk_blob_path says. */
static int read_name(const char *name, char digest[SK_DIGEST_TEXT], enum sk_hash_kind *kind,
                     struct sk_err *err)
{
    char path[SK_BLOB_PATH] = "";
    const char *slash = strrchr(name, '/');

    (void)snprintf(digest, SK_DIGEST_TEXT, "%.*s:%s", (int)strcspn(name, "/"), name,
                   slash ? slash + 1 : "");
    if (sk_digest_valid(digest))
        *kind = sk_blob_path(digest, path);
    return strcmp(path, name) == 0 ? 0 : sk_fail(err, SK_INVALID, "'%s' is no blob's name", name);
}

static int take_blob(struct restore *r, const char *name, struct sk_err *err)
{
    char digest[SK_DIGEST_TEXT], found[SK_DIGEST_TEXT];
    char place[SK_BLOB_PATH + 16], folder[SK_BLOB_PATH + 16];
    enum sk_hash_kind kind = SK_SHA256;

    if (read_name(name, digest, &kind, err) < 0)
        return -1;
    (void)snprintf(place, sizeof place, "blobs/%s", name);
    (void)snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(place, '/') - place), place);
    if (mkdirat(r->dir_fd, folder, 0700) < 0 && errno != EEXIST)
        return sk_store_fail(err, "'%s/%s'", r->dir, folder);
    if (make_file(r, place, 0600, kind, found, err) < 0)
        return -1;
    if (strcmp(found, digest) != 0)
        return sk_fail(err, SK_CORRUPT, "blob %s has other contents in this backup", digest);
    r->out->blobs++;
    return 0;
}

/* tls/ca.pem and the like; the archive's reader lets no "..", no absolute name through. */
static int take_file(struct restore *r, const struct sk_tar_entry *e, const char *name,
                     struct sk_err *err)
{
    SK_OWN(free) char *path = sk_path_join(r->dir, name);
    char unused[SK_DIGEST_TEXT];

    if (!path)
        return sk_nomem(err);
    const char *slash = strrchr(path, '/');
    SK_OWN(free) char *folder = strndup(path, (size_t)(slash - path));
    if (!folder)
        return sk_nomem(err);
    if (sk_starts_with(name, "blobs/") || sk_starts_with(name, SK_STORE_DATABASE))
        return sk_fail(err, SK_INVALID, "'%s' has no place among the small files", name);
    if (sk_mkdirs(folder, 0700, err) < 0)
        return -1;
    return make_file(r, name, e->mode, SK_SHA256, unused, err);
}

static int take_entry(struct restore *r, const struct sk_tar_entry *e, struct sk_err *err)
{
    static const char top[] = "skerry-hub/", blobs[] = "blobs/", files[] = "files/";
    char unused[SK_DIGEST_TEXT], format[8] = "";

    if (!sk_starts_with(e->name, top) || e->kind != SK_TAR_FILE)
        return sk_fail(err, SK_INVALID, "'%s' is no part of a backup", e->name);
    const char *name = e->name + sizeof top - 1;
    if (!r->has_format) {
        if (strcmp(name, "format") != 0 || sk_tar_read(r->tar, format, 7, err) < 0)
            return sk_fail(err, SK_INVALID, "this is no backup of a hub");
        if (strcmp(format, "1\n") != 0)
            return sk_fail(err, SK_UNSUPPORTED,
                           "this backup has another format, this program knows 1: use a newer one");
        r->has_format = true;
        return 0;
    }
    if (strcmp(name, SK_STORE_DATABASE) == 0) {
        r->has_database = true;
        return make_file(r, SK_STORE_DATABASE, 0600, SK_SHA256, unused, err);
    }
    if (sk_starts_with(name, blobs))
        return take_blob(r, name + sizeof blobs - 1, err);
    if (sk_starts_with(name, files))
        return take_file(r, e, name + sizeof files - 1, err);
    return sk_fail(err, SK_INVALID, "'%s' is no part of a backup", e->name);
}

static int take_all(struct restore *r, struct sk_err *err)
{
    /* A backup is as large as the hub; it is not packed, so no ratio tells anything. */
    const struct sk_tar_limits limits = { .max_entries = UINT64_MAX,
                                          .max_bytes = UINT64_MAX,
                                          .max_ratio = UINT64_MAX };
    struct sk_tar_entry e;
    int more = 0;

    if (sk_tar_reader_new(r->file_fd, &limits, &r->tar, err) < 0)
        return -1;
    while ((more = sk_tar_next(r->tar, &e, err)) > 0) {
        /* Folders come of their own. */
        if (e.kind != SK_TAR_DIR && take_entry(r, &e, err) < 0)
            return -1;
    }
    if (more < 0)
        return -1;
    if (!r->has_database)
        return sk_fail(err, SK_CORRUPT, "the backup ends before its database");
    return 0;
}

/* Every blob that the database names has come, with its size. */
static int check_blobs(struct restore *r, struct sk_db *db, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int more = 0;

    if (sk_db_begin(db, SK_DB_READ, &tx, err) < 0 ||
        sk_tx_query(tx, &s, err, "SELECT digest, size FROM blob", "") < 0)
        return -1;
    while ((more = sk_stmt_next(s, err)) > 0) {
        const char *digest = sk_stmt_text(s, 0);
        char path[SK_BLOB_PATH], place[SK_BLOB_PATH + 16];
        struct stat st;
        if (!sk_digest_valid(digest))
            return sk_fail(err, SK_CORRUPT, "'%s' is no blob's name", digest);
        (void)sk_blob_path(digest, path);
        (void)snprintf(place, sizeof place, "blobs/%s", path);
        if (fstatat(r->dir_fd, place, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            st.st_size != (off_t)sk_stmt_int(s, 1))
            return sk_fail(err, SK_CORRUPT, "the backup lacks blob %s", digest);
        r->out->bytes += (uint64_t)st.st_size;
    }
    return more;
}

/* Journals are not in a backup. Their numbers begin with 1 again, and so do those who read them. */
static int begin_groups(struct sk_db *db, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;

    if (sk_db_begin(db, SK_DB_WRITE, &tx, err) < 0 ||
        sk_tx_run(tx, err, "UPDATE consumer_group SET next = 1", "") < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}

static int finish_database(struct restore *r, struct sk_err *err)
{
    SK_OWN(sk_db_close) struct sk_db *db = NULL;

    if (sk_store_open_db(r->dir, false, &db, err) < 0 || sk_db_check(db, err) < 0 ||
        begin_groups(db, err) < 0)
        return -1;
    return check_blobs(r, db, err);
}

static int sync_tree(int dir_fd, const char *path, struct sk_err *err)
{
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };

    if (sk_dir_read(path, &dir, err) < 0)
        return -1;
    for (size_t i = 0; i < dir.count; i++) {
        SK_OWN(free) char *below = sk_path_join(path, dir.names[i]);
        if (!below)
            return sk_nomem(err);
        if (sk_is_dir(below) && sync_tree(dir_fd, below, err) < 0)
            return -1;
    }
    return sk_store_sync_dir(dir_fd, path, err);
}

static int fill(struct restore *r, struct sk_err *err)
{
    struct stat st;

    r->dir_fd = open(r->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->dir_fd < 0 || flock(r->dir_fd, LOCK_EX | LOCK_NB) < 0)
        return sk_store_fail(err, "'%s'", r->dir);
    if (sk_blob_make_folders(r->dir_fd, err) < 0)
        return sk_wrap(err, "'%s'", r->dir);
    if (fstat(r->file_fd, &st) == 0)
        r->total = (uint64_t)st.st_size;
    int rc = take_all(r, err);
    sk_tar_reader_free(SK_TAKE(r->tar));
    if (rc < 0 || finish_database(r, err) < 0)
        return -1;
    return sync_tree(AT_FDCWD, r->dir, err);
}

/* Missing or empty. */
static int check_target(const char *dir, struct sk_err *err)
{
    SK_AUTO(sk_dir_done) struct sk_dir there = { 0 };

    if (!sk_is_dir(dir))
        return 0;
    if (sk_dir_read(dir, &there, err) < 0)
        return -1;
    if (there.count > 0)
        return sk_fail(err, SK_EXISTS, "'%s' is not empty: restore into a new folder", dir);
    return 0;
}

static int take_name(const char *temp, const char *dir, struct sk_err *err)
{
    SK_OWN(free) char *up = sk_path_join(dir, "..");

    if (!up)
        return sk_nomem(err);
    if (rename(temp, dir) < 0) /* an empty folder there gives way */
        return sk_store_fail(err, "'%s'", dir);
    return sk_store_sync_dir(AT_FDCWD, up, err);
}

/* Folders DIR.restore-XXXXXX of restores that were killed. */
static int remove_leftovers(const char *start, struct sk_err *err)
{
    const char *slash = strrchr(start, '/'), *base = slash ? slash + 1 : start;
    SK_OWN(free) char *up = slash ? strndup(start, (size_t)(slash - start) + 1) : strdup(".");
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
    const size_t random = 6;

    if (!up)
        return sk_nomem(err);
    if (sk_dir_read(up, &dir, err) < 0)
        return -1;
    for (size_t i = 0; i < dir.count; i++) {
        if (!sk_starts_with(dir.names[i], base) || strlen(dir.names[i]) != strlen(base) + random)
            continue;
        SK_OWN(free) char *path = sk_path_join(up, dir.names[i]);
        if (!path)
            return sk_nomem(err);
        SK_AUTO(sk_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && sk_remove_tree(path, err) < 0)
            return -1;
    }
    return 0;
}

/* A folder beside the target. */
static int make_temp(const char *dir, struct sk_buf *temp, struct sk_err *err)
{
    size_t len = strlen(dir);

    while (len > 1 && dir[len - 1] == '/')
        len--;
    sk_buf_add(temp, dir, len);
    if (!sk_buf_ok(temp))
        return sk_buf_fail(temp, err);
    const char *slash = strrchr(temp->data, '/');
    if (slash && slash > temp->data) {
        SK_OWN(free) char *up = strndup(temp->data, (size_t)(slash - temp->data));
        if (!up)
            return sk_nomem(err);
        if (sk_mkdirs(up, 0700, err) < 0)
            return -1;
    }
    sk_buf_str(temp, ".restore-");
    if (!sk_buf_ok(temp))
        return sk_buf_fail(temp, err);
    if (remove_leftovers(temp->data, err) < 0)
        return -1;
    sk_buf_str(temp, "XXXXXX");
    if (!sk_buf_ok(temp))
        return sk_buf_fail(temp, err);
    return mkdtemp(temp->data) ? 0 : sk_store_fail(err, "'%s'", temp->data);
}

int sk_store_restore(const char *file, const char *dir,
                     bool (*progress)(void *ctx, uint64_t done, uint64_t total), void *ctx,
                     struct sk_store_report *out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf temp = SK_BUF_INIT(PATH_MAX);
    SK_AUTO(sk_close) int file_fd = open(file, O_RDONLY | O_CLOEXEC);
    struct sk_store_report report = { 0 };
    struct sk_err second = SK_ERR_INIT;

    if (file_fd < 0)
        return sk_store_fail(err, "'%s'", file);
    if (check_target(dir, err) < 0 || make_temp(dir, &temp, err) < 0)
        return -1;
    struct restore r = { .dir = temp.data,
                         .dir_fd = -1,
                         .progress = progress,
                         .ctx = ctx,
                         .file_fd = file_fd,
                         .out = &report };
    int rc = fill(&r, err);
    if (rc < 0)
        (void)sk_wrap(err, "'%s'", file);
    else
        rc = take_name(temp.data, dir, err);
    sk_close(&r.dir_fd); /* the lock as well */
    if (rc < 0) {
        if (sk_remove_tree(temp.data, &second) < 0)
            return sk_wrap(err, "%s", second.text);
        return -1;
    }
    *out = report;
    return 0;
}
