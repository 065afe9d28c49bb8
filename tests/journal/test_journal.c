/* test_journal.c - opening, appending, limits, what a crash leaves, many threads. */
#include "journal/journal_util.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_numbers(void **state)
{
    struct place *p = *state;
    struct sk_journal_state s = state_of(p);

    assert_int_equal(s.first, 1);
    assert_int_equal(s.next, 1);
    for (uint64_t i = 1; i <= 10; i++)
        assert_int_equal(put(p, "a", "body"), i);
    place_reopen(p);
    assert_int_equal(put(p, "a", "body"), 11);
    check_all(p->j, 1, 11);
    s = state_of(p);
    assert_int_equal(s.first, 1);
    assert_int_equal(s.next, 12);
    assert_int_equal(s.segments, 1);
    assert_int_equal(s.records, 1);
    assert_int_equal(s.damaged, 0);
    assert_int_equal(s.bytes, size_of(path_of(p, 1, ".seg")));
}

static void test_contents(void **state)
{
    struct place *p = *state;
    SK_OWN(sk_journal_cursor_free) struct sk_journal_cursor *c = NULL;
    struct sk_err err = SK_ERR_INIT;
    struct sk_journal_item item;

    DONE(sk_journal_write(p->j,
                          &(struct sk_journal_record){
                              .key = SK_VIEW("dev/1"), .time_ms = -5, .body = SK_VIEW("a\0b") },
                          NULL, &err));
    DONE(sk_journal_write(p->j, &(struct sk_journal_record){ 0 }, NULL, &err));
    DONE(sk_journal_cursor(p->j, &(struct sk_journal_filter){ 0 }, &c, &err));
    assert_int_equal(sk_journal_next(c, &item, &err), 1);
    assert_int_equal(item.time_ms, -5);
    assert_int_equal(item.key.len, 5);
    assert_memory_equal(item.key.ptr, "dev/1", 5);
    assert_int_equal(item.body.len, 3);
    assert_memory_equal(item.body.ptr, "a\0b", 3);
    assert_int_equal(sk_journal_next(c, &item, &err), 1);
    assert_true(item.time_ms > 1000000000000);
    assert_int_equal(item.key.len + item.body.len, 0);
}

static void test_limits(void **state)
{
    static char bytes[SK_JOURNAL_RECORD_MAX + 1];

    static const struct {
        const char *name;
        size_t key, body;
        enum sk_code code;
    } rows[] = {
        { "key at the limit", SK_JOURNAL_KEY_MAX, 1, SK_OK },
        { "key beyond", SK_JOURNAL_KEY_MAX + 1, 1, SK_TOO_LARGE },
        { "body at the limit", SK_JOURNAL_KEY_MAX, SK_JOURNAL_RECORD_MAX, SK_OK },
        { "body beyond", 1, SK_JOURNAL_RECORD_MAX + 1, SK_TOO_LARGE },
    };
    struct place *p = *state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_journal_record r = { .key = { bytes, rows[i].key },
                                       .body = { bytes, rows[i].body } };
        int rc = sk_journal_write(p->j, &r, NULL, &err);
        if ((rc == 0) != (rows[i].code == SK_OK) || err.code != rows[i].code)
            fail_msg("%s: %d %s", rows[i].name, rc, err.text);
    }
    place_reopen(p);
    check_all(p->j, 1, 2);
}

static void test_options(void **state)
{
    static const uint64_t refused[] = { 1, SK_SEGMENT_LEAST - 1, (uint64_t)SK_SEGMENT_MOST + 1 };
    struct place *p = *state;
    struct sk_journal *second = NULL;
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_journal_open(&p->opts, &second, &err), -1);
    assert_int_equal(err.code, SK_BUSY);
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct sk_journal_options opts = { .dir = p->dir, .segment_bytes = refused[i] };
        assert_int_equal(sk_journal_open(&opts, &second, &err), -1);
        assert_int_equal(err.code, SK_INVALID);
    }
}

/* ---- a queue ---- */

static atomic_uint told, told_failed;
static atomic_uint_fast64_t last_seq;

static void count(void *ctx, uint64_t seq, const struct sk_err *failed)
{
    (void)ctx;
    (void)atomic_fetch_add(failed ? &told_failed : &told, 1);
    if (!failed && seq <= atomic_load(&last_seq))
        (void)fprintf(stderr, "out of order\n"), abort();
    if (!failed)
        atomic_store(&last_seq, seq);
}

/* A folder of somebody else is refused when it is opened, not by the first record. */
static void test_foreign(void **state)
{
    enum {
        NOBODY = 65534
    };

    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    int status = 0;

    place_close(p);
    assert_int_equal(chmod(p->parent, 0755) | chmod(p->dir, 0555), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (geteuid() == 0 && setuid(NOBODY) < 0)
            _exit(2);
        _exit(sk_journal_open(&p->opts, &p->j, &err) == -1 && err.code == SK_DENIED ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(chmod(p->dir, 0700), 0);
    assert_int_equal(status, 0);
    place_open(p);
}

static void test_busy(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    char body[1000] = { 0 };
    struct sk_journal_record r = { .key = SK_VIEW("k"),
                                   .body = { body, sizeof body },
                                   .done = count };
    unsigned taken = 0;

    place_close(p);
    p->opts.max_queue_bytes = 10000;
    place_open(p);
    atomic_store(&told, 0);
    atomic_store(&last_seq, 0);
    faulty_slow(100000);
    while (sk_journal_append(p->j, &r, &err) == 0)
        taken++;
    assert_int_equal(err.code, SK_BUSY);
    assert_in_range(taken, 9, 11);
    assert_true(state_of(p).queued_bytes <= 10000);
    place_close(p); /* tells all */
    assert_int_equal(atomic_load(&told), taken);
    place_open(p);
    check_all(p->j, 1, taken);
}

/* ---- after a crash ---- */

static void write_at(const char *path, size_t at, const void *bytes, size_t len)
{
    SK_AUTO(sk_close) int fd = open(path, O_RDWR | O_CLOEXEC);

    assert_int_equal(pwrite(fd, bytes, len, (off_t)at), (ssize_t)len);
}

static void test_torn(void **state)
{
    struct place *p = *state;
    uint8_t record[64] = { 0 };
    uint8_t head[SK_SEGMENT_HEADER];
    size_t end = SK_SEGMENT_HEADER + 3 * sk_record_size(1, 4);

    for (size_t cut = 1; cut < 40; cut++) {
        struct sk_err err = SK_ERR_INIT;
        place_close(p);
        DONE(sk_remove_tree(p->dir, &err));
        place_open(p);
        for (int i = 0; i < 3; i++)
            (void)put(p, "k", "body");
        place_close(p);
        SK_AUTO(sk_close) int fd = open(path_of(p, 1, ".seg"), O_RDONLY | O_CLOEXEC);
        assert_int_equal(pread(fd, head, sizeof head, 0), sizeof head);
        sk_record_fill(record, SK_VIEW("k"), 7, SK_VIEW("body"));
        sk_record_seal(record, sk_journal_get32(head + 12), 4);
        record[39] = 1; /* so that no cut looks like zeros */
        write_at(path_of(p, 1, ".seg"), end, record, cut < 37 ? cut : 20);
        write_at(path_of(p, 1, ".seg"), end + 2000 * cut % 60000, "rest", 4);
        place_open(p);
        check_all(p->j, 1, 3);
        assert_int_equal(state_of(p).damaged, 0);
        assert_int_equal(put(p, "k", "b"), 4);
        place_reopen(p);
        check_all(p->j, 1, 4);
    }
}

/* Files that a crash leaves between two steps. */
static void test_leftovers(void **state)
{
    static const struct {
        const char *name;
        uint64_t first;
        const char *end;
        bool stays;
    } rows[] = {
        { "an index without its segment", 77, ".idx", false },
        { "a half index", 1, ".tmp", false },
        { "the index of the last one", 1, ".idx", false },
        { "another file", 0, ".txt", true },
    };
    struct place *p = *state;

    (void)put(p, "k", "body");
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        DONE(sk_file_write(path_of(p, rows[i].first, rows[i].end), "x", 1, 0600, &err));
        place_reopen(p);
        if ((size_of(path_of(p, rows[i].first, rows[i].end)) > 0) != rows[i].stays)
            fail_msg("%s", rows[i].name);
    }
    /* A segment that was only named; its number is the next. */
    struct sk_err err = SK_ERR_INIT;
    place_close(p);
    DONE(sk_file_write(path_of(p, 2, ".seg"), "", 0, 0600, &err));
    place_open(p);
    check_all(p->j, 1, 1);
    assert_int_equal(put(p, "k", "b"), 2);
    place_reopen(p);
    check_all(p->j, 1, 2);
    assert_int_equal(state_of(p).segments, 2);
}

static void test_later_version(void **state)
{
    struct place *p = *state;
    uint8_t head[SK_SEGMENT_HEADER];
    struct sk_err err = SK_ERR_INIT;

    (void)put(p, "k", "body");
    place_close(p);
    sk_segment_head(head, 1, 0x80000001u, 0);
    sk_journal_put32(head + 8, 2);
    sk_journal_put32(head + 60, sk_crc32c(0, head, 60));
    write_at(path_of(p, 1, ".seg"), 0, head, sizeof head);
    assert_int_equal(sk_journal_open(&p->opts, &p->j, &err), -1);
    assert_int_equal(err.code, SK_UNSUPPORTED);
}

/* ---- threads ---- */

enum {
    WRITERS = 4,
    EACH = 500
};

static atomic_uint_fast64_t committed;

static void on_commit(void *ctx, uint64_t first, uint64_t last)
{
    (void)ctx;
    if (first != atomic_load(&committed) + 1 || last < first)
        abort();
    atomic_store(&committed, last);
}

static void *write_many(void *journal)
{
    struct sk_err err = SK_ERR_INIT;

    for (int i = 0; i < EACH; i++) {
        if (sk_journal_append(journal,
                              &(struct sk_journal_record){ .key = SK_VIEW("k"),
                                                           .body = SK_VIEW("some text"),
                                                           .done = count },
                              &err) < 0)
            abort();
    }
    return NULL;
}

static void *read_many(void *journal)
{
    SK_OWN(sk_journal_cursor_free) struct sk_journal_cursor *c = NULL;
    struct sk_err err = SK_ERR_INIT;
    struct sk_journal_item item;

    if (sk_journal_cursor(journal, &(struct sk_journal_filter){ .key = SK_VIEW("k") }, &c, &err) <
        0)
        abort();
    for (uint64_t seq = 1; seq <= WRITERS * EACH;) {
        int rc = sk_journal_next(c, &item, &err);
        if (rc < 0 || (rc == 1 && item.seq != seq++))
            abort();
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct place *p = *state;
    pthread_t writers[WRITERS], readers[2];
    struct sk_err err = SK_ERR_INIT;

    place_close(p);
    p->opts.committed = on_commit;
    place_open(p);
    atomic_store(&told, 0);
    atomic_store(&last_seq, 0);
    for (size_t i = 0; i < COUNT(readers); i++)
        DONE(sk_thread_start(&readers[i], "reader", read_many, p->j, &err));
    for (size_t i = 0; i < COUNT(writers); i++)
        DONE(sk_thread_start(&writers[i], "writer", write_many, p->j, &err));
    for (size_t i = 0; i < COUNT(writers); i++)
        assert_int_equal(pthread_join(writers[i], NULL), 0);
    for (size_t i = 0; i < COUNT(readers); i++)
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    place_reopen(p);
    assert_int_equal(atomic_load(&told), WRITERS * EACH);
    check_all(p->j, 1, WRITERS * EACH);
    assert_true(state_of(p).segments > 1);
}

/* ---- memory ---- */

static int use(void *ctx, struct sk_err *err)
{
    struct place *p = ctx;
    SK_OWN(sk_journal_close) struct sk_journal *j = NULL;
    SK_OWN(sk_journal_cursor_free) struct sk_journal_cursor *c = NULL;
    struct sk_journal_item item;
    struct sk_journal_record r = { .key = SK_VIEW("k"), .body = SK_VIEW("text") };

    if (sk_journal_open(&p->opts, &j, err) < 0)
        return -1;
    int rc = sk_journal_append(j, &r, err);
    if (rc == 0)
        rc = sk_journal_cursor(j, &(struct sk_journal_filter){ .key = SK_VIEW("k") }, &c, err);
    if (rc == 0)
        rc = sk_journal_next(c, &item, err) < 0 ? -1 : sk_journal_trim(j, err);
    sk_journal_cursor_free(SK_TAKE(c));
    return rc;
}

static void test_memory(void **state)
{
    struct place *p = *state;

    for (int i = 0; i < 30; i++)
        (void)put_large(p, i % 2 ? "k" : "other", 5000, 1);
    place_close(p);
    (void)unlink(path_of(p, 1, ".idx"));
    assert_true(sk_alloc_sweep("journal", use, p, SK_ALLOC_MAY_SURVIVE) > 15);
    place_open(p);
    assert_int_equal(state_of(p).damaged, 0);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, place_set_up, place_tear_down)
    const struct CMUnitTest tests[] = {
        ROW(test_foreign),       ROW(test_numbers), ROW(test_contents), ROW(test_limits),
        ROW(test_options),       ROW(test_busy),    ROW(test_torn),     ROW(test_leftovers),
        ROW(test_later_version), ROW(test_threads), ROW(test_memory),
    };

    faulty_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
