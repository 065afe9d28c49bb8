/* test_cmd_version.c - `skerry version`, with an engine, without one, as JSON. */
#include "cli_test.h"

#include "base/str.h"
#include "json/json.h"

static void test_text(void **state)
{
    SK_AUTO(ran_done) struct ran r = run_words("skerry version", NULL, NULL);

    (void)state;
    check_status("version", &r, 0);
    assert_true(sk_starts_with(r.out, "skerry " SK_VERSION " ("));
    assert_non_null(strstr(r.out, "\nengine    onnxruntime 1."));
    assert_non_null(strstr(r.out, "\npictures  jpeg, png"));
    assert_non_null(strstr(r.out, "\ncodecs    libjpeg"));
    assert_non_null(strstr(r.out, "\nkernels   "));
}

static void test_no_engine(void **state)
{
    SK_AUTO(ran_done)
    struct ran r = run_words("skerry version --onnxruntime /nonexistent/libonnxruntime.so", NULL,
                             NULL);

    (void)state;
    check_status("no engine", &r, 0); /* told, not an error */
    assert_non_null(strstr(r.out, "\nengine    none: "));
    assert_non_null(strstr(r.out, "/nonexistent/libonnxruntime.so"));
}

static void test_json(void **state)
{
    static const char *const lines[] = {
        "skerry version --json",
        "skerry version --json --onnxruntime /nonexistent/libonnxruntime.so"
    };

    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        SK_AUTO(ran_done) struct ran r = run_words(lines[i], NULL, NULL);
        SK_OWN(sk_json_free) struct sk_json *doc = NULL;
        struct sk_err err = SK_ERR_INIT;

        check_status(lines[i], &r, 0);
        if (sk_json_parse(r.out, strlen(r.out), NULL, &doc, &err) < 0)
            fail_msg("%s: %s", err.text, r.out);
        assert_string_equal(sk_json_get_text(doc, "version", ""), SK_VERSION);
        assert_int_equal(sk_json_type(sk_json_get(doc, "engine")),
                         i == 0 ? SK_JSON_STRING : SK_JSON_NULL);
        assert_true(sk_json_int(sk_json_get(doc, "cores"), 0) >= 1);
        assert_true(sk_json_count(sk_json_get(doc, "kernels_available")) >= 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_no_engine),
        cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests_name("cmd_version", tests, NULL, NULL);
}
