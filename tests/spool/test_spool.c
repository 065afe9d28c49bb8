/* test_spool.c - the life of messages over restarts, endpoints, options, what a start costs. */
#include "spool/spool_util.h"

#include "base/buf.h"
#include "base/file.h"

#include <inttypes.h>
#include <string.h>

static void test_put_take(void **state)
{
    struct place *p = *state;

    put(p, "$upstream", 9, "a");
    put(p, "$upstream", 9, "b");
    put(p, "camera/input1", 0, "c");
    assert_string_equal(take_all(p, "$upstream", false), "a b ");
    assert_string_equal(take_all(p, "$upstream", true), "a b ");
    assert_string_equal(take_all(p, "$upstream", true), "");
    assert_string_equal(take_all(p, "camera/input1", true), "c ");
    assert_string_equal(take_all(p, "nobody", true), "");
}

static void test_restart(void **state)
{
    struct place *p = *state;

    put(p, "$upstream", 9, "a");
    put(p, "$upstream", 3, "b");
    place_reopen(p);
    assert_int_equal(sk_spool_length(p->s, "$upstream", 9), 1);
    assert_int_equal(sk_spool_length(p->s, "$upstream", 3), 1);
    assert_int_equal(sk_spool_length(p->s, "$upstream", 4), 0);
    assert_int_equal(sk_spool_length(p->s, "$upstream", 77), 0);
    assert_int_equal(sk_spool_length(p->s, "nobody", 3), 0);
    put(p, "$upstream", 9, "c");
    assert_string_equal(take_all(p, "$upstream", true), "b a c ");
    place_reopen(p);
    assert_string_equal(take_all(p, "$upstream", true), "");
    put(p, "$upstream", 9, "d");
    assert_string_equal(take_all(p, "$upstream", true), "d ");
}

static void expect_range(struct place *p, const char *endpoint, unsigned priority, uint64_t first,
                         uint64_t next)
{
    struct sk_spool_range r = { 99, 99 };

    sk_spool_range(p->s, endpoint, priority, &r);
    assert_int_equal(r.first, first);
    assert_int_equal(r.next, next);
}

static void test_range(void **state)
{
    struct place *p = *state;

    expect_range(p, "$upstream", 9, 0, 0);
    put(p, "$upstream", 9, "a");
    put(p, "$upstream", 9, "b");
    expect_range(p, "$upstream", 9, 1, 3);
    expect_range(p, "$upstream", 3, 0, 0);
    expect_range(p, "$upstream", 77, 0, 0);
    expect_range(p, "nobody", 9, 0, 0);
    place_reopen(p);
    expect_range(p, "$upstream", 9, 1, 3);
    assert_string_equal(take_all(p, "$upstream", true), "a b ");
    expect_range(p, "$upstream", 9, 3, 3);
    place_reopen(p);
    expect_range(p, "$upstream", 9, 3, 3);
    put(p, "$upstream", 9, "c");
    expect_range(p, "$upstream", 9, 3, 4);
}

static void test_options(void **state)
{
    static const struct {
        uint64_t max_bytes, segment_bytes;
        enum sk_code code;
    } rows[] = {
        { 0, 0, SK_OK },
        { 1 << 20, 0, SK_OK },
        { 256 << 10, 0, SK_OK },
        { (256 << 10) - 1, 0, SK_INVALID },
        { 0, SK_SPOOL_SEGMENT_LEAST - 1, SK_INVALID },
        { 0, SK_SPOOL_SEGMENT_MOST + 1, SK_INVALID },
        { UINT64_MAX, SK_SPOOL_SEGMENT_MOST, SK_OK },
    };
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_spool *other = NULL;

    assert_int_equal(sk_spool_open(&p->opts, &other, &err), -1);
    assert_int_equal(err.code, SK_BUSY);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct sk_spool_options opts = { .dir = p->dir,
                                               .max_bytes = rows[i].max_bytes,
                                               .segment_bytes = rows[i].segment_bytes };
        place_close(p);
        int rc = sk_spool_open(&opts, &p->s, &err);
        if (rc != (rows[i].code == SK_OK ? 0 : -1) || (rc < 0 && err.code != rows[i].code))
            fail_msg("row %zu: %d %s", i, rc, err.text);
    }
}

/* ---- endpoints ---- */

static int add_name(void *ctx, const char *endpoint, struct sk_err *err)
{
    struct sk_buf *b = ctx;

    (void)err;
    sk_buf_add(b, endpoint, strlen(endpoint));
    sk_buf_add(b, ";", 1);
    return 0;
}

static bool lists(struct place *p, const char *endpoint)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(65536);
    struct sk_err err = SK_ERR_INIT;
    char wanted[SK_SPOOL_ENDPOINT_MAX + 2];

    DONE(sk_spool_endpoints(p->s, add_name, &b, &err));
    sk_buf_add(&b, "", 1);
    (void)snprintf(wanted, sizeof wanted, "%s;", endpoint);
    return strstr(b.data, wanted) != NULL;
}

static int stop(void *ctx, const char *endpoint, struct sk_err *err)
{
    ++*(int *)ctx;
    return sk_fail(err, SK_CANCELLED, "at %s", endpoint);
}

static void test_endpoints(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    char longest[SK_SPOOL_ENDPOINT_MAX + 1];
    const char *const names[] = { "$upstream", "a/b", "a.b", "../x", "5", longest };
    int count = 0;

    memset(longest, '/', sizeof longest - 1);
    longest[SK_SPOOL_ENDPOINT_MAX] = 0;
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_false(lists(p, names[i]));
        put(p, names[i], 9, "x");
        assert_true(lists(p, names[i]));
    }
    /* What is no endpoint's is left alone. */
    char path[512];
    (void)snprintf(path, sizeof path, "%s/lost+found", p->dir);
    DONE(sk_mkdirs(path, 0700, &err));
    (void)snprintf(path, sizeof path, "%s/%%61%%2Fb/9", p->dir); /* reads as "a/b" */
    DONE(sk_mkdirs(path, 0700, &err));
    (void)snprintf(path, sizeof path, "%s/file", p->dir);
    DONE(sk_file_write(path, "x", 1, 0600, &err));
    place_reopen(p);
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_true(lists(p, names[i]));
        assert_string_equal(take_all(p, names[i], false), "x ");
    }
    assert_int_equal(sk_spool_endpoints(p->s, stop, &count, &err), -1);
    assert_int_equal(count, 1);
    for (size_t i = 0; i < COUNT(names); i++) {
        DONE(sk_spool_drop(p->s, names[i], &err));
        assert_false(lists(p, names[i]));
        assert_int_equal(sk_spool_drop(p->s, names[i], &err), -1);
        assert_int_equal(err.code, SK_NOT_FOUND);
    }
    assert_true(sk_is_file(path));
    assert_int_equal(state_of(p).bytes, SK_SPOOL_BLOCK);
    put(p, longest, 9, "new");
    place_reopen(p);
    assert_string_equal(take_all(p, longest, false), "new ");
}

/* Dropped while others put: refused, or in the new one; nobody waits for ever. */
static atomic_bool is_over;

static void *put_on(void *arg)
{
    struct place *p = arg;
    unsigned count = 0;

    while (!atomic_load(&is_over)) {
        const struct sk_spool_target to = { "e", count % 4, 0 };
        enum sk_code code = put_to(p, &to, 1, "k", "x");
        if (code != SK_OK && code != SK_BUSY)
            abort();
        count++;
    }
    return NULL;
}

static void test_drop(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    pthread_t thread;
    unsigned dropped = 0;

    DONE(sk_thread_start(&thread, "putter", put_on, p, &err));
    while (dropped < 20) {
        if (sk_spool_drop(p->s, "e", &err) == 0)
            dropped++;
        else if (err.code != SK_NOT_FOUND && err.code != SK_BUSY)
            fail_msg("%s", err.text);
        (void)usleep(1000);
    }
    atomic_store(&is_over, true);
    (void)pthread_join(thread, NULL);
    uint64_t left = 0;
    for (unsigned i = 0; i < 4; i++)
        left += sk_spool_length(p->s, "e", i);
    place_reopen(p);
    for (unsigned i = 0; i < 4; i++)
        left -= sk_spool_length(p->s, "e", i);
    assert_int_equal(left, 0);
}

/* ---- told of what arrives ---- */

static atomic_uint arrivals;

static void arrived(void *ctx, const char *endpoint)
{
    if (ctx == &arrivals && strcmp(endpoint, "a/b") == 0)
        (void)atomic_fetch_add(&arrivals, 1);
}

static void test_arrived(void **state)
{
    struct place *p = *state;

    p->opts.arrived = arrived;
    p->opts.ctx = &arrivals;
    place_reopen(p);
    for (unsigned i = 1; i <= 5; i++) {
        put(p, "a/b", i, "x");
        assert_int_equal(atomic_load(&arrivals), i);
    }
}

static int open_and_look(void *ctx, struct sk_err *err)
{
    const struct place *p = ctx;
    SK_OWN(sk_spool_close) struct sk_spool *s = NULL;
    SK_OWN(sk_spool_reader_free) struct sk_spool_reader *r = NULL;
    struct sk_spool_item item;

    if (sk_spool_open(&p->opts, &s, err) < 0 || sk_spool_reader(s, "a/b", &r, err) < 0)
        return -1;
    return sk_spool_next(r, 1, &item, err) < 0 ? -1 : 0;
}

static int put_only(void *ctx, struct sk_err *err)
{
    const struct place *p = ctx;
    const struct sk_spool_target to[] = { { "new", 0, 0 }, { "other", 7, 0 } };

    return sk_spool_put(p->s, &(struct sk_spool_message){ .body = SK_VIEW("x") }, to, 2, err);
}

static void drop_if_there(struct place *p, const char *endpoint)
{
    struct sk_err err = SK_ERR_INIT;

    if (sk_spool_drop(p->s, endpoint, &err) < 0)
        assert_int_equal(err.code, SK_NOT_FOUND);
}

static void test_no_memory(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;

    put(p, "a/b", 9, "x");
    put(p, "c", 9, "x");
    place_close(p);
    assert_true(sk_alloc_sweep("open", open_and_look, p, SK_ALLOC_MAY_SURVIVE) > 10);
    place_open(p);
    assert_true(sk_alloc_sweep("put", put_only, p, 0) > 0);
    /* What a failing allocation left half made is whole now. */
    (void)sk_alloc_fail_end(&(int){ 0 });
    for (size_t n = 1; n < 40; n++) {
        int did_fail = 0;
        drop_if_there(p, "new");
        drop_if_there(p, "other");
        sk_alloc_fail_at(n);
        int rc = put_only(p, &err);
        (void)sk_alloc_fail_end(&did_fail);
        if (rc < 0 && err.code != SK_NOMEM)
            fail_msg("allocation %zu: %s", n, err.text);
        put(p, "new", 0, "y");
    }
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, place_set_up, place_tear_down)
    const struct CMUnitTest tests[] = {
        ROW(test_put_take),  ROW(test_restart), ROW(test_range),   ROW(test_options),
        ROW(test_endpoints), ROW(test_drop),    ROW(test_arrived), ROW(test_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
