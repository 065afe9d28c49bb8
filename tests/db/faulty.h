/*
 * faulty.h - a disk that fails when it is told to: a layer between SQLite and the real files.
 *
 * While it is armed, the n-th write, sync or truncation fails, and all that follow when `for_good`.
 * Closing and reading go on. It also watches the write-ahead log: frames may go only over zeros
 * that were synced before.
 */
#ifndef SK_TESTS_DB_FAULTY_H
#define SK_TESTS_DB_FAULTY_H

#include <stdbool.h>

enum faulty_kind {
    FAULTY_FULL, /* SQLITE_FULL on writes */
    FAULTY_IO,   /* SQLITE_IOERR on writes */
    FAULTY_SYNC  /* SQLITE_IOERR_FSYNC; only syncs count */
};

/* Puts the layer in front of all files that are opened from now on. */
void faulty_install(void);
void faulty_arm(enum faulty_kind kind, unsigned n, bool for_good);
/* Whether something failed. */
bool faulty_disarm(void);

struct faulty_log {
    unsigned frames, zeros, syncs; /* writes of both kinds; syncs that followed zeros */
    unsigned astray;               /* writes of frames beyond what had been zeroed and synced */
    long long synced;              /* the end of that */
};

/* What the log has seen since the last call with `forget`, which also makes all of it suspect. */
struct faulty_log faulty_log(bool forget);

#endif
