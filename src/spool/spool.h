/*
 * spool.h - messages that wait: queues by endpoint and priority on journals, with time to live, one
 * budget of bytes, and marks of what was delivered.
 *
 *     <dir>/<endpoint>/<priority>/   a journal of its own (0 the highest, 9 the lowest)
 *     <dir>/<endpoint>/<priority>/mark   what was delivered, so much is certain; two slots with a
 *                                        CRC, written without a sync, at most once a second
 *
 * A message put to several queues is acknowledged when all have it on the disk, and fails as a
 * whole when one has not; those that have it deliver it nevertheless. What was delivered is
 * forgotten by whole segments; a queue that is empty for ten minutes gives back its space and its
 * thread. A mark that a crash put back costs second sendings, never a loss; the message id stays
 * the same, so that a receiver may tell.
 *
 * The budget is of all queues together, folders and marks included. When a segment would exceed it:
 * expired messages go first, as far as nothing unexpired of the same queue is older; then puts are
 * refused (SK_FULL), since what was acknowledged is kept. With evicts, the oldest segment of the
 * lowest priority goes instead, but none of a higher priority than the put's, and is counted.
 *
 * A message is expired when expires_ms - time_ms have gone by since it was put, whatever the clock
 * shows meanwhile (age.c). After a restart of the machine the dates count only when the clock was
 * synchronised both times; else it is kept until the machine has been up for that long.
 *
 * Starting reads the last segment of each queue and its mark: a million messages cost no more time
 * than one. Errors: those of journal.h. Threads: all may be shared; a reader belongs to one thread.
 */
#ifndef SK_SPOOL_SPOOL_H
#define SK_SPOOL_SPOOL_H

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SK_SPOOL_PRIORITIES = 10, /* 0 to 9; absent in a route: 9 */
    SK_SPOOL_ENDPOINT_MAX = 300,
    SK_SPOOL_TARGETS_MAX = 32 /* of one put */
};

struct sk_spool;

struct sk_spool_options {
    const char *dir;
    uint64_t max_bytes;     /* of all queues, as they lie on the disk; 0: 1 GiB */
    uint64_t segment_bytes; /* 0: 1 MiB, or max_bytes / 32 if that is less; at least 64 KiB */
    bool evicts;
    /* Told on a journal's thread after new messages of an endpoint are on the disk. May be NULL. */
    void (*arrived)(void *ctx, const char *endpoint);
    void *ctx;
};

int sk_spool_open(const struct sk_spool_options *opts, struct sk_spool **out,
                  struct sk_err *err) SK_CHECK;
void sk_spool_close(struct sk_spool *s);
SK_DEFINE_OWN(struct sk_spool, sk_spool_close);

/* Where a message goes. */
struct sk_spool_target {
    const char *endpoint; /* "$upstream", "module/input" */
    unsigned priority;
    int64_t expires_ms; /* wall clock; 0: never */
};

struct sk_spool_message {
    struct sk_view key; /* whose it is: "device/module/output"; order is kept per key */
    struct sk_view bag; /* properties as they stand in the topic, message id among them */
    struct sk_view body;
    int64_t time_ms; /* since 1970, by the clock that gave expires_ms; 0: now */
    /* Once, on a journal's thread: failed NULL when all targets have it. */
    void (*done)(void *ctx, const struct sk_err *failed);
    void *ctx;
};

/* Copies; waits for the disk only to open a queue that was empty. When it fails, or done tells of a
 * failure, some of the targets may deliver it. */
int sk_spool_put(struct sk_spool *s, const struct sk_spool_message *m,
                 const struct sk_spool_target *targets, size_t count, struct sk_err *err) SK_CHECK;

/* ---- taking ---- */
struct sk_spool_item {
    unsigned priority;
    uint64_t seq; /* within endpoint and priority */
    int64_t time_ms, expires_ms;
    struct sk_view key, bag, body; /* valid until the next call with the reader */
};

struct sk_spool_reader;
/* Of one endpoint, from its marks; one at a time per endpoint (SK_BUSY). */
int sk_spool_reader(struct sk_spool *s, const char *endpoint, struct sk_spool_reader **out,
                    struct sk_err *err) SK_CHECK;
void sk_spool_reader_free(struct sk_spool_reader *r);
SK_DEFINE_OWN(struct sk_spool_reader, sk_spool_reader_free);
/* The next one that is not expired, of the highest priority that has one: 1; 0: none now; -1. */
int sk_spool_next(struct sk_spool_reader *r, int64_t now_ms, struct sk_spool_item *out,
                  struct sk_err *err) SK_CHECK;
/* It was delivered (or can never be). In any order; the mark moves over what has no gap. */
void sk_spool_delivered(struct sk_spool_reader *r, unsigned priority, uint64_t seq);
/* Back to the first that was not delivered: after a lost connection. */
void sk_spool_rewind(struct sk_spool_reader *r);

struct sk_spool_state {
    uint64_t bytes, max_bytes;
    uint64_t expired, evicted, refused, damaged; /* messages, since the start */
    uint64_t cut; /* queues whose last message was not whole: its write was cut, or it is damaged */
    bool is_failing;
};

void sk_spool_state(struct sk_spool *s, struct sk_spool_state *out);
/* Messages that wait in a queue; about. */
uint64_t sk_spool_length(struct sk_spool *s, const char *endpoint, unsigned priority);

/* The numbers of a queue: of the message that is put next, and of the oldest that was not delivered
 * (the same when none waits). Both 0: there is no such queue.
 */
struct sk_spool_range {
    uint64_t first, next;
};

void sk_spool_range(struct sk_spool *s, const char *endpoint, unsigned priority,
                    struct sk_spool_range *out);
/* Each endpoint there is. */
int sk_spool_endpoints(struct sk_spool *s,
                       int (*each)(void *ctx, const char *endpoint, struct sk_err *err), void *ctx,
                       struct sk_err *err) SK_CHECK;
/* Removes an endpoint that no route names any more, with what waits there. */
int sk_spool_drop(struct sk_spool *s, const char *endpoint, struct sk_err *err) SK_CHECK;
/* Writes the marks and removes what is delivered or expired; for a timer, once a second. */
void sk_spool_tick(struct sk_spool *s, int64_t now_ms);

#endif
