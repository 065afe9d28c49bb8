/* test_json.c - parsing, refusals, typed access. */
#include "json/json.h"

#include "base/limits.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- what is accepted and what comes back ---- */

static const struct {
    const char *name, *text, *dumped;
} accepted[] = {
    { "object", "{ \"a\" : [ 1 , -2.5 , true , null ] }", "{\"a\":[1,-2.5,true,null]}" },
    { "order is kept", "{\"b\":1,\"a\":2}", "{\"b\":1,\"a\":2}" },
    { "number alone", "42", "42" },
    { "text alone", "\"x\"", "\"x\"" },
    { "literal alone", " false\n", "false" },
    { "largest integer", "9223372036854775807", "9223372036854775807" },
    { "smallest integer", "-9223372036854775808", "-9223372036854775808" },
    { "exponent", "[1e3]", "[1000.0]" },
    { "escapes", "\"\\u00e9\\n\\\"\"", "\"\xC3\xA9\\n\\\"\"" },
    { "surrogate pair", "\"\\ud83d\\ude00\"", "\"\xF0\x9F\x98\x80\"" },
    { "byte order mark", "\xEF\xBB\xBF{}", "{}" },
    { "same key in other objects", "[{\"a\":1},{\"a\":1}]", "[{\"a\":1},{\"a\":1}]" },
};

static void test_accepted(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(accepted); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_json_free) struct sk_json *doc = NULL;
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1000);

        if (sk_json_parse(accepted[i].text, strlen(accepted[i].text), NULL, &doc, &err) < 0)
            fail_msg("%s: %s", accepted[i].name, err.text);
        sk_json_dump(doc, &out);
        assert_true(sk_buf_ok(&out));
        if (strcmp(out.data, accepted[i].dumped) != 0)
            fail_msg("%s: got %s", accepted[i].name, out.data);
    }
}

#define TEXT(literal) (literal), sizeof(literal) - 1

static const struct {
    const char *name, *text;
    size_t len;
    enum sk_code code;
    const char *part; /* of the message */
} refused[] = {
    { "empty", TEXT(""), SK_INVALID, "empty" },
    { "only a byte order mark", TEXT("\xEF\xBB\xBF"), SK_INVALID, "empty" },
    { "spaces", TEXT("  "), SK_INVALID, "line 1" },
    { "line and column", TEXT("{\n  \"a\": oops}"), SK_INVALID, "line 2, column" },
    { "NaN", TEXT("[NaN]"), SK_INVALID, "NaN" },
    { "Infinity", TEXT("[Infinity]"), SK_INVALID, "Infinity" },
    { "minus infinity", TEXT("[-Infinity]"), SK_INVALID, "line 1" },
    { "number overflows", TEXT("[1e999]"), SK_INVALID, "overflow" },
    { "integer overflows", TEXT("[9223372036854775808]"), SK_INVALID, "too big" },
    { "duplicate key", TEXT("{\"a\":1,\"a\":2}"), SK_INVALID, "duplicate" },
    { "duplicate key, escaped", TEXT("{\"a\":1,\"\\u0061\":2}"), SK_INVALID, "duplicate" },
    { "trailing text", TEXT("{} x"), SK_INVALID, "line 1" },
    { "two documents", TEXT("{}{}"), SK_INVALID, "line 1" },
    { "trailing comma", TEXT("[1,]"), SK_INVALID, "line 1" },
    { "single quotes", TEXT("{'a':1}"), SK_INVALID, "line 1" },
    { "comment", TEXT("/* */ {}"), SK_INVALID, "line 1" },
    { "leading zero", TEXT("[01]"), SK_INVALID, "line 1" },
    { "plus sign", TEXT("[+1]"), SK_INVALID, "line 1" },
    { "bare fraction", TEXT("[.5]"), SK_INVALID, "line 1" },
    { "hexadecimal", TEXT("[0x10]"), SK_INVALID, "line 1" },
    { "control character", TEXT("\"\x01\""), SK_INVALID, "control character" },
    { "NUL byte", TEXT("[1\0]"), SK_INVALID, "NUL byte at 2" },
    { "NUL escape", TEXT("\"\\u0000\""), SK_INVALID, "u0000" },
    { "lone surrogate", TEXT("\"\\ud83d\""), SK_INVALID, "line 1" },
    { "cut off", TEXT("{\"a\":[1,2"), SK_INVALID, "line 1" },
    { "not UTF-8", TEXT("\"\xFF\""), SK_INVALID, "UTF-8" },
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_json *doc = NULL;
        int rc = sk_json_parse(refused[i].text, refused[i].len, NULL, &doc, &err);

        if (rc != -1 || doc || err.code != refused[i].code || !strstr(err.text, refused[i].part))
            fail_msg("%s: rc %d, code %d, '%s'", refused[i].name, rc, err.code, err.text);
    }
}

static void test_limits(void **state)
{
    static const struct {
        unsigned depth;
        int rc;
    } rows[] = { { SK_LIMIT_JSON_DEPTH, 0 }, { SK_LIMIT_JSON_DEPTH + 1, -1 }, { 100000, -1 } };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_json_free) struct sk_json *doc = NULL;
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1u << 20);

        for (unsigned n = 0; n < rows[i].depth; n++)
            sk_buf_chr(&text, '[');
        for (unsigned n = 0; n < rows[i].depth; n++)
            sk_buf_chr(&text, ']');
        assert_true(sk_buf_ok(&text));
        assert_int_equal(sk_json_parse(text.data, text.len, NULL, &doc, &err), rows[i].rc);
        assert_int_equal(err.code, rows[i].rc == 0 ? SK_OK : SK_LIMIT);
    }
}

/* ---- typed fields ---- */

static const char fields[] = "{\"int\":7,\"real\":2.5,\"text\":\"abc\",\"yes\":true,\"none\":null,"
                             "\"list\":[1,2,3],\"map\":{\"k\":\"v\"}}";

enum kind {
    WANT_INT,
    WANT_NUM,
    WANT_BOOL,
    WANT_TEXT,
    WANT_OBJECT,
    WANT_ARRAY
};

static const struct {
    const char *name;
    enum kind kind;
    const char *key;
    const char *message; /* NULL: accepted */
    bool is_set;
} wants[] = {
    { "integer", WANT_INT, "int", NULL, true },
    { "integer absent", WANT_INT, "no", NULL, false },
    { "integer null", WANT_INT, "none", NULL, false },
    { "integer from real", WANT_INT, "real", "'real': expected an integer, got a number", false },
    { "integer from text", WANT_INT, "text", "'text': expected an integer, got a string", false },
    { "number", WANT_NUM, "real", NULL, true },
    { "number from integer", WANT_NUM, "int", NULL, true },
    { "number from list", WANT_NUM, "list", "'list': expected a number, got an array", false },
    { "boolean", WANT_BOOL, "yes", NULL, true },
    { "boolean from integer", WANT_BOOL, "int", "'int': expected a boolean, got an integer",
      false },
    { "text", WANT_TEXT, "text", NULL, true },
    { "text from map", WANT_TEXT, "map", "'map': expected a string, got an object", false },
    { "object", WANT_OBJECT, "map", NULL, true },
    { "object from list", WANT_OBJECT, "list", "'list': expected an object, got an array", false },
    { "array", WANT_ARRAY, "list", NULL, true },
    { "array from boolean", WANT_ARRAY, "yes", "'yes': expected an array, got a boolean", false },
};

static int want(const struct sk_json *doc, enum kind kind, const char *key, bool *is_set,
                struct sk_err *err)
{
    int64_t n = -1;
    double d = -1;
    bool b = false;
    const char *text = NULL;
    const struct sk_json *v = NULL;
    int rc = -1;

    switch (kind) {
    case WANT_INT:
        rc = sk_json_want_int(doc, key, 0, 10, &n, err);
        break;
    case WANT_NUM:
        rc = sk_json_want_num(doc, key, 0, 10, &d, err);
        break;
    case WANT_BOOL:
        rc = sk_json_want_bool(doc, key, &b, err);
        break;
    case WANT_TEXT:
        rc = sk_json_want_text(doc, key, &text, err);
        break;
    case WANT_OBJECT:
        rc = sk_json_want_object(doc, key, &v, err);
        break;
    case WANT_ARRAY:
        rc = sk_json_want_array(doc, key, &v, err);
        break;
    }
    *is_set = n >= 0 || d >= 0 || b || text || v;
    return rc;
}

static struct sk_json *parse(const char *text)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_json *doc = NULL;

    if (sk_json_parse(text, strlen(text), NULL, &doc, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    return doc;
}

static void test_wants(void **state)
{
    SK_OWN(sk_json_free) struct sk_json *doc = parse(fields);

    (void)state;
    for (size_t i = 0; i < COUNT(wants); i++) {
        struct sk_err err = SK_ERR_INIT;
        bool is_set;
        int rc = want(doc, wants[i].kind, wants[i].key, &is_set, &err);

        if (rc != (wants[i].message ? -1 : 0) || is_set != wants[i].is_set ||
            (wants[i].message &&
             (err.code != SK_INVALID || strcmp(err.text, wants[i].message) != 0)))
            fail_msg("%s: rc %d, set %d, '%s'", wants[i].name, rc, is_set, err.text);
    }
}

static void test_ranges(void **state)
{
    static const struct {
        const char *text;
        int rc;
    } rows[] = { { "{\"n\":1}", 0 }, { "{\"n\":5}", 0 }, { "{\"n\":0}", -1 }, { "{\"n\":6}", -1 } };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_json_free) struct sk_json *doc = parse(rows[i].text);
        int64_t n = 0;
        double d = 0;

        assert_int_equal(sk_json_want_int(doc, "n", 1, 5, &n, &err), rows[i].rc);
        assert_int_equal(sk_json_want_num(doc, "n", 1, 5, &d, &err), rows[i].rc);
        if (rows[i].rc < 0)
            assert_non_null(strstr(err.text, "is not between 1 and 5"));
    }
}

static void test_plain(void **state)
{
    SK_OWN(sk_json_free) struct sk_json *doc = parse(fields);
    const struct sk_json *list = sk_json_get(doc, "list");
    int64_t sum = 0;
    size_t keys = 0;

    (void)state;
    for (size_t i = 0; i < sk_json_count(list); i++)
        sum += sk_json_int(sk_json_at(list, i), 0);
    assert_int_equal(sum, 6);
    assert_null(sk_json_at(list, 3));
    for (void *it = sk_json_first(doc); it; it = sk_json_next(doc, it)) {
        assert_ptr_equal(sk_json_value(it), sk_json_get(doc, sk_json_key(it)));
        keys++;
    }
    assert_int_equal(keys, sk_json_count(doc));
    assert_string_equal(sk_json_text(sk_json_get(doc, "text"), ""), "abc");
    assert_int_equal(sk_json_text_len(sk_json_get(doc, "text")), 3);
    assert_string_equal(sk_json_text(sk_json_get(doc, "int"), "other"), "other");
    assert_string_equal(sk_json_get_text(doc, "text", ""), "abc");
    assert_string_equal(sk_json_get_text(doc, "int", "other"), "other");
    assert_null(sk_json_get_text(NULL, "text", NULL));
    assert_true(sk_json_num(sk_json_get(doc, "int"), 0) == 7.0);
    assert_true(sk_json_bool(sk_json_get(doc, "yes"), false));
    assert_int_equal(sk_json_int(sk_json_get(doc, "real"), -1), -1);
}

/* Whatever is asked of nothing, the answer is nothing. */
static void test_null(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(10);

    (void)state;
    assert_int_equal(sk_json_type(NULL), SK_JSON_NULL);
    assert_null(sk_json_get(NULL, "a"));
    assert_int_equal(sk_json_count(NULL), 0);
    assert_null(sk_json_at(NULL, 0));
    assert_null(sk_json_first(NULL));
    assert_null(sk_json_text(NULL, NULL));
    assert_int_equal(sk_json_text_len(NULL), 0);
    sk_json_dump(NULL, &out);
    assert_string_equal(out.data, "null");
    sk_json_free(NULL);
}

static void test_equal(void **state)
{
    static const struct {
        const char *a, *b;
        bool is_equal;
    } pairs[] = {
        { "1", "1", true },
        { "1", "1.0", false },
        { "0.5", "5e-1", true },
        { "\"a\"", "\"\\u0061\"", true },
        { "null", "false", false },
        { "[1,2]", "[1,2]", true },
        { "[1,2]", "[2,1]", false },
        { "{\"a\":1,\"b\":[{}]}", "{\"b\":[{}],\"a\":1}", true },
        { "{\"a\":1}", "{\"a\":1,\"b\":null}", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        SK_OWN(sk_json_free) struct sk_json *a = parse(pairs[i].a);
        SK_OWN(sk_json_free) struct sk_json *b = parse(pairs[i].b);

        if (sk_json_equal(a, b) != pairs[i].is_equal || sk_json_equal(b, a) != pairs[i].is_equal)
            fail_msg("%s and %s", pairs[i].a, pairs[i].b);
        assert_false(sk_json_equal(a, NULL));
    }
}

static void test_dump_ceiling(void **state)
{
    SK_OWN(sk_json_free) struct sk_json *doc = parse(fields);
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(10);

    (void)state;
    sk_json_dump(doc, &out);
    assert_int_equal(out.failed, SK_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limits),   cmocka_unit_test(test_wants),
        cmocka_unit_test(test_ranges),   cmocka_unit_test(test_plain),
        cmocka_unit_test(test_null),     cmocka_unit_test(test_dump_ceiling),
        cmocka_unit_test(test_equal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
