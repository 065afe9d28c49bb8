/* test_opt.c - words, environment, configuration and defaults into a structure; errors that name
 * the wrong word. */
#include "base/opt.h"

#include "base/opt_priv.h"
#include "opt_table.h"
#include "test_util.h"

enum {
    WORDS_MAX = 80
};

struct outcome {
    struct table_args args;
    unsigned count;
    bool help;
    char *words[WORDS_MAX];
    char text[2000];
    struct sk_err err;
    int rc;
};

/* Splits at spaces; "\x01" stands for an empty word. */
static void parse(struct outcome *o, const char *line, sk_opt_config_get *get, void *config)
{
    int argc = 0;

    memset(o, 0, sizeof *o);
    (void)snprintf(o->text, sizeof o->text, "%s", line);
    for (char *p = o->text; *p && argc < WORDS_MAX;) {
        size_t n = strcspn(p, " ");
        o->words[argc++] = p;
        char *end = p + n;
        p = end + (*end != '\0');
        *end = '\0';
        if (o->words[argc - 1][0] == '\x01')
            o->words[argc - 1][0] = '\0';
    }
    o->rc = sk_opt_parse(&table_serve, argc, o->words, get, config, &o->args, &o->count, &o->help,
                         &o->err);
}

static void test_defaults(void **state)
{
    struct outcome o;

    (void)state;
    parse(&o, "serve m", NULL, NULL);
    assert_int_equal(o.rc, 0);
    assert_string_equal(o.args.host, "127.0.0.1");
    assert_int_equal(o.args.port, 5001);
    assert_false(o.args.watch);
    assert_true(o.args.cache);
    assert_true(o.args.rate == 0);
    assert_int_equal(o.args.size, 65536);
    assert_int_equal(o.args.wait_ms, 30000);
    assert_string_equal(o.args.device, "auto");
    assert_int_equal(o.args.tags.count, 0);
    assert_null(o.args.file);
    assert_int_equal(o.count, 1);
    assert_string_equal(o.words[1], "m");
}

static void test_forms(void **state)
{
    struct outcome o;

    (void)state;
    parse(&o,
          "serve a --host=h -p 80 -wc b --rate 2.5 --max-size 1M --wait=250ms --no-cache --device "
          "cpu -tx --tag y -- -c",
          NULL, NULL);
    if (o.rc < 0)
        fail_msg("%s", o.err.text);
    assert_string_equal(o.args.host, "h");
    assert_int_equal(o.args.port, 80);
    assert_true(o.args.watch);
    assert_false(o.args.cache); /* the last one counts */
    assert_true(o.args.rate == 2.5);
    assert_int_equal(o.args.size, 1 << 20);
    assert_int_equal(o.args.wait_ms, 250);
    assert_string_equal(o.args.device, "cpu");
    assert_int_equal(o.args.tags.count, 2);
    assert_string_equal(o.args.tags.items[0], "x");
    assert_string_equal(o.args.tags.items[1], "y");
    assert_int_equal(o.count, 3);
    assert_string_equal(o.words[1], "a");
    assert_string_equal(o.words[2], "b");
    assert_string_equal(o.words[3], "-c");
    parse(&o, "serve - --watch=no --host=", NULL, NULL);
    assert_int_equal(o.rc, 0);
    assert_string_equal(o.words[1], "-");
    assert_false(o.args.watch);
    assert_string_equal(o.args.host, "");
    parse(&o, "serve m --host --port", NULL, NULL); /* a value may look like an option */
    assert_string_equal(o.args.host, "--port");
}

static const struct {
    const char *line, *error;
} wrong[] = {
    { "serve m --prot 80", "unknown option '--prot'; did you mean '--port'?" },
    { "serve m --max-sizes=1", "unknown option '--max-sizes'; did you mean '--max-size'?" },
    { "serve m --zzz=1", "unknown option '--zzz'; 'skerry serve --help' lists all" },
    { "serve m -x", "unknown option '-x'; 'skerry serve --help' lists all" },
    { "serve m -wx", "unknown option '-x'; 'skerry serve --help' lists all" },
    { "serve m --port", "option '--port' needs a value: --port N" },
    { "serve m -p", "option '--port' needs a value: --port N" },
    { "serve m --port x", "--port: 'x' is not a whole number from 0 to 65535" },
    { "serve m --port 65536", "--port: '65536' is not a whole number from 0 to 65535" },
    { "serve m --port=", "--port: '' is not a whole number from 0 to 65535" },
    { "serve m --rate 0", "--rate: '0' is not a number from 1 to 1000" },
    { "serve m --max-size 2M", "--max-size: '2M' is not a size from 1 to 1048576 bytes" },
    { "serve m --max-size big", "--max-size: 'big' is not a size such as 4096, 64K, 10M or 2G" },
    { "serve m --wait soon", "--wait: 'soon' is not a time such as 250ms, 30s, 5m or 2h" },
    { "serve m --device gpu", "--device: 'gpu' is not one of auto|cpu|cuda" },
    { "serve m --device=", "--device: '' is not one of auto|cpu|cuda" },
    { "serve m --device cp", "--device: 'cp' is not one of auto|cpu|cuda" },
    { "serve m --watch=maybe", "--watch: 'maybe' is not true or false" },
    { "serve m --a-file-with-a-long-name=",
      "--a-file-with-a-long-name is empty: give a FILE, or leave it out" },
    { "serve m --a-file-with-a-long-name \x01",
      "--a-file-with-a-long-name is empty: give a FILE, or leave it out" },
    { "serve m --no-host", "unknown option '--no-host'; did you mean '--host'?" },
    { "serve m --no-watch=1", "unknown option '--no-watch'; did you mean '--watch'?" },
    { "serve", "serve needs MODEL...; 'skerry serve --help' tells more" },
    { "serve a b c d", "unexpected 'd'; 'skerry serve --help' tells more" },
};

static void test_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct outcome o;
        parse(&o, wrong[i].line, NULL, NULL);
        if (o.rc != -1 || o.err.code != SK_USAGE || strcmp(o.err.text, wrong[i].error) != 0)
            fail_msg("%s: returned %d, %s", wrong[i].line, o.rc, o.err.text);
    }
}

static void test_list_is_bounded(void **state)
{
    char line[400] = "serve m";
    struct outcome o;

    (void)state;
    for (size_t i = 0; i < SK_OPT_LIST_MAX; i++)
        (void)snprintf(line + 7 + 4 * i, sizeof line - 7 - 4 * i, " -tx");
    parse(&o, line, NULL, NULL);
    assert_int_equal(o.rc, 0);
    assert_int_equal(o.args.tags.count, SK_OPT_LIST_MAX);
    (void)snprintf(line + strlen(line), 5, " -tx");
    parse(&o, line, NULL, NULL);
    assert_int_equal(o.rc, -1);
    assert_string_equal(o.err.text, "--tag: given more than 32 times");
}

static void test_help_wins(void **state)
{
    static const char *const lines[] = { "serve --help", "serve -h", "serve --bad --help",
                                         "serve m -p x -h" };
    struct outcome o;

    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        parse(&o, lines[i], NULL, NULL);
        assert_int_equal(o.rc, 0);
        assert_true(o.help);
    }
    parse(&o, "serve -- --help", NULL, NULL);
    assert_false(o.help);
    assert_string_equal(o.words[1], "--help");
}

static const char *from_pairs(void *config, const char *key)
{
    const char *const *pairs = config;
    for (; *pairs; pairs += 2)
        if (strcmp(pairs[0], key) == 0)
            return pairs[1];
    return NULL;
}

static void test_precedence(void **state)
{
    static const char *pairs[] = { "port", "1",    "host", "config", "watch",
                                   "true", "wait", "1s",   NULL };
    static const char *bad[] = { "port", "x", NULL };
    struct outcome o;

    (void)state;
    (void)setenv("SKERRY_PORT", "2", 1);
    (void)setenv("SKERRY_MAX_SIZE", "2K", 1);
    (void)setenv("SKERRY_CACHE", "off", 1);
    parse(&o, "serve m --port 3", from_pairs, pairs);
    assert_int_equal(o.rc, 0);
    assert_int_equal(o.args.port, 3);
    assert_int_equal(o.args.size, 2048);
    assert_false(o.args.cache);
    assert_true(o.args.watch);
    assert_int_equal(o.args.wait_ms, 1000);
    assert_string_equal(o.args.host, "config");
    parse(&o, "serve m --no-watch", from_pairs, pairs);
    assert_int_equal(o.args.port, 2);
    assert_false(o.args.watch);
    (void)setenv("SKERRY_PORT", "two", 1);
    parse(&o, "serve m", from_pairs, pairs);
    assert_string_equal(o.err.text, "SKERRY_PORT: 'two' is not a whole number from 0 to 65535");
    (void)unsetenv("SKERRY_PORT");
    parse(&o, "serve m", from_pairs, bad);
    assert_string_equal(
        o.err.text, "'port' in the configuration file: 'x' is not a whole number from 0 to 65535");
    (void)unsetenv("SKERRY_MAX_SIZE");
    (void)unsetenv("SKERRY_CACHE");
}

static const struct {
    const char *line, *found;
    int used;
    const char *near;
} finds[] = {
    { "serve m", "serve", 1, NULL },
    { "model inspect m", "model inspect", 2, NULL },
    { "model list", "model list", 2, NULL },
    { "secret", "secret", 1, NULL }, /* hidden ones run */
    { "serv m", NULL, 0, "serve" },
    { "sevre", NULL, 0, "serve" },
    { "secert", NULL, 0, NULL }, /* but are not proposed */
    { "model", NULL, 0, "model inspect" },
    { "model lst", NULL, 0, "model list" },
    { "modle inspect", NULL, 0, "model inspect" },
    { "frobnicate", NULL, 0, NULL },
    { "", NULL, 0, NULL },
};

static void test_find(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(finds); i++) {
        struct outcome o;
        const char *near = NULL;
        int argc = 0;
        int used = 0;

        parse(&o, finds[i].line, NULL, NULL);
        (void)snprintf(o.text, sizeof o.text, "%s", finds[i].line);
        for (char *p = strtok_r(o.text, " ", &o.words[79]); p;
             p = strtok_r(NULL, " ", &o.words[79]))
            o.words[argc++] = p;
        const struct sk_cmd *cmd = sk_cmd_find(table, argc, o.words, &used, &near);
        if (used != finds[i].used ||
            (cmd ? strcmp(cmd->name, finds[i].found) != 0 : finds[i].found != NULL))
            fail_msg("%s: %s", finds[i].line, cmd ? cmd->name : "none");
        if (!cmd && strcmp(near ? near : "", finds[i].near ? finds[i].near : "") != 0)
            fail_msg("%s: near %s", finds[i].line, near);
    }
}

static void test_env_name(void **state)
{
    char name[80];

    (void)state;
    sk_opt_env_name(sk_cmd_option(&table_serve, "max-size"), name, sizeof name);
    assert_string_equal(name, "SKERRY_MAX_SIZE");
    assert_null(sk_cmd_option(&table_serve, "max"));
    assert_null(sk_cmd_option(&table_inspect, "max-size"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),  cmocka_unit_test(test_forms),
        cmocka_unit_test(test_wrong),     cmocka_unit_test(test_list_is_bounded),
        cmocka_unit_test(test_help_wins), cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_find),      cmocka_unit_test(test_env_name),
    };
    return cmocka_run_group_tests_name("opt", tests, NULL, NULL);
}
