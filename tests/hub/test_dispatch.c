/* test_dispatch.c - who is let in where, and what happens when more come than can be answered. */
#include "hub_util.h"

#include <stdatomic.h>
#include <unistd.h>

extern const struct sk_hub_route sk_hub_routes_core[];

/* A token that was good once. */
static void dead_token(struct hub_fixture *f, char secret[SK_TOKEN_TEXT])
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_who who;
    sk_who_local(&who);
    assert_int_equal(sk_token_create(sk_hub_accounts(f->hub), &who, "old", SK_ROLE_OWNER, NULL, 1,
                                     secret, NULL, &err),
                     0);
    (void)usleep(3000);
}

/* Every row of every table: closed unless it is open, and its role is kept. */
static void every_route(void **state)
{
    static const struct sk_hub_route *const tables[] = { sk_hub_routes_core, sk_hub_routes_native,
                                                         sk_hub_routes_oci, sk_hub_routes_mlflow };

    static const enum sk_role roles[] = { SK_ROLE_READER, SK_ROLE_PUBLISHER, SK_ROLE_DEPLOYER };
    struct hub_fixture *f = *state;
    char tokens[3][SK_TOKEN_TEXT], dead[SK_TOKEN_TEXT];
    size_t open = 0, closed = 0;
    for (size_t i = 0; i < 3; i++)
        hub_token(f, roles[i], tokens[i]);
    dead_token(f, dead);
    for (size_t t = 0; t < COUNT(tables); t++) {
        for (const struct sk_hub_route *r = tables[t]; r->method; r++) {
            struct answer a;
            char path[256];
            (void)snprintf(path, sizeof path, "%s%s", r->path,
                           r->flags & SK_HUB_PREFIX ? "x/y" : "");
            hub_ask(f, r->method, path, NULL, NULL, &a);
            if (r->flags & SK_HUB_OPEN) {
                open++;
                if (a.status == 401 && strstr(a.body, "credentials are needed"))
                    fail_msg("%s %s is closed: %s", r->method, path, a.body);
                continue;
            }
            closed++;
            if (a.status != 401)
                fail_msg("%s %s without a token: %d", r->method, path, a.status);
            hub_ask(f, r->method, path, dead, NULL, &a);
            if (a.status != 401 && a.status != 429) /* this address fails often */
                fail_msg("%s %s with an expired token: %d", r->method, path, a.status);
            for (size_t i = 0; i < 3; i++) {
                hub_ask(f, r->method, path, tokens[i], NULL, &a);
                bool is_denied = a.status == 403 && strstr(a.body, "has the role");
                if (is_denied == sk_role_allows(roles[i], r->role))
                    fail_msg("%s %s as %s: %d %s", r->method, path, sk_role_name(roles[i]),
                             a.status, a.body);
            }
        }
    }
    assert_true(open > 0 && closed > 20);
}

static _Atomic bool is_open;
static _Atomic unsigned waiting;

static void wait_open(struct sk_hub_call *call)
{
    (void)call;
    atomic_fetch_add(&waiting, 1);
    while (!atomic_load(&is_open))
        (void)usleep(1000);
}

/* Workers busy, queue full: the next one is told at once, and the loop still answers health. */
static void more_than_can_wait(void **state)
{
    struct hub_fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    static struct sk_hub_call calls[SK_HUB_QUEUE + 2];
    struct answer a;
    for (size_t i = 0; i < 2; i++) {
        calls[i].job = wait_open;
        assert_int_equal(sk_hub_workers_push(f->hub->workers, &calls[i], &err), 0);
    }
    while (atomic_load(&waiting) < 2)
        (void)usleep(1000);
    for (size_t i = 2; i < COUNT(calls); i++) {
        calls[i].job = wait_open;
        assert_int_equal(sk_hub_workers_push(f->hub->workers, &calls[i], &err), 0);
    }
    hub_ask(f, "GET", "/api/v1/tokens", f->made.owner_token, NULL, &a);
    hub_expect(&a, 503, "requests waiting");
    assert_string_equal(answer_header(&a, "Retry-After"), "1");
    hub_ask(f, "GET", "/healthz", NULL, NULL, &a);
    assert_int_equal(a.status, 200);
    hub_ask(f, "GET", "/api/v1/whoami", f->made.owner_token, NULL, &a);
    assert_int_equal(a.status, 200);
    atomic_store(&is_open, true);
    for (int i = 0; i < 1000; i++) {
        hub_ask(f, "GET", "/api/v1/tokens", f->made.owner_token, NULL, &a);
        if (a.status == 200)
            return;
        (void)usleep(10000);
    }
    fail_msg("still %d", a.status);
}

/* A refusal does not wait for the body. */
static void refused_before_the_body(void **state)
{
    struct hub_fixture *f = *state;
    struct client c;
    struct answer a;
    client_open(&c, f->port);
    client_send(&c,
                "PUT /api/v1/uploads/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n");
    client_read(&c, false, &a);
    hub_expect(&a, 401, "credentials are needed");
    client_close(&c);
}

static void bodies_have_a_limit(void **state)
{
    struct hub_fixture *f = *state;
    struct client c;
    struct answer a;
    char head[512];
    client_open(&c, f->port);
    (void)snprintf(head, sizeof head,
                   "POST /api/v1/tokens HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
                   "Content-Length: %d\r\n\r\n",
                   f->made.owner_token, SK_HUB_JSON_BYTES + 1);
    client_send(&c, head);
    client_read(&c, false, &a);
    hub_expect(&a, 413, "at most");
    client_close(&c);
    /* at the limit it is read, and is only no JSON */
    SK_OWN(free) char *body = malloc(SK_HUB_JSON_BYTES);
    memset(body, ' ', SK_HUB_JSON_BYTES);
    client_open(&c, f->port);
    (void)snprintf(head, sizeof head,
                   "POST /api/v1/tokens HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
                   "Content-Length: %d\r\n\r\n",
                   f->made.owner_token, SK_HUB_JSON_BYTES);
    client_send(&c, head);
    assert_true(client_send_bytes(&c, body, SK_HUB_JSON_BYTES));
    client_read(&c, false, &a);
    hub_expect(&a, 400, "the body");
    client_close(&c);
}

/* Every path that nobody serves, and methods that are none. */
static void unknown(void **state)
{
    struct hub_fixture *f = *state;
    struct answer a;
    hub_ask(f, "GET", "/nowhere", f->made.owner_token, NULL, &a);
    hub_expect(&a, 404, "no such path");
    hub_ask(f, "DELETE", "/healthz", f->made.owner_token, NULL, &a);
    hub_expect(&a, 405, "not allowed");
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, hub_running, hub_gone)

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(every_route), ROW(more_than_can_wait),
                                        ROW(refused_before_the_body), ROW(bodies_have_a_limit),
                                        ROW(unknown) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
