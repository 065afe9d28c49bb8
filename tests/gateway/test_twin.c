/* test_twin.c - twins on the wire. */
#include "fixture.h"

#define GET     "$iothub/twin/GET/?$rid="
#define REPORT  "$iothub/twin/PATCH/properties/reported/?$rid="
#define ANSWERS "$iothub/twin/res/#"
#define ANSWER  "$iothub/twin/res/"
#define DESIRED "$iothub/twin/PATCH/properties/desired/#"
#define CHANGED "$iothub/twin/PATCH/properties/desired/?$version="
#define RID_128 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" RID_64
#define RID_64  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void requests(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf big = SK_BUF_INIT(1 << 20);
    sk_buf_str(&big, "{\"x\":{");
    for (int i = 0; i < 12; i++) {
        sk_buf_fmt(&big, "%s\"k%d\":\"", i ? "," : "", i);
        for (int k = 0; k < 4000; k++)
            sk_buf_chr(&big, 'v');
        sk_buf_chr(&big, '"');
    }
    sk_buf_str(&big, "}}");

    const struct {
        const char *name, *topic, *payload, *answer, *says;
    } rows[] = {
        { "empty twin", GET "1", "", ANSWER "200/?$rid=1",
          "{\"desired\":{\"$version\":1},\"reported\":{\"$version\":1}}" },
        { "a report", REPORT "2", "{\"a\":{\"b\":1}}", ANSWER "204/?$rid=2&$version=2", "" },
        { "seen in the twin", GET "3", "", ANSWER "200/?$rid=3",
          "\"reported\":{\"a\":{\"b\":1},\"$version\":2}" },
        { "no JSON", REPORT "4", "{", ANSWER "400/?$rid=4", "\"errorCode\":400000" },
        { "no object", REPORT "5", "[1]", ANSWER "400/?$rid=5", "" },
        { "nothing", REPORT "6", "", ANSWER "400/?$rid=6", "" },
        { "a bad name", REPORT "7", "{\"a.b\":1}", ANSWER "400/?$rid=7", "a.b" },
        { "too large", REPORT "8", big.data, ANSWER "403/?$rid=8", "403100" },
        { "removed", REPORT "9", "{\"a\":null}", ANSWER "204/?$rid=9&$version=3", "" },
        { "no id", GET, "", ANSWER "200/?$rid=", "desired" },
        { "the longest id", GET RID_128, "", ANSWER "200/?$rid=" RID_128, "desired" },
    };
    struct fixture *f = *state;
    struct packet p;
    (void)make_device(f, "d1");
    struct client *c = client_in(f, "d1", "", true, NULL);
    assert_int_equal(client_subscribe(c, 0, ANSWERS), 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        client_say(c, 0, 0, rows[i].topic, rows[i].payload);
        client_want(c, PUBLISH, &p);
        if (strcmp(p.topic, rows[i].answer) != 0 || !strstr(p.payload, rows[i].says))
            fail_msg("%s: %s %s", rows[i].name, p.topic, p.payload);
    }
    struct sk_gateway_counts counts;
    sk_gateway_counts(f->g, &counts);
    assert_int_equal(counts.twin_gets, 4);
    assert_int_equal(counts.twin_reports, 7);
    client_free(c);
}

/* Python's SDK asks so after a reconnect, to learn which changes it has missed. */
static void got_with_desired_alone(void **state)
{
    struct fixture *f = *state;
    struct packet p;
    (void)make_device(f, "d1");
    struct client *c = client_in(f, "d1", "", true, NULL);
    assert_int_equal(client_subscribe(c, 0, DESIRED), 0);
    client_say(c, 0, 0, GET "1", "");
    client_want(c, PUBLISH, &p);
    assert_string_equal(p.topic, ANSWER "200/?$rid=1");
    client_free(c);
}

static void long_ids(void **state)
{
    static const char *const topics[] = { GET RID_128 "x", REPORT RID_128 "x" };
    struct fixture *f = *state;
    (void)make_device(f, "d1");
    for (size_t i = 0; i < COUNT(topics); i++) {
        struct packet p;
        struct client *c = client_in(f, "d1", "", true, NULL);
        assert_int_equal(client_subscribe(c, 0, ANSWERS), 0);
        client_say(c, 0, 0, topics[i], "{}");
        client_want(c, 0, &p);
        client_free(c);
    }
}

/* Acknowledged when it is committed; answered only who has subscribed to answers. */
static void acknowledged(void **state)
{
    struct fixture *f = *state;
    struct packet p;
    (void)make_device(f, "d1");
    struct client *c = client_in(f, "d1", "", true, NULL);
    client_say(c, 1, 11, REPORT "1", "{\"a\":1}");
    client_say(c, 1, 12, REPORT "2", "{");
    client_say(c, 1, 13, GET "3", "");
    for (uint16_t id = 11; id <= 13; id++) {
        client_want(c, PUBACK, &p);
        assert_int_equal(p.id, id);
    }
    client_quiet(c);
    client_free(c);
}

/* Who does not wait for answers is told to; what is answered 204 is there, and nothing else. */
static void too_many(void **state)
{
    struct fixture *f = *state;
    struct packet p;
    unsigned done = 0, refused = 0;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    (void)make_device(f, "d1");
    struct client *c = client_in(f, "d1", "", true, NULL);
    assert_int_equal(client_subscribe(c, 0, ANSWERS), 0);
    /* Another writer has the database, so that none can end. */
    DONE(sk_db_begin(sk_store_db(f->store), SK_DB_WRITE, &tx, &err));
    for (int i = 0; i < 3 * SK_GATEWAY_REPORTS_MAX; i++)
        client_say(c, 0, 0, REPORT "1", "{\"a\":1}");
    for (; refused < 2 * SK_GATEWAY_REPORTS_MAX; refused++) {
        client_want(c, PUBLISH, &p);
        assert_string_equal(p.topic, ANSWER "429/?$rid=1");
        assert_non_null(strstr(p.payload, "ThrottlingException"));
    }
    sk_tx_end(SK_TAKE(tx));
    for (; done < SK_GATEWAY_REPORTS_MAX; done++) {
        client_want(c, PUBLISH, &p);
        assert_memory_equal(p.topic, ANSWER "204/", strlen(ANSWER "204/"));
    }
    client_say(c, 0, 0, REPORT "2", "{\"a\":2}"); /* and there is room again */
    client_want(c, PUBLISH, &p);
    assert_string_equal(p.topic, ANSWER "204/?$rid=2&$version=18");
    client_free(c);
}

/* Every version once, in order, also to a module, and not to another's. */
static void desired(void **state)
{
    struct fixture *f = *state;
    struct packet p;
    (void)make_device(f, "d1");
    (void)make_module(f, "d1", "m1");
    struct client *d = client_in(f, "d1", "", true, NULL);
    struct client *m = client_in(f, "d1", "m1", true, NULL);
    assert_int_equal(client_subscribe(d, 0, DESIRED), 0);
    assert_int_equal(client_subscribe(m, 0, DESIRED), 0);
    for (int i = 1; i <= 30; i++) {
        char change[100];
        (void)snprintf(change, sizeof change, "{\"properties\":{\"desired\":{\"n\":%d}}}", i);
        change_twin(f, "d1", i % 3 ? "" : "m1", change);
    }
    for (int i = 1, of_d = 1, of_m = 1; i <= 30; i++) {
        char topic[100], body[100];
        int version = i % 3 ? ++of_d : ++of_m;
        (void)snprintf(topic, sizeof topic, CHANGED "%d", version);
        (void)snprintf(body, sizeof body, "{\"n\":%d,\"$version\":%d}", i, version);
        client_want_publish(i % 3 ? d : m, topic, body);
    }
    client_quiet(d);
    client_quiet(m);
    change_twin(f, "d1", "", "{\"tags\":{\"a\":1}}");
    client_say(d, 1, 1, REPORT "1", "{\"a\":1}");
    client_want(d, PUBACK, &p);
    client_quiet(d);
    client_free(d);
    client_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(requests), ROW(got_with_desired_alone), ROW(long_ids), ROW(acknowledged), ROW(too_many),
        ROW(desired),
    };
    return cmocka_run_group_tests_name("gateway/twin", tests, NULL, NULL);
}
