/*
 * stmt.c - statements: prepared once per connection, found again by their text.
 *
 * The table is open addressing on the text's FNV-1a; nothing is ever taken out of it. A statement
 * that is running when it is asked for again (a query within a query) and one for which the table
 * has no room are prepared for that one use.
 */
#include "db/db_priv.h"

static uint64_t hash_of(const char *text)
{
    uint64_t h = 14695981039346656037u;

    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 1099511628211u;
    return h;
}

static int prepare(struct sk_tx *tx, const char *sql, size_t len, unsigned flags,
                   sqlite3_stmt **out, struct sk_err *err)
{
    int rc = len > INT32_MAX
                 ? SQLITE_TOOBIG
                 : sqlite3_prepare_v3(tx->conn->handle, sql, (int)len, flags, out, NULL);
    if (rc != SQLITE_OK)
        return sk_db_fail_in(tx, rc, err);
    if (!*out) {
        tx->has_failed = true;
        return sk_fail(err, SK_BUG, "%s: empty statement", tx->db->what);
    }
    return 0;
}

/* The slot of sql, or where it would go. */
static struct slot *find(struct conn *c, const char *sql)
{
    size_t at = (size_t)hash_of(sql) & (SK_DB_STATEMENTS - 1);

    while (c->table[at].sql && strcmp(c->table[at].sql, sql) != 0)
        at = (at + 1) & (SK_DB_STATEMENTS - 1);
    return &c->table[at];
}

/* A statement to run; *slot NULL: finalize it afterwards. */
static int get(struct sk_tx *tx, const char *sql, sqlite3_stmt **out, struct slot **slot,
               struct sk_err *err)
{
    struct conn *c = tx->conn;
    struct slot *s = find(c, sql);

    *slot = NULL;
    if (s->is_used || (!s->sql && c->kept >= SK_DB_STATEMENTS / 2))
        return prepare(tx, sql, strlen(sql), 0, out, err);
    if (!s->sql) {
        SK_OWN(free) char *copy = strdup(sql);
        if (!copy) {
            tx->has_failed = true;
            return sk_nomem(err);
        }
        if (prepare(tx, sql, strlen(sql), SQLITE_PREPARE_PERSISTENT, &s->handle, err) < 0)
            return -1;
        s->sql = SK_TAKE(copy);
        c->kept++;
    }
    s->is_used = true;
    *slot = s;
    *out = s->handle;
    return 0;
}

static void put(sqlite3_stmt *handle, struct slot *slot)
{
    if (!slot) {
        (void)sqlite3_finalize(handle); /* its error was reported by the step */
        return;
    }
    (void)sqlite3_reset(handle);
    (void)sqlite3_clear_bindings(handle); /* borrowed texts end here */
    slot->is_used = false;
}

static int bind_view(sqlite3_stmt *s, int at, struct sk_view v)
{
    return sqlite3_bind_text64(s, at, v.ptr ? v.ptr : "", v.len, SQLITE_STATIC, SQLITE_UTF8);
}

static int bind_blob(sqlite3_stmt *s, int at, const void *bytes, size_t len)
{
    return sqlite3_bind_blob64(s, at, bytes ? bytes : "", len, SQLITE_STATIC);
}

static int bind_text(sqlite3_stmt *s, int at, const char *text)
{
    return text ? sqlite3_bind_text64(s, at, text, strlen(text), SQLITE_STATIC, SQLITE_UTF8)
                : sqlite3_bind_null(s, at);
}

static int bind_all(sqlite3_stmt *s, const char *types, va_list args)
{
    int rc = SQLITE_OK;

    for (int at = 1; types[at - 1] && rc == SQLITE_OK; at++) {
        const void *bytes = NULL;
        switch (types[at - 1]) {
        case 'i':
            rc = sqlite3_bind_int64(s, at, va_arg(args, int64_t));
            break;
        case 'n':
            rc = sqlite3_bind_double(s, at, va_arg(args, double));
            break;
        case 's':
            rc = bind_text(s, at, va_arg(args, const char *));
            break;
        case 'v':
            rc = bind_view(s, at, va_arg(args, struct sk_view));
            break;
        case 'b':
            bytes = va_arg(args, const void *);
            rc = bind_blob(s, at, bytes, va_arg(args, size_t));
            break;
        case '0':
            rc = sqlite3_bind_null(s, at);
            break;
        default:
            rc = SQLITE_MISUSE;
            break;
        }
    }
    return rc;
}

static int check_values(struct sk_tx *tx, sqlite3_stmt *s, const char *sql, const char *types,
                        struct sk_err *err)
{
    if (sqlite3_bind_parameter_count(s) == (int)strlen(types))
        return 0;
    tx->has_failed = true;
    return sk_fail(err, SK_BUG, "%s: %zu values for %d places in: %s", tx->db->what, strlen(types),
                   sqlite3_bind_parameter_count(s), sql);
}

static int usable(const struct sk_tx *tx, struct sk_err *err)
{
    if (tx->has_failed)
        return sk_fail(err, SK_BUG, "%s: the transaction has failed already", tx->db->what);
    return 0;
}

int sk_tx_step(struct sk_tx *tx, const char *sql, struct sk_err *err)
{
    sqlite3_stmt *s = NULL;
    struct slot *slot = NULL;

    if (get(tx, sql, &s, &slot, err) < 0)
        return -1;
    int rc = sqlite3_step(s);
    int failed = rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : sk_db_fail_in(tx, rc, err);
    put(s, slot);
    return failed;
}

int sk_tx_run(struct sk_tx *tx, struct sk_err *err, const char *sql, const char *types, ...)
{
    sqlite3_stmt *s = NULL;
    struct slot *slot = NULL;
    va_list args;

    if (usable(tx, err) < 0 || get(tx, sql, &s, &slot, err) < 0)
        return -1;
    int failed = check_values(tx, s, sql, types, err);
    if (failed == 0) {
        va_start(args, types);
        int rc = bind_all(s, types, args);
        va_end(args);
        if (rc == SQLITE_OK)
            rc = sqlite3_step(s);
        if (rc == SQLITE_DONE)
            tx->changes = sqlite3_changes64(tx->conn->handle);
        else if (rc == SQLITE_ROW)
            failed = sk_fail(err, SK_BUG, "%s: a row came from: %s", tx->db->what, sql);
        else
            failed = sk_db_fail_in(tx, rc, err);
    }
    tx->has_failed = failed < 0;
    put(s, slot);
    return failed;
}

int64_t sk_tx_changes(const struct sk_tx *tx)
{
    return tx->changes;
}

int64_t sk_tx_last_id(const struct sk_tx *tx)
{
    return sqlite3_last_insert_rowid(tx->conn->handle);
}

/* ---- queries ---- */

static struct sk_stmt *stmt_new(struct sk_tx *tx, struct sk_err *err)
{
    struct sk_stmt *s = calloc(1, sizeof *s);

    if (!s) {
        tx->has_failed = true;
        (void)sk_nomem(err);
    }
    return s;
}

static void enlist(struct sk_stmt *s, struct sk_tx *tx)
{
    s->tx = tx;
    s->next = tx->open;
    s->ref = &tx->open;
    if (s->next)
        s->next->ref = &s->next;
    tx->open = s;
}

static void take_away(struct sk_stmt *s)
{
    put(s->handle, s->slot);
    *s->ref = s->next;
    if (s->next)
        s->next->ref = s->ref;
    s->handle = NULL;
    s->tx = NULL;
}

int sk_tx_query(struct sk_tx *tx, struct sk_stmt **out, struct sk_err *err, const char *sql,
                const char *types, ...)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    va_list args;

    if (usable(tx, err) < 0 || !(s = stmt_new(tx, err)) ||
        get(tx, sql, &s->handle, &s->slot, err) < 0)
        return -1;
    enlist(s, tx);
    if (check_values(tx, s->handle, sql, types, err) < 0)
        return -1;
    va_start(args, types);
    int rc = bind_all(s->handle, types, args);
    va_end(args);
    if (rc != SQLITE_OK)
        return sk_db_fail_in(tx, rc, err);
    *out = SK_TAKE(s);
    return 0;
}

int sk_tx_prepare(struct sk_tx *tx, const char *sql, size_t len, struct sk_stmt **out,
                  struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;

    if (usable(tx, err) < 0 || !(s = stmt_new(tx, err)) ||
        prepare(tx, sql, len, 0, &s->handle, err) < 0)
        return -1;
    enlist(s, tx);
    *out = SK_TAKE(s);
    return 0;
}

static int bound(struct sk_stmt *s, int rc, struct sk_err *err)
{
    return rc == SQLITE_OK ? 0 : sk_db_fail_in(s->tx, rc, err);
}

int sk_stmt_bind_int(struct sk_stmt *s, int at, int64_t value, struct sk_err *err)
{
    return bound(s, sqlite3_bind_int64(s->handle, at, value), err);
}

int sk_stmt_bind_num(struct sk_stmt *s, int at, double value, struct sk_err *err)
{
    return bound(s, sqlite3_bind_double(s->handle, at, value), err);
}

int sk_stmt_bind_text(struct sk_stmt *s, int at, struct sk_view value, struct sk_err *err)
{
    return bound(s, bind_view(s->handle, at, value), err);
}

int sk_stmt_next(struct sk_stmt *s, struct sk_err *err)
{
    if (!s->tx)
        return sk_fail(err, SK_BUG, "database: a query went on after its transaction");
    if (usable(s->tx, err) < 0)
        return -1;
    int rc = sqlite3_step(s->handle);
    if (rc == SQLITE_ROW)
        return 1;
    return rc == SQLITE_DONE ? 0 : sk_db_fail_in(s->tx, rc, err);
}

void sk_stmt_end(struct sk_stmt *s)
{
    if (s && s->tx)
        take_away(s);
    free(s);
}

void sk_tx_end_statements(struct sk_tx *tx)
{
    while (tx->open)
        take_away(tx->open);
}

/* ---- columns ---- */

int64_t sk_stmt_int(struct sk_stmt *s, int col)
{
    return sqlite3_column_int64(s->handle, col);
}

double sk_stmt_num(struct sk_stmt *s, int col)
{
    return sqlite3_column_double(s->handle, col);
}

const char *sk_stmt_text(struct sk_stmt *s, int col)
{
    const char *text = (const char *)sqlite3_column_text(s->handle, col);

    return text ? text : "";
}

struct sk_view sk_stmt_view(struct sk_stmt *s, int col)
{
    const char *text = sk_stmt_text(s, col); /* first: it may convert, and so change the length */

    return (struct sk_view){ text, (size_t)sqlite3_column_bytes(s->handle, col) };
}

const void *sk_stmt_blob(struct sk_stmt *s, int col, size_t *len)
{
    const void *bytes = sqlite3_column_blob(s->handle, col);

    *len = (size_t)sqlite3_column_bytes(s->handle, col);
    return bytes ? bytes : "";
}

bool sk_stmt_is_null(struct sk_stmt *s, int col)
{
    return sqlite3_column_type(s->handle, col) == SQLITE_NULL;
}
