/* test_cmd_context.c - `skerry context`: what it lists, shows, and never shows. */
#include "cli/cli.h"

#include "base/file.h"
#include "cli_test.h"
#include "harness/golden.h"
#include "remote/remote.h"

#include <stdlib.h>

static void save(const char *name, const char *hub, const char *secret)
{
    struct sk_context c = { .name = "" };
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *token = secret ? strdup(secret) : NULL;
    c.token = token;
    (void)snprintf(c.name, sizeof c.name, "%s", name);
    (void)snprintf(c.user, sizeof c.user, "ann");
    if (sk_context_set_url(&c, hub, &err) < 0 || sk_context_save(&c, NULL, 0, &err) < 0)
        fail_msg("%s", err.text);
}

static const struct {
    const char *line;
    int status;
    const char *out, *err; /* contained */
} rows[] = {
    { "skerry context list", 0, "* two  ", "" },
    { "skerry context list", 0, "  one  ", "" },
    { "skerry context list --json", 0,
      "[{\"name\": \"one\", \"url\": \"https://one:8443\", \"user\": \"ann\", \"current\": false, "
      "\"token\": true, \"ca\": null},\n",
      "" },
    { "skerry context show", 0, "name   two, current\nURL    https://two:9\n", "" },
    { "skerry context show one", 0, "name   one\n", "" },
    { "skerry context show one", 0, "token  stored\nCA     the system's certificates\n", "" },
    { "skerry context show https://three", 0, "name   (none)\nURL    https://three:8443\n", "" },
    { "skerry context show one --json", 0, "\"token\": true", "" },
    { "skerry context show nine", 1, "", "no context 'nine'" },
    { "skerry context use nine", 1, "", "no context 'nine'" },
    { "skerry context use ../one", 1, "", "is no name for a context" },
    { "skerry context use", 2, "", "" },
    { "skerry context use one", 0, "context 'one' is current\n", "" },
    { "skerry context show", 0, "name   one, current\n", "" },
    { "skerry context delete one", 0,
      "context 'one' is gone, with its token and CA\n"
      "no context is current now; 'skerry context use NAME' takes one of: two\n",
      "" },
    { "skerry context show", 1, "", "no hub" },
    { "skerry context delete one", 1, "", "no context 'one'" },
    { "skerry context delete two", 0, "no context is left: 'skerry login HUB' makes one\n", "" },
    { "skerry context list", 0, "no contexts: 'skerry login HUB' makes one\n", "" },
    { "skerry context list --json", 0, "[]\n", "" },
};

static void test_rows(void **state)
{
    char *dir = sk_test_dir();
    (void)state;
    assert_int_equal(setenv("SKERRY_CONFIG_DIR", dir, 1), 0);
    (void)unsetenv("SKERRY_HUB");
    (void)unsetenv("SKERRY_TOKEN");
    (void)unsetenv("SKERRY_CA_FILE");
    save("one", "one", "skt_secret");
    save("two", "two:9", NULL);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct ran r = run_words(rows[i].line, dir, NULL);
        check_status(rows[i].line, &r, rows[i].status);
        if (!strstr(r.out, rows[i].out) || !strstr(r.err, rows[i].err) ||
            strstr(r.out, "skt_secret"))
            fail_msg("row %zu: %s%s", i, r.out, r.err);
        ran_done(&r);
    }
    sk_test_dir_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };
    return cmocka_run_group_tests_name("cmd_context", tests, NULL, NULL);
}
