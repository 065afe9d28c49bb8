/* test_config.c - the agent's configuration. */
#include "rig.h"

#define BASE                                                                                       \
    "\"device\":\"d\",\"hub\":{\"name\":\"h\",\"caFile\":\"/ca\"},\"gateway\":\"g\","              \
    "\"listen\":[\"127.0.0.1\",\"::1\"],\"certFile\":\"/c\",\"keyFile\":\"/k\""

static int read_it(const char *text, struct sk_lh_config *c, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    if (sk_json_parse(text, strlen(text), NULL, &doc, err) < 0)
        fail_msg("%s: %s", text, err->text);
    return sk_lh_config_read(doc, c, err);
}

static void all_of_it_is_read(void **state)
{
    struct sk_lh_config c;
    struct sk_err err = SK_ERR_INIT;
    (void)state;
    DONE(read_it("{" BASE ",\"mqttPort\":18883,\"httpsPort\":0,\"metrics\":{\"address\":\"m\"},"
                 "\"trustFile\":\"/t\",\"x509\":null,\"spool\":{\"maxBytes\":5,\"evicts\":true},"
                 "\"instance\":\"i\",\"new\":1}",
                 &c, &err));
    assert_true(c.is_known);
    assert_string_equal(c.device, "d");
    assert_string_equal(c.hub_name, "h");
    assert_string_equal(c.hub_address, "h");
    assert_int_equal(c.hub_port, 8883);
    assert_string_equal(c.hub_ca, "/ca");
    assert_int_equal(c.listens, 2);
    assert_string_equal(c.listen[1], "::1");
    assert_int_equal(c.mqtt_port, 18883);
    assert_int_equal(c.https_port, 0);
    assert_string_equal(c.metrics_address, "m");
    assert_int_equal(c.metrics_port, 9600);
    assert_int_equal(c.spool_bytes, 5);
    assert_true(c.spool_evicts);
    DONE(read_it("{" BASE "}", &c, &err));
    assert_int_equal(c.metrics_port, 0);
    assert_int_equal(c.https_port, 443);
}

static void what_is_wrong_is_named(void **state)
{
    static const struct {
        const char *text, *words;
    } rows[] = {
        { "{}", "'device'" },
        { "{\"device\":\"a b\",\"hub\":{\"name\":\"h\"},\"gateway\":\"g\"}", "no device id" },
        { "{\"device\":7}", "'device': expected a string" },
        { "{\"device\":\"d\"}", "'hub' is missing" },
        { "{\"device\":\"d\",\"hub\":{}}", "hub: 'name'" },
        { "{\"device\":\"d\",\"hub\":{\"name\":\"h\",\"mqttPort\":70000}}", "'mqttPort'" },
        { "{\"device\":\"d\",\"hub\":{\"name\":\"h\"}}", "'gateway'" },
        { "{\"device\":\"d\",\"hub\":{\"name\":\"h\"},\"gateway\":\"g\",\"listen\":[1]}",
          "'listen': entry 0" },
        { "{\"device\":\"d\",\"hub\":{\"name\":\"h\"},\"gateway\":\"g\",\"listen\":[\"a\"]}",
          "'certFile'" },
        { "{\"device\":\"d\",\"hub\":{\"name\":\"h\"},\"gateway\":\"g\","
          "\"listen\":[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"]}",
          "at most 8" },
        { "{" BASE ",\"metrics\":{}}", "metrics: 'address'" },
        { "{" BASE ",\"spool\":{\"maxBytes\":-1}}", "spool: 'maxBytes'" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_lh_config c;
        struct sk_err err = SK_ERR_INIT;
        if (read_it(rows[i].text, &c, &err) == 0 || !strstr(err.text, rows[i].words))
            fail_msg("%s: %s", rows[i].text, err.text);
    }
}

static void another_device_is_refused(void **state)
{
    struct rig *r = *state;
    const char *why = agent_refused(r,
                                    "{\"type\":\"config\",\"device\":\"other\",\"hub\":{\"name\":"
                                    "\"h\"},\"gateway\":\"g\"}");
    if (!strstr(why, "this folder is of device 'edge'"))
        fail_msg("%s", why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_it_is_read),
        cmocka_unit_test(what_is_wrong_is_named),
        LONE_ROW(another_device_is_refused),
    };
    return cmocka_run_group_tests_name("localhub/config", tests, NULL, NULL);
}
