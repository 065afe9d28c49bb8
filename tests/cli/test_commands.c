/* test_commands.c - the rows of all commands are sound: names, options, defaults; the limits are
 * those of limits.h. */
#include "cli/cli.h"

#include "base/limits.h"
#include "cli_test.h"

#include <stdalign.h>

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; sk_commands[i]; i++) {
        const struct sk_cmd *c = sk_commands[i];

        assert_non_null(c->run);
        assert_non_null(c->summary);
        assert_true(c->summary[strlen(c->summary) - 1] != '.');
        assert_true(c->args_size <= SK_CMD_ARGS_MAX);
        assert_true(c->min_operands <= c->max_operands);
        assert_int_equal(c->operands != NULL, c->max_operands > 0);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(c->name, sk_commands[k]->name);
    }
}

static void test_options(void **state)
{
    (void)state;
    for (size_t i = 0; sk_commands[i]; i++) {
        const struct sk_cmd *c = sk_commands[i];

        for (const struct sk_opt *o = c->options; o && o->name; o++) {
            if (!o->help || o->help[strlen(o->help) - 1] == '.' ||
                (o->arg == NULL) != (o->type == SK_OPT_FLAG))
                fail_msg("%s --%s", c->name, o->name);
            assert_true(o->offset < c->args_size);
            assert_true(o->type != SK_OPT_CHOICE || o->choices);
            assert_true(strncmp(o->name, "no-", 3) != 0);
            for (const struct sk_opt *p = c->options; p < o; p++)
                if (strcmp(o->name, p->name) == 0 || (o->letter && o->letter == p->letter) ||
                    o->offset == p->offset)
                    fail_msg("%s: --%s and --%s", c->name, o->name, p->name);
        }
    }
}

/* Parsed without options; operands as many as it needs. */
static void parse_defaults(const struct sk_cmd *c, void *args)
{
    char words[4][8] = { "x", "x", "x", "x" };
    char *argv[] = { words[0], words[1], words[2], words[3] };
    struct sk_err err = SK_ERR_INIT;
    unsigned count = 0;
    bool help = false;

    if (sk_opt_parse(c, 1 + (int)c->min_operands, argv, NULL, NULL, args, &count, &help, &err) < 0)
        fail_msg("%s: %s", c->name, err.text);
}

static void test_defaults(void **state)
{
    (void)state;
    for (size_t i = 0; sk_commands[i]; i++) {
        alignas(max_align_t) char args[SK_CMD_ARGS_MAX];
        parse_defaults(sk_commands[i], args);
    }
}

static const struct {
    const char *option;
    uint64_t value;
} limits[] = {
    { "max-body-size", SK_LIMIT_BODY_BYTES },
    { "max-pixels", SK_LIMIT_PIXELS },
    { "max-header-size", SK_LIMIT_HEADER_BYTES },
    { "max-connections", SK_LIMIT_CONNECTIONS },
    { "max-queue", SK_LIMIT_QUEUE },
    { "max-parts", SK_LIMIT_PARTS },
    { "max-json-values", SK_LIMIT_JSON_VALUES },
    { "request-timeout", SK_LIMIT_REQUEST_MS },
    { "read-timeout", SK_LIMIT_READ_MS },
    { "idle-timeout", SK_LIMIT_IDLE_MS },
};

static void test_limits(void **state)
{
    alignas(max_align_t) char args[SK_CMD_ARGS_MAX];
    char serve[] = "serve";
    char *words[] = { serve };
    const char *near = NULL;
    int used = 0;
    const struct sk_cmd *c = sk_cmd_find(sk_commands, 1, words, &used, &near);

    (void)state;
    parse_defaults(c, args);
    for (size_t i = 0; i < COUNT(limits); i++) {
        const struct sk_opt *o = sk_cmd_option(c, limits[i].option);
        uint64_t value = 0;

        assert_non_null(o);
        memcpy(&value, args + o->offset, sizeof value);
        if (value != limits[i].value)
            fail_msg("--%s is %llu", o->name, (unsigned long long)value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests_name("commands", tests, NULL, NULL);
}
