/* test_config.c - configuration files: values as words, wrong keys named, precedence over the whole
 * program. */
#include "cli/cli_priv.h"

#include "base/file.h"
#include "cli/cli.h"
#include "cli_test.h"
#include "harness/alloc_fail.h"
#include "harness/golden.h"

static int set_up(void **state)
{
    *state = sk_test_dir();
    return 0;
}

static int tear_down(void **state)
{
    sk_test_dir_free(*state);
    return unsetenv("SKERRY_CONFIG");
}

/* Makes the text the configuration of the program. */
static void use(void **state, const char *text)
{
    SK_OWN(free) char *path = sk_path_join(*state, "c.json");

    write_text(*state, "c.json", text);
    assert_int_equal(setenv("SKERRY_CONFIG", path, 1), 0);
}

static const struct {
    const char *key, *text;
} values[] = {
    { "host", "::1" },         { "port", "80" },     { "rate", "2.5" },
    { "watch", "true" },       { "cache", "false" }, { "labels", "" },
    { "max-body-size", "1M" }, { "threads", NULL },  { "none", NULL },
};

static void test_values(void **state)
{
    SK_OWN(sk_config_free) struct sk_config *c = NULL;
    struct sk_err err = SK_ERR_INIT;

    use(state,
        "{\"host\":\"::1\",\"port\":80,\"rate\":2.5,\"watch\":true,\"cache\":false,\"labels\":\"\","
        "\"max-body-size\":\"1M\"}");
    if (sk_config_load(&sk_cli_serve, sk_commands, &c, &err) < 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < COUNT(values); i++) {
        const char *text = sk_config_get(c, values[i].key);
        if (values[i].text)
            assert_string_equal(text, values[i].text);
        else
            assert_null(text);
    }
}

static const struct {
    const char *name, *text, *error; /* the error contains this */
} wrong[] = {
    { "misspelt key", "{\"prot\":1}", "unknown key 'prot'; did you mean 'port'?" },
    { "unknown key", "{\"xyzzy-frobnicate\":1}", "unknown key 'xyzzy-frobnicate'" },
    { "an array", "{\"port\":[1]}",
      "'port': expected a text, a number, true or false, got an array" },
    { "null", "{\"port\":null}", "'port': expected a text" },
    { "no object", "[]", "expected an object" },
    { "no JSON", "port=1", "c.json" },
    { "wrong value", "{\"port\":-1}",
      "'port' in the configuration file: '-1' is not a whole number" },
};

static void test_wrong(void **state)
{
    for (size_t i = 0; i < COUNT(wrong); i++) {
        use(state, wrong[i].text);
        SK_AUTO(ran_done) struct ran r = run_words("skerry serve m", NULL, NULL);
        check_status(wrong[i].name, &r, 2);
        if (!strstr(r.err, wrong[i].error))
            fail_msg("%s: %s", wrong[i].name, r.err);
    }
}

static void test_missing(void **state)
{
    SK_OWN(sk_config_free) struct sk_config *c = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(setenv("SKERRY_CONFIG", "/nonexistent/c.json", 1), 0);
    assert_int_equal(sk_config_load(&sk_cli_serve, sk_commands, &c, &err), -1);
    assert_int_equal(unsetenv("SKERRY_CONFIG"), 0);
    assert_int_equal(sk_config_load(&sk_cli_man, sk_commands, &c, &err), 0); /* no file in /etc: no
                                                                                configuration */
    assert_null(c);
}

static int load(void *ctx, struct sk_err *err)
{
    SK_OWN(sk_config_free) struct sk_config *c = NULL;
    (void)ctx;
    return sk_config_load(&sk_cli_serve, sk_commands, &c, err);
}

static void test_no_memory(void **state)
{
    use(state, "{\"host\":\"::1\",\"port\":80}");
    assert_true(sk_alloc_sweep("config", load, NULL, 0) > 2);
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(test_values), ROW(test_wrong), ROW(test_missing),
                                        ROW(test_no_memory) };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
