/* test_idx.c - the index as a file says what the one in memory says. */
#include "journal/journal_util.h"

#include "base/file.h"
#include "base/mix64.h"

#include <errno.h>
#include <fcntl.h>

enum {
    RECORDS = 3000
};

struct both {
    struct place *p;
    int dir;
    struct sk_index *x;
};

static struct both make(struct place *p, uint32_t count)
{
    struct both b = { .p = p };
    struct sk_err err = SK_ERR_INIT;
    char key[32];

    b.dir = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    b.x = sk_index_new(&err);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t r = sk_mix64(i);
        /* One key has many, one is the beginning of others, one is empty. */
        (void)snprintf(key, sizeof key, r % 3 ? "dev/1%.*s" : "%.*s", (int)(r >> 8) % 7, "abcdef");
        DONE(sk_index_reserve(b.x, 1, strlen(key), &err));
        sk_index_add(b.x, sk_view_of(key), 50 + i, 64 + i * 8, i);
    }
    DONE(sk_idx_write(b.dir, 9, 9 + count, b.x, &err));
    return b;
}

static void done(struct both *b)
{
    sk_close(&b->dir);
    sk_index_free(b->x);
}

static void test_equal(void **state)
{
    static const struct sk_want wants[] = {
        { .until = UINT32_MAX - 1 },
        { .from = 10, .until = 2000 },
        { .key = { "dev/1", 5 }, .until = UINT32_MAX - 1 },
        { .key = { "dev/1abc", 8 }, .from = 100, .until = 1500 },
        { .key = { "dev/1", 5 }, .is_prefix = true, .until = UINT32_MAX - 1 },
        { .key = { "a", 1 }, .is_prefix = true, .until = UINT32_MAX - 1 },
        { .key = { "abcdef", 6 }, .until = UINT32_MAX - 1 },
        { .key = { "abcdefg", 7 }, .until = UINT32_MAX - 1 },
        { .key = { "zzz", 3 }, .is_prefix = true, .until = UINT32_MAX - 1 },
        { .key = { "\0", 1 }, .until = UINT32_MAX - 1 },
    };
    struct sk_err err = SK_ERR_INIT;
    struct both b = make(*state, RECORDS);
    struct sk_idx idx = SK_IDX_INIT;
    struct sk_places p = { 0 }, q = { 0 };

    DONE(sk_idx_open(b.dir, 9, 9 + RECORDS, true, &idx, &err));
    assert_int_equal(idx.min_ms, 50);
    assert_int_equal(idx.max_ms, 50 + RECORDS - 1);
    for (size_t w = 0; w < COUNT(wants); w++) {
        DONE(sk_index_list(b.x, &wants[w], &p, &err));
        DONE(sk_idx_list(&idx, &wants[w], &q, &err));
        if (p.count != q.count || (p.count && memcmp(p.at, q.at, p.count * sizeof *p.at) != 0))
            fail_msg("want %zu: %zu and %zu", w, p.count, q.count);
    }
    free(p.at);
    free(q.at);
    sk_idx_done(&idx);
    done(&b);
}

static void test_refused(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct both b = make(*state, 20);
    struct sk_idx idx = SK_IDX_INIT;
    size_t len = size_of(path_of(*state, 9, ".idx"));

    assert_int_equal(sk_idx_open(b.dir, 9, 28, false, &idx, &err), -1); /* other numbers */
    assert_int_equal(sk_idx_open(b.dir, 10, 29, false, &idx, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    for (size_t at = 0; at < len; at++) {
        flip_byte(path_of(*state, 9, ".idx"), at, 0x10);
        if (sk_idx_open(b.dir, 9, 29, true, &idx, &err) == 0 && (at < 12 || at > 15))
            fail_msg("byte %zu", at);
        sk_idx_done(&idx);
        flip_byte(path_of(*state, 9, ".idx"), at, 0x10);
    }
    for (size_t cut = 0; cut < len; cut += 7) {
        assert_int_equal(truncate(path_of(*state, 9, ".idx"), (off_t)(len - cut - 1)), 0);
        assert_int_equal(sk_idx_open(b.dir, 9, 29, false, &idx, &err), -1);
    }
    done(&b);
}

/* Each failing write leaves no file behind, and the old one as it was. */
static void test_failing(void **state)
{
    static const enum faulty_call rows[] = { FAULTY_OPEN, FAULTY_WRITE, FAULTY_TEAR };
    struct both b = make(*state, 20);
    struct sk_idx idx = SK_IDX_INIT;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        faulty_arm(rows[i], 1, ENOSPC, false);
        assert_int_equal(sk_idx_write(b.dir, 9, 29, b.x, &err), -1);
        assert_int_equal(err.code, SK_FULL);
        assert_int_equal(size_of(path_of(*state, 9, ".tmp")), 0);
        DONE(sk_idx_open(b.dir, 9, 29, true, &idx, &err));
        sk_idx_done(&idx);
    }
    done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_equal, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_refused, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_failing, place_set_up, place_tear_down),
    };

    faulty_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
