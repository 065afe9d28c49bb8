/*
 * segment.c - one file of records: its index, its times, what is damaged in it.
 *
 * The segment that is being written has its index in memory. A full one has it in its .idx; one
 * that is missing or does not fit is made anew by reading the segment, under the segment's lock, so
 * that it happens once. If it cannot be written (a full disk), the answer comes from memory.
 */
#include "journal/journal_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum {
    SECTOR = 512,
    MAP_FROM = 256 << 10,
    PADDING_MOST = 8 /* zeros that may end a record */
};

int sk_segment_new(uint64_t first, uint64_t bytes, struct sk_segment **out, struct sk_err *err)
{
    struct sk_segment *s = calloc(1, sizeof *s);

    if (!s)
        return sk_nomem(err);
    int rc = pthread_mutex_init(&s->lock, NULL);
    if (rc != 0) {
        free(s);
        errno = rc;
        return sk_fail_errno(err, "journal: mutex");
    }
    atomic_init(&s->refs, 1);
    s->first = first;
    s->bytes = bytes;
    *out = s;
    return 0;
}

struct sk_segment *sk_segment_ref(struct sk_segment *s)
{
    (void)atomic_fetch_add(&s->refs, 1);
    return s;
}

void sk_segment_unref(struct sk_segment *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    (void)pthread_mutex_destroy(&s->lock);
    sk_index_free(s->index);
    free(s->bad);
    free(s);
}

/* Under lock. Without memory for the bits numbers are counted each time they are met. */
static void count_damaged(struct sk_journal *j, struct sk_segment *s, uint64_t from, uint64_t until)
{
    for (uint64_t seq = from; seq < until; seq++) {
        uint64_t rel = seq - s->first;
        if (rel / 8 >= s->bad_len) {
            size_t len = (size_t)((until - s->first) / 8 + 64);
            uint8_t *bad = realloc(s->bad, len);
            if (bad) {
                memset(bad + s->bad_len, 0, len - s->bad_len);
                s->bad = bad;
                s->bad_len = len;
            }
        }
        if (rel / 8 < s->bad_len && s->bad[rel / 8] >> rel % 8 & 1)
            continue;
        if (rel / 8 < s->bad_len)
            s->bad[rel / 8] |= (uint8_t)(1u << rel % 8);
        (void)atomic_fetch_add(&j->damaged, 1);
    }
}

void sk_segment_damaged(struct sk_journal *j, struct sk_segment *s, uint64_t from, uint64_t until)
{
    SK_LOCK(&s->lock);
    count_damaged(j, s, from, until);
}

/* How many records the file could hold bounds what can be missing: a lost segment in between makes
 * the numbers jump, and nobody should count to a trillion. */
static uint64_t plausible(uint64_t lost, size_t len)
{
    uint64_t most = len / SK_RECORD_HEADER;

    return lost < most ? lost : most;
}

/* All of a file. Much memory is mapped, so that it goes back to the system and not to a pool of the
 * thread that happens to read. */
struct contents {
    uint8_t *bytes;
    size_t len, mapped;
};

static void contents_done(struct contents *c)
{
    if (c->mapped)
        (void)munmap(c->bytes, c->mapped);
    else
        free(c->bytes);
}

static int contents_reserve(struct contents *c, size_t size, struct sk_err *err)
{
    if (size < MAP_FROM) {
        c->bytes = malloc(size + 1);
        return c->bytes ? 0 : sk_nomem(err);
    }
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return sk_nomem(err);
    c->bytes = map;
    c->mapped = size;
    return 0;
}

static int read_file(int fd, uint64_t first, struct contents *out, struct sk_err *err)
{
    const size_t most = (size_t)SK_SEGMENT_MOST + SK_JOURNAL_RECORD_MAX * 2;
    struct stat st;

    if (fstat(fd, &st) < 0)
        return sk_journal_fail(err, "reading", first);
    size_t size = (uint64_t)st.st_size < most ? (size_t)st.st_size : most;
    if (contents_reserve(out, size, err) < 0)
        return -1;
    ssize_t n = sk_journal_pread_hard(fd, out->bytes, size, 0);
    if (n < 0)
        return sk_journal_fail(err, "reading", first);
    out->len = (size_t)n;
    return 0;
}

/* Whether a record's beginning from the time before the space was used again is there. */
static bool has_former(const uint8_t *bytes, size_t from, size_t until, uint32_t former)
{
    for (size_t at = (from + 7) / 8 * 8; former && at + 4 <= until; at += 8) {
        if (sk_record_mark(bytes + at) == former)
            return true;
    }
    return false;
}

/* A write that a power cut tore leaves sectors as they were before: zeros, or former records. What
 * should have been in them was not acknowledged, so nothing was damaged. */
static bool is_torn(const uint8_t *bytes, size_t from, size_t until, uint32_t former)
{
    static const uint8_t zeros[SECTOR];

    for (size_t at = from, end; at < until; at = end) {
        end = at - at % SECTOR + SECTOR;
        if (end > until)
            end = until;
        if ((end - at >= PADDING_MOST && memcmp(bytes + at, zeros, end - at) == 0) ||
            has_former(bytes, at, end, former))
            return true;
    }
    return false;
}

static int fill_index(struct sk_journal *j, struct sk_segment *s, struct sk_scan *scan,
                      struct sk_index *x, struct sk_err *err)
{
    /* Without the segment's mark the header was not whole. */
    uint32_t former = scan->mark ? sk_segment_former(scan->bytes) : 0;
    struct sk_scan_record r;

    for (size_t end = scan->at; sk_scan_next(scan, &r); end = scan->at) {
        if (scan->bound || !is_torn(scan->bytes, end, r.offset, former))
            count_damaged(j, s, r.item.seq - r.lost, r.item.seq);
        if (sk_index_reserve(x, 1, r.item.key.len, err) < 0)
            return -1;
        sk_index_add(x, r.item.key, r.item.time_ms, (uint32_t)r.offset,
                     (uint32_t)(r.item.seq - s->first));
    }
    return 0;
}

/* Whether one begins behind the last that is whole: its write was cut, or it is damaged. */
static bool ends_in_a_record(const struct sk_scan *scan)
{
    return scan->mark != 0 && scan->at + SK_RECORD_HEADER <= scan->len &&
           sk_record_mark(scan->bytes + scan->at) == scan->mark;
}

int sk_segment_read(struct sk_journal *j, struct sk_segment *s, int fd, uint64_t bound,
                    struct sk_segment_found *out, struct sk_err *err)
{
    SK_AUTO(contents_done) struct contents c = { 0 };
    SK_OWN(sk_index_free) struct sk_index *x = sk_index_new(err);
    struct sk_scan scan;
    uint32_t mark = 0;

    if (!x || read_file(fd, s->first, &c, err) < 0 ||
        sk_segment_head_read(c.bytes, c.len, s->first, &mark, err) < 0)
        return -1;
    sk_scan_init(&scan, c.bytes, c.len, s->first, bound, mark);
    if (fill_index(j, s, &scan, x, err) < 0)
        return -1;
    if (bound)
        count_damaged(j, s, scan.seq, scan.seq + plausible(bound - scan.seq, c.len));
    *out = (struct sk_segment_found){ .index = SK_TAKE(x),
                                      .mark = scan.mark,
                                      .end = scan.at,
                                      .next = scan.seq,
                                      .is_dirty = sk_scan_is_dirty(&scan),
                                      .is_cut = ends_in_a_record(&scan) };
    return 0;
}

/* Reads the segment and writes its .idx, if that is possible. Under lock. */
static int rebuild(struct sk_journal *j, struct sk_segment *s, uint64_t last, struct sk_index **out,
                   struct sk_err *err)
{
    struct sk_segment_found found;
    struct sk_err ignored = SK_ERR_INIT;
    char name[SK_SEGMENT_NAME];

    sk_segment_name(s->first, ".seg", name);
    SK_AUTO(sk_close) int fd = openat(j->dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return sk_journal_fail(err, "opening", s->first);
    if (sk_segment_read(j, s, fd, last + 1, &found, err) < 0)
        return -1;
    s->idx_is_good = !j->opts.has_no_index &&
                     sk_idx_write(j->dir, s->first, last, found.index, &ignored) == 0;
    s->min_ms = found.index->min_ms;
    s->max_ms = found.index->max_ms;
    s->has_times = true;
    *out = found.index;
    return 0;
}

/* Its .idx, verified, or else *made. Under lock. */
static int open_index(struct sk_journal *j, struct sk_segment *s, uint64_t last, struct sk_idx *idx,
                      struct sk_index **made, struct sk_err *err)
{
    struct sk_err why = SK_ERR_INIT;

    if (sk_idx_open(j->dir, s->first, last, !s->idx_is_good, idx, &why) < 0) {
        if (why.code == SK_NOMEM) {
            *err = why;
            return -1;
        }
        return rebuild(j, s, last, made, err);
    }
    s->idx_is_good = true;
    s->min_ms = idx->min_ms;
    s->max_ms = idx->max_ms;
    s->has_times = true;
    return 0;
}

int sk_segment_list(struct sk_journal *j, struct sk_segment *s, uint64_t last,
                    const struct sk_want *want, struct sk_places *out, struct sk_err *err)
{
    SK_AUTO(sk_idx_done) struct sk_idx idx = SK_IDX_INIT;
    SK_OWN(sk_index_free) struct sk_index *made = NULL;
    struct sk_err why = SK_ERR_INIT;

    SK_LOCK(&s->lock);
    if (s->index)
        return sk_index_list(s->index, want, out, err);
    if (open_index(j, s, last, &idx, &made, err) < 0)
        return -1;
    if (!made && sk_idx_list(&idx, want, out, &why) == 0)
        return 0;
    if (why.code == SK_NOMEM) {
        *err = why;
        return -1;
    }
    /* It was good once and is not any more. */
    if (!made && rebuild(j, s, last, &made, err) < 0)
        return -1;
    return sk_index_list(made, want, out, err);
}

int sk_segment_times(struct sk_journal *j, struct sk_segment *s, uint64_t last, int64_t *min_ms,
                     int64_t *max_ms, struct sk_err *err)
{
    SK_AUTO(sk_idx_done) struct sk_idx idx = SK_IDX_INIT;
    SK_OWN(sk_index_free) struct sk_index *made = NULL;
    struct sk_err ignored = SK_ERR_INIT;

    SK_LOCK(&s->lock);
    if (s->index) {
        *min_ms = s->index->min_ms;
        *max_ms = s->index->max_ms;
        return 0;
    }
    /* The header suffices, which has a CRC of its own. */
    if (!s->has_times && sk_idx_open(j->dir, s->first, last, false, &idx, &ignored) == 0) {
        s->min_ms = idx.min_ms;
        s->max_ms = idx.max_ms;
        s->has_times = true;
    }
    if (!s->has_times && rebuild(j, s, last, &made, err) < 0)
        return -1;
    *min_ms = s->min_ms;
    *max_ms = s->max_ms;
    return 0;
}
