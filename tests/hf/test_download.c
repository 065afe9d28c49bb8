/* test_download.c - what becomes of the bytes of one file, answer by answer. */
#include "fetch/loopback.h"
#include "hf/hf_priv.h"
#include "hf/surroundings.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COMMIT "0123456789abcdef0123456789abcdef01234567"
#define HELLO  "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0" /* Git's name of "hello" */
#define SHA256 "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
#define HEAD   "Connection: close\r\n"
#define ALL    "HTTP/1.1 200 OK\r\n" HEAD "Content-Length: 5\r\n\r\nhello"
#define REST                                                                                       \
    "HTTP/1.1 206 Part\r\n" HEAD "Content-Range: bytes 2-4/5\r\nContent-Length: 3\r\n\r\nllo"
#define BEYOND "HTTP/1.1 416 No\r\n" HEAD "Content-Range: bytes */5\r\nContent-Length: 0\r\n\r\n"
#define CUT    "HTTP/1.1 200 OK\r\n" HEAD "Content-Length: 5\r\n\r\nhe"

struct row {
    const char *name;
    const char *before; /* the incomplete file, NULL: none */
    const char *etag;
    int size; /* -1: unknown */
    bool is_direct;
    const char *replies[4];
    enum sk_code code;
    const char *left;     /* the incomplete file afterwards, NULL: none */
    const char *asked[3]; /* a line of the n-th request */
};

static const struct row rows[] = {
    { "all", NULL, HELLO, 5, true, { ALL }, SK_OK, NULL, { "/a/b/resolve/" COMMIT "/f " } },
    { "by sha256", NULL, SHA256, 5, true, { ALL }, SK_OK, NULL, { "identity" } },
    { "unknown tag", NULL, "tag", 5, true, { ALL }, SK_OK, NULL, { NULL } },
    { "unknown size", NULL, HELLO, -1, true, { ALL }, SK_OK, NULL, { NULL } },
    { "continued", "he", HELLO, 5, true, { REST }, SK_OK, NULL, { "If-Range: \"" HELLO "\"\r\n" } },
    { "continued elsewhere", "he", HELLO, 5, false, { REST }, SK_OK, NULL, { "bytes=2-" } },
    { "not continued", "he", HELLO, 5, true, { ALL }, SK_OK, NULL, { "bytes=2-" } },
    { "cut, continued", NULL, HELLO, 5, true, { CUT, REST }, SK_OK, NULL, { "GET", "bytes=2-" } },
    { "all is there", "hello", HELLO, 5, true, { BEYOND }, SK_OK, NULL, { NULL } },
    { "too much is there", "hello!", HELLO, 5, true, { ALL }, SK_OK, NULL, { "GET" } },
    { "beyond the end",
      "hello!",
      HELLO,
      -1,
      true,
      { BEYOND, ALL },
      SK_OK,
      NULL,
      { "bytes=6-", "GET" } },
    { "wrong beginning", "HE", HELLO, 5, true, { REST, ALL }, SK_OK, NULL, { "bytes=2-", "GET" } },
    { "wrong bytes",
      NULL,
      SHA256,
      5,
      true,
      { "HTTP/1.1 200 OK\r\n" HEAD "Content-Length: 5\r\n\r\nhellO" },
      SK_CORRUPT,
      NULL,
      { NULL } },
    { "wrong bytes by Git's name",
      NULL,
      HELLO,
      5,
      true,
      { "HTTP/1.1 200 OK\r\n" HEAD "Content-Length: 5\r\n\r\nhellO" },
      SK_CORRUPT,
      NULL,
      { NULL } },
    { "too long",
      NULL,
      HELLO,
      5,
      true,
      { "HTTP/1.1 200 OK\r\n" HEAD "Content-Length: 6\r\n\r\nhello!" },
      SK_CORRUPT,
      "",
      { NULL } },
    { "too short",
      NULL,
      HELLO,
      5,
      true,
      { "HTTP/1.1 200 OK\r\n" HEAD "Content-Length: 4\r\n\r\nhell", BEYOND },
      SK_REMOTE,
      "",
      { NULL } },
    { "another part",
      "he",
      HELLO,
      5,
      true,
      { "HTTP/1.1 206 Part\r\n" HEAD "Content-Range: bytes 0-4/5\r\n\r\nhello" },
      SK_CORRUPT,
      "he",
      { NULL } },
    { "part of nothing",
      "he",
      HELLO,
      5,
      true,
      { "HTTP/1.1 206 Part\r\n" HEAD "\r\nllo" },
      SK_CORRUPT,
      "he",
      { NULL } },
    { "no longer there",
      "he",
      HELLO,
      5,
      true,
      { "HTTP/1.1 404 No\r\n" HEAD "\r\n" },
      SK_NOT_FOUND,
      "he",
      { NULL } },
    { "not allowed",
      "he",
      HELLO,
      5,
      true,
      { "HTTP/1.1 403 No\r\n" HEAD "\r\n" },
      SK_DENIED,
      "he",
      { NULL } },
    { "empty",
      NULL,
      "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
      0,
      true,
      { ALL },
      SK_OK,
      NULL,
      { NULL } },
    { "empty, unknown size",
      "x",
      "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
      -1,
      true,
      { "HTTP/1.1 200 OK\r\n" HEAD "Content-Length: 0\r\n\r\n" },
      SK_OK,
      NULL,
      { NULL } },
};

static int run(const struct row *r, const char *folder, struct sk_loopback **s, char *blob,
               struct sk_err *err)
{
    struct sk_hf_meta meta = { .commit = COMMIT,
                               .size = r->size < 0 ? 0 : (uint64_t)r->size,
                               .has_size = r->size >= 0,
                               .is_direct = r->is_direct };
    char endpoint[256];
    struct sk_hf_env env = { .endpoint = endpoint };
    SK_OWN(sk_fetch_free) struct sk_fetch *client = NULL;

    (void)snprintf(meta.etag, sizeof meta.etag, "%s", r->etag);
    (void)snprintf(blob, 256, "%s/%s", folder, r->etag);
    *s = sk_loopback_start(r->replies);
    (void)sk_loopback_url(*s, "", endpoint);
    assert_int_equal(sk_fetch_new(NULL, &client, err), 0);
    struct sk_hf_download d = {
        .client = client, .env = &env, .repo = "a/b", .file = "f", .meta = &meta, .blob = blob
    };
    int rc = sk_hf_download(&d, err);
    sk_loopback_stop(*s);
    return rc;
}

static void check_file(const char *name, const char *path, const char *expected)
{
    SK_OWN(free) char *text = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t len = 0;
    int rc = sk_file_read(path, 100, &text, &len, &err);

    if ((rc == 0) != (expected != NULL) || (expected && strcmp(text, expected) != 0))
        fail_msg("%s: '%s' holds '%s', not '%s'", name, path, text ? text : "(none)",
                 expected ? expected : "(none)");
}

static void downloads(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *r = &rows[i];
        struct sk_err err = SK_ERR_INIT;
        struct sk_loopback *s = NULL;
        void *folder = NULL;
        char blob[256], part[300];
        assert_int_equal(sk_hf_surround(&folder), 0);
        (void)snprintf(part, sizeof part, "%s/%s.incomplete", (char *)folder, r->etag);
        if (r->before)
            assert_int_equal(sk_file_write(part, r->before, strlen(r->before), 0600, &err), 0);
        int rc = run(r, folder, &s, blob, &err);
        if (err.code != r->code || (rc == 0) != (r->code == SK_OK))
            fail_msg("%s: %d %s: %s", r->name, rc, sk_code_name(err.code), err.text);
        for (unsigned k = 0; k < 3 && r->asked[k]; k++)
            if (k >= s->count || !strstr(s->requests[k], r->asked[k]))
                fail_msg("%s: no '%s' in %s", r->name, r->asked[k], s->requests[k]);
        if (!r->is_direct)
            assert_null(strstr(s->requests[0], "If-Range"));
        check_file(r->name, blob, rc < 0 ? NULL : r->size == 0 || r->etag[0] == 'e' ? "" : "hello");
        check_file(r->name, part, r->left);
        sk_loopback_free(s);
        sk_hf_unsurround(&folder);
    }
}

static void no_place_to_write(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_loopback *s = NULL;
    char blob[256];

    assert_int_equal(run(&rows[0], "/nonexistent", &s, blob, &err), -1);
    assert_int_equal(s->count, 0);
    assert_non_null(strstr(err.text, "/nonexistent/" HELLO ".incomplete"));
    sk_loopback_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(downloads),
        cmocka_unit_test_setup_teardown(no_place_to_write, sk_hf_surround, sk_hf_unsurround),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
