/* test_matrix.c - the confusion matrix as a table, as a map and in words. */
#include "report_test.h"

#include "harness/alloc_fail.h"

/* Picture i of class i is called i + shift. */
static struct sk_figures *shifted(size_t classes, size_t pictures, uint32_t shift)
{
    SK_OWN(free) uint32_t *truth = calloc(2 * pictures, sizeof *truth);

    assert_non_null(truth);
    for (uint32_t i = 0; i < pictures; i++) {
        truth[i] = i;
        truth[pictures + i] = (uint32_t)((i + shift) % pictures);
    }
    return figures_of(classes, truth, truth + pictures, pictures);
}

static const struct {
    const char *name;
    size_t classes, pictures;
    uint32_t shift;
    const char *words[9];
} rows[] = {
    { "two right",
      2,
      2,
      0,
      { "class=\"matrix\"", "colspan=\"2\"",
        "<td class=\"right\" style=\"--t:1.00\">1 <small>100.0 %</small></td>",
        "<td class=\"zero\" style=\"--t:0.00\">0</td>", "!class=\"wrong\"" } },
    { "three wrong", 3, 3, 1, { "<td class=\"wrong\" style=\"--t:1.00\">1 ", "!class=\"right\"" } },
    { "nine are dense", 9, 9, 0, { "class=\"matrix dense\"" } },
    { "few of many occur", 1000, 3, 0, { "colspan=\"3\"", "<bdi>c2</bdi>", "!<bdi>c3</bdi>" } },
    { "a map",
      21,
      21,
      1,
      { "!class=\"matrix\"", "Confusion matrix of 21 classes as a map", "class=\"map\"",
        "<title>c3 as c4: 1</title>", "The most frequent mistakes", "!class=\"right\"" } },
    { "a map without mistakes", 21, 21, 0, { "class=\"map\"", "There are no mistakes." } },
    { "too many for a map", 201, 201, 1, { "!<svg", "The most frequent mistakes" } },
};

static void test_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_OWN(sk_figures_free)
        struct sk_figures *f = shifted(rows[i].classes, rows[i].pictures, rows[i].shift);
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(PAGE_BYTES);
        sk_matrix_html(f, &out);
        check_words(rows[i].name, &out, rows[i].words);
    }
}

static int write_section(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(PAGE_BYTES);

    sk_matrix_html(ctx, &out);
    return sk_buf_ok(&out) ? 0 : sk_buf_fail(&out, err);
}

static void test_memory(void **state)
{
    SK_OWN(sk_figures_free) struct sk_figures *f = shifted(2, 2, 1);

    (void)state;
    assert_true(sk_alloc_sweep("matrix", write_section, f, 0) > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests_name("matrix", tests, NULL, NULL);
}
