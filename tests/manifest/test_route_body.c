/*
 * test_route_body.c - which bodies conditions can look into: content types, encodings, paths.
 */
#include "manifest/route_priv.h"

#include "routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define BYTES(s) s, sizeof(s) - 1

static const struct {
    const char *type, *encoding, *body;
    size_t len;
    bool is_read; /* then a is 1 */
} rows[] = {
    { "application/json", NULL, BYTES("{\"a\":1}"), true },
    { "APPLICATION/JSON; charset=utf-8", "", BYTES("{\"a\":1}"), true },
    { "application/json", "UTF-8", BYTES("{\"a\":1}"), true },
    { "application/json", "utf8", BYTES("\xef\xbb\xbf{\"a\":1}"), true },
    { "application/json", "utf-16",
      BYTES("{\0\"\0a\0\"\0:\0"
            "1\0}\0"),
      true },
    { "application/json", "UTF-16",
      BYTES("\xff\xfe{\0\"\0a\0\"\0:\0"
            "1\0}\0"),
      true },
    { "application/json", "utf-16",
      BYTES("\xfe\xff\0{\0\"\0a\0\"\0:\0"
            "1\0}"),
      true },
    { "application/json", "utf-32",
      BYTES("{\0\0\0\"\0\0\0a\0\0\0\"\0\0\0:\0\0\0"
            "1\0\0\0}\0\0\0"),
      true },
    { "application/json", "utf-32",
      BYTES("\0\0\xfe\xff\0\0\0{\0\0\0\"\0\0\0a\0\0\0\"\0\0\0:\0\0\0"
            "1\0\0\0}"),
      true },
    { NULL, NULL, BYTES("{\"a\":1}"), false },
    { "text/plain", NULL, BYTES("{\"a\":1}"), false },
    { "application/jso", NULL, BYTES("{\"a\":1}"), false },
    { "application/json", "latin1", BYTES("{\"a\":1}"), false },
    { "application/json", "utf-16",
      BYTES("{\0\"\0a\0\"\0:\0"
            "1\0}"),
      false },                                                        /* odd */
    { "application/json", "utf-16", BYTES("{\0\x00\xd8}\0"), false }, /* half a pair */
    { "application/json", "utf-16", BYTES("\x00\xdc"), false },
    { "application/json", "utf-16", BYTES("\x00\xd8"), false },
    { "application/json", "utf-32", BYTES("\0\0\x11\0"), false }, /* beyond Unicode */
    { "application/json", "utf-16", BYTES(""), false },
    { "application/json", "utf-16", BYTES("\xff\xfe"), false },
    { "application/json", NULL, BYTES(""), false },
    { "application/json", NULL, BYTES("[1]"), false },
    { "application/json", NULL, BYTES("1"), false },
    { "application/json", NULL, BYTES("{\"a\":1"), false },
    { "application/json", NULL, BYTES("{\"a\":\"\xff\"}"), false },
};

static struct sk_json *read_it(const char *type, const char *encoding, struct sk_view body)
{
    const char *systems[] = { encoding ? "contentEncoding" : "x", encoding ? encoding : "",
                              type ? "contentType" : "y", type ? type : "", NULL };
    struct route_bag bag = { NULL, systems };
    struct sk_route_message m = { "/messages", body, route_property, route_system, &bag };

    return sk_route_body_read(&m);
}

static void test_bodies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_OWN(sk_json_free)
        struct sk_json *doc = read_it(rows[i].type, rows[i].encoding,
                                      (struct sk_view){ rows[i].body, rows[i].len });

        if (!doc != !rows[i].is_read)
            fail_msg("row %zu: %s", i, doc ? "read" : "not read");
        if (doc)
            assert_int_equal(sk_json_int(sk_json_get(doc, "a"), 0), 1);
    }
}

/* Characters of each length survive UTF-16. */
static void test_letters(void **state)
{
    SK_OWN(sk_json_free)
    struct sk_json *doc = read_it(
        "application/json", "utf-16",
        SK_VIEW("{\0\"\0a\0\"\0:\0\"\0A\0\xe4\0\xac\x20\x3d\xd8\x00\xde\"\0}\0"));

    (void)state;
    assert_non_null(doc);
    assert_string_equal(sk_json_get_text(doc, "a", ""), "A\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
}

static void test_limits(void **state)
{
    (void)state;
    for (size_t n = SK_ROUTE_BODY_MAX; n <= SK_ROUTE_BODY_MAX + 1; n++) {
        char *body = malloc(n);
        struct sk_json *doc;

        memset(body, ' ', n);
        memcpy(body, "{\"a\":1}", 7);
        doc = read_it("application/json", NULL, (struct sk_view){ body, n });
        assert_int_equal(doc != NULL, n == SK_ROUTE_BODY_MAX);
        sk_json_free(doc);
        free(body);
    }
    /* An array counts as 4, the key as 1, each number as 1, the object as 4. */
    for (size_t n = SK_ROUTE_VALUES_MAX - 9; n <= SK_ROUTE_VALUES_MAX - 8; n++) {
        SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(1 << 20);
        struct sk_json *doc;

        sk_buf_str(&body, "{\"a\":[0");
        for (size_t i = 1; i < n; i++)
            sk_buf_str(&body, ",0");
        sk_buf_str(&body, "]}");
        doc = read_it("application/json", NULL, (struct sk_view){ body.data, body.len });
        assert_int_equal(doc != NULL, n == SK_ROUTE_VALUES_MAX - 9);
        sk_json_free(doc);
    }
}

static const struct {
    const char *path, *json; /* NULL: nothing there */
} paths[] = {
    { "a", "{\"b\":[10,{\"c\":null}]}" },
    { "a.b", "[10,{\"c\":null}]" },
    { "a.b[0]", "10" },
    { "a.b[1].c", "null" },
    { "a.b[2]", NULL },
    { "a.b[999999999]", NULL },
    { "a[0]", NULL },
    { "A", NULL },
    { "x.y.z", NULL },
    { "1.2", "true" },
};

static void test_paths(void **state)
{
    SK_OWN(sk_json_free)
    struct sk_json *doc = read_it("application/json", NULL,
                                  SK_VIEW("{\"a\":{\"b\":[10,{\"c\":null}]},\"1\":{\"2\":true}}"));

    (void)state;
    assert_non_null(doc);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1000);
        struct sk_arena arena = SK_ARENA_INIT(1 << 12);
        const struct sk_route_step *steps = NULL;
        const struct sk_json *v;
        struct sk_err err = SK_ERR_INIT;
        struct sk_view path = sk_view_of(paths[i].path);

        if (sk_route_steps(path, 0, path, &arena, &steps, &err) < 0)
            fail_msg("%s", err.text);
        v = sk_route_body_find(doc, steps);
        sk_json_dump(v, &text);
        if (!v != !paths[i].json || (v && strcmp(text.data, paths[i].json) != 0))
            fail_msg("%s: %s", paths[i].path, text.data);
        sk_arena_done(&arena);
    }
    assert_null(sk_route_body_find(NULL, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_letters),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_paths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
