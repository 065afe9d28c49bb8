/* test_step_flip.c - blue first: the pixels move, and each takes its own mean along. */
#include "prep_test.h"

static void test_flip(void **state)
{
    static const struct {
        const char *name, *config;
        float first, last; /* of a pixel 10, 20, 30 */
    } rows[] = {
        { "off", "{\"do_rescale\":false,\"do_normalize\":false,\"do_resize\":false}", 10, 30 },
        { "on",
          "{\"do_rescale\":false,\"do_normalize\":false,\"do_resize\":false,\"do_flip_channel_"
          "order\":true}",
          30, 10 },
        { "means follow",
          "{\"do_rescale\":false,\"do_resize\":false,\"do_flip_channel_order\":true,\"image_mean\":"
          "[1,2,3],\"image_std\":1}",
          27, 9 },
        { "MobileViT",
          "{\"image_processor_type\":\"MobileViTImageProcessor\",\"do_rescale\":false,\"size\":1,"
          "\"crop_size\":1}",
          30, 10 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_prep_free) struct sk_prep *p = plan_of(rows[i].config, &any_size, &err);
        SK_OWN(sk_prep_work_free) struct sk_prep_work *work = sk_prep_work_new();
        SK_AUTO(sk_image_done) struct sk_image img = { 0 };
        float out[3];

        assert_non_null(p);
        assert_int_equal(sk_image_alloc(&img, 1, 1, &err), 0);
        memcpy(img.pixels, "\x0a\x14\x1e", 3);
        assert_int_equal(sk_prep_run_pixels(p, &img, work, out, sizeof(out), NULL, &err), 0);
        if (out[0] != rows[i].first || out[2] != rows[i].last)
            fail_msg("%s: got %g %g %g", rows[i].name, (double)out[0], (double)out[1],
                     (double)out[2]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_flip) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
