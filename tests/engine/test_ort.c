/* test_ort.c - finding and opening the library. */
#include "engine/engine.h"

#include "base/file.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/alloc_fail.h"
#include "ort_fixture.h"

/* [engine-2] A library that was named and cannot be used is an error that says so, never a reason
 * to take another. */
static void a_named_library_must_work(void **state)
{
    static const struct {
        const char *name, *path, *text;
    } rows[] = {
        { "missing", "/nonexistent/libonnxruntime.so",
          "/nonexistent/libonnxruntime.so: cannot open shared object file" },
        { "how to install", "/nonexistent/libonnxruntime.so",
          "--onnxruntime PATH or SKERRY_ONNXRUNTIME" },
        { "not a library", "/etc/passwd", "/etc/passwd" },
        { "another library", "libm.so.6",
          "libm.so.6' is not ONNX Runtime: it has no OrtGetApiBase" },
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

/* [engine-1] */
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
    opts.library = "/nonexistent/env.so"; /* the option that took its value from there */
    assert_int_equal(sk_engine_open(&opts, &e, &err), -1);
    assert_non_null(strstr(err.text, "(SKERRY_ONNXRUNTIME)"));
    opts.library = "/nonexistent/option.so";
    assert_int_equal(sk_engine_open(&opts, &e, &err), -1);
    assert_non_null(strstr(err.text, "(--onnxruntime)"));
    if (saved)
        assert_int_equal(setenv("SKERRY_ONNXRUNTIME", saved, 1), 0);
    else
        assert_int_equal(unsetenv("SKERRY_ONNXRUNTIME"), 0);
    free(saved);
}

/* The file, without links; a folder is looked into as for an engine. */
static void where_the_library_is(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    char *path = NULL, *again = NULL;

    (void)state;
    assert_int_equal(sk_engine_library(NULL, &path, &err), 0);
    assert_int_equal(path[0], '/');
    assert_non_null(strstr(path, "/libonnxruntime.so"));
    assert_true(sk_is_file(path));
    assert_int_equal(sk_engine_library(path, &again, &err), 0);
    assert_string_equal(path, again);
    free(path);
    free(again);
    assert_int_equal(sk_engine_library("/nonexistent/lib.so", &again, &err), -1);
    assert_int_equal(err.code, SK_UNSUPPORTED);
}

/* [engine-4] */
static void an_open_engine_says_what_it_is(void **state)
{
    const char *reason;

    (void)state;
    assert_int_equal(strncmp(sk_engine_name(engine), "onnxruntime 1.", 14), 0);
    assert_string_equal(sk_engine_device(engine, &reason), "cpu");
    assert_string_equal(reason, "");
    assert_string_equal(getenv("ORT_DISABLE_TELEMETRY"), "1");
}

/* In a mount namespace of its own, with nothing in /proc: 0 as expected, 1 not so, 2 no namespace
 * to be had here. */
static int open_without_proc(void)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_engine_options opts = { .device = SK_DEVICE_CPU };
    struct sk_engine *e = NULL;

    if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return 2;
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", "/proc", "tmpfs", 0, NULL) != 0)
        return 2;
    return sk_engine_open(&opts, &e, &err) < 0 && err.code == SK_UNSUPPORTED &&
                   strstr(err.text, "mount /proc")
               ? 0
               : 1;
}

/* [engine-5] */
static void without_cpuinfo_it_says_so(void **state)
{
    pid_t child = fork();
    int status = 0;

    (void)state;
    assert_true(child >= 0);
    if (child == 0)
        _exit(open_without_proc());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 2)
        print_message("# mount namespaces are not allowed here: not tried\n");
    else
        assert_int_equal(WEXITSTATUS(status), 0);
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
        cmocka_unit_test(where_the_library_is),
        cmocka_unit_test(a_named_library_must_work),
        cmocka_unit_test(the_environment_names_one),
        cmocka_unit_test(an_open_engine_says_what_it_is),
        cmocka_unit_test(without_cpuinfo_it_says_so),
        cmocka_unit_test(engines_open_and_close_often),
    };

    return cmocka_run_group_tests(tests, open_engine, close_engine);
}
