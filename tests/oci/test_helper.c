/* test_helper.c - credential helpers that do their work, and others. */
#include "oci/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static void make(const char *folder, const char *body)
{
    char text[1024];

    (void)snprintf(text, sizeof text, "#!/bin/sh\n%s\n", body);
    assert_int_equal(chmod(oci_file(folder, "docker-credential-t", text), 0755), 0);
}

static int surround(void **state)
{
    char path[4096];

    if (oci_surround(state) != 0)
        return -1;
    (void)snprintf(path, sizeof path, "%s:%s", (const char *)*state, getenv("PATH"));
    return setenv("PATH", path, 1);
}

/* [oci-42] */
static void helpers(void **state)
{
    static const struct {
        const char *body, *username, *password, *identity; /* says != NULL: an error */
        const char *says;
    } rows[] = {
        { "[ \"$1\" = get ] && [ \"$(cat)\" = h:1 ] && echo '{\"ServerURL\":\"h:1\","
          "\"Username\":\"u\",\"Secret\":\"p\"}'",
          "u", "p", NULL, NULL },
        { "echo '{\"Username\":\"<token>\",\"Secret\":\"i\"}'", NULL, NULL, "i", NULL },
        { "echo credentials not found in native keychain; exit 1", NULL, NULL, NULL, NULL },
        { "printf 'it is\\nlocked\\033[2J'; exit 1", NULL, NULL, NULL, "failed: it is locked [2J" },
        { "exit 3", NULL, NULL, NULL, "it said nothing" },
        { "echo {}", NULL, NULL, NULL, "no Username and Secret" },
        { "echo no JSON secret", NULL, NULL, NULL, "docker-credential-t" },
        { "exec cat /dev/zero", NULL, NULL, NULL, "docker-credential-t" },
        { "kill -9 $$", NULL, NULL, NULL, "it said nothing" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(sk_oci_login_done) struct sk_oci_login l = { 0 };
        struct sk_err err = SK_ERR_INIT;
        make(*state, rows[i].body);
        int rc = sk_oci_helper_get("t", "h:1", &l, &err);
        if ((rc < 0) != (rows[i].says != NULL) || (rc < 0 && !strstr(err.text, rows[i].says)) ||
            strchr(err.text, '\033'))
            fail_msg("row %zu: %d %s", i, rc, err.text);
        const char *got[] = { l.username, l.password, l.identity_token };
        const char *want[] = { rows[i].username, rows[i].password, rows[i].identity };
        for (size_t k = 0; k < 3 && rc == 0; k++)
            if (!got[k] != !want[k] || (got[k] && strcmp(got[k], want[k]) != 0))
                fail_msg("row %zu: field %zu", i, k);
    }
}

static void names(void **state)
{
    static const char *const bad[] = { "", "../t", "a b", "$(x)", "a/b" };
    struct sk_oci_login l = { 0 };
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(sk_oci_helper_get(bad[i], "h:1", &l, &err), -1);
        assert_int_equal(err.code, SK_INVALID);
    }
    assert_int_equal(sk_oci_helper_get("missing", "h:1", &l, &err), -1);
    assert_non_null(strstr(err.text, "'docker-credential-missing'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(helpers, surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(names, surround, oci_unsurround),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
