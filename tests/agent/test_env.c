/* test_env.c - the environment of a module: who wins, what is refused. */
#include "agent/agent_util.h"
#include "harness/alloc_fail.h"

#include <stdio.h>
#include <stdlib.h>

static const struct sk_runtime_image native = { .kind = SK_RUNTIME_NATIVE };
static const struct sk_runtime_image docker = { .kind = SK_RUNTIME_DOCKER };

static const char *find(char **env, const char *name)
{
    size_t len = strlen(name);
    const char *found = NULL;
    for (size_t i = 0; env[i]; i++)
        if (strncmp(env[i], name, len) == 0 && env[i][len] == '=') {
            if (found)
                fail_msg("'%s' is there twice", name);
            found = env[i] + len + 1;
        }
    return found;
}

static char **env_of(struct rig *r, const struct sk_runtime_image *image, const char *module)
{
    SK_OWN(sk_agent_spec_unref) struct sk_agent_spec *s = spec_of("cats", module);
    struct sk_err err = SK_ERR_INIT;
    char **env = NULL;
    DONE(sk_agent_env(&r->a, s, image, "/run/w/workload.sock", "g7", &env, &err));
    return env;
}

static void test_names(void **state)
{
    static const struct {
        const char *name, *native, *docker;
    } rows[] = {
        { "IOTEDGE_WORKLOADURI", "unix:///run/w/workload.sock",
          "unix:///var/run/iotedge/workload.sock" },
        { "IOTEDGE_AUTHSCHEME", "sasToken", "sasToken" },
        { "IOTEDGE_MODULEGENERATIONID", "g7", "g7" },
        { "IOTEDGE_IOTHUBHOSTNAME", "hub.test", "hub.test" },
        { "IOTEDGE_DEVICEID", "press-4", "press-4" },
        { "IOTEDGE_MODULEID", "cats", "cats" },
        { "IOTEDGE_APIVERSION", "2022-08-03", "2022-08-03" },
        { "IOTEDGE_GATEWAYHOSTNAME", "127.0.0.1", "172.18.0.1" },
        { "SKERRY_MODEL_VERSION", "v1", "v1" },
        { "RuntimeLogLevel", "info", "info" },
    };

    static const char module[] = "{\"settings\":{\"image\":\"r.test/cats:v1\"}}";
    (void)snprintf(((struct rig *)*state)->a.bridge, 64, "172.18.0.1");
    char **one = env_of(*state, &native, module), **two = env_of(*state, &docker, module);
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (!find(one, rows[i].name) || strcmp(find(one, rows[i].name), rows[i].native) != 0)
            fail_msg("%s=%s", rows[i].name, find(one, rows[i].name));
        if (!find(two, rows[i].name) || strcmp(find(two, rows[i].name), rows[i].docker) != 0)
            fail_msg("%s=%s in a container", rows[i].name, find(two, rows[i].name));
    }
    sk_agent_env_done(one);
    sk_agent_env_done(two);
    sk_agent_env_done(NULL);
}

/* The manifest's env < what IoT Edge sets < createOptions.Env. */
static void test_who_wins(void **state)
{
    char **env = env_of(*state, &native,
                        "{\"settings\":{\"image\":\"i\",\"createOptions\":{\"Env\":["
                        "\"IOTEDGE_DEVICEID=other\",\"b=3\",\"e=\",\"f=x=y\"]}},"
                        "\"env\":{\"a\":{\"value\":1},\"b\":{\"value\":2},\"IOTEDGE_MODULEID\":{"
                        "\"value\":\"mine\"},\"RuntimeLogLevel\":{\"value\":\"debug\"},"
                        "\"t\":{\"value\":true}}}");
    assert_string_equal(find(env, "a"), "1");
    assert_string_equal(find(env, "b"), "3");
    assert_string_equal(find(env, "t"), "true");
    assert_string_equal(find(env, "e"), "");
    assert_string_equal(find(env, "f"), "x=y");
    assert_string_equal(find(env, "IOTEDGE_MODULEID"), "cats");
    assert_string_equal(find(env, "IOTEDGE_DEVICEID"), "other");
    assert_string_equal(find(env, "RuntimeLogLevel"), "debug");
    sk_agent_env_done(env);
}

static void test_refused(void **state)
{
    static const struct {
        const char *module, *words;
    } rows[] = {
        { "{\"settings\":{\"image\":\"i\"},\"env\":{\"a\":{\"value\":[1]}}}", "env.a" },
        { "{\"settings\":{\"image\":\"i\"},\"env\":{\"a\":{}}}", "env.a" },
        { "{\"settings\":{\"image\":\"i\"},\"env\":{\"a=b\":{\"value\":1}}}", "env.a=b" },
        { "{\"settings\":{\"image\":\"i\"},\"env\":{\"\":{\"value\":1}}}", "env." },
        { "{\"settings\":{\"image\":\"i\",\"createOptions\":{\"Env\":[\"a\"]}}}", "'a' is not" },
        { "{\"settings\":{\"image\":\"i\",\"createOptions\":{\"Env\":[\"=a\"]}}}", "'=a' is not" },
        { "{\"settings\":{\"image\":\"i\",\"createOptions\":{\"Env\":[3]}}}", "'' is not" },
    };
    struct rig *r = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_OWN(sk_agent_spec_unref) struct sk_agent_spec *s = spec_of("cats", rows[i].module);
        struct sk_err err = SK_ERR_INIT;
        char **env = NULL;
        if (sk_agent_env(&r->a, s, &native, "/", "", &env, &err) == 0)
            fail_msg("%s: taken", rows[i].module);
        if (err.code != SK_INVALID || !strstr(err.text, rows[i].words))
            fail_msg("%s: %s", rows[i].module, err.text);
    }
}

/* A long value comes whole or not at all; more variables than a process should have do not come. */
static void test_limits(void **state)
{
    struct rig *r = *state;
    for (int more = 0; more < 2; more++) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
        struct sk_err err = SK_ERR_INIT;
        char **env = NULL;
        size_t len = 8191 + (size_t)more;
        sk_buf_str(&b, "{\"settings\":{\"image\":\"i\"},\"env\":{\"a\":{\"value\":\"");
        for (size_t i = 0; i < len; i++)
            sk_buf_chr(&b, 'x');
        sk_buf_str(&b, "\"}}}");
        SK_OWN(sk_agent_spec_unref) struct sk_agent_spec *s = spec_of("cats", b.data);
        if (more) {
            FAILS(sk_agent_env(&r->a, s, &native, "/", "", &env, &err), SK_LIMIT, "env.a");
            continue;
        }
        DONE(sk_agent_env(&r->a, s, &native, "/", "", &env, &err));
        assert_int_equal(strlen(find(env, "a")), len);
        sk_agent_env_done(env);
    }
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
    struct sk_err err = SK_ERR_INIT;
    char **env = NULL;
    sk_buf_str(&b, "{\"settings\":{\"image\":\"i\"},\"env\":{");
    for (int i = 0; i < 513; i++)
        sk_buf_fmt(&b, "%s\"n%d\":{\"value\":%d}", i ? "," : "", i, i);
    sk_buf_str(&b, "}}");
    SK_OWN(sk_agent_spec_unref) struct sk_agent_spec *s = spec_of("cats", b.data);
    FAILS(sk_agent_env(&r->a, s, &native, "/", "", &env, &err), SK_LIMIT, "more than 512");
}

static int make_it(void *ctx, struct sk_err *err)
{
    void **args = ctx;
    char **env = NULL;
    if (sk_agent_env(args[0], args[1], &native, "/", "", &env, err) < 0)
        return -1;
    sk_agent_env_done(env);
    return 0;
}

static void test_no_memory(void **state)
{
    SK_OWN(sk_agent_spec_unref)
    struct sk_agent_spec *s = spec_of(
        "cats", "{\"settings\":{\"image\":\"i\",\"createOptions\":{\"Env\":[\"a=1\"]}},"
                "\"env\":{\"a\":{\"value\":2}}}");
    void *args[] = { &((struct rig *)*state)->a, s };
    assert_true(sk_alloc_sweep("env", make_it, args, 0) > 12);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)
    const struct CMUnitTest tests[] = { ROW(test_names), ROW(test_who_wins), ROW(test_refused),
                                        ROW(test_limits), ROW(test_no_memory) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
