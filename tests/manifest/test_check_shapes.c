/*
 * test_check_shapes.c - sections against the tables: what is refused, what is warned of.
 */
#include "said.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define IN_MODULE(x)                                                                               \
    "{\"modules\":{\"m\":{\"type\":\"docker\",\"status\":\"running\",\"settings\":{\"image\":"     \
    "\"i\"}," x "}}}"

static const struct {
    const struct sk_shape *shape;
    const char *text, *says;
} rows[] = {
    { &sk_shape_agent, "[]", "E expected an object, got an array|" },
    { &sk_shape_agent, "{\"schemaVersion\":\"1.0\"}", "" },
    { &sk_shape_agent, "{\"schemaVersion\":\"1.1.0\"}", "" },
    { &sk_shape_agent, "{\"schemaVersion\":\"1\"}", "" },
    { &sk_shape_agent, "{\"schemaVersion\":\"1.2\"}",
      "E schemaVersion: schema version '1.2' is not known, there is 1.0 to 1.1|" },
    { &sk_shape_agent, "{\"schemaVersion\":\"10\"}",
      "E schemaVersion: schema version '10' is not known, there is 1.0 to 1.1|" },
    { &sk_shape_agent, "{\"schemaVersion\":\"1.x\"}",
      "E schemaVersion: schema version '1.x' is not known, there is 1.0 to 1.1|" },
    { &sk_shape_agent, "{\"schemaVersion\":1.0}",
      "E schemaVersion: expected a string, got a number|" },
    { &sk_shape_agent, "{\"schemaVersion\":null,\"modules\":null}", "" },
    { &sk_shape_agent, "{\"moduls\":{}}", "W moduls: unknown field; did you mean 'modules'?|" },
    { &sk_shape_agent, "{\"anything\":{}}", "W anything: unknown field, it has no effect|" },
    { &sk_shape_agent, "{\"$version\":3,\"$metadata\":{}}", "" },
    { &sk_shape_agent, "{\"modules\":{\"m\":null}}", "" }, /* takes m away */
    { &sk_shape_agent, IN_MODULE("\"env\":{\"A\":{\"value\":1.5},\"B\":{\"value\":true}}"), "" },
    { &sk_shape_agent, IN_MODULE("\"env\":{\"A\":{\"value\":null}}"),
      "E modules.m.env.A: 'value' is missing|" },
    { &sk_shape_agent, IN_MODULE("\"env\":{\"A\":{\"value\":{}}}"),
      "E modules.m.env.A.value: expected a string or an integer or a number or a boolean, got an "
      "object|" },
    { &sk_shape_agent, IN_MODULE("\"startupOrder\":0"), "" },
    { &sk_shape_agent, IN_MODULE("\"startupOrder\":4294967295"), "" },
    { &sk_shape_agent, IN_MODULE("\"startupOrder\":4294967296"),
      "E modules.m.startupOrder: 4294967296 is not between 0 and 4294967295|" },
    { &sk_shape_agent, IN_MODULE("\"startupOrder\":-1"),
      "E modules.m.startupOrder: -1 is not between 0 and 4294967295|" },
    { &sk_shape_agent, IN_MODULE("\"restartPolicy\":\"Always\""),
      "E modules.m.restartPolicy: 'Always' is not known here, there is always, never, on-failure, "
      "on-unhealthy; did you mean 'always'?|" },
    { &sk_shape_agent, IN_MODULE("\"imagePullPolicy\":\"ever\""),
      "E modules.m.imagePullPolicy: 'ever' is not known here, there is on-create, never; did you "
      "mean 'never'?|" },
    /* shown up to 64 bytes, cut characters and line ends as ? */
    { &sk_shape_agent,
      IN_MODULE(
          "\"imagePullPolicy\":\"a\\n_____________________________________________________________"
          "\u20ac\""),
      "E modules.m.imagePullPolicy: "
      "'a?_____________________________________________________________?"
      "' is not known here, there is on-create, never|" },
    { &sk_shape_agent, IN_MODULE("\"configuration\":{\"id\":\"x\"}"), "" },
    { &sk_shape_agent, "{\"modules\":{\"m\":{}}}",
      "E modules.m: 'type' is missing|E modules.m: 'settings' is missing|E modules.m: 'status' is "
      "missing|" },
    { &sk_shape_agent, "{\"modules\":{\"\":null}}",
      "E modules['']: a module's name has only letters, digits, _ and -, at most 128|" },
    { &sk_shape_agent, "{\"systemModules\":{\"edgeAgnt\":{}}}",
      "W systemModules.edgeAgnt: unknown field; did you mean 'edgeAgent'?|" },
    { &sk_shape_agent,
      "{\"systemModules\":{\"edgeAgent\":{\"type\":\"docker\",\"settings\":{\"image\":\"i\"},"
      "\"status\":\"running\"}}}",
      "W systemModules.edgeAgent.status: unknown field, it has no effect|" },
    { &sk_shape_hub, "{\"schemaVersion\":\"1.3\"}", "" },
    { &sk_shape_hub, "{\"schemaVersion\":\"1.4\"}",
      "E schemaVersion: schema version '1.4' is not known, there is 1.0 to 1.3|" },
    { &sk_shape_hub, "{\"routes\":{\"r\":\"  \"}}", "" },
    { &sk_shape_hub, "{\"routes\":{\"r\":{\"route\":\"\"}}}", "" },
    { &sk_shape_hub, "{\"routes\":{\"r\":[]}}",
      "E routes.r: expected a string or an object, got an array|" },
    { &sk_shape_hub, "{\"routes\":{\"r\":{\"route\":\"FROM /* INTO $upstream\",\"priority\":9}}}",
      "" },
    { &sk_shape_hub, "{\"routes\":{\"r\":{\"route\":\"FROM /* INTO $upstream\",\"priority\":10}}}",
      "E routes.r.priority: 10 is not between 0 and 9|" },
    { &sk_shape_hub, "{\"routes\":{\"r\":\"FROM /* INTO upstream\"}}",
      "E routes.r: expected $upstream or BrokeredEndpoint(\"/modules/{module}/inputs/{i}\")\n"
      "FROM /* INTO upstream\n             ^|" },
    { &sk_shape_hub, "{\"routes\":{\"r\":\"FROM /a/*/b INTO $upstream\"}}",
      "W routes.r: a * stands for anything only at the end of a source|" },
    { &sk_shape_hub,
      "{\"schemaVersion\":\"1.0\",\"routes\":{\"r\":{\"route\":\"FROM /* INTO $upstream\"}}}",
      "W routes.r: a route as object needs schemaVersion 1.1 or above|" },
    { &sk_shape_hub, "{\"storeAndForwardConfiguration\":{\"timeToLiveSecs\":\"7200\"}}",
      "E storeAndForwardConfiguration.timeToLiveSecs: expected an integer, got a string|" },
    { &sk_shape_custom, "{\"restartPolcy\":1,\"deep\":{\"typ\":2}}", "" },
    { &sk_shape_custom, "5", "E expected an object, got an integer|" },
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_OWN(sk_json_free) struct sk_json *v = NULL;
        struct sk_err err = SK_ERR_INIT;
        struct said s;

        said_init(&s, true);
        if (sk_json_parse(rows[i].text, strlen(rows[i].text), NULL, &v, &err) < 0)
            fail_msg("%s: %s", rows[i].text, err.text);
        sk_shape_check(&s.check, rows[i].shape, v);
        if (strcmp(said_text(&s), rows[i].says) != 0)
            fail_msg("%s:\n%s", rows[i].text, said_text(&s));
        said_done(&s);
    }
}

/* What a base deployment must have and a layer need not. */
static void test_base(void **state)
{
    static const char *const says[] = {
        "E 'schemaVersion' is missing|E 'runtime' is missing|E 'systemModules' is missing|",
        "E 'schemaVersion' is missing|W 'routes' is missing|W 'storeAndForwardConfiguration' is "
        "missing|",
    };
    const struct sk_shape *const shapes[] = { &sk_shape_agent, &sk_shape_hub };

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        SK_OWN(sk_json_free) struct sk_json *v = NULL;
        struct sk_err err = SK_ERR_INIT;
        struct said s;

        said_init(&s, i >= 2);
        if (sk_json_parse("{}", 2, NULL, &v, &err) < 0)
            fail_msg("%s", err.text);
        sk_shape_check(&s.check, shapes[i % 2], v);
        assert_string_equal(said_text(&s), i < 2 ? says[i] : "");
        said_done(&s);
    }
}

static void test_at(void **state)
{
    const struct sk_shape *modules = sk_shape_at(&sk_shape_agent, "modules"), *module, *settings;

    (void)state;
    assert_true(modules->are_modules);
    module = sk_shape_at(modules, "anything");
    settings = sk_shape_at(module, "settings");
    assert_non_null(sk_shape_at(settings, "createOptions07"));
    assert_null(sk_shape_at(settings, "createOptionsX"));
    assert_null(sk_shape_at(module, "restartPolcy"));
    assert_non_null(sk_shape_at(sk_shape_at(settings, "createOptions"), "HostConfig"));
    assert_non_null(sk_shape_at(&sk_shape_custom, "x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_base),
        cmocka_unit_test(test_at),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
