/*
 * wal.c - zeros below the frames of SQLite's write-ahead log.
 *
 * Space that a file grows into is noted as unwritten by ext4 until what was written to it has
 * arrived; a sync that was under way when the disk went away could succeed without that note being
 * changed, and the frames read as zeros afterwards: a commit was acknowledged and is lost. So
 * frames go only over bytes that were written and synced before: this layer between SQLite and the
 * system's file writes a piece of zeros and syncs it, before a frame that reaches beyond. The log
 * begins anew after each checkpoint and keeps its size, so this is rare; and a commit that changes
 * nothing but bytes needs no work on the file system's own journal.
 *
 * SQLite takes zeros for the end of the log: the checksum of a frame begins with salt from the
 * log's header, and a frame of page 0 is none.
 *
 * Invariant: bytes from 0 to `zeroed` were written and synced, by this layer or as frames that were
 * there before. It is known from the first write on, which appends: what lies behind belongs to
 * nobody, since writers exclude each other in all processes. Others may cut the log (then its size
 * says so) or append to it (then zeros are below their frames too).
 */
#include "db/db_priv.h"

#include <pthread.h>

enum {
    WAL_PIECE = 1 << 20, /* zeros are written up to a multiple of it */
    WAL_LEAST = 32 << 10 /* or of this, when the disk has no room for more */
};

/* The system's file lies behind it. */
struct wal {
    sqlite3_file base;
    sqlite3_int64 zeroed; /* -1: not known yet */
};

static sqlite3_vfs *below; /* set once, in add_vfs */

static struct wal *wal_of(sqlite3_file *f)
{
    return (struct wal *)(void *)f;
}

static sqlite3_file *real_of(sqlite3_file *f)
{
    return (sqlite3_file *)(void *)(wal_of(f) + 1);
}

static int wal_close(sqlite3_file *f)
{
    return real_of(f)->pMethods->xClose(real_of(f));
}

static int wal_read(sqlite3_file *f, void *into, int len, sqlite3_int64 at)
{
    return real_of(f)->pMethods->xRead(real_of(f), into, len, at);
}

/* Zeros from `zeroed` to the multiple of `piece` that has byte until - 1, on the disk. */
static int add_zeros(struct wal *w, sqlite3_int64 until, sqlite3_int64 piece)
{
    static const char zeros[WAL_LEAST];
    sqlite3_file *real = real_of(&w->base);
    sqlite3_int64 end = (until + piece - 1) / piece * piece;
    int rc = SQLITE_OK;

    for (sqlite3_int64 at = w->zeroed; rc == SQLITE_OK && at < end; at += WAL_LEAST) {
        sqlite3_int64 len = end - at < WAL_LEAST ? end - at : WAL_LEAST;
        rc = real->pMethods->xWrite(real, zeros, (int)len, at);
    }
    if (rc == SQLITE_OK)
        rc = real->pMethods->xSync(real, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
    if (rc == SQLITE_OK)
        w->zeroed = end;
    return rc;
}

static int wal_write(sqlite3_file *f, const void *from, int len, sqlite3_int64 at)
{
    struct wal *w = wal_of(f);
    sqlite3_file *real = real_of(f);
    sqlite3_int64 size = 0;
    int rc = real->pMethods->xFileSize(real, &size);

    if (rc != SQLITE_OK)
        return rc;
    if (w->zeroed > size)
        w->zeroed = size;
    if (w->zeroed < at && (w->zeroed < 0 || at <= size))
        w->zeroed = at;
    if (w->zeroed < at + len)
        rc = add_zeros(w, at + len, WAL_PIECE);
    if (rc == SQLITE_FULL || rc == SQLITE_IOERR_WRITE) /* the latter: a limit on the size of files
                                                        */
        rc = add_zeros(w, at + len, WAL_LEAST);
    return rc == SQLITE_OK ? real->pMethods->xWrite(real, from, len, at) : rc;
}

static int wal_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    return real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static int wal_sync(sqlite3_file *f, int flags)
{
    return real_of(f)->pMethods->xSync(real_of(f), flags);
}

static int wal_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return real_of(f)->pMethods->xFileSize(real_of(f), size);
}

static int wal_lock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int wal_unlock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int wal_check_lock(sqlite3_file *f, int *out)
{
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static int wal_control(sqlite3_file *f, int op, void *arg)
{
    return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int wal_sector(sqlite3_file *f)
{
    return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int wal_traits(sqlite3_file *f)
{
    return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

/* Version 1: memory maps and the shared index belong to the database's file. */
static const sqlite3_io_methods wal_methods = {
    .iVersion = 1,
    .xClose = wal_close,
    .xRead = wal_read,
    .xWrite = wal_write,
    .xTruncate = wal_truncate,
    .xSync = wal_sync,
    .xFileSize = wal_size,
    .xLock = wal_lock,
    .xUnlock = wal_unlock,
    .xCheckReservedLock = wal_check_lock,
    .xFileControl = wal_control,
    .xSectorSize = wal_sector,
    .xDeviceCharacteristics = wal_traits,
};

/* Other files than logs are the system's own. */
static int vfs_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out_flags)
{
    struct wal *w = wal_of(f);

    (void)v;
    if (!(flags & SQLITE_OPEN_WAL))
        return below->xOpen(below, name, f, flags, out_flags);
    *w = (struct wal){ .zeroed = -1 };
    int rc = below->xOpen(below, name, real_of(f), flags, out_flags);
    if (rc == SQLITE_OK)
        w->base.pMethods = &wal_methods;
    return rc;
}

static sqlite3_vfs vfs;

static void add_vfs(void)
{
    if (sqlite3_initialize() != SQLITE_OK)
        return;
    below = sqlite3_vfs_find(NULL);
    vfs = *below;
    vfs.zName = "skerry-log";
    vfs.szOsFile += (int)sizeof(struct wal);
    vfs.xOpen = vfs_open;
    if (sqlite3_vfs_register(&vfs, 0) != SQLITE_OK)
        below = NULL;
}

const char *sk_db_vfs(struct sk_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, add_vfs);
    if (below)
        return vfs.zName;
    (void)sk_fail(err, SK_BUG, "SQLite cannot be initialised");
    return NULL;
}
