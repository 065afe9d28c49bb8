/*
 * care.c - copies and checks of a whole database.
 *
 * The copy is made by VACUUM INTO on a connection of its own: one read transaction, so it is a
 * state that was, and writers go on meanwhile. It goes to a name beside the target and takes the
 * target's after it is synced.
 */
#include "db/db_priv.h"

#include "base/buf.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

static int vacuum_into(struct conn *c, const char *path, struct sk_err *err)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(c->handle, "VACUUM INTO ?1", -1, &s, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(s, 1, path, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(s);
    int failed = rc == SQLITE_DONE ? 0 : sk_db_fail(c->handle, rc, "copy of the database", err);
    (void)sqlite3_finalize(s);
    return failed;
}

static int sync_path(const char *path, int flags, struct sk_err *err)
{
    SK_AUTO(sk_close) int fd = open(path, flags | O_CLOEXEC);

    if (fd < 0 || fsync(fd) < 0)
        return sk_fail_errno(err, "'%s'", path);
    return 0;
}

/* malloc'd folder part of path. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return !slash ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
}

int sk_db_backup(struct sk_db *db, const char *path, struct sk_err *err)
{
    SK_OWN(sk_db_conn_close) struct conn *c = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf temp = SK_BUF_INIT(PATH_MAX);
    SK_OWN(free) char *folder = folder_of(path);
    struct stat st;

    sk_buf_fmt(&temp, "%s.new", path);
    if (!sk_buf_ok(&temp))
        return sk_buf_fail(&temp, err);
    if (!folder)
        return sk_nomem(err);
    if (lstat(path, &st) == 0)
        return sk_fail(err, SK_EXISTS, "'%s' exists", path);
    if (unlink(temp.data) < 0 && errno != ENOENT)
        return sk_fail_errno(err, "'%s'", temp.data);
    /* An empty file is a target that SQLite takes, with the mode that it finds. */
    SK_AUTO(sk_close) int fd = open(temp.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return sk_fail_errno(err, "'%s'", temp.data);
    if (sk_db_conn_open(db->path, db->busy_ms, false, &c, err) < 0 ||
        sk_db_conn_exec(c, "PRAGMA query_only=OFF", err) < 0 ||
        vacuum_into(c, temp.data, err) < 0 || sync_path(temp.data, O_RDONLY, err) < 0) {
        (void)unlink(temp.data);
        return -1;
    }
    if (rename(temp.data, path) < 0) {
        (void)sk_fail_errno(err, "'%s'", path);
        (void)unlink(temp.data);
        return -1;
    }
    return sync_path(folder, O_RDONLY | O_DIRECTORY, err);
}

int sk_db_check(struct sk_db *db, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *keys = NULL;

    if (sk_db_begin(db, SK_DB_READ, &tx, err) < 0 ||
        sk_tx_query(tx, &s, err, "PRAGMA integrity_check(1)", "") < 0 || sk_stmt_next(s, err) < 0)
        return sk_wrap(err, "'%s'", db->path);
    if (strcmp(sk_stmt_text(s, 0), "ok") != 0)
        return sk_fail(err, SK_CORRUPT, "'%s': %s", db->path, sk_stmt_text(s, 0));
    if (sk_tx_query(tx, &keys, err,
                    "SELECT \"table\", rowid, parent FROM pragma_foreign_key_check LIMIT 1",
                    "") < 0)
        return -1;
    int more = sk_stmt_next(keys, err);
    if (more > 0)
        return sk_fail(err, SK_CORRUPT, "'%s': row %lld of %s refers to nothing in %s", db->path,
                       (long long)sk_stmt_int(keys, 1), sk_stmt_text(keys, 0),
                       sk_stmt_text(keys, 2));
    return more;
}
