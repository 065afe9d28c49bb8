/*
 * conn.c - one connection: how it is set up, how long it waits, how it dies.
 *
 * Durability: WAL with synchronous FULL, so each commit syncs the log before it returns. When that
 * sync fails, SQLite takes the transaction back and the next one overwrites its frames, so a later
 * success never rests on bytes that the kernel may have dropped. The log is written over zeros
 * that were synced before (wal.c).
 */
#include "db/db_priv.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>

/* Waits in small steps: SQLite's own handler sleeps up to 100 ms, which is long beside a commit. */
static int wait_a_little(void *ctx, int times)
{
    struct conn *c = ctx;
    const struct timespec pause = { .tv_nsec = times < 20 ? 500000 : 3000000 };

    if (times == 0)
        c->busy_until_ms = sk_now_ms() + c->busy_ms;
    if (sk_now_ms() >= c->busy_until_ms)
        return 0;
    (void)nanosleep(&pause, NULL);
    return 1;
}

static const char *const writer_pragmas[] = {
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA journal_size_limit=67108864",
    "PRAGMA temp_store=MEMORY",
    NULL,
};

static const char *const reader_pragmas[] = {
    "PRAGMA query_only=ON",
    "PRAGMA temp_store=MEMORY",
    NULL,
};

static int set_up(struct conn *c, bool is_writer, struct sk_err *err)
{
    int rc = sqlite3_extended_result_codes(c->handle, 1);

    if (rc == SQLITE_OK)
        rc = sqlite3_busy_handler(c->handle, wait_a_little, c);
    /* Until the file is known to be ours it is not to be changed, not even by a checkpoint. */
    if (rc == SQLITE_OK && is_writer)
        rc = sqlite3_db_config(c->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(c->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (rc != SQLITE_OK)
        return sk_db_fail(c->handle, rc, "database", err);
    if (is_writer)
        return 0;
    for (const char *const *p = reader_pragmas; *p; p++)
        if (sk_db_conn_exec(c, *p, err) < 0)
            return -1;
    return 0;
}

int sk_db_conn_open(const char *path, uint64_t busy_ms, bool is_writer, struct conn **out,
                    struct sk_err *err)
{
    SK_OWN(sk_db_conn_close) struct conn *c = calloc(1, sizeof *c);
    const char *vfs = sk_db_vfs(err);

    if (!vfs)
        return -1;
    if (!c)
        return sk_nomem(err);
    c->busy_ms = busy_ms;
    /* NOMUTEX: a connection is used by one thread at a time. */
    int rc = sqlite3_open_v2(path, &c->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, vfs);
    if (rc != SQLITE_OK)
        return sk_db_fail(c->handle, rc, path, err);
    if (set_up(c, is_writer, err) < 0)
        return sk_wrap(err, "'%s'", path);
    *out = SK_TAKE(c);
    return 0;
}

/* Some file systems cannot share memory; SQLite then stays in its old mode without a word. */
static int use_wal(struct conn *c, struct sk_err *err)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(c->handle, "PRAGMA journal_mode=WAL", -1, &s, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(s);
    const char *mode = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(s, 0) : NULL;
    bool is_wal = mode && strcmp(mode, "wal") == 0;
    if (rc != SQLITE_ROW)
        (void)sk_db_fail(c->handle, rc, "database", err);
    (void)sqlite3_finalize(s);
    if (rc != SQLITE_ROW)
        return -1;
    if (!is_wal)
        return sk_fail(err, SK_UNSUPPORTED,
                       "this file system cannot hold a write-ahead log: use a local one");
    return 0;
}

int sk_db_conn_configure(struct conn *c, struct sk_err *err)
{
    if (use_wal(c, err) < 0)
        return -1;
    for (const char *const *p = writer_pragmas; *p; p++)
        if (sk_db_conn_exec(c, *p, err) < 0)
            return -1;
    int rc = sqlite3_db_config(c->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    return rc == SQLITE_OK ? 0 : sk_db_fail(c->handle, rc, "database", err);
}

void sk_db_conn_close(struct conn *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < SK_DB_STATEMENTS; i++) {
        (void)sqlite3_finalize(c->table[i].handle);
        free(c->table[i].sql);
    }
    (void)sqlite3_close_v2(c->handle);
    free(c);
}

int sk_db_conn_exec(struct conn *c, const char *sql, struct sk_err *err)
{
    int rc = sqlite3_exec(c->handle, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? 0 : sk_db_fail(c->handle, rc, "database", err);
}

int sk_db_conn_number(struct conn *c, const char *sql, int64_t *out, struct sk_err *err)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(c->handle, sql, -1, &s, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(s);
    int64_t value = rc == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        (void)sk_db_fail(c->handle, rc, "database", err);
        (void)sqlite3_finalize(s);
        return -1;
    }
    (void)sqlite3_finalize(s);
    *out = value;
    return 0;
}
