/* test_cmd_man.c - `skerry man`: every listed command and option is on the page and in the
 * Markdown. */
#include "cli/cli.h"

#include "cli_test.h"

/* The name as roff has it: hyphens escaped. */
static void escaped(const char *name, char *out)
{
    for (; *name; name++) {
        if (*name == '-')
            *out++ = '\\';
        *out++ = *name;
    }
    *out = '\0';
}

static void test_complete(void **state)
{
    SK_AUTO(ran_done) struct ran man = run_words("skerry man", NULL, NULL);
    SK_AUTO(ran_done) struct ran md = run_words("skerry man --markdown", NULL, NULL);
    char text[200];

    (void)state;
    check_status("man", &man, 0);
    check_status("man --markdown", &md, 0);
    for (size_t i = 0; sk_commands[i]; i++) {
        const struct sk_cmd *c = sk_commands[i];

        (void)snprintf(text, sizeof text, "\n## skerry %s\n", c->name);
        assert_int_equal(strstr(md.out, text) != NULL, !c->hidden);
        char title[100];
        escaped(c->name, title);
        (void)snprintf(text, sizeof text, "\n.SS \"skerry %s\"\n", title);
        assert_int_equal(strstr(man.out, text) != NULL, !c->hidden);
        for (const struct sk_opt *o = c->options; o && o->name && !c->hidden; o++) {
            char name[100];
            escaped(o->name, name);
            (void)snprintf(text, sizeof text, "\\fB\\-\\-%s\\fR", name);
            assert_non_null(strstr(man.out, text));
            (void)snprintf(text, sizeof text, "`--%s", o->name);
            assert_non_null(strstr(md.out, text));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_complete) };
    return cmocka_run_group_tests_name("cmd_man", tests, NULL, NULL);
}
