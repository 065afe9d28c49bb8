/* test_feed.c - answers that come over time: streams, exports, waiting for a message. */
#include "flow.h"

#include "base/clock.h"

#include <poll.h>

static void quiet(struct flow *w)
{
    struct pollfd p = { .fd = w->c.fd, .events = POLLIN };
    assert_int_equal(poll(&p, 1, 200), 0);
}

static void streams(void **state)
{
    struct hub_fixture *f = *state;
    struct flow w;
    hub_message(f, "d", "", NULL, SK_VIEW("before"));
    flow_open(f, &w, "/api/v1/telemetry/stream", "");
    flow_until(&w, ":\n\n"); /* at once, so that the client knows that it stands */
    assert_non_null(strstr(w.raw.data, "Content-Type: text/event-stream"));
    assert_non_null(strstr(w.raw.data, "no-store"));
    quiet(&w);
    hub_message(f, "d", "", "%24.ct=application%2Fjson", SK_VIEW("{\"a\":\n2}"));
    flow_until(&w, "\"body\":{\"a\": 2}}\n\n");
    assert_memory_equal(w.text.data, ":\n\nid: 2\ndata: {\"sequence\":2,", 29);
    hub_message(f, "d2", "", NULL, SK_VIEW("a\nb\n\nid: 99\n\n"));
    flow_until(&w, "\"bodyText\":\"a\\nb\\n\\nid: 99\\n\\n\"}\n\n");
    assert_non_null(strstr(w.text.data, "\n\nid: 3\ndata: {"));
    flow_close(&w);
}

static void begin_where(void **state)
{
    static const struct {
        const char *query, *header, *first;
    } rows[] = {
        { "", "Last-Event-ID: 2\r\n", "id: 3\n" },
        { "?after=1", "", "id: 2\n" },
        { "?after=1", "Last-Event-ID: 3\r\n", "id: 4\n" }, /* what the client has seen */
        { "?after=0", "", "id: 1\n" },
        { "?from=2020-01-01T00:00:00Z", "", "id: 1\n" },
        { "?device=d2&after=0", "", "id: 3\n" },
        { "?output=o&after=0", "", "id: 4\n" },
    };
    struct hub_fixture *f = *state;
    hub_message(f, "d", "", NULL, SK_VIEW("1"));
    hub_message(f, "d", "", NULL, SK_VIEW("2"));
    hub_message(f, "d2", "", NULL, SK_VIEW("3"));
    hub_message(f, "d", "m", "%24.on=o", SK_VIEW("4"));
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct flow w;
        char path[100];
        (void)snprintf(path, sizeof path, "/api/v1/telemetry/stream%s", rows[i].query);
        flow_open(f, &w, path, rows[i].header);
        flow_until(&w, "\n\n");
        if (strncmp(w.text.data, rows[i].first, strlen(rows[i].first)) != 0)
            fail_msg("%s %s: %.100s", rows[i].query, rows[i].header, w.text.data);
        flow_close(&w);
    }
    struct answer a;
    char request[400];
    (void)snprintf(request, sizeof request,
                   "GET /api/v1/telemetry/stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                   "Authorization: Bearer %s\r\nLast-Event-ID: x\r\n\r\n",
                   f->made.owner_token);
    client_ask(f->port, request, &a);
    hub_expect(&a, 400, "Last-Event-ID");
}

/* Much more than http takes at once; and behind it things go on. */
static void large_messages(void **state)
{
    struct hub_fixture *f = *state;
    struct flow w;
    SK_OWN(free) char *body = malloc(SK_IOT_MESSAGE_MAX);
    assert_non_null(body);
    memset(body, 1, SK_IOT_MESSAGE_MAX);
    flow_open(f, &w, "/api/v1/telemetry/stream?after=0", "");
    hub_message(f, "d", "", NULL, (struct sk_view){ body, SK_IOT_MESSAGE_MAX });
    hub_message(f, "d", "", NULL, SK_VIEW("small"));
    flow_until(&w, "\"bodyText\":\"small\"}\n\n");
    assert_true(w.text.len > 6u * SK_IOT_MESSAGE_MAX);
    flow_close(&w);
    static const char *const paths[] = { "/api/v1/telemetry/export",
                                         "/api/v1/telemetry/export?format=csv",
                                         "/api/v1/telemetry/groups/g" };
    for (size_t i = 0; i < COUNT(paths); i++) {
        flow_open(f, &w, paths[i], "");
        flow_until(&w, NULL);
        assert_true(w.text.len > SK_IOT_MESSAGE_MAX);
        assert_non_null(strstr(w.text.data, "small"));
        flow_close(&w);
    }
}

static void exports(void **state)
{
    static const struct {
        const char *query, *type;
        unsigned lines;
        const char *begin, *says;
    } rows[] = {
        { "", "application/x-ndjson", 3000, "{\"sequence\":1,", "\n{\"sequence\":3000," },
        { "?format=ndjson&device=d2", "application/x-ndjson", 1, "{\"sequence\":1500,", "" },
        { "?format=csv", "text/csv", 3001,
          "sequence,enqueuedTime,deviceId,moduleId,output,contentType,properties,body\r\n",
          ",d2,,,,{},here\r\n" },
        { "?format=csv&device=none", "text/csv", 1, "sequence,", "" },
        { "?output=none", "application/x-ndjson", 0, "", "" },
        { "?output=none&format=csv", "text/csv", 1, "sequence,", "" },
        { "?source=Telemetry&after=2990", "application/x-ndjson", 10, "{\"sequence\":2991,", "" },
        { "?order=desc", "application/x-ndjson", 3000, "{\"sequence\":3000,",
          "\n{\"sequence\":1," },
        { "?order=desc&device=d2", "application/x-ndjson", 1, "{\"sequence\":1500,", "" },
    };
    struct hub_fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    for (int i = 1; i <= 3000; i++) {
        const struct sk_message m = { .device = i == 1500 ? "d2" : "d",
                                      .module = "",
                                      .source = "Telemetry",
                                      .generation = "",
                                      .auth_method = "",
                                      .body = SK_VIEW("here") };
        if (i == 3000)
            hub_message(f, "d", "", NULL, SK_VIEW("here"));
        else
            assert_int_equal(sk_telemetry_add(f->hub->iot->telemetry, &m, NULL, NULL, &err), 0);
    }
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct flow w;
        char path[100];
        unsigned lines = 0;
        (void)snprintf(path, sizeof path, "/api/v1/telemetry/export%s", rows[i].query);
        flow_open(f, &w, path, "");
        flow_until(&w, NULL);
        const char *text = w.text.data ? w.text.data : "";
        for (size_t k = 0; k < w.text.len; k++)
            lines += text[k] == '\n';
        if (lines != rows[i].lines || !strstr(w.raw.data, rows[i].type) ||
            strncmp(text, rows[i].begin, strlen(rows[i].begin)) != 0 || !strstr(text, rows[i].says))
            fail_msg("%s: %u lines, %.300s", rows[i].query, lines, w.raw.data);
        flow_close(&w);
    }
}

static void waits(void **state)
{
    struct hub_fixture *f = *state;
    struct flow w;
    const uint64_t begin = sk_now_ms();
    flow_open(f, &w, "/api/v1/telemetry/groups/g?wait=1", "");
    flow_until(&w, NULL);
    assert_string_equal(w.text.data, "{\"messages\":[],\"next\":1}");
    assert_true(sk_now_ms() - begin >= 900);
    flow_close(&w);
    hub_await_readers(f, 0);
    flow_open(f, &w, "/api/v1/telemetry/groups/g?wait=60", ""); /* longer than we wait for it */
    hub_await_readers(f, 1);
    hub_message(f, "d", "", NULL, SK_VIEW("now"));
    flow_until(&w, NULL);
    assert_memory_equal(w.text.data, "{\"messages\":[{\"sequence\":1,", 27);
    assert_non_null(strstr(w.text.data, "}],\"next\":2}"));
    flow_close(&w);
}

/* A hub that stops lets go of who waits: streams end in order, a wait is answered, neither is
 * waited for. */
static void a_stop(void **state)
{
    struct hub_fixture *f = *state;
    struct flow w, wait;
    flow_open(f, &w, "/api/v1/telemetry/stream", "");
    flow_until(&w, ":\n\n");
    flow_open(f, &wait, "/api/v1/telemetry/groups/g?wait=60", "");
    hub_await_readers(f, 2);
    hub_stop(f); /* sees that nothing is cut, in less than the minute of the wait */
    flow_until(&w, NULL);
    flow_until(&wait, NULL);
    assert_string_equal(wait.text.data, "{\"messages\":[],\"next\":1}");
    flow_close(&wait);
    flow_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(streams, hub_running, hub_gone),
        cmocka_unit_test_setup_teardown(begin_where, hub_running, hub_gone),
        cmocka_unit_test_setup_teardown(large_messages, hub_running, hub_gone),
        cmocka_unit_test_setup_teardown(exports, hub_running, hub_gone),
        cmocka_unit_test_setup_teardown(waits, hub_running, hub_gone),
        cmocka_unit_test_setup_teardown(a_stop, hub_running, hub_gone),
    };
    return cmocka_run_group_tests_name("hub/feed", tests, NULL, NULL);
}
