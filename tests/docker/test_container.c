/* test_container.c - what an Engine says of containers, and what is asked of it. */
#include "engine.h"

#include <string.h>
#include <unistd.h>

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HEX65 "ffff456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct sk_docker_container read_one(const char *text)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_docker_container c;
    struct sk_err err = SK_ERR_INIT;

    if (sk_json_parse(text, strlen(text), NULL, &doc, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    sk_docker_read_container(doc, "net", &c);
    return c;
}

/* [docker-36] */
static void test_states(void **state)
{
    static const struct {
        const char *status;
        enum sk_docker_state state;
    } rows[] = {
        { "running", SK_DOCKER_RUNNING }, { "created", SK_DOCKER_CREATED },
        { "paused", SK_DOCKER_STOPPED },  { "restarting", SK_DOCKER_STOPPED },
        { "exited", SK_DOCKER_STOPPED },  { "removing", SK_DOCKER_STOPPED },
        { "dead", SK_DOCKER_DEAD },       { "", SK_DOCKER_STOPPED },
    };

    char text[128];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        (void)snprintf(text, sizeof text, "{\"State\":{\"Status\":\"%s\"}}", rows[i].status);
        if (read_one(text).state != rows[i].state)
            fail_msg("%s", rows[i].status);
    }
}

static void test_all_members(void **state)
{
    struct sk_docker_container c = read_one(
        "{\"Id\":\"" HEX64 "\",\"Name\":\"/m\",\"Image\":\"sha256:ab\",\"Config\":{\"Tty\":true},"
        "\"State\":{\"Status\":\"exited\",\"ExitCode\":137,\"Pid\":12,\"OOMKilled\":true,\"Error\":"
        "\"why\",\"Health\":{\"Status\":\"unhealthy\"},\"StartedAt\":\"2026-01-02T03:04:05.6Z\","
        "\"FinishedAt\":\"0001-01-01T00:00:00Z\"},\"NetworkSettings\":{\"Networks\":{\"other\":"
        "{\"IPAddress\":\"10.0.0.2\"},\"net\":{\"IPAddress\":\"172.18.0.2\"}}}}");

    (void)state;
    assert_string_equal(c.id, HEX64);
    assert_string_equal(c.name, "m");
    assert_string_equal(c.image_id, "sha256:ab");
    assert_string_equal(c.address, "172.18.0.2");
    assert_int_equal(c.exit_code, 137);
    assert_int_equal(c.pid, 12);
    assert_true(c.oom_killed && c.is_tty);
    assert_string_equal(c.health, "unhealthy");
    assert_string_equal(c.error, "why");
    assert_string_equal(c.started, "2026-01-02T03:04:05.6Z");
    assert_string_equal(c.finished, "");
}

static void test_addresses(void **state)
{
    static const struct {
        const char *networks, *address;
    } rows[] = {
        { "{}", "" },
        { "null", "" },
        { "{\"host\":{\"IPAddress\":\"\"}}", "" },
        { "{\"host\":{\"IPAddress\":\"\"},\"b\":{\"IPAddress\":\"10.0.0.2\"}}", "10.0.0.2" },
        { "{\"net\":{\"IPAddress\":\"\",\"GlobalIPv6Address\":\"fd00::2\"}}", "[fd00::2]" },
        { "{\"net\":7}", "" },
    };

    char text[256];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        (void)snprintf(text, sizeof text,
                       "{\"State\":{\"Health\":{\"Status\":\"none\"}},\"NetworkSettings\":"
                       "{\"Networks\":%s}}",
                       rows[i].networks);
        struct sk_docker_container c = read_one(text);
        if (strcmp(c.address, rows[i].address) != 0 || c.health[0])
            fail_msg("%s: '%s'", rows[i].networks, c.address);
    }
}

/* [docker-37] */
static void test_cgroups(void **state)
{
    static const struct {
        const char *text;
        int says;
    } rows[] = {
        { "0::/docker/" HEX64 "\n", 1 },
        { "0::/system.slice/docker-" HEX64 ".scope\n", 1 },
        { "0::/docker/" HEX64 "/init\n", 1 },
        { "12:memory:/docker/" HEX64 "\n0::/\n", 1 },
        { "0::/docker/" HEX65 "\n", 0 },
        { "0::/docker/" HEX64 "0\n", -1 },
        { "0::/user.slice/user-1000.slice\n", -1 },
        { "0::/\n", -1 },
        { "", -1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (sk_docker_cgroup_says(rows[i].text, HEX64) != rows[i].says)
            fail_msg("%s", rows[i].text);
    assert_int_equal(sk_docker_cgroup_says("0::/docker/" HEX64, "0123"), 0);
}

/* Where the cgroups say nothing, as of this process. */
static void test_processes_by_top(void **state)
{
    char body[256];
    const struct engine_row rows[] = {
        { "GET /v1.44/containers/a/top?ps_args=-eo%20pid ", 200, body, 0 },
    };
    struct engine e;
    struct sk_err err = SK_ERR_INIT;
    bool has = false;

    (void)state;
    (void)snprintf(body, sizeof body, "{\"Titles\":[\"PID\"],\"Processes\":[[\"1\"],[\"%d\"]]}",
                   (int)getpid());
    engine_begin(&e, ENGINE_ROWS(rows));
    int rc = sk_docker_has_pid(&e.docker, "a", getpid(), &has, &err);
    int gone = sk_docker_has_pid(&e.docker, "b", getpid(), &has, &err);
    engine_end(&e);
    engine_done(&e);
    assert_int_equal(rc, 0);
    assert_true(has);
    assert_int_equal(gone, -1);
}

static void test_create(void **state)
{
    static const struct engine_row rows[] = {
        { "POST /v1.44/containers/create?name=m-1 ", 201, "{\"Id\":\"" HEX64 "\",\"Warnings\":[]}",
          0 },
        { "POST /v1.44/containers/create?name=odd%20one ", 201, "{\"Id\":\"\"}", 0 },
        { "POST /v1.44/containers/create?name=taken ", 409, "{\"message\":\"in use by b\"}", 0 },
    };
    struct sk_docker_create c = { .name = "m-1", .module = "m", .image = "cats:v1" };
    struct engine e;
    struct sk_err err = SK_ERR_INIT;
    char id[SK_DOCKER_ID] = "";

    (void)state;
    engine_begin(&e, ENGINE_ROWS(rows));
    assert_int_equal(sk_docker_create(&e.docker, &c, id, &err), 0);
    assert_string_equal(id, HEX64);
    c.name = "odd one";
    assert_int_equal(sk_docker_create(&e.docker, &c, id, &err), -1);
    assert_int_equal(err.code, SK_REMOTE);
    c.name = "taken";
    assert_int_equal(sk_docker_create(&e.docker, &c, id, &err), -1);
    assert_int_equal(err.code, SK_EXISTS);
    c.create_options = "[]"; /* nothing is sent */
    assert_int_equal(sk_docker_create(&e.docker, &c, id, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    engine_end(&e);
    assert_true(engine_heard(&e, "{\"Image\":\"cats:v1\",\"Env\":[],\"Labels\":{"));
    engine_done(&e);
}

/* A removal that is under way already, then done. */
static void test_remove(void **state)
{
    static const struct engine_row rows[] = {
        { "DELETE /v1.44/containers/a?force=1&v=1 ", 409, "{\"message\":\"in progress\"}", 2 },
        { "DELETE /v1.44/containers/a?force=1&v=1 ", 404, "{\"message\":\"none\"}", 0 },
        { "DELETE /v1.44/containers/b?force=1&v=1 ", 500, "{\"message\":\"busy device\"}", 0 },
    };
    struct engine e;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    engine_begin(&e, ENGINE_ROWS(rows));
    assert_int_equal(sk_docker_remove(&e.docker, "a", &err), 0);
    assert_int_equal(sk_docker_remove(&e.docker, "b", &err), -1);
    engine_end(&e);
    engine_done(&e);
    assert_non_null(strstr(err.text, "busy device"));
}

static int add_name(void *ctx, const struct sk_docker_item *c, struct sk_err *err)
{
    (void)err;
    sk_buf_fmt(ctx, "%s=%s,%s,%s,%s;", c->id, c->name, c->module, c->instance, c->agent);
    return 0;
}

static void test_list(void **state)
{
    static const struct engine_row rows[] = {
        { "GET /v1.44/containers/json?all=1&filters=%7B%22label%22%3A%5B%22net.azure-devices.edge."
          "owner%3DMicrosoft.Azure.Devices.Edge.Agent%22%5D%7D ",
          200,
          "[{\"Id\":\"a\",\"Names\":[\"/"
          "m\"],\"Labels\":{\"skerry.module\":\"m\",\"skerry.instance\":"
          "\"m-1\",\"skerry.agent\":\"/d\"}},{\"Id\":\"b\",\"Names\":[],\"Labels\":null},7]",
          0 },
    };
    SK_AUTO(sk_buf_done) struct sk_buf got = SK_BUF_INIT(4096);
    struct engine e;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    engine_begin(&e, ENGINE_ROWS(rows));
    int rc = sk_docker_list(&e.docker, add_name, &got, &err);
    engine_end(&e);
    engine_done(&e);
    if (rc < 0)
        fail_msg("%s", err.text);
    assert_string_equal(got.data, "a=m,m,m-1,/d;b=,,,;=,,,;");
}

static void test_stop_and_rename(void **state)
{
    static const struct engine_row rows[] = {
        { "POST /v1.44/containers/a/stop?t=7 ", 204, "", 0 },
        { "POST /v1.44/containers/a/rename?name=new%2Fname ", 204, "", 0 },
    };
    struct engine e;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    engine_begin(&e, ENGINE_ROWS(rows));
    assert_int_equal(sk_docker_stop(&e.docker, "a", 7, &err), 0);
    assert_int_equal(sk_docker_rename(&e.docker, "a", "new/name", &err), 0);
    engine_end(&e);
    engine_done(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),           cmocka_unit_test(test_all_members),
        cmocka_unit_test(test_addresses),        cmocka_unit_test(test_cgroups),
        cmocka_unit_test(test_processes_by_top), cmocka_unit_test(test_create),
        cmocka_unit_test(test_remove),           cmocka_unit_test(test_list),
        cmocka_unit_test(test_stop_and_rename),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
