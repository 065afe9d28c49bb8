/*
 * test_create_options.c - createOptions from a text, an object, and chunks.
 */
#include "manifest/manifest_priv.h"

#include "harness/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *settings, *out, *says;
} rows[] = {
    { "{}", "{}", NULL },
    { "{\"image\":\"x\"}", "{}", NULL },
    { "{\"createOptions\":\"\"}", "{}", NULL },
    { "{\"createOptions\":\" \\n\"}", "{}", NULL },
    { "{\"createOptions\":null}", "{}", NULL },
    { "{\"createOptions\":\"{}\"}", "{}", NULL },
    { "{\"createOptions\":{\"A\":[1,null],\"b.c\":{}}}", "{\"A\":[1,null],\"b.c\":{}}", NULL },
    /* numbers, escapes and order stay; white space goes */
    { "{\"createOptions\":\" { \\\"Z\\\" : 0.10 ,\\n\\\"A\\\" : \\\"a \\\\\\\" b\\\\u00e4\\\" } "
      "\"}",
      "{\"Z\":0.10,\"A\":\"a \\\" b\\u00e4\"}", NULL },
    { "{\"createOptions\":\"{\\\"A\\\"\",\"createOptions01\":\":1,\",\"createOptions02\":"
      "\"\\\"B\\\":2}\"}",
      "{\"A\":1,\"B\":2}", NULL },
    { "{\"createOptions02\":\"\\\"B\\\":2}\",\"createOptions01\":\":1,\",\"createoptions\":"
      "\"{\\\"A\\\"\"}",
      "{\"A\":1,\"B\":2}", NULL }, /* in any order and case */
    { "{\"createOptions\":{\"A\":1},\"createOptions01\":\"\"}", "{\"A\":1}", NULL },
    { "{\"createOptionsX\":5,\"createOptions1x\":5}", "{}", NULL }, /* other names */
    { "{\"createOptions01\":\"{}\"}", NULL, "expected createOptions, found createOptions01" },
    { "{\"createOptions\":\"{\",\"createOptions02\":\"}\"}", NULL,
      "expected createOptions01, found createOptions02" },
    { "{\"createOptions\":\"{\",\"createOptions1\":\"}\"}", NULL,
      "expected createOptions01, found createOptions1" },
    { "{\"createOptions\":\"{\",\"createoptions\":\"}\"}", NULL,
      "expected createOptions01, found" },
    { "{\"createOptions\":5}", NULL, "createOptions: expected a string or an object, got an" },
    { "{\"createOptions\":\"{\"}", NULL, "createOptions: not JSON: line 1" },
    { "{\"createOptions\":\"[]\"}", NULL, "createOptions: expected an object, got an array" },
    { "{\"createOptions\":\"5\"}", NULL, "createOptions: expected an object, got an integer" },
    { "{\"createOptions\":\"{\\\"a\\\":1,\\\"a\\\":2}\"}", NULL, "createOptions: not JSON" },
};

static int run(const char *settings, struct sk_buf *out, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;

    if (sk_json_parse(settings, strlen(settings), NULL, &doc, err) < 0)
        return -1;
    return sk_manifest_create_options(doc, out, err);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16);
        struct sk_err err = SK_ERR_INIT;
        int rc = run(rows[i].settings, &out, &err);

        if (rows[i].out
                ? rc < 0 || strcmp(out.data, rows[i].out) != 0
                : rc == 0 || err.code != SK_INVALID || !sk_starts_with(err.text, rows[i].says))
            fail_msg("%s: %s %s", rows[i].settings, out.data ? out.data : "", err.text);
    }
}

/* As many chunks as there may be, the last one number 99. */
static void test_chunks(void **state)
{
    (void)state;
    for (unsigned n = SK_MANIFEST_CHUNKS_MAX; n <= SK_MANIFEST_CHUNKS_MAX + 1; n++) {
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 16);
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16);
        struct sk_err err = SK_ERR_INIT;
        int rc;

        sk_buf_str(&text, "{\"createOptions\":\"{\"");
        for (unsigned i = 1; i < n; i++)
            sk_buf_fmt(&text, ",\"createOptions%02u\":\"%s\"", i, i + 1 < n ? " " : "}");
        sk_buf_chr(&text, '}');
        rc = run(text.data, &out, &err);
        assert_int_equal(rc, n > SK_MANIFEST_CHUNKS_MAX ? -1 : 0);
        assert_int_equal(err.code, n > SK_MANIFEST_CHUNKS_MAX ? SK_LIMIT : SK_OK);
    }
}

static void test_bytes(void **state)
{
    (void)state;
    for (size_t n = SK_MANIFEST_CREATE_MAX; n <= SK_MANIFEST_CREATE_MAX + 1; n++) {
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 20);
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
        struct sk_err err = SK_ERR_INIT;
        int rc;

        sk_buf_str(&text, "{\"createOptions\":\"{");
        for (size_t i = 2; i < n; i++)
            sk_buf_chr(&text, ' ');
        sk_buf_str(&text, "}\"}");
        rc = run(text.data, &out, &err);
        assert_int_equal(rc, n > SK_MANIFEST_CREATE_MAX ? -1 : 0);
        assert_int_equal(err.code, n > SK_MANIFEST_CREATE_MAX ? SK_LIMIT : SK_OK);
    }
}

static int sweep(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16);

    return sk_manifest_create_options(ctx, &out, err);
}

static void test_memory(void **state)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_json_parse(rows[8].settings, strlen(rows[8].settings), NULL, &doc, &err),
                     0);
    assert_true(sk_alloc_sweep("create options", sweep, doc, 0) >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
