/* test_scan.c - words, paths, values, and how an error shows its place. */
#include "iotql/iotql_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct sk_arena arena = SK_ARENA_INIT(1 << 20);

static struct sk_scan scan_of(const char *text)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_scan s;

    if (sk_iotql_scan_begin(&s, "query", text, &arena, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    return s;
}

/* The path's segments apart by '|', an index with # before; a text beginning with ! is an error's.
 */
static const struct {
    const char *text, *path;
    size_t rest; /* bytes not read */
} paths[] = {
    { "tags", "tags", 0 },
    { " tags.a.b = 1", "tags|a|b", 4 },
    { "tags.$x_1.\xc3\xa4", "tags|$x_1|\xc3\xa4", 0 },
    { "tags.from.9", "tags|from|9", 0 },
    { "tags.a-b", "tags|a", 2 },
    { "tags .a", "tags", 3 },
    { "tags.[[a.b c]].d", "tags|a.b c|d", 0 },
    { "tags[[a]]", "tags|a", 0 },
    { "tags.[[a]b]]", "tags|a]b", 0 },
    { "tags.[[ ]]", "tags| ", 0 },
    { "tags[0][12].x", "tags|#0|#12|x", 0 },
    { "tags[999999]", "tags|#999999", 0 },
    { "tags[1000000]", "!expected an index of at most 6 digits and ], at 6", 0 },
    { "tags[]", "!expected an index", 0 },
    { "tags[1", "!expected an index", 0 },
    { "tags[-1]", "!expected an index", 0 },
    { "tags['a']", "!expected an index", 0 },
    { "tags.[0]", "!expected a name or [[name]], at 6", 0 },
    { "tags.[[a]", "!the [[ is never closed, at 6", 0 },
    { "tags.[[]]", "!expected a name in [[ ]], at 8", 0 },
    { "tags.", "!expected a name or [[name]]", 0 },
    { "tags..a", "!expected a name or [[name]]", 0 },
    { "", "!expected a value", 0 },
    { "[[tags]]", "!expected a value", 0 },
};

static void write_path(const struct path *p, struct sk_buf *out)
{
    for (size_t i = 0; i < p->count; i++) {
        sk_buf_fmt(out, "%s%s", i ? "|" : "", p->segments[i].is_index ? "#" : "");
        sk_buf_add(out, p->segments[i].name.ptr, p->segments[i].name.len);
    }
    sk_buf_chr(out, 0);
}

static void test_paths(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 12);
        struct sk_scan s = scan_of(paths[i].text);
        struct sk_err err = SK_ERR_INIT;
        struct path p;

        if (sk_iotql_scan_path(&s, &p, &err) < 0) {
            if (paths[i].path[0] != '!' || !strstr(err.text, paths[i].path + 1))
                fail_msg("%s: %s", paths[i].text, err.text);
            continue;
        }
        write_path(&p, &out);
        if (strcmp(out.data, paths[i].path) != 0 || s.text.len - s.pos != paths[i].rest)
            fail_msg("%s: %s, %zu", paths[i].text, out.data, s.text.len - s.pos);
    }
}

static void test_long_path(void **state)
{
    (void)state;
    for (unsigned n = SK_IOTQL_SEGMENTS_MAX; n <= SK_IOTQL_SEGMENTS_MAX + 1; n++) {
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 12);
        struct sk_err err = SK_ERR_INIT;
        struct sk_scan s;
        struct path p;

        sk_buf_str(&text, "a");
        for (unsigned i = 1; i < n; i++)
            sk_buf_str(&text, ".a");
        s = scan_of(text.data);
        assert_int_equal(sk_iotql_scan_path(&s, &p, &err), n > SK_IOTQL_SEGMENTS_MAX ? -1 : 0);
        assert_int_equal(err.code, n > SK_IOTQL_SEGMENTS_MAX ? SK_LIMIT : SK_OK);
    }
}

static const struct {
    const char *text, *value; /* NULL: refused */
} texts[] = {
    { "'a'", "a" },       { "\"a\"", "a" },         { "''", "" },    { "'it''s'", "it's" },
    { "'a\"b'", "a\"b" }, { "\"a\"\"b\"", "a\"b" }, { "''''", "'" }, { "'a\\'", "a\\" },
    { "'a", NULL },       { "'a''", NULL },         { "'''", NULL }, { "\"a'", NULL },
};

static void test_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct sk_scan s = scan_of(texts[i].text);
        struct sk_err err = SK_ERR_INIT;
        struct sk_view v;
        int rc;

        assert_true(sk_iotql_scan_is_text(&s));
        rc = sk_scan_quoted(&s, &v, &err);
        if (rc < 0 ? texts[i].value != NULL || !strstr(err.text, "is never closed, at 1:")
                   : !texts[i].value || !sk_view_eq(v, texts[i].value) || s.pos != s.text.len)
            fail_msg("%s: %d %s", texts[i].text, rc, err.text);
    }
}

static const struct {
    const char *text;
    bool is_there, is_good, is_whole;
    double value;
    size_t rest;
} numbers[] = {
    { "5", true, true, true, 5, 0 },
    { "999999999999999999", true, true, true, 1e18, 0 },
    { "9999999999999999990", true, true, false, 9999999999999999990.0, 0 },
    { "1.5", true, true, false, 1.5, 0 },
    { ".5", true, true, false, 0.5, 0 },
    { "1e3 ", true, true, false, 1000, 1 },
    { "1E-2,", true, true, false, 0.01, 1 },
    { "1.", true, true, false, 1, 0 },
    { "1e", true, false, false, 0, 0 },
    { "1e999", true, false, false, 0, 0 },
    { "1x", true, false, false, 0, 0 },
    { "1.5.5", true, true, false, 1.5, 2 },
    { "0x10", true, false, false, 0, 0 },
    { "0000000000000000000000000000000000000000000000000000000000000001", true, false, false, 0,
      0 },
    { ".", false, false, false, 0, 0 },
    { "-1", false, false, false, 0, 0 },
    { "x", false, false, false, 0, 0 },
};

static void test_numbers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct sk_scan s = scan_of(numbers[i].text);
        struct sk_err err = SK_ERR_INIT;
        bool is_whole = false;
        int64_t whole = 0;
        double num = 0;
        int rc;

        if (sk_iotql_scan_is_number(&s) != numbers[i].is_there)
            fail_msg("%s", numbers[i].text);
        if (!numbers[i].is_there)
            continue;
        rc = sk_iotql_scan_number(&s, &is_whole, &whole, &num, &err);
        if ((rc == 0) != numbers[i].is_good)
            fail_msg("%s: %d %s", numbers[i].text, rc, err.text);
        if (rc == 0 && (is_whole != numbers[i].is_whole || s.text.len - s.pos != numbers[i].rest ||
                        (is_whole ? (double)whole : num) != numbers[i].value))
            fail_msg("%s: %d %g", numbers[i].text, is_whole, num);
    }
}

static void test_words(void **state)
{
    struct sk_scan s = scan_of(" Select \t\nnotx NOT<=");

    (void)state;
    assert_false(sk_scan_at_end(&s));
    assert_true(sk_scan_word(&s, "SELECT"));
    assert_false(sk_scan_word(&s, "NOT"));
    assert_true(sk_view_eq(sk_iotql_scan_name(&s), "notx"));
    assert_true(sk_scan_word(&s, "NOT"));
    assert_false(sk_scan_sign(&s, "<>"));
    assert_true(sk_scan_sign(&s, "<="));
    assert_true(sk_scan_at_end(&s));
    assert_false(sk_scan_word(&s, "NOT"));
    assert_int_equal(sk_iotql_scan_name(&s).len, 0);
}

static void test_shown(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_scan s = scan_of("\xc3\xa4 = x");

    (void)state;
    (void)sk_scan_fail(&s, 5, &err, "expected %s", "y");
    assert_string_equal(err.text, "query: expected y, at 5: \xc3\xa4 = >>>x");
    (void)sk_scan_fail(&s, s.text.len, &err, "z");
    assert_string_equal(err.text, "query: z, at 6: \xc3\xa4 = x>>>");
    s = scan_of("0123456789012345678901234567890123456789\xc3\xa4x"
                "0123456789012345678901234567890123456789");
    (void)sk_scan_fail(&s, 42, &err, "z");
    assert_string_equal(err.text, "query: z, at 42: ...23456789012345678901234567890123456789\xc3"
                                  "\xa4>>>x01234567890123456789012345678...");
}

static void test_begin(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_scan s;

    (void)state;
    assert_int_equal(sk_iotql_scan_begin(&s, "query", "\xff", &arena, &err), -1);
    assert_string_equal(err.text, "query: not UTF-8 text");
    s = scan_of("");
    assert_true(sk_scan_at_end(&s));
    assert_int_equal(sk_iotql_scan_begin(&s, "query", NULL, &arena, &err), 0);
}

static int end(void **state)
{
    (void)state;
    sk_arena_done(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths), cmocka_unit_test(test_long_path),
        cmocka_unit_test(test_texts), cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_words), cmocka_unit_test(test_shown),
        cmocka_unit_test(test_begin),
    };

    return cmocka_run_group_tests(tests, NULL, end);
}
