/* test_docker_config.c - logins in docker's file. Helpers: test_helper.c. */
#include "oci/server.h"

#include "harness/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HUB "\"https://index.docker.io/v1/\""

/* [oci-41] */
static void files(void **state)
{
    static const struct {
        const char *text, *host;
        const char *username, *password, *identity, *token; /* NULL: none */
    } rows[] = {
        { "{}", "h:1", NULL, NULL, NULL, NULL },
        { "{\"auths\":{}}", "h:1", NULL, NULL, NULL, NULL },
        { "{\"auths\":{\"h:1\":{\"auth\":\"dTpw\"}}}", "h:1", "u", "p", NULL, NULL },
        { "{\"auths\":{\"h:1\":{\"auth\":\"dTpwOnE=\"}}}", "h:1", "u", "p:q", NULL, NULL },
        { "{\"auths\":{\"h:1\":{\"auth\":\"dTpwAAA=\"}}}", "h:1", "u", "p", NULL, NULL },
        { "{\"auths\":{\"h:1\":{\"username\":\"u\",\"password\":\"p\"}}}", "h:1", "u", "p", NULL,
          NULL },
        { "{\"auths\":{\"https://h:1/v2/\":{\"auth\":\"dTpw\"}}}", "h:1", "u", "p", NULL, NULL },
        { "{\"auths\":{\"h:2\":{\"auth\":\"dTpw\"}}}", "h:1", NULL, NULL, NULL, NULL },
        { "{\"auths\":{\"h:1.example\":{\"auth\":\"dTpw\"}}}", "h:1", NULL, NULL, NULL, NULL },
        { "{\"auths\":{" HUB ":{\"auth\":\"dTpw\"}}}", "docker.io", "u", "p", NULL, NULL },
        { "{\"auths\":{\"docker.io\":{\"auth\":\"dTpw\"}}}", "docker.io", "u", "p", NULL, NULL },
        { "{\"auths\":{\"h:1\":{\"auth\":\"\",\"identitytoken\":\"i\"}}}", "h:1", NULL, NULL, "i",
          NULL },
        { "{\"auths\":{\"h:1\":{\"registrytoken\":\"r\"}}}", "h:1", NULL, NULL, NULL, "r" },
        { "{\"auths\":{\"h:1\":{}},\"credsStore\":\"\",\"HttpHeaders\":{\"a\":1}}", "h:1", NULL,
          NULL, NULL, NULL },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(sk_oci_login_done) struct sk_oci_login l = { 0 };
        struct sk_err err = SK_ERR_INIT;
        (void)oci_file(*state, "config.json", rows[i].text);
        if (sk_oci_login_find(rows[i].host, &l, &err) < 0)
            fail_msg("row %zu: %s", i, err.text);
        const char *got[] = { l.username, l.password, l.identity_token, l.registry_token };
        const char *want[] = { rows[i].username, rows[i].password, rows[i].identity,
                               rows[i].token };
        for (size_t k = 0; k < 4; k++)
            if (!got[k] != !want[k] || (got[k] && strcmp(got[k], want[k]) != 0))
                fail_msg("row %zu: field %zu is %s", i, k, got[k] ? got[k] : "(none)");
    }
}

static void broken_files(void **state)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        { "", "config.json" },
        { "[]", "expected an object" },
        { "{\"auths\":[]}", "'auths': expected an object" },
        { "{\"auths\":{\"h:1\":7}}", "auths: 'h:1': expected an object" },
        { "{\"auths\":{\"h:1\":{\"auth\":\"!secret!\"}}}", "auths: 'h:1': 'auth'" },
        { "{\"auths\":{\"h:1\":{\"auth\":\"c2VjcmV0\"}}}", "is not USER:PASSWORD" },
        { "{\"credsStore\":1}", "'credsStore': expected a string" },
        { "{\"credHelpers\":{\"h:1\":1}}", "'h:1': expected a string" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_oci_login l;
        struct sk_err err = SK_ERR_INIT;
        (void)oci_file(*state, "config.json", rows[i].text);
        if (sk_oci_login_find("h:1", &l, &err) == 0 || !strstr(err.text, rows[i].says) ||
            strstr(err.text, "secret"))
            fail_msg("row %zu: %s", i, err.text);
    }
}

static void places(void **state)
{
    SK_AUTO(sk_oci_login_done) struct sk_oci_login l = { 0 };
    struct sk_err err = SK_ERR_INIT;
    char path[512];

    assert_int_equal(sk_oci_login_find("h:1", &l, &err), 0); /* no file */
    assert_null(l.username);
    (void)unsetenv("DOCKER_CONFIG");
    (void)snprintf(path, sizeof path, "mkdir %s/.docker", (const char *)*state);
    assert_int_equal(system(path), 0);
    (void)oci_file(*state, ".docker/config.json", "{\"auths\":{\"h:1\":{\"auth\":\"dTpw\"}}}");
    assert_int_equal(sk_oci_login_find("h:1", &l, &err), 0);
    assert_string_equal(l.username, "u");
    sk_oci_login_done(&l);
    (void)unsetenv("HOME");
    assert_int_equal(sk_oci_login_find("h:1", &l, &err), 0);
    assert_null(l.username);
}

static int find(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_oci_login_done) struct sk_oci_login l = { 0 };

    (void)ctx;
    return sk_oci_login_find("h:1", &l, err);
}

static void out_of_memory(void **state)
{
    (void)oci_file(*state, "config.json",
                   "{\"auths\":{\"h:1\":{\"auth\":\"dTpw\",\"identitytoken\":\"i\"}}}");
    assert_true(sk_alloc_sweep("login", find, NULL, 0) > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(broken_files, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(places, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(out_of_memory, oci_surround, oci_unsurround),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
