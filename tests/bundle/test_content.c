/* test_content.c - private keys, and files that no bundle needs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "bundle/bundle.h"
#include "bundle/folders.h"
#include "harness/alloc_fail.h"

static void keys(void **state)
{
    static const struct {
        const char *text;
        bool is_key;
    } rows[] = {
        { "-----BEGIN PRIVATE KEY-----\nMII", true },
        { "-----BEGIN EC PRIVATE KEY-----\nMII", true },
        { "-----BEGIN OPENSSH PRIVATE KEY-----\r\nMII", true },
        { "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----", true },
        { "-----BEGIN PGP PRIVATE KEY BLOCK-----\n", true },
        { "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE "
          "KEY-----\n",
          true },
        { "-----BEGIN CERTIFICATE-----\nno PRIVATE KEY here\n", false },
        { "-----BEGIN PUBLIC KEY-----\nMII", false },
        { "keep your PRIVATE KEY away", false },
        { "-----BEGIN ", false },
        { "", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(free_cleanup) char *path = at("key/file");
        struct sk_err err = SK_ERR_INIT;
        put("key/file", rows[i].text);
        int rc = sk_bundle_check_file(path, "sub/file", &err);
        if (rc != (rows[i].is_key ? -1 : 0))
            fail_msg("%s: %d", rows[i].text, rc);
        if (rc < 0) {
            assert_int_equal(err.code, SK_INVALID);
            assert_non_null(strstr(err.text, "'sub/file' has a private key"));
        }
    }
    struct sk_err err = SK_ERR_INIT;
    assert_int_equal(sk_bundle_check_file("/nonexistent/x", "x", &err), -1);
    assert_non_null(strstr(err.text, "/nonexistent/x"));
}

/* A key at the end of what is looked at, and past it. */
static void how_far(void **state)
{
    static const char key[] = "-----BEGIN PRIVATE KEY-----";
    static char text[(64 << 10) + 64];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        SK_AUTO(free_cleanup) char *path = at("far");
        struct sk_err err = SK_ERR_INIT;
        size_t end = (64u << 10) + i * 16;
        memset(text, '\n', end);
        memcpy(text + end - (sizeof key - 1), key, sizeof key);
        put("far", text);
        assert_int_equal(sk_bundle_check_file(path, "far", &err), i == 0 ? -1 : 0);
    }
}

static int foreign(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(4096);
    return sk_bundle_foreign(ctx, &out, err);
}

static void others(void **state)
{
    static const char *const names[] = { "a", "b", "core", "d.txt", "e", "f", "sub/notes" };
    static const char *const known[] = { "config.json", "README.md",         "training.json",
                                         ".git/x",      "model.safetensors", "sub/LICENSE" };
    SK_AUTO(free_cleanup) char *path = at("others");
    SK_AUTO(free_cleanup) char *lone = at("others/model.onnx");
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    put("others/model.onnx", NULL);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "others/%s", known[i]);
        put(name, "{}");
    }
    for (size_t i = 0; i <= sizeof names / sizeof names[0]; i++) {
        static const char *const says[] = { "",
                                            "a",
                                            "a, b",
                                            "a, b, core",
                                            "a, b, core, d.txt",
                                            "a, b, core, d.txt, e",
                                            "a, b, core, d.txt, e and 1 more",
                                            "a, b, core, d.txt, e and 2 more" };
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(4096);
        SK_OWN(sk_bundle_free) struct sk_bundle *b = NULL;
        if (sk_bundle_open(path, NULL, &b, &err) < 0 || sk_bundle_foreign(b, &out, &err) < 0)
            fail_msg("%s", err.text);
        assert_string_equal(out.data ? out.data : "", says[i]);
        if (i < sizeof names / sizeof names[0]) {
            char name[64];
            (void)snprintf(name, sizeof name, "others/%s", names[i]);
            put(name, "x");
        }
    }
    SK_AUTO(sk_buf_done) struct sk_buf none = SK_BUF_INIT(4096);
    SK_OWN(sk_bundle_free) struct sk_bundle *b = NULL;
    SK_OWN(sk_bundle_free) struct sk_bundle *folder = NULL;
    assert_int_equal(sk_bundle_open(lone, NULL, &b, &err), 0);
    assert_int_equal(sk_bundle_foreign(b, &none, &err), 0);
    assert_int_equal(none.len, 0);
    assert_int_equal(sk_bundle_open(path, NULL, &folder, &err), 0);
    assert_true(sk_alloc_sweep("foreign", foreign, folder, 0) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(keys), cmocka_unit_test(how_far),
                                        cmocka_unit_test(others) };
    return cmocka_run_group_tests(tests, make_root, drop_root);
}
