/* test_live.c - those who wait for messages: how many, and that all are woken. */
#include "hub_util.h"

#include <poll.h>
#include <sys/socket.h>

static void open_stream(struct hub_fixture *f, struct client *c)
{
    char request[400];
    (void)snprintf(request, sizeof request,
                   "GET /api/v1/telemetry/stream HTTP/1.1\r\nHost: x\r\n"
                   "Authorization: Bearer %s\r\n\r\n",
                   f->made.owner_token);
    client_open(c, f->port);
    client_send(c, request);
}

/* Reads until the words have come; false: the end came, or nothing. */
static bool comes(struct client *c, const char *words)
{
    char text[8192] = "";
    size_t len = 0;
    while (!strstr(text, words) && len < sizeof text - 1) {
        struct pollfd p = { .fd = c->fd, .events = POLLIN };
        if (poll(&p, 1, HUB_PATIENCE_MS) <= 0)
            return false;
        ssize_t got = recv(c->fd, text + len, sizeof text - 1 - len, 0);
        if (got <= 0)
            return false;
        len += (size_t)got;
        text[len] = '\0';
    }
    return strstr(text, words) != NULL;
}

static void as_many_as_may(void **state)
{
    struct hub_fixture *f = *state;
    static struct client c[SK_LIVE_READERS_MAX];
    struct answer a;
    for (size_t i = 0; i < COUNT(c); i++) {
        open_stream(f, &c[i]);
        assert_true(comes(&c[i], ":\n\n"));
    }
    hub_await_readers(f, SK_LIVE_READERS_MAX);
    hub_ask(f, "GET", "/api/v1/telemetry/stream", f->made.owner_token, NULL, &a);
    hub_expect(&a, 503, "wait for messages already");
    hub_do(f, "GET", "/api/v1/telemetry", NULL, 200, "messages"); /* the rest goes on */
    hub_message(f, "d", "", NULL, SK_VIEW("x"));
    for (size_t i = 0; i < COUNT(c); i++)
        assert_true(comes(&c[i], "id: 1\n"));
    for (size_t i = 0; i < COUNT(c); i += 2)
        client_close(&c[i]);
    /* Who has left is noticed when something is sent: by the heartbeat, or by this message. */
    hub_message(f, "d", "", NULL, SK_VIEW("y"));
    hub_await_readers(f, SK_LIVE_READERS_MAX / 2);
    for (size_t i = 1; i < COUNT(c); i += 2) {
        assert_true(comes(&c[i], "id: 2\n"));
        client_close(&c[i]);
    }
    hub_message(f, "d", "", NULL, SK_VIEW("z"));
    hub_await_readers(f, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(as_many_as_may, hub_running, hub_gone),
    };
    return cmocka_run_group_tests_name("hub/live", tests, NULL, NULL);
}
