/* test_login_ask.c - fingerprints, connection strings and tokens in all their spellings. (Questions
 * at a terminal are in tests/it/test_login.py.) */
#include "cli/login_priv.h"

#include "base/file.h"
#include "cli_test.h"
#include "harness/golden.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void digests(void **state)
{
    (void)state;

    static const struct {
        const char *text;
        bool ok;
    } rows[] = {
        { HEX, true },
        { "sha256:" HEX, true },
        { "SHA256:0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF", true },
        { "01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:"
          "AB:CD:EF",
          true },
        { "", false },
        { "sha256:", false },
        { HEX "0", false },
        { HEX " ", false },
        { "x" HEX, false },
        { "0123456789abcdef", false },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        char out[65] = "unchanged";
        int rc = sk_login_digest(rows[i].text, out, &err);
        if ((rc == 0) != rows[i].ok || strcmp(out, rows[i].ok ? HEX : "unchanged") != 0)
            fail_msg("'%s': %d '%s'", rows[i].text, rc, out);
    }
}

static void connection_strings(void **state)
{
    (void)state;

    static const struct {
        const char *text, *host, *digest; /* host NULL: refused */
    } rows[] = {
        { "hub:9000", "hub:9000", "" },
        { "https://hub", "https://hub", "" },
        { "HostName=hub", "hub:8443", "" },
        { "HostName=hub;Port=9000;CaSha256=" HEX, "hub:9000", HEX },
        { "hostname=hub;casha256=sha256:" HEX ";", "hub:8443", HEX },
        { "HostName=2001:db8::1;Port=1", "[2001:db8::1]:1", "" },
        { "HostName=hub;Later=thing;Port=2", "hub:2", "" },
        { "HostName=", NULL, NULL },
        { "HostName=;Port=1", NULL, NULL },
        { "HostName=hub;Port=123456789", NULL, NULL },
        { "HostName=hub;Port", NULL, NULL },
        { "HostName=hub;CaSha256=abc", NULL, NULL },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        char host[300] = "", digest[65] = "";
        int rc = sk_login_split(rows[i].text, host, digest, &err);
        if ((rc == 0) != (rows[i].host != NULL))
            fail_msg("'%s': %d %s", rows[i].text, rc, err.text);
        if (rc == 0 && (strcmp(host, rows[i].host) != 0 || strcmp(digest, rows[i].digest) != 0))
            fail_msg("'%s': '%s' '%s'", rows[i].text, host, digest);
    }
}

static void tokens(void **state)
{
    char *dir = sk_test_dir();
    SK_OWN(free) char *path = sk_path_join(dir, "token");
    (void)state;

    static const struct {
        const char *text, *token; /* NULL: refused */
    } rows[] = {
        { "skt_abc", "skt_abc" },
        { "skt_abc\n", "skt_abc" },
        { "skt_abc\r\nmore", "skt_abc" },
        { "", NULL },
        { "\n", NULL },
        { "two words\n", NULL },
        { "tab\t\n", NULL },
        { "\xc3\xa4\n", NULL },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(free) char *token = NULL;
        write_text(dir, "token", rows[i].text);
        int rc = sk_login_read_token(path, &token, &err);
        if ((rc == 0) != (rows[i].token != NULL) || (rc == 0 && strcmp(token, rows[i].token) != 0))
            fail_msg("row %zu: %d '%s'", i, rc, token ? token : err.text);
        if (rc < 0 && rows[i].text[0])
            assert_null(strstr(err.text, "two words")); /* nothing of it is repeated */
    }
    char large[5000];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    write_text(dir, "token", large);
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *token = NULL;
    assert_int_equal(sk_login_read_token(path, &token, &err), -1);
    assert_int_equal(sk_login_read_token("/nonexistent", &token, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    sk_test_dir_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests),
        cmocka_unit_test(connection_strings),
        cmocka_unit_test(tokens),
    };
    return cmocka_run_group_tests_name("login_ask", tests, NULL, NULL);
}
