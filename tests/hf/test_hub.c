/* test_hub.c - addresses of files, and what answers to a HEAD mean. */
#include "fetch/loopback.h"
#include "hf/hf_priv.h"
#include "hf/surroundings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COMMIT "0123456789abcdef0123456789abcdef01234567"

static void addresses(void **state)
{
    (void)state;

    static const struct {
        const char *revision, *file, *url;
    } rows[] = {
        { "main", "model.bin", "https://h/a/b/resolve/main/model.bin" },
        { "refs/pr/1", "x/y.bin", "https://h/a/b/resolve/refs%2Fpr%2F1/x/y.bin" },
        { "v 1", "\xc3\xbc ?#%.bin", "https://h/a/b/resolve/v%201/%C3%BC%20%3F%23%25.bin" },
    };
    struct sk_hf_env env = { .endpoint = (char[]){ "https://h" } };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_OWN(free) char *url = sk_hf_url(&env, "a/b", rows[i].revision, rows[i].file);
        assert_string_equal(url, rows[i].url);
    }
}

#define FOUND "x-repo-commit: " COMMIT "\n"

static void metadata(void **state)
{
    (void)state;

    static const struct {
        const char *headers;
        int status;
        const char *etag; /* NULL: no hub */
        int64_t size;     /* -1: unknown */
    } rows[] = {
        { FOUND "etag: \"abc\"\ncontent-length: 7\n", 200, "abc", 7 },
        { FOUND "etag: W/\"abc\"\n", 200, "abc", -1 },
        { FOUND "etag: abc\ncontent-length: x\n", 200, "abc", -1 },
        { FOUND "x-linked-etag: \"big\"\netag: \"abc\"\nx-linked-size: 99\ncontent-length: 7\n",
          302, "big", 99 },
        { FOUND "etag: \"abc\"\ncontent-length: 7\n", 302, "abc", -1 },
        { FOUND, 200, NULL, 0 },
        { FOUND "etag: \"\"\n", 200, NULL, 0 },
        { FOUND "etag: \"a/b\"\n", 200, NULL, 0 },
        { FOUND "etag: \"..\"\n", 200, NULL, 0 },
        { "etag: \"abc\"\n", 200, NULL, 0 },
        { "etag: \"abc\"\nx-repo-commit: main\n", 200, NULL, 0 },
        { "etag: \"abc\"\nx-repo-commit: ../../../../../../../../../../../../xx/x\n", 200, NULL,
          0 },
        { "", 200, NULL, 0 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_OWN(free) char *headers = strdup(rows[i].headers);
        const struct sk_fetch_answer a = { .status = rows[i].status, .headers = headers };
        struct sk_hf_meta meta;
        if (sk_hf_read_meta(&a, &meta) != (rows[i].etag != NULL))
            fail_msg("row %zu", i);
        if (!rows[i].etag)
            continue;
        assert_string_equal(meta.commit, COMMIT);
        assert_string_equal(meta.etag, rows[i].etag);
        assert_int_equal(meta.has_size, rows[i].size >= 0);
        if (meta.has_size)
            assert_int_equal(meta.size, rows[i].size);
        assert_int_equal(meta.is_direct, rows[i].status == 200);
    }
}

/* [hf-30] and following */
static void answers(void **state)
{
    (void)state;

    static const struct {
        const char *reply;
        bool has_token;
        enum sk_hf_found found;
        enum sk_code code;
        const char *text;
    } rows[] = {
        { "200 OK\r\nX-Repo-Commit: " COMMIT "\r\nETag: \"x\"\r\n", false, SK_HF_FOUND, SK_OK, "" },
        { "302 Found\r\nX-Repo-Commit: " COMMIT
          "\r\nX-Linked-ETag: \"x\"\r\nLocation: http://127.0.0.1:1/\r\n",
          false, SK_HF_FOUND, SK_OK, "" },
        { "404 No\r\nX-Error-Code: EntryNotFound\r\nX-Repo-Commit: " COMMIT "\r\n", false,
          SK_HF_NO_FILE, SK_OK, "" },
        { "404 No\r\n", false, SK_HF_NO_FILE, SK_OK, "" },
        { "404 No\r\nX-Error-Code: RevisionNotFound\r\n", false, SK_HF_FINAL, SK_NOT_FOUND,
          "'a/b' has no revision 'main'" },
        { "401 No\r\nX-Error-Code: RepoNotFound\r\n", false, SK_HF_UNKNOWN, SK_NOT_FOUND,
          "has no repository 'a/b', or it is private and needs a token in HF_TOKEN" },
        { "404 No\r\nX-Error-Code: RepoNotFound\r\n", true, SK_HF_UNKNOWN, SK_NOT_FOUND,
          "the token from HF_TOKEN has no access" },
        { "401 No\r\n", false, SK_HF_UNKNOWN, SK_NOT_FOUND, "has no repository" },
        { "401 No\r\nX-Error-Code: GatedRepo\r\n", false, SK_HF_UNKNOWN, SK_UNAUTHENTICATED,
          "'a/b' is gated: accept its terms at http://127.0.0.1" },
        { "403 No\r\nX-Error-Code: GatedRepo\r\n", true, SK_HF_UNKNOWN, SK_UNAUTHENTICATED,
          "'a/b' is gated, and the token from HF_TOKEN has no access" },
        { "401 No\r\nX-Error-Message: Invalid credentials in Authorization header\r\n", true,
          SK_HF_UNKNOWN, SK_UNAUTHENTICATED, "does not accept the token from HF_TOKEN" },
        { "403 No\r\nX-Error-Message: Access to this resource is disabled.\r\n", false,
          SK_HF_UNKNOWN, SK_DENIED, "says: Access to this resource is disabled." },
        { "500 No\r\n", false, SK_HF_UNKNOWN, SK_REMOTE, "the server answered 500" },
        { "200 OK\r\n", false, SK_HF_UNKNOWN, SK_REMOTE, "no x-repo-commit" },
        { "200 OK\r\nX-Repo-Commit: " COMMIT "\r\n", false, SK_HF_UNKNOWN, SK_REMOTE, "no etag" },
    };
    struct sk_hf_spec spec = { .repo = (char[]){ "a/b" }, .revision = (char[]){ "main" } };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char reply[512], endpoint[256];
        const char *replies[] = { reply, NULL };
        (void)snprintf(reply, sizeof reply, "HTTP/1.1 %sConnection: close\r\n\r\n", rows[i].reply);
        struct sk_loopback *s = sk_loopback_start(replies);
        struct sk_fetch *client = NULL;
        struct sk_err err = SK_ERR_INIT;
        struct sk_hf_meta meta;
        struct sk_hf_env env = { .endpoint = endpoint,
                                 .token = rows[i].has_token ? (char[]){ "secret" } : NULL,
                                 .token_from = (char[]){ "HF_TOKEN" } };
        (void)sk_loopback_url(s, "", endpoint);
        assert_int_equal(sk_fetch_new(NULL, &client, &err), 0);
        enum sk_hf_found found = sk_hf_ask(client, &env, &spec, "f", NULL, &meta, &err);
        sk_fetch_free(client);
        sk_loopback_free(s);
        bool has_error = found == SK_HF_FINAL || found == SK_HF_UNKNOWN;
        if (found != rows[i].found || (has_error && err.code != rows[i].code) ||
            (has_error && !strstr(err.text, rows[i].text)) || strstr(err.text, "secret"))
            fail_msg("row %zu: %d %s: %s", i, found, sk_code_name(err.code), err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(metadata),
        cmocka_unit_test_setup_teardown(answers, sk_hf_surround, sk_hf_unsurround),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
