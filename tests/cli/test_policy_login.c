/* test_policy_login.c - which hub a policy's connection string means, and whom it trusts. */
#include "cli/policy_login_priv.h"

#include "cli_test.h"
#include "harness/golden.h"

#include <stdio.h>
#include <stdlib.h>

#define KEY    "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
#define POLICY ";SharedAccessKeyName=service;SharedAccessKey=" KEY

static void store(const char *name, const char *url)
{
    struct sk_context c = { .name = "" };
    struct sk_err err = SK_ERR_INIT;
    (void)snprintf(c.name, sizeof c.name, "%s", name);
    if (sk_context_set_url(&c, url, &err) < 0 || sk_context_save(&c, "PEM\n", 4, &err) < 0)
        fail_msg("%s", err.text);
}

static void hubs(void **state)
{
    static const struct {
        const char *host, *hub, *url, *ca; /* hub: SKERRY_HUB; ca: at the end of its file's name */
    } table[] = {
        { "far", NULL, "https://far:443", NULL },
        { "far:9000", NULL, "https://far:9000", NULL },
        { "near", NULL, "https://near:8443", "contexts/near/ca.pem" },
        { "NEAR", NULL, "https://near:8443", "contexts/near/ca.pem" },
        { "near:8443", NULL, "https://near:8443", "contexts/near/ca.pem" },
        { "near:443", NULL, "https://near:443", NULL },
        { "other", NULL, "https://other:9443", "contexts/other/ca.pem" },
        { "127.0.0.1", "http://127.0.0.1:5000", "http://127.0.0.1:5000", NULL },
        { "127.0.0.1:5000", "http://127.0.0.1:5000", "http://127.0.0.1:5000", NULL },
        { "near", "https://near:7000", "https://near:7000", NULL },
        { "near", "https://far", "https://near:8443", "contexts/near/ca.pem" },
    };

    char *dir = sk_test_dir();
    char login[512];
    (void)state;
    (void)unsetenv("SKERRY_TOKEN");
    (void)unsetenv("SKERRY_CA_FILE");
    (void)unsetenv("SSL_CERT_FILE");
    (void)unsetenv("REQUESTS_CA_BUNDLE");
    (void)unsetenv("SKERRY_HUB");
    assert_int_equal(setenv("SKERRY_CONFIG_DIR", dir, 1), 0);
    store("other", "https://other:9443");
    store("near", "https://near:8443");
    for (size_t i = 0; i < COUNT(table); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
        SK_AUTO(sk_buf_done) struct sk_buf header = SK_BUF_INIT(4096);
        if (table[i].hub)
            assert_int_equal(setenv("SKERRY_HUB", table[i].hub, 1), 0);
        else
            (void)unsetenv("SKERRY_HUB");
        (void)snprintf(login, sizeof login, "HostName=%s" POLICY, table[i].host);
        if (sk_cli_policy_login(login, &r, &header, &err) < 0)
            fail_msg("row %zu: %s", i, err.text);
        const struct sk_context *c = sk_remote_context(r);
        if (strcmp(c->url, table[i].url) != 0 || !c->ca_file != !table[i].ca ||
            (c->ca_file && !strstr(c->ca_file, table[i].ca)))
            fail_msg("row %zu: %s %s", i, c->url, c->ca_file);
        assert_null(c->token);
        assert_non_null(strstr(header.data, "Authorization: SharedAccessSignature sr="));
        assert_non_null(strstr(header.data, "skn=service"));
        assert_null(strstr(header.data, KEY));
    }
    (void)unsetenv("SKERRY_HUB");
    sk_test_dir_free(dir);
}

/* The order of those who say whom to believe. */
static void trust(void **state)
{
    static const struct {
        const char *host, *ours, *requests, *ssl, *ca;
    } table[] = {
        { "near", "", "", "", "contexts/near/ca.pem" },
        { "near", "ours", "requests", "ssl", "ours" },
        { "near", "", "requests", "ssl", "contexts/near/ca.pem" },
        { "far", "ours", "requests", "ssl", "ours" },
        { "far", "", "requests", "ssl", "requests" },
        { "far", "", "", "ssl", "ssl" },
        { "far", "", "", "", NULL },
    };

    char *dir = sk_test_dir();
    char login[256];
    (void)state;
    assert_int_equal(setenv("SKERRY_CONFIG_DIR", dir, 1), 0);
    store("near", "https://near:8443");
    for (size_t i = 0; i < COUNT(table); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
        SK_AUTO(sk_buf_done) struct sk_buf header = SK_BUF_INIT(4096);
        assert_int_equal(setenv("SKERRY_CA_FILE", table[i].ours, 1), 0);
        assert_int_equal(setenv("REQUESTS_CA_BUNDLE", table[i].requests, 1), 0);
        assert_int_equal(setenv("SSL_CERT_FILE", table[i].ssl, 1), 0);
        (void)snprintf(login, sizeof login, "HostName=%s" POLICY, table[i].host);
        assert_int_equal(sk_cli_policy_login(login, &r, &header, &err), 0);
        const char *ca = sk_remote_context(r)->ca_file;
        if (!ca != !table[i].ca || (ca && !strstr(ca, table[i].ca)))
            fail_msg("row %zu: %s", i, ca);
    }
    sk_test_dir_free(dir);
}

static void refusals(void **state)
{
    static const char *const table[] = {
        "",
        "HostName=a",
        "HostName=a;DeviceId=d;SharedAccessKey=" KEY,
        "HostName=a;SharedAccessKeyName=service;SharedAccessKey=",
        "HostName=a b" POLICY,
        "SharedAccessKeyName=service;SharedAccessKey=" KEY,
    };

    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_remote *r = NULL;
        SK_AUTO(sk_buf_done) struct sk_buf header = SK_BUF_INIT(4096);
        if (sk_cli_policy_login(table[i], &r, &header, &err) == 0)
            fail_msg("'%s' is taken", table[i]);
        assert_null(strstr(err.text, KEY));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(hubs), cmocka_unit_test(trust),
                                        cmocka_unit_test(refusals) };
    return cmocka_run_group_tests_name("policy_login", tests, NULL, NULL);
}
