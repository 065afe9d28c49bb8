/* test_docker_names.c - names that move between containers, and what is swept. The whole with a
 * real Engine is in test_docker_row.c. */
#include "docker/engine.h"

#include "runtime/docker_rt_priv.h"

#include <stdio.h>
#include <string.h>

/* [docker-30] */
static void test_old_names(void **state)
{
    static const struct {
        const char *module, *instance, *old;
    } rows[] = {
        { "defect-detector", "defect-detector-3", "defect-detector-old-3" },
        { "m", "m-12", "m-old-12" },
        { "m", "other", "other-old" },
        { "m", "mm-1", "mm-1-old" },
        { "", "x", "x-old" },
    };

    char out[256];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sk_docker_rt_old_name(rows[i].module, rows[i].instance, out);
        if (strcmp(out, rows[i].old) != 0)
            fail_msg("%s: %s", rows[i].instance, out);
    }
}

static struct sk_instance instance_at(const char *socket)
{
    struct sk_instance i = {
        .kind = SK_RUNTIME_DOCKER, .module = "m", .instance = "m-2", .container = "two"
    };

    (void)snprintf(i.control, sizeof i.control, "%s", socket);
    return i;
}

static int accept_with(const struct engine_row *rows, size_t count, const char *what,
                       struct engine *e, struct sk_err *err)
{
    engine_begin(e, rows, count);
    const struct sk_instance i = instance_at(e->socket);
    int rc = sk_docker_rt_control(&i, what, err);
    engine_end(e);
    return rc;
}

static void test_accept_takes_the_name(void **state)
{
    static const struct engine_row rows[] = {
        { "GET /v1.44/containers/two/json", 200, "{\"Id\":\"two\",\"Name\":\"/m-2\"}", 0 },
        { "POST /v1.44/containers/two/rename?name=m ", 409, "{\"message\":\"in use\"}", 1 },
        { "GET /v1.44/containers/json", 200,
          "[{\"Id\":\"one\",\"Names\":[\"/m\"],\"Labels\":{\"skerry.instance\":\"m-1\","
          "\"skerry.module\":\"m\"}}]",
          0 },
        { "POST /v1.44/containers/one/rename?name=m-old-1 ", 204, "", 0 },
        { "POST /v1.44/containers/two/rename?name=m ", 204, "", 0 },
    };
    struct engine e;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    if (accept_with(ENGINE_ROWS(rows), "accept", &e, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(engine_heard(&e, "one/rename?name=m-old-1"));
    engine_done(&e);
}

/* [docker-31] */
static void test_somebody_else_has_the_name(void **state)
{
    static const struct engine_row rows[] = {
        { "GET /v1.44/containers/two/json", 200, "{\"Id\":\"two\",\"Name\":\"/m-2\"}", 0 },
        { "POST /v1.44/containers/two/rename?name=m ", 409, "{\"message\":\"in use\"}", 0 },
        { "GET /v1.44/containers/json", 200, "[{\"Id\":\"one\",\"Names\":[\"/m\"]}]", 0 },
    };
    struct engine e;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(accept_with(ENGINE_ROWS(rows), "accept", &e, &err), -1);
    assert_int_equal(err.code, SK_EXISTS);
    assert_non_null(strstr(err.text, "docker rename"));
    engine_done(&e);
}

/* The Engine would refuse it. */
static void test_it_has_the_name_already(void **state)
{
    static const struct engine_row rows[] = {
        { "GET /v1.44/containers/two/json", 200, "{\"Id\":\"two\",\"Name\":\"/m\"}", 0 },
    };
    struct engine e;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(accept_with(ENGINE_ROWS(rows), "accept", &e, &err), 0);
    assert_false(engine_heard(&e, "rename"));
    engine_done(&e);
}

static void test_retire(void **state)
{
    static const struct engine_row rows[] = {
        { "GET /v1.44/containers/two/json", 200, "{\"Id\":\"two\",\"Name\":\"/m\"}", 1 },
        { "GET /v1.44/containers/two/json", 200, "{\"Id\":\"two\",\"Name\":\"/m-old-2\"}", 0 },
        { "POST /v1.44/containers/two/rename?name=m-old-2 ", 204, "", 1 },
    };
    struct engine e;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    engine_begin(&e, ENGINE_ROWS(rows));
    const struct sk_instance i = instance_at(e.socket);
    assert_int_equal(sk_docker_rt_control(&i, "retire", &err), 0);
    assert_int_equal(sk_docker_rt_control(&i, "retire", &err), 0); /* again: nothing to do */
    engine_end(&e);
    engine_done(&e);
}

static void test_unknown_controls(void **state)
{
    struct sk_instance i = instance_at("/tmp/skerry-no-engine/sock");
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_docker_rt_control(&i, "test", &err), -1);
    assert_int_equal(err.code, SK_UNSUPPORTED);
    assert_int_equal(sk_docker_rt_control(&i, "accept", &err), -1);
    assert_int_equal(err.code, SK_BUSY);
    i.container[0] = '\0';
    assert_int_equal(sk_docker_rt_control(&i, "accept", &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
}

/* [docker-38] */
static void test_sweep(void **state)
{
    static const struct engine_row rows[] = {
        { "GET /v1.44/containers/json", 200,
          "[{\"Id\":\"known\",\"Labels\":{\"skerry.agent\":\"/data\"}},"
          "{\"Id\":\"lost\",\"Labels\":{\"skerry.agent\":\"/data\"}},"
          "{\"Id\":\"other\",\"Labels\":{\"skerry.agent\":\"/other\"}},"
          "{\"Id\":\"iotedge\",\"Labels\":{}}]",
          0 },
        { "DELETE /v1.44/containers/lost?", 204, "", 0 },
    };
    const struct sk_instance known[] = {
        { .kind = SK_RUNTIME_NATIVE, .container = "lost" },
        { .kind = SK_RUNTIME_DOCKER, .container = "known" },
    };
    struct sk_runtime_host h = { .data_dir = "/data" };
    struct engine e;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    engine_begin(&e, ENGINE_ROWS(rows));
    h.docker_socket = e.socket;
    int rc = sk_docker_rt_sweep(&h, known, 2, &err);
    engine_end(&e);
    if (rc < 0)
        fail_msg("%s", err.text);
    assert_true(engine_heard(&e, "containers/lost?"));
    assert_false(engine_heard(&e, "containers/known"));
    assert_false(engine_heard(&e, "containers/other"));
    assert_false(engine_heard(&e, "containers/iotedge"));
    engine_done(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_old_names),
        cmocka_unit_test(test_accept_takes_the_name),
        cmocka_unit_test(test_somebody_else_has_the_name),
        cmocka_unit_test(test_it_has_the_name_already),
        cmocka_unit_test(test_retire),
        cmocka_unit_test(test_unknown_controls),
        cmocka_unit_test(test_sweep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
