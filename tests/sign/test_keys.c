/* test_keys.c - keys from files: made, opened, refused. */
#include "sign/sign_priv.h"

#include "sign/folder.h"

#include <string.h>
#include <sys/stat.h>

static void made_and_opened(void **state)
{
    static const char *const passwords[] = { NULL, "", "secret" };
    SK_AUTO(folder_done) struct folder f;

    (void)state;
    folder_make(&f);
    for (size_t i = 0; i < 3; i++) {
        SK_OWN(sk_signer_free) struct sk_signer *s = NULL;
        SK_OWN(sk_verifier_free) struct sk_verifier *v = NULL;
        SK_AUTO(sk_buf_done) struct sk_buf signature = SK_BUF_INIT(4096);
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(4096);
        struct sk_err err = SK_ERR_INIT;
        struct stat st;
        char prefix[128], key[140], pub[140];
        const char *const pubs[] = { pub };

        (void)snprintf(prefix, sizeof(prefix), "%s/k%zu", f.path, i);
        (void)snprintf(key, sizeof(key), "%s.key", prefix);
        (void)snprintf(pub, sizeof(pub), "%s.pub", prefix);
        assert_int_equal(sk_sign_make_keys(prefix, passwords[i], &err), 0);
        assert_int_equal(stat(key, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        if (sk_signer_open(key, passwords[i] ? passwords[i] : "", &s, &err) < 0 ||
            sk_verifier_open(pubs, 1, &v, &err) < 0)
            fail_msg("row %zu: %s", i, err.text);
        assert_int_equal(sk_key_sign(s->key, "text", 4, &signature, &err), 0);
        sk_base64(&text, signature.data, signature.len);
        assert_int_equal(sk_verifier_check(v, "text", 4, text.data, &err), 0);
        assert_int_equal(sk_verifier_check(v, "Text", 4, text.data, &err), -1);
        assert_int_equal(err.code, SK_DENIED);

        assert_int_equal(sk_sign_make_keys(prefix, passwords[i], &err), -1);
        assert_int_equal(err.code, SK_EXISTS);
    }
}

static void wrong_files(void **state)
{
    SK_AUTO(folder_done) struct folder f;
    struct sk_signer *s = NULL;
    struct sk_verifier *v = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    folder_make(&f);
    assert_int_equal(sk_sign_make_keys(folder_at(&f, "k"), "secret", &err), 0);
    assert_int_equal(sk_file_write(folder_at(&f, "junk"), "junk", 4, 0600, &err), 0);

    const struct {
        const char *file, *password;
        enum sk_code code;
    } rows[] = {
        { folder_at(&f, "none"), "", SK_NOT_FOUND },
        { folder_at(&f, "junk"), "", SK_INVALID },
        { folder_at(&f, "k.pub"), "", SK_INVALID },
        { folder_at(&f, "k.key"), "wrong", SK_DENIED },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (sk_signer_open(rows[i].file, rows[i].password, &s, &err) != -1 ||
            err.code != rows[i].code)
            fail_msg("%s: code %d, %s", rows[i].file, err.code, err.text);
        assert_non_null(strstr(err.text, f.path));
    }
    assert_int_equal(sk_verifier_open(NULL, 0, &v, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    assert_int_equal(sk_verifier_open(&rows[1].file, 1, &v, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
}

static void password_of_the_environment(void **state)
{
    SK_AUTO(folder_done) struct folder f;
    SK_OWN(sk_signer_free) struct sk_signer *s = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    folder_make(&f);
    assert_int_equal(sk_sign_make_keys(folder_at(&f, "k"), "from outside", &err), 0);
    assert_int_equal(setenv("COSIGN_PASSWORD", "from outside", 1), 0);
    assert_int_equal(sk_signer_open(folder_at(&f, "k.key"), NULL, &s, &err), 0);
    assert_int_equal(unsetenv("COSIGN_PASSWORD"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_and_opened),
        cmocka_unit_test(wrong_files),
        cmocka_unit_test(password_of_the_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
