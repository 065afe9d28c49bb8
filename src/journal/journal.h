/*
 * journal.h - an append-only log of records that are on the disk before they are acknowledged.
 *
 *     <dir>/00000000000000000001.seg   named by the sequence number of its first record
 *     <dir>/00000000000000000001.idx   of a full segment: key -> where its records are; made anew
 *                                      from the segment when it is missing or does not fit
 *
 * Records are numbered 1, 2, 3, ... without a gap as they are written. Each has a key (whose record
 * it is), a time, and bytes. Writers append from any thread into a group; one thread writes the
 * group, syncs it, and tells each writer: so a sync is shared by all who waited for it, and nothing
 * is acknowledged before it. Segments are allocated and removed whole, the oldest first, by age
 * and by bytes; removal needs no space.
 *
 * Each record carries its length and a CRC-32C (Castagnoli) over all of it. Opening reads the last
 * segment and cuts what a crash left half written; a damaged record elsewhere is skipped and
 * counted, and costs no other one. After a failed write or sync nothing is acknowledged until the
 * file was closed, opened and verified again (the kernel may have dropped the pages: fsyncgate);
 * what was not acknowledged is then cut. A full disk fails appends with SK_FULL, and they go on
 * when there is room again.
 *
 * Errors: SK_FULL, SK_IO, SK_BUSY (too much waits to be written), SK_TOO_LARGE, SK_CORRUPT,
 * SK_NOMEM. Threads: all but a cursor may be shared.
 */
#ifndef SK_JOURNAL_JOURNAL_H
#define SK_JOURNAL_JOURNAL_H

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SK_JOURNAL_KEY_MAX = 300,       /* bytes of a key */
    SK_JOURNAL_RECORD_MAX = 1 << 20 /* bytes of a record's body */
};

struct sk_journal;

struct sk_journal_options {
    const char *dir;        /* made when missing (0700) */
    uint64_t segment_bytes; /* 0: 8 MiB; 64 KiB to 1 GiB; a record may make one larger */
    uint64_t max_bytes;     /* of all segments; 0: no bound. The one being written stays. */
    uint64_t max_age_ms;    /* of a segment's newest record; 0: for ever */
    size_t max_queue_bytes; /* what may wait to be written, else SK_BUSY; 0: 16 MiB */
    size_t max_group_bytes; /* written and synced at once; 0: 1 MiB */
    /* Told on the journal's thread after each synced group, before the writers are: the numbers of
     * its first and last record. May be NULL. */
    void (*committed)(void *ctx, uint64_t first, uint64_t last);
    void *ctx;
    /* Asked on the journal's thread before a segment of so many bytes is allocated; -1 (SK_FULL)
     * refuses it: for room that is kept for others on the same disk. May be NULL. */
    int (*room)(void *ctx, uint64_t bytes, struct sk_err *err);
    void *room_ctx;
    /* Zeros are written ahead up to a multiple of it (docs/spec/journal.md, journal-14): small for
     * a flash that is slow or wears, large for fewer writes; 0: 1 MiB; a multiple of 4 KiB. */
    uint32_t zero_bytes;
    /* No .idx files: for a journal that is read in order and never by key or time. */
    bool has_no_index;
    /* One segment of those that are forgotten is kept and becomes the next one: space that was
     * written before needs no zeros. It is counted in disk_bytes. */
    bool reuses_space;
    /* Two groups begin at least so far apart, so that records share a sync: the first one after a
     * quiet time is written at once, and a group that is worth it too (so many records, 0: 16, or a
     * full group). 0: what gathers while the one before is synced. */
    uint32_t min_sync_ms, worth_records;
};

/* One process at a time: SK_BUSY. A segment of a later version: SK_UNSUPPORTED. */
int sk_journal_open(const struct sk_journal_options *opts, struct sk_journal **out,
                    struct sk_err *err) SK_CHECK;
/* Writes and tells what waits, then ends. */
void sk_journal_close(struct sk_journal *j);
SK_DEFINE_OWN(struct sk_journal, sk_journal_close);

/* One append. done runs on the journal's thread, in order of the numbers, exactly once when
 * sk_journal_append gave 0: failed is NULL when the record is on the disk under number seq; else
 * seq is 0. It may append, but not wait for the journal. */
struct sk_journal_record {
    struct sk_view key;
    int64_t time_ms; /* since 1970; 0: now */
    struct sk_view body;
    void (*done)(void *ctx, uint64_t seq, const struct sk_err *failed); /* may be NULL */
    void *ctx;
};

/* Copies; never waits for the disk. */
int sk_journal_append(struct sk_journal *j, const struct sk_journal_record *r,
                      struct sk_err *err) SK_CHECK;
/* Appends and waits; for tests and rare records. Not on the journal's thread. seq may be NULL. */
int sk_journal_write(struct sk_journal *j, const struct sk_journal_record *r, uint64_t *seq,
                     struct sk_err *err) SK_CHECK;

struct sk_journal_state {
    uint64_t first, next; /* numbers: the oldest there is, and the next to be given */
    uint64_t first_end;   /* the number after the oldest segment's last */
    uint64_t bytes, segments;
    uint64_t disk_bytes;      /* of all that is kept, each rounded up to whole blocks of 4 KiB */
    uint64_t groups, records; /* written since the start */
    uint64_t damaged;         /* records found damaged since the start */
    bool is_cut; /* the last record was not whole when it was opened: cut off, or damaged */
    uint64_t queued_bytes;
    bool is_failing; /* the last group could not be written */
};

void sk_journal_state(struct sk_journal *j, struct sk_journal_state *out);
/* Removes what is too old or too much; also done at each new segment. */
int sk_journal_trim(struct sk_journal *j, struct sk_err *err) SK_CHECK;
/* Removes whole segments whose records are all below seq. The newest with a record stays, unless
 * newest_too: then, when seq is beyond all there is, it goes as well, soon, on the journal's
 * thread, unless something was appended meanwhile; an empty file in its place says where the
 * numbers go on. */
int sk_journal_forget(struct sk_journal *j, uint64_t seq, bool newest_too,
                      struct sk_err *err) SK_CHECK;
/* Removes the one that reuses_space keeps. */
void sk_journal_drop_spare(struct sk_journal *j);

/* ---- reading: committed records only ---- */
struct sk_journal_filter {
    struct sk_view key;        /* empty: of every key */
    bool key_is_prefix;        /* keys that begin with it */
    int64_t from_ms, until_ms; /* time_ms in [from, until); 0: open */
    uint64_t from_seq;         /* at least; 0: from the oldest */
    bool is_backwards;         /* the newest first; from_seq is then "below", 0: from the newest */
};

struct sk_journal_item {
    uint64_t seq;
    int64_t time_ms;
    struct sk_view key, body; /* valid until the next call with the cursor */
};

struct sk_journal_cursor;

/* A cursor stays good while segments are removed beneath it: it goes on with the oldest there is.
 * It may be used until the journal is closed. */
int sk_journal_cursor(struct sk_journal *j, const struct sk_journal_filter *filter,
                      struct sk_journal_cursor **out, struct sk_err *err) SK_CHECK;
/* 1: an item; 0: no more at present (forwards it may be asked again later); -1. Filters by key cost
 * what fits them, not what is there. */
int sk_journal_next(struct sk_journal_cursor *c, struct sk_journal_item *out,
                    struct sk_err *err) SK_CHECK;
void sk_journal_cursor_free(struct sk_journal_cursor *c);
SK_DEFINE_OWN(struct sk_journal_cursor, sk_journal_cursor_free);

/* CRC-32C (RFC 3720), with the CPU's instruction where there is one; start with 0. */
uint32_t sk_crc32c(uint32_t crc, const void *bytes, size_t len);

#endif
