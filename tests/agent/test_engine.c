/* test_engine.c - the hub's CA for a Docker Engine: where it goes, and what is left alone. */
#include "agent/agent_util.h"
#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>

static const char pem[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

static char *read_all(const char *folder, const char *name)
{
    SK_OWN(free) char *dir = sk_path_join(folder, name);
    SK_OWN(free) char *path = sk_path_join(dir, "ca.crt");
    struct sk_err err = SK_ERR_INIT;
    char *text = NULL;
    size_t len;
    return sk_file_read(path, 1 << 20, &text, &len, &err) == 0 ? text : NULL;
}

static void give_ca(struct rig *r, bool is_there)
{
    SK_OWN(free) char *tls = sk_path_join(r->dir, "tls");
    SK_OWN(free) char *path = sk_path_join(tls, "hub-ca.pem");
    struct sk_err err = SK_ERR_INIT;
    DONE(sk_mkdirs(tls, 0755, &err));
    if (is_there)
        DONE(sk_file_write(path, pem, strlen(pem), 0644, &err));
}

static void names(void **state)
{
    struct rig *r = *state;

    static const struct {
        uint16_t port;
        const char *there[2];
        const char *absent;
    } rows[] = {
        { 443, { "hub.example", "hub.example:443" }, "hub.example:8443" },
        { 8443, { "hub.example:8443", NULL }, "hub.example" },
    };

    give_ca(r, true);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sk_err err = SK_ERR_INIT;
        char certs[256];
        const struct sk_agent_config c = { .hub_name = "hub.example",
                                           .hub_https_port = rows[i].port,
                                           .has_hub_ca = true };
        (void)snprintf(certs, sizeof certs, "%s/certs-%zu", r->dir, i);
        DONE(sk_agent_docker_ca(r->dir, &c, certs, &err));
        for (size_t k = 0; k < 2 && rows[i].there[k]; k++) {
            SK_OWN(free) char *text = read_all(certs, rows[i].there[k]);
            assert_non_null(text);
            assert_non_null(strstr(text, pem));
        }
        SK_OWN(free) char *none = read_all(certs, rows[i].absent);
        assert_null(none);
    }
}

static void what_is_not_ours(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    const struct sk_agent_config c = { .hub_name = "hub",
                                       .hub_https_port = 8443,
                                       .has_hub_ca = true };
    char folder[256], path[300];
    give_ca(r, true);
    (void)snprintf(folder, sizeof folder, "%s/certs/hub:8443", r->dir);
    (void)snprintf(path, sizeof path, "%s/ca.crt", folder);
    DONE(sk_mkdirs(folder, 0755, &err));
    DONE(sk_file_write(path, "mine", 4, 0644, &err));
    (void)snprintf(folder, sizeof folder, "%s/certs", r->dir);
    DONE(sk_agent_docker_ca(r->dir, &c, folder, &err));
    SK_OWN(free) char *text = read_all(folder, "hub:8443");
    assert_string_equal(text, "mine");
}

static void without_a_ca(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_agent_config c = { .hub_name = "hub", .hub_https_port = 443 };
    char certs[256];
    give_ca(r, false);
    (void)snprintf(certs, sizeof certs, "%s/certs", r->dir);
    DONE(sk_agent_docker_ca(r->dir, &c, certs, &err));
    assert_false(sk_is_dir(certs));
    c.has_hub_ca = true;
    assert_int_equal(sk_agent_docker_ca(r->dir, &c, certs, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names, rig_set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_ours, rig_set_up, rig_tear_down),
        cmocka_unit_test_setup_teardown(without_a_ca, rig_set_up, rig_tear_down),
    };
    return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
