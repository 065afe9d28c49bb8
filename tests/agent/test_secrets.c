/* test_secrets.c - keys that are derived, what is signed, sealed and opened with them. */
#include "agent/agent_util.h"
#include "harness/alloc_fail.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_files(void **state)
{
    struct rig *r = *state;
    struct sk_agent_secrets one, two;
    struct sk_err err = SK_ERR_INIT;
    struct stat st;
    FAILS(sk_agent_secrets_load(r->dir, &one, &err), SK_NOT_FOUND, "master.key");
    DONE(sk_agent_secrets_make(r->dir, "ZGV2aWNl", &err));
    assert_int_equal(stat(at(r->dir, "secrets/master.key"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_size, 32);
    assert_int_equal(stat(at(r->dir, "secrets/device.key"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    DONE(sk_agent_secrets_load(r->dir, &one, &err));
    assert_string_equal(one.device_key, "ZGV2aWNl");
    /* Another one is another one; by hand with a line's end. */
    DONE(sk_agent_secrets_make(r->dir, NULL, &err));
    write_text(at(r->dir, "secrets/device.key"), "Zg==\r\n");
    DONE(sk_agent_secrets_load(r->dir, &two, &err));
    assert_memory_not_equal(one.master, two.master, sizeof one.master);
    assert_string_equal(two.device_key, "Zg==");
    assert_int_equal(unlink(at(r->dir, "secrets/device.key")), 0);
    DONE(sk_agent_secrets_load(r->dir, &two, &err));
    assert_string_equal(two.device_key, "");
    write_text(at(r->dir, "secrets/master.key"), "short");
    FAILS(sk_agent_secrets_load(r->dir, &two, &err), SK_CORRUPT, "has 5 bytes, not 32");
    sk_agent_secrets_done(&one);
    for (size_t i = 0; i < sizeof one.master; i++)
        assert_int_equal(one.master[i], 0);
}

/* HMAC-SHA256 of "cats:primary" under bytes 0 to 31, computed by another program. */
static void test_module_keys(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    char a[64], b[64], long_name[200];
    DONE(sk_agent_module_key(&r->a.secrets, "cats", "primary", a, &err));
    assert_string_equal(a, "E/RhhiwNMZAx5SNNMdgLMOZI0ht1EY6+L9x3EvSdKeA=");
    DONE(sk_agent_module_key(&r->a.secrets, "cats", "secondary", b, &err));
    assert_string_not_equal(a, b);
    DONE(sk_agent_module_key(&r->a.secrets, "dogs", "primary", b, &err));
    assert_string_not_equal(a, b);
    r->a.secrets.master[0] ^= 1;
    DONE(sk_agent_module_key(&r->a.secrets, "cats", "primary", b, &err));
    assert_string_not_equal(a, b);
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    FAILS(sk_agent_module_key(&r->a.secrets, long_name, "primary", b, &err), SK_LIMIT, "too long");
}

static void test_sign(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    unsigned char got[SK_SHA256_BYTES], want[SK_SHA256_BYTES];
    char key[64];
    SK_AUTO(sk_buf_done) struct sk_buf raw = SK_BUF_INIT(64);
    DONE(sk_agent_module_key(&r->a.secrets, "cats", "primary", key, &err));
    DONE(sk_base64_decode(key, strlen(key), &raw, &err));
    DONE(sk_hmac_sha256(raw.data, raw.len, "text", 4, want, &err));
    DONE(sk_agent_sign(&r->a.secrets, "cats", SK_VIEW("text"), got, &err));
    assert_memory_equal(got, want, sizeof got);
    FAILS(sk_agent_sign(&r->a.secrets, "", SK_VIEW("text"), got, &err), SK_UNSUPPORTED,
          "a certificate, not a key");
    (void)snprintf(r->a.secrets.device_key, sizeof r->a.secrets.device_key, "a2V5");
    DONE(sk_hmac_sha256("key", 3, "text", 4, want, &err));
    DONE(sk_agent_sign(&r->a.secrets, "", SK_VIEW("text"), got, &err));
    assert_memory_equal(got, want, sizeof got);
    (void)snprintf(r->a.secrets.device_key, sizeof r->a.secrets.device_key, "?");
    FAILS(sk_agent_sign(&r->a.secrets, "", SK_VIEW("text"), got, &err), SK_INVALID, "");
}

/* What one may open, another module, generation or vector may not. */
static void test_seal(void **state)
{
    struct rig *r = *state;
    const struct sk_agent_secrets *s = &r->a.secrets;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf sealed = SK_BUF_INIT(1000);

    static const struct {
        const char *module, *generation, *iv;
        bool opens;
    } rows[] = {
        { "cats", "g1", "vector", true },  { "dogs", "g1", "vector", false },
        { "cats", "g2", "vector", false }, { "cats", "g1", "other", false },
        { "cats", "g1", "", false },       { "cats:g1", "", "vector", false },
    };

    DONE(sk_agent_seal(s, "cats", "g1", SK_VIEW("vector"), SK_VIEW("a secret"), &sealed, &err));
    assert_int_equal(sealed.len, 8 + 16);
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1000);
        err = (struct sk_err)SK_ERR_INIT;
        int rc = sk_agent_unseal(s, rows[i].module, rows[i].generation, sk_view_of(rows[i].iv),
                                 (struct sk_view){ sealed.data, sealed.len }, &out, &err);
        if ((rc == 0) != rows[i].opens)
            fail_msg("%s %s %s: %s", rows[i].module, rows[i].generation, rows[i].iv, err.text);
        if (rc == 0)
            assert_memory_equal(out.data, "a secret", 8);
        else
            assert_int_equal(err.code, SK_DENIED);
    }
}

static void test_token(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1000);
    FAILS(sk_agent_token(&r->a.secrets, &r->a.config, "", 60, &b, &err), SK_UNSUPPORTED, "key");
    DONE(sk_agent_token(&r->a.secrets, &r->a.config, "$edgeHub", 60, &b, &err));
    sk_buf_chr(&b, '\0');
    assert_non_null(strstr(b.data, "SharedAccessSignature "));
    assert_non_null(strstr(b.data, "hub.test%2Fdevices%2Fpress-4%2Fmodules%2F%24edgeHub"));
    sk_buf_clear(&b);
    (void)snprintf(r->a.secrets.device_key, sizeof r->a.secrets.device_key, "a2V5");
    DONE(sk_agent_token(&r->a.secrets, &r->a.config, "", 60, &b, &err));
    sk_buf_chr(&b, '\0');
    assert_non_null(strstr(b.data, "hub.test%2Fdevices%2Fpress-4&"));
}

static int do_all(void *ctx, struct sk_err *err)
{
    struct rig *r = ctx;
    struct sk_agent_secrets s;
    unsigned char digest[SK_SHA256_BYTES];
    SK_AUTO(sk_buf_done) struct sk_buf token = SK_BUF_INIT(1000), sealed = SK_BUF_INIT(1000);
    if (sk_agent_secrets_make(r->dir, "a2V5", err) < 0 ||
        sk_agent_secrets_load(r->dir, &s, err) < 0 ||
        sk_agent_sign(&s, "cats", SK_VIEW("x"), digest, err) < 0 ||
        sk_agent_token(&s, &r->a.config, "", 60, &token, err) < 0)
        return -1;
    return sk_agent_seal(&s, "m", "g", SK_VIEW("i"), SK_VIEW("x"), &sealed, err);
}

static void test_no_memory(void **state)
{
    assert_true(sk_alloc_sweep("secrets", do_all, *state, 0) > 8);
}

int main(void)
{
#define ROW(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)
    const struct CMUnitTest tests[] = {
        ROW(test_files), ROW(test_module_keys), ROW(test_sign),
        ROW(test_seal),  ROW(test_token),       ROW(test_no_memory)
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
