/*
 * db.h - SQLite: one file, durable transactions, migrations.
 *
 * A database has one connection that writes and a few that read (WAL, synchronous FULL, foreign
 * keys on). A transaction borrows a connection: writers of this process queue for theirs and wait
 * up to busy_ms for other processes, then SK_BUSY; readers see the state of their begin and never
 * wait for a writer. A commit returns when the change is on the disk.
 *
 *     SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
 *     if (sk_db_begin(db, SK_DB_WRITE, &tx, err) < 0 ||
 *         sk_tx_run(tx, err, "INSERT INTO tag VALUES(?1, ?2)", "ts", id, name) < 0)
 *         return -1;
 *     return sk_tx_commit(&tx, err);
 *
 * Errors: SK_EXISTS (a UNIQUE or PRIMARY KEY constraint), SK_INVALID (another constraint), SK_BUSY,
 * SK_IO (disk; a full one says so), SK_CORRUPT, SK_NOMEM, SK_TIMEOUT. After an error of a
 * statement the transaction can only be ended. Threads: a database may be used by many, a
 * transaction by one at a time; a thread that writes must not begin a second write.
 */
#ifndef SK_DB_DB_H
#define SK_DB_DB_H

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sk_db;
struct sk_tx;
struct sk_stmt;

/* Migration i brings a database from version i to i + 1 (PRAGMA user_version), in one transaction.
 */
struct sk_db_options {
    const char *path;
    uint32_t application_id;       /* another one in the file: SK_INVALID "is not a ..." */
    const char *what;              /* "hub data", for errors */
    const char *const *migrations; /* SQL scripts, NULL-terminated */
    bool create;                   /* else SK_NOT_FOUND when the file is missing */
    uint64_t busy_ms;              /* 0: 10 s */
    unsigned readers;              /* 0: 4 */
};

/* A file of a later version is refused (SK_UNSUPPORTED, with both numbers); nothing is changed. */
int sk_db_open(const struct sk_db_options *opts, struct sk_db **out, struct sk_err *err) SK_CHECK;
/* No transaction may be open. */
void sk_db_close(struct sk_db *db);
SK_DEFINE_OWN(struct sk_db, sk_db_close);
unsigned sk_db_version(const struct sk_db *db);

enum sk_db_mode {
    SK_DB_READ,
    SK_DB_WRITE, /* BEGIN IMMEDIATE: no other writer, in any process, until the end */
    SK_DB_SHRINK /* the same, for what makes room: removes rows, or what lets others be removed */
};

/* Asked before each begin for writing; -1 refuses it. To be set before the first one. */
typedef int sk_db_room(void *ctx, enum sk_db_mode mode, struct sk_err *err);
void sk_db_ask_room(struct sk_db *db, sk_db_room *room, void *ctx);
/* Asks it, for what is stored on the same disk beside the database. */
int sk_db_need_room(struct sk_db *db, enum sk_db_mode mode, struct sk_err *err) SK_CHECK;

int sk_db_begin(struct sk_db *db, enum sk_db_mode mode, struct sk_tx **out,
                struct sk_err *err) SK_CHECK;
/* Durable when it returns 0. In both cases the transaction is over and *tx NULL. */
int sk_tx_commit(struct sk_tx **tx, struct sk_err *err) SK_CHECK;
/* Rolls back what was not committed. */
void sk_tx_end(struct sk_tx *tx);
SK_DEFINE_OWN(struct sk_tx, sk_tx_end);
/* Its statements fail with SK_TIMEOUT after this time, for what a peer may make long; the work of
 * one row is not cut. */
void sk_tx_limit(struct sk_tx *tx, uint64_t ms);

/*
 * Statements are prepared once per connection and kept. `types` has a letter per value:
 *     i  int64_t      n  double      s  const char * (NULL: SQL NULL)
 *     v  struct sk_view (text)      b  const void *, size_t (blob)      0  SQL NULL, takes no value
 * Texts and blobs must live until the statement's end or next reset.
 */
/* Runs a statement that gives no rows. */
int sk_tx_run(struct sk_tx *tx, struct sk_err *err, const char *sql, const char *types,
              ...) SK_CHECK;
/* Rows changed by the last sk_tx_run. */
int64_t sk_tx_changes(const struct sk_tx *tx);
int64_t sk_tx_last_id(const struct sk_tx *tx);

/* Begins a query; then sk_stmt_next until it gives 0; end it with sk_stmt_end. */
int sk_tx_query(struct sk_tx *tx, struct sk_stmt **out, struct sk_err *err, const char *sql,
                const char *types, ...) SK_CHECK;
/* The same for SQL that is put together at run time, with values bound one by one (1 is the first):
 * call sk_stmt_bind_* before the first sk_stmt_next. Not kept. */
int sk_tx_prepare(struct sk_tx *tx, const char *sql, size_t len, struct sk_stmt **out,
                  struct sk_err *err) SK_CHECK;
int sk_stmt_bind_int(struct sk_stmt *s, int at, int64_t value, struct sk_err *err) SK_CHECK;
int sk_stmt_bind_num(struct sk_stmt *s, int at, double value, struct sk_err *err) SK_CHECK;
int sk_stmt_bind_text(struct sk_stmt *s, int at, struct sk_view value, struct sk_err *err) SK_CHECK;
/* 1: a row is there; 0: no more; -1: error. */
int sk_stmt_next(struct sk_stmt *s, struct sk_err *err) SK_CHECK;
void sk_stmt_end(struct sk_stmt *s);
SK_DEFINE_OWN(struct sk_stmt, sk_stmt_end);

/* Columns of the row, from 0; texts and blobs live until the next sk_stmt_next or end. */
int64_t sk_stmt_int(struct sk_stmt *s, int col);
double sk_stmt_num(struct sk_stmt *s, int col);
const char *sk_stmt_text(struct sk_stmt *s, int col); /* "" for NULL */
struct sk_view sk_stmt_view(struct sk_stmt *s, int col);
const void *sk_stmt_blob(struct sk_stmt *s, int col, size_t *len);
bool sk_stmt_is_null(struct sk_stmt *s, int col);

/* A consistent copy, made while others write; path must not exist. Synced. */
int sk_db_backup(struct sk_db *db, const char *path, struct sk_err *err) SK_CHECK;
/* integrity_check and foreign_key_check: SK_CORRUPT with the first finding. */
int sk_db_check(struct sk_db *db, struct sk_err *err) SK_CHECK;

/*
 * ---- writer.c: group commit: many small changes from many threads, one transaction, one sync ----
 *
 * One thread takes what waits, runs it in one write transaction of at most slice_ms, commits, and
 * then tells each job in order. A job whose run fails is taken back alone (a savepoint); when the
 * transaction itself fails, its jobs are run again one by one, so that only the guilty fail.
 * Threads: push and run from any.
 */
struct sk_db_writer;

struct sk_db_writer_options {
    struct sk_db *db;
    enum sk_db_mode mode; /* SK_DB_WRITE */
    size_t max_jobs;      /* that wait; beyond: SK_BUSY. 0: 20,000 */
    unsigned slice_ms;    /* of one transaction; 0: 5 */
    /* Around a transaction, on the writer's thread: committed runs after the commit and before the
     * jobs are told; taken_back, when nothing of it holds. May be NULL. */
    void (*committed)(void *ctx);
    void (*taken_back)(void *ctx);
    void *ctx;
};

/* run may be called again after a transaction that failed as a whole; it must not keep what it did.
 * done is called exactly once. */
struct sk_db_job {
    int (*run)(struct sk_tx *tx, void *ctx, struct sk_err *err);
    void (*done)(void *ctx, const struct sk_err *failed); /* may be NULL */
    void *ctx;
    bool is_shrinking; /* it makes room: run with SK_DB_SHRINK when there is none for the others */
};

int sk_db_writer_new(const struct sk_db_writer_options *opts, struct sk_db_writer **out,
                     struct sk_err *err) SK_CHECK;
/* Runs what waits, then ends. */
void sk_db_writer_free(struct sk_db_writer *w);
SK_DEFINE_OWN(struct sk_db_writer, sk_db_writer_free);
/* Copies the job; never waits. */
int sk_db_writer_push(struct sk_db_writer *w, const struct sk_db_job *job,
                      struct sk_err *err) SK_CHECK;
/* Waits until it is on the disk. Not from the writer's own thread. */
int sk_db_writer_run(struct sk_db_writer *w,
                     int (*run)(struct sk_tx *tx, void *ctx, struct sk_err *err), void *ctx,
                     struct sk_err *err) SK_CHECK;
/* The same for a job that is_shrinking. */
int sk_db_writer_shrink(struct sk_db_writer *w,
                        int (*run)(struct sk_tx *tx, void *ctx, struct sk_err *err), void *ctx,
                        struct sk_err *err) SK_CHECK;
size_t sk_db_writer_waiting(struct sk_db_writer *w);

#endif
