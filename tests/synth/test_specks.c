/* test_specks.c - specks are few and small, and some surfaces have none. */
#include "synth_util.h"

static void test_specks(void **state)
{
    SK_AUTO(sk_canvas_done) struct sk_canvas c = { 0 };
    unsigned clean = 0, specked = 0;

    (void)state;
    canvas_of(&c, 256);
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct sk_dice d = { seed };
        size_t changed = 0;

        make_flat(&c);
        sk_scatter_specks(&c, &d);
        for (size_t i = 0; i < 256u * 256u; i++)
            changed += c.texels[i].rgb[0] != 0.4f;
        assert_in_range(changed, 0, 8 * 60); /* eight of radius 1.3 * 3.2 */
        clean += changed == 0;
        specked += changed > 40;
    }
    assert_in_range(clean, 5, 60);
    assert_in_range(specked, 100, 195);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_specks) };
    return cmocka_run_group_tests_name("specks", tests, NULL, NULL);
}
