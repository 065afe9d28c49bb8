/* db_priv.h - connections, their statements, and the errors of SQLite. */
#ifndef SK_DB_DB_PRIV_H
#define SK_DB_DB_PRIV_H

#include "db/db.h"

#include "base/thread.h"

#include <sqlite3.h>
#include <stdarg.h>

enum {
    SK_DB_STATEMENTS = 512,    /* slots per connection, a power of 2; half of them are used */
    SK_DB_CONNECTIONS_MAX = 64 /* readers at once; beyond it a begin waits */
};

/* A statement that a connection keeps; sql is its key, NULL for an empty slot. */
struct slot {
    sqlite3_stmt *handle;
    char *sql;
    bool is_used;
};

/* What a caller holds while a query runs. The end of the transaction takes `handle` away, so a
 * caller may end a statement after its transaction. */
struct sk_stmt {
    struct sk_tx *tx;
    sqlite3_stmt *handle;
    struct slot *slot;           /* NULL: handle is finalized at the end */
    struct sk_stmt *next, **ref; /* in the transaction's list */
};

struct conn;

struct sk_tx {
    struct sk_db *db;
    struct conn *conn;
    struct sk_stmt *open;
    int64_t changes;
    bool is_write, has_failed;
    uint64_t until_ns; /* of sk_tx_limit; 0: none */
};

struct conn {
    sqlite3 *handle;
    struct conn *next; /* of the free readers */
    struct sk_tx tx;
    uint64_t busy_ms, busy_until_ms; /* of the wait for other processes */
    unsigned kept;
    struct slot table[SK_DB_STATEMENTS];
};

/* One that waits for the writer's connection, on its own stack. */
struct turn {
    struct turn *next;
};

struct sk_db {
    char *path, *what;
    uint64_t busy_ms;
    unsigned version;
    struct conn *writer;
    sk_db_room *room; /* NULL: there always is */
    void *room_ctx;

    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t changed;
    bool has_mutex, has_cond;
    bool is_writing;
    pthread_t writing_thread;
    struct turn *turns;        /* writers that wait, the first first */
    struct conn *free_readers; /* the last used first: its pages are in memory */
    unsigned readers, readers_kept, readers_max;
};

/* The error of a call on `handle` that gave rc, as "what: reason". Returns -1. */
int sk_db_fail(sqlite3 *handle, int rc, const char *what, struct sk_err *err);
/* The database's path, for the texts of errors. */
int sk_db_fail_in(struct sk_tx *tx, int rc, struct sk_err *err);

/* The name of SQLite's door to the system with our log's zeros (wal.c); NULL: error. */
const char *sk_db_vfs(struct sk_err *err) SK_CHECK;

int sk_db_conn_open(const char *path, uint64_t busy_ms, bool is_writer, struct conn **out,
                    struct sk_err *err) SK_CHECK;
void sk_db_conn_close(struct conn *c);
SK_DEFINE_OWN(struct conn, sk_db_conn_close);
/* Runs SQL text without values and rows. */
int sk_db_conn_exec(struct conn *c, const char *sql, struct sk_err *err) SK_CHECK;
/* First column of the first row. */
int sk_db_conn_number(struct conn *c, const char *sql, int64_t *out, struct sk_err *err) SK_CHECK;
/* For a writer, once the file is known to be ours: WAL and the rest. */
int sk_db_conn_configure(struct conn *c, struct sk_err *err) SK_CHECK;
/* Takes from their holders the statements that a transaction left open. */
void sk_tx_end_statements(struct sk_tx *tx);
/* Steps a kept statement of the connection that gives no rows ("BEGIN"). */
int sk_tx_step(struct sk_tx *tx, const char *sql, struct sk_err *err) SK_CHECK;

/* Brings the file to the version of the last migration. */
int sk_db_migrate(struct conn *c, const struct sk_db_options *opts, unsigned *version,
                  struct sk_err *err) SK_CHECK;

#endif
