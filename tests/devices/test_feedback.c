/* test_feedback.c - which outcomes are recorded, and batches under a lock. */
#include "fixture.h"

struct add {
    const char *ack, *description;
};

static int add(struct sk_change *c, void *ctx, struct sk_err *err)
{
    const struct add *a = ctx;
    return sk_feedback_add(sk_change_tx(c), a->ack, a->description, "m\"1", "d", "77", err);
}

static void who_wants(void **state)
{
    static const struct {
        struct add what;
        int records;
    } rows[] = {
        { { "none", "Success" }, 0 },     { { "none", "Expired" }, 0 },
        { { "positive", "Success" }, 1 }, { { "positive", "Expired" }, 0 },
        { { "negative", "Success" }, 0 }, { { "negative", "Purged" }, 1 },
        { { "full", "Success" }, 1 },     { { "full", "DeliveryCountExceeded" }, 1 },
    };
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct add a = rows[i].what;
        DONE(sk_devices_write(f->d, add, &a, &err));
        assert_int_equal(number(f, "SELECT count(*) FROM feedback"), rows[i].records);
        run_sql(f, "DELETE FROM feedback");
    }
}

static void add_many(struct fixture *f, int count)
{
    struct sk_err err = SK_ERR_INIT;
    struct add a = { "full", "Success" };
    for (int i = 0; i < count; i++)
        DONE(sk_devices_write(f->d, add, &a, &err));
}

/* Takes a batch; how many records it has. */
static size_t take(struct fixture *f, char token[40])
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
    if (sk_feedback_take(f->d, &b, token, &err) < 0) {
        assert_int_equal(err.code, SK_NOT_FOUND);
        return 0;
    }
    SK_OWN(sk_json_free) struct sk_json *batch = parse(b.data);
    const struct sk_json *first = sk_json_at(batch, 0);
    assert_string_equal(sk_json_get_text(first, "originalMessageId", ""), "m\"1");
    assert_string_equal(sk_json_get_text(first, "description", ""), "Success");
    assert_string_equal(sk_json_get_text(first, "statusCode", ""), "Success");
    assert_string_equal(sk_json_get_text(first, "deviceId", ""), "d");
    assert_string_equal(sk_json_get_text(first, "deviceGenerationId", ""), "77");
    assert_non_null(sk_json_get(first, "enqueuedTimeUtc"));
    return sk_json_count(batch);
}

static void locks(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    char a[40], b[40], c[40];
    assert_int_equal(take(f, a), 0);
    add_many(f, SK_FEEDBACK_BATCH + 3);
    assert_int_equal(take(f, a), SK_FEEDBACK_BATCH);
    assert_int_equal(take(f, b), 3);
    assert_int_equal(take(f, c), 0);
    assert_string_not_equal(a, b);
    DONE(sk_feedback_end(f->d, b, false, &err));
    FAILS(sk_feedback_end(f->d, b, true, &err), SK_MISMATCH, "DeviceMessageLockLost: ");
    assert_int_equal(take(f, c), 3);
    DONE(sk_feedback_end(f->d, c, true, &err));
    FAILS(sk_feedback_end(f->d, "", false, &err), SK_MISMATCH, "DeviceMessageLockLost: ");
    /* a lock that ended by itself */
    run_sql(f, "UPDATE feedback SET locked_ms = 1");
    FAILS(sk_feedback_end(f->d, a, true, &err), SK_MISMATCH, "DeviceMessageLockLost: ");
    assert_int_equal(take(f, b), SK_FEEDBACK_BATCH);
    DONE(sk_feedback_end(f->d, b, true, &err));
    assert_int_equal(number(f, "SELECT count(*) FROM feedback"), 0);
}

static void bounds(void **state)
{
    struct fixture *f = *state;
    char token[40];
    run_sql(f, "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 10000) "
               "INSERT INTO feedback(at_ms, record) SELECT 1, '{}' FROM n");
    assert_int_equal(take(f, token), 0); /* all are too old */
    add_many(f, 1);
    assert_int_equal(number(f, "SELECT count(*) FROM feedback"), SK_FEEDBACK_MAX);
    assert_int_equal(number(f, "SELECT min(id) FROM feedback"), 2);
    assert_int_equal(take(f, token), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(who_wants), ROW(locks), ROW(bounds) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
