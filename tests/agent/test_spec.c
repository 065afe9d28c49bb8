/* test_spec.c - what a deployment says of its modules: objects, hashes, tags, logins, values. */
#include "agent/agent_util.h"
#include "harness/alloc_fail.h"

#include <stdio.h>
#include <stdlib.h>

#define IMAGE "\"settings\":{\"image\":\"r.test/cats:v1\"}"

/* ---- objects ---- */

static void test_fields(void **state)
{
    (void)state;

    static const struct {
        const char *name, *module;
        bool is_running, may_pull;
        enum sk_agent_policy policy;
        uint32_t order;
        const char *version, *options;
    } rows[] = {
        { "defaults", "{" IMAGE "}", true, true, SK_POLICY_ON_UNHEALTHY, UINT32_MAX, "", "{}" },
        { "stopped", "{" IMAGE ",\"status\":\"stopped\"}", false, true, SK_POLICY_ON_UNHEALTHY,
          UINT32_MAX, "", "{}" },
        { "all",
          "{" IMAGE ",\"status\":\"running\",\"restartPolicy\":\"always\",\"version\":\"1.2\","
          "\"imagePullPolicy\":\"never\",\"startupOrder\":0,\"type\":\"docker\"}",
          true, false, SK_POLICY_ALWAYS, 0, "1.2", "{}" },
        { "never", "{" IMAGE ",\"restartPolicy\":\"never\",\"imagePullPolicy\":\"on-create\"}",
          true, true, SK_POLICY_NEVER, UINT32_MAX, "", "{}" },
        { "on-failure", "{" IMAGE ",\"restartPolicy\":\"on-failure\",\"startupOrder\":4294967295}",
          true, true, SK_POLICY_ON_FAILURE, UINT32_MAX, "", "{}" },
        { "null is absent", "{" IMAGE ",\"status\":null,\"startupOrder\":null}", true, true,
          SK_POLICY_ON_UNHEALTHY, UINT32_MAX, "", "{}" },
        { "options as text",
          "{\"settings\":{\"image\":\"r.test/cats:v1\",\"createOptions\":\"{\\\"a\\\":1}\"}}", true,
          true, SK_POLICY_ON_UNHEALTHY, UINT32_MAX, "", "{\"a\":1}" },
        { "options as an object",
          "{\"settings\":{\"image\":\"r.test/cats:v1\",\"createOptions\":{\"a\":1}}}", true, true,
          SK_POLICY_ON_UNHEALTHY, UINT32_MAX, "", "{\"a\":1}" },
        { "options in chunks",
          "{\"settings\":{\"image\":\"r.test/cats:v1\",\"createOptions\":\"{\\\"a\\\"\","
          "\"createOptions01\":\":1\",\"createOptions02\":\"}\"}}",
          true, true, SK_POLICY_ON_UNHEALTHY, UINT32_MAX, "", "{\"a\":1}" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_OWN(sk_agent_spec_unref) struct sk_agent_spec *s = spec_of("cats", rows[i].module);
        if (s->is_running != rows[i].is_running || s->may_pull != rows[i].may_pull ||
            s->policy != rows[i].policy || s->order != rows[i].order ||
            strcmp(s->version, rows[i].version) != 0 ||
            strcmp(s->create_options, rows[i].options) != 0)
            fail_msg("%s: running %d, pull %d, policy %s, order %u, version '%s', options %s",
                     rows[i].name, s->is_running, s->may_pull, sk_agent_policy_name(s->policy),
                     s->order, s->version, s->create_options);
        assert_string_equal(s->name, "cats");
        assert_string_equal(s->image, "r.test/cats:v1");
        assert_int_equal(strlen(s->hash), 64);
    }
}

static void test_bad(void **state)
{
    (void)state;

    static const struct {
        const char *name, *module, *words;
    } rows[] = {
        { "text", "\"x\"", "expected an object" },
        { "empty", "{}", "settings.image is missing" },
        { "empty image", "{\"settings\":{\"image\":\"\"}}", "settings.image is missing" },
        { "image", "{\"settings\":{\"image\":3}}", "'image'" },
        { "settings", "{\"settings\":[]}", "'settings'" },
        { "status", "{" IMAGE ",\"status\":\"paused\"}", "'paused' is none of its values" },
        { "status' type", "{" IMAGE ",\"status\":1}", "'status'" },
        { "policy", "{" IMAGE ",\"restartPolicy\":\"sometimes\"}", "'restartPolicy'" },
        { "pull", "{" IMAGE ",\"imagePullPolicy\":\"always\"}", "'imagePullPolicy'" },
        { "order", "{" IMAGE ",\"startupOrder\":-1}", "'startupOrder'" },
        { "large order", "{" IMAGE ",\"startupOrder\":4294967296}", "'startupOrder'" },
        { "options", "{\"settings\":{\"image\":\"a\",\"createOptions\":\"{\"}}", "createOptions" },
        { "gap",
          "{\"settings\":{\"image\":\"a\",\"createOptions\":\"{\",\"createOptions02\":\"}\"}}",
          "createOptions" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_OWN(sk_json_free) struct sk_json *doc = json_of(rows[i].module);
        struct sk_agent_spec *s = NULL;
        struct sk_err err = SK_ERR_INIT;
        if (sk_agent_spec_new("cats", doc, NULL, &s, &err) == 0)
            fail_msg("%s: taken", rows[i].name);
        if (err.code != SK_INVALID || !strstr(err.text, rows[i].words) ||
            !strstr(err.text, "module 'cats'"))
            fail_msg("%s: %s: %s", rows[i].name, sk_code_name(err.code), err.text);
    }
}

/* ---- hashes ---- */

static void test_hash(void **state)
{
    (void)state;

    static const struct {
        const char *name, *a, *b;
        bool is_same;
    } rows[] = {
        { "order of members", "{" IMAGE ",\"env\":{\"a\":{\"value\":1},\"b\":{\"value\":2}}}",
          "{\"env\":{\"b\":{\"value\":2},\"a\":{\"value\":1}}," IMAGE "}", true },
        { "white space", "{" IMAGE "}", "{ " IMAGE " }", true },
        { "status", "{" IMAGE "}", "{" IMAGE ",\"status\":\"stopped\"}", true },
        { "restartPolicy", "{" IMAGE ",\"restartPolicy\":\"never\"}",
          "{" IMAGE ",\"restartPolicy\":\"always\"}", true },
        { "startupOrder", "{" IMAGE "}", "{" IMAGE ",\"startupOrder\":3}", true },
        { "imagePullPolicy", "{" IMAGE "}", "{" IMAGE ",\"imagePullPolicy\":\"never\"}", true },
        { "image", "{" IMAGE "}", "{\"settings\":{\"image\":\"r.test/cats:v2\"}}", false },
        { "version", "{" IMAGE "}", "{" IMAGE ",\"version\":\"2\"}", false },
        { "env", "{" IMAGE "}", "{" IMAGE ",\"env\":{\"a\":{\"value\":\"1\"}}}", false },
        { "a value", "{" IMAGE ",\"env\":{\"a\":{\"value\":\"1\"}}}",
          "{" IMAGE ",\"env\":{\"a\":{\"value\":\"2\"}}}", false },
        { "its type", "{" IMAGE ",\"env\":{\"a\":{\"value\":\"1\"}}}",
          "{" IMAGE ",\"env\":{\"a\":{\"value\":1}}}", false },
        { "options", "{" IMAGE "}",
          "{\"settings\":{\"image\":\"r.test/cats:v1\",\"createOptions\":{\"Env\":[]}}}", false },
        { "order of items", "{" IMAGE ",\"x\":[1,2]}", "{" IMAGE ",\"x\":[2,1]}", false },
        /* Only at the top: a variable of that name is part of it. */
        { "status within", "{" IMAGE ",\"env\":{\"status\":{\"value\":\"1\"}}}",
          "{" IMAGE ",\"env\":{\"status\":{\"value\":\"2\"}}}", false },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_OWN(sk_agent_spec_unref) struct sk_agent_spec *a = spec_of("cats", rows[i].a);
        SK_OWN(sk_agent_spec_unref) struct sk_agent_spec *b = spec_of("cats", rows[i].b);
        if ((strcmp(a->hash, b->hash) == 0) != rows[i].is_same)
            fail_msg("%s: %s and %s", rows[i].name, a->hash, b->hash);
    }
}

/* A login that changes makes no other instance, but another text. */
static void test_hash_without_logins(void **state)
{
    (void)state;
    SK_OWN(sk_json_free) struct sk_json *m = json_of("{" IMAGE "}");
    SK_OWN(sk_json_free)
    struct sk_json *auth = json_of(
        "{\"r\":{\"username\":\"u\",\"password\":\"p\",\"address\":\"r.test\"}}");
    SK_OWN(sk_agent_spec_unref) struct sk_agent_spec *a = NULL, *b = NULL;
    struct sk_err err = SK_ERR_INIT;
    DONE(sk_agent_spec_new("cats", m, NULL, &a, &err));
    DONE(sk_agent_spec_new("cats", m, auth, &b, &err));
    assert_string_equal(a->hash, b->hash);
    assert_string_not_equal(a->text, b->text);
    /* What is kept on the disk gives the same again. */
    SK_OWN(sk_agent_spec_unref) struct sk_agent_spec *c = NULL;
    DONE(sk_agent_spec_parse(b->text, strlen(b->text), &c, &err));
    assert_string_equal(b->text, c->text);
    assert_string_equal(b->hash, c->hash);
    assert_string_equal(c->name, "cats");
    assert_int_equal(c->auths.count, 1);
    assert_string_equal(c->auths.items[0].password, "p");
}

static void test_references(void **state)
{
    (void)state;
    struct sk_agent_spec *s = spec_of("cats", "{" IMAGE "}");
    assert_ptr_equal(sk_agent_spec_ref(s), s);
    sk_agent_spec_unref(s);
    assert_string_equal(s->name, "cats");
    sk_agent_spec_unref(s);
    assert_null(sk_agent_spec_ref(NULL));
    sk_agent_spec_unref(NULL);
}

/* ---- tags ---- */

static void test_tags(void **state)
{
    (void)state;

    static const struct {
        const char *image, *tag;
    } rows[] = {
        { "cats", "latest" },
        { "cats:v2", "v2" },
        { "r.test/cats", "latest" },
        { "r.test:5000/cats", "latest" },
        { "r.test:5000/a/b:1.0", "1.0" },
        { "r.test/cats@sha256:abc", "sha256:abc" },
        { "r.test/cats:v3@sha256:abc", "v3" },
        { "cats:", "" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char module[200];
        (void)snprintf(module, sizeof module, "{\"settings\":{\"image\":\"%s\"}}", rows[i].image);
        SK_OWN(sk_agent_spec_unref) struct sk_agent_spec *s = spec_of("cats", module);
        if (strcmp(s->tag, rows[i].tag) != 0)
            fail_msg("%s: '%s'", rows[i].image, s->tag);
    }
}

/* ---- logins ---- */

static void test_auth(void **state)
{
    (void)state;
    SK_OWN(sk_json_free)
    struct sk_json *auth = json_of(
        "{\"a\":{\"username\":\"a\",\"password\":\"p\",\"address\":\"r.test\"},"
        "\"b\":{\"username\":\"b\",\"password\":\"p\",\"address\":\"r.test:5000\"},"
        "\"c\":{\"username\":\"c\",\"password\":\"p\",\"address\":\"https://s.test/v2/\"},"
        "\"d\":{\"username\":\"d\",\"password\":\"p\",\"address\":\"index.docker.io/v1/\"},"
        "\"e\":{\"username\":\"e\",\"password\":\"p\",\"address\":\"localhost\"}}");

    static const struct {
        const char *image, *user;
    } rows[] = {
        { "r.test/cats:v1", "a" },
        { "R.Test/cats:v1", "a" },
        { "r.test:5000/cats", "b" },
        { "s.test/cats", "c" },
        { "cats", "d" },
        { "library/cats:v1", "d" },
        { "localhost/cats", "e" },
        { "other.test/cats", NULL },
        { "r.test.evil/cats", NULL },
        { "r.tes/cats", NULL },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_OWN(sk_agent_spec_unref) struct sk_agent_spec *s = NULL;
        struct sk_err err = SK_ERR_INIT;
        char module[200];
        (void)snprintf(module, sizeof module, "{\"settings\":{\"image\":\"%s\"}}", rows[i].image);
        SK_OWN(sk_json_free) struct sk_json *m = json_of(module);
        DONE(sk_agent_spec_new("cats", m, auth, &s, &err));
        const struct sk_runtime_auth *got = sk_agent_spec_auth(s);
        if ((got == NULL) != (rows[i].user == NULL) ||
            (got && strcmp(got->username, rows[i].user) != 0))
            fail_msg("%s: %s", rows[i].image, got ? got->username : "none");
    }
}

static void test_bad_auth(void **state)
{
    (void)state;
    SK_OWN(sk_json_free) struct sk_json *m = json_of("{" IMAGE "}");
    SK_OWN(sk_json_free) struct sk_json *half = json_of("{\"r\":{\"username\":\"a\"}}");
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 16);
    struct sk_agent_spec *s = NULL;
    struct sk_err err = SK_ERR_INIT;
    FAILS(sk_agent_spec_new("cats", m, half, &s, &err), SK_INVALID,
          "registryCredentials.r needs username, password and address");
    for (int i = 0; i <= 32; i++)
        sk_buf_fmt(&b, "%s\"r%d\":{\"username\":\"a\",\"password\":\"p\",\"address\":\"r%d\"}",
                   i ? "," : "{", i, i);
    sk_buf_chr(&b, '}');
    SK_OWN(sk_json_free) struct sk_json *many = json_of(b.data);
    FAILS(sk_agent_spec_new("cats", m, many, &s, &err), SK_LIMIT,
          "more than 32 registryCredentials");
}

/* ---- values of env ---- */

static void test_env_values(void **state)
{
    (void)state;

    static const struct {
        const char *value, *text;
    } rows[] = {
        { "\"a b\"", "a b" }, { "\"\"", "" },
        { "12", "12" },       { "-9223372036854775808", "-9223372036854775808" },
        { "0.5", "0.5" },     { "true", "true" },
        { "false", "false" }, { "null", NULL },
        { "[1]", NULL },      { "{\"a\":1}", NULL },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        char module[200], out[64];
        (void)snprintf(module, sizeof module, "{" IMAGE ",\"env\":{\"A\":{\"value\":%s}}}",
                       rows[i].value);
        SK_OWN(sk_agent_spec_unref) struct sk_agent_spec *s = spec_of("cats", module);
        const char *got = sk_agent_spec_env(s, "A", out, sizeof out);
        if ((got == NULL) != (rows[i].text == NULL) || (got && strcmp(got, rows[i].text) != 0))
            fail_msg("%s: %s", rows[i].value, got ? got : "none");
        assert_null(sk_agent_spec_env(s, "B", out, sizeof out));
    }
    char small[4];
    SK_OWN(sk_agent_spec_unref)
    struct sk_agent_spec *s = spec_of("cats", "{" IMAGE ",\"env\":{\"A\":{\"value\":\"abcdef\"}}}");
    assert_string_equal(sk_agent_spec_env(s, "A", small, sizeof small), "abc");
}

/* ---- a deployment ---- */

static void test_plan(void **state)
{
    (void)state;
    SK_OWN(sk_json_free)
    struct sk_json *doc = json_of(
        "{\"$version\":7,\"schemaVersion\":\"1.1\",\"runtime\":{\"settings\":{"
        "\"registryCredentials\":{\"r\":{\"username\":\"a\",\"password\":\"p\",\"address\":\"r."
        "test\""
        "}}}},\"modules\":{\"a\":{" IMAGE "},\"gone\":null,\"b\":{" IMAGE "}}}");
    struct sk_agent_plan p;
    struct sk_err err = SK_ERR_INIT;
    DONE(sk_agent_plan_parse(doc, &p, &err));
    assert_int_equal(p.version, 7);
    assert_int_equal(p.count, 2);
    assert_string_equal(p.specs[0]->name, "a");
    assert_string_equal(p.specs[1]->name, "b");
    assert_string_equal(sk_agent_spec_auth(p.specs[1])->username, "a");
    sk_agent_plan_done(&p);
    assert_int_equal(p.count, 0);
    sk_agent_plan_done(&p);
}

static void test_bad_plans(void **state)
{
    (void)state;
#define LONG_NAME                                                                                  \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"                             \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

    static const struct {
        const char *name, *doc, *words;
        enum sk_code code;
    } rows[] = {
        { "empty", "{\"$version\":1}", "configuration is not set", SK_NOT_FOUND },
        { "text", "\"x\"", "configuration is not set", SK_NOT_FOUND },
        { "no schema", "{\"modules\":{}}", "schemaVersion is missing", SK_INVALID },
        { "schema's type", "{\"schemaVersion\":1.0}", "schemaVersion is missing", SK_INVALID },
        { "later", "{\"schemaVersion\":\"1.2\"}", "'1.2' is none of", SK_UNSUPPORTED },
        { "modules", "{\"schemaVersion\":\"1.0\",\"modules\":[]}", "'modules'", SK_INVALID },
        { "a module", "{\"schemaVersion\":\"1.0\",\"modules\":{\"a\":{" IMAGE "},\"m\":{}}}",
          "module 'm': settings.image", SK_INVALID },
        { "no name", "{\"schemaVersion\":\"1.0\",\"modules\":{\"\":{" IMAGE "}}}", "''",
          SK_INVALID },
        { "a path", "{\"schemaVersion\":\"1.0\",\"modules\":{\"../x\":{" IMAGE "}}}", "'../x'",
          SK_INVALID },
        { "long", "{\"schemaVersion\":\"1.0\",\"modules\":{\"" LONG_NAME "a\":{" IMAGE "}}}",
          "is no module's name", SK_INVALID },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_OWN(sk_json_free) struct sk_json *doc = json_of(rows[i].doc);
        struct sk_agent_plan p;
        struct sk_err err = SK_ERR_INIT;
        if (sk_agent_plan_parse(doc, &p, &err) == 0)
            fail_msg("%s: taken", rows[i].name);
        if (err.code != rows[i].code || !strstr(err.text, rows[i].words))
            fail_msg("%s: %s: %s", rows[i].name, sk_code_name(err.code), err.text);
        assert_int_equal(p.count, 0);
    }
}

static void put_modules(struct sk_buf *b, int count)
{
    sk_buf_str(b, "{\"schemaVersion\":\"1.0\",\"modules\":{");
    for (int i = 0; i < count; i++)
        sk_buf_fmt(b, "%s\"m%d\":{" IMAGE "}", i ? "," : "", i);
    sk_buf_str(b, ",\"" LONG_NAME "\":{" IMAGE "}}}");
}

static void test_many_modules(void **state)
{
    (void)state;
    for (int more = 0; more < 2; more++) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 16);
        struct sk_agent_plan p;
        struct sk_err err = SK_ERR_INIT;
        put_modules(&b, SK_AGENT_MODULES_MAX - 1 + more);
        SK_OWN(sk_json_free) struct sk_json *doc = json_of(b.data);
        if (more) {
            FAILS(sk_agent_plan_parse(doc, &p, &err), SK_LIMIT, "more than 50 modules");
            continue;
        }
        DONE(sk_agent_plan_parse(doc, &p, &err));
        assert_int_equal(p.count, SK_AGENT_MODULES_MAX);
        sk_agent_plan_done(&p);
    }
}

static int parse_it(void *ctx, struct sk_err *err)
{
    struct sk_agent_plan p;
    if (sk_agent_plan_parse(ctx, &p, err) < 0)
        return -1;
    sk_agent_plan_done(&p);
    return 0;
}

static void test_no_memory(void **state)
{
    (void)state;
    SK_OWN(sk_json_free)
    struct sk_json *doc = json_of(
        "{\"schemaVersion\":\"1.0\",\"modules\":{\"a\":{" IMAGE
        ",\"env\":{\"x\":{\"value\":1}}},\"b\":{\"settings\":{\"image\":\"i\",\"createOptions\":"
        "\"{\\\"a\\\":[1,{}]}\"}}}}");
    assert_true(sk_alloc_sweep("plan", parse_it, doc, 0) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),     cmocka_unit_test(test_bad),
        cmocka_unit_test(test_hash),       cmocka_unit_test(test_hash_without_logins),
        cmocka_unit_test(test_references), cmocka_unit_test(test_tags),
        cmocka_unit_test(test_auth),       cmocka_unit_test(test_bad_auth),
        cmocka_unit_test(test_env_values), cmocka_unit_test(test_plan),
        cmocka_unit_test(test_bad_plans),  cmocka_unit_test(test_many_modules),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
