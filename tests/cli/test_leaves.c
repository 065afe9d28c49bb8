/* test_leaves.c - JSON as lines. */
#include "cli/device_priv.h"

#include "cli_test.h"

#include <stdio.h>

static void rows(void **state)
{
    static const char *const without[] = { "secret", NULL };

    static const struct {
        const char *json, *text;
        bool leaves_out;
    } table[] = {
        { "{\"a\":1}", "a                                   1\n", false },
        { "{\"a\":{\"b\":\"x\",\"c\":true}}",
          "a.b                                 x\na.c                                 true\n",
          false },
        { "{\"a\":null,\"b\":[],\"c\":\"\",\"d\":{},\"e\":\"0001-01-01T00:00:00Z\"}", "", false },
        { "{\"a\":[1,{\"b\":2}]}", "a                                   [1,{\"b\":2}]\n", false },
        { "{\"creation_timestamp\":1764300000000}",
          "creation_timestamp                  2025-11-28 03:20\n", false },
        { "{\"a\":{\"secret\":{\"k\":1},\"b\":2},\"secret\":3}",
          "a.b                                 2\n", true },
        { "{\"a\":\"x\\ny\"}", "a                                   x?y\n", false },
        { "{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\":1}",
          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa  1\n", false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_json_free) struct sk_json *doc = NULL;
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(4096);
        assert_int_equal(sk_json_parse(table[i].json, strlen(table[i].json), NULL, &doc, &err), 0);
        sk_cli_leaves(doc, table[i].leaves_out ? without : NULL, &out);
        if (strcmp(out.data ? out.data : "", table[i].text) != 0)
            fail_msg("%s:\n%s", table[i].json, out.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rows) };
    return cmocka_run_group_tests_name("leaves", tests, NULL, NULL);
}
