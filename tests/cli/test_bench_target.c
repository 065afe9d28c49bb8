/* test_bench_target.c - addresses, and a child that runs the real server. With arguments this
 * program is skerry itself. */
#include "cli/bench_priv.h"

#include "base/str.h"
#include "cli/cli.h"
#include "cli_test.h"
#include "harness/golden.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>

static const struct sk_bench_child_options child = { .device = "cpu", .threads = 1 };

static const struct {
    const char *what;
    int port; /* 0: refused */
    const char *host;
} rows[] = {
    { "http://127.0.0.1:5001", 5001, "127.0.0.1:5001" },
    { "http://127.0.0.1:5001/", 5001, "127.0.0.1:5001" },
    { "http://127.0.0.1", 80, "127.0.0.1" },
    { "http://[::1]:81", 81, "[::1]:81" },
    { "http://[::1]", 80, "[::1]" },
    { "https://127.0.0.1:5001", 0, NULL },
    { "http://127.0.0.1:port", 0, NULL },
};

static void test_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(sk_bench_target_done) struct sk_bench_target t = { 0 };
        struct sk_err err = SK_ERR_INIT;

        int rc = sk_bench_target_open(rows[i].what, &child, NULL, &t, &err);
        if ((rc == 0) != (rows[i].port != 0))
            fail_msg("%s: %s", rows[i].what, err.text);
        if (rc < 0)
            continue;
        int port = t.addr.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&t.addr)->sin6_port)
                                                : ntohs(((struct sockaddr_in *)&t.addr)->sin_port);
        assert_int_equal(port, rows[i].port);
        assert_string_equal(t.host, rows[i].host);
        assert_int_equal(t.pid, 0);
    }
}

static void test_key(void **state)
{
    SK_AUTO(sk_bench_target_done) struct sk_bench_target t = { 0 };
    struct sk_err err = SK_ERR_INIT;
    char *dir = sk_test_dir();
    char path[200];

    (void)state;
    write_text(dir, "key", "secret\nsecond line\n");
    (void)snprintf(path, sizeof path, "%s/key", dir);
    assert_int_equal(sk_bench_target_open("http://127.0.0.1:1", &child, path, &t, &err), 0);
    assert_string_equal(t.api_key, "secret");
    sk_test_dir_free(dir);
    assert_int_equal(
        sk_bench_target_open("http://127.0.0.1:1", &child, "/nonexistent/key", &t, &err), -1);
}

static void test_child(void **state)
{
    struct sk_bench_target t = { 0 };
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(1 << 20);
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    if (sk_bench_target_open(sk_source_path("tests/data/models/scores.onnx"), &child, NULL, &t,
                             &err) < 0)
        fail_msg("%s", err.text);
    assert_true(t.pid > 0);
    assert_int_equal(sk_bench_get(&t, "GET", "/healthz", &body, &err), 0);
    int pid = t.pid;
    sk_bench_target_done(&t);
    assert_int_equal(t.pid, 0);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(errno, ESRCH);
}

static void test_child_fails(void **state)
{
    struct sk_bench_target t = { 0 };
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_bench_target_open("/nonexistent/model", &child, NULL, &t, &err), -1);
    assert_true(sk_starts_with(err.text, "the server did not start: '/nonexistent/model'"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_key),
        cmocka_unit_test(test_child),
        cmocka_unit_test(test_child_fails),
    };

    if (argc > 1)
        return sk_cli_main(argc, argv);
    return cmocka_run_group_tests_name("bench_target", tests, NULL, NULL);
}
