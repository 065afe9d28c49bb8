/*
 * spool_priv.h - what the files of the spool share.
 *
 *     name.c     endpoints as folders       record.c   a message as a record of a journal
 *     age.c      whether one is expired     passed.c   which numbers need no delivery any more
 *     mark.c     the file of that           queue.c    one endpoint's messages of one priority
 *     budget.c   bytes on the disk          put.c      to one or more queues
 *     reader.c   taking                     spool.c    opening, closing, the timer
 *
 * Locks, in the order of taking: budget_mutex, the spool's mutex, a queue's mutex, a journal's. A
 * journal is called with a queue's mutex held only to be opened; else it is pinned (sk_queue_pin).
 */
#ifndef SK_SPOOL_SPOOL_PRIV_H
#define SK_SPOOL_SPOOL_PRIV_H

#include "base/thread.h"
#include "journal/journal.h"
#include "spool/spool.h"

#include <limits.h>
#include <stdatomic.h>

enum {
    SK_SPOOL_SEGMENT = 1 << 20,
    SK_SPOOL_SEGMENT_LEAST = 64 << 10,
    SK_SPOOL_SEGMENT_MOST = 64 << 20,
    SK_SPOOL_ZEROS = 256 << 10,
    SK_SPOOL_BLOCK = 4096,                    /* of file systems */
    SK_SPOOL_QUEUE_COST = 3 * SK_SPOOL_BLOCK, /* folders and the mark's file */
    SK_SPOOL_SYNC_MS = 5,                     /* what comes alone or in few shares a sync */
    SK_SPOOL_MARK_MS = 1000,                  /* between two writings of a mark */
    SK_SPOOL_IDLE_MS = 10 * 60 * 1000         /* then a queue gives back its space and its thread */
};

/* ---- name.c ---- */

/* "a/b" below the spool's folder: folders of at most 200 bytes, those that go on end with '+'.
 * free() it. */
int sk_spool_name_path(const char *endpoint, char **out, struct sk_err *err) SK_CHECK;
/* One folder's name back into text, appended to `out` of SK_SPOOL_ENDPOINT_MAX + 1 bytes. *goes_on:
 * it ended with '+'. False: no such name. */
bool sk_spool_name_read(const char *folder, char *out, bool *goes_on);

/* ---- record.c ---- */

enum {
    SK_SPOOL_HEAD_SHORT = 8, /* of a message that never expires */
    SK_SPOOL_HEAD = 24
};

struct sk_spool_record {
    struct sk_view key, bag, body;
    bool has_expiry, was_synced; /* the clock, when it was put */
    int64_t expires_ms;
    uint32_t boot; /* which one it was put in; 0: unknown */
    uint64_t boot_ms;
};

/* Bytes of the header. `to` has SK_SPOOL_HEAD. */
size_t sk_spool_head_write(uint8_t *to, const struct sk_spool_record *r);
/* False: it is none. Views are into bytes. */
bool sk_spool_record_read(struct sk_view bytes, struct sk_spool_record *out);

/* ---- age.c ---- */

/* Clocks, and how far apart two groups of a queue begin; tests replace them. */
struct sk_spool_clocks {
    uint64_t (*wall_ms)(void);
    uint64_t (*boot_ms)(void); /* since the start of the machine, sleep included */
    uint32_t (*boot)(void);    /* which start; 24 bits; 0: unknown */
    bool (*is_synced)(void);   /* the kernel says that the wall clock follows a source */
    uint32_t sync_ms;
};

extern struct sk_spool_clocks sk_spool_clocks;

struct sk_spool_now {
    int64_t wall_ms;
    uint64_t boot_ms;
    uint32_t boot;
    bool is_synced;
};

struct sk_spool_now sk_spool_now(int64_t wall_ms);
bool sk_spool_is_expired(const struct sk_spool_record *r, int64_t time_ms,
                         const struct sk_spool_now *now);

/* Of one that is not expired: the boot time before which it will not be, as far as is known. */
uint64_t sk_spool_look_again(const struct sk_spool_record *r, int64_t time_ms,
                             const struct sk_spool_now *now);

/* ---- passed.c ---- */

/* Numbers that were delivered, expired, damaged or evicted: all below `mark`, and those whose bit
 * is set. */
struct sk_passed {
    uint64_t mark;
    uint64_t base; /* of bits; a multiple of 64, at most mark */
    uint64_t *bits;
    size_t words;
    uint64_t beyond; /* bits that are set */
};

void sk_passed_init(struct sk_passed *p, uint64_t mark);
void sk_passed_done(struct sk_passed *p);
bool sk_passed_has(const struct sk_passed *p, uint64_t seq);
/* Whether it is new. Without memory it is not noted. */
bool sk_passed_add(struct sk_passed *p, uint64_t seq);
/* [from, until); how many were new. */
uint64_t sk_passed_add_range(struct sk_passed *p, uint64_t from, uint64_t until);

/* ---- mark.c ---- */

enum {
    SK_MARK_SLOT = 512,
    SK_MARK_BYTES = 32, /* of each slot */
    SK_MARK_FILE = SK_MARK_SLOT + SK_MARK_BYTES
};

struct sk_mark {
    uint64_t count; /* of writings */
    uint64_t below; /* all numbers below it are passed */
};

/* The newer one of the two that are whole. False: none is. */
bool sk_mark_parse(const uint8_t *bytes, size_t len, struct sk_mark *out);
/* Of the file <dir>/mark; zeros when there is none. */
void sk_mark_load(const char *dir, struct sk_mark *out);
/* Into the slot that is older, without a sync. */
int sk_mark_save(const char *dir, const struct sk_mark *m, struct sk_err *err) SK_CHECK;

/* ---- queue.c ---- */

struct sk_endpoint;

struct sk_queue {
    struct sk_spool *s;
    struct sk_endpoint *endpoint;
    unsigned priority;
    char *dir;
    atomic_uint_fast64_t next;      /* after the last one that is on the disk */
    atomic_uint_fast64_t forget_at; /* when the mark is there, a segment may be forgotten */

    pthread_mutex_t mutex;
    pthread_cond_t told; /* unpinned, or closed */
    /* Guarded by mutex: */
    struct sk_journal *journal; /* NULL: not open */
    unsigned pins;
    unsigned opening;         /* counts openings, so that a cursor knows its journal */
    bool is_closing, is_dead; /* dead: its endpoint is being dropped */
    struct sk_passed passed;
    uint64_t kept;    /* the number that was not expired when it was looked at last */
    uint64_t kept_ms; /* not before this boot time need it be looked at again */
    struct sk_mark saved;
    uint64_t saved_at, used_at; /* boot time, ms */
    uint64_t closed_bytes;      /* on the disk, while it is not open */
    uint64_t damaged, cut;      /* of journals that were closed */

    atomic_uint_fast64_t reserved; /* for a segment that is being begun */
};

struct sk_endpoint {
    struct sk_endpoint *after; /* guarded by the spool's mutex */
    atomic_uint refs;
    char *path;                   /* of its folder */
    bool has_reader, is_dropping; /* guarded by the spool's mutex */
    struct sk_queue *_Atomic queues[SK_SPOOL_PRIORITIES];
    char name[]; /* as it was given */
};

int sk_queue_new(struct sk_endpoint *e, unsigned priority, struct sk_spool *s,
                 struct sk_queue **out, struct sk_err *err) SK_CHECK;
/* Closes its journal. */
void sk_queue_free(struct sk_queue *q);
/* What there is on the disk: opens the journal, unless nothing is in it. */
int sk_queue_look(struct sk_queue *q, struct sk_err *err) SK_CHECK;

/* Its journal stays open until it is unpinned; opened when it is not. */
int sk_queue_pin(struct sk_queue *q, struct sk_journal **out, struct sk_err *err) SK_CHECK;
/* NULL: it is not open. Does not wait for the disk. */
struct sk_journal *sk_queue_pin_open(struct sk_queue *q);
void sk_queue_unpin(struct sk_queue *q);
/* Waits for those who pinned it; the space of one that is empty is given back when gives_back. */
void sk_queue_close(struct sk_queue *q, bool gives_back);

/* It needs no delivery any more. Whether that is new. */
bool sk_queue_pass(struct sk_queue *q, uint64_t seq);
uint64_t sk_queue_pass_range(struct sk_queue *q, uint64_t from, uint64_t until);
uint64_t sk_queue_mark(struct sk_queue *q);
/* Passes expired messages from the mark on, at most `most`; how many. */
uint64_t sk_queue_expire(struct sk_queue *q, struct sk_journal *j, const struct sk_spool_now *now,
                         unsigned most);
/* Removes the segments below the mark; newest_too when all is passed. */
void sk_queue_forget(struct sk_queue *q, struct sk_journal *j, bool newest_too);
void sk_queue_save(struct sk_queue *q, bool must);
/* What a timer does: expires, forgets, saves, and closes one that is idle. */
void sk_queue_tick(struct sk_queue *q, const struct sk_spool_now *now, unsigned most);
/* Nothing can be put any more; or again. */
void sk_queue_kill(struct sk_queue *q, bool is_dead);
/* Adds its damaged ones, and whether it is failing. */
void sk_queue_add_state(struct sk_queue *q, struct sk_spool_state *out);
uint64_t sk_queue_length(struct sk_queue *q);
void sk_queue_range(struct sk_queue *q, struct sk_spool_range *out);
/* Bytes on the disk. */
uint64_t sk_queue_bytes(struct sk_queue *q);
bool sk_queue_is_empty(struct sk_queue *q);

/* ---- budget.c ---- */

/* For a journal: room in the budget for a segment of the queue. */
int sk_budget_room(void *queue, uint64_t bytes, struct sk_err *err) SK_CHECK;
/* The segment that room was asked for is counted by its journal now, or will not come; is_full:
 * since the disk is. */
void sk_budget_settle(struct sk_queue *q, bool is_full);
/* Room for one more queue of that priority. Under budget_mutex. */
int sk_budget_queue(struct sk_spool *s, unsigned priority, struct sk_err *err) SK_CHECK;
/* Of all queues. */
uint64_t sk_budget_bytes(struct sk_spool *s);

/* ---- spool.c ---- */

struct sk_spool {
    struct sk_spool_options opts; /* defaults filled in; dir is ours */
    char *dir;
    int lock;
    bool has_mutexes;

    pthread_mutex_t budget_mutex; /* one asks for room at a time */
    pthread_mutex_t mutex;
    struct sk_endpoint *endpoints; /* guarded by mutex */
    size_t count;                  /* guarded by mutex */

    atomic_bool is_short; /* the disk was full at the last attempt */
    atomic_uint_fast64_t expired, evicted, refused, damaged;
};

/* Made when missing, if `makes`; SK_NOT_FOUND, SK_BUSY (it is being dropped). */
int sk_endpoint_get(struct sk_spool *s, const char *name, bool makes, struct sk_endpoint **out,
                    struct sk_err *err) SK_CHECK;
void sk_endpoint_unref(struct sk_endpoint *e);
SK_DEFINE_OWN(struct sk_endpoint, sk_endpoint_unref);
/* Made when missing. */
int sk_endpoint_queue(struct sk_spool *s, struct sk_endpoint *e, unsigned priority,
                      struct sk_queue **out, struct sk_err *err) SK_CHECK;
/* All endpoints, with references; free() the array after sk_endpoint_unref of each. */
int sk_spool_all(struct sk_spool *s, struct sk_endpoint ***out, size_t *count,
                 struct sk_err *err) SK_CHECK;

#endif
