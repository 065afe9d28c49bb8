/* test_down.c - messages down: kept in order, limits, the four ways out, who may send. */
#include "fixture.h"

static int send_one(struct fixture *f, const char *device, const char *module,
                    const struct sk_down *m, int64_t *id, struct sk_err *err)
{
    return sk_down_send(f->d, &f->service, device, module, m, id, err);
}

static int64_t must_send(struct fixture *f, const char *text, const char *ack, int64_t expiry_ms)
{
    struct sk_err err = SK_ERR_INIT;
    int64_t id = 0;
    const struct sk_down m = { .message_id = text,
                               .ack = ack,
                               .expiry_ms = expiry_ms,
                               .properties = "a=b",
                               .body = sk_view_of(text) };
    DONE(send_one(f, "d", NULL, &m, &id, &err));
    return id;
}

static int note_message(void *ctx, const struct sk_down *m, struct sk_err *err)
{
    (void)err;
    sk_buf_fmt(ctx, "%s[%s]%s/%s:%.*s*%u ", m->message_id, m->properties, m->ack, m->input,
               (int)m->body.len, m->body.ptr, m->deliveries);
    return 0;
}

/* Static text of what waits for an identity. */
static const char *waiting(struct fixture *f, int64_t identity, int64_t after, unsigned max)
{
    static char text[4096];
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(sizeof text - 1);
    settle(f);
    DONE(sk_down_read(f->d, identity, after, max, note_message, &b, &err));
    (void)snprintf(text, sizeof text, "%s", b.data ? b.data : "");
    return text;
}

static void order(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_identity i = make_device(f, "d"), m;
    make_module(f, "d", "m");
    (void)told(f);
    int64_t one = must_send(f, "1", "full", 0);
    must_send(f, "2", NULL, 0);
    must_send(f, "3", "positive", 0);
    const struct sk_down input = { .input = "in", .body = SK_VIEW("x\0y") };
    DONE(send_one(f, "d", "m", &input, NULL, &err));
    assert_string_equal(told(f), "down d\ndown d\ndown d\ndown d/m\n");
    assert_string_equal(waiting(f, i.id, 0, 10), "1[a=b]full/:1*0 2[a=b]none/:2*0 "
                                                 "3[a=b]positive/:3*0 ");
    assert_string_equal(waiting(f, i.id, one, 1), "2[a=b]none/:2*0 ");
    DONE(sk_identity_get(f->d, "d", NULL, &i, &err));
    assert_int_equal(i.waiting, 3);
    DONE(sk_identity_get(f->d, "d", "m", &m, &err));
    assert_string_equal(waiting(f, m.id, 0, 10), "[]none/in:x*0 "); /* "%.*s" ends at the NUL */
    assert_int_equal(number(f, "SELECT length(CAST(body AS BLOB)) FROM message_down "
                               "WHERE input = 'in'"),
                     3);
    fixture_reopen(f);
    assert_string_equal(waiting(f, i.id, one, 1), "2[a=b]none/:2*0 ");
    /* 1 is done with; a wrong identity or id does nothing */
    sk_down_complete(f->d, i.id, one);
    sk_down_complete(f->d, m.id, one + 1);
    sk_down_complete(f->d, i.id, 9999);
    assert_string_equal(waiting(f, i.id, 0, 10), "2[a=b]none/:2*0 3[a=b]positive/:3*0 ");
    assert_string_equal(text_of(f, "SELECT group_concat(action || object) FROM audit "
                                   "WHERE action LIKE 'message%'"),
                        "message.sendd,message.sendd,message.sendd,message.sendd/m");
}

static void limits(void **state)
{
    static char body[SK_IOT_C2D_MAX + 1], id129[130], id128[129];
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    memset(id129, 'i', 129);
    memset(id128, 'i', 128);
    make_device(f, "d");
    make_module(f, "d", "m");

    const struct {
        const char *module;
        struct sk_down m;
        enum sk_code code;
        const char *says;
    } rows[] = {
        { NULL, { .body = { body, SK_IOT_C2D_MAX } }, SK_OK, "" },
        { NULL, { .body = { body, SK_IOT_C2D_MAX + 1 } }, SK_TOO_LARGE, "MessageTooLarge: " },
        { NULL,
          { .body = { body, SK_IOT_C2D_MAX }, .properties = "a" },
          SK_TOO_LARGE,
          "MessageTooLarge: " },
        { NULL, { .ack = "maybe" }, SK_INVALID, "ArgumentInvalid: ack" },
        { NULL, { .message_id = id128 }, SK_OK, "" },
        { NULL, { .message_id = id129 }, SK_INVALID, "ArgumentInvalid: " },
        { NULL, { .input = "in" }, SK_INVALID, "ArgumentInvalid: " },
        { "m", { .input = "" }, SK_INVALID, "ArgumentInvalid: " },
        { "x", { .input = "in" }, SK_NOT_FOUND, "ModuleNotFound: " },
    };

    for (size_t n = 0; n < COUNT(rows); n++) {
        int rc = send_one(f, "d", rows[n].module, &rows[n].m, NULL, &err);
        if (rows[n].code == SK_OK)
            DONE(rc);
        else
            FAILS(rc, rows[n].code, rows[n].says);
    }
    FAILS(sk_down_send(f->d, &f->registry, "d", NULL, &rows[0].m, NULL, &err), SK_DENIED, "");
    for (int n = 2; n < SK_DEVICES_DOWN_MAX; n++)
        must_send(f, "m", NULL, 0);
    FAILS(send_one(f, "d", NULL, &rows[4].m, NULL, &err), SK_LIMIT,
          "DeviceMaximumQueueDepthExceeded: ");
    run_sql(f, "UPDATE message_down SET expiry_ms = 1 WHERE id = 1"); /* not swept away yet */
    must_send(f, "m", NULL, 0);
    FAILS(send_one(f, "d", NULL, &rows[4].m, NULL, &err), SK_LIMIT,
          "DeviceMaximumQueueDepthExceeded: ");
}

static void deliveries(void **state)
{
    struct fixture *f = *state;
    struct sk_identity i = make_device(f, "d");
    int64_t id = must_send(f, "1", "negative", 0);
    for (int n = 1; n < SK_DEVICES_DELIVERIES_MAX; n++)
        sk_down_delivered(f->d, i.id, id);
    sk_down_delivered(f->d, i.id + 1, id); /* not its message */
    assert_string_equal(waiting(f, i.id, 0, 10), "1[a=b]negative/:1*9 ");
    sk_down_delivered(f->d, i.id, id);
    assert_string_equal(waiting(f, i.id, 0, 10), "");
    assert_string_equal(text_of(f, "SELECT record ->> 'statusCode' FROM feedback"),
                        "DeliveryCountExceeded");
    sk_down_delivered(f->d, i.id, id);
    settle(f);
}

static void expiry(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_identity i = make_device(f, "d");
    must_send(f, "default", NULL, 0);
    must_send(f, "far", NULL, INT64_MAX);
    must_send(f, "gone", "full", 1);
    assert_int_equal(number(f, "SELECT expiry_ms - enqueued_ms FROM message_down "
                               "WHERE message_id = 'default'"),
                     3600000);
    assert_int_equal(number(f, "SELECT expiry_ms - enqueued_ms FROM message_down "
                               "WHERE message_id = 'far'"),
                     48 * 3600000);
    assert_string_equal(waiting(f, i.id, 0, 10), "default[a=b]none/:default*0 "
                                                 "far[a=b]none/:far*0 ");
    DONE(sk_down_expire(f->d, &err));
    assert_int_equal(number(f, "SELECT count(*) FROM message_down"), 2);
    assert_string_equal(text_of(f, "SELECT record ->> 'description' || (record ->> "
                                   "'originalMessageId') FROM feedback"),
                        "Expiredgone");
    /* more than a slice, and feedback that is too old */
    run_sql(f, "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 450) "
               "INSERT INTO message_down(identity, enqueued_ms, expiry_ms, body) "
               "SELECT (SELECT id FROM identity), 1, 1, x'' FROM n");
    run_sql(f, "UPDATE feedback SET at_ms = 1");
    DONE(sk_down_expire(f->d, &err));
    assert_int_equal(number(f, "SELECT count(*) FROM message_down"), 2);
    assert_int_equal(number(f, "SELECT count(*) FROM feedback"), 0);
    DONE(sk_down_expire(f->d, &err));
}

static void purge(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    uint64_t removed = 99;
    make_device(f, "d");
    DONE(sk_down_purge(f->d, &f->service, "d", &removed, &err));
    assert_int_equal(removed, 0);
    must_send(f, "1", "negative", 0);
    must_send(f, "2", "positive", 0);
    DONE(sk_down_purge(f->d, &f->service, "d", &removed, &err));
    assert_int_equal(removed, 2);
    assert_string_equal(text_of(f, "SELECT group_concat(record ->> 'description') FROM feedback"),
                        "Purged");
    FAILS(sk_down_purge(f->d, &f->service, "x", &removed, &err), SK_NOT_FOUND, "DeviceNotFound: ");
    FAILS(sk_down_purge(f->d, &f->reader, "d", &removed, &err), SK_DENIED, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(order), ROW(limits), ROW(deliveries), ROW(expiry),
                                        ROW(purge) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
