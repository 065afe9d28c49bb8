/* test_api_core.c - tokens, devices and the audit log over HTTP. */
#include "hub_util.h"

static void tokens(void **state)
{
    struct hub_fixture *f = *state;
    struct answer a;
    const char *owner = f->made.owner_token;
    hub_ask(f, "POST", "/api/v1/tokens", owner,
            "{\"user\":\"ci \\\"x\\\"\",\"role\":\"publisher\",\"note\":\"n\",\"life_ms\":60000}",
            &a);
    hub_expect(&a, 201, "\"secret\":\"skt_");
    assert_string_equal(answer_header(&a, "Cache-Control"), "no-store");
    char secret[SK_TOKEN_TEXT], id[20], path[64];
    const char *at = strstr(a.body, "skt_");
    memcpy(secret, at, 64);
    secret[64] = '\0';
    memcpy(id, at + 4, 16);
    id[16] = '\0';
    hub_ask(f, "GET", "/api/v1/whoami", secret, NULL, &a);
    hub_expect(&a, 200, "{\"name\":\"ci \\\"x\\\"\",\"role\":\"publisher\"");
    hub_ask(f, "GET", "/api/v1/tokens", owner, NULL, &a);
    hub_expect(&a, 200, id);
    assert_null(strstr(a.body, secret + 21)); /* never again */
    (void)snprintf(path, sizeof path, "/api/v1/tokens/%s", id);
    hub_ask(f, "DELETE", path, owner, NULL, &a);
    hub_expect(&a, 200, "\"state\":\"revoked\"");
    hub_ask(f, "GET", "/api/v1/whoami", secret, NULL, &a);
    hub_expect(&a, 401, "revoked");
    hub_ask(f, "DELETE", path, owner, NULL, &a);
    hub_expect(&a, 409, "before");
    hub_ask(f, "DELETE", "/api/v1/tokens/none%22", owner, NULL, &a);
    hub_expect(&a, 404, "there is no token");
}

static void ones_own(void **state)
{
    struct hub_fixture *f = *state;
    struct answer a;
    char reader[SK_TOKEN_TEXT], other[SK_TOKEN_TEXT], path[64];
    hub_token(f, SK_ROLE_READER, reader);
    hub_token(f, SK_ROLE_PUBLISHER, other);
    (void)snprintf(path, sizeof path, "/api/v1/tokens/%.16s", other + 4);
    hub_ask(f, "DELETE", path, reader, NULL, &a);
    hub_expect(&a, 403, "needed is owner");
    (void)snprintf(path, sizeof path, "/api/v1/tokens/%.16s", reader + 4);
    hub_ask(f, "DELETE", path, reader, NULL, &a);
    hub_expect(&a, 200, "revoked");
    (void)snprintf(path, sizeof path, "/api/v1/tokens/%.16s", f->made.owner_token + 4);
    hub_ask(f, "DELETE", path, f->made.owner_token, NULL, &a);
    hub_expect(&a, 403, "last owner");
}

static void bad_tokens(void **state)
{
    struct hub_fixture *f = *state;
    static const char *const bodies[] = {
        "{\"user\":\"a\",\"role\":\"root\"}",
        "{\"user\":\"\",\"role\":\"reader\"}",
        "{\"user\":\"a\",\"role\":\"reader\",\"life_ms\":-1}",
        "{\"user\":\"a\",\"role\":\"reader\",\"life_ms\":9223372036854775807}",
        "{\"user\":\"a\\nb\",\"role\":\"reader\"}",
        "{\"user\":[],\"role\":\"reader\"}",
    };
    for (size_t i = 0; i < COUNT(bodies); i++) {
        struct answer a;
        hub_ask(f, "POST", "/api/v1/tokens", f->made.owner_token, bodies[i], &a);
        hub_expect(&a, 400, "\"error\"");
    }
    struct answer a;
    hub_ask(f, "GET", "/api/v1/audit", f->made.owner_token, NULL, &a);
    hub_expect(&a, 200, "\"next\":0");
    assert_non_null(strstr(a.body, "{\"rows\":[{\"id\":1,")); /* only that of init */
}

static void devices(void **state)
{
    struct hub_fixture *f = *state;
    struct answer a;
    char deployer[SK_TOKEN_TEXT];
    hub_token(f, SK_ROLE_DEPLOYER, deployer);
    hub_ask(f, "PUT", "/api/v1/devices/cam%231", deployer, "{}", &a);
    hub_expect(&a, 200, "{\"id\":\"cam#1\",\"primary_key\":\"");
    hub_ask(f, "PUT", "/api/v1/devices/cam%231/pulls", deployer,
            "{\"repositories\":[\"defects\",\"a/b\"]}", &a);
    hub_expect(&a, 200, "{}");
    assert_true(sk_accounts_device_may_pull(sk_hub_accounts(f->hub), "cam#1", "a/b"));

    static const struct {
        const char *path, *body;
        int status;
        const char *words;
    } bad[] = {
        { "/api/v1/devices/none/pulls", "{\"repositories\":[]}", 404, "no device" },
        { "/api/v1/devices/cam%231/pulls", "{}", 400, "must be a list" },
        { "/api/v1/devices/cam%231/pulls", "{\"repositories\":[1]}", 400, "must be texts" },
        { "/api/v1/devices/cam%231/pulls", "{\"repositories\":[\"\"]}", 400, "empty" },
        { "/api/v1/devices/a%2Fb", "{}", 400, "no device id" },
        { "/api/v1/devices/", "{}", 400, "no device id" },
        { "/api/v1/devices/x", "{\"primary_key\":\"short\"}", 400, "base64" },
        { "/api/v1/devices/x", "{\"thumbprint\":\"short\"}", 400, "thumbprint" },
    };

    for (size_t i = 0; i < COUNT(bad); i++) {
        hub_ask(f, "PUT", bad[i].path, deployer, bad[i].body, &a);
        hub_expect(&a, bad[i].status, bad[i].words);
    }
    assert_true(sk_accounts_device_may_pull(sk_hub_accounts(f->hub), "cam#1", "a/b"));
}

static void audit_pages(void **state)
{
    struct hub_fixture *f = *state;
    struct answer a;
    char token[SK_TOKEN_TEXT];
    const char *owner = f->made.owner_token;
    for (int i = 0; i < 5; i++)
        hub_token(f, SK_ROLE_READER, token);
    hub_ask(f, "GET", "/api/v1/audit?max=4", owner, NULL, &a);
    hub_expect(&a, 200, "\"next\":3}");
    hub_ask(f, "GET", "/api/v1/audit?max=4&before=3", owner, NULL, &a);
    hub_expect(&a, 200, "\"next\":0}");
    assert_non_null(strstr(a.body, "{\"rows\":[{\"id\":2,"));
    static const char *const bad[] = { "max=0", "max=1001", "max=x", "before=-1", "before=" };
    for (size_t i = 0; i < COUNT(bad); i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "/api/v1/audit?%s", bad[i]);
        hub_ask(f, "GET", path, owner, NULL, &a);
        hub_expect(&a, 400, "\"error\"");
    }
    hub_ask(f, "GET", "/api/v1/audit?max=1000", owner, NULL, &a);
    assert_int_equal(a.status, 200);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, hub_running, hub_gone)

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(tokens), ROW(ones_own), ROW(bad_tokens), ROW(devices),
                                        ROW(audit_pages) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
