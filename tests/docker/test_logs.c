/* test_logs.c - a container's output: what is asked for, and how it is read. The whole with a real
 * Engine is in test_docker_real.c. */
#include "engine.h"

#include <string.h>

static int collect(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    (void)err;
    sk_buf_add(ctx, bytes, len);
    return 0;
}

static void test_window(void **state)
{
    static const struct engine_row rows[] = {
        { "GET /v1.44/containers/a/json", 200, "{\"Id\":\"a\",\"Config\":{\"Tty\":true}}", 0 },
        { "GET /v1.44/containers/a/logs?stdout=1&stderr=1&tail=5&since=100.000000000&until=200 ",
          200, "some", 0 },
        { "GET /v1.44/containers/a/logs?stdout=1&stderr=1 ", 200, "all", 0 },
        { "GET /v1.44/containers/a/logs?stdout=1&stderr=1&follow=1 ", 200, "more", 0 },
    };
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(4096);
    struct engine e;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    engine_begin(&e, ENGINE_ROWS(rows));
    assert_int_equal(sk_docker_logs(&e.docker, "a", 5, 100, 200, false, collect, &out, &err), 0);
    assert_int_equal(sk_docker_logs(&e.docker, "a", 0, 0, 0, false, collect, &out, &err), 0);
    assert_int_equal(sk_docker_logs(&e.docker, "a", 0, 0, 0, true, collect, &out, &err), 0);
    assert_int_equal(sk_docker_logs(&e.docker, "b", 0, 0, 0, true, collect, &out, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    engine_end(&e);
    engine_done(&e);
    assert_string_equal(out.data, "someallmore");
}

static void test_not_framed(void **state)
{
    static const struct engine_row rows[] = {
        { "GET /v1.44/containers/a/json", 200, "{\"Id\":\"a\"}", 0 },
        { "GET /v1.44/containers/a/logs", 200, "no frames here", 0 },
    };
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(4096);
    struct engine e;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    engine_begin(&e, ENGINE_ROWS(rows));
    assert_int_equal(sk_docker_logs(&e.docker, "a", 0, 0, 0, true, collect, &out, &err), -1);
    engine_end(&e);
    engine_done(&e);
    assert_int_equal(err.code, SK_INVALID);
    assert_int_equal(out.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_not_framed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
