/*
 * test_docker_row.c - instances as containers: against answers from a table; and, when
 * SKERRY_DOCKER_SOCKET and SKERRY_DOCKER_IMAGE name them, against a real Engine with an image that
 * has /bin/sh, sleep and cat (tests/it runs that).
 */
#include "docker/engine.h"

#include "base/file.h"
#include "runtime/docker_rt_priv.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct sk_runtime_host host_of(const char *socket)
{
    return (struct sk_runtime_host){ .data_dir = "/data/edge",
                                     .run_dir = "/run/edge",
                                     .docker_socket = socket };
}

static const struct sk_instance instance = {
    .kind = SK_RUNTIME_DOCKER, .module = "m", .instance = "m-3", .container = HEX64
};

/* [docker-36] ---- status ---- */

static void test_status(void **state)
{
    static const struct {
        const char *container, *text;
        enum sk_runtime_state state;
        int exit_code;
        bool oom;
        const char *health;
        int64_t started_ms, finished_ms;
    } rows[] = {
        { "{\"Status\":\"running\",\"StartedAt\":\"1970-01-01T00:00:01Z\",\"FinishedAt\":"
          "\"1970-01-01T00:00:00.5Z\",\"Health\":{\"Status\":\"healthy\"}}",
          "running", SK_RUNTIME_RUNNING, 0, false, "healthy", 1000, 0 },
        { "{\"Status\":\"exited\",\"ExitCode\":0,\"StartedAt\":\"1970-01-01T00:00:01Z\","
          "\"FinishedAt\":\"1970-01-01T00:00:02.123456789Z\"}",
          "Exited (0)", SK_RUNTIME_STOPPED, 0, false, "", 1000, 2123 },
        { "{\"Status\":\"exited\",\"ExitCode\":139}", "Exited (139)", SK_RUNTIME_FAILED, 139, false,
          "", 0, 0 },
        { "{\"Status\":\"exited\",\"ExitCode\":137,\"OOMKilled\":true}",
          "Exited (137), out of memory", SK_RUNTIME_FAILED, 137, true, "", 0, 0 },
        { "{\"Status\":\"exited\",\"ExitCode\":127,\"Error\":\"no such file\"}",
          "Exited (127): no such file", SK_RUNTIME_FAILED, 127, false, "", 0, 0 },
        { "{\"Status\":\"created\",\"StartedAt\":\"0001-01-01T00:00:00Z\"}", "created",
          SK_RUNTIME_STOPPED, 0, false, "", 0, 0 },
        { "{\"Status\":\"paused\"}", "Exited (0)", SK_RUNTIME_STOPPED, 0, false, "", 0, 0 },
        { "{\"Status\":\"dead\",\"Error\":\"device busy\"}", "dead: device busy", SK_RUNTIME_FAILED,
          0, false, "", 0, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char body[512];
        struct engine e;
        struct sk_runtime_status s;
        struct sk_err err = SK_ERR_INIT;
        (void)snprintf(body, sizeof body, "{\"Id\":\"" HEX64 "\",\"State\":%s}", rows[i].container);
        const struct engine_row answers[] = { { "GET /v1.44/containers/" HEX64 "/json", 200, body,
                                                0 } };
        engine_begin(&e, ENGINE_ROWS(answers));
        const struct sk_runtime_host h = host_of(e.socket);
        int rc = sk_docker_rt_status(&h, &instance, &s, &err);
        engine_end(&e);
        engine_done(&e);
        if (rc < 0 || s.state != rows[i].state || s.exit_code != rows[i].exit_code ||
            s.oom_killed != rows[i].oom || strcmp(s.text, rows[i].text) != 0 ||
            strcmp(s.health, rows[i].health) != 0 || s.started_ms != rows[i].started_ms ||
            s.finished_ms != rows[i].finished_ms)
            fail_msg("%s: %s, '%s' %d", rows[i].text, err.text, s.text, (int)s.state);
    }
}

/* [docker-36] */
static void test_gone_and_away(void **state)
{
    static const struct engine_row gone[] = { { "GET /v1.44/", 404, "{\"message\":\"none\"}", 0 } };
    static const struct engine_row away[] = { { "GET /v1.44/", ENGINE_HANGS_UP, "", 0 } };
    struct engine e;
    struct sk_runtime_status s = { .state = SK_RUNTIME_RUNNING };
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    engine_begin(&e, ENGINE_ROWS(gone));
    struct sk_runtime_host h = host_of(e.socket);
    assert_int_equal(sk_docker_rt_status(&h, &instance, &s, &err), 0);
    assert_int_equal(s.state, SK_RUNTIME_GONE);
    engine_end(&e);
    engine_done(&e);
    engine_begin(&e, ENGINE_ROWS(away));
    h = host_of(e.socket);
    assert_int_equal(sk_docker_rt_status(&h, &instance, &s, &err), -1);
    assert_int_equal(err.code, SK_BUSY);
    engine_end(&e);
    engine_done(&e);
    h = host_of("/tmp/skerry-no-engine/sock");
    assert_int_equal(sk_docker_rt_status(&h, &instance, &s, &err), -1);
    assert_int_equal(err.code, SK_BUSY);
}

static void test_no_engine(void **state)
{
    const struct sk_runtime_host h = host_of("/tmp/skerry-no-engine/sock");
    const struct sk_runtime_image image = { .kind = SK_RUNTIME_DOCKER };
    const struct sk_runtime_start s = {
        .module = "m", .instance = "m-1", .image = &image, .image_name = "i:v1"
    };
    struct sk_instance out = { .kind = SK_RUNTIME_DOCKER };
    struct sk_err err = SK_ERR_INIT;
    char note[SK_RT_NOTE] = "", address[64];

    (void)state;
    assert_int_equal(sk_docker_rt.check(&h, &s, note, &err), -1);
    assert_int_equal(err.code, SK_UNSUPPORTED);
    assert_non_null(strstr(err.text, "/tmp/skerry-no-engine/sock"));
    assert_int_equal(sk_docker_rt.start(&h, &s, &out, &err), -1);
    assert_int_equal(err.code, SK_UNSUPPORTED);
    assert_int_equal(sk_docker_rt.sweep(&h, NULL, 0, &err), 0);
    assert_int_equal(sk_runtime_gateway(&h, address, &err), -1);
    assert_false(sk_docker_rt.has_process(&h, &instance, getpid(), 0));
    assert_int_equal(sk_docker_rt.watch(&instance), -1);
}

static void test_notes(void **state)
{
    static const struct engine_row rows[] = {
        { "GET /version", 200, "{\"Version\":\"20.10.24\"}", 0 },
    };
    const struct sk_runtime_image image = { .kind = SK_RUNTIME_DOCKER };
    struct sk_runtime_start s = {
        .module = "m", .instance = "m-1", .image = &image, .image_name = "i:v1"
    };
    struct engine e;
    struct sk_err err = SK_ERR_INIT;
    char note[SK_RT_NOTE] = "";

    (void)state;
    engine_begin(&e, ENGINE_ROWS(rows));
    const struct sk_runtime_host h = host_of(e.socket);
    assert_int_equal(sk_docker_rt_check(&h, &s, note, &err), 0);
    assert_string_equal(note, "");
    s.create_options = "{\"HostConfig\":{\"RestartPolicy\":{},\"AutoRemove\":false}}";
    assert_int_equal(sk_docker_rt_check(&h, &s, note, &err), 0);
    assert_non_null(strstr(note, "restartPolicy of the module counts"));
    assert_non_null(strstr(note, "; HostConfig.AutoRemove"));
    s.create_options = "{\"Env\":7}";
    assert_int_equal(sk_docker_rt_check(&h, &s, note, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    engine_end(&e);
    engine_done(&e);
}

/* ---- start ---- */

#define INSPECT                                                                                    \
    "{\"Id\":\"" HEX64 "\",\"State\":{\"Status\":\"running\"},\"NetworkSettings\":{\"Networks\":"  \
    "{\"azure-iot-edge\":{\"IPAddress\":\"172.18.0.2\"}}}}"

static const char *const env[] = { "A=1", NULL };
static const char *const hosts[] = { "edge-host:host-gateway", "10.0.0.9:host-gateway",
                                     "other:10.0.0.1", NULL };
static const struct sk_runtime_image sample = { .kind = SK_RUNTIME_DOCKER, .digest = "sha256:ab" };

static struct sk_runtime_start start_of(void)
{
    return (struct sk_runtime_start){
        .module = "m",
        .instance = "m-3",
        .image = &sample,
        .image_name = "r/i:v1",
        .create_options = "{\"HostConfig\":{\"PortBindings\":{\"1/tcp\":[{}]}}}",
        .env = env,
        .workload_socket = "/run/edge/workload/m-3/workload.sock",
        .hosts = hosts
    };
}

/* [docker-32] */
static void test_start(void **state)
{
    static const struct engine_row rows[] = {
        { "GET /v1.44/networks/azure-iot-edge ", 200,
          "{\"IPAM\":{\"Config\":[{\"Gateway\":\"172.18.0.1\"}]}}", 0 },
        { "GET /v1.44/images/r/i:v1/json", 200, "{\"Id\":\"sha256:ab\"}", 0 },
        { "POST /v1.44/containers/create?name=m-3 ", 201, "{\"Id\":\"" HEX64 "\"}", 0 },
        { "POST /v1.44/containers/" HEX64 "/start ", 204, "", 0 },
        { "GET /v1.44/containers/" HEX64 "/json", 200, INSPECT, 0 },
    };
    const struct sk_runtime_start s = start_of();
    struct sk_instance out = instance;
    struct engine e;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    out.container[0] = '\0';
    engine_begin(&e, ENGINE_ROWS(rows));
    const struct sk_runtime_host h = host_of(e.socket);
    int rc = sk_docker_rt_start(&h, &s, &out, &err);
    engine_end(&e);
    if (rc < 0)
        fail_msg("%s", err.text);
    assert_string_equal(out.container, HEX64);
    assert_string_equal(out.address, "172.18.0.2");
    assert_string_equal(out.control, e.socket);
    assert_true(engine_heard(&e, "\"Image\":\"r/i:v1\""));
    assert_true(engine_heard(&e, "\"Binds\":[\"/run/edge/workload/m-3:/var/run/iotedge:ro\"]"));
    assert_true(engine_heard(&e, "\"ExtraHosts\":[\"edge-host:172.18.0.1\",\"other:10.0.0.1\"]"));
    assert_true(engine_heard(&e, "\"PortBindings\":{}"));
    assert_true(engine_heard(&e, "\"skerry.agent\":\"/data/edge\""));
    assert_true(engine_heard(&e, "\"skerry.instance\":\"m-3\""));
    assert_true(engine_heard(&e, "\"max-size\":\"2048k\""));
    engine_done(&e);
}

/* [docker-33] [docker-34] The tag moved meanwhile; a container of the name was left behind; the
 * start fails, and nothing is left. */
static void test_start_that_fails(void **state)
{
    static const struct engine_row rows[] = {
        { "GET /v1.44/networks/azure-iot-edge ", 200, "{}", 0 },
        { "GET /v1.44/images/r/i:v1/json", 200, "{\"Id\":\"sha256:cd\"}", 0 },
        { "POST /v1.44/containers/create?name=m-3 ", 409, "{\"message\":\"in use\"}", 1 },
        { "GET /v1.44/containers/json", 200,
          "[{\"Id\":\"old\",\"Names\":[\"/m-3\"],\"Labels\":{\"skerry.instance\":\"m-3\"}}]", 0 },
        { "DELETE /v1.44/containers/old?", 204, "", 0 },
        { "POST /v1.44/containers/create?name=m-3 ", 201, "{\"Id\":\"" HEX64 "\"}", 0 },
        { "POST /v1.44/containers/" HEX64 "/start ", 500,
          "{\"message\":\"could not select device driver with capabilities: [[gpu]]\"}", 0 },
        { "DELETE /v1.44/containers/" HEX64 "?", 204, "", 0 },
    };
    const struct sk_runtime_start s = start_of();
    struct sk_instance out = instance;
    struct engine e;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    out.container[0] = '\0';
    engine_begin(&e, ENGINE_ROWS(rows));
    const struct sk_runtime_host h = host_of(e.socket);
    assert_int_equal(sk_docker_rt_start(&h, &s, &out, &err), -1);
    engine_end(&e);
    assert_non_null(strstr(err.text, "could not select device driver"));
    assert_string_equal(out.container, "");
    assert_true(engine_heard(&e, "\"Image\":\"sha256:ab\""));
    assert_true(engine_heard(&e, "DELETE /v1.44/containers/old?"));
    assert_true(engine_heard(&e, "DELETE /v1.44/containers/" HEX64 "?"));
    engine_done(&e);
}

/* ---- a real Engine ---- */

static struct sk_runtime_host real_host(void)
{
    struct sk_runtime_host h = host_of(getenv("SKERRY_DOCKER_SOCKET"));

    assert_non_null(getenv("SKERRY_DOCKER_IMAGE"));
    h.data_dir = "/tmp/skerry-docker-row";
    h.network = "skerry-test-net";
    return h;
}

static void start_real(const struct sk_runtime_host *h, const char *name, const char *script,
                       struct sk_instance *out)
{
    struct sk_runtime_image image = { .kind = SK_RUNTIME_DOCKER };
    char options[512];
    struct sk_err err = SK_ERR_INIT;
    char note[SK_RT_NOTE] = "";

    (void)snprintf(options, sizeof options, "{\"Cmd\":[\"/bin/sh\",\"-c\",\"%s\"]}", script);
    const char *name_of_image = getenv("SKERRY_DOCKER_IMAGE");
    if (sk_docker_rt_pull(h, name_of_image, NULL, false, NULL, NULL, &image, &err) < 0)
        fail_msg("%s", err.text);
    const struct sk_runtime_start s = { .module = "skerry-row",
                                        .instance = name,
                                        .image = &image,
                                        .image_name = name_of_image,
                                        .create_options = options,
                                        .env = env,
                                        .workload_socket = "/tmp/skerry-docker-row/workload.sock",
                                        .hosts = hosts };
    if (sk_runtime_check(h, &s, note, &err) < 0 || sk_runtime_start(h, &s, out, &err) < 0)
        fail_msg("%s", err.text);
}

static struct sk_runtime_status status_of(const struct sk_runtime_host *h,
                                          const struct sk_instance *i)
{
    struct sk_runtime_status s;
    struct sk_err err = SK_ERR_INIT;

    if (sk_runtime_status(h, i, &s, &err) < 0)
        fail_msg("%s", err.text);
    return s;
}

static void expect_name(const struct sk_runtime_host *h, const struct sk_instance *i,
                        const char *name)
{
    const struct sk_docker d = { h->docker_socket };
    struct sk_docker_container c;
    struct sk_err err = SK_ERR_INIT;

    if (sk_docker_inspect(&d, i->container, NULL, &c, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(c.name, name);
}

static int collect(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    (void)err;
    sk_buf_add(ctx, bytes, len);
    return 0;
}

static void control(const struct sk_instance *i, const char *what)
{
    struct sk_err err = SK_ERR_INIT;

    if (sk_runtime_control(i, what, 1000, NULL, &err) < 0)
        fail_msg("%s: %s", what, err.text);
}

/* [docker-30] */
static void test_real_hand_over(void **state)
{
    const struct sk_runtime_host h = real_host();
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
    struct sk_instance one, two;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_runtime_sweep(&h, NULL, 0, &err), 0);
    start_real(&h, "skerry-row-1", "cat /etc/hosts; exec sleep 60", &one);
    control(&one, "accept");
    expect_name(&h, &one, "skerry-row");
    start_real(&h, "skerry-row-2", "exec sleep 60", &two);
    expect_name(&h, &two, "skerry-row-2");
    assert_int_equal(status_of(&h, &two).state, SK_RUNTIME_RUNNING);
    assert_true(strcmp(one.address, two.address) != 0 && two.address[0]);
    control(&two, "accept");
    expect_name(&h, &two, "skerry-row");
    expect_name(&h, &one, "skerry-row-old-1");
    control(&two, "accept"); /* again */
    control(&one, "retire");
    control(&one, "accept"); /* back */
    expect_name(&h, &one, "skerry-row");
    expect_name(&h, &two, "skerry-row-old-2");
    assert_int_equal(sk_runtime_control(&one, "test", 1000, NULL, &err), -1);
    assert_int_equal(err.code, SK_UNSUPPORTED);
    assert_int_equal(sk_runtime_logs(&h, &one, 0, 0, 0, false, collect, &out, &err), 0);
    assert_non_null(strstr(out.data, "edge-host"));
    assert_false(sk_runtime_has_process(&h, &one, getpid(), 0));
    assert_int_equal(sk_runtime_stop(&h, &one, 100, &err), 0);
    struct sk_runtime_status s = status_of(&h, &one);
    assert_int_equal(s.state, SK_RUNTIME_FAILED);
    assert_int_equal(s.exit_code, 137);
    assert_true(s.started_ms > 0 && s.finished_ms >= s.started_ms);
    assert_int_equal(sk_runtime_remove(&h, &one, &err), 0);
    assert_int_equal(status_of(&h, &one).state, SK_RUNTIME_GONE);
    assert_int_equal(sk_runtime_stop(&h, &one, 100, &err), 0); /* there is nothing to stop */
    assert_int_equal(sk_runtime_remove(&h, &two, &err), 0);
}

static void test_real_sweep(void **state)
{
    struct sk_runtime_host h = real_host();
    struct sk_instance one, two;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    start_real(&h, "skerry-row-8", "exec sleep 60", &one);
    start_real(&h, "skerry-row-9", "exec sleep 60", &two);
    h.data_dir = "/tmp/skerry-another-agent";
    assert_int_equal(sk_runtime_sweep(&h, NULL, 0, &err), 0);
    assert_int_equal(status_of(&h, &two).state, SK_RUNTIME_RUNNING);
    h.data_dir = "/tmp/skerry-docker-row";
    assert_int_equal(sk_runtime_sweep(&h, &one, 1, &err), 0);
    assert_int_equal(status_of(&h, &one).state, SK_RUNTIME_RUNNING);
    assert_int_equal(status_of(&h, &two).state, SK_RUNTIME_GONE);
    assert_int_equal(sk_runtime_sweep(&h, NULL, 0, &err), 0);
    assert_int_equal(status_of(&h, &one).state, SK_RUNTIME_GONE);
}

/* The Engine makes the folder of a bind that is not there. */
static int tear_down(void **state)
{
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    return sk_remove_tree("/tmp/skerry-docker-row", &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status),    cmocka_unit_test(test_gone_and_away),
        cmocka_unit_test(test_no_engine), cmocka_unit_test(test_notes),
        cmocka_unit_test(test_start),     cmocka_unit_test(test_start_that_fails),
    };
    const struct CMUnitTest real[] = {
        cmocka_unit_test(test_real_hand_over),
        cmocka_unit_test(test_real_sweep),
    };

    if (getenv("SKERRY_DOCKER_SOCKET"))
        return cmocka_run_group_tests(real, NULL, tear_down);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
