/* test_cmd_edge_module.c - `skerry edge logs`, `restart` and `exec` of an agent that answers as it
 * is told. exec, which becomes another program, is run in a child. */
#include "edge_test.h"

#include "cli/cli.h"

#include <stdio.h>
#include <sys/wait.h>

static const struct fake_row rows[] = {
    { "logs", "\"text\":\"one\\ntwo\\n\"" },
    { "restart", "" },
    { "exec", "\"env\":[\"IOTEDGE_MODULEID=cats\",\"A=b=c\"]" },
    { NULL, NULL },
};

static void asks(void **state)
{
    static const struct {
        const char *line, *out, *asked;
    } cases[] = {
        { "skerry edge logs cats --tail 5 --since 1d --data-dir %s", "one\ntwo\n",
          "\"module\":\"cats\",\"tail\":5,\"since\":\"1d\"" },
        { "skerry edge logs cats --data-dir %s", "one\ntwo\n", "\"tail\":0" },
        { "skerry edge restart cats --data-dir %s", "cats\n", "\"module\":\"cats\"" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fake_agent a;
        agent_start(&a, rows);
        SK_AUTO(ran_done) struct ran r = run_words(cases[i].line, a.dir, NULL);
        check_status(cases[i].line, &r, 0);
        assert_string_equal(r.out, cases[i].out);
        agent_stop(&a);
        if (!strstr(a.last, cases[i].asked))
            fail_msg("%s asked %s", cases[i].line, a.last);
    }
}

static void errors(void **state)
{
    static const struct fake_row refusals[] = { { "logs", "!there is no module 'dogs'" },
                                                { "restart",
                                                  "!the deployment has no module 'dogs'" },
                                                { "exec", "!the deployment has no module 'dogs'" },
                                                { NULL, NULL } };

    static const struct {
        const char *line, *says;
        int status;
    } cases[] = {
        { "skerry edge logs dogs --data-dir %s", "no module 'dogs'", 1 },
        { "skerry edge restart dogs --data-dir %s", "no module 'dogs'", 1 },
        { "skerry edge exec --data-dir %s dogs -- true", "no module 'dogs'", 1 },
        { "skerry edge exec --data-dir %s dogs", "MODULE -- COMMAND", 2 },
        { "skerry edge logs --data-dir %s", "MODULE", 2 },
        { "skerry edge logs cats --tail x --data-dir %s", "--tail", 2 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fake_agent a;
        agent_start(&a, refusals);
        SK_AUTO(ran_done) struct ran r = run_words(cases[i].line, a.dir, NULL);
        check_status(cases[i].line, &r, cases[i].status);
        if (!strstr(r.err, cases[i].says))
            fail_msg("%s: %s", cases[i].line, r.err);
        agent_stop(&a);
    }
}

/* The command sees the module's variables, and its status is ours. */
static void becomes_the_command(void **state)
{
    struct fake_agent a;
    int status = 0;
    (void)state;
    agent_start(&a, rows);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const char *const words[] = {
            "skerry", "edge",
            "exec",   "--data-dir",
            a.dir,    "cats",
            "--",     "/bin/sh",
            "-c",     "test \"$IOTEDGE_MODULEID\" = cats && test \"$A\" = b=c && exit 42"
        };
        char *argv[COUNT(words) + 1] = { NULL };
        for (size_t i = 0; i < COUNT(words); i++)
            argv[i] = strdup(words[i]);
        _exit(sk_cli_main((int)COUNT(words), argv));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
    agent_stop(&a);
    assert_non_null(strstr(a.last, "\"pid\":"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks),
        cmocka_unit_test(errors),
        cmocka_unit_test(becomes_the_command),
    };
    return cmocka_run_group_tests_name("cmd_edge_module", tests, NULL, NULL);
}
