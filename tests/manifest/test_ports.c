/*
 * test_ports.c - pairs of modules that do or do not want one port of the host.
 */
#include "said.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* Bindings of module a and of module b. */
static const struct {
    const char *a, *b;
    unsigned port; /* 0: they do not meet */
} rows[] = {
    { "\"80/tcp\":[{\"HostPort\":\"8080\"}]", "\"81/tcp\":[{\"HostPort\":\"8080\"}]", 8080 },
    { "\"80/tcp\":[{\"HostPort\":\"8080\"}]", "\"80/tcp\":[{\"HostPort\":\"8081\"}]", 0 },
    { "\"80/tcp\":[{\"HostPort\":\"8080\"}]", "\"80/udp\":[{\"HostPort\":\"8080\"}]", 0 },
    { "\"80\":[{\"HostPort\":\"8080\"}]", "\"80/TCP\":[{\"HostPort\":\"8080\"}]", 8080 },
    { "\"80/\":[{\"HostPort\":\"8080\"}]", "\"80/tcp\":[{\"HostPort\":\"8080\"}]", 8080 },
    { "\"80\":[{\"HostPort\":8080}]", "\"80\":[{\"HostPort\":\"8080\"}]", 8080 },
    /* addresses */
    { "\"80\":[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"1\"}]",
      "\"80\":[{\"HostIp\":\"10.0.0.1\",\"HostPort\":\"1\"}]", 1 },
    { "\"80\":[{\"HostIp\":\"\",\"HostPort\":\"1\"}]",
      "\"80\":[{\"HostIp\":\"::1\",\"HostPort\":\"1\"}]", 1 },
    { "\"80\":[{\"HostIp\":\"10.0.0.2\",\"HostPort\":\"1\"}]",
      "\"80\":[{\"HostIp\":\"10.0.0.1\",\"HostPort\":\"1\"}]", 0 },
    { "\"80\":[{\"HostIp\":\"10.0.0.1\",\"HostPort\":\"1\"}]",
      "\"80\":[{\"HostIp\":\"10.0.0.1\",\"HostPort\":\"1\"}]", 1 },
    { "\"80\":[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"1\"}]",
      "\"80\":[{\"HostIp\":\"::1\",\"HostPort\":\"1\"}]", 0 },
    { "\"80\":[{\"HostIp\":\"::\",\"HostPort\":\"1\"}]",
      "\"80\":[{\"HostIp\":\"FE80::1\",\"HostPort\":\"1\"}]", 1 },
    { "\"80\":[{\"HostIp\":\"fe80::1\",\"HostPort\":\"1\"}]",
      "\"80\":[{\"HostIp\":\"FE80::1\",\"HostPort\":\"1\"}]", 1 },
    /* ranges */
    { "\"5001-5003/tcp\":[{\"HostPort\":\"5001-5003\"}]", "\"1\":[{\"HostPort\":\"5002\"}]", 5002 },
    { "\"5001-5003/tcp\":[{\"HostPort\":\"6001\"}]", "\"1\":[{\"HostPort\":\"6003\"}]", 6003 },
    { "\"5001-5003/tcp\":[{\"HostPort\":\"6001\"}]", "\"1\":[{\"HostPort\":\"6004\"}]", 0 },
    { "\"1-9\":[{\"HostPort\":\"11-19\"}]", "\"1-9\":[{\"HostPort\":\"15-23\"}]", 15 },
    { "\"80\":[{\"HostPort\":\"5001-5003\"}]", "\"1\":[{\"HostPort\":\"5002\"}]", 0 }, /* one of */
    /* Docker chooses, or says no itself */
    { "\"80\":[{\"HostPort\":\"\"}]", "\"80\":[{\"HostPort\":\"\"}]", 0 },
    { "\"80\":[{\"HostPort\":\"0\"}]", "\"80\":[{\"HostPort\":\"0\"}]", 0 },
    { "\"80\":[{}]", "\"80\":[{}]", 0 },
    { "\"80\":null", "\"80\":{}", 0 },
    { "\"x\":[{\"HostPort\":\"1\"}]", "\"x\":[{\"HostPort\":\"1\"}]", 0 },
    { "\"80\":[{\"HostPort\":\"9-1\"}]", "\"80\":[{\"HostPort\":\"9-1\"}]", 0 },
    { "\"80\":[{\"HostPort\":\"1x\"}]", "\"80\":[{\"HostPort\":\"1x\"}]", 0 },
    { "\"80\":[{\"HostPort\":\"1\"},{\"HostPort\":\"1\"}]", "\"80\":[]", 0 }, /* one module */
    { "\"80\":[{\"HostIp\":\"10.0.0.1\",\"HostPort\":\"1\"},{\"HostPort\":\"2\"}]",
      "\"80\":[{\"HostPort\":\"3\"},{\"HostPort\":\"2\"}]", 2 },
};

static struct sk_json *agent_of(const char *a, const char *b, const char *more)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 20);
    struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;

    sk_buf_fmt(&text,
               "{\"systemModules\":{\"a\":{\"settings\":{\"createOptions\":{\"HostConfig\":{"
               "\"PortBindings\":{%s}}}}}},\"modules\":{\"b\":{\"settings\":{\"createOptions\":{"
               "\"HostConfig\":{\"PortBindings\":{%s}%s}}}}}}",
               a, b, more);
    if (sk_json_parse(text.data, text.len, NULL, &doc, &err) < 0)
        fail_msg("%s: %s", text.data, err.text);
    return doc;
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_OWN(sk_json_free) struct sk_json *agent = agent_of(rows[i].a, rows[i].b, "");
        struct sk_err err = SK_ERR_INIT;
        char wanted[128] = "";
        struct said s;

        said_init(&s, false);
        assert_int_equal(sk_check_ports(&s.check, agent, &err), 0);
        if (rows[i].port)
            (void)snprintf(wanted, sizeof(wanted),
                           "E ['properties.desired'].modules.b: host port %u/", rows[i].port);
        if (!sk_starts_with(said_text(&s), wanted) || (!rows[i].port && *said_text(&s)))
            fail_msg("row %zu: %s", i, said_text(&s));
        said_done(&s);
    }
}

/* Ports that no host has. */
static void test_numbers(void **state)
{
    static const struct {
        const char *port;
        bool is_refused;
    } numbers[] = {
        { "\"65535\"", false }, { "\"65536\"", true }, { "\"111111111111111111111111\"", true },
        { "65535", false },     { "70000", true },     { "-1", true },
        { "\"0\"", false },     { "\"web\"", false }
    };

    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        char b[100];
        struct sk_err err = SK_ERR_INIT;
        struct said s;

        (void)snprintf(b, sizeof(b), "\"80/tcp\":[{\"HostPort\":%s}]", numbers[i].port);
        SK_OWN(sk_json_free) struct sk_json *agent = agent_of("", b, "");
        said_init(&s, false);
        assert_int_equal(sk_check_ports(&s.check, agent, &err), 0);
        const char *wanted = numbers[i].is_refused
                                 ? "E ['properties.desired'].modules.b: HostPort of 80/tcp is"
                                 : "";
        if (!sk_starts_with(said_text(&s), wanted) || (!*wanted && *said_text(&s)))
            fail_msg("%s: %s", numbers[i].port, said_text(&s));
        said_done(&s);
    }
}

/* A module in the host's own network binds nothing. */
static void test_host(void **state)
{
    SK_OWN(sk_json_free)
    struct sk_json *agent = agent_of("\"1\":[{\"HostPort\":\"1\"}]", "\"1\":[{\"HostPort\":\"1\"}]",
                                     ",\"NetworkMode\":\"host\"");
    struct sk_err err = SK_ERR_INIT;
    struct said s;

    (void)state;
    said_init(&s, false);
    assert_int_equal(sk_check_ports(&s.check, agent, &err), 0);
    assert_string_equal(said_text(&s), "");
    said_done(&s);
}

static void test_limit(void **state)
{
    (void)state;
    for (unsigned n = SK_MANIFEST_PORTS_MAX; n <= SK_MANIFEST_PORTS_MAX + 1; n++) {
        SK_AUTO(sk_buf_done) struct sk_buf list = SK_BUF_INIT(1 << 20);
        SK_OWN(sk_json_free) struct sk_json *agent = NULL;
        struct sk_err err = SK_ERR_INIT;
        struct said s;

        sk_buf_str(&list, "\"1\":[{\"HostPort\":\"1\"}");
        for (unsigned i = 2; i <= n; i++)
            sk_buf_fmt(&list, ",{\"HostPort\":\"%u\"}", i);
        sk_buf_chr(&list, ']');
        agent = agent_of(list.data, "", "");
        said_init(&s, false);
        assert_int_equal(sk_check_ports(&s.check, agent, &err), n > SK_MANIFEST_PORTS_MAX ? -1 : 0);
        assert_int_equal(err.code, n > SK_MANIFEST_PORTS_MAX ? SK_LIMIT : SK_OK);
        said_done(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_host),
        cmocka_unit_test(test_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
