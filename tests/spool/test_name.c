/* test_name.c - endpoints as folders: one to one, none leads out, none is too long. */
#include "spool/spool_util.h"

#include "base/mix64.h"

#include <string.h>

static void test_names(void **state)
{
    static const struct {
        const char *endpoint, *path;
    } rows[] = {
        { "$upstream", "$upstream" },
        { "camera/input1", "camera%2Finput1" },
        { "a.b-c_D9", "a.b-c_D9" },
        { ".", "%2E" },
        { "..", "%2E." },
        { "../../etc", "%2E.%2F..%2Fetc" },
        { ".hidden", "%2Ehidden" },
        { "a+", "a%2B" },
        { "100%", "100%25" },
        { "\xc3\xa9 \n", "%C3%A9%20%0A" },
        { "9", "9" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_OWN(free) char *path = NULL;
        char name[SK_SPOOL_ENDPOINT_MAX + 1] = "";
        struct sk_err err = SK_ERR_INIT;
        bool goes_on;
        DONE(sk_spool_name_path(rows[i].endpoint, &path, &err));
        if (strcmp(path, rows[i].path) != 0)
            fail_msg("'%s' gave '%s'", rows[i].endpoint, path);
        assert_true(sk_spool_name_read(path, name, &goes_on));
        assert_string_equal(name, rows[i].endpoint);
        assert_false(goes_on);
    }
}

static void test_refused(void **state)
{
    static const char *const rows[] = { "",    "+",  "a/b", "a%",  "a%2", "%zz",
                                        "%00", ".a", "a b", "a+b", "a++" };
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *path = NULL;
    char name[SK_SPOOL_ENDPOINT_MAX + 2];
    bool goes_on;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        name[0] = 0;
        if (sk_spool_name_read(rows[i], name, &goes_on))
            fail_msg("'%s' was taken for '%s'", rows[i], name);
    }
    assert_int_equal(sk_spool_name_path("", &path, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    memset(name, 'x', sizeof name);
    name[SK_SPOOL_ENDPOINT_MAX + 1] = 0;
    assert_int_equal(sk_spool_name_path(name, &path, &err), -1);
    assert_int_equal(err.code, SK_TOO_LARGE);
}

/* Any bytes, up to the limit: in folders that file systems have room for, and back. */
static void test_any(void **state)
{
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    for (uint64_t i = 0; i < 3000; i++) {
        SK_OWN(free) char *path = NULL;
        char name[SK_SPOOL_ENDPOINT_MAX + 1], back[SK_SPOOL_ENDPOINT_MAX + 1] = "";
        size_t len = i < 4 ? SK_SPOOL_ENDPOINT_MAX : 1 + sk_mix64(i) % SK_SPOOL_ENDPOINT_MAX;
        bool goes_on = true;
        unsigned parts = 0;
        for (size_t k = 0; k < len; k++) {
            uint64_t r = sk_mix64(i * 1000 + k);
            name[k] = i == 0 ? '/' : i == 1 ? 'a' : (char)(r % 3 ? 'a' + r % 26 : 1 + r % 255);
        }
        name[len] = 0;
        DONE(sk_spool_name_path(name, &path, &err));
        for (char *at = path, *end; goes_on; at = end + 1) {
            end = strchr(at, '/');
            if (end)
                *end = 0;
            assert_in_range(strlen(at), 1, 255);
            assert_true(sk_spool_name_read(at, back, &goes_on));
            assert_int_equal(goes_on, end != NULL);
            parts++;
            if (!end)
                break;
        }
        assert_string_equal(back, name);
        assert_in_range(parts, 1, 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_any),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
