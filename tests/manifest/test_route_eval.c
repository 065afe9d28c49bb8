/*
 * test_route_eval.c - sources and conditions against one message.
 */
#include "manifest/route_priv.h"

#include "harness/alloc_fail.h"
#include "routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const char *const properties[] = {
    "level", "3", "color", "red", "empty", "", "$shadow", "app", "$body.shadow", "app", NULL,
};
static const char *const systems[] = {
    "contentType", "application/json", "connectionDeviceId", "edge1",
    "shadow",      "system",           "outputName",         "out1",
    NULL,
};
static const char body[] = "{\"t\":21.5,\"n\":3,\"on\":true,\"off\":false,\"s\":\"x\",\"nil\":null,"
                           "\"o\":{\"k\":1},\"list\":[1,{\"z\":\"y\"}],\"shadow\":\"body\"}";

/* T true, F false, U undefined, N null, # number, S text */
static const struct {
    const char *condition;
    char is;
} rows[] = {
    { "true", 'T' },
    { "false", 'F' },
    { "null", 'N' },
    { "undefined", 'U' },
    { "TRUE", 'U' }, /* a name: small letters only */
    { "1", '#' },
    { "'x'", 'S' },
    /* properties */
    { "color = 'red'", 'T' },
    { "color = \"red\"", 'T' },
    { "color = 'Red'", 'F' },
    { "color != 'red'", 'F' },
    { "color <> 'blue'", 'T' },
    { "color<>'blue'", 'T' },
    { "color!='blue'", 'T' },
    { "color > 'orange'", 'T' },
    { "color >= 'red' AND color <= 'red'", 'T' },
    { "color < 're'", 'F' },
    { "empty = ''", 'T' },
    { "level = 3", 'U' }, /* properties are texts */
    { "level = '3'", 'T' },
    { "as_number(level) = 3", 'T' },
    { "As_Number(level) >= 2.5", 'T' },
    { "as_number(color) = 3", 'U' },
    { "missing = 'x'", 'U' },
    { "missing != 'x'", 'U' },
    { "NOT (missing = 'x')", 'U' },
    { "is_defined(missing)", 'F' },
    { "NOT is_defined(missing)", 'T' },
    { "IS_DEFINED(color)", 'T' },
    { "color", 'S' }, /* not true, so no match */
    /* system properties */
    { "$connectionDeviceId = 'edge1'", 'T' },
    { "{$connectionDeviceId} = 'edge1'", 'T' },
    { "NOT IS_DEFINED($connectionModuleId)", 'T' },
    { "$shadow = 'app'", 'T' }, /* the property of that very name wins */
    { "{$shadow} = 'system'", 'T' },
    /* body */
    { "$body.t > 20", 'T' },
    { "$BODY.t > 20", 'T' },
    { "{$body.t} = 21.5", 'T' },
    { "$body.T > 20", 'U' },
    { "$body.n = 3", 'T' },
    { "$body.n = '3'", 'U' },
    { "$body.on", 'T' },
    { "NOT $body.off", 'T' },
    { "$body.on AND NOT $body.off", 'T' },
    { "$body.s = 'x'", 'T' },
    { "$body.nil = null", 'T' },
    { "$body.nil != null", 'F' },
    { "is_null($body.nil)", 'T' },
    { "is_null($body.none)", 'F' },
    { "is_defined($body.nil)", 'T' },
    { "is_defined($body.none)", 'F' },
    { "$body.o.k = 1", 'T' },
    { "is_defined($body.o)", 'F' }, /* an object is undefined */
    { "is_defined($body.list)", 'F' },
    { "$body.list[0] = 1", 'T' },
    { "$body.list[1].z = 'y'", 'T' },
    { "is_defined($body.list[2])", 'F' },
    { "$body.shadow = 'app'", 'T' },
    { "{$body.shadow} = 'body'", 'T' },
    { "$body = 'x'", 'U' }, /* a system property named body */
    { "twin_change_includes(o.k)", 'T' },
    { "twin_change_includes(o)", 'T' },
    { "TWIN_CHANGE_INCLUDES('list[1].z')", 'T' },
    { "twin_change_includes(o.x)", 'F' },
    /* three values */
    { "true AND undefined", 'U' },
    { "undefined AND true", 'U' },
    { "false AND undefined", 'F' },
    { "undefined AND false", 'F' },
    { "undefined AND undefined", 'U' },
    { "true OR undefined", 'T' },
    { "undefined OR true", 'T' },
    { "false OR undefined", 'U' },
    { "undefined OR false", 'U' },
    { "true AND 1", 'U' },
    { "true OR 'x'", 'T' },
    { "NOT undefined", 'U' },
    { "NOT 'x'", 'U' },
    { "undefined = undefined", 'U' },
    { "null = null", 'T' },
    { "null <= null", 'T' },
    { "null < null", 'F' },
    { "null = 1", 'U' },
    { "null + 1", 'U' },
    { "true = true", 'T' },
    { "false < true", 'T' },
    { "true = 'true'", 'U' },
    { "undefined ?? true", 'T' },
    { "missing ?? color = 'red'", 'T' }, /* = first, then ?? */
    { "(missing ?? color) = 'red'", 'T' },
    { "null ?? true", 'N' },
    { "false ?? true", 'F' },
    /* precedence */
    { "NOT 1 = 1", 'U' }, /* (NOT 1) = 1 */
    { "NOT (1 = 2)", 'T' },
    { "NOT NOT true", 'T' },
    { "1 + 2 * 3 = 7", 'T' },
    { "(1 + 2) * 3 = 9", 'T' },
    { "10 - 2 - 3 = 5", 'T' },
    { "8 / 2 / 2 = 2", 'T' },
    { "7 % 4 = 3", 'T' },
    { "-7 % 4 = -3", 'T' },
    { "- 5 + 8 = 3", 'T' },
    { "2 * -3 = -6", 'T' },
    { "- (2 + 3) = -5", 'T' },
    { "-color = 1", 'U' },
    { "1 < 2 = true", 'T' },
    { "true OR true AND false", 'T' },
    { "(true OR true) AND false", 'F' },
    { "false AND true ?? true", 'F' },
    { "'a' || 'b' = 'ab'", 'T' },
    { "'a' || color || 'b' = 'aredb'", 'T' },
    { "'a' || 1", 'U' },
    { "1 + 'a'", 'U' },
    { "1 / 0 > 1000", 'T' }, /* infinite */
    { "0 / 0 = 0", 'U' },
    { "0x1F = 31", 'T' },
    { "-1.5e3 = -1500", 'T' },
    { ".5 = 0.5", 'T' },
    /* texts */
    { "'it\\'s' = \"it's\"", 'T' },
    { "'\\u00e4' = '\xc3\xa4'", 'T' },
    { "concat(color, '-', level) = 'red-3'", 'T' },
    { "substring(color, 1, 1) = 'e'", 'T' },
    { "starts_with(lower('RED'), color)", 'T' },
    { "upper(color) = 'RED' AND length(color) = 3", 'T' },
    { "index_of(color, 'd') = 2", 'T' },
    { "contains(missing, 'd')", 'U' },
    { "as_number($body.n) = 3", 'T' },
    { "power($body.n, 2) = 9 AND square(3) = 9", 'T' },
};

static char letter_of(enum sk_route_kind kind, bool is_true)
{
    switch (kind) {
    case SK_ROUTE_NULL:
        return 'N';
    case SK_ROUTE_BOOL:
        return is_true ? 'T' : 'F';
    case SK_ROUTE_NUMBER:
        return '#';
    case SK_ROUTE_TEXT:
        return 'S';
    case SK_ROUTE_UNDEFINED:
        break;
    }
    return 'U';
}

static struct sk_route *parse(const char *source, const char *condition)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 16);
    struct sk_route *r = NULL;
    struct sk_err err = SK_ERR_INIT;

    sk_buf_fmt(&text, "FROM %s%s%s INTO $upstream", source, condition ? " WHERE " : "",
               condition ? condition : "");
    if (sk_route_parse(text.data, &r, &err) < 0)
        fail_msg("%s", err.text);
    return r;
}

static void test_conditions(void **state)
{
    struct route_bag bag = { properties, systems };
    struct sk_route_message m = { "/messages/modules/m/outputs/o", SK_VIEW(body), route_property,
                                  route_system, &bag };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_OWN(sk_route_free) struct sk_route *r = parse("/*", rows[i].condition);
        struct sk_route_value v = sk_route_eval(r->condition, &m);
        char is = letter_of(v.kind, v.is_true);

        if (is != rows[i].is)
            fail_msg("%s: %c instead of %c", rows[i].condition, is, rows[i].is);
        if (sk_route_matches(r, &m) != (is == 'T'))
            fail_msg("%s: matches", rows[i].condition);
    }
}

static const struct {
    const char *route, *source;
    bool is_match;
} sources[] = {
    { "/*", "/messages/modules/m/outputs/o", true },
    { "/messages/*", "/messages/modules/m/outputs/o", true },
    { "/messages", "/messages/modules/m/outputs/o", true },
    { "/messages/*", "/messages", true },
    { "/messages/*", "/messages/", true },
    { "/MESSAGES/*", "/messages", true },
    { "/messages/modules/*", "/messages", false },
    { "/messages/modules/*", "/messages/modules/m", true },
    { "/messages/modules/M/*", "/messages/modules/m/outputs/o", true },
    { "/messages/modules/m/outputs/*", "/messages/modules/m", false },
    { "/messages/modules/m/outputs/o", "/messages/modules/m/outputs/o", true },
    { "/messages/modules/m/outputs/o", "/messages/modules/m/outputs/other", false },
    { "/messages/modules/m/*", "/messages/modules/m2", false }, /* whole items */
    { "/messages/modules/m*", "/messages/modules/m2", false },
    { "/messages/modules/m*", "/messages/modules/m", true },
    { "/messages/*/m", "/messages/modules/m", false }, /* only the end is anything */
    { "/messages/*", "/twinChangeNotifications", false },
    { "/twinchangenotifications", "/twinChangeNotifications", true },
    { "/*", "/", true },
    { "/*", "", true },
    { "/messages", "", false },
};

static void test_sources(void **state)
{
    struct route_bag bag = { NULL, NULL };

    (void)state;
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        SK_OWN(sk_route_free) struct sk_route *r = parse(sources[i].route, NULL);
        struct sk_route_message m = { sources[i].source, SK_VIEW(""), route_property, route_system,
                                      &bag };

        if (sk_route_matches(r, &m) != sources[i].is_match)
            fail_msg("%s %s", sources[i].route, sources[i].source);
    }
}

struct counted {
    struct route_bag bag;
    unsigned types;
};

static const char *count_system(void *ctx, const char *name)
{
    struct counted *c = ctx;

    c->types += strcmp(name, "contentType") == 0;
    return route_system(&c->bag, name);
}

static const char *counted_property(void *ctx, const char *name)
{
    return route_property(&((struct counted *)ctx)->bag, name);
}

/* The body is looked at when it is needed, and once. */
static void test_lazy(void **state)
{
    static const struct {
        const char *condition;
        unsigned times;
    } lazy[] = {
        { "color = 'red'", 0 },
        { "true OR $body.n = 3", 0 },
        { "false AND $body.n = 3", 0 },
        { "$body.shadow = 'app'", 0 },
        { "$body.n = 3", 1 },
        { "$body.n = 3 AND $body.s = 'x' AND $body.t > 1 AND twin_change_includes(o)", 1 },
        { "$body.none = 3 OR $body.none = 4", 1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lazy) / sizeof(lazy[0]); i++) {
        SK_OWN(sk_route_free) struct sk_route *r = parse("/*", lazy[i].condition);
        struct counted c = { { properties, systems }, 0 };
        struct sk_route_message m = { "/messages", SK_VIEW(body), counted_property, count_system,
                                      &c };

        (void)sk_route_matches(r, &m);
        if (c.types != lazy[i].times)
            fail_msg("%s: %u times", lazy[i].condition, c.types);
    }
}

/* Without memory a condition does not hold; nothing is lost. */
static void test_memory(void **state)
{
    SK_OWN(sk_route_free)
    struct sk_route *r = parse("/*", "$body.n = 3 AND concat(color, color) = 'redred'");
    struct route_bag bag = { properties, systems };
    struct sk_route_message m = { "/messages", SK_VIEW(body), route_property, route_system, &bag };
    int did_fail = 0;

    (void)state;
    assert_true(sk_route_matches(r, &m));
    for (size_t n = 1; n < 1000; n++) {
        bool is_match;

        sk_alloc_fail_at(n);
        is_match = sk_route_matches(r, &m);
        (void)sk_alloc_fail_end(&did_fail);
        assert_int_equal(is_match, !did_fail);
        if (!did_fail)
            break;
    }
    assert_false(did_fail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_lazy),
        cmocka_unit_test(test_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
