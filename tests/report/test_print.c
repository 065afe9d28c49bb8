/* test_print.c - figures as JSON and as a table. */
#include "report_test.h"

static const uint32_t truth[] = { 0, 0, 0, 1, 1 }, said[] = { 0, 0, 1, 1, 1 };

static void test_json(void **state)
{
    static const char inner[] =
        "\"accuracy\":0.8,\"loss\":0.5074045301854028,\"macro_f1\":0.8,\"count\":5,"
        "\"labels\":[\"c0\",\"c1\"],\"per_class\":{"
        "\"c0\":{\"precision\":1,\"recall\":0.6666666666666666,\"f1\":0.8,\"support\":3},"
        "\"c1\":{\"precision\":0.6666666666666666,\"recall\":1,\"f1\":0.8,\"support\":2}},"
        "\"confusion_matrix\":[[2,1],[0,2]],\"roc_auc\":0.8333333333333333,"
        "\"average_precision\":0.8666666666666667,\"positive\":\"c0\"";
    SK_OWN(sk_figures_free) struct sk_figures *f = figures_of(2, truth, said, 5);
    SK_AUTO(sk_buf_done)
    struct sk_buf whole = SK_BUF_INIT(PAGE_BYTES), bare = SK_BUF_INIT(PAGE_BYTES);

    (void)state;
    sk_figures_json(f, false, &whole);
    sk_figures_json(f, true, &bare);
    assert_true(whole.data[0] == '{' && whole.data[whole.len - 1] == '}');
    whole.data[whole.len - 1] = '\0';
    assert_string_equal(whole.data + 1, bare.data);
    assert_string_equal(bare.data, inner);
}

static void test_text(void **state)
{
    static const char table[] = "accuracy  0.8000  (4 of 5)\n"
                                "loss      0.5074\n"
                                "macro F1  0.8000\n"
                                "ROC AUC   0.8333  (of 'c0')\n"
                                "avg prec  0.8667\n"
                                "\n"
                                "CLASS  PRECISION  RECALL      F1  PICTURES\n"
                                "c0        1.0000  0.6667  0.8000         3\n"
                                "c1        0.6667  1.0000  0.8000         2\n"
                                "\n"
                                "TRUE \\ PREDICTED      c0      c1\n"
                                "c0                     2       1\n"
                                "c1                     0       2\n";
    SK_OWN(sk_figures_free) struct sk_figures *f = figures_of(2, truth, said, 5);
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(PAGE_BYTES);

    (void)state;
    sk_figures_text(f, &out);
    assert_string_equal(out.data, table);
}

/* Many classes: only those that occur, and mistakes instead of the matrix. */
static void test_many_classes(void **state)
{
    const uint32_t right[] = { 7, 7 }, wrong[] = { 9, 9 };
    SK_OWN(sk_figures_free) struct sk_figures *a = figures_of(1000, right, wrong, 2);
    SK_OWN(sk_figures_free) struct sk_figures *b = figures_of(1000, right, right, 2);
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(PAGE_BYTES);
    const char *const words[] = { "MOST FREQUENT MISTAKES\n     2  c7 taken for c9\n",
                                  "\nc7 ",
                                  "\nc9 ",
                                  "!c8",
                                  "!TRUE",
                                  "!ROC",
                                  NULL };

    (void)state;
    sk_figures_text(a, &out);
    check_words("many", &out, words);
    sk_buf_clear(&out);
    sk_figures_text(b, &out);
    check_words("none", &out, (const char *const[]){ "\nno mistakes\n", "!c9", NULL });
}

static void test_hostile_labels(void **state)
{
    const char *const labels[] = { "a\x1b[31m\"\n", "gr\xc3\xb6\xc3\x9f"
                                                    "er als die Spalte breit sein darf, viel" };
    const float p[] = { 1, 0, 0, 1 };
    SK_OWN(sk_figures_free) struct sk_figures *f = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(PAGE_BYTES);
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_figures_new(labels, 2, (uint32_t[]){ 0, 1 }, p, 2, NULL, &f, &err), 0);
    sk_figures_text(f, &out);
    check_words("text", &out,
                (const char *const[]){ "!\x1b", "a?[31m\"?",
                                       "gr\xc3\xb6\xc3\x9f"
                                       "er als die Spalte breit sein  ",
                                       NULL });
    sk_buf_clear(&out);
    sk_figures_json(f, false, &out);
    check_words("JSON", &out, (const char *const[]){ "\"a\\u001b[31m\\\"\\n\"", "!\x1b", NULL });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_many_classes),
        cmocka_unit_test(test_hostile_labels),
    };
    return cmocka_run_group_tests_name("print", tests, NULL, NULL);
}
