/* test_api_telemetry.c - pages of messages and of events. */
#include "hub_util.h"

#include <sys/socket.h>
#include <unistd.h>

#define TELEMETRY "/api/v1/telemetry"

static void fill(struct hub_fixture *f)
{
    hub_message(f, "d", "", NULL, SK_VIEW("one"));
    hub_message(f, "d", "m", "%24.on=out", SK_VIEW("two"));
    hub_message(f, "d2", "", "%24.ct=application%2Fjson", SK_VIEW("{\"n\":\n3}"));
    hub_message(f, "d", "", "a=b", SK_VIEW("four"));
}

/* "1 2 ": the numbers on a page. */
static const char *numbers_of(const char *body)
{
    static char text[256];
    size_t len = 0;
    text[0] = '\0';
    for (const char *p = body; (p = strstr(p, "{\"sequence\":")) != NULL && len < 200; p += 12)
        len += (size_t)snprintf(text + len, sizeof text - len, "%ld ", strtol(p + 12, NULL, 10));
    return text;
}

static void pages(void **state)
{
    static const struct {
        const char *query, *numbers, *says;
    } rows[] = {
        { "", "1 2 3 4 ", "\"next\":4}" },
        { "?max=2", "1 2 ", "\"next\":2}" },
        { "?max=2&after=2", "3 4 ", "\"next\":4}" },
        { "?after=4", "", "{\"messages\":[]}" },
        { "?order=asc&max=1", "1 ", "\"bodyText\":\"one\"" },
        { "?order=desc", "4 3 2 1 ", "\"next\":1}" },
        { "?order=desc&max=2", "4 3 ", "\"next\":3}" },
        { "?order=desc&max=2&after=3", "2 1 ", "\"next\":1}" },
        { "?order=desc&after=1", "", "{\"messages\":[]}" },
        { "?device=d", "1 2 4 ", "" },
        { "?device=d&module=", "1 4 ", "" },
        { "?device=d&module=m", "2 ", "\"output\":\"out\"" },
        { "?device=d2", "3 ", "\"body\":{\"n\": 3}" },
        { "?output=out", "2 ", "" },
        { "?source=Telemetry&max=1", "1 ", "" },
        { "?source=none", "", "" },
        { "?from=2020-01-01T00:00:00Z", "1 2 3 4 ", "" },
        { "?from=2020-01-01T00:00:00.5Z&until=1577836801000", "", "" },
        { "?until=2020-01-01T00:00:00Z", "", "" },
    };
    struct hub_fixture *f = *state;
    fill(f);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct answer a;
        char path[200];
        (void)snprintf(path, sizeof path, TELEMETRY "%s", rows[i].query);
        hub_ask(f, "GET", path, f->made.owner_token, NULL, &a);
        hub_expect(&a, 200, rows[i].says);
        if (strcmp(numbers_of(a.body), rows[i].numbers) != 0)
            fail_msg("%s: %s", rows[i].query, a.body);
    }
}

static void errors(void **state)
{
    static const struct {
        const char *method, *path;
        int status;
        const char *says;
    } rows[] = {
        { "GET", "?max=0", 400, "max" },
        { "GET", "?max=1001", 400, "max" },
        { "GET", "?max=x", 400, "max" },
        { "GET", "?after=-1", 400, "after" },
        { "GET", "?after=18446744073709551616", 400, "after" },
        { "GET", "?order=up", 400, "asc or desc" },
        { "GET", "?from=yesterday", 400, "from" },
        { "GET", "?until=2026-13-01T00:00:00Z", 400, "until" },
        { "GET", "?module=m", 400, "device" },
        { "GET", "?device=", 400, "no device's id" },
        { "GET", "?device=a%2Fb", 400, "no device's id" },
        { "GET", "?device=d&module=a%2Fb", 400, "no module's id" },
        { "GET", "/x", 404, "stream, export and groups" },
        { "POST", "/export", 404, "consumer groups" },
        { "GET", "/export?format=xml", 400, "ndjson or csv" },
        { "GET", "/stream?order=desc", 400, "forwards" },
    };
    struct hub_fixture *f = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char path[200];
        (void)snprintf(path, sizeof path, TELEMETRY "%s", rows[i].path);
        hub_do(f, rows[i].method, path, NULL, rows[i].status, rows[i].says);
    }
    struct answer a;
    static const char *const paths[] = { TELEMETRY, TELEMETRY "/stream", TELEMETRY "/export",
                                         TELEMETRY "/groups/g", "/api/v1/events" };
    for (size_t i = 0; i < COUNT(paths); i++) {
        hub_ask(f, "GET", paths[i], NULL, NULL, &a);
        hub_expect(&a, 401, "");
    }
    char reader[SK_TOKEN_TEXT];
    hub_token(f, SK_ROLE_READER, reader);
    hub_ask(f, "GET", TELEMETRY, reader, NULL, &a);
    hub_expect(&a, 200, "messages");
}

/* A page has an end in bytes too: the rest is on the next ones. */
static void large_messages(void **state)
{
    struct hub_fixture *f = *state;
    SK_OWN(free) char *body = malloc(SK_IOT_MESSAGE_MAX);
    unsigned pages = 0;
    long after = 0;
    assert_non_null(body);
    memset(body, 1, SK_IOT_MESSAGE_MAX); /* six bytes each, as JSON */
    for (int i = 0; i < 12; i++)
        hub_message(f, "d", "", NULL, (struct sk_view){ body, SK_IOT_MESSAGE_MAX });
    for (; pages < 20 && after < 12; pages++) {
        SK_AUTO(sk_buf_done) struct sk_buf all = SK_BUF_INIT(64 << 20);
        char request[400], chunk[16384];
        struct client c;
        ssize_t got;
        (void)snprintf(request, sizeof request,
                       "GET " TELEMETRY "?after=%ld HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                       "Authorization: Bearer %s\r\n\r\n",
                       after, f->made.owner_token);
        client_open(&c, f->port);
        client_send(&c, request);
        while ((got = recv(c.fd, chunk, sizeof chunk, 0)) > 0)
            sk_buf_add(&all, chunk, (size_t)got);
        client_close(&c);
        const char *next = all.data && all.len > 40 ? strstr(all.data + all.len - 40, "\"next\":")
                                                    : NULL;
        if (!next)
            fail_msg("a page of %zu bytes: %.300s", all.len, all.data ? all.data : "");
        long last = strtol(next + 7, NULL, 10);
        assert_true(last > after);
        after = last;
    }
    assert_int_equal(after, 12);
    assert_true(pages > 1);
}

/* A page ends after many messages that do not fit, and says where to go on. */
static void rare_messages(void **state)
{
    static const struct {
        const char *query, *says;
    } rows[] = {
        { "?output=o", "{\"messages\":[],\"next\":50000}" },
        { "?output=o&after=50000", "\"sequence\":50011," },
        { "?output=o&after=50011", "{\"messages\":[]}" },
        { "?output=o&order=desc&after=50011", "{\"messages\":[],\"next\":11}" },
        { "?output=o&order=desc&after=11", "{\"messages\":[]}" },
        { "?output=o&device=d2", "\"sequence\":50011," },
    };
    struct hub_fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    const struct sk_message m = { .device = "d",
                                  .module = "",
                                  .source = "Telemetry",
                                  .generation = "",
                                  .auth_method = "",
                                  .body = SK_VIEW("x") };
    for (int i = 0; i < 50010; i++)
        while (sk_telemetry_add(f->hub->iot->telemetry, &m, NULL, NULL, &err) < 0)
            assert_int_equal(err.code, SK_BUSY);
    hub_message(f, "d2", "", "%24.on=o", SK_VIEW("x"));
    for (size_t i = 0; i < COUNT(rows); i++) {
        char path[200];
        (void)snprintf(path, sizeof path, TELEMETRY "%s", rows[i].query);
        hub_do(f, "GET", path, NULL, 200, rows[i].says);
    }
}

static void events(void **state)
{
    struct hub_fixture *f = *state;
    hub_identity(f, "d", "");
    hub_do(f, "GET", TELEMETRY, NULL, 200, "{\"messages\":[]}");
    hub_message(f, "d2", "", NULL, SK_VIEW("x"));
    hub_do(f, "GET", "/api/v1/events?device=d2", NULL, 200, "{\"messages\":[]}");
    for (int patience = 0;; patience++) { /* kept behind what they tell of */
        struct answer a;
        hub_ask(f, "GET", "/api/v1/events?device=d", f->made.owner_token, NULL, &a);
        hub_expect(&a, 200, "messages");
        if (strstr(a.body, "\"source\":\"deviceLifecycleEvents\""))
            break;
        assert_true(patience < 2000);
        (void)usleep(10000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pages, hub_running, hub_gone),
        cmocka_unit_test_setup_teardown(errors, hub_running, hub_gone),
        cmocka_unit_test_setup_teardown(large_messages, hub_running, hub_gone),
        cmocka_unit_test_setup_teardown(rare_messages, hub_running, hub_gone),
        cmocka_unit_test_setup_teardown(events, hub_running, hub_gone),
    };
    return cmocka_run_group_tests_name("hub/api_telemetry", tests, NULL, NULL);
}
