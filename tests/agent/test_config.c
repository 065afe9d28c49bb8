/* test_config.c - edge.json: every key, there and back, and with what it may not hold. */
#include "agent/agent_util.h"
#include "harness/alloc_fail.h"

#include <stdio.h>
#include <stdlib.h>

#define NEEDED "\"device\":\"d\",\"hub\":\"h\",\"hubAddress\":\"a\",\"gateway\":\"g\""

static void test_round_trip(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_agent_config c = {
        .device = "a \"device\"",
        .hub_name = "hub",
        .hub_address = "10.0.0.1",
        .hub_https_port = 444,
        .hub_mqtt_port = 8884,
        .is_x509 = true,
        .gateway = "gw.test",
        .listen = { (char *)(uintptr_t) "127.0.0.1", (char *)(uintptr_t) "::1" },
        .publish = "127.0.0.2",
        .mqtt_port = 1,
        .https_port = 2,
        .metrics_port = 3,
        .disk_bytes = 1ull << 40,
        .spool_bytes = 5,
        .docker_socket = "/d",
        .verify_keys = { (char *)(uintptr_t) "/k" },
        .probation_ms = 7000,
        .gate_ms = 8000,
        .has_hub_ca = true,
    };
    DONE(sk_agent_config_save(r->dir, &c, &err));
    SK_AUTO(sk_agent_config_done) struct sk_agent_config got = { .publish = "" };
    DONE(sk_agent_config_load(r->dir, &got, &err));
    assert_string_equal(got.device, c.device);
    assert_string_equal(got.hub_name, c.hub_name);
    assert_string_equal(got.hub_address, c.hub_address);
    assert_string_equal(got.gateway, c.gateway);
    assert_string_equal(got.publish, c.publish);
    assert_string_equal(got.docker_socket, c.docker_socket);
    assert_string_equal(got.listen[0], c.listen[0]);
    assert_string_equal(got.listen[1], c.listen[1]);
    assert_null(got.listen[2]);
    assert_string_equal(got.verify_keys[0], "/k");
    assert_true(got.is_x509 && got.has_hub_ca);
    assert_int_equal(got.hub_https_port, 444);
    assert_int_equal(got.hub_mqtt_port, 8884);
    assert_int_equal(got.mqtt_port, 1);
    assert_int_equal(got.https_port, 2);
    assert_int_equal(got.metrics_port, 3);
    assert_int_equal(got.disk_bytes, c.disk_bytes);
    assert_int_equal(got.spool_bytes, 5);
    assert_int_equal(got.probation_ms, 7000);
    assert_int_equal(got.gate_ms, 8000);
}

static void test_defaults(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_agent_config_done) struct sk_agent_config got = { .publish = "" };
    write_text(at(r->dir, "edge.json"), "{" NEEDED "}");
    DONE(sk_agent_config_load(r->dir, &got, &err));
    assert_string_equal(got.publish, "0.0.0.0");
    assert_string_equal(got.docker_socket, "/var/run/docker.sock");
    assert_false(got.is_x509 || got.has_hub_ca);
    assert_int_equal(got.hub_https_port, 443);
    assert_int_equal(got.hub_mqtt_port, 8883);
    assert_int_equal(got.mqtt_port, 8883);
    assert_int_equal(got.https_port, 443);
    assert_int_equal(got.metrics_port, 9600);
    assert_int_equal(got.disk_bytes, 8ull << 30);
    assert_int_equal(got.spool_bytes, 2ull << 30);
    assert_int_equal(got.probation_ms, 120000);
    assert_int_equal(got.gate_ms, 60000);
}

static void test_bad(void **state)
{
    struct rig *r = *state;

    static const struct {
        const char *text, *words;
        enum sk_code code;
    } rows[] = {
        { "{", "edge.json", SK_INVALID },
        { "[]", "edge.json", SK_INVALID },
        { "{\"hub\":\"h\",\"hubAddress\":\"a\",\"gateway\":\"g\"}", "'device' is missing",
          SK_INVALID },
        { "{\"device\":\"d\",\"hubAddress\":\"a\",\"gateway\":\"g\"}", "'hub' is missing",
          SK_INVALID },
        { "{\"device\":\"d\",\"hub\":\"h\",\"gateway\":\"g\"}", "'hubAddress' is missing",
          SK_INVALID },
        { "{\"device\":\"d\",\"hub\":\"h\",\"hubAddress\":\"a\"}", "'gateway' is missing",
          SK_INVALID },
        { "{" NEEDED ",\"format\":2}", "later version", SK_UNSUPPORTED },
        { "{" NEEDED ",\"format\":\"1\"}", "'format'", SK_INVALID },
        { "{" NEEDED ",\"auth\":3}", "'auth'", SK_INVALID },
        { "{" NEEDED ",\"auth\":\"key\"}", "'auth'", SK_INVALID },
        { "{" NEEDED ",\"auth\":\"long password\"}", "'auth'", SK_LIMIT },
        { "{" NEEDED ",\"hubHttpsPort\":65536}", "'hubHttpsPort'", SK_INVALID },
        { "{" NEEDED ",\"hubMqttPort\":-1}", "'hubMqttPort'", SK_INVALID },
        { "{" NEEDED ",\"mqttPort\":\"1\"}", "'mqttPort'", SK_INVALID },
        { "{" NEEDED ",\"httpsPort\":1.5}", "'httpsPort'", SK_INVALID },
        { "{" NEEDED ",\"metricsPort\":[]}", "'metricsPort'", SK_INVALID },
        { "{" NEEDED ",\"hubCa\":1}", "'hubCa'", SK_INVALID },
        { "{" NEEDED ",\"listen\":\"a\"}", "'listen'", SK_INVALID },
        { "{" NEEDED ",\"listen\":[1]}", "'listen': expected texts", SK_INVALID },
        { "{" NEEDED ",\"listen\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\"]}",
          "'listen' has more than 7", SK_LIMIT },
        { "{" NEEDED ",\"verifyKeys\":{}}", "'verifyKeys'", SK_INVALID },
        { "{" NEEDED ",\"publish\":1}", "'publish'", SK_INVALID },
        { "{" NEEDED ",\"dockerSocket\":1}", "'dockerSocket'", SK_INVALID },
        { "{" NEEDED ",\"diskBytes\":-1}", "'diskBytes'", SK_INVALID },
        { "{" NEEDED ",\"spoolBytes\":\"1\"}", "'spoolBytes'", SK_INVALID },
        { "{" NEEDED ",\"probationSeconds\":true}", "'probationSeconds'", SK_INVALID },
        { "{" NEEDED ",\"gateSeconds\":9223372036854775807}", "'gateSeconds'", SK_INVALID },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_agent_config got;
        struct sk_err err = SK_ERR_INIT;
        write_text(at(r->dir, "edge.json"), rows[i].text);
        if (sk_agent_config_load(r->dir, &got, &err) == 0)
            fail_msg("%s: taken", rows[i].text);
        if (err.code != rows[i].code || !strstr(err.text, rows[i].words))
            fail_msg("%s: %s: %s", rows[i].text, sk_code_name(err.code), err.text);
    }
}

static void test_missing(void **state)
{
    struct rig *r = *state;
    struct sk_agent_config got;
    struct sk_err err = SK_ERR_INIT;
    FAILS(sk_agent_config_load(r->dir, &got, &err), SK_NOT_FOUND, "skerry edge init");
}

static int load_it(void *ctx, struct sk_err *err)
{
    struct sk_agent_config got;
    if (sk_agent_config_load(ctx, &got, err) < 0)
        return -1;
    int rc = sk_agent_config_save(ctx, &got, err);
    sk_agent_config_done(&got);
    return rc;
}

static void test_no_memory(void **state)
{
    struct rig *r = *state;
    write_text(at(r->dir, "edge.json"),
               "{" NEEDED ",\"listen\":[\"a\",\"b\"],\"verifyKeys\":[\"k\"]}");
    assert_true(sk_alloc_sweep("config", load_it, r->dir, 0) > 8);
}

static void test_path(void **state)
{
    (void)state;

    static const struct {
        const char *dir, *a, *b, *want;
    } rows[] = {
        { "/d", "a", NULL, "/d/a" },
        { "/d", "a", "b", "/d/a/b" },
        { "d/", "a", "b.c", "d/a/b.c" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_OWN(free) char *got = sk_agent_path(rows[i].dir, rows[i].a, rows[i].b);
        assert_string_equal(got, rows[i].want);
    }
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)
    const struct CMUnitTest tests[] = { ROW(test_round_trip), ROW(test_defaults),  ROW(test_bad),
                                        ROW(test_missing),    ROW(test_no_memory), ROW(test_path) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
