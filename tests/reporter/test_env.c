/* test_env.c - the variables that the edge sets. */
#include "harness/alloc_fail.h"
#include "reporter/reporter_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const variables[][2] = {
    { "IOTEDGE_IOTHUBHOSTNAME", "hub.example" },
    { "IOTEDGE_DEVICEID", "dev" },
    { "IOTEDGE_MODULEID", "cam" },
    { "IOTEDGE_GATEWAYHOSTNAME", "edge" },
    { "IOTEDGE_MODULEGENERATIONID", "1" },
    { "IOTEDGE_WORKLOADURI", "unix:///run/w.sock" },
    { "IOTEDGE_APIVERSION", "2022-08-03" },
};

enum {
    COUNT = sizeof variables / sizeof *variables
};

static void set_all(void)
{
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(setenv(variables[i][0], variables[i][1], 1), 0);
}

static void whole(void **state)
{
    struct sk_rep_env e;
    struct sk_err err = SK_ERR_INIT;
    (void)state;
    set_all();
    assert_true(sk_reporter_is_module());
    assert_int_equal(sk_rep_env_read(&e, &err), 0);
    assert_string_equal(e.workload, "unix:///run/w.sock");
    assert_string_equal(e.gateway, "edge");
    assert_int_equal(e.port, 8883);
    sk_rep_env_done(&e);
    assert_int_equal(unsetenv("IOTEDGE_WORKLOADURI"), 0);
    assert_false(sk_reporter_is_module());
}

/* [reporter-1] */
static void missing(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_reporter *r = NULL;
        set_all();
        assert_int_equal(i % 2 ? unsetenv(variables[i][0]) : setenv(variables[i][0], "", 1), 0);
        assert_int_equal(
            sk_reporter_new(&(struct sk_reporter_options){ .mode = SK_REPORT_OFF }, &r, &err), -1);
        assert_int_equal(err.code, SK_INVALID);
        assert_non_null(strstr(err.text, variables[i][0]));
    }
}

static void wrong(void **state)
{
    static const char *const rows[][2] = {
        { "IOTEDGE_WORKLOADURI", "http://127.0.0.1:80" },
        { "IOTEDGE_DEVICEID", "a/b" },
        { "IOTEDGE_MODULEID", "a b" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sk_rep_env e;
        struct sk_err err = SK_ERR_INIT;
        set_all();
        assert_int_equal(setenv(rows[i][0], rows[i][1], 1), 0);
        assert_int_equal(sk_rep_env_read(&e, &err), -1);
        assert_non_null(strstr(err.text, rows[i][0]));
        sk_rep_env_done(&e);
    }
}

static int make(void *ctx, struct sk_err *err)
{
    struct sk_reporter *r = NULL;
    (void)ctx;
    if (sk_reporter_new(&(struct sk_reporter_options){ .mode = SK_REPORT_OFF }, &r, err) < 0)
        return -1;
    sk_reporter_free(r);
    return 0;
}

static void without_memory(void **state)
{
    (void)state;
    set_all();
    assert_true(sk_alloc_sweep("reporter", make, NULL, 0) >= COUNT + 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole),
        cmocka_unit_test(missing),
        cmocka_unit_test(wrong),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
