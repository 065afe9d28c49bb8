/*
 * cursor.c - reading what is committed, in either direction, by key and time.
 *
 * All that a cursor knows of where it is, is a number. It asks for the segment that has it, for the
 * places in there of what is wanted, and reads these; then the number moves on. A segment that is
 * removed in between is gone from the answer to the next question, nothing else. What is open stays
 * readable.
 *
 * Records are read through a window: a large one when all are wanted, a small one by key.
 */
#include "journal/journal_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum {
    WINDOW_ALL = 64 << 10,
    WINDOW_KEY = 4 << 10
};

struct sk_journal_cursor {
    struct sk_journal *j;
    struct sk_journal_filter filter; /* the key is ours */
    char *key;
    uint64_t at; /* forwards: the next number; backwards: the one after it */

    struct sk_segment *segment;
    int fd;
    struct sk_places places;
    size_t left; /* of the places */

    uint8_t *window;
    size_t window_cap, window_len;
    uint64_t window_at;
};

int sk_journal_cursor(struct sk_journal *j, const struct sk_journal_filter *filter,
                      struct sk_journal_cursor **out, struct sk_err *err)
{
    SK_OWN(sk_journal_cursor_free) struct sk_journal_cursor *c = calloc(1, sizeof *c);

    if (!c)
        return sk_nomem(err);
    c->j = j;
    c->fd = -1;
    c->filter = *filter;
    c->key = malloc(filter->key.len + 1);
    if (!c->key)
        return sk_nomem(err);
    if (filter->key.len)
        memcpy(c->key, filter->key.ptr, filter->key.len);
    c->filter.key.ptr = c->key;
    c->at = filter->from_seq;
    if (filter->is_backwards) {
        SK_LOCK(&j->mutex);
        if (c->at == 0 || c->at > j->next)
            c->at = j->next;
    }
    *out = SK_TAKE(c);
    return 0;
}

void sk_journal_cursor_free(struct sk_journal_cursor *c)
{
    if (!c)
        return;
    sk_segment_unref(c->segment);
    sk_close(&c->fd);
    free(c->places.at);
    free(c->window);
    free(c->key);
    free(c);
}

/* ---- which segment ---- */

/* The last segment that begins at or before seq, else the first one; under mutex. */
static size_t segment_of(const struct sk_journal *j, uint64_t seq)
{
    size_t low = 0, high = j->count;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (j->segments[middle]->first <= seq)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The segment to read next, and which of its numbers. NULL: no more. */
static struct sk_segment *choose(struct sk_journal_cursor *c, uint64_t *from, uint64_t *until,
                                 uint64_t *last)
{
    struct sk_journal *j = c->j;
    bool is_backwards = c->filter.is_backwards;

    SK_LOCK(&j->mutex);
    if (j->count == 0 || (is_backwards ? c->at <= j->segments[0]->first : c->at >= j->next))
        return NULL;
    size_t i = segment_of(j, is_backwards ? c->at - 1 : c->at);
    struct sk_segment *s = j->segments[i];
    *last = sk_journal_last(j, i);
    *from = is_backwards || c->at < s->first ? s->first : c->at;
    *until = is_backwards && c->at - 1 < *last ? c->at - 1 : *last;
    return sk_segment_ref(s);
}

/* Whether the times of its records rule it out. */
static int is_outside(struct sk_journal_cursor *c, struct sk_segment *s, uint64_t last, bool *out,
                      struct sk_err *err)
{
    int64_t min_ms, max_ms;

    *out = false;
    if (!c->filter.from_ms && !c->filter.until_ms)
        return 0;
    if (sk_segment_times(c->j, s, last, &min_ms, &max_ms, err) < 0)
        return -1;
    *out = (c->filter.from_ms && max_ms < c->filter.from_ms) ||
           (c->filter.until_ms && min_ms >= c->filter.until_ms);
    return 0;
}

/* 1: open; 0: it was removed; -1. */
static int open_segment(struct sk_journal_cursor *c, struct sk_segment *s, struct sk_err *err)
{
    char name[SK_SEGMENT_NAME];

    if (c->segment == s && c->fd >= 0)
        return 1;
    sk_segment_name(s->first, ".seg", name);
    int fd = openat(c->j->dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return sk_journal_fail(err, "opening", s->first);
    sk_close(&c->fd);
    sk_segment_unref(c->segment);
    c->segment = sk_segment_ref(s);
    c->fd = fd;
    c->window_len = 0;
    return 1;
}

static uint32_t relative(uint64_t seq, uint64_t first)
{
    return seq - first < UINT32_MAX ? (uint32_t)(seq - first) : UINT32_MAX - 1;
}

static int list(struct sk_journal_cursor *c, struct sk_segment *s, uint64_t from, uint64_t until,
                uint64_t last, struct sk_err *err)
{
    struct sk_want want = { .key = c->filter.key,
                            .is_prefix = c->filter.key_is_prefix,
                            .is_backwards = c->filter.is_backwards,
                            .from = relative(from, s->first),
                            .until = relative(until, s->first) };
    bool is_outside_times;

    c->places.count = 0;
    c->places.is_cut = false;
    if (from > until) /* nothing was written to it */
        return 0;
    int rc = is_outside(c, s, last, &is_outside_times, err);
    if (rc == 0 && is_outside_times)
        return 0;
    if (rc == 0)
        rc = sk_segment_list(c->j, s, last, &want, &c->places, err);
    if (rc == 0 && c->places.count == 0)
        return 0;
    if (rc == 0)
        rc = open_segment(c, s, err);
    else if (err->code == SK_NOT_FOUND)
        rc = 0; /* removed meanwhile */
    if (rc <= 0) {
        c->places.count = 0;
        c->places.is_cut = false;
    }
    return rc < 0 ? -1 : 0;
}

/* Lists the next segment. 0: no more. */
static int advance(struct sk_journal_cursor *c, struct sk_err *err)
{
    uint64_t from, until, last;
    SK_OWN(sk_segment_unref) struct sk_segment *s = choose(c, &from, &until, &last);

    if (!s)
        return 0;
    if (list(c, s, from, until, last, err) < 0)
        return -1;
    c->left = c->places.count;
    /* When these are read, this much is done. */
    if (!c->places.is_cut)
        c->at = c->filter.is_backwards ? from : until + 1;
    else if (c->filter.is_backwards)
        c->at = s->first + c->places.at[0].rel;
    else
        c->at = s->first + c->places.at[c->places.count - 1].rel + 1;
    return 1;
}

/* ---- the records ---- */

/* Fills the window so that it has `len` bytes from `at` on, and what may be wanted next. */
static int fill(struct sk_journal_cursor *c, uint64_t at, size_t len, struct sk_err *err)
{
    size_t usual = c->filter.key.len ? WINDOW_KEY : WINDOW_ALL;
    size_t cap = len > usual ? len : usual;
    uint64_t start = at;

    if (cap > c->window_cap) {
        uint8_t *bigger = malloc(cap);
        if (!bigger)
            return sk_nomem(err);
        free(c->window);
        c->window = bigger;
        c->window_cap = cap;
    }
    if (c->filter.is_backwards && len < cap)
        start = at > cap - len ? at - (cap - len) : 0;
    ssize_t n = sk_journal_pread_hard(c->fd, c->window, cap, start);
    c->window_at = start;
    c->window_len = n < 0 ? 0 : (size_t)n;
    return 0;
}

static bool is_record(const struct sk_journal_cursor *c, uint64_t at, uint64_t seq,
                      struct sk_journal_item *out)
{
    if (at < c->window_at || at - c->window_at >= c->window_len)
        return false;
    const uint8_t *p = c->window + (at - c->window_at);
    return sk_record_shape(p, c->window_len - (size_t)(at - c->window_at)) != 0 &&
           sk_record_read(p, out) && out->seq == seq;
}

/* 1; 0: it is damaged; -1. */
static int read_record(struct sk_journal_cursor *c, struct sk_place place,
                       struct sk_journal_item *out, struct sk_err *err)
{
    uint64_t at = place.offset, seq = c->segment->first + place.rel;

    if (is_record(c, at, seq, out))
        return 1;
    /* The window lacks it, or has what was there before it was written. */
    if (fill(c, at, SK_RECORD_HEADER + 1024, err) < 0)
        return -1;
    if (is_record(c, at, seq, out))
        return 1;
    size_t len = sk_record_size(SK_JOURNAL_KEY_MAX, SK_JOURNAL_RECORD_MAX), have;
    if (at >= c->window_at && (have = (size_t)(at - c->window_at)) < c->window_len &&
        c->window_len - have >= SK_RECORD_HEADER) {
        size_t size = sk_record_shape(c->window + have, len);
        if (size <= c->window_len - have) /* it was all there */
            return 0;
        if (fill(c, at, size, err) < 0)
            return -1;
        if (is_record(c, at, seq, out))
            return 1;
    }
    return 0;
}

static bool is_wanted(const struct sk_journal_filter *f, const struct sk_journal_item *item)
{
    /* An index that lies must not give one device what is another's. */
    bool has_key = f->key.len == 0 || (item->key.len >= f->key.len &&
                                       (f->key_is_prefix || item->key.len == f->key.len) &&
                                       memcmp(item->key.ptr, f->key.ptr, f->key.len) == 0);

    return has_key && (!f->from_ms || item->time_ms >= f->from_ms) &&
           (!f->until_ms || item->time_ms < f->until_ms);
}

int sk_journal_next(struct sk_journal_cursor *c, struct sk_journal_item *out, struct sk_err *err)
{
    struct sk_journal_item item;

    for (;;) {
        while (c->left > 0) {
            size_t i = c->filter.is_backwards ? c->left - 1 : c->places.count - c->left;
            struct sk_place place = c->places.at[i];
            int rc = read_record(c, place, &item, err);
            if (rc < 0)
                return -1;
            c->left--;
            if (rc == 0) {
                uint64_t seq = c->segment->first + place.rel;
                sk_segment_damaged(c->j, c->segment, seq, seq + 1);
            } else if (is_wanted(&c->filter, &item)) {
                *out = item;
                return 1;
            }
        }
        int rc = advance(c, err);
        if (rc <= 0)
            return rc;
    }
}
