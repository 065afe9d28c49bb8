/* test_merge.c - createOptions and what an edge adds to them, as a table of texts. */
#include "engine.h"

#include "harness/alloc_fail.h"

#include <string.h>

static const char *const env[] = { "IOTEDGE_MODULEID=m", "A=ours", NULL };
static const char *const binds[] = { "/run/w:/var/run/iotedge:ro", NULL };
static const char *const hosts[] = { "gate:172.18.0.1", NULL };

static struct sk_docker_create base(const char *options)
{
    return (struct sk_docker_create){ .name = "m-1",
                                      .module = "m",
                                      .image = "r/i:v1",
                                      .create_options = options,
                                      .env = env,
                                      .binds = binds,
                                      .hosts = hosts,
                                      .network = "net",
                                      .drop_port_bindings = true };
}

#define LABELS                                                                                     \
    "\"net.azure-devices.edge.owner\":\"Microsoft.Azure.Devices.Edge.Agent\","                     \
    "\"net.azure-devices.edge.original-image\":\"r/i:v1\",\"skerry.module\":\"m\""
#define ENV    "\"Env\":[\"IOTEDGE_MODULEID=m\",\"A=ours\"]"
#define HOST   "\"Binds\":[\"/run/w:/var/run/iotedge:ro\"],\"ExtraHosts\":[\"gate:172.18.0.1\"]"
#define JOINED "\"NetworkingConfig\":{\"EndpointsConfig\":{\"net\":{}}}"
#define IMAGE  "\"Image\":\"r/i:v1\","
#define REST                                                                                       \
    IMAGE ENV ",\"Labels\":{" LABELS "},\"HostConfig\":{" HOST ",\"NetworkMode\":\"net\"}," JOINED \
              "}"

static const struct {
    const char *name, *options, *body;
} rows[] = {
    { "none", NULL, "{" REST },
    { "empty", "", "{" REST },
    { "empty object", "{}", "{" REST },
    { "null members",
      "{\"Env\":null,\"HostConfig\":null,\"Labels\":null,\"NetworkingConfig\":null}", "{" REST },
    { "unknown members as they stand",
      "{ \"Future\" : [1.50, 1e300,  {\"x\":\"\\u00e9\"}], \"StopTimeout\":5 }",
      "{\"Future\":[1.50, 1e300,  {\"x\":\"\\u00e9\"}],\"StopTimeout\":5," REST },
    { "their image does not count", "{\"Image\":\"other\",\"image\":\"x\"}", NULL },
    { "a byte order mark", "\xef\xbb\xbf{\"Image\":\"other\"}", "{" REST },
    { "image replaced", "{\"Image\":\"other\"}", "{" REST },
    { "their Env wins", "{\"Env\":[\"A=theirs\",\"B=\",\"C\"]}",
      "{" IMAGE "\"Env\":[\"IOTEDGE_MODULEID=m\",\"A=theirs\",\"B=\",\"C\"],\"Labels\":{" LABELS
      "},\"HostConfig\":{" HOST ",\"NetworkMode\":\"net\"}," JOINED "}" },
    { "an Env without a value wins, too", "{\"env\":[\"A\"]}",
      "{" IMAGE "\"Env\":[\"IOTEDGE_MODULEID=m\",\"A\"],\"Labels\":{" LABELS
      "},\"HostConfig\":{" HOST ",\"NetworkMode\":\"net\"}," JOINED "}" },
    { "names that begin alike", "{\"Env\":[\"AB=1\"]}",
      "{" IMAGE "\"Env\":[\"IOTEDGE_MODULEID=m\",\"A=ours\",\"AB=1\"],\"Labels\":{" LABELS
      "},\"HostConfig\":{" HOST ",\"NetworkMode\":\"net\"}," JOINED "}" },
    { "labels", "{\"Labels\":{\"x\":\"1\",\"skerry.module\":\"theirs\"}}",
      "{" IMAGE ENV ",\"Labels\":{\"x\":\"1\"," LABELS "},\"HostConfig\":{" HOST
      ",\"NetworkMode\":\"net\"}," JOINED "}" },
    { "HostConfig",
      "{\"HostConfig\":{\"Memory\":268435456,\"Binds\":[\"/a:/"
      "b\"],\"ExtraHosts\":[\"gate:9.9.9.9\"],"
      "\"DeviceRequests\":[{\"Count\":-1}]}}",
      "{" IMAGE ENV ",\"Labels\":{" LABELS
      "},\"HostConfig\":{\"Memory\":268435456,\"DeviceRequests\":[{\"Count\":-1}],\"Binds\":"
      "[\"/a:/b\",\"/run/w:/var/run/iotedge:ro\"],\"ExtraHosts\":[\"gate:9.9.9.9\"],"
      "\"NetworkMode\":\"net\"}," JOINED "}" },
    { "TCP goes, UDP stays",
      "{\"HostConfig\":{\"PortBindings\":{\"5001/tcp\":[{\"HostPort\":\"5001\"}],\"53/udp\":"
      "[{\"HostPort\":\"53\"}],\"80\":[{}],\"9/TCP\":[],\"7/sctp\":[]}}}",
      "{" IMAGE ENV ",\"Labels\":{" LABELS "},\"HostConfig\":{" HOST
      ",\"PortBindings\":{\"53/udp\":[{\"HostPort\":\"53\"}],\"7/"
      "sctp\":[]},\"NetworkMode\":\"net\"}," JOINED "}" },
    { "host network", "{\"HostConfig\":{\"NetworkMode\":\"host\"}}",
      "{" IMAGE ENV ",\"Labels\":{" LABELS "},\"HostConfig\":{" HOST
      ",\"NetworkMode\":\"host\"}}" },
    { "their networks",
      "{\"NetworkingConfig\":{\"EndpointsConfig\":{\"host\":{\"Aliases\":[\"x\"]}},\"New\":1}}",
      "{" IMAGE ENV ",\"Labels\":{" LABELS "},\"HostConfig\":{" HOST
      "},\"NetworkingConfig\":{\"EndpointsConfig\":{\"host\":{\"Aliases\":[\"x\"]}},\"New\":1}}" },
    { "no networks of theirs", "{\"NetworkingConfig\":{\"EndpointsConfig\":{},\"New\":1}}",
      "{" IMAGE ENV ",\"Labels\":{" LABELS "},\"HostConfig\":{" HOST
      ",\"NetworkMode\":\"net\"},\"NetworkingConfig\":{\"New\":1,\"EndpointsConfig\":{\"net\":{}}}"
      "}" },
    { "names without case", "{\"hostconfig\":{\"portbindings\":{\"1/tcp\":[]}}}",
      "{" IMAGE ENV ",\"Labels\":{" LABELS "},\"HostConfig\":{" HOST
      ",\"PortBindings\":{},\"NetworkMode\":\"net\"}," JOINED "}" },
};

/* [docker-20] to [docker-27] */
static void test_bodies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_DOCKER_BODY_MAX);
        SK_OWN(sk_json_free) struct sk_json *doc = NULL;
        struct sk_err err = SK_ERR_INIT;
        const struct sk_docker_create c = base(rows[i].options);
        int rc = sk_docker_merge(&c, &out, &err);
        if (!rows[i].body) {
            assert_int_equal(rc, -1);
            continue;
        }
        if (rc < 0 || strcmp(out.data, rows[i].body) != 0)
            fail_msg("%s: %s\n%s\n%s", rows[i].name, err.text, out.data, rows[i].body);
        if (sk_json_parse(out.data, out.len, NULL, &doc, &err) < 0)
            fail_msg("%s: %s", rows[i].name, err.text);
        assert_int_equal(sk_docker_check(&c, &err), 0);
    }
}

static void test_ports_stay_without_a_forwarder(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_DOCKER_BODY_MAX);
    struct sk_err err = SK_ERR_INIT;
    struct sk_docker_create c = base("{\"HostConfig\":{\"PortBindings\":{\"1/tcp\":[{}]},"
                                     "\"LogConfig\":{\"Type\":\"local\"}}}");

    (void)state;
    c.drop_port_bindings = false;
    c.log_bytes = 4 << 20;
    assert_int_equal(sk_docker_merge(&c, &out, &err), 0);
    assert_non_null(strstr(out.data, "\"PortBindings\":{\"1/tcp\":[{}]}"));
    assert_non_null(strstr(out.data, "\"LogConfig\":{\"Type\":\"local\"}"));
    assert_null(strstr(out.data, "json-file"));
}

/* [docker-28] */
static void test_whose_restarts(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_docker_create c = base("{\"HostConfig\":{\"RestartPolicy\":{\"Name\":\"always\"},"
                                     "\"autoremove\":true,\"Init\":true}}");

    (void)state;
    for (int i = 0; i < 2; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_DOCKER_BODY_MAX);
        c.is_supervised = i == 1;
        assert_int_equal(sk_docker_merge(&c, &out, &err), 0);
        assert_non_null(strstr(out.data, "\"Init\":true"));
        assert_true(!strstr(out.data, "RestartPolicy") == c.is_supervised);
        assert_true(!strstr(out.data, "autoremove") == c.is_supervised);
    }
}

/* [docker-24] [docker-29] */
static void test_further_labels_and_logs(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_DOCKER_BODY_MAX);
    struct sk_err err = SK_ERR_INIT;
    struct sk_docker_create c = base("{\"Labels\":{\"skerry.agent\":\"x\",\"a\":\"b\"}}");

    (void)state;
    c.labels = "{\"skerry.agent\":\"/data\",\"net.azure-devices.edge.original-image\":\"other\"}";
    c.log_bytes = 4 << 20;
    assert_int_equal(sk_docker_merge(&c, &out, &err), 0);
    assert_non_null(strstr(out.data, "\"Labels\":{\"a\":\"b\",\"net.azure-devices.edge.owner\":"));
    assert_non_null(strstr(out.data, "\"skerry.agent\":\"/data\""));
    assert_null(strstr(out.data, "\"net.azure-devices.edge.original-image\":\"r/i:v1\""));
    assert_non_null(strstr(out.data,
                           "\"LogConfig\":{\"Type\":\"json-file\",\"Config\":{\"max-size\":"
                           "\"2048k\",\"max-file\":\"2\"}}"));
}

/* [docker-20] [docker-21] */
static void test_refusals(void **state)
{
    static const struct {
        const char *options, *words;
    } bad[] = {
        { "[]", "expected an object" },
        { "{", "createOptions" },
        { "{\"a\":1e400}", "createOptions" },
        { "{\"a\":123456789012345678901234567890}", "createOptions" },
        { "{\"a\":1,\"a\":2}", "createOptions" },
        { "{\"Env\":{}}", "Env: expected an array" },
        { "{\"Env\":[1]}", "Env[0]" },
        { "{\"Env\":[],\"env\":[]}", "more than once" },
        { "{\"Labels\":[]}", "Labels" },
        { "{\"HostConfig\":7}", "HostConfig" },
        { "{\"HostConfig\":{\"Binds\":{}}}", "HostConfig.Binds" },
        { "{\"HostConfig\":{\"ExtraHosts\":[1]}}", "HostConfig.ExtraHosts[0]" },
        { "{\"HostConfig\":{\"PortBindings\":[]}}", "HostConfig.PortBindings" },
        { "{\"HostConfig\":{\"NetworkMode\":[]}}", "HostConfig.NetworkMode" },
        { "{\"HostConfig\":{\"LogConfig\":\"x\"}}", "HostConfig.LogConfig" },
        { "{\"HostConfig\":{\"binds\":[],\"BINDS\":[]}}", "HostConfig.Binds is there more" },
        { "{\"NetworkingConfig\":\"x\"}", "NetworkingConfig" },
        { "{\"NetworkingConfig\":{\"EndpointsConfig\":[]}}", "EndpointsConfig" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        const struct sk_docker_create c = base(bad[i].options);
        if (sk_docker_check(&c, &err) == 0 || !strstr(err.text, bad[i].words))
            fail_msg("%s: %s", bad[i].options, err.text);
        assert_int_equal(err.code, SK_INVALID);
    }
}

/* [docker-20] */
static void test_size(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 20);
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    sk_buf_str(&text, "{\"Cmd\":[\"");
    while (text.len < SK_DOCKER_OPTIONS_MAX - 3)
        sk_buf_chr(&text, 'x');
    sk_buf_str(&text, "\"]}");
    struct sk_docker_create c = base(text.data);
    assert_int_equal(text.len, SK_DOCKER_OPTIONS_MAX);
    assert_int_equal(sk_docker_check(&c, &err), 0);
    sk_buf_chr(&text, ' ');
    c.create_options = text.data;
    assert_int_equal(sk_docker_check(&c, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
}

static int merge_once(void *ctx, struct sk_err *err)
{
    const struct sk_docker_create c = base(
        "{\"Env\":[\"A=1\"],\"HostConfig\":{\"Binds\":[\"a:b\"]}}");
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_DOCKER_BODY_MAX);

    (void)ctx;
    return sk_docker_merge(&c, &out, err);
}

static void test_allocations(void **state)
{
    (void)state;
    (void)sk_alloc_sweep("merge", merge_once, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_ports_stay_without_a_forwarder),
        cmocka_unit_test(test_whose_restarts),
        cmocka_unit_test(test_further_labels_and_logs),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_allocations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
