/* test_epochs.c - the section "Training" for few and many epochs, and with numbers missing. */
#include "report_test.h"

#include "harness/alloc_fail.h"

#include <math.h>

static const struct sk_epoch measured[] = {
    { 0.7, 0.5, 0.6, 0.55, 1e-3, 2.5 },
    { 0.5, 0.75, NAN, NAN, 1e-3, 2.25 },
    { 0.25, 0.96875, 0.3125, 0.9375, 1e-4, 2 },
};
static const struct sk_epoch unvalidated[] = { { 0.7, 0.5, NAN, NAN, 1e-3, 2.5 } };
static const struct sk_epoch broken[] = { { NAN, NAN, NAN, NAN, NAN, NAN },
                                          { INFINITY, NAN, NAN, NAN, 1e-3, 1 } };
static const struct sk_epoch zero[] = { { 0, 1, 0, 1, 0, 0 }, { 0, 1, 0, 1, 0, 0 } };

static const struct {
    const char *name;
    const struct sk_epoch *epochs;
    size_t count;
    const char *words[9];
} rows[] = {
    { "three epochs",
      measured,
      3,
      { "<b>Loss</b>", "<b>Accuracy</b>",
        "Loss by epoch. training: from 0.25 to 0.7, at the end 0.25. validation: from 0.3125 to "
        "0.6, at the end 0.3125.",
        "50 %</text>", "<td class=\"num\">-</td>", "validation, epoch 3: 93.8 %", "!nan" } },
    { "one without validation",
      unvalidated,
      1,
      { "<circle class=\"mark s0\"", "!s1", "!validation:", "<details>", "!nan" } },
    { "nothing measured", broken, 2, { "!<b>Loss</b>", "!<b>Accuracy</b>", "<details>", "!nan" } },
    { "all zero", zero, 2, { "<b>Loss</b>", "1.0</text>", "98.0 %</text>", "!nan", "!inf" } },
    { "none", NULL, 0, { "!Training" } },
};

static void test_sections(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(PAGE_BYTES);
        const struct sk_report r = { .epochs = rows[i].epochs, .epoch_count = rows[i].count };
        sk_epochs_html(&r, &out);
        check_words(rows[i].name, &out, rows[i].words);
    }
}

static int write_section(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(PAGE_BYTES);
    const struct sk_report r = { .epochs = measured, .epoch_count = 3 };

    (void)ctx;
    sk_epochs_html(&r, &out);
    return sk_buf_ok(&out) ? 0 : sk_buf_fail(&out, err);
}

static void test_memory(void **state)
{
    (void)state;
    assert_true(sk_alloc_sweep("epochs", write_section, NULL, 0) > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sections),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests_name("epochs", tests, NULL, NULL);
}
