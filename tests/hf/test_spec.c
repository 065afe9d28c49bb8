/* test_spec.c - which names are taken, and that none leads out of the cache. */
#include "hf/hf_priv.h"

#include "harness/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COMMIT "0123456789abcdef0123456789abcdef01234567"

static void repositories(void **state)
{
    (void)state;

    static const struct {
        const char *text, *repo, *revision; /* repo NULL: refused */
        bool is_commit;
    } rows[] = {
        { "hf:timm/resnet18", "timm/resnet18", "main", false },
        { "timm/resnet18.a1_in1k", "timm/resnet18.a1_in1k", "main", false },
        { "gpt2", "gpt2", "main", false },
        { "_a/B-c_d", "_a/B-c_d", "main", false },
        { "a/b@v1.0", "a/b", "v1.0", false },
        { "a/b@refs/pr/1", "a/b", "refs/pr/1", false },
        { "a/b@" COMMIT, "a/b", COMMIT, true },
        { "a/b@0123456", "a/b", "0123456", false },
        { "a/b@x@y", "a/b", "x@y", false },
        { "", NULL, NULL, false },
        { "hf:", NULL, NULL, false },
        { "/b", NULL, NULL, false },
        { "a/", NULL, NULL, false },
        { "a/b/c", NULL, NULL, false },
        { "a--b/c", NULL, NULL, false },
        { "a/b..c", NULL, NULL, false },
        { "../b", NULL, NULL, false },
        { "a/.b", NULL, NULL, false },
        { "a/b-", NULL, NULL, false },
        { "a/b.git", NULL, NULL, false },
        { "a b/c", NULL, NULL, false },
        { "caf\xc3\xa9/b", NULL, NULL, false },
        { "a/b@", NULL, NULL, false },
        { "a/b@..", NULL, NULL, false },
        { "a/b@x/../../y", NULL, NULL, false },
        { "a/b@/x", NULL, NULL, false },
        { "a/b@x\ny", NULL, NULL, false },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(sk_hf_spec_done) struct sk_hf_spec s = { 0 };
        int rc = sk_hf_spec_parse(rows[i].text, &s, &err);
        if ((rc == 0) != (rows[i].repo != NULL))
            fail_msg("'%s': %d %s", rows[i].text, rc, err.text);
        if (rc < 0) {
            assert_int_equal(err.code, SK_INVALID);
            continue;
        }
        assert_string_equal(s.repo, rows[i].repo);
        assert_string_equal(s.revision, rows[i].revision);
        assert_int_equal(s.is_commit, rows[i].is_commit);
    }
}

static void lengths(void **state)
{
    (void)state;
    char text[2 * SK_HF_REVISION_MAX];

    static const struct {
        const char *head;
        size_t len;
        bool is_ok;
    } rows[] = {
        { "", SK_HF_NAME_MAX, true },         { "", SK_HF_NAME_MAX + 1, false },
        { "a/", SK_HF_NAME_MAX, true },       { "a/", SK_HF_NAME_MAX + 1, false },
        { "a/b@", SK_HF_REVISION_MAX, true }, { "a/b@", SK_HF_REVISION_MAX + 1, false },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(sk_hf_spec_done) struct sk_hf_spec s = { 0 };
        size_t head = strlen(rows[i].head);
        memcpy(text, rows[i].head, head);
        memset(text + head, 'x', rows[i].len);
        text[head + rows[i].len] = '\0';
        if ((sk_hf_spec_parse(text, &s, &err) == 0) != rows[i].is_ok)
            fail_msg("row %zu: %s", i, err.text);
    }
}

static void paths_and_tags(void **state)
{
    (void)state;

    static const struct {
        const char *text;
        bool is_path, is_etag;
    } rows[] = {
        { "model.safetensors", true, true },
        { "sub/model.bin", true, false },
        { ".gitattributes", true, false },
        { "a:b;c", true, true },
        { "", false, false },
        { ".", false, false },
        { "..", false, false },
        { "a/../b", false, false },
        { "a//b", false, false },
        { "/a", false, false },
        { "a/", false, false },
        { "a\\b", false, false },
        { "a\tb", false, false },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (sk_hf_is_safe_path(rows[i].text) != rows[i].is_path ||
            sk_hf_is_safe_etag(rows[i].text) != rows[i].is_etag)
            fail_msg("'%s'", rows[i].text);
    }
    assert_true(sk_hf_is_commit(COMMIT));
    assert_false(sk_hf_is_commit(COMMIT "0"));
    assert_false(sk_hf_is_commit("0123456789ABCDEF0123456789abcdef01234567"));
}

static int parse_one(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_hf_spec_done) struct sk_hf_spec s = { 0 };
    (void)ctx;
    return sk_hf_spec_parse("hf:a/b@c", &s, err);
}

static void allocations(void **state)
{
    (void)state;
    assert_int_equal(sk_alloc_sweep("spec", parse_one, NULL, 0), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repositories),
        cmocka_unit_test(lengths),
        cmocka_unit_test(paths_and_tags),
        cmocka_unit_test(allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
