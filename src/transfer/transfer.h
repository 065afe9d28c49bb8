/*
 * transfer.h - a file of known contents, fetched in as many attempts as it takes.
 *
 * The bytes go to the part, a file beside the final one, each at its own place. A connection that
 * is cut, a process that is killed and a full disk leave a beginning there that the next attempt,
 * or the next process, goes on from by range. The file gets its name when size and contents are
 * right and the bytes are on the disk:
 *
 *     part --(attempts)--> size --(digest)--> fsync, rename, fsync of the folder --> file
 *
 * - The part is locked: a second download of the same file, in this process or another, is refused.
 *   It is never opened through a symbolic link.
 * - A server that does not continue (200 instead of 206) sends all of it again; one that says that
 *   there is no such part (416) is asked for all of it; one that sends another part than the one
 *   asked for, or more than there should be, ends the download.
 * - Attempts that bring nothing new end after a number of them in a row; what came before a cut
 *   stays.
 * - Wrong bytes of an earlier process are fetched once more from their beginning. Bytes that all
 *   came now and are wrong are removed.
 *
 * How an attempt asks is the caller's: address, headers, tokens.
 */
#ifndef SK_TRANSFER_TRANSFER_H
#define SK_TRANSFER_TRANSFER_H

#include "base/err.h"
#include "fetch/fetch.h"

#include <stdbool.h>
#include <stdint.h>

#define SK_TRANSFER_ANY_SIZE UINT64_MAX

/* What an attempt hands to its request, as struct sk_fetch_request has it. `ctx` is of sink and
 * progress. */
struct sk_transfer_ask {
    uint64_t range_from; /* 0: all */
    int (*sink)(void *ctx, const void *bytes, size_t len, struct sk_err *err);
    bool (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *ctx;
};

struct sk_transfer {
    const char *path;        /* the file; its folder exists */
    const char *part_suffix; /* of the part; NULL: ".part" */
    uint64_t size;           /* or SK_TRANSFER_ANY_SIZE: what one whole answer brings */
    /* "sha256:..." or "sha512:...", hashed as the bytes come. NULL: check says it. */
    const char *digest;
    /* Whether the whole part is right; -1: cannot be told. Not called beside a digest. */
    int (*check)(void *ctx, const char *part, bool *is_right, struct sk_err *err);
    const char *wrong; /* the error text for wrong bytes; NULL: one that says so */
    /* One request, second tries on its way included. Fills *answer (zeroed; released by the
     * transfer) with status and headers before the first byte reaches the sink, and returns as
     * sk_fetch_do does. */
    int (*request)(void *ctx, const struct sk_transfer_ask *ask, struct sk_fetch_answer *answer,
                   struct sk_err *err);
    /* Whether an attempt that failed so may be followed by another. NULL: after SK_IO and
     * SK_TIMEOUT. Not asked about failures on this side (a full disk), nor about 416. */
    bool (*may_go_on)(const struct sk_fetch_answer *answer, const struct sk_err *err);
    /* Bytes that are here; total 0: unknown. False stops (SK_CANCELLED). NULL: none. */
    bool (*progress)(void *ctx, uint64_t done, uint64_t total);
    void *ctx;               /* of the functions above */
    unsigned idle_tries_max; /* attempts in a row that brought nothing new: at least 1 */
    unsigned pause_ms;       /* after the first of them, then twice as long each time */
};

/*
 * Fetches. What is there under the path before is replaced.
 *
 * Errors: SK_INVALID (no digest), SK_BUSY (another download has the part), SK_CORRUPT (wrong bytes,
 * another part, too many), SK_IO (too few, or the disk), SK_CANCELLED, and the last attempt's.
 * Texts name no address: the caller puts it in front.
 *
 * Threads: any, each with its own file. Memory: 256 KiB, whatever the size.
 */
int sk_transfer_get(const struct sk_transfer *t, struct sk_err *err) SK_CHECK;

#endif
