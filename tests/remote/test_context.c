/* test_context.c - what is stored of hubs, who may read it, and what goes before it. */
#include "base/file.h"
#include "harness/alloc_fail.h"
#include "hub_double.h"
#include "remote/remote_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char CA[] = "-----BEGIN CERTIFICATE-----\n";

static char folder[64];

static void save(const char *name, const char *hub, const char *token, const char *ca)
{
    struct sk_context c = { .name = "" };
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *copy = token ? strdup(token) : NULL;
    c.token = copy;
    (void)snprintf(c.name, sizeof c.name, "%s", name);
    (void)snprintf(c.user, sizeof c.user, "%s's user", name);
    if (sk_context_set_url(&c, hub, &err) < 0 ||
        sk_context_save(&c, ca, ca ? strlen(ca) : 0, &err) < 0)
        fail_msg("%s", err.text);
}

/* "name url user token ca?" */
static const char *load(const char *name)
{
    static char out[1024];
    SK_AUTO(sk_context_done) struct sk_context c = { .name = "" };
    struct sk_err err = SK_ERR_INIT;
    if (sk_context_load(name, &c, &err) < 0)
        (void)snprintf(out, sizeof out, "%s", sk_code_name(err.code));
    else
        (void)snprintf(out, sizeof out, "%s %s %s %s %s", c.name, c.url, c.user,
                       c.token ? c.token : "-", c.ca_file ? "ca" : "-");
    return out;
}

static void save_and_load(void **state)
{
    (void)state;
    assert_string_equal(load(NULL), "not_found");
    save("one", "one", "token1", CA);
    save("two", "two:99", NULL, NULL);
    assert_string_equal(load(NULL), "two https://two:99 two's user - -");
    assert_string_equal(load("one"), "one https://one:8443 one's user token1 ca");
    assert_string_equal(load("three"), "not_found");
    assert_string_equal(load("https://one"), "one https://one:8443 one's user token1 ca");
    assert_string_equal(load("one:8443"), "one https://one:8443 one's user token1 ca");
    assert_string_equal(load("https://three"), " https://three:8443  - -"); /* without a login */
    save("one", "other", NULL, NULL); /* nothing of the earlier one is left */
    assert_string_equal(load("one"), "one https://other:8443 one's user - -");
}

/* Of two contexts of one hub the current one is taken. */
static void same_hub_twice(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    save("a", "hub", "token-a", NULL);
    save("b", "hub", "token-b", NULL);
    assert_string_equal(load("hub:8443"), "b https://hub:8443 b's user token-b -");
    assert_int_equal(sk_context_use("a", &err), 0);
    assert_string_equal(load("hub:8443"), "a https://hub:8443 a's user token-a -");

    SK_AUTO(sk_context_done) struct sk_context c = { .name = "" };
    save("other", "other:99", "token-c", CA);
    assert_int_equal(sk_context_of_host("HUB:8443", &c, &err), 0); /* names have no case */
    assert_string_equal(c.name, "a");
    sk_context_done(&c);
    assert_int_equal(sk_context_use("b", &err), 0);
    assert_int_equal(sk_context_of_host("hub:8443", &c, &err), 0);
    assert_string_equal(c.token, "token-b");
    sk_context_done(&c);
    assert_int_equal(sk_context_of_host("other:99", &c, &err), 0);
    assert_non_null(c.ca_file);
    assert_int_equal(sk_context_of_host("hub:99", &c, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
}

static void modes(void **state)
{
    (void)state;

    static const struct {
        const char *path;
        unsigned mode;
    } rows[] = {
        { "contexts", 0700 },
        { "contexts/one", 0700 },
        { "contexts/one/hub.json", 0600 },
        { "contexts/one/token", 0600 },
        { "contexts/one/ca.pem", 0600 },
        { "current", 0600 },
    };

    char path[128];
    for (size_t i = 0; i < 2; i++) { /* folders that others made with wider rights */
        (void)snprintf(path, sizeof path, "%s/%s", folder, rows[i].path);
        assert_int_equal(mkdir(path, 0755), 0);
    }
    save("one", "one", "token1", CA);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct stat st;
        (void)snprintf(path, sizeof path, "%s/%s", folder, rows[i].path);
        assert_int_equal(stat(path, &st), 0);
        if ((st.st_mode & 0777) != rows[i].mode)
            fail_msg("%s: %o", rows[i].path, st.st_mode & 0777);
    }
}

static void environment(void **state)
{
    (void)state;
    save("one", "one", "token1", CA);
    save("two", "two", "token2", NULL);
    assert_int_equal(setenv("SKERRY_HUB", "one", 1), 0);
    assert_string_equal(load(NULL), "one https://one:8443 one's user token1 ca");
    assert_string_equal(load("two"), "two https://two:8443 two's user token2 -");
    assert_int_equal(setenv("SKERRY_HUB", "https://three", 1), 0);
    assert_int_equal(setenv("SKERRY_TOKEN", "t3", 1), 0);
    assert_int_equal(setenv("SKERRY_CA_FILE", "/ca", 1), 0);
    assert_string_equal(load(NULL), " https://three:8443  t3 ca");
    assert_string_equal(load("two"), "two https://two:8443 two's user t3 ca");
    assert_int_equal(setenv("SKERRY_HUB", "", 1), 0); /* empty is unset */
    assert_int_equal(setenv("SKERRY_TOKEN", "", 1), 0);
    assert_int_equal(setenv("SKERRY_CA_FILE", "", 1), 0);
    assert_string_equal(load(NULL), "two https://two:8443 two's user token2 -");
}

static void bad_names(void **state)
{
    (void)state;
    static const char *const rows[] = { "",    ".",  "..",      "../x", "a/b",
                                        "a b", "-x", ".hidden", "a\n",  "\xc3\xa4" };
    char longest[70] = "";
    struct sk_err err = SK_ERR_INIT;
    memset(longest, 'a', 63);
    assert_int_equal(sk_context_check_name(longest, &err), 0);
    longest[63] = 'a';
    assert_int_equal(sk_context_check_name(longest, &err), -1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (sk_context_check_name(rows[i], &err) == 0 || sk_context_use(rows[i], &err) == 0 ||
            sk_context_delete(rows[i], &err) == 0 || sk_context_forget(rows[i], &err) == 0)
            fail_msg("'%s' is a name", rows[i]);
        if (*rows[i])
            assert_string_equal(load(rows[i]), "invalid_argument");
    }
    assert_true(sk_is_dir(folder));
}

static int count(void *ctx, const struct sk_context *c, bool is_current, struct sk_err *err)
{
    struct sk_buf *b = ctx;
    (void)err;
    sk_buf_fmt(b, "%s%s ", c->name, is_current ? "*" : "");
    return 0;
}

static void list_use_forget_delete(void **state)
{
    (void)state;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(4096);
    struct sk_err err = SK_ERR_INIT;
    char path[128];
    assert_int_equal(sk_context_list(count, &b, &err), 0);
    assert_int_equal(b.len, 0);
    save("b", "b", "tb", NULL);
    save("a", "a", "ta", CA);
    save("c", "c", "tc", NULL);
    (void)snprintf(path, sizeof path, "%s/contexts/half", folder); /* removed half */
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(sk_context_use("b", &err), 0);
    assert_int_equal(sk_context_list(count, &b, &err), 0);
    assert_string_equal(b.data, "a b* c ");
    assert_int_equal(sk_context_forget("a", &err), 0);
    assert_string_equal(load("a"), "a https://a:8443 a's user - ca");
    assert_int_equal(sk_context_delete("c", &err), 0);
    assert_string_equal(load(NULL), "b https://b:8443 b's user tb -");
    assert_int_equal(sk_context_delete("b", &err), 0);
    assert_string_equal(load(NULL), "not_found"); /* no other takes its place unasked */
    assert_int_equal(sk_context_delete("b", &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    assert_int_equal(sk_context_use("half", &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
}

static void damaged(void **state)
{
    (void)state;

    static const struct {
        const char *file, *text, *result;
    } rows[] = {
        { "contexts/one/hub.json", "{", "invalid_argument" },
        { "contexts/one/hub.json", "{}", "corrupt" },
        { "contexts/one/hub.json", "{\"url\": 5}", "invalid_argument" },
        { "contexts/one/hub.json", "{\"url\": \"http://elsewhere\"}", "denied" },
        { "current", "../../etc\n", "invalid_argument" },
        { "current", "", "not_found" },
        { "current", "gone\n", "not_found" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        char path[128];
        save("one", "one", "t", NULL);
        (void)snprintf(path, sizeof path, "%s/%s", folder, rows[i].file);
        assert_int_equal(sk_file_write(path, rows[i].text, strlen(rows[i].text), 0600, &err), 0);
        if (strcmp(load(NULL), rows[i].result) != 0)
            fail_msg("row %zu: %s", i, load(NULL));
    }
}

static int save_again(void *ctx, struct sk_err *err)
{
    char token[] = "token";
    struct sk_context c = { .name = "again", .token = token };
    (void)ctx;
    SK_AUTO(sk_context_done) struct sk_context found = { .name = "" };
    if (sk_context_set_url(&c, "again", err) < 0 || sk_context_save(&c, CA, sizeof CA - 1, err) < 0)
        return -1;
    return sk_context_load("https://again", &found, err);
}

static void without_memory(void **state)
{
    (void)state;
    assert_true(sk_alloc_sweep("save and load", save_again, NULL, 0) > 10);
}

static int set_up(void **state)
{
    (void)state;
    enter_folder(folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    leave_folder(folder);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(save_and_load), TEST(same_hub_twice),         TEST(modes),   TEST(environment),
        TEST(bad_names),     TEST(list_use_forget_delete), TEST(damaged), TEST(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
