/* test_tls_context.c - what a front's handshakes share: settings, protocols, resumption, and what
 * is kept of a client's chain. The files are tested in test_tls.c. */
#include "crypto/tls_priv.h"

#include "base/cleanup.h"
#include "certs.h"

#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct certs certs;

static int take(struct sk_stream *stream, const struct sk_tls_peer *peer, void *ctx)
{
    (void)stream;
    (void)peer;
    (void)ctx;
    return -1;
}

static SSL_CTX *make(bool asks_cert, const char *prefix, const char *alpn)
{
    SSL_CTX *ctx = NULL;
    struct sk_err err = SK_ERR_INIT;
    const struct sk_tls_options o = { .cert_file = certs.cert,
                                      .key_file = certs.key,
                                      .asks_cert = asks_cert,
                                      .take_prefix = prefix,
                                      .take = prefix ? take : NULL,
                                      .alpn = alpn };
    if (sk_tls_context(&o, &ctx, &err) < 0)
        fail_msg("%s", err.text);
    return ctx;
}

struct pair {
    SSL *server, *client;
};

/* Over memory. False: no handshake. */
static bool shake(struct pair *p, SSL_CTX *server, SSL_CTX *client, SSL_SESSION *session,
                  const char *alpn)
{
    BIO *a = NULL, *b = NULL;
    *p = (struct pair){ SSL_new(server), SSL_new(client) };
    assert_int_equal(BIO_new_bio_pair(&a, 0, &b, 0), 1);
    SSL_set_bio(p->server, a, a);
    SSL_set_bio(p->client, b, b);
    if (session)
        assert_int_equal(SSL_set_session(p->client, session), 1);
    if (alpn)
        (void)SSL_set_alpn_protos(p->client, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    int server_done = 0, client_done = 0;
    for (int i = 0; i < 20 && (server_done != 1 || client_done != 1); i++) {
        client_done = client_done == 1 ? 1 : SSL_connect(p->client);
        server_done = server_done == 1 ? 1 : SSL_accept(p->server);
    }
    ERR_clear_error();
    char byte;
    (void)SSL_read(p->client, &byte, 1); /* the tickets */
    return server_done == 1 && client_done == 1;
}

static void part(struct pair *p)
{
    (void)SSL_shutdown(p->client);
    SSL_free(p->server);
    SSL_free(p->client);
    ERR_clear_error();
}

static void settings(void **state)
{
    (void)state;

    static const struct {
        const char *prefix;
        bool asks, reads_ahead;
    } rows[] = { { NULL, false, true }, { "GET", true, true }, { "", true, false } };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SSL_CTX *ctx = make(rows[i].asks, rows[i].prefix, NULL);
        assert_int_equal(SSL_CTX_get_read_ahead(ctx), rows[i].reads_ahead);
        assert_int_equal(SSL_CTX_get_session_cache_mode(ctx), SSL_SESS_CACHE_OFF);
        assert_int_equal(SSL_CTX_get_min_proto_version(ctx), TLS1_2_VERSION);
        assert_true(SSL_CTX_get_mode(ctx) & SSL_MODE_RELEASE_BUFFERS);
        assert_int_equal(SSL_CTX_get_verify_mode(ctx) & SSL_VERIFY_FAIL_IF_NO_PEER_CERT, 0);
        assert_int_equal(!!(SSL_CTX_get_verify_mode(ctx) & SSL_VERIFY_PEER), rows[i].asks);
        SSL_CTX_free(ctx);
    }
}

static void protocols(void **state)
{
    (void)state;

    static const struct {
        const char *ours, *offered, *chosen; /* NULL: refused, "": none */
    } rows[] = {
        { NULL, NULL, "" },
        { NULL, "\x02h2\x08http/1.1", "http/1.1" },
        { NULL, "\x08http/1.0", "http/1.0" },
        { NULL, "\x04mqtt", NULL },
        { "\x04mqtt", NULL, "" },
        { "\x04mqtt", "\x04mqtt", "mqtt" },
        { "\x04mqtt", "\x08http/1.1", NULL },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pair p;
        const unsigned char *chosen = NULL;
        unsigned len = 0;
        SSL_CTX *server = make(false, NULL, rows[i].ours), *client = certs_client();
        bool ok = shake(&p, server, client, NULL, rows[i].offered);
        SSL_get0_alpn_selected(p.client, &chosen, &len);
        if (ok != !!rows[i].chosen ||
            (ok && (len != strlen(rows[i].chosen) ||
                    memcmp(chosen ? chosen : (const unsigned char *)"", rows[i].chosen, len) != 0)))
            fail_msg("row %zu", i);
        part(&p);
        SSL_CTX_free(server);
        SSL_CTX_free(client);
    }
}

/* The client's own certificate is kept, also over a resumed session; what it shows beyond is not.
 */
static void chains(void **state)
{
    (void)state;
    static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
    SSL_CTX *server = make(true, "", NULL), *client = certs_client();
    assert_int_equal(SSL_CTX_use_certificate_file(client, certs.cert, SSL_FILETYPE_PEM), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(client, certs.key, SSL_FILETYPE_PEM), 1);
    for (int i = 0; i < 5; i++)
        assert_int_equal(SSL_CTX_add1_chain_cert(client, SSL_CTX_get0_certificate(client)), 1);
    for (size_t i = 0; i < 2; i++) {
        SSL_SESSION *session = NULL;
        assert_int_equal(SSL_CTX_set_max_proto_version(client, versions[i]), 1);
        for (int round = 0; round < 2; round++) {
            struct pair p;
            assert_true(shake(&p, server, client, session, NULL));
            assert_int_equal(SSL_session_reused(p.server), round);
            if (versions[i] == TLS1_3_VERSION) /* the small one, whatever the client likes best */
                assert_int_equal(SSL_get_negotiated_group(p.server), NID_X25519);
            X509 *x = SSL_get1_peer_certificate(p.server);
            assert_non_null(x);
            assert_int_equal(X509_cmp(x, SSL_CTX_get0_certificate(client)), 0);
            X509_free(x);
            STACK_OF(X509) *chain = SSL_get_peer_cert_chain(p.server);
            assert_true(!chain || sk_X509_num(chain) == 0);
            SSL_SESSION_free(session);
            session = SSL_get1_session(p.client);
            part(&p);
        }
        SSL_SESSION_free(session);
    }
    assert_int_equal(SSL_CTX_sess_number(server), 0);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
}

/* 32 KiB of certificates at most. */
static void long_chain(void **state)
{
    (void)state;
    SSL_CTX *server = make(true, NULL, NULL), *client = certs_client();
    assert_int_equal(SSL_CTX_use_certificate_file(client, certs.cert, SSL_FILETYPE_PEM), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(client, certs.key, SSL_FILETYPE_PEM), 1);
    X509 *own = SSL_CTX_get0_certificate(client);
    const int each = i2d_X509(own, NULL) + 3;
    for (int total = each; total <= 34000; total += each)
        assert_int_equal(SSL_CTX_add1_chain_cert(client, own), 1);
    struct pair p;
    assert_int_equal(SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION), 1);
    assert_false(shake(&p, server, client, NULL, NULL));
    part(&p);
    SSL_CTX_free(server);
    SSL_CTX_free(client);
}

static int set_up(void **state)
{
    (void)state;
    certs_make(&certs);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    certs_remove(&certs);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings),
        cmocka_unit_test(protocols),
        cmocka_unit_test(chains),
        cmocka_unit_test(long_chain),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
