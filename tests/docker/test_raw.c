/* test_raw.c - members as they stand in the text. */
#include "engine.h"

#include <string.h>

static void test_members(void **state)
{
    static const struct {
        const char *text, *members; /* "key=value;" of each, raw */
    } rows[] = {
        { "{}", "" },
        { "[]", "" },
        { "null", "" },
        { "12", "" },
        { "", "" },
        { "{\"a\":1}", "\"a\"=1;" },
        { " { \"a\" : 1.50 , \"b\":[1, {\"c\":\"}\"}] }", "\"a\"=1.50;\"b\"=[1, {\"c\":\"}\"}];" },
        { "{\"a\\\"b\":\"x,\\\"y\",\"c\":true}", "\"a\\\"b\"=\"x,\\\"y\";\"c\"=true;" },
        { "[1, \"two\",\n{\"3\":[]},null]", "=1;=\"two\";={\"3\":[]};=null;" },
        { "[[],[[]],\"]\"]", "=[];=[[]];=\"]\";" },
        { "{\"a\":-1e-7}", "\"a\"=-1e-7;" },
        { "{\"\":\"\"}", "\"\"=\"\";" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf got = SK_BUF_INIT(4096);
        struct sk_docker_raw r = sk_docker_raw_of(sk_view_of(rows[i].text));
        struct sk_docker_member m;
        sk_buf_str(&got, "");
        while (sk_docker_raw_next(&r, &m)) {
            sk_buf_add(&got, m.key.ptr, m.key.len);
            sk_buf_chr(&got, '=');
            sk_buf_add(&got, m.value.ptr, m.value.len);
            sk_buf_chr(&got, ';');
        }
        if (strcmp(got.data ? got.data : "", rows[i].members) != 0)
            fail_msg("%s: %s", rows[i].text, got.data);
    }
}

static void test_names(void **state)
{
    static const struct {
        const char *key, *name;
        bool is;
    } rows[] = {
        { "\"Env\"", "Env", true },         { "\"env\"", "Env", true },
        { "\"ENV\"", "Env", true },         { "\"\\u0045nv\"", "Env", true },
        { "\"Envs\"", "Env", false },       { "\"En\"", "Env", false },
        { "\"\"", "Env", false },           { "\"E\\nv\"", "Env", false },
        { "\"E\xc3\xbcv\"", "Env", false }, { "\"\\u00ffnv\"", "Env", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct sk_docker_member m = { sk_view_of(rows[i].key), { "", 0 } };
        if (sk_docker_raw_is(&m, rows[i].name) != rows[i].is)
            fail_msg("%s", rows[i].key);
    }
}

static void test_text(void **state)
{
    char out[8];

    (void)state;
    sk_docker_raw_text(SK_VIEW("\"a\\t\\\\b\""), out, sizeof out);
    assert_string_equal(out, "a\t\\b");
    sk_docker_raw_text(SK_VIEW("\"0123456789\""), out, sizeof out);
    assert_string_equal(out, "0123456");
    sk_docker_raw_text(SK_VIEW("\"a\\u00"), out, sizeof out); /* not checked before: no harm */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
