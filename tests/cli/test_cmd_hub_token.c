/* test_cmd_hub_token.c - `skerry hub token create`, `list`, `revoke` on a folder; through a hub is
 * tests/it/test_hub_core.py. */
#include "cli_test.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>

static char dir[] = "/tmp/skerry-hub-token-XXXXXX";

static void expect(const char *line, int status, const char *out, const char *err)
{
    SK_AUTO(ran_done) struct ran r = run_words(line, dir, NULL);
    check_status(line, &r, status);
    if (!strstr(r.out, out) || !strstr(r.err, err))
        fail_msg("%s\nout: %s\nerr: %s", line, r.out, r.err);
}

static void errors(void **state)
{
    (void)state;
    expect("skerry hub token create --user a --data-dir %s/h", 2, "", "--role is missing");
    expect("skerry hub token create --role reader --data-dir %s/h", 2, "", "--user is missing");
    expect("skerry hub token create --user a --role root --data-dir %s/h", 2, "", "'root'");
    expect("skerry hub token create --user a --role reader --days 36501", 2, "", "--days");
    expect("skerry hub token create --user a --role reader --data-dir %s/none", 1, "",
           "is not a hub's folder");
    expect("skerry hub token revoke --data-dir %s/h", 2, "", "");
    expect("skerry hub token revoke --data-dir %s/h 0000000000000000", 1, "",
           "there is no token '0000000000000000'");
    expect("skerry hub token list --data-dir %s/none", 1, "", "is not a hub's folder");
}

static void life_of_a_token(void **state)
{
    char line[256], id[17];
    (void)state;
    {
        const char *make = "skerry hub token create -u ci -r publisher --note x --data-dir %s/h";
        SK_AUTO(ran_done) struct ran r = run_words(make, dir, NULL);
        check_status(make, &r, 0);
        assert_int_equal(strlen(r.out), 65); /* the token and a newline, for scripts */
        assert_int_equal(strncmp(r.out, "skt_", 4), 0);
        assert_non_null(strstr(r.err, "for ci, role publisher"));
        assert_null(strstr(r.err, "skt_"));
        memcpy(id, r.out + 4, 16);
        id[16] = '\0';
    }
    expect("skerry hub token create -u d -r reader --days 1 --json --data-dir %s/h", 0,
           "\"user\":\"d\"", "");
    expect("skerry hub token list --data-dir %s/h", 0, "publisher  active    -", "");
    expect("skerry hub token list --json --data-dir %s/h", 0, "\"note\":\"x\"", "");
    (void)snprintf(line, sizeof line, "skerry hub token revoke %s --data-dir %%s/h", id);
    expect(line, 0, " is revoked\n", "");
    expect(line, 1, "", "was revoked before");
    expect("skerry hub token list --data-dir %s/h", 0, "publisher  revoked", "");
}

static int begin(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    SK_AUTO(ran_done)
    struct ran r = run_words("skerry hub init --data-dir %s/h --hostname a", dir, NULL);
    return r.status;
}

static int end(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    (void)state;
    return sk_remove_tree(dir, &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(errors),
                                        cmocka_unit_test(life_of_a_token) };
    return cmocka_run_group_tests_name("cmd_hub_token", tests, begin, end);
}
