/*
 * fail.c - what SQLite says, as our errors.
 *
 * A full disk comes in several dresses: SQLITE_FULL, or an I/O error whose system error is ENOSPC,
 * EDQUOT or EFBIG (a file-size limit). All of them are "disk is full": the one thing that a user
 * can do something about.
 */
#include "db/db_priv.h"

#include <errno.h>

/* errno of the failed call: SQLite passes it on only for some statements, so its files are asked.
 */
static int system_errno(sqlite3 *handle)
{
    sqlite3_file *log = NULL;
    int number = handle ? sqlite3_system_errno(handle) : 0;

    if (!handle || number != 0)
        return number;
    if (sqlite3_file_control(handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, (void *)&log) ==
            SQLITE_OK &&
        log && log->pMethods)
        (void)log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &number);
    if (number == 0)
        (void)sqlite3_file_control(handle, "main", SQLITE_FCNTL_LAST_ERRNO, &number);
    return number;
}

static bool is_full(int rc, int number)
{
    if ((rc & 0xff) == SQLITE_FULL || rc == SQLITE_IOERR_SHMSIZE) /* the log's index did not grow */
        return true;
    return ((rc & 0xff) == SQLITE_IOERR || (rc & 0xff) == SQLITE_CANTOPEN) &&
           (number == ENOSPC || number == EDQUOT || number == EFBIG);
}

static enum sk_code code_of(int rc)
{
    switch (rc) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
        return SK_EXISTS;
    case SQLITE_IOERR_NOMEM:
        return SK_NOMEM;
    default:
        break;
    }
    switch (rc & 0xff) {
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
        return SK_INVALID;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return SK_BUSY;
    case SQLITE_NOMEM:
        return SK_NOMEM;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return SK_CORRUPT;
    case SQLITE_INTERRUPT:
        return SK_TIMEOUT;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return SK_DENIED;
    case SQLITE_TOOBIG:
        return SK_LIMIT;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_PROTOCOL:
        return SK_IO;
    default:
        return SK_BUG;
    }
}

int sk_db_fail(sqlite3 *handle, int rc, const char *what, struct sk_err *err)
{
    int number = system_errno(handle);
    char reason[128];

    if (is_full(rc, number))
        return sk_fail(err, SK_FULL, "%s: disk is full", what);
    enum sk_code code = code_of(rc);
    if (code == SK_NOMEM)
        return sk_nomem(err);
    if (code == SK_BUSY)
        return sk_fail(err, code, "%s: in use by another process; try again", what);
    if (code == SK_IO && number != 0)
        return sk_fail(err, code, "%s: %s: %s", what, sqlite3_errstr(rc),
                       strerror_r(number, reason, sizeof reason));
    /* A text of another call would mislead. */
    bool is_own = handle && sqlite3_extended_errcode(handle) == rc;
    return sk_fail(err, code, "%s: %s", what, is_own ? sqlite3_errmsg(handle) : sqlite3_errstr(rc));
}

int sk_db_fail_in(struct sk_tx *tx, int rc, struct sk_err *err)
{
    tx->has_failed = true;
    if ((rc & 0xff) == SQLITE_INTERRUPT)
        return sk_fail(err, SK_TIMEOUT, "%s: this takes too long; ask for less", tx->db->what);
    return sk_db_fail(tx->conn->handle, rc, tx->db->what, err);
}
