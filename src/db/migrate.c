/*
 * migrate.c - brings a file to the version that this program knows.
 *
 * PRAGMA user_version counts the migrations that a file has seen, application_id says whose file it
 * is; both are in the file's first page and change with the transaction. All migrations that are
 * missing run in one transaction, so a file is at its old version or at the new one. Two processes
 * that open an old file at once: the second finds, once it has the lock, that nothing is left to
 * do. Foreign keys are off meanwhile, so that a table can be built anew, and are checked before the
 * commit.
 */
#include "db/db_priv.h"

#include "base/buf.h"

static int run_script(struct conn *c, const char *script, unsigned to, struct sk_err *err)
{
    char set[64];

    (void)snprintf(set, sizeof set, "PRAGMA user_version=%u", to);
    if (sk_db_conn_exec(c, script, err) < 0 || sk_db_conn_exec(c, set, err) < 0)
        return sk_wrap(err, "migration to version %u", to);
    return 0;
}

static int check_keys(struct conn *c, struct sk_err *err)
{
    int64_t broken = 0;

    if (sk_db_conn_number(c, "SELECT count(*) FROM pragma_foreign_key_check", &broken, err) < 0)
        return -1;
    if (broken > 0)
        return sk_fail(err, SK_BUG, "migration: %lld rows refer to nothing", (long long)broken);
    return 0;
}

/* Version of the file, once it is sure that it is one of ours or empty. */
static int look(struct conn *c, const struct sk_db_options *opts, int64_t last, int64_t *version,
                struct sk_err *err)
{
    int64_t id = 0, tables = 0;

    if (sk_db_conn_number(c, "PRAGMA application_id", &id, err) < 0 ||
        sk_db_conn_number(c, "PRAGMA user_version", version, err) < 0 ||
        sk_db_conn_number(c, "SELECT count(*) FROM sqlite_schema", &tables, err) < 0)
        return sk_wrap(err, "'%s'", opts->path);
    bool is_empty = id == 0 && *version == 0 && tables == 0;
    if ((uint32_t)id != opts->application_id && !(is_empty && opts->create))
        return sk_fail(err, SK_INVALID, "'%s' is not %s", opts->path, opts->what);
    if (*version > last)
        return sk_fail(err, SK_UNSUPPORTED,
                       "'%s' has version %lld, this program knows up to %lld: use a newer program",
                       opts->path, (long long)*version, (long long)last);
    return 0;
}

static int run_all(struct conn *c, const struct sk_db_options *opts, int64_t last,
                   struct sk_err *err)
{
    int64_t version = 0;
    char set[64];

    if (look(c, opts, last, &version, err) < 0)
        return -1;
    (void)snprintf(set, sizeof set, "PRAGMA application_id=%lld",
                   (long long)(int32_t)opts->application_id);
    if (sk_db_conn_exec(c, set, err) < 0)
        return -1;
    for (int64_t i = version; i < last; i++)
        if (run_script(c, opts->migrations[i], (unsigned)i + 1, err) < 0)
            return -1;
    return check_keys(c, err);
}

int sk_db_migrate(struct conn *c, const struct sk_db_options *opts, unsigned *version,
                  struct sk_err *err)
{
    int64_t last = 0, now = 0;

    while (opts->migrations[last])
        last++;
    if (look(c, opts, last, &now, err) < 0)
        return -1;
    if (now < last || last == 0) {
        struct sk_err second = SK_ERR_INIT;
        if (sk_db_conn_exec(c, "PRAGMA foreign_keys=OFF", err) < 0 ||
            sk_db_conn_exec(c, "BEGIN IMMEDIATE", err) < 0)
            return -1;
        if (run_all(c, opts, last, err) < 0 || sk_db_conn_exec(c, "COMMIT", err) < 0) {
            if (!sqlite3_get_autocommit(c->handle) && sk_db_conn_exec(c, "ROLLBACK", &second) < 0)
                return sk_wrap(err, "%s", second.text);
            return -1;
        }
    }
    *version = (unsigned)last;
    return sk_db_conn_exec(c, "PRAGMA foreign_keys=ON", err);
}
