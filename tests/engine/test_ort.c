/* test_ort.c - finding and opening the library. */
#include "engine/engine.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/alloc_fail.h"
#include "ort_fixture.h"

/* A library that was named and cannot be used is an error that says so, never a reason to take another. */
static void a_named_library_must_work(void **state)
{
    static const struct {
        const char *name, *path, *text;
    } rows[] = {
        { "missing", "/nonexistent/libonnxruntime.so", "/nonexistent/libonnxruntime.so: cannot open shared object file" },
        { "how to install", "/nonexistent/libonnxruntime.so", "--onnxruntime PATH or SKERRY_ONNXRUNTIME" },
        { "not a library", "/etc/passwd", "/etc/passwd" },
        { "another library", "libm.so.6", "the library is not ONNX Runtime: it has no OrtGetApiBase" },
        { "a folder without one", "/etc", "no libonnxruntime.so* in this folder" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_engine_options opts = { .library = rows[i].path, .device = SK_DEVICE_CPU };
        struct sk_engine *e = NULL;

        if (sk_engine_open(&opts, &e, &err) == 0)
            fail_msg("row '%s': opened", rows[i].name);
        if (err.code != SK_UNSUPPORTED || !strstr(err.text, rows[i].text))
            fail_msg("row '%s': %s", rows[i].name, err.text);
    }
}

static void the_environment_names_one(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_engine_options opts = { .device = SK_DEVICE_CPU };
    struct sk_engine *e = NULL;
    const char *before = getenv("SKERRY_ONNXRUNTIME");
    char *saved = before ? strdup(before) : NULL;

    (void)state;
    assert_int_equal(setenv("SKERRY_ONNXRUNTIME", "/nonexistent/env.so", 1), 0);
    assert_int_equal(sk_engine_open(&opts, &e, &err), -1);
    assert_non_null(strstr(err.text, "/nonexistent/env.so"));
    assert_non_null(strstr(err.text, "(SKERRY_ONNXRUNTIME)"));
    if (saved)
        assert_int_equal(setenv("SKERRY_ONNXRUNTIME", saved, 1), 0);
    else
        assert_int_equal(unsetenv("SKERRY_ONNXRUNTIME"), 0);
    free(saved);
}

static void an_open_engine_says_what_it_is(void **state)
{
    const char *reason;

    (void)state;
    assert_int_equal(strncmp(sk_engine_name(engine), "onnxruntime 1.", 14), 0);
    assert_string_equal(sk_engine_device(engine, &reason), "cpu");
    assert_string_equal(reason, "");
    assert_string_equal(getenv("ORT_DISABLE_TELEMETRY"), "1");
}

static int open_again(void *ctx, struct sk_err *err)
{
    struct sk_engine_options opts = { .device = SK_DEVICE_CPU };
    struct sk_engine *e = NULL;

    (void)ctx;
    if (sk_engine_open(&opts, &e, err) < 0)
        return -1;
    sk_engine_close(e);
    return 0;
}

static void engines_open_and_close_often(void **state)
{
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    for (int i = 0; i < 3; i++) {
        if (open_again(NULL, &err) < 0)
            fail_msg("%s", err.text);
    }
    (void)sk_alloc_sweep("open", open_again, NULL, SK_ALLOC_MAY_SURVIVE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_named_library_must_work),
        cmocka_unit_test(the_environment_names_one),
        cmocka_unit_test(an_open_engine_says_what_it_is),
        cmocka_unit_test(engines_open_and_close_often),
    };

    return cmocka_run_group_tests(tests, open_engine, close_engine);
}
