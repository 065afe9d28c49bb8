/*
 * fuzz_journal.c - a segment's bytes and an index's: it opens, gives what is there in order, and
 * goes on.
 *
 *     0 u8 flags  1 u8 how many numbers the segment has when another follows  2 u16 length of the
 *     index  4 the index, the segment
 *
 * Flags: MEND puts the sums right, so that the fuzzer gets behind them; FULL lets another segment
 * follow, so that the index is asked.
 */
#include "base/file.h"
#include "journal/journal_priv.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    MEND = 1,
    FULL = 2,
    HEADER = 4,
    INDEX_HEADER = 64
};

static char folder[] = "/tmp/fuzz-journal-XXXXXX";

static int no_sync(int fd)
{
    (void)fd;
    return 0;
}

static void clean_up(void)
{
    SK_AUTO(sk_dir_done) struct sk_dir names = { 0 };
    struct sk_err err = SK_ERR_INIT;
    char path[300];

    if (sk_dir_read(folder, &names, &err) < 0)
        abort();
    for (size_t i = 0; i < names.count; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, names.names[i]);
        (void)unlink(path);
    }
}

static void end(void)
{
    clean_up();
    (void)rmdir(folder);
}

static void begin(void)
{
    static bool has_begun;

    if (has_begun)
        return;
    has_begun = true;
    if (!mkdtemp(folder) || atexit(end) != 0)
        abort();
    sk_journal_ops.sync = sk_journal_ops.datasync = no_sync;
}

static void put_file(uint64_t first, const char *ending, const uint8_t *bytes, size_t len)
{
    char path[64], name[SK_SEGMENT_NAME];

    sk_segment_name(first, ending, name);
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    SK_AUTO(sk_close) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || (len && write(fd, bytes, len) != (ssize_t)len))
        abort();
}

static void mend_segment(uint8_t *bytes, size_t len)
{
    size_t size;

    if (len >= SK_SEGMENT_HEADER)
        sk_journal_put32(bytes + 60, sk_crc32c(0, bytes, 60));
    for (size_t at = SK_SEGMENT_HEADER; at < len; at += size) {
        size = sk_record_shape(bytes + at, len - at);
        if (!size)
            break;
        sk_record_seal(bytes + at, sk_record_mark(bytes + at), sk_record_seq(bytes + at));
    }
}

static void mend_index(uint8_t *bytes, size_t len, uint64_t last)
{
    if (len < INDEX_HEADER)
        return;
    uint64_t used = INDEX_HEADER + (uint64_t)sk_journal_get32(bytes + 48) * 12 +
                    (uint64_t)sk_journal_get32(bytes + 52) * 16;
    memcpy(bytes, "SKJIDX1\n", 8);
    sk_journal_put64(bytes + 16, 1);
    sk_journal_put64(bytes + 24, last);
    sk_journal_put32(bytes + 56, used < len ? (uint32_t)(len - used) : 0);
    sk_journal_put32(bytes + 8, sk_crc32c(0, bytes + INDEX_HEADER, len - INDEX_HEADER));
    sk_journal_put32(bytes + 60, sk_crc32c(0, bytes, 60));
}

/* How many there are; each must fit the question. */
static size_t read_all(struct sk_journal *j, const struct sk_journal_filter *f)
{
    SK_OWN(sk_journal_cursor_free) struct sk_journal_cursor *c = NULL;
    struct sk_journal_item item;
    struct sk_err err = SK_ERR_INIT;
    size_t count = 0;
    int rc;

    if (sk_journal_cursor(j, f, &c, &err) < 0)
        abort();
    while ((rc = sk_journal_next(c, &item, &err)) == 1) {
        if (item.key.len < f->key.len || item.body.len > SK_JOURNAL_RECORD_MAX ||
            (f->key.len && memcmp(item.key.ptr, f->key.ptr, f->key.len) != 0))
            abort();
        count++;
    }
    if (rc < 0 && err.text[0] == 0)
        abort();
    return count;
}

static void use(struct sk_journal *j)
{
    struct sk_err err = SK_ERR_INIT;
    uint64_t seq = 0;

    (void)read_all(j, &(struct sk_journal_filter){ 0 });
    (void)read_all(j, &(struct sk_journal_filter){ .is_backwards = true });
    (void)read_all(j, &(struct sk_journal_filter){ .key = SK_VIEW("a") });
    (void)read_all(
        j, &(struct sk_journal_filter){
               .key = SK_VIEW("a"), .key_is_prefix = true, .is_backwards = true, .from_ms = 5 });
    if (sk_journal_write(j,
                         &(struct sk_journal_record){ .key = SK_VIEW("a"), .body = SK_VIEW("b") },
                         &seq, &err) < 0 ||
        read_all(j, &(struct sk_journal_filter){ .from_seq = seq }) != 1)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_journal *j = NULL;

    if (size < HEADER || size > 1 << 20)
        return 0;
    begin();
    SK_OWN(free) uint8_t *copy = malloc(size);
    if (!copy)
        abort();
    memcpy(copy, data, size);
    size_t index_len = (size_t)copy[2] | (size_t)copy[3] << 8;
    if (index_len > size - HEADER)
        index_len = size - HEADER;
    uint8_t *index = copy + HEADER, *segment = index + index_len;
    size_t segment_len = size - HEADER - index_len;
    uint64_t last = copy[1];
    if (copy[0] & MEND) {
        mend_segment(segment, segment_len);
        mend_index(index, index_len, last);
    }
    put_file(1, ".seg", segment, segment_len);
    put_file(1, ".idx", index, index_len);
    if (copy[0] & FULL && last > 0)
        put_file(last + 1, ".seg", segment, segment_len < SK_SEGMENT_HEADER ? segment_len : 64);
    if (sk_journal_open(&(struct sk_journal_options){ .dir = folder, .segment_bytes = 64 << 10 },
                        &j, &err) < 0) {
        if (err.code != SK_UNSUPPORTED) /* of a later version */
            abort();
    } else {
        use(j);
    }
    sk_journal_close(j);
    clean_up();
    return 0;
}
