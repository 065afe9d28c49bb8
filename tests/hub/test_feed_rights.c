/* test_feed_rights.c - live streams end with the right to read them. */
#include "hub_util.h"

#include "base/clock.h"

#include <poll.h>
#include <sys/socket.h>

/* Reads what comes; true: the end has come, within ms. */
static bool ends(struct client *c, uint64_t ms)
{
    const uint64_t end_ms = sk_now_ms() + ms;
    for (;;) {
        char bytes[4096];
        const uint64_t now = sk_now_ms();
        struct pollfd p = { .fd = c->fd, .events = POLLIN };
        if (now >= end_ms || poll(&p, 1, (int)(end_ms - now)) <= 0)
            return false;
        if (recv(c->fd, bytes, sizeof bytes, 0) <= 0)
            return true;
    }
}

static void open_stream(struct hub_fixture *f, const char *path, const char *authorization,
                        struct client *c)
{
    char request[1024], bytes[256];
    (void)snprintf(request, sizeof request,
                   "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n", path,
                   authorization);
    client_open(c, f->port);
    client_send(c, request);
    assert_true(recv(c->fd, bytes, sizeof bytes, 0) > 15);
    assert_memory_equal(bytes, "HTTP/1.1 200", 12);
}

/* A revoked token reads nothing more, a good one reads on. */
static void ends_with_its_token(void **state)
{
    static const char *const paths[] = { "/api/v1/telemetry/stream", "/api/v1/events/stream" };
    struct hub_fixture *f = *state;
    for (size_t i = 0; i < COUNT(paths); i++) {
        struct client bad, good;
        char secret[SK_TOKEN_TEXT], header[160], path[64];
        hub_token(f, SK_ROLE_READER, secret);
        (void)snprintf(header, sizeof header, "Authorization: Bearer %s\r\n", secret);
        open_stream(f, paths[i], header, &bad);
        (void)snprintf(header, sizeof header, "Authorization: Bearer %s\r\n", f->made.owner_token);
        open_stream(f, paths[i], header, &good);
        assert_false(ends(&bad, 1500));
        (void)snprintf(path, sizeof path, "/api/v1/tokens/%.16s", secret + 4);
        hub_do(f, "DELETE", path, NULL, 200, "");
        assert_true(ends(&bad, HUB_PATIENCE_MS));
        assert_false(ends(&good, 1000));
        client_close(&bad);
        client_close(&good);
    }
}

/* [hub-api-10] */
static void ends_with_its_policy(void **state)
{
    struct hub_fixture *f = *state;
    struct client c;
    char sas[512];
    hub_sas_policy(f, "service", sas);
    open_stream(f, "/api/v1/telemetry/stream", sas, &c);
    assert_false(ends(&c, 1500));
    hub_do(f, "POST", "/api/v1/policies/service", "{\"renew\":\"secondary\"}", 200, "");
    assert_false(ends(&c, 1500));
    hub_do(f, "POST", "/api/v1/policies/service", "{\"renew\":\"primary\"}", 200, "");
    assert_true(ends(&c, HUB_PATIENCE_MS));
    client_close(&c);
}

/* One that waits for the next message, too; what is cut must not look whole. */
static void a_wait_is_cut(void **state)
{
    struct hub_fixture *f = *state;
    struct client c;
    struct answer a;
    char sas[512], request[1024];
    hub_sas_policy(f, "service", sas);
    (void)snprintf(request, sizeof request,
                   "GET /api/v1/telemetry/groups/g?wait=60 HTTP/1.1\r\nHost: x\r\n%s\r\n", sas);
    client_open(&c, f->port);
    client_send(&c, request);
    hub_await_readers(f, 1);
    assert_false(ends(&c, 500));
    hub_do(f, "POST", "/api/v1/policies/service", "{\"renew\":\"primary\"}", 200, "");
    assert_true(ends(&c, HUB_PATIENCE_MS));
    client_close(&c);
    hub_ask(f, "GET", "/api/v1/health", NULL, NULL, &a);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, hub_running, hub_gone)

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(ends_with_its_token), ROW(ends_with_its_policy),
                                        ROW(a_wait_is_cut) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
