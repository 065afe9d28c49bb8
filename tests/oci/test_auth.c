/* test_auth.c - what is sent to a registry and to its login server, and when. */
#include "oci/server.h"

#include "harness/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TAGS        HEAD("200 OK") "Content-Length: 12\r\n\r\n{\"tags\":[]}\n"
#define BASIC       HEAD("401 No") "WWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n"
#define TOKEN(json) HEAD("200 OK") "\r\n" json

static int none(void *ctx, const char *name, struct sk_err *err)
{
    (void)ctx;
    (void)name;
    (void)err;
    return 0;
}

static int ask(struct oci_server *o, struct sk_err *err)
{
    return sk_oci_tags(o->r, "a/b", none, NULL, err);
}

/* A 401 that leads to a path of the same server. */
static const char *bearer(const struct oci_server *o, const char *more, char out[512])
{
    (void)snprintf(out, 512,
                   HEAD("401 No") "WWW-Authenticate: Bearer realm=\"%s/token\"%s\r\n"
                                  "Content-Length: 0\r\n\r\n",
                   o->url, more);
    return out;
}

static bool has(const struct oci_server *o, unsigned n, const char *text)
{
    return n < o->s->count && strstr(o->s->requests[n], text) != NULL;
}

/* [oci-43] */
static void basic(void **state)
{
    static const char *const replies[] = { BASIC, TAGS, NULL };
    const struct sk_oci_options opts = { .username = "u", .password = "p:q" };
    struct oci_server o;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    oci_server_start(&o, replies, &opts);
    assert_int_equal(ask(&o, &err), 0);
    assert_int_equal(ask(&o, &err), 0);
    oci_server_stop(&o);
    assert_int_equal(o.s->count, 3);
    assert_false(has(&o, 0, "Authorization"));
    assert_true(has(&o, 1, "Authorization: Basic dTpwOnE=\r\n"));
    assert_true(has(&o, 2, "Authorization: Basic dTpwOnE=\r\n")); /* at once */
    oci_server_done(&o);
}

/* [oci-44] */
static void tokens(void **state)
{
    char first[512];
    const char *replies[] = { first, TOKEN("{\"token\":\"t1\",\"expires_in\":300}"), TAGS, NULL };
    const struct sk_oci_options opts = { .username = "u", .password = "p" };
    struct oci_server o;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    first[0] = '\0';
    oci_server_start(&o, replies, &opts);
    (void)bearer(&o, ",service=\"s x\",scope=\"repository:other:pull\"", first);
    assert_int_equal(ask(&o, &err), 0);
    assert_int_equal(ask(&o, &err), 0);
    oci_server_stop(&o);
    assert_int_equal(o.s->count, 4);
    assert_true(has(&o, 1,
                    "GET /token?service=s%20x&scope=repository%3Aa%2Fb%3Apull&"
                    "scope=repository%3Aother%3Apull&client_id=skerry&account=u HTTP"));
    assert_true(has(&o, 1, "Authorization: Basic dTpw\r\n"));
    assert_true(has(&o, 2, "Authorization: Bearer t1\r\n"));
    assert_true(has(&o, 3, "Authorization: Bearer t1\r\n"));
    oci_server_done(&o);
}

/* [oci-45] */
static void identity_token(void **state)
{
    char first[512], config[512];
    const char *replies[] = { first, TOKEN("{\"access_token\":\"t\"}"), TAGS, NULL };
    struct oci_server o;
    struct sk_err err = SK_ERR_INIT;

    first[0] = '\0';
    oci_server_start(&o, replies, NULL);
    (void)bearer(&o, ",service=\"s\"", first);
    (void)snprintf(config, sizeof config,
                   "{\"auths\":{\"%s\":{\"auth\":\"\",\"identitytoken\":\"i&d\"}}}", o.host);
    (void)oci_file(*state, "config.json", config);
    sk_oci_registry_free(o.r);
    const struct sk_oci_options opts = { .host = o.host, .plain_http = true };
    assert_int_equal(sk_oci_registry_new(&opts, &o.r, &err), 0);
    assert_int_equal(ask(&o, &err), 0);
    oci_server_stop(&o);
    assert_true(has(&o, 1, "POST /token HTTP"));
    assert_true(has(&o, 1,
                    "\r\n\r\ngrant_type=refresh_token&client_id=skerry&service=s&"
                    "scope=repository%3Aa%2Fb%3Apull&refresh_token=i%26d"));
    assert_false(has(&o, 1, "Authorization"));
    assert_true(has(&o, 2, "Authorization: Bearer t\r\n"));
    oci_server_done(&o);
}

static void fixed_token(void **state)
{
    static const char *const replies[] = { TAGS, BASIC, NULL };
    const struct sk_oci_options opts = { .token = "fixed" };
    struct oci_server o;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    oci_server_start(&o, replies, &opts);
    assert_int_equal(ask(&o, &err), 0);
    assert_int_equal(ask(&o, &err), -1);
    assert_int_equal(err.code, SK_UNAUTHENTICATED);
    assert_non_null(strstr(err.text, "does not accept the token"));
    assert_null(strstr(err.text, "fixed"));
    oci_server_stop(&o);
    assert_true(has(&o, 0, "Authorization: Bearer fixed\r\n"));
    assert_int_equal(o.s->count, 2);
    oci_server_done(&o);
}

/* [oci-46] A refusal ends it: no login is tried twice. */
static void refusals(void **state)
{
    static const struct {
        const char *username, *replies[4], *says;
        unsigned count;
    } rows[] = {
        { NULL, { BASIC }, "wants a login", 1 },
        { "u", { BASIC, BASIC }, "does not accept the login", 2 },
        { "u", { HEAD("401 No") "\r\n" }, "does not accept the login", 1 },
        { NULL, { "B", HEAD("401 No") "Content-Type: text/plain\r\n\r\nwho?" }, "who?", 2 },
        { NULL, { "B", TOKEN("{}") }, "has no token", 2 },
        { NULL, { "B", TOKEN("{\"token\":1}") }, "'token': expected a string", 2 },
        { NULL, { "B", TOKEN("<html>") }, "a token from its login server", 2 },
        { NULL, { "B", TOKEN("{\"token\":\"a\\nX: y\"}") }, "control character", 2 },
        { "u", { "B", TOKEN("{\"token\":\"t\"}"), "B" }, "does not accept the login", 3 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char challenge[512] = "";
        const char *replies[5] = { NULL };
        const struct sk_oci_options opts = { .username = rows[i].username, .password = "secret" };
        struct oci_server o;
        struct sk_err err = SK_ERR_INIT;
        for (size_t k = 0; k < 4 && rows[i].replies[k]; k++)
            replies[k] = strcmp(rows[i].replies[k], "B") == 0 ? challenge : rows[i].replies[k];
        oci_server_start(&o, replies, &opts);
        (void)bearer(&o, "", challenge);
        int rc = ask(&o, &err);
        oci_server_stop(&o);
        if (rc == 0 || !strstr(err.text, rows[i].says) || strstr(err.text, "secret") ||
            o.s->count != rows[i].count)
            fail_msg("row %zu: %d %s, %u requests", i, rc, err.text, o.s->count);
        oci_server_done(&o);
    }
}

/* [oci-47] */
static void realms(void **state)
{
    static const struct {
        const char *base, *realm;
        bool is_denied;
    } rows[] = {
        { "https://h.example", "http://a.example/token", true },
        { "https://h.example", "ftp://a.example/token", true },
        { "https://h.example", "a.example/token", true },
        { "http://h.example", "file:///etc/passwd", true },
        { "https://h.example", "http://127.0.0.1:1/token", false },
        { "http://h.example", "http://127.0.0.1:1/token", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        static const char *const replies[] = { OK, NULL };
        const struct sk_oci_options opts = { .username = "u", .password = "p" };
        const struct sk_oci_request q = { .scope = "repository:a:pull" };
        SK_OWN(free) char *line = NULL;
        struct oci_server o;
        struct sk_err err = SK_ERR_INIT;
        oci_server_start(&o, replies, &opts);
        free(o.r->base);
        o.r->base = strdup(rows[i].base);
        o.r->challenge.scheme = SK_OCI_BEARER;
        (void)snprintf(o.r->challenge.realm, sizeof o.r->challenge.realm, "%s", rows[i].realm);
        assert_int_equal(sk_oci_authorize(o.r, &q, &line, &err), -1);
        if ((err.code == SK_DENIED) != rows[i].is_denied)
            fail_msg("row %zu: %s", i, err.text);
        oci_server_done(&o);
    }
}

static void many_scopes(void **state)
{
    static const char *const replies[] = { TOKEN("{\"token\":\"t\"}"), NULL };
    struct oci_server o;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    oci_server_start(&o, replies, NULL);
    o.r->challenge.scheme = SK_OCI_BEARER;
    (void)snprintf(o.r->challenge.realm, sizeof o.r->challenge.realm, "%s/token", o.url);
    for (int i = 0; i < SK_OCI_TOKENS_MAX + 3; i++) {
        SK_OWN(free) char *line = NULL;
        char scope[64];
        const struct sk_oci_request q = { .scope = scope };
        (void)snprintf(scope, sizeof scope, "repository:r%d:pull", i);
        assert_int_equal(sk_oci_authorize(o.r, &q, &line, &err), 0);
        assert_string_equal(line, "Authorization: Bearer t");
    }
    assert_int_equal(o.r->token_count, SK_OCI_TOKENS_MAX);
    oci_server_done(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(basic, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(tokens, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(identity_token, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(fixed_token, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(refusals, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(realms, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(many_scopes, oci_surround, oci_unsurround),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
