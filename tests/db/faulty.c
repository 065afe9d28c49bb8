/* faulty.c - see faulty.h. Every method passes on to the real file, which lies behind ours. */
#include "db/faulty.h"

#include <sqlite3.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct file {
    sqlite3_file base;
    bool is_log;
    sqlite3_file *real; /* behind this struct */
};

static sqlite3_vfs *real_vfs;
static bool is_armed, is_for_good, has_failed;
static enum faulty_kind armed_kind;
static unsigned countdown;
static struct faulty_log watched = { .synced = -1 };
static long long zeroed = -1; /* perhaps not synced */

static sqlite3_file *real_of(sqlite3_file *f)
{
    return ((struct file *)(void *)f)->real;
}

static bool fails(bool is_sync)
{
    if (!is_armed || is_sync != (armed_kind == FAULTY_SYNC))
        return false;
    if (has_failed)
        return is_for_good;
    if (--countdown > 0)
        return false;
    has_failed = true;
    return true;
}

static bool is_log(sqlite3_file *f)
{
    return ((struct file *)(void *)f)->is_log;
}

static bool is_zero(const char *bytes, int n)
{
    for (int i = 0; i < n; i++)
        if (bytes[i])
            return false;
    return true;
}

static void watch_write(const void *from, int n, sqlite3_int64 at)
{
    if (!is_zero(from, n)) {
        watched.frames++;
        watched.astray += at + n > watched.synced;
        return;
    }
    /* The first zeros after a forget go where the log ends. */
    watched.zeros++;
    if (zeroed < 0 || (at <= zeroed && at + n > zeroed))
        zeroed = at + n;
}

static int f_close(sqlite3_file *f)
{
    return real_of(f)->pMethods->xClose(real_of(f));
}

static int f_read(sqlite3_file *f, void *into, int n, sqlite3_int64 at)
{
    return real_of(f)->pMethods->xRead(real_of(f), into, n, at);
}

static int f_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 at)
{
    if (fails(false))
        return armed_kind == FAULTY_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    if (is_log(f))
        watch_write(from, n, at);
    return real_of(f)->pMethods->xWrite(real_of(f), from, n, at);
}

static int f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    if (fails(false))
        return SQLITE_IOERR_TRUNCATE;
    if (is_log(f) && watched.synced > size)
        watched.synced = zeroed = size;
    return real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static int f_sync(sqlite3_file *f, int flags)
{
    if (fails(true))
        return SQLITE_IOERR_FSYNC;
    if (is_log(f) && zeroed != watched.synced) {
        watched.syncs++;
        watched.synced = zeroed;
    }
    return real_of(f)->pMethods->xSync(real_of(f), flags);
}

static int f_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return real_of(f)->pMethods->xFileSize(real_of(f), size);
}

static int f_lock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int f_unlock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int f_check_lock(sqlite3_file *f, int *out)
{
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static int f_control(sqlite3_file *f, int op, void *arg)
{
    return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int f_sector(sqlite3_file *f)
{
    return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int f_traits(sqlite3_file *f)
{
    return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, out);
}

static int f_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
    return real_of(f)->pMethods->xShmLock(real_of(f), at, n, flags);
}

static void f_shm_barrier(sqlite3_file *f)
{
    real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int f_shm_unmap(sqlite3_file *f, int remove)
{
    return real_of(f)->pMethods->xShmUnmap(real_of(f), remove);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = f_close,
    .xRead = f_read,
    .xWrite = f_write,
    .xTruncate = f_truncate,
    .xSync = f_sync,
    .xFileSize = f_size,
    .xLock = f_lock,
    .xUnlock = f_unlock,
    .xCheckReservedLock = f_check_lock,
    .xFileControl = f_control,
    .xSectorSize = f_sector,
    .xDeviceCharacteristics = f_traits,
    .xShmMap = f_shm_map,
    .xShmLock = f_shm_lock,
    .xShmBarrier = f_shm_barrier,
    .xShmUnmap = f_shm_unmap,
};

static int v_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out_flags)
{
    struct file *file = (struct file *)(void *)f;

    (void)v;
    file->real = (sqlite3_file *)(void *)(file + 1);
    file->base.pMethods = NULL;
    file->is_log = flags & SQLITE_OPEN_WAL;
    int rc = real_vfs->xOpen(real_vfs, name, file->real, flags, out_flags);
    if (rc == SQLITE_OK)
        file->base.pMethods = &methods;
    return rc;
}

void faulty_install(void)
{
    static sqlite3_vfs vfs;

    real_vfs = sqlite3_vfs_find(NULL);
    vfs = *real_vfs;
    vfs.zName = "faulty";
    vfs.szOsFile = (int)sizeof(struct file) + real_vfs->szOsFile;
    vfs.xOpen = v_open;
    assert_int_equal(sqlite3_vfs_register(&vfs, 1), SQLITE_OK);
}

void faulty_arm(enum faulty_kind kind, unsigned n, bool for_good)
{
    armed_kind = kind;
    countdown = n;
    is_for_good = for_good;
    has_failed = false;
    is_armed = true;
}

bool faulty_disarm(void)
{
    is_armed = false;
    return has_failed;
}

struct faulty_log faulty_log(bool forget)
{
    struct faulty_log was = watched;

    if (forget) {
        watched = (struct faulty_log){ .synced = -1 };
        zeroed = -1;
    }
    return was;
}
