/*
 * gc.c - takes what nothing needs: old uploads, blobs without a reference, files without a row.
 *
 * What keeps a blob is read from the schema: every column that REFERENCES blob(digest), unless it
 * goes with its blob (ON DELETE CASCADE). A blob goes in two steps, each in slices of
 * SK_STORE_SLICE: its row in one transaction; then, in a second one and only if no row has come
 * back, its file moves to trash/, where it is unlinked without holding anybody up. Uploads need no
 * transaction: what can be locked is nobody's.
 *
 * A file without a row is taken under the write lock too, when it has been so for
 * SK_STORE_STRAY_MS. The row `care` is written before that: a commit that was reported as failed by
 * fsync may be in the log all the same, and reappear after a power cut; a later commit overwrites
 * it. So a file is only taken when a commit that would have named it is long overwritten.
 *
 * Space comes back first where no transaction is needed, so that gc works on a full disk.
 */
#include "store/store_priv.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

struct gc {
    struct sk_store *store;
    uint64_t before_ms, uploads_before_ms, strays_before_ms; /* wall clock */
    bool dry_run;
    const char *kind;     /* the folder of blobs that is looked through for strays */
    struct sk_buf unused; /* SQL: a blob that nothing names */
    struct sk_store_report *out;
};

static uint64_t file_ms(const struct timespec *t)
{
    return (uint64_t)t->tv_sec * 1000 + (uint64_t)t->tv_nsec / 1000000;
}

static void pace(void)
{
    const struct timespec gap = { .tv_nsec = SK_STORE_SLICE_GAP_MS * 1000000L };

    (void)nanosleep(&gap, NULL);
}

static void close_dir(DIR **d)
{
    if (*d)
        (void)closedir(*d);
}

/* Calls each with the names of a folder; a folder that is not there is empty. */
static int each_name(int dir_fd, const char *folder,
                     int (*each)(struct gc *g, int fd, const char *name, struct sk_err *err),
                     struct gc *g, struct sk_err *err)
{
    int fd = openat(dir_fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? 0 : sk_store_fail(err, "folder '%s'", folder);
    SK_AUTO(close_dir) DIR *d = fdopendir(fd);
    if (!d) {
        (void)sk_store_fail(err, "folder '%s'", folder);
        sk_close(&fd);
        return -1;
    }
    for (const struct dirent *e = NULL; (e = readdir(d)) != NULL;)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            each(g, dirfd(d), e->d_name, err) < 0)
            return -1;
    return 0;
}

/* ---- uploads and trash ---- */

static int take_upload(struct gc *g, int dir_fd, const char *name, struct sk_err *err)
{
    struct sk_err busy = SK_ERR_INIT;
    struct stat st;

    (void)err;
    SK_AUTO(sk_close)
    int fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
        file_ms(&st.st_mtim) >= g->uploads_before_ms || sk_upload_lock(fd, name, &st, &busy) < 0 ||
        file_ms(&st.st_mtim) >= g->uploads_before_ms)
        return 0;
    if (!g->dry_run && unlinkat(dir_fd, name, 0) < 0)
        return 0;
    g->out->uploads_removed++;
    if (st.st_nlink == 1)
        g->out->removed_bytes += (uint64_t)st.st_size;
    return 0;
}

static int take_trash(struct gc *g, int dir_fd, const char *name, struct sk_err *err)
{
    (void)err;
    if (!g->dry_run)
        (void)unlinkat(dir_fd, name, 0);
    return 0;
}

static int empty_trash(struct gc *g, struct sk_err *err)
{
    return each_name(g->store->dir_fd, "trash", take_trash, g, err);
}

/* ---- blobs ---- */

static int find_references(struct gc *g, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    struct sk_buf *b = &g->unused;
    int more = 0;

    if (sk_db_begin(g->store->db, SK_DB_READ, &tx, err) < 0 ||
        sk_tx_query(tx, &s, err,
                    "SELECT m.name, k.\"from\" FROM sqlite_schema m "
                    "JOIN pragma_foreign_key_list(m.name) k WHERE m.type = 'table' "
                    "AND k.\"table\" = 'blob' AND k.on_delete <> 'CASCADE'",
                    "") < 0)
        return -1;
    sk_buf_str(b, "touched_ms <= ?1");
    while ((more = sk_stmt_next(s, err)) > 0) {
        const char *table = sk_stmt_text(s, 0), *column = sk_stmt_text(s, 1);
        if (strchr(table, '"') || strchr(column, '"'))
            return sk_fail(err, SK_BUG, "table '%s' has a quote in its names", table);
        sk_buf_fmt(b, " AND NOT EXISTS(SELECT 1 FROM \"%s\" WHERE \"%s\" = blob.digest)", table,
                   column);
    }
    if (more < 0)
        return -1;
    return sk_buf_ok(b) ? 0 : sk_buf_fail(b, err);
}

struct slice {
    char digests[SK_STORE_SLICE][SK_DIGEST_TEXT];
    uint64_t sizes[SK_STORE_SLICE];
    size_t count;
};

/* The next unused blobs behind `last`. */
static int find_slice(struct gc *g, const char *last, struct slice *out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf sql = SK_BUF_INIT(1 << 16);
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int more = 0;

    sk_buf_fmt(&sql,
               "SELECT digest, size FROM blob WHERE digest > ?2 AND %s ORDER BY digest LIMIT %d",
               g->unused.data, SK_STORE_SLICE);
    if (!sk_buf_ok(&sql))
        return sk_buf_fail(&sql, err);
    if (sk_db_begin(g->store->db, SK_DB_READ, &tx, err) < 0 ||
        sk_tx_prepare(tx, sql.data, sql.len, &s, err) < 0 ||
        sk_stmt_bind_int(s, 1, (int64_t)g->before_ms, err) < 0 ||
        sk_stmt_bind_text(s, 2, sk_view_of(last), err) < 0)
        return -1;
    for (out->count = 0; out->count < SK_STORE_SLICE && (more = sk_stmt_next(s, err)) > 0;) {
        (void)snprintf(out->digests[out->count], SK_DIGEST_TEXT, "%s", sk_stmt_text(s, 0));
        out->sizes[out->count++] = (uint64_t)sk_stmt_int(s, 1);
    }
    return more < 0 ? -1 : 0;
}

/* Leaves in the slice what it deleted. */
static int delete_rows(struct gc *g, struct slice *all, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf sql = SK_BUF_INIT(1 << 16);
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    size_t kept = 0;

    sk_buf_fmt(&sql, "DELETE FROM blob WHERE digest = ?2 AND %s", g->unused.data);
    if (!sk_buf_ok(&sql))
        return sk_buf_fail(&sql, err);
    if (sk_db_begin(g->store->db, SK_DB_SHRINK, &tx, err) < 0)
        return -1;
    for (size_t i = 0; i < all->count; i++) {
        /* Not what got a reference, or was touched, since it was found. */
        if (sk_tx_run(tx, err, sql.data, "is", (int64_t)g->before_ms, all->digests[i]) < 0)
            return -1;
        if (sk_tx_changes(tx) == 0)
            continue;
        memmove(all->digests[kept], all->digests[i], SK_DIGEST_TEXT);
        all->sizes[kept++] = all->sizes[i];
    }
    all->count = kept;
    return sk_tx_commit(&tx, err);
}

/* 1 when the blob has a row. */
static int has_row(struct sk_tx *tx, const char *digest, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;

    if (sk_tx_query(tx, &s, err, "SELECT 1 FROM blob WHERE digest = ?1", "s", digest) < 0)
        return -1;
    return sk_stmt_next(s, err);
}

static int move_files(struct gc *g, const struct slice *all, struct sk_err *err)
{
    struct sk_store *s = g->store;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    char path[SK_BLOB_PATH];

    if (sk_db_begin(s->db, SK_DB_SHRINK, &tx, err) < 0)
        return -1;
    for (size_t i = 0; i < all->count; i++) {
        int has = has_row(tx, all->digests[i], err);
        if (has < 0)
            return -1;
        (void)sk_blob_path(all->digests[i], path);
        if (has == 0 && renameat(s->blobs_fd, path, s->trash_fd, strrchr(path, '/') + 1) < 0 &&
            errno != ENOENT)
            return sk_store_fail(err, "blob %s", all->digests[i]);
    }
    return 0;
}

static void count(struct gc *g, const struct slice *all)
{
    g->out->removed += all->count;
    for (size_t i = 0; i < all->count; i++)
        g->out->removed_bytes += all->sizes[i];
}

static int take_blobs(struct gc *g, struct sk_err *err)
{
    char last[SK_DIGEST_TEXT] = "";
    struct slice all;

    for (;;) {
        if (find_slice(g, last, &all, err) < 0)
            return -1;
        if (all.count == 0)
            return 0;
        memcpy(last, all.digests[all.count - 1], sizeof last);
        if (g->dry_run) {
            count(g, &all);
            continue;
        }
        if (delete_rows(g, &all, err) < 0)
            return -1;
        count(g, &all);
        if (move_files(g, &all, err) < 0 || empty_trash(g, err) < 0)
            return -1;
        pace();
    }
}

/* ---- strays ---- */

static int write_care(struct gc *g, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;

    if (sk_db_begin(g->store->db, SK_DB_SHRINK, &tx, err) < 0 ||
        sk_tx_run(tx, err, "UPDATE care SET gc_ms = ?1", "i", (int64_t)sk_wall_ms()) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}

static int look_for(struct gc *g, enum sk_db_mode mode, const char *digest, struct sk_tx **tx,
                    struct sk_err *err)
{
    if (sk_db_begin(g->store->db, mode, tx, err) < 0)
        return -1;
    return sk_digest_valid(digest) ? has_row(*tx, digest, err) : 0;
}

static int take_stray(struct gc *g, int dir_fd, const char *name, struct sk_err *err)
{
    char digest[SK_DIGEST_TEXT + 16];
    struct stat st;

    (void)snprintf(digest, sizeof digest, "%s:%s", g->kind, name);
    {
        SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
        int has = look_for(g, SK_DB_READ, digest, &tx, err);
        if (has != 0)
            return has < 0 ? -1 : 0;
    }
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
        file_ms(&st.st_ctim) >= g->strays_before_ms)
        return 0;
    if (!g->dry_run) {
        SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
        int has = look_for(g, SK_DB_SHRINK, digest, &tx, err);
        if (has != 0)
            return has < 0 ? -1 : 0;
        if (renameat(dir_fd, name, g->store->trash_fd, name) < 0)
            return errno == ENOENT ? 0 : sk_store_fail(err, "file '%s'", name);
    }
    g->out->strays++;
    g->out->stray_bytes += (uint64_t)st.st_size;
    return 0;
}

static int take_folder(struct gc *g, int dir_fd, const char *name, struct sk_err *err)
{
    struct stat st;

    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
        return 0;
    return each_name(dir_fd, name, take_stray, g, err);
}

static int take_strays(struct gc *g, struct sk_err *err)
{
    if (!g->dry_run && write_care(g, err) < 0)
        return -1;
    for (int i = 0; i < SK_HASH_COUNT; i++) {
        g->kind = sk_hash_name((enum sk_hash_kind)i);
        if (each_name(g->store->blobs_fd, g->kind, take_folder, g, err) < 0)
            return -1;
    }
    return 0;
}

int sk_store_gc(struct sk_store *s, uint64_t grace_ms, uint64_t upload_ms, bool dry_run,
                struct sk_store_report *out, struct sk_err *err)
{
    SK_AUTO(sk_close) int lock = -1;
    struct sk_store_report report = { 0 };
    uint64_t now = sk_wall_ms();
    uint64_t stray_ms = grace_ms < SK_STORE_STRAY_MS ? grace_ms : SK_STORE_STRAY_MS;
    struct gc g = {
        .store = s,
        .before_ms = grace_ms < now ? now - grace_ms : 0,
        .uploads_before_ms = upload_ms < now ? now - upload_ms : 0,
        .strays_before_ms = now - stray_ms,
        .dry_run = dry_run,
        .unused = SK_BUF_INIT(1 << 15),
        .out = &report,
    };

    if (sk_store_care_lock(s, true, 0, &lock, err) < 0)
        return -1;
    int rc = each_name(s->dir_fd, "uploads", take_upload, &g, err) < 0 ||
                     empty_trash(&g, err) < 0 || find_references(&g, err) < 0 ||
                     take_blobs(&g, err) < 0 || take_strays(&g, err) < 0 || empty_trash(&g, err) < 0
                 ? -1
                 : 0;
    sk_buf_done(&g.unused);
    sk_reserve_fill(s);
    if (rc == 0)
        *out = report;
    return rc;
}
