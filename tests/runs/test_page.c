/* test_page.c - a page ends by count or by size. */
#include "runs/fixture.h"

#include <stdio.h>

/* Runs with 100 parameters of 6,000 bytes each: 600 kB a run, so a page of 8 MiB holds few. */
static void large_entries(void **state)
{
    struct fixture *f = *state;
    const char *ids[] = { "0" };
    const char *value = long_text(f, 'v', SK_RUN_PARAM_MAX);
    static char keys[SK_RUN_BATCH_PAIRS][16];
    struct sk_pair p[SK_RUN_BATCH_PAIRS];
    struct sk_search q = { .max = 1000 };
    char token[128] = "";
    size_t seen = 0, pages = 0;

    for (size_t i = 0; i < COUNT(p); i++) {
        (void)snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
        p[i] = (struct sk_pair){ keys[i], value };
    }
    const struct sk_run_batch b = { .params = p, .param_count = COUNT(p) };
    for (int i = 0; i < 30; i++)
        assert_ok(sk_run_log(f->store, &f->who, new_run(f, "0", "r"), &b, &f->err), &f->err);
    do {
        q.page_token = token;
        assert_ok(sk_runs_search(f->store, ids, 1, &q, SK_VIEW_ACTIVE, answer(f), &f->err),
                  &f->err);
        assert_true(f->out.len < SK_RUNS_PAGE_BYTES + (1 << 20));
        seen += count_at(f, "runs");
        (void)snprintf(token, sizeof(token), "%s", text_at(f, "next_page_token"));
        pages++;
    } while (*token);
    assert_int_equal(seen, 30);
    assert_true(pages >= 2 && pages <= 4);
}

static void max_results(void **state)
{
    struct fixture *f = *state;
    const char *ids[] = { "0" };
    struct sk_search q = { .max = SK_RUNS_PAGE_MAX };

    assert_ok(sk_runs_search(f->store, ids, 1, &q, SK_VIEW_ACTIVE, answer(f), &f->err), &f->err);
    q.max++;
    assert_failed(sk_runs_search(f->store, ids, 1, &q, SK_VIEW_ACTIVE, answer(f), &f->err), &f->err,
                  SK_INVALID, "at most 50000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(large_entries, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(max_results, fixture_open, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
