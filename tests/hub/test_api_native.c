/* test_api_native.c - the rights of every row of /api/v1: what a reader may not, and nobody without
 * a token. */
#include "hub_util.h"

static bool is_reading(const struct sk_hub_route *r)
{
    return strcmp(r->method, "GET") == 0 && !strstr(r->path, "uploads");
}

static void rights(void **state)
{
    struct hub_fixture *f = *state;
    char reader[SK_TOKEN_TEXT], deployer[SK_TOKEN_TEXT];

    hub_token(f, SK_ROLE_READER, reader);
    hub_token(f, SK_ROLE_DEPLOYER, deployer);
    for (const struct sk_hub_route *r = sk_hub_routes_native; r->method; r++) {
        const char *const tokens[] = { NULL, reader, deployer };
        char path[256];

        (void)snprintf(path, sizeof(path), "%s%s", r->path, r->flags & SK_HUB_PREFIX ? "x" : "");
        for (size_t i = 0; i < COUNT(tokens); i++) {
            struct answer a;
            bool is_refused;

            hub_ask(f, r->method, path, tokens[i], NULL, &a);
            is_refused = a.status == 401 || a.status == 403;
            if (is_refused != (!tokens[i] || !is_reading(r)))
                fail_msg("%s %s, token %zu: %d %s", r->method, path, i, a.status, a.body);
            assert_non_null(a.status < 400 ? a.body : strstr(a.body, "\"error\""));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rights, hub_running, hub_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
