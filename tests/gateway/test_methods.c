/* test_methods.c - direct methods: who is asked, when, and how a call ends. */
#include "fixture.h"

#define POST "$iothub/methods/POST/#"

enum {
    RESPONSE_MS = 5000, /* the least */
    LONG_MS = 60000     /* nobody waits so long here */
};

struct result {
    pthread_mutex_t lock; /* guards the rest */
    unsigned count;
    int status;
    char payload[256];
    enum sk_code code;
    char text[600];
};

static void on_done(void *ctx, int status, struct sk_view payload, const struct sk_err *failed)
{
    struct result *r = ctx;
    SK_LOCK(&r->lock);
    r->count++;
    r->status = status;
    r->code = failed ? failed->code : SK_OK;
    (void)snprintf(r->payload, sizeof r->payload, "%.*s", (int)payload.len, payload.ptr);
    (void)snprintf(r->text, sizeof r->text, "%s", failed ? failed->text : "");
}

static unsigned ends_of(struct result *r)
{
    SK_LOCK(&r->lock);
    return r->count;
}

static void await(struct result *r)
{
    const uint64_t end = sk_now_ms() + PATIENCE_MS;
    while (ends_of(r) == 0 && sk_now_ms() < end)
        (void)usleep(2000);
    assert_int_equal(ends_of(r), 1);
}

#define RESULT                                                                                     \
    {                                                                                              \
        .lock = PTHREAD_MUTEX_INITIALIZER                                                          \
    }

static void call_within(struct fixture *f, const char *name, const char *payload,
                        unsigned response_ms, unsigned connect_ms, struct result *r)
{
    struct sk_err err = SK_ERR_INIT;
    const struct sk_method_call m = {
        .device = "d1",
        .module = "",
        .name = name,
        .payload = sk_view_of(payload),
        .response_ms = response_ms,
        .connect_ms = connect_ms,
        .done = on_done,
        .ctx = r,
    };
    DONE(sk_gateway_invoke(f->g, &m, &err));
}

static void call(struct fixture *f, const char *name, const char *payload, unsigned connect_ms,
                 struct result *r)
{
    call_within(f, name, payload, LONG_MS, connect_ms, r);
}

/* The request id of a call that must be next. */
static const char *want_call(struct client *c, const char *name, const char *payload)
{
    static char rid[32];
    struct packet p;
    char begin[200];
    client_want(c, PUBLISH, &p);
    (void)snprintf(begin, sizeof begin, "$iothub/methods/POST/%s/?$rid=", name);
    if (strncmp(p.topic, begin, strlen(begin)) != 0 || strcmp(p.payload, payload) != 0)
        fail_msg("'%s' %s came, not %s %s", p.topic, p.payload, begin, payload);
    (void)snprintf(rid, sizeof rid, "%s", p.topic + strlen(begin));
    return rid;
}

static void answer(struct client *c, const char *status, const char *rid, const char *payload)
{
    char topic[200];
    (void)snprintf(topic, sizeof topic, "$iothub/methods/res/%s/?$rid=%s", status, rid);
    client_say(c, 0, 0, topic, payload);
}

/* With no time to connect at all: who is there is asked. */
static void answered(void **state)
{
    struct fixture *f = *state;
    struct result r[200];
    (void)make_device(f, "d1");
    struct client *c = client_in(f, "d1", "", true, NULL);
    assert_int_equal(client_subscribe(c, 0, POST), 0);
    for (size_t i = 0; i < COUNT(r); i++) {
        r[i] = (struct result)RESULT;
        call(f, "reboot", "{\"in\":5}", 0, &r[i]);
        answer(c, "217", want_call(c, "reboot", "{\"in\":5}"), "{\"ok\":true}");
        await(&r[i]);
        assert_int_equal(r[i].code, SK_OK);
        assert_int_equal(r[i].status, 217);
        assert_string_equal(r[i].payload, "{\"ok\":true}");
    }
    struct sk_gateway_counts counts;
    sk_gateway_counts(f->g, &counts);
    assert_int_equal(counts.methods, COUNT(r));
    client_free(c);
}

static void not_online(void **state)
{
    struct fixture *f = *state;
    struct result nobody = RESULT, deaf = RESULT, late = RESULT;
    (void)make_device(f, "d1");
    call(f, "x", "", 0, &nobody);
    await(&nobody);
    assert_int_equal(nobody.code, SK_NOT_FOUND);
    assert_memory_equal(nobody.text, "DeviceNotOnline:", 16);
    struct client *c = client_in(f, "d1", "", true, NULL);
    call(f, "x", "", 0, &deaf); /* it has not subscribed */
    await(&deaf);
    assert_int_equal(deaf.code, SK_NOT_FOUND);
    const uint64_t begin = sk_now_ms();
    call(f, "x", "", 300, &late);
    await(&late);
    assert_true(sk_now_ms() - begin >= 200);
    assert_int_equal(late.code, SK_NOT_FOUND);
    client_quiet(c);
    client_free(c);
}

static void timeout(void **state)
{
    struct fixture *f = *state;
    struct result r = RESULT;
    (void)make_device(f, "d1");
    struct client *c = client_in(f, "d1", "", true, NULL);
    assert_int_equal(client_subscribe(c, 0, POST), 0);
    const uint64_t begin = sk_now_ms();
    call_within(f, "x", "", RESPONSE_MS, 0, &r);
    char rid[32];
    (void)snprintf(rid, sizeof rid, "%s", want_call(c, "x", ""));
    await(&r);
    assert_true(sk_now_ms() - begin >= RESPONSE_MS - 500);
    assert_int_equal(r.code, SK_TIMEOUT);
    assert_string_equal(r.text, "GatewayTimeout: the device did not answer in 5 s");
    answer(c, "200", rid, "{}"); /* too late: ignored */
    client_quiet(c);
    assert_int_equal(ends_of(&r), 1);
    client_free(c);
}

/* Calls wait for their device, and reach it in their order. */
static void waits_for_it(void **state)
{
    struct fixture *f = *state;
    struct result r[5];
    (void)make_device(f, "d1");
    for (size_t i = 0; i < COUNT(r); i++) {
        char payload[16];
        r[i] = (struct result)RESULT;
        (void)snprintf(payload, sizeof payload, "%zu", i);
        call(f, "x", payload, LONG_MS, &r[i]);
    }
    struct client *c = client_in(f, "d1", "", true, NULL);
    client_quiet(c);
    assert_int_equal(client_subscribe(c, 0, POST), 0);
    for (size_t i = 0; i < COUNT(r); i++) {
        char payload[16];
        (void)snprintf(payload, sizeof payload, "%zu", i);
        answer(c, "200", want_call(c, "x", payload), payload);
        await(&r[i]);
        assert_string_equal(r[i].payload, payload);
    }
    client_free(c);
}

/* More than a client takes at once: no call is lost, and the connection stays. */
static void more_than_it_takes(void **state)
{
    struct fixture *f = *state;
    struct result r[30];
    SK_OWN(free) char *payload = malloc(SK_IOT_METHOD_PAYLOAD_MAX + 1);
    (void)make_device(f, "d1");
    assert_non_null(payload);
    memset(payload, ' ', SK_IOT_METHOD_PAYLOAD_MAX);
    payload[SK_IOT_METHOD_PAYLOAD_MAX] = '\0';
    payload[0] = '1';
    for (size_t i = 0; i < COUNT(r); i++) {
        r[i] = (struct result)RESULT;
        call(f, "x", payload, LONG_MS, &r[i]);
    }
    struct client *c = client_in(f, "d1", "", true, NULL);
    assert_int_equal(client_subscribe(c, 0, POST), 0);
    (void)usleep(300000);
    for (size_t i = 0; i < COUNT(r); i++) {
        answer(c, "200", want_call(c, "x", payload), "1");
        await(&r[i]);
        assert_int_equal(r[i].code, SK_OK);
    }
    client_free(c);
}

static void answers_of_others(void **state)
{
    static const char *const wrong[] = { "0", "zz", "", "ffffffffffffffff",
                                         "00000000000000000000" };
    struct fixture *f = *state;
    struct result r = RESULT;
    (void)make_device(f, "d1");
    (void)make_device(f, "d2");
    (void)make_module(f, "d1", "m1");
    struct client *c = client_in(f, "d1", "", true, NULL);
    struct client *others[] = { client_in(f, "d2", "", true, NULL),
                                client_in(f, "d1", "m1", true, NULL) };
    assert_int_equal(client_subscribe(c, 0, POST), 0);
    call(f, "x", "", 0, &r);
    const char *rid = want_call(c, "x", "");
    for (size_t i = 0; i < COUNT(others); i++) {
        assert_int_equal(client_subscribe(others[i], 0, POST), 0);
        answer(others[i], "200", rid, "\"forged\"");
        client_quiet(others[i]);
        client_free(others[i]);
    }
    for (size_t i = 0; i < COUNT(wrong); i++)
        answer(c, "200", wrong[i], "\"wrong\"");
    assert_int_equal(ends_of(&r), 0);
    answer(c, "200", rid, "\"mine\"");
    answer(c, "500", rid, "\"twice\"");
    await(&r);
    assert_string_equal(r.payload, "\"mine\"");
    client_quiet(c);
    assert_int_equal(ends_of(&r), 1);
    client_free(c);
}

/* What was sent on it is not answered any more; what waits for the device goes on waiting. */
static void ends_with_its_connection(void **state)
{
    static const char *const filter[] = { POST };
    struct fixture *f = *state;
    struct result sent[3], waiting = RESULT;
    struct packet p;
    (void)make_device(f, "d1");
    struct client *c = client_in(f, "d1", "", false, NULL);
    assert_int_equal(client_subscribe(c, 0, POST), 0);
    for (size_t i = 0; i < COUNT(sent); i++) {
        sent[i] = (struct result)RESULT;
        call(f, "x", "", 0, &sent[i]);
        (void)want_call(c, "x", "");
    }
    client_filters(c, false, 99, 0, filter, 1);
    client_want(c, UNSUBACK, &p);
    call(f, "y", "", LONG_MS, &waiting);
    client_free(c);
    for (size_t i = 0; i < COUNT(sent); i++) {
        await(&sent[i]);
        assert_int_equal(sent[i].code, SK_NOT_FOUND);
        assert_string_equal(sent[i].text, "DeviceConnectionClosedRemotely: the device's "
                                          "connection ended before it answered");
    }
    c = client_in(f, "d1", "", false, NULL);
    client_quiet(c);
    assert_int_equal(ends_of(&waiting), 0);
    assert_int_equal(client_subscribe(c, 0, POST), 0);
    answer(c, "200", want_call(c, "y", ""), "1");
    await(&waiting);
    assert_int_equal(waiting.code, SK_OK);
    client_free(c);
}

struct again {
    struct fixture *f;
    struct result *first, *second;
};

/* A caller that asks once more at once. */
static void on_done_again(void *ctx, int status, struct sk_view payload,
                          const struct sk_err *failed)
{
    struct again *a = ctx;
    call(a->f, "again", "", LONG_MS, a->second);
    on_done(a->first, status, payload, failed);
}

/* The older connection's end is not that of calls that were sent on the newer one. */
static void newer_connection(void **state)
{
    struct fixture *f = *state;
    struct result first = RESULT, second = RESULT;
    struct again again = { f, &first, &second };
    struct sk_err err = SK_ERR_INIT;
    const struct sk_method_call m = { .device = "d1",
                                      .module = "",
                                      .name = "x",
                                      .response_ms = 300000,
                                      .done = on_done_again,
                                      .ctx = &again };
    const struct sk_identity i = make_device(f, "d1");
    struct client *old = client_in(f, "d1", "", false, NULL);
    assert_int_equal(client_subscribe(old, 0, POST), 0);
    DONE(sk_gateway_invoke(f->g, &m, &err));
    (void)want_call(old, "x", "");
    struct client *c = client_in(f, "d1", "", false, NULL);
    await(&first);
    assert_int_equal(first.code, SK_NOT_FOUND);
    const char *rid = want_call(c, "again", "");
    const struct sk_session other = { .identity = i.id, .was_called = true };
    sk_methods_closed(f->g, &other);
    assert_int_equal(ends_of(&second), 0);
    answer(c, "200", rid, "1");
    await(&second);
    assert_int_equal(second.code, SK_OK);
    assert_int_equal(ends_of(&first), 1);
    client_free(old);
    client_free(c);
}

static void many_at_once(void **state)
{
    struct fixture *f = *state;
    static struct result r[SK_GATEWAY_METHODS_EACH];
    struct result more = RESULT;
    struct sk_err err = SK_ERR_INIT;
    char rids[COUNT(r)][32];
    (void)make_device(f, "d1");
    struct client *c = client_in(f, "d1", "", true, NULL);
    assert_int_equal(client_subscribe(c, 0, POST), 0);
    for (size_t i = 0; i < COUNT(r); i++) {
        r[i] = (struct result)RESULT;
        call(f, "x", "", 0, &r[i]);
    }
    const struct sk_method_call one_more = {
        .device = "d1", .name = "x", .response_ms = RESPONSE_MS, .done = on_done, .ctx = &more
    };
    assert_int_equal(sk_gateway_invoke(f->g, &one_more, &err), -1);
    assert_int_equal(err.code, SK_BUSY);
    for (size_t i = 0; i < COUNT(r); i++)
        (void)snprintf(rids[i], sizeof rids[i], "%s", want_call(c, "x", ""));
    for (size_t i = COUNT(r); i > 0; i--)
        answer(c, "200", rids[i - 1], "1");
    for (size_t i = 0; i < COUNT(r); i++) {
        await(&r[i]);
        assert_int_equal(r[i].code, SK_OK);
    }
    assert_int_equal(ends_of(&more), 0);
    client_free(c);
}

static void bad_calls(void **state)
{
    static const struct {
        const char *name, *device, *method;
        size_t payload;
        unsigned response_ms, connect_ms;
        enum sk_code code;
        const char *says;
    } rows[] = {
        { "no name", "d1", "", 0, 5000, 0, SK_INVALID, "methodName" },
        { "a short time", "d1", "x", 0, 4999, 0, SK_INVALID, "responseTimeout" },
        { "a long time", "d1", "x", 0, 300001, 0, SK_INVALID, "responseTimeout" },
        { "long to connect", "d1", "x", 0, 5000, 300001, SK_INVALID, "connectTimeout" },
        { "a large payload", "d1", "x", SK_IOT_METHOD_PAYLOAD_MAX + 1, 5000, 0, SK_TOO_LARGE,
          "MessageTooLarge" },
        { "nobody", "d2", "x", 0, 5000, 0, SK_NOT_FOUND, "" },
    };
    struct fixture *f = *state;
    char name[SK_IOT_METHOD_NAME_MAX + 2];
    struct result r = RESULT;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *payload = calloc(1, SK_IOT_METHOD_PAYLOAD_MAX + 1);
    assert_non_null(payload);
    (void)make_device(f, "d1");
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct sk_method_call m = {
            .device = rows[i].device,
            .module = "",
            .name = rows[i].method,
            .payload = { payload, rows[i].payload },
            .response_ms = rows[i].response_ms,
            .connect_ms = rows[i].connect_ms,
            .done = on_done,
            .ctx = &r,
        };
        if (sk_gateway_invoke(f->g, &m, &err) != -1 || err.code != rows[i].code ||
            !strstr(err.text, rows[i].says))
            fail_msg("%s: %s", rows[i].name, err.text);
    }
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    const struct sk_method_call m = { .device = "d1",
                                      .module = "",
                                      .name = name,
                                      .response_ms = 300000,
                                      .connect_ms = 300000,
                                      .done = on_done,
                                      .ctx = &r };
    assert_int_equal(sk_gateway_invoke(f->g, &m, &err), -1);
    name[SK_IOT_METHOD_NAME_MAX] = '\0';
    DONE(sk_gateway_invoke(f->g, &m, &err));
    assert_int_equal(ends_of(&r), 0);
    sk_gateway_stop(f->g, 0);
    await(&r);
}

static void a_stop_cancels(void **state)
{
    struct fixture *f = *state;
    struct result sent = RESULT, waiting = RESULT;
    struct sk_err err = SK_ERR_INIT;
    (void)make_device(f, "d1");
    (void)make_device(f, "d2");
    const struct sk_method_call absent = { .device = "d2",
                                           .module = "",
                                           .name = "x",
                                           .response_ms = RESPONSE_MS,
                                           .connect_ms = LONG_MS,
                                           .done = on_done,
                                           .ctx = &waiting };
    DONE(sk_gateway_invoke(f->g, &absent, &err));
    struct client *c = client_in(f, "d1", "", true, NULL);
    struct client *b;
    assert_int_equal(client_subscribe(c, 0, POST), 0);
    call(f, "y", "", 0, &sent);
    (void)want_call(c, "y", "");
    b = c;
    sk_gateway_stop(f->g, 1000);
    await(&sent);
    await(&waiting);
    assert_int_equal(sent.code, SK_NOT_FOUND); /* its connection has ended */
    assert_int_equal(waiting.code, SK_CANCELLED);
    const struct sk_method_call late = {
        .device = "d1", .name = "x", .response_ms = RESPONSE_MS, .done = on_done, .ctx = &sent
    };
    assert_int_equal(sk_gateway_invoke(f->g, &late, &err), -1);
    assert_int_equal(err.code, SK_BUSY);
    client_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(answered),
        ROW(not_online),
        ROW(timeout),
        ROW(waits_for_it),
        ROW(more_than_it_takes),
        ROW(answers_of_others),
        ROW(ends_with_its_connection),
        ROW(newer_connection),
        ROW(many_at_once),
        ROW(bad_calls),
        ROW(a_stop_cancels),
    };
    return cmocka_run_group_tests_name("gateway/methods", tests, NULL, NULL);
}
