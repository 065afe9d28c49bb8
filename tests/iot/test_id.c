/* test_id.c - which ids are taken. */
#include "iot_test.h"

static const struct {
    const char *id;
    bool is_valid;
} rows[] = {
    { "a", true },          { "cam-1", true },
    { "$edgeAgent", true }, { "-.+%_#*?!(),:=@$'", true },
    { "0123456789", true }, { "", false },
    { "a b", false },       { "a/b", false },
    { "a&b", false },       { "a\"b", false },
    { "a;b", false },       { "a\\b", false },
    { "a\nb", false },      { "\xc3\xa4", false },
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (sk_iot_id_valid(sk_view_of(rows[i].id)) != rows[i].is_valid)
            fail_msg("'%s'", rows[i].id);
    assert_false(sk_iot_id_valid((struct sk_view){ "a\0b", 3 }));
    assert_false(sk_iot_id_valid((struct sk_view){ NULL, 0 }));
}

static void test_limit(void **state)
{
    SK_OWN(free) char *id = many('x', SK_IOT_ID_MAX + 1);
    (void)state;
    assert_true(sk_iot_id_valid((struct sk_view){ id, SK_IOT_ID_MAX }));
    assert_false(sk_iot_id_valid((struct sk_view){ id, SK_IOT_ID_MAX + 1 }));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
