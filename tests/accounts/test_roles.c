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
    who = (struct sk_who){ .name = "service", .is_policy = true };
    assert_int_equal(sk_who_need(&who, SK_ROLE_READER, &err), -1);
    assert_non_null(strstr(err.text, "policy 'service' may not"));
    sk_who_local(&who);
    assert_int_equal(who.rights, sk_role_rights(SK_ROLE_OWNER));
    assert_int_equal(sk_who_need(&who, SK_ROLE_OWNER, &err), 0);
}

static void rights(void **state)
{
    (void)state;

    static const struct {
        enum sk_role role;
        unsigned rights;
    } rows[] = {
        { SK_ROLE_NONE, 0 },
        { SK_ROLE_READER, SK_RIGHT_REGISTRY_READ | SK_RIGHT_TELEMETRY },
        { SK_ROLE_PUBLISHER, SK_RIGHT_REGISTRY_READ | SK_RIGHT_TELEMETRY },
        { SK_ROLE_DEPLOYER, 0x0f },
        { SK_ROLE_OWNER, 0x0f },
        { (enum sk_role)77, 0 },
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(sk_role_rights(rows[i].role), rows[i].rights);

    static const struct {
        struct sk_who who;
        enum sk_right needed;
        const char *text; /* NULL: it may */
    } needs[] = {
        { { .name = "service", .is_policy = true, .rights = SK_RIGHT_SERVICE },
          SK_RIGHT_SERVICE,
          NULL },
        { { .name = "service", .is_policy = true, .rights = SK_RIGHT_SERVICE },
          SK_RIGHT_REGISTRY_WRITE,
          "policy 'service' lacks the right to change the registry" },
        { { .name = "cam", .is_device = true },
          SK_RIGHT_REGISTRY_READ,
          "device 'cam' lacks the right to read the registry" },
        { { .name = "ci", .rights = 0x0f },
          SK_RIGHT_DEVICE,
          "'ci' lacks the right to speak as a device" },
        { { .name = "ci", .rights = SK_RIGHT_TELEMETRY },
          SK_RIGHT_SERVICE,
          "'ci' lacks the right to speak to devices" },
        { { .name = "ci", .rights = SK_RIGHT_SERVICE },
          SK_RIGHT_TELEMETRY,
          "'ci' lacks the right to read telemetry" },
    };

    for (size_t i = 0; i < COUNT(needs); i++) {
        struct sk_err err = SK_ERR_INIT;
        assert_int_equal(sk_who_need_right(&needs[i].who, needs[i].needed, &err),
                         needs[i].text ? -1 : 0);
        assert_int_equal(err.code, needs[i].text ? SK_DENIED : SK_OK);
        assert_string_equal(err.text, needs[i].text ? needs[i].text : "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_against_each),
        cmocka_unit_test(names_come_back),
        cmocka_unit_test(refusals_say_what_is_missing),
        cmocka_unit_test(rights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
