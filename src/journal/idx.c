/*
 * idx.c - the index of a full segment as a file.
 *
 *     header    0 "SKJIDX1\n"  8 u32 CRC-32C of all behind the header  12 u32 zero
 *              16 u64 number of the segment's first record  24 u64 and of its last
 *              32 i64 least time  40 i64 greatest time
 *              48 u32 records  52 u32 keys  56 u32 bytes of text  60 u32 CRC-32C of bytes 0 to 59
 *     records   u32 offset, u32 number less the first; in order
 *     keys      u32 place in the text, u32 length, u32 place in the postings, u32 postings; sorted
 *     postings  u32 place in the records; those of a key together, in order
 *     text      the keys
 *
 * The whole is verified once in a process; then a question reads only what it needs. What is read
 * is bounded by the counts of the header in any case, and a record says itself whether it is one.
 */
#include "journal/journal_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    HEADER = 64,
    RECORD = 8,
    KEY = 16,
    POSTING = 4,
    PIECE = 64 << 10,
    FEW = 256 /* records that are read one by one */
};

static const char magic[8] = "SKJIDX1\n";

static uint64_t keys_at(const struct sk_idx *x)
{
    return HEADER + (uint64_t)x->count * RECORD;
}

static uint64_t postings_at(const struct sk_idx *x)
{
    return keys_at(x) + (uint64_t)x->key_count * KEY;
}

static uint64_t text_at(const struct sk_idx *x)
{
    return postings_at(x) + (uint64_t)x->count * POSTING;
}

/* ---- writing ---- */

struct sorted {
    const struct sk_index *index;
    uint32_t key;
};

static int by_text(const void *a, const void *b)
{
    const struct sorted *x = a, *y = b;
    const struct sk_index_key *k = &x->index->keys[x->key], *l = &y->index->keys[y->key];
    uint32_t least = k->len < l->len ? k->len : l->len;
    int rc = least ? memcmp(x->index->text + k->text, y->index->text + l->text, least) : 0;

    return rc ? rc : (k->len > l->len) - (k->len < l->len);
}

/* All behind the header. order: the keys, sorted; next: where a key's next posting goes. */
static void fill(const struct sk_index *x, const struct sorted *order, uint32_t *next,
                 uint8_t *records)
{
    uint8_t *keys = records + x->count * RECORD;
    uint8_t *postings = keys + x->key_count * KEY;
    uint32_t at = 0;

    for (size_t i = 0; i < x->key_count; i++) {
        const struct sk_index_key *k = &x->keys[order[i].key];
        sk_journal_put32(keys + i * KEY, k->text);
        sk_journal_put32(keys + i * KEY + 4, k->len);
        sk_journal_put32(keys + i * KEY + 8, at);
        sk_journal_put32(keys + i * KEY + 12, k->count);
        next[order[i].key] = at;
        at += k->count;
    }
    for (size_t i = 0; i < x->count; i++) {
        const struct sk_index_record *r = &x->records[i];
        sk_journal_put32(records + i * RECORD, r->offset);
        sk_journal_put32(records + i * RECORD + 4, r->rel);
        sk_journal_put32(postings + (size_t)next[r->key]++ * POSTING, (uint32_t)i);
    }
    if (x->text_len)
        memcpy(postings + x->count * POSTING, x->text, x->text_len);
}

static int encode(const struct sk_index *x, uint64_t first, uint64_t last, uint8_t **out,
                  size_t *len, struct sk_err *err)
{
    size_t body = x->count * (RECORD + POSTING) + x->key_count * KEY + x->text_len;
    SK_OWN(free) struct sorted *order = calloc(x->key_count + 1, sizeof *order);
    SK_OWN(free) uint32_t *next = calloc(x->key_count + 1, sizeof *next);
    SK_OWN(free) uint8_t *bytes = calloc(1, HEADER + body);

    if (!order || !next || !bytes)
        return sk_nomem(err);
    for (uint32_t i = 0; i < x->key_count; i++)
        order[i] = (struct sorted){ x, i };
    qsort(order, x->key_count, sizeof *order, by_text);
    fill(x, order, next, bytes + HEADER);
    memcpy(bytes, magic, sizeof magic);
    sk_journal_put32(bytes + 8, sk_crc32c(0, bytes + HEADER, body));
    sk_journal_put64(bytes + 16, first);
    sk_journal_put64(bytes + 24, last);
    sk_journal_put64(bytes + 32, (uint64_t)x->min_ms);
    sk_journal_put64(bytes + 40, (uint64_t)x->max_ms);
    sk_journal_put32(bytes + 48, (uint32_t)x->count);
    sk_journal_put32(bytes + 52, (uint32_t)x->key_count);
    sk_journal_put32(bytes + 56, (uint32_t)x->text_len);
    sk_journal_put32(bytes + 60, sk_crc32c(0, bytes, 60));
    *out = SK_TAKE(bytes);
    *len = HEADER + body;
    return 0;
}

int sk_idx_write(int dir, uint64_t first, uint64_t last, const struct sk_index *x,
                 struct sk_err *err)
{
    char temp[SK_SEGMENT_NAME], name[SK_SEGMENT_NAME];
    SK_OWN(free) uint8_t *bytes = NULL;
    size_t len = 0;

    if (encode(x, first, last, &bytes, &len, err) < 0)
        return -1;
    sk_segment_name(first, ".tmp", temp);
    sk_segment_name(first, ".idx", name);
    SK_AUTO(sk_close) int fd = sk_journal_ops.open(dir, temp, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0)
        return sk_journal_fail(err, "index of", first);
    if (sk_journal_pwrite(fd, bytes, len, 0) < 0 || renameat(dir, temp, dir, name) < 0) {
        (void)sk_journal_fail(err, "index of", first);
        (void)unlinkat(dir, temp, 0);
        return -1;
    }
    return 0;
}

/* ---- reading ---- */

static int damaged(const struct sk_idx *x, struct sk_err *err)
{
    return sk_fail(err, SK_CORRUPT, "journal: the index of segment %llu does not fit",
                   (unsigned long long)x->first);
}

static int read_at(const struct sk_idx *x, void *to, size_t len, uint64_t at, struct sk_err *err)
{
    return sk_journal_pread(x->fd, to, len, at) == (ssize_t)len ? 0 : damaged(x, err);
}

static int verify_body(const struct sk_idx *x, uint32_t expected, struct sk_err *err)
{
    SK_OWN(free) uint8_t *piece = malloc(PIECE);
    uint64_t end = text_at(x) + x->text_len;
    uint32_t crc = 0;

    if (!piece)
        return sk_nomem(err);
    for (uint64_t at = HEADER; at < end;) {
        size_t len = end - at < PIECE ? (size_t)(end - at) : PIECE;
        if (read_at(x, piece, len, at, err) < 0)
            return -1;
        crc = sk_crc32c(crc, piece, len);
        at += len;
    }
    return crc == expected ? 0 : damaged(x, err);
}

int sk_idx_open(int dir, uint64_t first, uint64_t last, bool verify, struct sk_idx *out,
                struct sk_err *err)
{
    SK_AUTO(sk_idx_done) struct sk_idx x = { .fd = -1, .first = first };
    char name[SK_SEGMENT_NAME];
    uint8_t header[HEADER];
    struct stat st;

    sk_segment_name(first, ".idx", name);
    x.fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    if (x.fd < 0 || fstat(x.fd, &st) < 0)
        return sk_journal_fail(err, "index of", first);
    if (read_at(&x, header, sizeof header, 0, err) < 0)
        return -1;
    x.last = sk_journal_get64(header + 24);
    x.min_ms = (int64_t)sk_journal_get64(header + 32);
    x.max_ms = (int64_t)sk_journal_get64(header + 40);
    x.count = sk_journal_get32(header + 48);
    x.key_count = sk_journal_get32(header + 52);
    x.text_len = sk_journal_get32(header + 56);
    if (memcmp(header, magic, sizeof magic) != 0 ||
        sk_crc32c(0, header, 60) != sk_journal_get32(header + 60) ||
        sk_journal_get64(header + 16) != first || x.last != last ||
        (uint64_t)st.st_size != text_at(&x) + x.text_len)
        return damaged(&x, err);
    if (verify && verify_body(&x, sk_journal_get32(header + 8), err) < 0)
        return -1;
    *out = x;
    x.fd = -1;
    return 0;
}

void sk_idx_done(struct sk_idx *x)
{
    sk_close(&x->fd);
}

struct key {
    uint32_t text, len, posting, count;
};

static int read_key(const struct sk_idx *x, uint32_t i, struct key *out, char *text,
                    struct sk_err *err)
{
    uint8_t bytes[KEY];

    if (read_at(x, bytes, sizeof bytes, keys_at(x) + (uint64_t)i * KEY, err) < 0)
        return -1;
    *out = (struct key){ sk_journal_get32(bytes), sk_journal_get32(bytes + 4),
                         sk_journal_get32(bytes + 8), sk_journal_get32(bytes + 12) };
    if (out->len > SK_JOURNAL_KEY_MAX || (uint64_t)out->text + out->len > x->text_len ||
        (uint64_t)out->posting + out->count > x->count)
        return damaged(x, err);
    return read_at(x, text, out->len, text_at(x) + out->text, err);
}

static int compare(const char *text, uint32_t len, struct sk_view with)
{
    size_t least = len < with.len ? len : with.len;
    int rc = memcmp(text, with.ptr, least);

    return rc ? rc : (len > with.len) - (len < with.len);
}

/* The first key that is not less. */
static int find_key(const struct sk_idx *x, struct sk_view key, uint32_t *out, struct sk_err *err)
{
    uint32_t low = 0, high = x->key_count;
    char text[SK_JOURNAL_KEY_MAX];
    struct key k;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (read_key(x, middle, &k, text, err) < 0)
            return -1;
        if (compare(text, k.len, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *out = low;
    return 0;
}

/* All records into memory: *out is count * RECORD bytes. */
static int read_records(const struct sk_idx *x, uint8_t **out, struct sk_err *err)
{
    SK_OWN(free) uint8_t *bytes = malloc((size_t)x->count * RECORD + 1);

    if (!bytes)
        return sk_nomem(err);
    if (read_at(x, bytes, (size_t)x->count * RECORD, HEADER, err) < 0)
        return -1;
    *out = SK_TAKE(bytes);
    return 0;
}

static int add(const uint8_t *record, const struct sk_want *want, struct sk_places *out,
               struct sk_err *err)
{
    uint32_t rel = sk_journal_get32(record + 4);

    if (rel < want->from || rel > want->until)
        return 0;
    if (sk_places_reserve(out, out->count + 1, err) < 0)
        return -1;
    out->at[out->count++] = (struct sk_place){ sk_journal_get32(record), rel };
    return 0;
}

/* The record of place i; *all is read when one by one would take longer. */
static int add_posting(const struct sk_idx *x, uint32_t i, uint8_t **all,
                       const struct sk_want *want, struct sk_places *out, struct sk_err *err)
{
    uint8_t one[RECORD];

    if (i >= x->count)
        return damaged(x, err);
    if (*all)
        return add(*all + (size_t)i * RECORD, want, out, err);
    if (read_at(x, one, sizeof one, HEADER + (uint64_t)i * RECORD, err) < 0)
        return -1;
    return add(one, want, out, err);
}

static int list_key(const struct sk_idx *x, const struct key *k, uint8_t **all,
                    const struct sk_want *want, struct sk_places *out, struct sk_err *err)
{
    SK_OWN(free) uint8_t *postings = malloc((size_t)k->count * POSTING + 1);

    if (!postings)
        return sk_nomem(err);
    if (read_at(x, postings, (size_t)k->count * POSTING,
                postings_at(x) + (uint64_t)k->posting * POSTING, err) < 0 ||
        (!*all && k->count > FEW && read_records(x, all, err) < 0))
        return -1;
    for (uint32_t i = 0; i < k->count; i++) {
        if (add_posting(x, sk_journal_get32(postings + (size_t)i * POSTING), all, want, out, err) <
            0)
            return -1;
    }
    return 0;
}

static int list_all(const struct sk_idx *x, const struct sk_want *want, struct sk_places *out,
                    struct sk_err *err)
{
    SK_OWN(free) uint8_t *all = NULL;

    if (read_records(x, &all, err) < 0)
        return -1;
    for (uint32_t i = 0; i < x->count; i++) {
        if (add(all + (size_t)i * RECORD, want, out, err) < 0)
            return -1;
    }
    return 0;
}

int sk_idx_list(const struct sk_idx *x, const struct sk_want *want, struct sk_places *out,
                struct sk_err *err)
{
    SK_OWN(free) uint8_t *all = NULL;
    char text[SK_JOURNAL_KEY_MAX];
    struct key k;
    uint32_t i = 0;

    out->count = 0;
    out->is_cut = false;
    if (want->key.len == 0)
        return list_all(x, want, out, err);
    if (find_key(x, want->key, &i, err) < 0)
        return -1;
    for (; i < x->key_count; i++) {
        if (read_key(x, i, &k, text, err) < 0)
            return -1;
        if (k.len < want->key.len || memcmp(text, want->key.ptr, want->key.len) != 0 ||
            (!want->is_prefix && k.len != want->key.len))
            break;
        if (list_key(x, &k, &all, want, out, err) < 0)
            return -1;
    }
    sk_places_sort(out);
    return 0;
}
