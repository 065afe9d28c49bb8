/* test_read.c - what filters find, in which order, and what comes while one reads. */
#include "fixture.h"

#include "base/clock.h"
#include "base/thread.h"

static void fill(struct fixture *f)
{
    (void)add(f, "d", "", NULL, "1");
    (void)add(f, "d", "m", "%24.on=o1", "2");
    (void)add(f, "d2", "", NULL, "3");
    (void)add(f, "d", "m2", "%24.on=o2", "4");
    (void)add(f, "d", "", "%24.on=o1", "5");
    (void)add(f, "d.", "m", NULL, "6");
    (void)add_message(f, &(struct sk_message){ .device = "d",
                                               .module = "",
                                               .source = "twinChangeEvents",
                                               .generation = "",
                                               .auth_method = "",
                                               .enqueued_ms = 99000,
                                               .body = SK_VIEW("7") });
    (void)add(f, "D", "", NULL, "8");
}

static void filters(void **state)
{
    static const struct {
        const char *name;
        struct sk_telemetry_filter filter;
        const char *expected;
    } rows[] = {
        { "all", { 0 }, "1 2 3 4 5 6 7 8 " },
        { "a device and its modules", { .device = "d" }, "1 2 4 5 7 " },
        { "the device itself", { .device = "d", .module = "" }, "1 5 7 " },
        { "a module", { .device = "d", .module = "m" }, "2 " },
        { "d2", { .device = "d2" }, "3 " },
        { "case counts", { .device = "D" }, "8 " },
        { "nobody", { .device = "x" }, "" },
        { "an output", { .output = "o1" }, "2 5 " },
        { "an output of a device", { .device = "d", .output = "o2" }, "4 " },
        { "a source", { .source = "twinChangeEvents" }, "7 " },
        { "backwards", { .is_backwards = true }, "8 7 6 5 4 3 2 1 " },
        { "a device backwards", { .device = "d", .is_backwards = true }, "7 5 4 2 1 " },
        { "below a number", { .device = "d", .is_backwards = true, .from_seq = 5 }, "4 2 1 " },
        { "from a number", { .device = "d", .from_seq = 4 }, "4 5 7 " },
        { "beyond the last", { .from_seq = 9 }, "" },
        { "from a time", { .from_ms = 98000 }, "7 " },
        { "until a time", { .device = "d", .until_ms = 98000 }, "1 2 4 5 " },
    };
    struct fixture *f = *state;
    fill(f);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT(rows); i++) {
            const char *got = numbers_of(f, &rows[i].filter);
            if (strcmp(got, rows[i].expected) != 0)
                fail_msg("%s: '%s'", rows[i].name, got);
        }
        fixture_reopen(f);
    }
}

static void bad_names(void **state)
{
    static const struct sk_telemetry_filter rows[] = {
        { .device = "" },
        { .device = "a/b" },
        { .device = "a b" },
        { .device = "d", .module = "m/x" },
    };
    struct fixture *f = *state;
    char name[SK_IOT_ID_MAX + 2];
    struct sk_telemetry_reader *r = NULL;
    struct sk_err err = SK_ERR_INIT;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(sk_telemetry_read(f->t, &rows[i], &r, &err), -1);
        assert_int_equal(err.code, SK_INVALID);
    }
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(
        sk_telemetry_read(f->t, &(struct sk_telemetry_filter){ .device = name }, &r, &err), -1);
    name[SK_IOT_ID_MAX] = '\0';
    assert_string_equal(
        numbers_of(f, &(struct sk_telemetry_filter){ .device = name, .module = name }), "");
}

/* A record that is not ours costs no other one. */
static void damaged(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    const struct sk_journal_record bad = { .key = SK_VIEW("d"), .body = SK_VIEW("\x07garbage") };
    (void)add(f, "d", "", NULL, "1");
    DONE(sk_journal_write(f->t->journal, &bad, NULL, &err));
    (void)add(f, "d", "", NULL, "3");
    assert_string_equal(numbers_of(f, &(struct sk_telemetry_filter){ .device = "d" }), "1 3 ");
}

static void goes_on(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_telemetry_reader_free) struct sk_telemetry_reader *r = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf csv = SK_BUF_INIT(1 << 20);
    uint64_t seq = 0;
    DONE(sk_telemetry_read(f->t, &(struct sk_telemetry_filter){ .device = "d" }, &r, &err));
    assert_int_equal(sk_telemetry_next(r, NULL, &seq, &err), 0);
    (void)add(f, "d", "m", NULL, "1");
    (void)add(f, "d", "", NULL, "2");
    assert_int_equal(sk_telemetry_next_csv(r, &csv, &seq, &err), 1);
    assert_int_equal(seq, 1);
    assert_int_equal(sk_telemetry_next_csv(r, &csv, &seq, &err), 1);
    assert_int_equal(seq, 2);
    assert_int_equal(sk_telemetry_next_csv(r, &csv, &seq, &err), 0);
    (void)add(f, "d", "m", NULL, "3");
    assert_int_equal(sk_telemetry_next(r, NULL, &seq, &err), 1);
    assert_int_equal(seq, 3);
}

/* Who must not wait is told so after a bounded number of records. */
static void patience(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_telemetry_reader_free) struct sk_telemetry_reader *r = NULL;
    uint64_t seq = 0;
    for (int i = 0; i < 9; i++)
        (void)add(f, "d", "", i == 8 ? "%24.on=o" : NULL, "x");
    DONE(sk_telemetry_read(f->t, &(struct sk_telemetry_filter){ .output = "o" }, &r, &err));
    sk_telemetry_reader_patience(r, 4);
    assert_int_equal(sk_telemetry_next(r, NULL, &seq, &err), SK_TELEMETRY_LATER);
    assert_int_equal(sk_telemetry_next(r, NULL, &seq, &err), SK_TELEMETRY_LATER);
    assert_int_equal(sk_telemetry_next(r, NULL, &seq, &err), 1);
    assert_int_equal(seq, 9);
    assert_int_equal(sk_telemetry_next(r, NULL, &seq, &err), 0);
}

enum {
    MESSAGES = 4000
};

static void *write_many(void *arg)
{
    struct fixture *f = arg;
    for (int i = 0; i < MESSAGES; i++) {
        struct sk_err err = SK_ERR_INIT;
        const struct sk_message m = { .device = "d",
                                      .module = i % 3 ? "m" : "",
                                      .source = "Telemetry",
                                      .generation = "",
                                      .auth_method = "",
                                      .body = SK_VIEW("x") };
        if (sk_telemetry_add(f->t, &m, NULL, NULL, &err) < 0)
            break;
    }
    return NULL;
}

/* None is passed over, none comes twice, while others are written. */
static void in_order_while_written(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    pthread_t thread;
    SK_OWN(sk_telemetry_reader_free) struct sk_telemetry_reader *r = NULL;
    DONE(sk_telemetry_read(f->t, &(struct sk_telemetry_filter){ .device = "d" }, &r, &err));
    DONE(sk_thread_start(&thread, "writer", write_many, f, &err));
    const uint64_t end_ms = sk_now_ms() + 30000;
    for (uint64_t last = 0; last < MESSAGES && sk_now_ms() < end_ms;) {
        uint64_t seq = 0;
        int got = sk_telemetry_next(r, NULL, &seq, &err);
        DONE(got);
        if (got == 1)
            assert_int_equal(seq, ++last);
    }
    (void)pthread_join(thread, NULL);
    struct sk_journal_state at;
    sk_telemetry_state(f->t, &at);
    uint64_t seq = 0;
    assert_int_equal(sk_telemetry_next(r, NULL, &seq, &err), 0);
    assert_int_equal(at.next, MESSAGES + 1);
}

static int read_all(void *ctx, struct sk_err *err)
{
    struct fixture *f = ctx;
    SK_OWN(sk_telemetry_reader_free) struct sk_telemetry_reader *r = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
    const struct sk_telemetry_filter filter = { .device = "d",
                                                .output = "o1",
                                                .source = "Telemetry" };
    uint64_t seq = 0;
    if (sk_telemetry_read(f->t, &filter, &r, err) < 0)
        return -1;
    int got = sk_telemetry_next(r, &out, &seq, err);
    return got < 0 ? -1 : 0;
}

static void memory_runs_out(void **state)
{
    struct fixture *f = *state;
    fill(f);
    assert_true(sk_alloc_sweep("read", read_all, f, 0) >= 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(filters),         ROW(bad_names), ROW(damaged),
        ROW(goes_on),         ROW(patience),  ROW(in_order_while_written),
        ROW(memory_runs_out),
    };
    return cmocka_run_group_tests_name("telemetry/read", tests, NULL, NULL);
}
