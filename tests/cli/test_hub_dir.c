/* test_hub_dir.c - which folder is meant: the option, then XDG_DATA_HOME, then by the user. */
#include "cli_test.h"

#include "cli/hub_dir_priv.h"

#include <stdlib.h>
#include <unistd.h>

static void rows(void **state)
{
    const char *own = geteuid() == 0 ? "/var/lib/skerry/hub" : "/home/me/.local/share/skerry/hub";

    const struct {
        const char *given, *data, *home, *want; /* want NULL: an error */
    } table[] = {
        { "/srv/hub", "/data", "/home/me", "/srv/hub" },
        { "rel", NULL, NULL, "rel" },
        { NULL, "/data", "/home/me", "/data/skerry/hub" },
        { NULL, "", "/home/me", own },
        { NULL, NULL, "/home/me", own },
        { NULL, NULL, NULL, geteuid() == 0 ? own : NULL },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(free) char *dir = NULL;
        (void)(table[i].data ? setenv("XDG_DATA_HOME", table[i].data, 1)
                             : unsetenv("XDG_DATA_HOME"));
        (void)(table[i].home ? setenv("HOME", table[i].home, 1) : unsetenv("HOME"));
        int rc = sk_cli_hub_dir(table[i].given, &dir, &err);
        assert_int_equal(rc, table[i].want ? 0 : -1);
        if (rc == 0)
            assert_string_equal(dir, table[i].want);
        else
            assert_int_equal(err.code, SK_USAGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rows) };
    return cmocka_run_group_tests_name("hub_dir", tests, NULL, NULL);
}
