/* test_ports.c - PortBindings, and what of them is opened, aimed and closed at the keeper. */
#include "agent/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BIND(inner) "{\"HostConfig\":{\"PortBindings\":{" inner "}}}"

static void test_bindings(void **state)
{
    (void)state;

    static const struct {
        const char *name, *options, *want;
    } rows[] = {
        { "none", "{}", "" },
        { "null", "{\"HostConfig\":null}", "" },
        { "one", BIND("\"5001/tcp\":[{\"HostPort\":\"5001\"}]"), "m/0.0.0.0:5001/tcp=5001/tcp " },
        { "bare", BIND("\"5001\":[{\"HostPort\":\"80\"}]"), "m/0.0.0.0:80/tcp=5001/tcp " },
        { "number", BIND("\"5001/tcp\":[{\"HostPort\":81}]"), "m/0.0.0.0:81/tcp=5001/tcp " },
        { "no port", BIND("\"5001/tcp\":[{}]"), "m/0.0.0.0:5001/tcp=5001/tcp " },
        { "empty port", BIND("\"5001/tcp\":[{\"HostPort\":\"\"}]"),
          "m/0.0.0.0:5001/tcp=5001/tcp " },
        { "address", BIND("\"1/tcp\":[{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"2\"}]"),
          "m/127.0.0.1:2/tcp=1/tcp " },
        { "two of one", BIND("\"1/tcp\":[{\"HostPort\":\"2\"},{\"HostPort\":\"3\"}]"),
          "m/0.0.0.0:2/tcp=1/tcp m/0.0.0.0:3/tcp=1/tcp " },
        { "udp", BIND("\"53/udp\":[{\"HostPort\":\"53\"}]"), "m/0.0.0.0:53/udp=53/udp " },
        { "no list", BIND("\"1/tcp\":null"), "" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_agent_port ports[4];
        struct sk_err err = SK_ERR_INIT;
        size_t count = 0;
        char got[300] = "";
        DONE(sk_agent_ports("m", rows[i].options, "0.0.0.0", ports, COUNT(ports), &count, &err));
        for (size_t k = 0; k < count; k++) {
            size_t n = strlen(got);
            (void)snprintf(got + n, sizeof got - n, "%.100s=%s ", ports[k].name,
                           ports[k].container);
        }
        if (strcmp(got, rows[i].want) != 0)
            fail_msg("%s: '%s'", rows[i].name, got);
    }
}

static void test_bad(void **state)
{
    (void)state;

    static const struct {
        const char *options, *words;
        enum sk_code code;
    } rows[] = {
        { "{", "createOptions", SK_INVALID },
        { "{\"HostConfig\":3}", "'HostConfig'", SK_INVALID },
        { "{\"HostConfig\":{\"PortBindings\":[]}}", "'PortBindings'", SK_INVALID },
        { BIND("\"\":[{}]"), "'' is no port", SK_INVALID },
        { BIND("\"0/tcp\":[{}]"), "PortBindings", SK_INVALID },
        { BIND("\"65536/tcp\":[{}]"), "PortBindings", SK_INVALID },
        { BIND("\"a/tcp\":[{}]"), "PortBindings", SK_INVALID },
        { BIND("\"1/icmp\":[{}]"), "neither tcp, udp nor sctp", SK_INVALID },
        { BIND("\"1/tcp\":[{\"HostPort\":\"0\"}]"), "1/tcp", SK_INVALID },
        { BIND("\"1/tcp\":[{\"HostPort\":70000}]"), "out of range", SK_INVALID },
        { BIND("\"1/tcp\":[{\"HostPort\":\"x\"}]"), "1/tcp", SK_INVALID },
        { BIND("\"1/tcp\":[{\"HostPort\":\"8000-8010\"}]"), "1/tcp", SK_INVALID },
        { BIND("\"1/tcp\":[{},{\"HostPort\":\"2\"},{\"HostPort\":\"3\"}]"), "more than 2",
          SK_LIMIT },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_agent_port ports[2];
        struct sk_err err = SK_ERR_INIT;
        size_t count = 0;
        if (sk_agent_ports("m", rows[i].options, "", ports, COUNT(ports), &count, &err) == 0)
            fail_msg("%s: taken", rows[i].options);
        if (err.code != rows[i].code || !strstr(err.text, rows[i].words))
            fail_msg("%s: %s: %s", rows[i].options, sk_code_name(err.code), err.text);
    }
}

/* ---- with a keeper ---- */

static char *dir;

static void begin(enum sk_runtime_kind kind)
{
    *world = (struct world){ .s = { .kind = kind, .wanted = "v2" }, .now_ms = 1000000 };
}

static struct sk_agent_slot slot_of(const char *options, enum sk_runtime_kind kind)
{
    char module[500];
    struct sk_agent_slot s = { .is_started = true, .image.kind = kind };
    (void)snprintf(module, sizeof module, "{\"settings\":{\"image\":\"i\",\"createOptions\":%s}}",
                   options);
    s.spec = spec_of("cats", module);
    (void)snprintf(s.instance.address, sizeof s.instance.address, "172.18.0.2");
    return s;
}

static void check_ports(const char *want)
{
    char got[400] = "";
    for (size_t i = 0; i < world->port_count; i++) {
        size_t n = strlen(got);
        (void)snprintf(got + n, sizeof got - n, "%.60s>%.60s ", world->ports[i], world->targets[i]);
    }
    if (strcmp(got, want) != 0)
        fail_msg("'%s', not '%s'", got, want);
}

static void test_native(void **state)
{
    (void)state;
    begin(SK_RUNTIME_NATIVE);
    struct sk_agent_module *m = world_open(dir, NULL);
    struct sk_agent_slot s = slot_of(
        BIND("\"1/tcp\":[{\"HostPort\":\"2\"}],\"9/udp\":[{}],\"3/tcp\":[{}]"), SK_RUNTIME_NATIVE);
    struct sk_runtime_socket sockets[4];
    char names[4][24];
    size_t count = 0;
    struct sk_err err = SK_ERR_INIT;
    DONE(sk_agent_open_ports(m, &s, sockets, names, COUNT(sockets), &count, &err));
    assert_int_equal(count, 2); /* UDP is not the keeper's */
    assert_string_equal(sockets[0].container_port, "1/tcp");
    assert_string_equal(sockets[1].container_port, "3/tcp");
    for (size_t i = 0; i < count; i++)
        assert_int_equal(close(sockets[i].fd), 0);
    check_ports("cats/127.0.0.1:2/tcp> cats/127.0.0.1:3/tcp> ");
    /* The second one fails: the first one's descriptor is closed, nothing is given. */
    world_fault("listen", FAULT_ERROR);
    *world->last_point = '\0';
    FAILS(sk_agent_open_ports(m, &s, sockets, names, COUNT(sockets), &count, &err), SK_IO,
          "port 127.0.0.1:2");
    assert_int_equal(count, 0);
    /* What another spec has too stays. */
    struct sk_agent_slot other = slot_of(BIND("\"1/tcp\":[{\"HostPort\":\"2\"}]"), 0);
    DONE(sk_agent_close_ports(m, &s, &other, &err));
    check_ports("cats/127.0.0.1:2/tcp> ");
    DONE(sk_agent_close_ports(m, &s, NULL, &err));
    check_ports("");
    sk_agent_slot_clear(&s);
    sk_agent_slot_clear(&other);
    DONE(sk_agent_close_ports(m, &s, NULL, &err));
    world_close();
}

/* Such a container binds its ports itself. */
static void test_networks_of_others(void **state)
{
    static const char *const modes[] = { "host", "none", "container:other" };
    (void)state;
    for (size_t i = 0; i < COUNT(modes); i++) {
        char options[200];
        struct sk_err err = SK_ERR_INIT;
        size_t count = 1;
        begin(SK_RUNTIME_DOCKER);
        struct sk_agent_module *m = world_open(dir, NULL);
        (void)snprintf(options, sizeof options,
                       "{\"HostConfig\":{\"NetworkMode\":\"%s\",\"PortBindings\":{\"5001/tcp\":"
                       "[{\"HostPort\":\"80\"}]}}}",
                       modes[i]);
        struct sk_agent_slot s = slot_of(options, SK_RUNTIME_DOCKER);
        DONE(sk_agent_open_ports(m, &s, NULL, NULL, 4, &count, &err));
        DONE(sk_agent_aim_ports(m, &s, &err));
        assert_int_equal(count, 0);
        check_ports("");
        sk_agent_slot_clear(&s);
        world_close();
    }
}

static void test_docker(void **state)
{
    (void)state;
    begin(SK_RUNTIME_DOCKER);
    struct sk_agent_module *m = world_open(dir, NULL);
    struct sk_agent_slot s = slot_of(BIND("\"5001/tcp\":[{\"HostPort\":\"80\"}]"),
                                     SK_RUNTIME_DOCKER);
    size_t count = 1;
    struct sk_err err = SK_ERR_INIT;
    DONE(sk_agent_open_ports(m, &s, NULL, NULL, 4, &count, &err));
    assert_int_equal(count, 0); /* the keeper's own */
    DONE(sk_agent_aim_ports(m, &s, &err));
    check_ports("cats/127.0.0.1:80/tcp>172.18.0.2:5001 ");
    *s.instance.address = '\0';
    *world->last_point = '\0';
    DONE(sk_agent_aim_ports(m, &s, &err));
    check_ports("cats/127.0.0.1:80/tcp> ");
    world->port_count = 0; /* another keeper */
    *world->last_point = '\0';
    FAILS(sk_agent_aim_ports(m, &s, &err), SK_NOT_FOUND, "port 127.0.0.1:80");
    sk_agent_slot_clear(&s);
    world_close();
}

/* All of the module that the spec has not, and nothing of others whose names begin alike. */
static void test_tidy(void **state)
{
    (void)state;
    static const char *const names[] = { "cats/127.0.0.1:2/tcp", "cats/127.0.0.1:7/tcp",
                                         "cats2/127.0.0.1:8/tcp", "cat/127.0.0.1:9/tcp" };
    begin(SK_RUNTIME_NATIVE);
    struct sk_agent_module *m = world_open(dir, NULL);
    struct sk_agent_slot s = slot_of(BIND("\"1/tcp\":[{\"HostPort\":\"2\"}]"), 0);
    struct sk_err err = SK_ERR_INIT;
    for (size_t i = 0; i < COUNT(names); i++)
        (void)snprintf(world->ports[world->port_count++], sizeof world->ports[0], "%s", names[i]);
    DONE(sk_agent_tidy_ports(m, &s, &err));
    assert_int_equal(world->port_count, 3);
    DONE(sk_agent_tidy_ports(m, NULL, &err));
    assert_int_equal(world->port_count, 2);
    (void)snprintf(world->ports[world->port_count++], sizeof world->ports[0], "cats/x");
    *world->last_point = '\0';
    world_fault("close", FAULT_ERROR);
    FAILS(sk_agent_tidy_ports(m, NULL, &err), SK_IO, "a fault");
    sk_agent_slot_clear(&s);
    world_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bindings),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_native),
        cmocka_unit_test(test_docker),
        cmocka_unit_test(test_networks_of_others),
        cmocka_unit_test(test_tidy),
    };
    world_begin();
    dir = sk_test_dir();
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    sk_test_dir_free(dir);
    return rc;
}
