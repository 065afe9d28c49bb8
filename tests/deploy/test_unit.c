/* test_unit.c - what one unit gets: sections, marks, identities, pulls, and nothing twice. */
#include "fixture.h"

#define AGENT(column) twin_of(f, "d", "$edgeAgent", column)
#define PULLS                                                                                      \
    text_of(f, "SELECT coalesce(group_concat(repository), '') FROM (SELECT repository FROM pull "  \
               "WHERE device = 'd' ORDER BY repository)")

static void edge(void **state)
{
    struct fixture *f = *state;
    make_edge(f, "d");
    put(f, "a", 1, "*", BASE("a"));
    settle(f);
    assert_string_equal(twin_of(f, "d", "m", "desired"), "{\"tag\":\"a\"}");
    assert_string_equal(AGENT("configurations"), "{\"a\":{\"status\":\"Applied\"}}");
    assert_string_equal(AGENT("desired_version"), "2");
    assert_non_null(strstr(twin_of(f, "d", "$edgeHub", "desired"), "FROM /messages/*"));
    assert_string_equal(twin_of(f, "d", "$edgeHub", "configurations"), "{}");
    assert_string_equal(PULLS, "edge/agent,edge/hub,m/a");
    assert_string_equal(told(f), "d {\"deployment\":\"a\",\"status\":\"applied\"}\n");
    /* Another that says the same to two of the three moves one. */
    put(f, "b", 2, "*", BASE("b"));
    settle(f);
    assert_string_equal(twin_of(f, "d", "m", "desired_version"), "3");
    assert_string_equal(AGENT("desired_version"), "3");
    assert_string_equal(twin_of(f, "d", "$edgeHub", "desired_version"), "2");
    assert_string_equal(AGENT("configurations"),
                        "{\"a\":{\"status\":\"Targeted\"},\"b\":{\"status\":\"Applied\"}}");
    assert_string_equal(PULLS, "edge/agent,edge/hub,m/a,m/b");
    assert_string_equal(told(f), "d {\"deployment\":\"b\",\"status\":\"applied\"}\n"
                                 "d {\"deployment\":\"a\",\"status\":\"removed\"}\n");
    /* Without any, modules stay. */
    drop(f, "a");
    drop(f, "b");
    settle(f);
    assert_string_equal(AGENT("configurations"), "{}");
    assert_string_equal(AGENT("desired_version"), "3");
    assert_string_equal(twin_of(f, "d", "m", "desired"), "{\"tag\":\"b\"}");
    assert_string_equal(PULLS, "edge/agent,edge/hub,m/a,m/b");
    assert_string_equal(told(f), "d {\"deployment\":\"b\",\"status\":\"removed\"}\n");
}

/* What the device runs may be pulled, however many deployments it did not get to. */
static void last_good(void **state)
{
    struct fixture *f = *state;
    make_edge(f, "d");
    put(f, "a", 1, "*", BASE("a"));
    settle(f);
    report(f, "d", "$edgeAgent",
           "{\"modules\":{\"m\":{\"settings\":{\"image\":\"hub.local/m/a:1\"}}}}");
    put(f, "b", 2, "*", BASE("b"));
    settle(f);
    put(f, "c", 3, "*", BASE("c"));
    settle(f);
    put(f, "c2", 4, "*", BASE("c"));
    settle(f);
    assert_string_equal(PULLS, "edge/agent,edge/hub,m/a,m/b,m/c");
    report(f, "d", "$edgeAgent",
           "{\"modules\":{\"m\":{\"settings\":{\"image\":\"hub.local/m/c:1\"}}}}");
    put(f, "e", 5, "*", BASE("e"));
    settle(f);
    assert_string_equal(PULLS, "edge/agent,edge/hub,m/c,m/e");
}

static void devices_and_modules(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    make_device(f, "d");
    make_module(f, "d", "m");
    SK_OWN(sk_json_free)
    struct sk_json *own = parse("{\"properties\":{\"desired\":{\"mine\":1,\"a\":{\"k\":1}}}}");
    DONE(sk_twin_change(f->devices, &f->service, "d", NULL, own, false, NULL, NULL, &err));
    put(f, "dev", 1, "*", "{\"deviceContent\":{\"properties.desired.a.b\":1}}");
    put(f, "mod", 1, "from devices.modules where moduleId = 'm'",
        "{\"moduleContent\":{\"properties.desired\":{\"x\":1}}}");
    settle(f);
    assert_string_equal(twin_of(f, "d", "", "desired"), "{\"mine\":1,\"a\":{\"k\":1,\"b\":1}}");
    assert_string_equal(twin_of(f, "d", "", "configurations"),
                        "{\"dev\":{\"status\":\"Applied\"}}");
    assert_string_equal(twin_of(f, "d", "m", "desired"), "{\"x\":1}");
    assert_string_equal(twin_of(f, "d", "m", "configurations"),
                        "{\"mod\":{\"status\":\"Applied\"}}");
    drop(f, "dev");
    drop(f, "mod");
    settle(f);
    assert_string_equal(twin_of(f, "d", "", "desired"), "{\"mine\":1,\"a\":{\"k\":1,\"b\":1}}");
    assert_string_equal(twin_of(f, "d", "", "configurations"), "{}");
    assert_string_equal(twin_of(f, "d", "m", "configurations"), "{}");
}

/* The same names for another content. */
static void same_marks(void **state)
{
    struct fixture *f = *state;
    make_edge(f, "d");
    put(f, "base", 1, "*", BASE("a"));
    put(f, "l1", 2, "*", LAYER("one"));
    put(f, "l2", 3, "*", LAYER("two"));
    settle(f);
    assert_string_equal(twin_of(f, "d", "m", "desired"), "{\"tag\":\"a\",\"layer\":\"two\"}");
    change(f, "l1", 4, "*");
    settle(f);
    assert_string_equal(twin_of(f, "d", "m", "desired"), "{\"tag\":\"a\",\"layer\":\"one\"}");
    sk_deploy_stop(f->d);
    drop(f, "base");
    put(f, "base", 1, "*", BASE("b"));
    fixture_reopen(f);
    settle(f);
    assert_string_equal(twin_of(f, "d", "m", "desired"), "{\"tag\":\"b\",\"layer\":\"one\"}");
}

/* One that cannot take it does not hold up the others. */
static void too_many_modules(void **state)
{
    struct fixture *f = *state;
    char name[16];
    make_edge(f, "d");
    make_edge(f, "full");
    make_edge(f, "z");
    for (int i = 0; i < SK_DEVICES_MODULES_MAX; i++) {
        (void)snprintf(name, sizeof name, "x%d", i);
        make_module(f, "full", name);
    }
    put(f, "a", 1, "*", BASE("a"));
    settle(f);
    assert_string_equal(AGENT("configurations"), "{\"a\":{\"status\":\"Applied\"}}");
    assert_string_equal(twin_of(f, "z", "$edgeAgent", "configurations"),
                        "{\"a\":{\"status\":\"Applied\"}}");
    assert_string_equal(twin_of(f, "full", "$edgeAgent", "configurations"), "{}");
    assert_string_equal(twin_of(f, "full", "$edgeAgent", "desired"), "{}");
}

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(edge), ROW(last_good), ROW(devices_and_modules),
                                        ROW(same_marks), ROW(too_many_modules) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
