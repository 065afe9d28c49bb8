/* test_record.c - "test" of skerry.json: names, lists, what is missing, what is wrong. */
#include "bundle/bundle.h"

#include "harness/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "folders.h"

static int make_model(void **state)
{
    if (make_root(state) < 0)
        return -1;
    put("m/net.onnx", NULL);
    put("m/test.png", "");
    return 0;
}

static struct sk_bundle *open_with(const char *test, struct sk_err *err)
{
    SK_AUTO(free_cleanup) char *path = at("m");
    struct sk_bundle *b = NULL;
    char json[1024];

    (void)snprintf(json, sizeof json, "{\"test\": %s}", test);
    put("m/skerry.json", json);
    return sk_bundle_open(path, NULL, &b, err) < 0 ? NULL : b;
}

/* [bundle-50] */
static void whole_records(void **state)
{
    static const struct {
        const char *json, *label;
        const char *names[2]; /* NULL: a list */
        double values[2], tolerance;
        size_t count;
    } rows[] = {
        { "{\"image\": \"test.png\"}", NULL, { NULL }, { 0 }, 0.02, 0 },
        { "{\"image\": \"test.png\", \"label\": \"b\", \"probabilities\": {\"b\": 0.75, \"a\": "
          "0.25}}",
          "b",
          { "b", "a" },
          { 0.75, 0.25 },
          0.02,
          2 },
        { "{\"image\": \"test.png\", \"label\": \"b\", \"probabilities\": [0, 1], \"tolerance\": "
          "0.1}",
          "b",
          { NULL },
          { 0, 1 },
          0.1,
          2 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_bundle_free) struct sk_bundle *b = open_with(rows[i].json, &err);
        if (!b) {
            fail_msg("%s: %s", rows[i].json, err.text);
            return; /* for the compiler */
        }
        const struct sk_bundle_test *t = b->test;
        SK_AUTO(free_cleanup) char *image = at("m/test.png");
        assert_non_null(t);
        assert_null(b->warnings);
        assert_string_equal(t->image, image);
        assert_int_equal(t->label != NULL, rows[i].label != NULL);
        if (rows[i].label)
            assert_string_equal(t->label, rows[i].label);
        assert_int_equal(t->count, rows[i].count);
        assert_true(t->tolerance == rows[i].tolerance);
        assert_int_equal(t->names != NULL, rows[i].names[0] != NULL);
        for (size_t k = 0; k < t->count; k++) {
            assert_true(t->values[k] == rows[i].values[k]);
            if (t->names)
                assert_string_equal(t->names[k], rows[i].names[k]);
        }
    }
}

/* [bundle-50] */
static void wrong_records(void **state)
{
    static const struct {
        const char *json, *text;
    } rows[] = {
        { "[]", "'test': expected an object, got" },
        { "5", "'test': expected an object, got" },
        { "{}", "'test': 'image' is missing" },
        { "{\"image\": 1}", "'image': expected a string" },
        { "{\"image\": \"../x\"}", "'image': expected a name inside the bundle" },
        { "{\"image\": \"gone.png\"}", "'image': there is no file" },
        { "{\"image\": \"test.png\", \"label\": \"b\"}", "'probabilities' is missing" },
        { "{\"image\": \"test.png\", \"probabilities\": [1]}", "'label' is missing" },
        { "{\"image\": \"test.png\", \"label\": 1, \"probabilities\": [1]}",
          "'label': expected a string" },
        { "{\"image\": \"test.png\", \"label\": \"b\", \"probabilities\": 1}",
          "expected an object or an array" },
        { "{\"image\": \"test.png\", \"label\": \"b\", \"probabilities\": []}", "expected 1 to" },
        { "{\"image\": \"test.png\", \"label\": \"b\", \"probabilities\": [\"x\"]}",
          "'probabilities': expected numbers" },
        { "{\"image\": \"test.png\", \"label\": \"b\", \"probabilities\": {\"b\": null}}",
          "'probabilities': expected numbers" },
        { "{\"image\": \"test.png\", \"tolerance\": 2}", "'tolerance'" },
        { "{\"image\": \"test.png\", \"tolerance\": -0.1}", "'tolerance'" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_bundle_free) struct sk_bundle *b = open_with(rows[i].json, &err);
        if (b)
            fail_msg("row %s: accepted", rows[i].json);
        if (!strstr(err.text, rows[i].text) || !strstr(err.text, "skerry.json"))
            fail_msg("row %s: %s", rows[i].json, err.text);
    }
}

static int open_again(void *ctx, struct sk_err *err)
{
    SK_OWN(sk_bundle_free) struct sk_bundle *b = NULL;
    return sk_bundle_open(ctx, NULL, &b, err);
}

static void without_memory(void **state)
{
    SK_AUTO(free_cleanup) char *path = at("m");

    (void)state;
    put("m/skerry.json", "{\"test\": {\"image\": \"test.png\", \"label\": \"b\", "
                         "\"probabilities\": {\"b\": 0.75, \"a\": 0.25}}}");
    (void)sk_alloc_sweep("a record", open_again, path, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_records),
        cmocka_unit_test(wrong_records),
        cmocka_unit_test(without_memory),
    };

    return cmocka_run_group_tests(tests, make_model, drop_root);
}
