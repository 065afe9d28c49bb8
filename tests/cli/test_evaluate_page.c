/* test_evaluate_page.c - the page of an evaluation: mistakes with thumbnails, also of pictures that
 * are gone by then. */
#include "evaluate_test.h"

static const char *const labels[] = { "class_0", "class_1" };
static const char *const settings[] = { "model", "scores.onnx", NULL };

struct judged {
    struct sk_evaluation e;
    struct sk_figures *f;
    char *path;
};

static struct judged judge(const struct fixture *f)
{
    struct judged j = { .e = evaluation_of(f, 2), .path = sk_path_join(f->dir, "page.html") };
    struct sk_err err = SK_ERR_INIT;

    if (sk_evaluation_run(&j.e, &err) < 0 ||
        sk_figures_new(labels, 2, j.e.truth, j.e.probabilities, j.e.count, NULL, &j.f, &err) < 0)
        fail_msg("%s", err.text);
    return j;
}

static void judged_done(struct judged *j)
{
    sk_evaluation_done(&j->e);
    sk_figures_free(j->f);
    free(j->path);
}

static char *read_page(const char *path)
{
    char *page = NULL;
    size_t len = 0;
    struct sk_err err = SK_ERR_INIT;

    if (sk_file_read(path, 1 << 24, &page, &len, &err) < 0)
        fail_msg("%s", err.text);
    return page;
}

static size_t count_of(const char *text, const char *word)
{
    size_t n = 0;

    while ((text = strstr(text, word))) {
        n++;
        text++;
    }
    return n;
}

static void test_page(void **state)
{
    SK_AUTO(judged_done) struct judged j = judge(*state);
    struct sk_err err = SK_ERR_INIT;

    if (sk_evaluation_page(&j.e, j.f, j.path, settings, &err) < 0)
        fail_msg("%s", err.text);
    SK_OWN(free) char *page = read_page(j.path);
    assert_int_equal(count_of(page, "<img "), 4); /* 4, 9, 14 and 19 */
    assert_non_null(strstr(page, "<bdi>class_0/04.png</bdi>"));
    assert_non_null(strstr(page, "<dd>scores.onnx</dd>"));
    assert_null(strstr(page, "Synthetic data"));
}

static void test_gone(void **state)
{
    const struct fixture *f = *state;
    SK_AUTO(judged_done) struct judged j = judge(f);
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(unlink(f->data->samples[4].path), 0);
    assert_int_equal(sk_evaluation_page(&j.e, j.f, j.path, settings, &err), 0);
    SK_OWN(free) char *page = read_page(j.path);
    assert_int_equal(count_of(page, "<img "), 3);
    assert_int_equal(count_of(page, "no picture"), 1);
}

static void test_no_place(void **state)
{
    const struct fixture *f = *state;
    SK_AUTO(judged_done) struct judged j = judge(f);
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *path = sk_path_join(f->dir, "missing/page.html");

    assert_int_equal(sk_evaluation_page(&j.e, j.f, path, settings, &err), -1);
    assert_non_null(strstr(err.text, "report '"));
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(test_page), ROW(test_gone), ROW(test_no_place) };
    return cmocka_run_group_tests_name("evaluate_page", tests, NULL, NULL);
}
