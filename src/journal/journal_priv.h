/*
 * journal_priv.h - what the files of the journal share.
 *
 *     io.c       system calls, replaceable by tests    format.c   records and headers as bytes
 *     scan.c     records in the bytes of a segment     index.c    key -> records, in memory
 *     idx.c      the same as a file                    segment.c  one file of records
 *     roll.c     the segment to write to               writer.c   the thread: writes, syncs, tells
 *     zero.c     zeros ahead of the records            trim.c     removal
 *     spare.c    space that is used again
 *     cursor.c   reading                               journal.c  opening, closing, appending
 *     crc32c.c   checksums
 *
 * Locks, in the order of taking: trim_mutex, a segment's lock, mutex.
 */
#ifndef SK_JOURNAL_JOURNAL_PRIV_H
#define SK_JOURNAL_JOURNAL_PRIV_H

#include "base/thread.h"
#include "journal/journal.h"

#include <stdatomic.h>
#include <sys/types.h>

/* ---- io.c ---- */

/* The calls that can fail for want of space or of a healthy disk; tests replace them before a
 * journal is opened. allocate gives an errno value, the others -1 and errno. */
struct sk_journal_ops {
    int (*open)(int dir, const char *name, int flags, mode_t mode);
    ssize_t (*pwrite)(int fd, const void *bytes, size_t len, off_t at);
    int (*datasync)(int fd);
    int (*sync)(int fd);
    int (*allocate)(int fd, off_t at, off_t len);
    int (*truncate)(int fd, off_t len);
};

extern struct sk_journal_ops sk_journal_ops;

/* SK_FULL for ENOSPC, EDQUOT and EFBIG, else as sk_fail_errno. Returns -1. */
int sk_journal_fail(struct sk_err *err, const char *what, uint64_t first);
int sk_journal_pwrite(int fd, const void *bytes, size_t len, uint64_t at);
/* What is there up to len; less at the end of the file, -1 with errno. */
ssize_t sk_journal_pread(int fd, void *bytes, size_t len, uint64_t at);
/* The same, with zeros for what the disk cannot read, so that it costs no more than that. */
ssize_t sk_journal_pread_hard(int fd, uint8_t *bytes, size_t len, uint64_t at);
void sk_journal_put32(uint8_t *to, uint32_t value);
void sk_journal_put64(uint8_t *to, uint64_t value);
uint32_t sk_journal_get32(const uint8_t *from);
uint64_t sk_journal_get64(const uint8_t *from);

/* ---- crc32c.c: what sk_crc32c chooses from ---- */

uint32_t sk_crc32c_table(uint32_t crc, const void *bytes, size_t len);
/* With the CPU's instruction; false: there is none. */
bool sk_crc32c_fast(uint32_t crc, const void *bytes, size_t len, uint32_t *out);

/* ---- format.c ---- */

enum {
    SK_SEGMENT_HEADER = 64,
    SK_RECORD_HEADER = 32,
    SK_SEGMENT_NAME = 32, /* bytes of "00000000000000000001.seg" and more */
    SK_SEGMENT_LEAST = 64 << 10,
    SK_SEGMENT_MOST = 1 << 30,
    SK_ZERO_PIECE = 1 << 20, /* zero_bytes by default */
    SK_JOURNAL_BLOCK = 4096  /* of file systems */
};

size_t sk_record_size(size_t key_len, size_t body_len);
/* All but mark, number and CRC. */
void sk_record_fill(uint8_t *to, struct sk_view key, int64_t time_ms, struct sk_view body);
void sk_record_seal(uint8_t *record, uint32_t mark, uint64_t seq);
/* Its size when the lengths are possible ones; 0 when not, or when it is longer than len. */
size_t sk_record_shape(const uint8_t *bytes, size_t len);
/* False: the CRC does not fit. Only after sk_record_shape. */
bool sk_record_read(const uint8_t *bytes, struct sk_journal_item *out);
uint32_t sk_record_mark(const uint8_t *bytes);
uint64_t sk_record_seq(const uint8_t *bytes);

/* Fresh and hard to guess, never 0, never a possible length. */
uint32_t sk_segment_new_mark(void);
/* former: the mark of the records that its space had before; 0: none. */
void sk_segment_head(uint8_t *to, uint64_t first, uint32_t mark, uint32_t former);
/* *mark is 0 when the header is damaged; the name has the number, and records have the mark.
 * SK_UNSUPPORTED: of a later version. */
int sk_segment_head_read(const uint8_t *bytes, size_t len, uint64_t first, uint32_t *mark,
                         struct sk_err *err) SK_CHECK;
/* Of a header that was read and had a mark. */
uint32_t sk_segment_former(const uint8_t *bytes);
void sk_segment_name(uint64_t first, const char *end, char *out);
/* 0: not such a name. */
uint64_t sk_segment_name_read(const char *name, const char *end);

/* ---- scan.c ---- */

struct sk_scan {
    const uint8_t *bytes;
    size_t len;
    uint64_t bound; /* numbers are below it; 0: any */
    uint32_t mark;  /* 0: unknown yet */
    /* Where the next record should be, and which. After the last: the end. */
    size_t at;
    uint64_t seq;
    uint64_t budget; /* bytes that searching may still spend on CRCs */
};

struct sk_scan_record {
    size_t offset;
    uint64_t lost; /* numbers before it that were not found */
    struct sk_journal_item item;
};

void sk_scan_init(struct sk_scan *s, const uint8_t *bytes, size_t len, uint64_t first,
                  uint64_t bound, uint32_t mark);
bool sk_scan_next(struct sk_scan *s, struct sk_scan_record *out);
/* Whether something but zeros lies behind the end. */
bool sk_scan_is_dirty(const struct sk_scan *s);

/* ---- index.c ---- */

struct sk_place {
    uint32_t offset;
    uint32_t rel; /* the record's number less the segment's first */
};

/* In order of the numbers. is_cut: there is more; forwards beyond the last, backwards before the
 * first. */
struct sk_places {
    struct sk_place *at;
    size_t count, cap;
    bool is_cut;
};

struct sk_want {
    struct sk_view key; /* empty: every key */
    bool is_prefix, is_backwards;
    uint32_t from, until; /* both included */
};

enum {
    SK_PLACES_MAX = 4096 /* at once, without a key */
};

struct sk_index_record {
    uint32_t offset, rel;
    uint32_t prev; /* of the same key, counted from 1; 0: none */
    uint32_t key;
};

struct sk_index_key {
    uint64_t hash;
    uint32_t text, len;
    uint32_t last, count;
};

struct sk_index {
    struct sk_index_record *records;
    struct sk_index_key *keys;
    uint32_t *slots; /* open addressing; a key counted from 1 */
    char *text;
    size_t count, cap, key_count, key_cap, slot_count, text_len, text_cap;
    int64_t min_ms, max_ms;
};

struct sk_index *sk_index_new(struct sk_err *err);
void sk_index_free(struct sk_index *x);
SK_DEFINE_OWN(struct sk_index, sk_index_free);
/* After it, adding that many records, with keys of that many bytes together, needs no memory. */
int sk_index_reserve(struct sk_index *x, size_t records, size_t text, struct sk_err *err) SK_CHECK;
void sk_index_add(struct sk_index *x, struct sk_view key, int64_t time_ms, uint32_t offset,
                  uint32_t rel);
int sk_index_list(const struct sk_index *x, const struct sk_want *want, struct sk_places *out,
                  struct sk_err *err) SK_CHECK;
int sk_places_reserve(struct sk_places *p, size_t count, struct sk_err *err) SK_CHECK;
void sk_places_sort(struct sk_places *p);

/* ---- idx.c ---- */

struct sk_idx {
    int fd;
    uint64_t first, last;
    int64_t min_ms, max_ms;
    uint32_t count, key_count, text_len;
};

#define SK_IDX_INIT                                                                                \
    {                                                                                              \
        .fd = -1                                                                                   \
    }

/* Not synced: one that a power cut spoils is made anew. */
int sk_idx_write(int dir, uint64_t first, uint64_t last, const struct sk_index *x,
                 struct sk_err *err) SK_CHECK;
/* Reads the header; all of it when `verify`. Fails when it is missing, damaged or of other numbers.
 */
int sk_idx_open(int dir, uint64_t first, uint64_t last, bool verify, struct sk_idx *out,
                struct sk_err *err) SK_CHECK;
void sk_idx_done(struct sk_idx *x);
int sk_idx_list(const struct sk_idx *x, const struct sk_want *want, struct sk_places *out,
                struct sk_err *err) SK_CHECK;

/* ---- segment.c ---- */

struct sk_segment {
    atomic_uint refs;
    uint64_t first;
    uint32_t mark;  /* 0: unknown */
    uint64_t bytes; /* of the file; guarded by the journal's mutex */
    /* Guarded by it too: all of the file was written and synced; it was not removed once since a
     * cursor is in it. */
    bool is_written, was_spared;
    pthread_mutex_t lock;
    /* Guarded by lock: */
    struct sk_index *index; /* of the one being written; else the .idx has it */
    bool idx_is_good;       /* it was verified */
    bool has_times;
    int64_t min_ms, max_ms;
    uint8_t *bad; /* a bit for each number that was found damaged */
    size_t bad_len;
};

int sk_segment_new(uint64_t first, uint64_t bytes, struct sk_segment **out,
                   struct sk_err *err) SK_CHECK;
struct sk_segment *sk_segment_ref(struct sk_segment *s);
void sk_segment_unref(struct sk_segment *s);
SK_DEFINE_OWN(struct sk_segment, sk_segment_unref);
/* Counts each number once. Takes lock. */
void sk_segment_damaged(struct sk_journal *j, struct sk_segment *s, uint64_t from, uint64_t until);

/* What reading a whole segment gave. */
struct sk_segment_found {
    struct sk_index *index; /* owned */
    uint32_t mark;
    uint64_t end;  /* behind the last record */
    uint64_t next; /* the number after the last record */
    bool is_dirty; /* not only zeros behind the end */
    bool is_cut;   /* a record of this segment begins there, and is not whole */
};

/* Reads all of it. bound: the first number of the next segment; 0: this is the last one. */
int sk_segment_read(struct sk_journal *j, struct sk_segment *s, int fd, uint64_t bound,
                    struct sk_segment_found *out, struct sk_err *err) SK_CHECK;
/* The places of what is wanted, of a segment whose last record is `last`. Rebuilds the .idx when
 * that is needed. */
int sk_segment_list(struct sk_journal *j, struct sk_segment *s, uint64_t last,
                    const struct sk_want *want, struct sk_places *out, struct sk_err *err) SK_CHECK;
int sk_segment_times(struct sk_journal *j, struct sk_segment *s, uint64_t last, int64_t *min_ms,
                     int64_t *max_ms, struct sk_err *err) SK_CHECK;

/* ---- the journal ---- */

struct sk_pending {
    void (*done)(void *ctx, uint64_t seq, const struct sk_err *failed);
    void *ctx;
    uint32_t size, key_len;
};

/* Records as they will be in the file, one behind the other. */
struct sk_group {
    uint8_t *bytes;
    size_t len, cap;
    struct sk_pending *pending;
    size_t count, pending_cap;
};

struct sk_journal {
    struct sk_journal_options opts; /* defaults filled in; dir is NULL */
    int dir;                        /* locked */
    pthread_t thread;
    bool has_thread, has_mutexes;

    pthread_mutex_t mutex;
    pthread_cond_t wake; /* there is something to write, or the end */
    /* Guarded by mutex: */
    struct sk_group waiting;
    size_t queued_bytes; /* waiting, or being written */
    size_t wake_at;      /* the thread waits for so many records; SIZE_MAX: it does not wait */
    uint64_t forgotten;  /* all below it may go, the newest segment too; 0: nothing to do */
    bool is_closing, is_failing;
    struct sk_segment **segments; /* the oldest first; only the last may be written */
    size_t count, cap;
    uint64_t bytes;
    uint64_t next; /* the number after the last committed one */
    uint64_t groups, records;
    uint64_t spare; /* bytes of the spare segment; 0: there is none */
    uint32_t spare_mark;
    bool is_spare_used; /* it has its new name, and is not yet among the segments */

    atomic_uint_fast64_t damaged;
    bool is_cut;                /* at the open */
    pthread_mutex_t trim_mutex; /* one removes at a time */

    /* Of the thread; of the opener before it runs. */
    struct sk_group taken;
    struct sk_segment *active; /* NULL: the next record begins one. Counted by `segments`. */
    int fd;
    uint32_t mark;
    uint64_t end, room; /* of the active segment: behind its last record, and of its file */
    uint64_t zeroed;    /* up to here its bytes are known to have been written and synced */
    bool is_suspect;    /* a write or a sync failed */
    uint64_t began_ns;  /* writing the last group */
};

/* journal.c: the last number of segments[i]; under mutex. */
uint64_t sk_journal_last(const struct sk_journal *j, size_t i);
/* Takes its own reference. */
int sk_journal_add(struct sk_journal *j, struct sk_segment *s, struct sk_err *err) SK_CHECK;
/* Forgets it, if it is there. The caller has a reference. */
void sk_journal_drop(struct sk_journal *j, struct sk_segment *s);
/* The same under mutex. */
void sk_journal_drop_locked(struct sk_journal *j, struct sk_segment *s);

/* roll.c: the newest segment, when it has no record. */
struct sk_segment *sk_journal_empty(struct sk_journal *j);
/* The active segment has room for a record of `size` afterwards. */
int sk_journal_make_room(struct sk_journal *j, size_t size, struct sk_err *err) SK_CHECK;
/* The file has so many bytes afterwards, that are its own if the file system can. -1 with errno. */
int sk_journal_allocate(int fd, uint64_t bytes) SK_CHECK;

/* zero.c: the bytes from j->end up to `until` are zeros that were written and synced. Else as after
 * a failed group. */
int sk_journal_zero_for(struct sk_journal *j, uint64_t until, struct sk_err *err) SK_CHECK;
/* Writes the next piece when a group that ends at `end` leaves little; *zeroed is the mark as it is
 * once this was synced. -1 with errno. */
int sk_journal_zero_ahead(const struct sk_journal *j, uint64_t end, uint64_t *zeroed) SK_CHECK;

/* writer.c */
void *sk_journal_run(void *journal);

/* spare.c: a file that held records and is kept for the next segment. Under trim_mutex, but for
 * sk_spare_use. */
bool sk_spare_keep(struct sk_journal *j, struct sk_segment *s);
void sk_spare_drop(struct sk_journal *j);
uint64_t sk_spare_bytes(struct sk_journal *j);
/* Becomes the segment `name` of so many bytes: the descriptor, and up to where it was written. -1:
 * there is none, or none any more. */
int sk_spare_use(struct sk_journal *j, const char *name, uint64_t bytes, uint32_t mark,
                 uint64_t *written);
/* It is among the segments now, or will not be. */
void sk_spare_settle(struct sk_journal *j);

/* trim.c: more: bytes that are about to be added. */
int sk_journal_trim_for(struct sk_journal *j, uint64_t more, struct sk_err *err) SK_CHECK;
/* Removes all segments when their records are below `below`; an empty one stands for them. What
 * fails is left as it is. On the thread. */
void sk_journal_retire(struct sk_journal *j, uint64_t below);

#endif
