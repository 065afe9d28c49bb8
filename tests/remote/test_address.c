/* test_address.c - where hubs are, and what they show. */
#include "base/file.h"
#include "crypto/crypto.h"
#include "hub_double.h"
#include "remote/remote_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void addresses(void **state)
{
    (void)state;

    static const struct {
        const char *text, *url, *host, *name;
    } rows[] = {
        { "hub", "https://hub:8443", "hub:8443", "hub" },
        { "hub:9000", "https://hub:9000", "hub:9000", "hub-9000" },
        { "https://hub", "https://hub:8443", "hub:8443", "hub" },
        { "https://hub/", "https://hub:8443", "hub:8443", "hub" },
        { "HTTPS://Hub.Example:443", "https://hub.example:443", "hub.example:443",
          "hub.example-443" },
        { "192.0.2.1", "https://192.0.2.1:8443", "192.0.2.1:8443", "192.0.2.1" },
        { "[2001:db8::1]", "https://[2001:db8::1]:8443", "[2001:db8::1]:8443", "2001-db8--1" },
        { "[::1]:1", "https://[::1]:1", "[::1]:1", "h-1-1" },
        { "http://127.0.0.1:80", "http://127.0.0.1:80", "127.0.0.1:80", "127.0.0.1-80" },
        { "http://127.9.9.9", "http://127.9.9.9:8443", "127.9.9.9:8443", "127.9.9.9" },
        { "http://localhost", "http://localhost:8443", "localhost:8443", "localhost" },
        { "http://[::1]", "http://[::1]:8443", "[::1]:8443", NULL },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_context c = { .name = "" };
        struct sk_err err = SK_ERR_INIT;
        char name[64];
        if (sk_context_set_url(&c, rows[i].text, &err) < 0)
            fail_msg("%s: %s", rows[i].text, err.text);
        assert_string_equal(c.url, rows[i].url);
        assert_string_equal(c.host, rows[i].host);
        sk_context_name_of(c.host, name);
        assert_int_equal(sk_context_check_name(name, &err), 0);
        if (rows[i].name && strcmp(name, rows[i].name) != 0)
            fail_msg("%s: name '%s'", rows[i].text, name);
    }
}

static void refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "https://",
        ":8443",
        "hub:0",
        "hub:65536",
        "hub:99999999999",
        "hub:",
        "hub:x",
        "hub:80x",
        "hub/path",
        "hub//",
        "https://hub?x",
        "https://user:secret@hub",
        "user@hub",
        "ftp://hub",
        "hub name",
        "hub\r\nX: y",
        "hub\x80",
        "-hub",
        ".hub",
        "[::1",
        "::1",
        "[hub]",
        "[::zz]",
        "http://hub",
        "http://127.0.0.1.example",
        "http://localhost.example",
        "http://[::2]",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_context c = { .name = "" };
        struct sk_err err = SK_ERR_INIT;
        if (sk_context_set_url(&c, rows[i], &err) == 0)
            fail_msg("'%s' became %s", rows[i], c.url);
        assert_null(strstr(err.text, "secret"));
        assert_string_equal(c.url, "");
    }
    char longest[300] = "";
    struct sk_context c = { .name = "" };
    struct sk_err err = SK_ERR_INIT;
    memset(longest, 'a', 255);
    assert_int_equal(sk_context_set_url(&c, longest, &err), 0);
    assert_int_equal(strlen(c.host), 255 + 5);
    longest[255] = 'a';
    assert_int_equal(sk_context_set_url(&c, longest, &err), -1);
}

static void escapes(void **state)
{
    (void)state;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(256);
    sk_url_escape(&b, "a-Z_0.~ /?%&\xc3\xa4");
    assert_string_equal(b.data, "a-Z_0.~%20%2F%3F%25%26%C3%A4");
}

/* A CA and a server's certificate of it; the server shows both. */
static void make_chain(const char *folder, char cert[96], char key[96], char sha256[65])
{
    SK_OWN(sk_key_free) struct sk_key *ca_key = NULL;
    SK_OWN(sk_key_free) struct sk_key *own_key = NULL;
    SK_AUTO(sk_buf_done)
    struct sk_buf ca = SK_BUF_INIT(65536), leaf = SK_BUF_INIT(65536), pem = SK_BUF_INIT(65536);
    const char *const names[] = { "localhost", NULL };
    struct sk_cert_info info;
    struct sk_err err = SK_ERR_INIT;
    const int64_t now = time(NULL);
    assert_int_equal(sk_key_make(&ca_key, &err), 0);
    assert_int_equal(sk_key_make(&own_key, &err), 0);
    const struct sk_cert_request ca_request = { .common_name = "test CA",
                                                .is_ca = true,
                                                .not_before = now - 60,
                                                .not_after = now + 3600,
                                                .key = ca_key };
    if (sk_cert_make(&ca_request, &ca, &err) < 0)
        fail_msg("%s", err.text);
    const struct sk_cert_request request = { .common_name = "localhost",
                                             .names = names,
                                             .not_before = now - 60,
                                             .not_after = now + 3600,
                                             .key = own_key,
                                             .issuer_pem = ca.data,
                                             .issuer_key = ca_key };
    if (sk_cert_make(&request, &leaf, &err) < 0 || sk_key_private_pem(own_key, &pem, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(sk_cert_info(ca.data, ca.len, &info, &err), 0);
    memcpy(sha256, info.sha256, 65);
    sk_buf_str(&leaf, ca.data);
    (void)snprintf(cert, 96, "%s/cert.pem", folder);
    (void)snprintf(key, 96, "%s/key.pem", folder);
    assert_int_equal(sk_file_write(cert, leaf.data, leaf.len, 0600, &err), 0);
    assert_int_equal(sk_file_write(key, pem.data, pem.len, 0600, &err), 0);
}

static void peek(void **state)
{
    (void)state;
    char folder[64], cert[96], key[96], expected[65], shown[65] = "", url[64];
    SK_AUTO(sk_buf_done) struct sk_buf pem = SK_BUF_INIT(65536);
    struct sk_http_server *s = NULL;
    struct sk_err err = SK_ERR_INIT;
    struct sk_cert_info info;
    const struct sk_http_route none = { NULL, NULL, 0, NULL, NULL, 0 };
    enter_folder(folder);
    make_chain(folder, cert, key, expected);
    const struct sk_http_options o = {
        .listen_fd = -1, .routes = &none, .tls_cert = cert, .tls_key = key
    };
    if (sk_http_start(&o, &s, &err) < 0)
        fail_msg("%s", err.text);
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%u", sk_http_port(s));
    if (sk_remote_peek_ca(url, &pem, shown, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(shown, expected);
    assert_int_equal(sk_cert_info(pem.data, pem.len, &info, &err), 0);
    assert_string_equal(info.sha256, expected); /* the CA, not the server */
    sk_http_stop(s);
    assert_int_equal(sk_remote_peek_ca(url, &pem, shown, &err), -1); /* nobody there */
    assert_int_equal(sk_remote_peek_ca("http://127.0.0.1", &pem, shown, &err), -1);
    assert_int_equal(sk_remote_peek_ca("https://a b", &pem, shown, &err), -1);
    leave_folder(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(refused),
        cmocka_unit_test(escapes),
        cmocka_unit_test(peek),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
