/*
 * test_route_lex.c - the words of routes, and the lines that an error shows.
 */
#include "manifest/route_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* One letter per sign: w word, $ system, t text, n number; operators as themselves. */
static const char letters[] = {
    [SK_SIGN_END] = '.',   [SK_SIGN_WORD] = 'w',       [SK_SIGN_SYSTEM] = '$',
    [SK_SIGN_TEXT] = 't',  [SK_SIGN_NUMBER] = 'n',     [SK_SIGN_OPEN] = '(',
    [SK_SIGN_CLOSE] = ')', [SK_SIGN_LEFT_BRACE] = '{', [SK_SIGN_RIGHT_BRACE] = '}',
    [SK_SIGN_COMMA] = ',', [SK_SIGN_NOT] = '!',        [SK_SIGN_STAR] = '*',
    [SK_SIGN_SLASH] = '/', [SK_SIGN_PERCENT] = '%',    [SK_SIGN_PLUS] = '+',
    [SK_SIGN_MINUS] = '-', [SK_SIGN_CONCAT] = '|',     [SK_SIGN_LT] = '<',
    [SK_SIGN_LE] = 'l',    [SK_SIGN_GT] = '>',         [SK_SIGN_GE] = 'g',
    [SK_SIGN_EQ] = '=',    [SK_SIGN_NE] = '#',         [SK_SIGN_AND] = '&',
    [SK_SIGN_OR] = 'o',    [SK_SIGN_COALESCE] = '?',
};

static const struct {
    const char *text, *signs, *words; /* words: texts and numbers, each followed by ; */
} rows[] = {
    { "", "", "" },
    { " \t\r\n", "", "" },
    { "a", "w", "a;" },
    { "a-b.c+d||e", "w", "a-b.c+d||e;" }, /* names are long */
    { "a + b - c", "w+w-w", "a;b;c;" },
    { "-x", "-w", "x;" },
    { "- 5", "-n", "5;" },
    { "a!=b", "w#w", "a;b;" },
    { "a! = b", "w=w", "a!;b;" },
    { "a<>b<=c>=d<e>f=g", "w#wlwgw<w>w=w", "a;b;c;d;e;f;g;" },
    { "a || b ?? c", "w|w?w", "a;b;c;" },
    { "'a'||'b'", "t|t", "a;b;" },
    { "a and b OR Not c", "w&wo!w", "a;b;c;" },
    { "android", "w", "android;" },
    { "f(a,b)", "w(w,w)", "f;a;b;" },
    { "{$x}", "{$}", "$x;" },
    { "$body.a[0].b", "$", "$body.a[0].b;" },
    { "$a!=1", "$#n", "$a;1;" },
    { "12 1.5 .5 1e3 2E-1 0x1F 0XfF", "nnnnnnn", "12;1.5;0.5;1000;0.2;31;255;" },
    { "0xFFFFFFFFFFFFFFFF", "n", "-1;" }, /* 64 bits with a sign */
    { "0x10000000000000000", "w", "0x10000000000000000;" },
    { "1. 1e 1x 0x", "wwww", "1.;1e;1x;0x;" },
    { "'it\\'s' \"say \\\"x\\\"\" '\\\\'", "ttt", "it's;say \"x\";\\;" },
    { "'a\"b' \"a'b\"", "tt", "a\"b;a'b;" },
    { "'\\u0041\\u00e4\\u20ac\\ud83d\\ude00'", "t", "A\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80;" },
    { "'\\ud83d' '\\ude00x'", "tt", "\xef\xbf\xbd;\xef\xbf\xbdx;" },
    { "''", "t", ";" },
    { "a /* b */ c", "ww", "a;c;" },
    { "a /**/ c", "ww", "a;c;" },
    { "a /* b", "w/*w", "a;b;" }, /* never closed: no comment */
    { "a /*/ b", "w/*/w", "a;b;" },
    { "\xc3\xa4=1", "w=n", "\xc3\xa4;1;" },
};

static void test_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sk_arena arena = SK_ARENA_INIT(1 << 16);
        struct sk_route_lex lex = { sk_view_of(rows[i].text), 0, &arena };
        char signs[64] = "", words[128] = "";
        struct sk_err err = SK_ERR_INIT;
        size_t count = 0, len = 0;

        for (struct sk_route_word w;;) {
            if (sk_route_lex_next(&lex, &w, &err) < 0)
                fail_msg("%s: %s", rows[i].text, err.text);
            if (w.sign == SK_SIGN_END)
                break;
            signs[count++] = letters[w.sign];
            if (w.sign == SK_SIGN_NUMBER)
                len += (size_t)snprintf(words + len, sizeof(words) - len, "%g;", w.number);
            else if (w.sign <= SK_SIGN_TEXT)
                len += (size_t)snprintf(words + len, sizeof(words) - len, "%.*s;", (int)w.text.len,
                                        w.text.ptr);
        }
        signs[count] = 0;
        if (strcmp(signs, rows[i].signs) != 0 || strcmp(words, rows[i].words) != 0)
            fail_msg("%s: '%s' '%s'", rows[i].text, signs, words);
        sk_arena_done(&arena);
    }
}

static const struct {
    const char *text, *says;
} refused[] = {
    { "'abc", "the ' is never closed\n'abc\n^" },
    { "a = \"x\\\"", "the \" is never closed\na = \"x\\\"\n    ^" },
    { "'a\\n'", "expected \\\", \\', \\\\ or \\u and four digits\n'a\\n'\n  ^" },
    { "'\\u12g4'", "expected \\\", \\', \\\\ or \\u and four digits\n'\\u12g4'\n ^" },
    { "@", "'@' has no meaning here\n@\n^" },
    { "a?b", "'?' has no meaning here\na?b\n ^" },
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct sk_arena arena = SK_ARENA_INIT(1 << 16);
        struct sk_route_lex lex = { sk_view_of(refused[i].text), 0, &arena };
        struct sk_err err = SK_ERR_INIT;
        struct sk_route_word w = { .sign = SK_SIGN_WORD };

        while (w.sign != SK_SIGN_END && sk_route_lex_next(&lex, &w, &err) == 0)
            ;
        if (err.code != SK_INVALID || strcmp(err.text, refused[i].says) != 0)
            fail_msg("%s: %s", refused[i].text, err.text);
        sk_arena_done(&arena);
    }
}

/* The caret counts characters; of a long route a part is shown; tabs are as wide as a space. */
static void test_caret(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    char route[400];

    (void)state;
    assert_int_equal(sk_route_fail(SK_VIEW("\xc3\xa4\xe2\x82\xac\tx"), 6, &err, "no %s", "x"), -1);
    assert_string_equal(err.text, "no x\n\xc3\xa4\xe2\x82\xac x\n   ^");
    assert_int_equal(sk_route_fail(SK_VIEW("ab"), 99, &err, "end"), -1);
    assert_string_equal(err.text, "end\nab\n  ^");
    memset(route, 'a', sizeof(route));
    route[200] = 'X';
    assert_int_equal(sk_route_fail((struct sk_view){ route, sizeof(route) }, 200, &err, "here"),
                     -1);
    {
        const char *line = strchr(err.text, '\n') + 1, *caret = strchr(line, '^');
        const char *below = strchr(line, '\n') + 1;

        assert_true(sk_starts_with(line, "...aaa"));
        assert_true(below[-2] == '.');
        assert_int_equal(line[caret - below], 'X');
    }
    /* A cut never splits a character. */
    for (size_t i = 0; i + 1 < sizeof(route); i += 2)
        memcpy(route + i, "\xc3\xa4", 2);
    for (size_t at = 100; at < 104; at++) {
        assert_int_equal(sk_route_fail((struct sk_view){ route, sizeof(route) }, at, &err, "x"),
                         -1);
        assert_true(sk_utf8_valid(err.text, strlen(err.text)) || at % 2);
    }
}

static void test_item(void **state)
{
    struct sk_arena arena = SK_ARENA_INIT(1 << 12);
    struct sk_route_lex lex = { SK_VIEW("m-1*/x /"), 0, &arena };
    struct sk_err err = SK_ERR_INIT;
    struct sk_view item;

    (void)state;
    assert_int_equal(sk_route_lex_item(&lex, &item, &err), 0);
    assert_true(sk_view_eq(item, "m-1*"));
    lex.pos = 8;
    assert_int_equal(sk_route_lex_item(&lex, &item, &err), -1);
    assert_non_null(strstr(err.text, "expected a name or *"));
    sk_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_caret),
        cmocka_unit_test(test_item),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
