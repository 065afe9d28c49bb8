/* test_init.c - from a connection string to a device's folder: all of it, or nothing. */
#include "agent/agent_util.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define STRING "HostName=hub.test:8443;DeviceId=press-4;SharedAccessKey=a2V5"

static struct sk_agent_init init_of(struct rig *r, const char *string)
{
    return (struct sk_agent_init){ .dir = at(r->dir, "edge"), .connection_string = string };
}

static void test_made(void **state)
{
    struct rig *r = *state;
    static const char *const listen[] = { "127.0.0.1", "192.0.2.1", NULL };
    struct sk_agent_init in = init_of(r, STRING);
    struct sk_agent_made made;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_agent_config_done) struct sk_agent_config c = { .publish = "" };
    struct sk_agent_secrets s;
    struct stat st;
    in.listen = listen;
    in.hostname = "gw.test";
    in.disk_bytes = 1000;
    DONE(sk_agent_init(&in, &made, &err));
    assert_string_equal(made.device, "press-4");
    assert_string_equal(made.hub, "hub.test");
    assert_string_equal(made.gateway, "gw.test");
    assert_true(sk_is_file(made.ca_file));
    DONE(sk_agent_config_load(in.dir, &c, &err));
    assert_string_equal(c.device, "press-4");
    assert_string_equal(c.hub_name, "hub.test");
    assert_int_equal(c.hub_https_port, 8443);
    assert_int_equal(c.hub_mqtt_port, 8883);
    assert_string_equal(c.listen[1], "192.0.2.1");
    assert_int_equal(c.disk_bytes, 1000);
    assert_int_equal(c.spool_bytes, 250);
    assert_false(c.is_x509 || c.has_hub_ca);
    DONE(sk_agent_secrets_load(in.dir, &s, &err));
    assert_string_equal(s.device_key, "a2V5");
    assert_int_equal(stat(in.dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0711); /* users of modules pass through */
    assert_int_equal(stat(at(in.dir, "secrets"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_false(sk_is_dir(at(r->dir, "edge.new")));
}

static void test_refused(void **state)
{
    struct rig *r = *state;

    static const struct {
        const char *name, *string, *cert, *key, *words;
        uint64_t spool;
        enum sk_code code;
    } rows[] = {
        { "no string", "x", NULL, NULL, "connection string", 0, SK_INVALID },
        { "of the hub", "HostName=h;SharedAccessKeyName=owner;SharedAccessKey=a2V5", NULL, NULL,
          "--edge-enabled", 0, SK_USAGE },
        { "of a module", "HostName=h;DeviceId=d;ModuleId=m;SharedAccessKey=a2V5", NULL, NULL,
          "a module's connection string", 0, SK_USAGE },
        { "port", "HostName=h:0;DeviceId=d;SharedAccessKey=a2V5", NULL, NULL, "port", 0,
          SK_INVALID },
        { "no certificate", "HostName=h;DeviceId=d;x509=true", NULL, NULL, "--cert-file", 0,
          SK_USAGE },
        { "certificate beside a key", STRING, "/c", "/k", "needs no --cert-file", 0, SK_USAGE },
        { "missing certificate", "HostName=h;DeviceId=d;x509=true", "/none", "/none", "--cert-file",
          0, SK_NOT_FOUND },
        { "spool", STRING, NULL, NULL, "--spool-size", 1ull << 40, SK_USAGE },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_agent_init in = init_of(r, rows[i].string);
        struct sk_agent_made made;
        struct sk_err err = SK_ERR_INIT;
        in.cert_file = rows[i].cert;
        in.key_file = rows[i].key;
        in.spool_bytes = rows[i].spool;
        if (sk_agent_init(&in, &made, &err) == 0)
            fail_msg("%s: taken", rows[i].name);
        if (err.code != rows[i].code || !strstr(err.text, rows[i].words))
            fail_msg("%s: %s: %s", rows[i].name, sk_code_name(err.code), err.text);
        if (sk_is_dir(in.dir) || sk_is_dir(at(r->dir, "edge.new")))
            fail_msg("%s: something is left", rows[i].name);
    }
}

static void test_x509(void **state)
{
    struct rig *r = *state;
    struct sk_agent_init in = init_of(r, "HostName=h;DeviceId=d;x509=true");
    struct sk_agent_made made;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_agent_config_done) struct sk_agent_config c = { .publish = "" };
    struct sk_agent_secrets s;
    struct stat st;
    write_text(at(r->dir, "c.pem"), "certificate");
    write_text(at(r->dir, "k.pem"), "key");
    in.cert_file = at(r->dir, "c.pem");
    in.key_file = at(r->dir, "k.pem");
    DONE(sk_agent_init(&in, &made, &err));
    DONE(sk_agent_config_load(in.dir, &c, &err));
    assert_true(c.is_x509);
    DONE(sk_agent_secrets_load(in.dir, &s, &err));
    assert_string_equal(s.device_key, "");
    assert_int_equal(stat(at(in.dir, "secrets/device-key.pem"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    SK_OWN(free) char *cert = text_of(at(in.dir, "secrets/device.pem"));
    assert_string_equal(cert, "certificate");
}

static void test_hub_ca(void **state)
{
    struct rig *r = *state;
    struct sk_agent_init in = init_of(r, STRING);
    struct sk_agent_made made;
    struct sk_err err = SK_ERR_INIT;
    bool is_new;
    DONE(sk_agent_certs(r->dir, &r->a.config, "", 1764000000, &is_new, &err));
    char ca[400];
    (void)snprintf(ca, sizeof ca, "%s/tls/ca.pem", r->dir);
    in.hub_ca_file = ca;
    DONE(sk_agent_init(&in, &made, &err));
    assert_int_equal(strlen(made.ca_sha256), 64);
    SK_OWN(free) char *kept = text_of(at(in.dir, "tls/hub-ca.pem"));
    SK_OWN(free) char *given = text_of(ca);
    assert_string_equal(kept, given);
    in.force = true;
    write_text(ca, "no certificate");
    FAILS(sk_agent_init(&in, &made, &err), SK_INVALID, "hub's CA");
    assert_true(sk_is_file(at(in.dir, "edge.json"))); /* the one that is there stays */
    in.hub_ca_file = NULL;
    in.hub_ca_sha256 = "aa"; /* nobody listens there */
    in.connection_string = "HostName=127.0.0.1:1;DeviceId=d;SharedAccessKey=a2V5";
    assert_int_equal(sk_agent_init(&in, &made, &err), -1);
    assert_true(sk_is_file(at(in.dir, "edge.json")));
}

static void test_force(void **state)
{
    struct rig *r = *state;
    struct sk_agent_init in = init_of(r, STRING);
    struct sk_agent_made made;
    struct sk_err err = SK_ERR_INIT;
    assert_int_equal(mkdir(in.dir, 0700), 0); /* an empty folder is taken */
    DONE(sk_agent_init(&in, &made, &err));
    FAILS(sk_agent_init(&in, &made, &err), SK_EXISTS, "--force");
    SK_OWN(free) char *first = text_of(at(in.dir, "tls/ca.pem"));
    in.force = true;
    DONE(sk_agent_init(&in, &made, &err));
    DONE(sk_agent_init(&in, &made, &err));
    SK_OWN(free) char *aside = text_of(at(r->dir, "edge.old-1/tls/ca.pem"));
    assert_string_equal(first, aside); /* nothing is deleted */
    assert_true(sk_is_dir(at(r->dir, "edge.old-2")));
    /* A folder of something else is not touched. */
    in.dir = at(r->dir, "other");
    assert_int_equal(mkdir(in.dir, 0700), 0);
    write_text(at(in.dir, "x"), "x");
    FAILS(sk_agent_init(&in, &made, &err), SK_EXISTS, "not empty");
    assert_true(sk_is_file(at(r->dir, "other/x")));
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)
    const struct CMUnitTest tests[] = { ROW(test_made), ROW(test_refused), ROW(test_x509),
                                        ROW(test_hub_ca), ROW(test_force) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
