/* test_cmd_sample.c - `skerry sample-data`: what it says, what it refuses. */
#include "cli/cli.h"

#include "base/file.h"
#include "cli_test.h"
#include "harness/golden.h"

static const struct {
    const char *line;
    int status;
    const char *out, *err; /* contained */
} rows[] = {
    { "skerry sample-data", 2, "", "skerry: --out DIR is missing" },
    { "skerry sample-data --out %s/a --count 4 --val-count 2 --size 32", 0,
      "synthetic pictures, no photographs", "" },
    { "skerry sample-data --out %s/a --count 4 --val-count 2 --size 32", 1, "",
      "holds a sample set already (--force replaces it)" },
    { "skerry sample-data --out %s/a --count 4 --val-count 0 --size 32 --force", 0,
      "/a/train: 4, half of them defective\n", "" },
    { "skerry sample-data --out %s/b --count 8 --val-count 8 --size 32 --by-kind -t 2", 0,
      "/b/val: 8, likewise\n", "" },
    { "skerry sample-data --out %s/c --count 7 --by-kind", 1, "", "at least 8" },
    { "skerry sample-data --out %s --count 2", 1, "", "is not empty: it holds 'a'" },
    { "skerry sample-data --out %s/d --size 31", 2, "", "--size" },
    { "skerry sample-data --out %s/d --count 1", 2, "", "--count" },
    { "skerry sample-data %s/d", 2, "", "" },
};

static void test_rows(void **state)
{
    char *dir = sk_test_dir();

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct ran r = run_words(rows[i].line, dir, NULL);
        check_status(rows[i].line, &r, rows[i].status);
        if (!strstr(r.out, rows[i].out) || !strstr(r.err, rows[i].err))
            fail_msg("row %zu: %s%s", i, r.out, r.err);
        ran_done(&r);
    }
    SK_OWN(free) char *kind = sk_path_join(dir, "b/val/stain/synthetic-00005-metal-stain.jpg");
    SK_OWN(free) char *none = sk_path_join(dir, "a/val");
    SK_OWN(free) char *refused = sk_path_join(dir, "d");
    assert_true(sk_is_file(kind));
    assert_false(sk_is_dir(none));
    assert_false(sk_is_dir(refused));
    sk_test_dir_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };
    return cmocka_run_group_tests_name("cmd_sample", tests, NULL, NULL);
}
