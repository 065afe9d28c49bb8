/* test_cmd_edge_check.c - `skerry edge check` and `support-bundle` where little is there; a device
 * that works is checked in tests/it/test_edge_agent.py. */
#include "edge_test.h"

#include "base/file.h"

#include <stdio.h>

static void a_folder_that_is_none(void **state)
{
    (void)state;
    SK_AUTO(ran_done)
    struct ran r = run_words("skerry edge check --data-dir %s", "tests/data", NULL);
    check_status("check", &r, 1);
    assert_non_null(strstr(r.out, "× folder: "));
    assert_non_null(strstr(r.out, "to mend it: skerry edge init"));
    assert_non_null(strstr(r.out, "1 error, 0 warnings"));
    SK_AUTO(ran_done)
    struct ran j = run_words("skerry edge check --json --data-dir %s", "tests/data", NULL);
    check_status("check --json", &j, 1);
    assert_non_null(
        strstr(j.out, "{\"group\":\"configuration\",\"name\":\"folder\",\"result\":\"error\""));
}

static void the_bundle_has_what_the_agent_says(void **state)
{
    static const struct fake_row rows[] = {
        { "list", "\"modules\":[{\"name\":\"cats\"}]" },
        { "status", "\"device\":\"cell-7\"" },
        { "logs", "\"text\":\"what cats said\\n\"" },
        { NULL, NULL },
    };
    struct fake_agent a;
    struct sk_err err = SK_ERR_INIT;
    char path[128], line[256];
    SK_OWN(free) char *text = NULL;
    size_t len = 0;
    (void)state;
    agent_start(&a, rows);
    (void)snprintf(path, sizeof path, "%s/bundle.txt", a.dir);
    (void)snprintf(line, sizeof line, "skerry edge support-bundle --data-dir %%s -o %s", path);
    SK_AUTO(ran_done) struct ran r = run_words(line, a.dir, NULL);
    check_status("support-bundle", &r, 0);
    assert_int_equal(sk_file_read(path, 1 << 20, &text, &len, &err), 0);
    static const char *const words[] = { "==== check ====", "==== edge.json ====",
                                         "\"device\":\"cell-7\"",
                                         "==== output of cats ====", "what cats said" };
    for (size_t i = 0; i < COUNT(words); i++)
        if (!strstr(text, words[i]))
            fail_msg("no '%s' in\n%s", words[i], text);
    agent_stop(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_folder_that_is_none),
        cmocka_unit_test(the_bundle_has_what_the_agent_says),
    };
    return cmocka_run_group_tests_name("cmd_edge_check", tests, NULL, NULL);
}
