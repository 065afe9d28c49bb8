/*
 * db.c - the database: its one writer, its readers, and the transactions that borrow them.
 *
 * A begin for writing waits for its turn, which orders the writers of this process without asking
 * the file, first come, first served: a thread that writes all the time (writer.c) keeps nobody
 * out. Then BEGIN IMMEDIATE waits for those of other processes. Readers come from a
 * list of idle connections and are opened as needed; up to readers_kept of them stay open. A
 * reader's snapshot is taken in its begin.
 *
 * Invariant: a connection is in the list or borrowed by one transaction, which is a part of it, so
 * a begin allocates nothing once connections are there.
 */
#include "db/db_priv.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>

static const uint64_t default_busy_ms = 10000;
static const unsigned default_readers = 4;
static const int steps_between_looks = 1000; /* of SQLite's machine, at the clock */

/* The file with mode 0600 before SQLite sees it; the log and its index take the mode from it. */
static int make_file(const struct sk_db_options *opts, struct sk_err *err)
{
    int flags = O_RDWR | O_CLOEXEC | O_NONBLOCK | (opts->create ? O_CREAT : 0);
    SK_AUTO(sk_close) int fd = open(opts->path, flags, 0600);

    return fd < 0 ? sk_fail_errno(err, "'%s'", opts->path) : 0;
}

static int set_up(struct sk_db *db, const struct sk_db_options *opts, struct sk_err *err)
{
    db->path = strdup(opts->path);
    db->what = strdup(opts->what);
    if (!db->path || !db->what)
        return sk_nomem(err);
    db->busy_ms = opts->busy_ms ? opts->busy_ms : default_busy_ms;
    db->readers_kept = opts->readers ? opts->readers : default_readers;
    db->has_mutex = pthread_mutex_init(&db->mutex, NULL) == 0;
    if (!db->has_mutex)
        return sk_nomem(err);
    if (sk_cond_init(&db->changed, err) < 0)
        return -1;
    db->has_cond = true;
    return 0;
}

int sk_db_open(const struct sk_db_options *opts, struct sk_db **out, struct sk_err *err)
{
    SK_OWN(sk_db_close) struct sk_db *db = calloc(1, sizeof *db);

    if (!db)
        return sk_nomem(err);
    if (set_up(db, opts, err) < 0 || make_file(opts, err) < 0 ||
        sk_db_conn_open(opts->path, db->busy_ms, true, &db->writer, err) < 0 ||
        sk_db_migrate(db->writer, opts, &db->version, err) < 0)
        return -1;
    if (sk_db_conn_configure(db->writer, err) < 0)
        return sk_wrap(err, "'%s'", opts->path);
    *out = SK_TAKE(db);
    return 0;
}

void sk_db_close(struct sk_db *db)
{
    if (!db)
        return;
    while (db->free_readers) {
        struct conn *c = db->free_readers;
        db->free_readers = c->next;
        sk_db_conn_close(c);
    }
    sk_db_conn_close(db->writer);
    if (db->has_cond)
        (void)pthread_cond_destroy(&db->changed);
    if (db->has_mutex)
        (void)pthread_mutex_destroy(&db->mutex);
    free(db->path);
    free(db->what);
    free(db);
}

void sk_db_ask_room(struct sk_db *db, sk_db_room *room, void *ctx)
{
    db->room = room;
    db->room_ctx = ctx;
}

int sk_db_need_room(struct sk_db *db, enum sk_db_mode mode, struct sk_err *err)
{
    return db->room ? db->room(db->room_ctx, mode, err) : 0;
}

unsigned sk_db_version(const struct sk_db *db)
{
    return db->version;
}

static int wait_long(struct sk_db *db, uint64_t deadline_ns, const char *whom, struct sk_err *err)
{
    if (sk_cond_wait_until(&db->changed, &db->mutex, deadline_ns) != ETIMEDOUT)
        return 0;
    return sk_fail(err, SK_BUSY, "%s: waited %llu ms for %s", db->what,
                   (unsigned long long)db->busy_ms, whom);
}

static void take_place(struct sk_db *db, struct turn *t)
{
    struct turn **at = &db->turns;

    while (*at)
        at = &(*at)->next;
    *at = t;
}

static void leave_place(struct sk_db *db, const struct turn *t)
{
    struct turn **at = &db->turns;

    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
}

static int borrow_writer(struct sk_db *db, uint64_t deadline_ns, struct conn **out,
                         struct sk_err *err)
{
    struct turn me = { NULL };
    int failed = 0;

    SK_LOCK(&db->mutex);
    if (db->is_writing && pthread_equal(db->writing_thread, pthread_self()))
        return sk_fail(err, SK_BUG, "%s: a thread that writes began a second write", db->what);
    take_place(db, &me);
    while (failed == 0 && (db->is_writing || db->turns != &me))
        failed = wait_long(db, deadline_ns, "another writer", err);
    leave_place(db, &me);
    if (failed < 0) {
        (void)pthread_cond_broadcast(&db->changed); /* it may be the next one's turn now */
        return -1;
    }
    db->is_writing = true;
    db->writing_thread = pthread_self();
    *out = db->writer;
    return 0;
}

/* Takes an idle reader, or the right to open one (*out NULL). */
static int borrow_reader(struct sk_db *db, uint64_t deadline_ns, struct conn **out,
                         struct sk_err *err)
{
    SK_LOCK(&db->mutex);
    while (!db->free_readers && db->readers >= SK_DB_CONNECTIONS_MAX)
        if (wait_long(db, deadline_ns, "other readers", err) < 0)
            return -1;
    *out = db->free_readers;
    if (*out)
        db->free_readers = (*out)->next;
    else
        db->readers++;
    return 0;
}

static void give_back(struct sk_db *db, struct conn *c, bool is_write)
{
    struct conn *extra = NULL;
    {
        SK_LOCK(&db->mutex);
        if (is_write) {
            db->is_writing = false;
        } else if (c && db->readers <= db->readers_kept) {
            c->next = db->free_readers;
            db->free_readers = c;
        } else {
            extra = c;
            db->readers--;
        }
        /* Writers and readers wait for one condition. */
        (void)pthread_cond_broadcast(&db->changed);
    }

    sk_db_conn_close(extra);
}

static int begin(struct sk_tx *tx, struct sk_err *err)
{
    if (tx->is_write)
        return sk_tx_step(tx, "BEGIN IMMEDIATE", err);
    /* The snapshot is that of the first read. */
    if (sk_tx_step(tx, "BEGIN", err) < 0)
        return -1;
    return sk_tx_step(tx, "SELECT 1 FROM sqlite_schema LIMIT 1", err);
}

int sk_db_begin(struct sk_db *db, enum sk_db_mode mode, struct sk_tx **out, struct sk_err *err)
{
    uint64_t deadline_ns = sk_now_ns() + db->busy_ms * 1000000;
    bool is_write = mode != SK_DB_READ;
    struct conn *c = NULL;

    if (is_write && sk_db_need_room(db, mode, err) < 0)
        return -1;
    if ((is_write ? borrow_writer : borrow_reader)(db, deadline_ns, &c, err) < 0)
        return -1;
    if (!c && sk_db_conn_open(db->path, db->busy_ms, false, &c, err) < 0) {
        give_back(db, NULL, false);
        return -1;
    }
    struct sk_tx *tx = &c->tx;
    *tx = (struct sk_tx){ .db = db, .conn = c, .is_write = is_write };
    if (begin(tx, err) < 0) {
        sk_tx_end(tx);
        return -1;
    }
    *out = tx;
    return 0;
}

int sk_tx_commit(struct sk_tx **tx, struct sk_err *err)
{
    struct sk_tx *t = SK_TAKE(*tx);
    int failed = 0;

    sk_tx_end_statements(t);
    if (t->has_failed)
        failed = sk_fail(err, SK_BUG, "%s: commit of a transaction that has failed", t->db->what);
    else if (sk_tx_step(t, "COMMIT", err) < 0)
        failed = -1;
    sk_tx_end(t);
    return failed;
}

/* Another value than 0 interrupts the statement. */
static int is_late(void *ctx)
{
    const struct sk_tx *tx = ctx;

    return sk_now_ns() > tx->until_ns;
}

void sk_tx_limit(struct sk_tx *tx, uint64_t ms)
{
    tx->until_ns = sk_now_ns() + ms * 1000000;
    sqlite3_progress_handler(tx->conn->handle, steps_between_looks, is_late, tx);
}

void sk_tx_end(struct sk_tx *tx)
{
    if (!tx)
        return;
    sk_tx_end_statements(tx);
    if (tx->until_ns)
        sqlite3_progress_handler(tx->conn->handle, 0, NULL, NULL);
    /* After some errors SQLite has rolled back itself. A rollback cannot fail in a way that leaves
     * the transaction open. */
    if (!sqlite3_get_autocommit(tx->conn->handle))
        (void)sqlite3_exec(tx->conn->handle, "ROLLBACK", NULL, NULL, NULL);
    give_back(tx->db, tx->conn, tx->is_write);
}
