/* test_hub_door.c - the folder goes before the hub; without either, what to do is said. */
#include "cli_test.h"

#include "base/file.h"
#include "cli/hub_door_priv.h"

#include <stdio.h>
#include <stdlib.h>

static char dir[] = "/tmp/skerry-hub-door-XXXXXX";

static void folder(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_hub_door_close) struct sk_hub_door d = { 0 };
    char path[64];
    (void)state;
    (void)snprintf(path, sizeof path, "%s/h", dir);
    if (sk_hub_door_open(&d, path, "https://elsewhere.example", &err) < 0)
        fail_msg("%s", err.text);
    assert_null(d.remote);
    assert_non_null(d.accounts);
    assert_int_equal(d.who.role, SK_ROLE_OWNER);
    sk_hub_door_close(&d);
    assert_int_equal(sk_hub_door_open(&d, "/nonexistent", NULL, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
}

static void no_hub(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_hub_door_close) struct sk_hub_door d = { 0 };
    (void)state;
    (void)setenv("SKERRY_CONFIG_DIR", dir, 1);
    (void)unsetenv("SKERRY_HUB");
    assert_int_equal(sk_hub_door_open(&d, NULL, NULL, &err), -1);
    assert_non_null(strstr(err.text, "skerry login"));
}

static void parses(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(8);
    struct sk_json *doc = NULL;
    (void)state;
    sk_buf_str(&b, "{\"a\":1}");
    assert_int_equal(sk_hub_door_parse(&b, &doc, &err), 0);
    assert_int_equal(sk_json_int(sk_json_get(doc, "a"), 0), 1);
    sk_json_free(doc);
    sk_buf_str(&b, "too long");
    assert_int_equal(sk_hub_door_parse(&b, &doc, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
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
    const struct CMUnitTest tests[] = { cmocka_unit_test(folder), cmocka_unit_test(no_hub),
                                        cmocka_unit_test(parses) };
    return cmocka_run_group_tests_name("hub_door", tests, begin, end);
}
