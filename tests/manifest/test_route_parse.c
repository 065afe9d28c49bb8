/*
 * test_route_parse.c - routes that are taken, with their sinks, and those that are refused, with
 * the three lines that say why.
 */
#include "manifest/route_priv.h"

#include "harness/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct {
    const char *text, *module, *input; /* input NULL: upstream */
} taken[] = {
    { "FROM /messages/* INTO $upstream", "$upstream", NULL },
    { "from /messages/* into $UPSTREAM", "$upstream", NULL },
    { "SELECT * FROM /* INTO $upstream", "$upstream", NULL },
    { "select * from /messages into $upstream", "$upstream", NULL },
    { "FROM/messages/modules/SimulatedTemperatureSensor/outputs/* INTO $upstream", "$upstream",
      NULL },
    { "FROM /messages/modules/123/outputs/select INTO $upstream", "$upstream", NULL },
    { "FROM /messages/modules/$edgeHub INTO $upstream", "$upstream", NULL },
    { "FROM /messages/modules/a/outputs/o INTO BrokeredEndpoint(\"/modules/b/inputs/i\")", "b",
      "i" },
    { "FROM /* INTO brokeredendpoint ( '/Modules/b-1/INPUTS/i.2' )", "b-1", "i.2" },
    { "  FROM /*\n WHERE a = 'b'\r\n\tINTO $upstream  ", "$upstream", NULL },
    { "FROM /messages /* all of it */ WHERE /* x */ true INTO $upstream /* end */", "$upstream",
      NULL },
    { "FROM /messages/* WHERE NOT IS_DEFINED($connectionModuleId) INTO $upstream", "$upstream",
      NULL },
    { "FROM /* WHERE {$body.a[0].b} = 1 AND $body.x.y > 2 ?? z INTO $upstream", "$upstream", NULL },
    { "FROM /* WHERE ((a)) INTO $upstream", "$upstream", NULL },
    { "FROM /* WHERE twin_change_includes(properties.reported.x) INTO $upstream", "$upstream",
      NULL },
    { "FROM /twinChangeNotifications WHERE Twin_Change_Includes('a[0].b') INTO $upstream",
      "$upstream", NULL },
    { "FROM /* WHERE concat('a', b, c, d) = x INTO $upstream", "$upstream", NULL },
};

static void test_taken(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        SK_OWN(sk_route_free) struct sk_route *r = NULL;
        struct sk_err err = SK_ERR_INIT;

        if (sk_route_parse(taken[i].text, &r, &err) < 0)
            fail_msg("%s", err.text);
        assert_string_equal(sk_route_source(r), taken[i].text);
        assert_string_equal(sk_route_module(r), taken[i].module);
        assert_int_equal(sk_route_is_upstream(r), !taken[i].input);
        if (taken[i].input)
            assert_string_equal(sk_route_input(r), taken[i].input);
        else
            assert_null(sk_route_input(r));
    }
}

static const struct {
    const char *text, *says;
} refused[] = {
    { "", "expected FROM, as in FROM /messages/* INTO $upstream\n\n^" },
    { "FORM /* INTO $upstream",
      "expected FROM, as in FROM /messages/* INTO $upstream\nFORM /* INTO $upstream\n^" },
    { "SELECT a FROM /* INTO $upstream",
      "expected * behind SELECT\nSELECT a FROM /* INTO $upstream\n       ^" },
    { "FROM messages/* INTO $upstream",
      "expected a source, as in /messages/*\nFROM messages/* INTO $upstream\n     ^" },
    { "FROM /messages/ INTO $upstream",
      "expected a name or * behind the /\nFROM /messages/ INTO $upstream\n               ^" },
    { "FROM /* INTO", "expected $upstream or BrokeredEndpoint" },
    { "FROM /* INTO $downstream", "expected $upstream or BrokeredEndpoint" },
    { "FROM /* INTO upstream", "expected $upstream or BrokeredEndpoint" },
    { "FROM /* INTO Endpoint('/modules/a/inputs/b')", "expected $upstream or BrokeredEndpoint" },
    { "FROM /* INTO BrokeredEndpoint '/modules/a/inputs/b'", "expected (\n" },
    { "FROM /* INTO BrokeredEndpoint(/modules/a/inputs/b)", "expected \"/modules/" },
    { "FROM /* INTO BrokeredEndpoint('/modules/a/inputs/b'", "expected )\n" },
    { "FROM /* INTO BrokeredEndpoint('/modules/a/inputs/')", "expected \"/modules/" },
    { "FROM /* INTO BrokeredEndpoint('/modules//inputs/b')", "expected \"/modules/" },
    { "FROM /* INTO BrokeredEndpoint('/modules/a/outputs/b')", "expected \"/modules/" },
    { "FROM /* INTO BrokeredEndpoint('/modules/a/inputs/b/c')", "expected \"/modules/" },
    { "FROM /* INTO BrokeredEndpoint('modules/a/inputs/b')", "expected \"/modules/" },
    { "FROM /* INTO BrokeredEndpoint('/modules/a/inputs/b\\u0000')", "expected \"/modules/" },
    { "FROM /* INTO $upstream WHERE a = 1", "expected the end; WHERE stands before INTO" },
    { "FROM /* INTO $upstream;", "';' has no meaning here" },
    { "FROM /* INTO $upstream x", "expected the end\nFROM /* INTO $upstream x\n" },
    /* "*INTO" is one name, as to edgeHub's lexer. */
    { "FROM /messages/*INTO $upstream", "expected WHERE or INTO" },
    { "FROM /* a = 1 INTO $upstream", "expected WHERE or INTO" },
    { "FROM /* WHERE INTO $upstream", "expected a value, a name or a function" },
    { "FROM /* WHERE a = INTO $upstream", "expected a value, a name or a function" },
    { "FROM /* WHERE a b INTO $upstream", "expected an operator or INTO" },
    { "FROM /* WHERE a == 1 INTO $upstream", "expected a value, a name or a function" },
    { "FROM /* WHERE (a = 1 INTO $upstream",
      "expected ) or an operator\nFROM /* WHERE (a = 1 INTO $upstream\n                     ^" },
    { "FROM /* WHERE a = 1) INTO $upstream", "expected an operator or INTO" },
    { "FROM /* WHERE a = 'x INTO $upstream", "the ' is never closed" },
    { "FROM /* WHERE is_definedd(a) INTO $upstream",
      "no such function; did you mean 'is_defined'?" },
    { "FROM /* WHERE blorp(a) INTO $upstream", "no such function\nFROM" },
    { "FROM /* WHERE abs() INTO $upstream", "abs() takes at least 1 value\n" },
    { "FROM /* WHERE abs(1, 2) INTO $upstream", "abs() takes at most 1 value\n" },
    { "FROM /* WHERE concat('a') INTO $upstream", "concat() takes at least 2 values" },
    { "FROM /* WHERE abs(1 INTO $upstream", "expected , or )" },
    { "FROM /* WHERE power(1,) INTO $upstream", "expected a value, a name or a function" },
    { "FROM /* WHERE twin_change_includes($body.x) INTO $upstream", "expected a path, as in" },
    { "FROM /* WHERE {a} INTO $upstream", "expected a system property, as in {$messageId}" },
    { "FROM /* WHERE {$a INTO $upstream", "expected }" },
    { "FROM /* WHERE $ = 1 INTO $upstream", "expected a name of letters and digits behind the $" },
    { "FROM /* WHERE $a[0] = 1 INTO $upstream", "expected a name of letters" },
    { "FROM /* WHERE $body. = 1 INTO $upstream", "expected a name, as in $body.path[0].x" },
    { "FROM /* WHERE $body.a..b = 1 INTO $upstream", "expected a name, as in $body.path[0].x" },
    { "FROM /* WHERE $body.a[x] = 1 INTO $upstream",
      "expected an index, as in [0]\nFROM /* WHERE $body.a[x] = 1 INTO $upstream\n"
      "                      ^" },
    { "FROM /* WHERE $body.a[0 = 1 INTO $upstream", "expected an index" },
    { "FROM /* WHERE $body.a[0][1] = 1 INTO $upstream", "expected . or the end of the path" },
    { "FROM /* WHERE $body.[0] = 1 INTO $upstream", "expected a name, as in" },
    { "FROM /* WHERE \xc3\xa4 = ) INTO $upstream",
      "function\nFROM /* WHERE \xc3\xa4 = ) INTO $upstream\n                  ^" },
    { "FROM /\xff INTO $upstream", "not UTF-8" },
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        SK_OWN(sk_route_free) struct sk_route *r = NULL;
        struct sk_err err = SK_ERR_INIT;

        if (sk_route_parse(refused[i].text, &r, &err) == 0)
            fail_msg("%s: taken", refused[i].text);
        if (err.code != SK_INVALID || !strstr(err.text, refused[i].says))
            fail_msg("%s:\n%s", refused[i].text, err.text);
    }
}

/* `before` n times, a, `after` n times: at the limit it is taken, one beyond it is not. */
static void check_limit(const char *before, const char *after, size_t most, const char *says)
{
    for (size_t n = most; n <= most + 1; n++) {
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 16);
        SK_OWN(sk_route_free) struct sk_route *r = NULL;
        struct sk_err err = SK_ERR_INIT;
        int rc;

        sk_buf_str(&text, "FROM /* WHERE ");
        for (size_t i = 0; i < n; i++)
            sk_buf_str(&text, before);
        sk_buf_str(&text, "a");
        for (size_t i = 0; i < n; i++)
            sk_buf_str(&text, after);
        sk_buf_str(&text, " INTO $upstream");
        rc = sk_route_parse(text.data, &r, &err);
        if (n == most && rc < 0)
            fail_msg("%s: %zu: %s", before, n, err.text);
        if (n > most && (rc == 0 || !strstr(err.text, says)))
            fail_msg("%s: %zu: %d %s", before, n, rc, err.text);
    }
}

static void test_limits(void **state)
{
    SK_OWN(sk_route_free) struct sk_route *r = NULL;
    struct sk_err err = SK_ERR_INIT;
    char text[SK_ROUTE_TEXT_MAX + 2];

    (void)state;
    check_limit("(", ")", SK_ROUTE_DEPTH_MAX, "nested deeper than 64");
    check_limit("NOT ", "", SK_ROUTE_DEPTH_MAX, "nested deeper than 64");
    check_limit("- ", "", SK_ROUTE_DEPTH_MAX, "nested deeper than 64");
    check_limit("abs(", ")", SK_ROUTE_DEPTH_MAX, "nested deeper than 64");
    /* One name and one operator each; the last name alone. */
    check_limit("", " OR a", (SK_ROUTE_NODES_MAX - 1) / 2, "at most 512 names");
    memset(text, ' ', sizeof(text));
    memcpy(text, "FROM /* INTO $upstream", 22);
    text[SK_ROUTE_TEXT_MAX] = 0;
    assert_int_equal(sk_route_parse(text, &r, &err), 0);
    sk_route_free(r);
    r = NULL;
    text[SK_ROUTE_TEXT_MAX] = ' ';
    text[SK_ROUTE_TEXT_MAX + 1] = 0;
    assert_int_equal(sk_route_parse(text, &r, &err), -1);
    assert_non_null(strstr(err.text, "4097 bytes, at most 4096"));
}

static int sweep(void *ctx, struct sk_err *err)
{
    SK_OWN(sk_route_free) struct sk_route *r = NULL;

    (void)ctx;
    return sk_route_parse("FROM /messages/modules/a/* WHERE $body.a[1].b > 1.5 AND NOT x = 'y' OR "
                          "concat($a, {$b}) = c INTO BrokeredEndpoint('/modules/b/inputs/i')",
                          &r, err);
}

static void test_memory(void **state)
{
    (void)state;
    sk_route_free(NULL);
    assert_true(sk_alloc_sweep("route", sweep, NULL, 0) >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
