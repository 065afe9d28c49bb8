/* test_hub.c - starts and stops, folders that are none, options that are refused. */
#include "hub_util.h"

#include "base/clock.h"
#include "base/file.h"

#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

static int start(const char *dir, const char *host, bool plain, struct sk_hub **out,
                 struct sk_err *err)
{
    const struct sk_hub_options opts = {
        .dir = dir, .host = host, .listen_fd = -1, .plain_http = plain, .workers = 1
    };
    return sk_hub_start(&opts, out, err);
}

static void no_hub_there(void **state)
{
    struct hub_fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_hub *h = NULL;
    assert_int_equal(start(f->dir, NULL, true, &h, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    assert_non_null(strstr(err.text, "hub init"));
    assert_false(sk_is_dir(f->dir));
    sk_hub_stop(NULL);
}

/* What a shell gives is no bound for clients. */
static void takes_the_files_it_needs(void **state)
{
    struct hub_fixture *f = *state;
    struct rlimit all, few, now;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
    hub_stop(f);
    few = all;
    few.rlim_cur = 128;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    hub_start(f, 1);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
    assert_true(now.rlim_cur == all.rlim_max || now.rlim_cur >= 20000);
    hub_stop(f);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
}

static void plain_stays_on_loopback(void **state)
{
    struct hub_fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_hub *h = NULL;
    hub_stop(f);
    static const char *const bad[] = { "0.0.0.0", "::", "hub.example", "128.0.0.1" };
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(start(f->dir, bad[i], true, &h, &err), -1);
        assert_int_equal(err.code, SK_INVALID);
        assert_non_null(strstr(err.text, "loopback"));
    }
    static const char *const good[] = { "127.0.0.1", "127.0.0.2", "localhost" };
    for (size_t i = 0; i < COUNT(good); i++) {
        if (start(f->dir, good[i], true, &h, &err) < 0)
            fail_msg("%s: %s", good[i], err.text);
        sk_hub_stop(h);
    }
    assert_int_equal(start(f->dir, "127.0.0.1", false, &h, &err), 0); /* with TLS */
    sk_hub_stop(h);
}

static void a_port_in_use(void **state)
{
    struct hub_fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_hub *h = NULL;
    struct sk_hub_made made;
    char other[96];
    (void)snprintf(other, sizeof other, "%s/other", f->folder);
    static const char *const names[] = { "hub.example" };
    const struct sk_hub_init init = {
        .dir = other, .hostnames = names, .hostname_count = 1, .port = 8443
    };
    assert_int_equal(sk_hub_init(&init, &made, &err), 0);
    const struct sk_hub_options opts = {
        .dir = other, .host = "127.0.0.1", .port = f->port, .listen_fd = -1, .plain_http = true
    };
    assert_int_equal(sk_hub_start(&opts, &h, &err), -1);
    assert_non_null(strstr(err.text, "listen"));
    /* [hub-22] and a folder in use */
    assert_int_equal(start(f->dir, "127.0.0.1", true, &h, &err), -1);
    assert_int_equal(err.code, SK_BUSY);
    assert_non_null(strstr(err.text, f->dir));
    struct answer a;
    hub_ask(f, "GET", "/healthz", NULL, NULL, &a);
    assert_int_equal(a.status, 200);
}

/* What is on its way when the hub drains is answered. */
static _Atomic bool runs;

static void slowly(struct sk_hub_call *call)
{
    (void)call;
    atomic_store(&runs, true);
    (void)usleep(300000);
}

static void drains(void **state)
{
    struct hub_fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_hub_call slow[2] = { { .job = slowly }, { .job = slowly } };
    struct client c;
    struct answer a;
    char request[300];
    for (size_t i = 0; i < 2; i++) /* both workers */
        assert_int_equal(sk_hub_workers_push(f->hub->workers, &slow[i], &err), 0);
    while (!atomic_load(&runs))
        (void)usleep(1000);
    (void)snprintf(request, sizeof request,
                   "GET /api/v1/tokens HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n",
                   f->made.owner_token);
    client_open(&c, f->port);
    client_send(&c, request);
    const uint64_t end = sk_now_ms() + HUB_PATIENCE_MS;
    while (sk_http_connections(f->hub->http) == 0 && sk_now_ms() < end)
        (void)usleep(1000);
    assert_int_equal(sk_http_connections(f->hub->http), 1);
    assert_int_equal(sk_hub_drain(f->hub, HUB_PATIENCE_MS), 0);
    client_read(&c, false, &a);
    hub_expect(&a, 200, "\"tokens\"");
    client_close(&c);
    sk_hub_stop(f->hub);
    f->hub = NULL;
}

/* Blobs and uploads that nothing names go by themselves. */
static void collects(void **state)
{
    struct hub_fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    char digest[SK_DIGEST_TEXT];
    uint64_t size;
    hub_stop(f);
    const struct sk_hub_options opts = { .dir = f->dir,
                                         .host = "127.0.0.1",
                                         .listen_fd = -1,
                                         .plain_http = true,
                                         .gc_interval_ms = 50,
                                         .gc_grace_ms = 1 };
    assert_int_equal(sk_hub_start(&opts, &f->hub, &err), 0);
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    assert_int_equal(sk_db_begin(sk_store_db(f->hub->store), SK_DB_WRITE, &tx, &err), 0);
    assert_int_equal(sk_blob_put(f->hub->store, tx, SK_SHA256, "text", 4, digest, &err), 0);
    assert_int_equal(sk_tx_commit(&tx, &err), 0);
    for (uint64_t end = sk_now_ms() + HUB_PATIENCE_MS;;) {
        SK_OWN(sk_tx_end) struct sk_tx *look = NULL;
        assert_int_equal(sk_db_begin(sk_store_db(f->hub->store), SK_DB_READ, &look, &err), 0);
        if (sk_blob_size(look, digest, &size, &err) < 0)
            break;
        assert_true(sk_now_ms() < end);
        (void)usleep(10000);
    }
    assert_int_equal(err.code, SK_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_hub_there, hub_folder, hub_gone),
        cmocka_unit_test_setup_teardown(takes_the_files_it_needs, hub_running, hub_gone),
        cmocka_unit_test_setup_teardown(plain_stays_on_loopback, hub_running, hub_gone),
        cmocka_unit_test_setup_teardown(a_port_in_use, hub_running, hub_gone),
        cmocka_unit_test_setup_teardown(drains, hub_running, hub_gone),
        cmocka_unit_test_setup_teardown(collects, hub_running, hub_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
