/* test_ort_device.c - asking for a device, and what is said about it. With a GPU that works the
 * first half is different. */
#include "engine/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ort_fixture.h"

/* [engine-10] */
static void each_wish_gets_an_answer(void **state)
{
    static const struct {
        const char *name;
        enum sk_device asked;
        bool degraded_without_gpu;
    } rows[] = {
        { "cpu", SK_DEVICE_CPU, false },
        { "auto", SK_DEVICE_AUTO, false },
        { "cuda", SK_DEVICE_CUDA, true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_engine_options opts = { .device = rows[i].asked };
        struct sk_engine *e = NULL;
        const char *reason = NULL, *device;

        if (sk_engine_open(&opts, &e, &err) < 0)
            fail_msg("row '%s': %s", rows[i].name, err.text);
        device = sk_engine_device(e, &reason);
        if (strcmp(device, "cuda") == 0) {
            print_message("# skip: a CUDA GPU is here, so its absence is not tested\n");
            assert_int_not_equal(rows[i].asked, SK_DEVICE_CPU);
            assert_false(sk_engine_degraded(e));
        } else {
            assert_string_equal(device, "cpu");
            assert_int_equal(sk_engine_degraded(e), rows[i].degraded_without_gpu);
            if ((rows[i].asked == SK_DEVICE_CPU) != (reason[0] == '\0'))
                fail_msg("row '%s': reason '%s'", rows[i].name, reason);
            if (reason[0] != '\0' && !strstr(reason, "CUDA") && !strstr(reason, "NVIDIA"))
                fail_msg("row '%s': reason '%s' does not say what is missing", rows[i].name,
                         reason);
        }
        sk_engine_close(e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_wish_gets_an_answer),
    };

    return cmocka_run_group_tests(tests, open_engine, close_engine);
}
