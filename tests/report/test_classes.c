/* test_classes.c - the table of classes: order, and which are in it. */
#include "report_test.h"

#include "harness/alloc_fail.h"

static void test_few(void **state)
{
    const uint32_t truth[] = { 0, 0, 1, 1 }, said[] = { 0, 1, 1, 1 };
    SK_OWN(sk_figures_free) struct sk_figures *f = figures_of(4, truth, said, 4);
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(PAGE_BYTES);
    const char *const words[] = {
        "<bdi>c0</bdi></th><td class=\"num bar\" style=\"--p:1.000\">100.0 "
        "%</td><td class=\"num bar\" style=\"--p:0.500\">50.0 %</td>",
        "<td class=\"num\">2</td>",
        "!weakest",
        "2 more classes of the model occur neither",
        "!<bdi>c2</bdi>",
        NULL
    };

    (void)state;
    sk_classes_html(f, &out);
    check_words("few", &out, words);
    assert_true(strstr(out.data, "c0") < strstr(out.data, "c1"));
}

static void test_many_are_sorted(void **state)
{
    uint32_t truth[30], said[30];
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(PAGE_BYTES);

    (void)state;
    for (uint32_t i = 0; i < 30; i++)
        truth[i] = said[i] = i;
    said[7] = 8;
    SK_OWN(sk_figures_free) struct sk_figures *f = figures_of(30, truth, said, 30);
    sk_classes_html(f, &out);
    check_words("many", &out,
                (const char *const[]){ "30 classes, the weakest first", "!more classes", NULL });
    const char *c7 = strstr(out.data, "<bdi>c7<"), *c8 = strstr(out.data, "<bdi>c8<");
    const char *c0 = strstr(out.data, "<bdi>c0<"), *c29 = strstr(out.data, "<bdi>c29<");
    assert_true(c7 < c8 && c8 < c0 && c0 < c29);
}

static int write_section(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(PAGE_BYTES);

    sk_classes_html(ctx, &out);
    return sk_buf_ok(&out) ? 0 : sk_buf_fail(&out, err);
}

static void test_memory(void **state)
{
    const uint32_t truth[] = { 0, 1 };
    SK_OWN(sk_figures_free) struct sk_figures *f = figures_of(2, truth, truth, 2);

    (void)state;
    assert_true(sk_alloc_sweep("classes", write_section, f, 0) > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few),
        cmocka_unit_test(test_many_are_sorted),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests_name("classes", tests, NULL, NULL);
}
