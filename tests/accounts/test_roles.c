/* test_roles.c - each role against each need, names there and back. */
#include "fixture.h"

static void each_against_each(void **state)
{
    (void)state;
    /* rows: has; columns: needs none, reader, publisher, deployer, owner */
    static const char *const rows[] = { "+----", "++---", "+++--", "++-+-", "+++++" };
    for (enum sk_role has = SK_ROLE_NONE; has <= SK_ROLE_OWNER; has++)
        for (enum sk_role needs = SK_ROLE_NONE; needs <= SK_ROLE_OWNER; needs++)
            if (sk_role_allows(has, needs) != (rows[has][needs] == '+'))
                fail_msg("%s needs %s", sk_role_name(has), sk_role_name(needs));
}

static void names_come_back(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    enum sk_role role = SK_ROLE_NONE;
    for (enum sk_role r = SK_ROLE_READER; r <= SK_ROLE_OWNER; r++) {
        assert_int_equal(sk_role_parse(sk_role_name(r), &role, &err), 0);
        assert_int_equal(role, r);
    }
    static const char *const bad[] = { "", "none", "Owner", "owner ", "admin" };
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(sk_role_parse(bad[i], &role, &err), -1);
        assert_int_equal(err.code, SK_INVALID);
    }
    assert_string_equal(sk_role_name((enum sk_role)77), "none");
}

static void refusals_say_what_is_missing(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_who who = { .name = "ci", .role = SK_ROLE_READER };
    assert_int_equal(sk_who_need(&who, SK_ROLE_READER, &err), 0);
    assert_int_equal(sk_who_need(&who, SK_ROLE_PUBLISHER, &err), -1);
    assert_int_equal(err.code, SK_DENIED);
    assert_string_equal(err.text, "'ci' has the role reader, needed is publisher");
    who = (struct sk_who){ .name = "cam-1", .is_device = true };
    assert_int_equal(sk_who_need(&who, SK_ROLE_READER, &err), -1);
    assert_non_null(strstr(err.text, "device 'cam-1'"));
    sk_who_local(&who);
    assert_int_equal(sk_who_need(&who, SK_ROLE_OWNER, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_against_each),
        cmocka_unit_test(names_come_back),
        cmocka_unit_test(refusals_say_what_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
