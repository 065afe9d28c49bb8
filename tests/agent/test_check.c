/* test_check.c - findings of `edge check`, on a folder with this and that wrong. */
#include "agent/agent_util.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct found {
    char rows[8192];
    unsigned count;
};

static int note(void *ctx, const char *group, const char *name, const char *result,
                const char *text, const char *fix, struct sk_err *err)
{
    struct found *f = ctx;
    size_t n = strlen(f->rows);
    (void)err;
    (void)snprintf(f->rows + n, sizeof f->rows - n, "%s.%s=%s: %.200s (%.100s)\n", group, name,
                   result, text, fix);
    f->count++;
    return 0;
}

static int stop_at_third(void *ctx, const char *group, const char *name, const char *result,
                         const char *text, const char *fix, struct sk_err *err)
{
    unsigned *count = ctx;
    (void)group, (void)name, (void)result, (void)text, (void)fix;
    return ++*count < 3 ? 0 : sk_fail(err, SK_CANCELLED, "enough");
}

static void look(struct rig *r, struct found *f)
{
    struct sk_agent_options o = { .dir = at(r->dir, "edge"), .program = at(r->dir, "program") };
    struct sk_err err = SK_ERR_INIT;
    memset(f, 0, sizeof *f);
    DONE(sk_agent_check(&o, note, f, &err));
}

static void expect(const struct found *f, const char *words)
{
    if (!strstr(f->rows, words))
        fail_msg("'%s' is not in\n%s", words, f->rows);
}

static void answer(struct rig *r, const char *json)
{
    char script[300];
    (void)snprintf(script, sizeof script, "#!/bin/sh\ncat > /dev/null\necho '%s'\n", json);
    write_text(at(r->dir, "program"), script);
    assert_int_equal(chmod(at(r->dir, "program"), 0700), 0);
}

static int set_up(void **state)
{
    struct sk_agent_made made;
    struct sk_err err = SK_ERR_INIT;
    rig_set_up(state);
    struct rig *r = *state;
    const struct sk_agent_init in = {
        .dir = at(r->dir, "edge"),
        .connection_string = "HostName=127.0.0.1:1;DeviceId=d;SharedAccessKey=a2V5",
        .hub_mqtt_port = 1,
        .docker_socket = "/none",
    };
    DONE(sk_agent_init(&in, &made, &err));
    answer(r, "{\"answers\":[{\"status\":200,\"modules\":[{\"module\":\"$edgeAgent\"}]}]}");
    return 0;
}

static void test_folder(void **state)
{
    struct rig *r = *state;
    struct sk_agent_options o = { .dir = at(r->dir, "none") };
    struct found f = { .count = 0 };
    struct sk_err err = SK_ERR_INIT;
    DONE(sk_agent_check(&o, note, &f, &err));
    assert_int_equal(f.count, 1);
    expect(&f, "configuration.folder=error");
    expect(&f, "(skerry edge init makes one)");
    write_text(at(r->dir, "edge/edge.json"), "{");
    look(r, &f);
    assert_int_equal(f.count, 1);
    expect(&f, "edge.json");
}

static void test_rows(void **state)
{
    struct rig *r = *state;
    struct found f;
    look(r, &f);
    assert_in_range(f.count, 13, 20);
    static const char *const rows[] = {
        "configuration.folder=ok",
        "configuration.secrets=ok",
        "configuration.hub-ca=ok: the hub is checked with the system's certificates",
        "configuration.gateway-name=ok: modules reach this device as '127.0.0.1'",
        "connectivity.agent=error: no agent runs",
        "connectivity.hub-https=ok: the hub answers over HTTPS, and knows this device",
        "connectivity.hub-mqtt=error: the hub's MQTT port 1",
        "connectivity.docker=warning: no Docker Engine answers at '/none'",
        "production.disk=",
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        expect(&f, rows[i]);
}

static void test_wrong(void **state)
{
    struct rig *r = *state;
    struct found f;
    assert_int_equal(chmod(at(r->dir, "edge/secrets/master.key"), 0644), 0);
    answer(r, "{\"answers\":[{\"status\":401,\"error\":\"the token is no good\"}]}");
    look(r, &f);
    expect(&f, "configuration.secrets=error: '");
    expect(&f, "can be read by others (chmod 600");
    expect(&f, "connectivity.hub-https=error: the hub does not accept this device: the token is no "
               "good (at the hub: is the device there and enabled");
    answer(r, "{\"answers\":[{\"status\":0,\"error\":\"no route\"}]}");
    look(r, &f);
    expect(&f, "connectivity.hub-https=error: no route (look for a name that is not known, a "
               "firewall on port 1,");
    answer(r, "{\"answers\":[{\"status\":200,\"modules\":[]}]}");
    look(r, &f);
    expect(&f,
           "connectivity.hub-https=error: the hub knows this device, but not as an edge device");
    answer(r, "{\"answers\":[{\"status\":429,\"error\":\"too many\"}]}");
    look(r, &f);
    expect(&f, "connectivity.hub-https=warning: the hub refuses logins from this address for now");
    answer(r, "{");
    look(r, &f);
    expect(&f, "connectivity.hub-https=error: ");
}

static void test_hub_ca(void **state)
{
    struct rig *r = *state;
    struct found f;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_agent_config_done) struct sk_agent_config c = { .publish = "" };
    DONE(sk_agent_config_load(at(r->dir, "edge"), &c, &err));
    c.has_hub_ca = true;
    (void)snprintf(c.gateway, sizeof c.gateway, "no-such-name.invalid");
    DONE(sk_agent_config_save(at(r->dir, "edge"), &c, &err));
    look(r, &f);
    expect(&f, "configuration.hub-ca=error");
    expect(&f, "configuration.gateway-name=warning: the name 'no-such-name.invalid'");
    SK_OWN(free) char *ca = text_of(at(r->dir, "edge/tls/ca.pem"));
    write_text(at(r->dir, "edge/tls/hub-ca.pem"), ca);
    look(r, &f);
    expect(&f, "configuration.hub-ca=ok: the hub's CA is good for");
}

static void test_stops(void **state)
{
    struct rig *r = *state;
    struct sk_agent_options o = { .dir = at(r->dir, "edge"), .program = at(r->dir, "program") };
    unsigned count = 0;
    struct sk_err err = SK_ERR_INIT;
    FAILS(sk_agent_check(&o, stop_at_third, &count, &err), SK_CANCELLED, "enough");
    assert_int_equal(count, 3);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, set_up, rig_tear_down)
    const struct CMUnitTest tests[] = { ROW(test_folder), ROW(test_rows), ROW(test_wrong),
                                        ROW(test_hub_ca), ROW(test_stops) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
