/* test_check.c - names and lengths. */
#include "runs/fixture.h"

static void keys(void **state)
{
    static const struct {
        const char *key;
        bool ok;
    } rows[] = {
        { "loss", true },
        { "val/loss", true },
        { "a b.c-d_e:f", true },
        { "gr\xc3\xb6\xc3\x9f"
          "e",
          true },
        { "", false },
        { ".", false },
        { "..", false },
        { "../x", false },
        { "a/../b", false },
        { "a//b", false },
        { "/a", false },
        { "a/", false },
        { "./a", false },
        { "a/.", false },
        { "...", true },
        { "a..b", true },
        { "a\nb", false },
        { "a\\b", false },
        { "a'b", false },
        { "a\"b", false },
        { "a%b", false },
        { "\xff", false },
    };

    (void)state;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        if ((sk_runs_check_key("key", rows[i].key, &err) == 0) != rows[i].ok)
            fail_msg("key '%s': %s", rows[i].key, err.text);
    }
}

/* Characters count, not bytes. */
static void lengths(void **state)
{
    struct fixture *f = *state;
    char *at = long_text(f, 'k', SK_RUN_KEY_MAX), *past = long_text(f, 'k', SK_RUN_KEY_MAX + 1);
    SK_AUTO(sk_buf_done) struct sk_buf wide = SK_BUF_INIT(1 << 20);

    assert_ok(sk_runs_check_key("key", at, &f->err), &f->err);
    assert_failed(sk_runs_check_key("key", past, &f->err), &f->err, SK_LIMIT, "251 characters");
    for (int i = 0; i < SK_RUN_KEY_MAX; i++)
        sk_buf_str(&wide, "\xe2\x82\xac");
    assert_ok(sk_runs_check_key("key", wide.data, &f->err), &f->err);
    sk_buf_str(&wide, "\xe2\x82\xac");
    assert_failed(sk_runs_check_key("key", wide.data, &f->err), &f->err, SK_LIMIT, "at most 250");
    assert_failed(sk_runs_check_text("tag", NULL, 5, &f->err), &f->err, SK_INVALID, "missing");
}

static void pairs(void **state)
{
    struct fixture *f = *state;
    struct sk_pair p[2] = { { "a", long_text(f, 'x', 10) }, { "b", long_text(f, 'x', 11) } };

    assert_ok(sk_runs_check_pairs("tag", p, 2, 11, &f->err), &f->err);
    assert_failed(sk_runs_check_pairs("tag", p, 2, 10, &f->err), &f->err, SK_LIMIT, "tag 'b'");
    p[1].key = "..";
    assert_failed(sk_runs_check_pairs("tag", p, 2, 11, &f->err), &f->err, SK_INVALID, "tags[1]");
}

static void ids(void **state)
{
    struct fixture *f = *state;
    char a[SK_RUN_ID_TEXT], b[SK_RUN_ID_TEXT];

    assert_ok(sk_runs_new_id(a, &f->err), &f->err);
    assert_ok(sk_runs_new_id(b, &f->err), &f->err);
    assert_string_not_equal(a, b);
    assert_true(sk_runs_is_run_id(a));
    assert_false(sk_runs_is_run_id("abc"));
    assert_false(sk_runs_is_run_id("0123456789ABCDEF0123456789ABCDEF"));
    assert_true(sk_runs_is_model_id("m-0123456789abcdef0123456789abcdef"));
    assert_false(sk_runs_is_model_id("m-0123456789abcdef0123456789abcdef0"));
    assert_false(sk_runs_is_model_id("0123456789abcdef0123456789abcdef"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys),
        cmocka_unit_test_setup_teardown(lengths, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(pairs, fixture_open, fixture_close),
        cmocka_unit_test_setup_teardown(ids, fixture_open, fixture_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
