/* test_labels.c - labels: sorted, replaced, refused. */
#include "pack/pack_priv.h"

#include "harness/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void sorted(void **state)
{
    (void)state;
    SK_AUTO(sk_pack_labels_done) struct sk_pack_labels l = { 0 };
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(4096);
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_pack_labels_set(&l, "b", "2", &err), 0);
    assert_int_equal(sk_pack_labels_set(&l, "a", "\"1\"\n", &err), 0);
    assert_int_equal(sk_pack_labels_set(&l, "c", NULL, &err), 0);
    assert_int_equal(sk_pack_labels_user(&l, "b=3=4", &err), 0);
    assert_int_equal(sk_pack_labels_user(&l, "ab=", &err), 0);
    sk_pack_labels_json(&l, &out);
    assert_string_equal(out.data, "{\"a\":\"\\\"1\\\"\\n\",\"ab\":\"\",\"b\":\"3=4\"}");
}

static void users(void **state)
{
    (void)state;
    char longest[256 + 2], longer[256 + 3], value[8192 + 3], more[8192 + 4];

    memset(longest, 'k', sizeof longest);
    memcpy(longest + 255, "=", 2);
    memset(longer, 'k', sizeof longer);
    memcpy(longer + 256, "=", 2);
    memset(value, 'v', sizeof value);
    memcpy(value, "k=", 2);
    value[8192 + 2] = '\0';
    memset(more, 'v', sizeof more);
    memcpy(more, "k=", 2);
    more[8192 + 3] = '\0';

    const struct {
        const char *name, *text;
        enum sk_code code;
    } rows[] = {
        { "plain", "team=vision", SK_OK },
        { "ours may be replaced", "org.opencontainers.image.title=x", SK_OK },
        { "longest key", longest, SK_OK },
        { "longest value", value, SK_OK },
        { "no value", "team", SK_INVALID },
        { "no key", "=x", SK_INVALID },
        { "reserved", "skerry.bundle=2", SK_INVALID },
        { "not UTF-8", "a=\xff", SK_INVALID },
        { "key too long", longer, SK_LIMIT },
        { "value too long", more, SK_LIMIT },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(sk_pack_labels_done) struct sk_pack_labels l = { 0 };
        struct sk_err err = SK_ERR_INIT;
        int rc = sk_pack_labels_user(&l, rows[i].text, &err);
        if (rc != (rows[i].code ? -1 : 0) || err.code != rows[i].code)
            fail_msg("%s: %d %s", rows[i].name, rc, err.text);
    }
}

static void too_many(void **state)
{
    (void)state;
    SK_AUTO(sk_pack_labels_done) struct sk_pack_labels l = { 0 };
    struct sk_err err = SK_ERR_INIT;
    char key[16];

    for (int i = 0; i < SK_LABELS_MAX; i++) {
        (void)snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(sk_pack_labels_set(&l, key, "", &err), 0);
    }
    assert_int_equal(sk_pack_labels_set(&l, "k0", "again", &err), 0);
    assert_int_equal(sk_pack_labels_set(&l, "one more", "", &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
}

static int set_some(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_pack_labels_done) struct sk_pack_labels l = { 0 };

    (void)ctx;
    if (sk_pack_labels_set(&l, "a", "1", err) < 0 || sk_pack_labels_user(&l, "b=2", err) < 0)
        return -1;
    return sk_pack_labels_set(&l, "a", "3", err);
}

static void allocations(void **state)
{
    (void)state;
    assert_true(sk_alloc_sweep("labels", set_some, NULL, 0) >= 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorted),
        cmocka_unit_test(users),
        cmocka_unit_test(too_many),
        cmocka_unit_test(allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
