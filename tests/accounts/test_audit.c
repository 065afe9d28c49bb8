/* test_audit.c - rows come with their transaction or not at all, pages, long texts. */
#include "fixture.h"

struct seen {
    int64_t ids[20];
    size_t count;
    char text[4096];
};

static int note(void *ctx, const struct sk_audit_row *row, struct sk_err *err)
{
    struct seen *s = ctx;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(8192);
    if (s->count >= COUNT(s->ids))
        return sk_fail(err, SK_BUG, "too many rows");
    s->ids[s->count++] = row->id;
    sk_audit_json(row, &b);
    (void)snprintf(s->text, sizeof s->text, "%s", b.data);
    return 0;
}

static void write_rows(struct fixture *f, unsigned count, bool commits)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    assert_int_equal(sk_db_begin(sk_store_db(f->store), SK_DB_WRITE, &tx, &err), 0);
    for (unsigned i = 0; i < count; i++)
        if (sk_audit(tx, &f->owner, "test.do", "a \"thing\"", i % 2 ? NULL : "detail", &err) < 0)
            fail_msg("%s", err.text);
    if (commits)
        assert_int_equal(sk_tx_commit(&tx, &err), 0);
}

static void with_its_transaction(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct seen none = { 0 }, one = { 0 };
    write_rows(f, 3, false);
    assert_int_equal(sk_audit_list(f->accounts, 0, 10, note, &none, &err), 0);
    assert_int_equal(none.count, 0);
    write_rows(f, 1, true);
    assert_int_equal(sk_audit_list(f->accounts, 0, 10, note, &one, &err), 0);
    assert_int_equal(one.count, 1);
    assert_non_null(strstr(one.text, "\"action\":\"test.do\",\"object\":\"a \\\"thing\\\"\","
                                     "\"detail\":\"detail\"}"));
    assert_non_null(strstr(one.text, "\"peer\":\"local\""));
}

static void pages(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct seen first = { 0 }, second = { 0 }, third = { 0 };
    write_rows(f, 10, true);
    assert_int_equal(sk_audit_list(f->accounts, 0, 6, note, &first, &err), 0);
    assert_int_equal(first.count, 6);
    assert_int_equal(sk_audit_list(f->accounts, first.ids[5], 6, note, &second, &err), 0);
    assert_int_equal(second.count, 4);
    assert_true(first.ids[0] > first.ids[5] && first.ids[5] > second.ids[0]);
    assert_int_equal(sk_audit_list(f->accounts, second.ids[3], 6, note, &third, &err), 0);
    assert_int_equal(third.count, 0);
}

/* An error of the callback ends the list and is the caller's. */
static void callback_stops(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct seen s = { 0 };
    write_rows(f, 30, true);
    assert_int_equal(sk_audit_list(f->accounts, 0, 100, note, &s, &err), -1);
    assert_int_equal(err.code, SK_BUG);
}

static void long_texts_are_cut_at_a_character(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    static const size_t lengths[] = { SK_AUDIT_TEXT_MAX, SK_AUDIT_TEXT_MAX + 1, 5000 };
    for (size_t i = 0; i < COUNT(lengths); i++) {
        SK_OWN(free) char *text = malloc(lengths[i] + 1);
        memset(text, 'a', lengths[i]);
        text[lengths[i]] = '\0';
        memcpy(text + SK_AUDIT_TEXT_MAX - 1, "\xc3\xbc", lengths[i] > SK_AUDIT_TEXT_MAX ? 2 : 0);
        SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
        assert_int_equal(sk_db_begin(sk_store_db(f->store), SK_DB_WRITE, &tx, &err), 0);
        assert_int_equal(sk_audit(tx, NULL, "a", text, text, &err), 0);
        assert_int_equal(sk_tx_commit(&tx, &err), 0);
        int64_t want = lengths[i] > SK_AUDIT_TEXT_MAX ? SK_AUDIT_TEXT_MAX - 1 : SK_AUDIT_TEXT_MAX;
        assert_int_equal(number(f, "SELECT length(detail) FROM audit ORDER BY id DESC"), want);
        assert_int_equal(number(f, "SELECT who = 'hub' FROM audit ORDER BY id DESC"), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(with_its_transaction, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(pages, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(callback_stops, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(long_texts_are_cut_at_a_character, fixture_make,
                                        fixture_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
