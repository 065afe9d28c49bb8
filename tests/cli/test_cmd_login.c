/* test_cmd_login.c - `skerry login` and `logout` against a hub in this process. (Certificates and
 * terminals are in tests/it/test_login.py.) */
#include "cli/cli.h"

#include "base/file.h"
#include "cli_test.h"
#include "harness/golden.h"
#include "hub_test.h"

#include <stdlib.h>
#include <sys/stat.h>

static struct hub_test hub;
static char line[1024];

/* hub_test_start's environment would answer instead of what login stores. */
static void take_token(void)
{
    write_text(hub.dir, "token", getenv("SKERRY_TOKEN"));
    assert_int_equal(unsetenv("SKERRY_TOKEN"), 0);
}

static void check(const char *words, int status, const char *out, const char *err)
{
    struct ran r = run_words(words, hub.dir, NULL);
    check_status(words, &r, status);
    if (!strstr(r.out, out) || !strstr(r.err, err))
        fail_msg("%s: %s%s", words, r.out, r.err);
    if (strstr(r.out, "skt_") || strstr(r.err, "skt_"))
        fail_msg("%s: a secret in %s%s", words, r.out, r.err);
    ran_done(&r);
}

/* "skerry login URL --token-file %s/FILE MORE" */
static const char *login(const char *url, const char *file, const char *more)
{
    (void)snprintf(line, sizeof line, "skerry login %s --token-file %%s/%s%s", url, file, more);
    return line;
}

static void in_and_out(void **state)
{
    (void)state;
    hub_test_start(&hub);
    take_token();
    SK_OWN(free) char *url = strdup(getenv("SKERRY_HUB"));
    assert_int_equal(unsetenv("SKERRY_HUB"), 0);

    check("skerry context show", 1, "", "no hub: run 'skerry login HUB'");
    check(login(url, "token", " --context here"), 0, "as owner (owner); context 'here' is current",
          "");
    check("skerry context show", 0, "token  stored", "");
    check("skerry model list", 0, "", "");
    check(login(url, "token", " --context other --user somebody"), 1, "",
          "the token is owner's, not somebody's");
    check("skerry context show other", 1, "", "no context 'other'");
    check("skerry logout", 0, "logged out of 127.0.0.1:", "");
    check("skerry model list", 1, "", "'skerry login 127.0.0.1:");
    check("skerry context show", 0, "token  none", "");
    check("skerry logout nowhere", 1, "", "no context 'nowhere'");
    hub_test_stop(&hub);
}

/* The last owner's token cannot be revoked: it stays stored then. */
static void out_for_good(void **state)
{
    (void)state;
    hub_test_start(&hub);
    SK_OWN(free) char *url = strdup(getenv("SKERRY_HUB"));
    struct ran r = run_words("skerry hub token create --user ci --role reader --json", hub.dir,
                             NULL);
    check_status("token create", &r, 0);
    const char *begin = strstr(r.out, "skt_");
    assert_non_null(begin);
    SK_OWN(free) char *secret = strndup(begin, strcspn(begin, "\""));
    ran_done(&r);
    take_token();
    assert_int_equal(unsetenv("SKERRY_HUB"), 0);

    check(login(url, "token", " --context owner"), 0, "", "");
    check("skerry logout --revoke", 1, "", "the token was not revoked and is still stored");
    write_text(hub.dir, "ci", secret);
    check(login(url, "ci", " --context ci"), 0, "as ci (reader)", "");
    check("skerry logout --revoke ci", 0, "logged out", "");
    check(login(url, "ci", ""), 1, "", "");
    hub_test_stop(&hub);
}

static void refused(void **state)
{
    (void)state;
    hub_test_start(&hub);
    take_token();
    SK_OWN(free) char *url = strdup(getenv("SKERRY_HUB"));
    write_text(hub.dir, "wrong", "skt_wrong");
    write_text(hub.dir, "empty", "\n");
    check("skerry login", 2, "", "HUB");
    check("skerry login a b", 2, "", "");
    check("skerry login https://me:secret@hub", 1, "", "");
    check("skerry login http://hub.example", 1, "", "clear text");
    check("skerry login hub --ca-sha256 abc", 2, "", "is no SHA-256");
    check("skerry login hub --ca-file /a --ca-sha256 abc", 2, "", "only one can be");
    check("skerry login hub --token-file /a --token-stdin", 2, "", "only one can be");
    check("skerry login hub --ca-file /nonexistent", 1, "", "/nonexistent");
    check("skerry login hub --ca-file %s/token", 1, "", "/token");
    check("skerry login hub --context ../x", 1, "", "is no name for a context");
    check(login(url, "wrong", ""), 1, "", "unknown, expired or revoked");
    check(login(url, "empty", ""), 1, "", "there is no token");
    check("skerry context list", 0, "no contexts", "");
    hub_test_stop(&hub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_and_out),
        cmocka_unit_test(out_for_good),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests_name("cmd_login", tests, NULL, NULL);
}
