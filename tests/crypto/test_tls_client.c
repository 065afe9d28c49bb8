/* test_tls_client.c - the client's side of TLS over a socket pair, the server played by the test in
 * the same thread: what it trusts, what it says when it does not, and its bytes. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/stream.h"
#include "certs.h"
#include "crypto/tls_priv.h"
#include "harness/alloc_fail.h"

#include <malloc.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cmocka.h>

enum {
    HOUR_S = 3600,
    IDLE_BYTES = 36 << 10 /* 19 KB with OpenSSL 3.0, more with later ones */
};

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

/* ---- certificates: root -> middle -> leaf, all with one key ---- */

struct leaf {
    const char *file, *alt_names; /* OpenSSL's notation; NULL: none */
    int from_s, to_s;
    bool is_by_root;
};

static const struct leaf leaves[] = {
    { "good", "DNS:hub.example,IP:127.0.0.1,IP:::1", -HOUR_S, HOUR_S, false },
    { "expired", "DNS:hub.example", -2 * HOUR_S, -HOUR_S, false },
    { "young", "DNS:hub.example", HOUR_S, 2 * HOUR_S, false },
    { "nameless", NULL, -HOUR_S, HOUR_S, false },
    { "mail", "email:a@b", -HOUR_S, HOUR_S, false },
    { "wild", "DNS:*.hub.example", -HOUR_S, HOUR_S, false },
    { "partial", "DNS:h*.example", -HOUR_S, HOUR_S, false },
    { "odd", "DNS:a\x1b[31m b", -HOUR_S, HOUR_S, false },
    { "many", "DNS:a,DNS:b,email:x@y,DNS:c,DNS:d,DNS:e,DNS:f,DNS:g", -HOUR_S, HOUR_S, false },
    { "byroot", "DNS:hub.example", -HOUR_S, HOUR_S, true },
};

enum {
    LEAVES = sizeof leaves / sizeof *leaves
};

static struct {
    char folder[64];
    EVP_PKEY *key;
    X509 *root, *middle, *old_middle, *leaf[LEAVES];
} pki;

static void add_extension(X509 *x, int kind, const char *value)
{
    X509V3_CTX ctx;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, kind, value);
    assert_non_null(e);
    assert_int_equal(X509_add_ext(x, e, -1), 1);
    X509_EXTENSION_free(e);
}

static X509 *make_cert(const char *name, X509 *issuer, const char *alt_names, int from_s, int to_s)
{
    static long serial;
    X509 *x = X509_new();

    assert_non_null(x);
    (void)X509_set_version(x, X509_VERSION_3);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
    (void)X509_gmtime_adj(X509_getm_notBefore(x), from_s);
    (void)X509_gmtime_adj(X509_getm_notAfter(x), to_s);
    (void)X509_set_pubkey(x, pki.key);
    (void)X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                                     (const unsigned char *)name, -1, -1, 0);
    (void)X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer : x));
    if (!alt_names)
        add_extension(x, NID_basic_constraints, "critical,CA:TRUE");
    else if (alt_names[0])
        add_extension(x, NID_subject_alt_name, alt_names);
    assert_true(X509_sign(x, pki.key, EVP_sha256()) > 0);
    return x;
}

static const char *path_of(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];

    (void)snprintf(path, sizeof paths[0], "%s/%s", pki.folder, name);
    return path;
}

static void write_certs(const char *name, X509 *first, X509 *second)
{
    FILE *f = fopen(path_of(name), "w");

    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, first), 1);
    if (second)
        assert_int_equal(PEM_write_X509(f, second), 1);
    assert_int_equal(fclose(f), 0);
}

static void write_key(const char *name)
{
    FILE *f = fopen(path_of(name), "w");

    assert_non_null(f);
    assert_int_equal(PEM_write_PrivateKey(f, pki.key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(f), 0);
}

static void make_pki(void)
{
    struct sk_err err = SK_ERR_INIT;

    (void)snprintf(pki.folder, sizeof pki.folder, "/tmp/skerry-tls-XXXXXX");
    assert_non_null(mkdtemp(pki.folder));
    pki.key = EVP_EC_gen("P-256");
    pki.root = make_cert("Root", NULL, NULL, -HOUR_S, HOUR_S);
    pki.middle = make_cert("Middle", pki.root, NULL, -HOUR_S, HOUR_S);
    pki.old_middle = make_cert("Middle", pki.root, NULL, -2 * HOUR_S, -HOUR_S);
    for (size_t i = 0; i < LEAVES; i++)
        pki.leaf[i] = make_cert("hub.example", leaves[i].is_by_root ? pki.root : pki.middle,
                                leaves[i].alt_names ? leaves[i].alt_names : "", leaves[i].from_s,
                                leaves[i].to_s);
    X509 *other = make_cert("Other", NULL, NULL, -HOUR_S, HOUR_S);
    write_certs("root", pki.root, NULL);
    write_certs("middle", pki.middle, NULL);
    write_certs("bundle", other, pki.root);
    write_certs("other", other, NULL);
    write_certs("leaf", pki.leaf[0], NULL);
    write_certs("client", pki.leaf[0], pki.middle);
    write_key("key");
    if (sk_file_write(path_of("garbage"), "hello", 5, 0600, &err) < 0)
        fail_msg("%s", err.text);
    X509_free(other);
}

static size_t leaf_of(const char *name)
{
    for (size_t i = 0; i < LEAVES; i++)
        if (strcmp(leaves[i].file, name) == 0)
            return i;
    fail_msg("no leaf '%s'", name);
    return 0;
}

/* ---- a connection ---- */

struct world {
    SSL_CTX *ctx;
    SSL *server;
    int server_fd;
    struct sk_stream *stream;
    char sni[64];
};

static struct world w;

static int note_sni(SSL *ssl, int *alert, void *arg)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    (void)alert;
    (void)arg;
    (void)snprintf(w.sni, sizeof w.sni, "%s", name ? name : "");
    return SSL_TLSEXT_ERR_OK;
}

/* chain: shown beside the leaf; NULL: none. */
static int open_world(const char *leaf, X509 *chain, const struct sk_tls_client_options *o,
                      int version, struct sk_err *err)
{
    int net[2];

    memset(&w, 0, sizeof w);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, net), 0);
    w.server_fd = net[1];
    w.ctx = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate(w.ctx, pki.leaf[leaf_of(leaf)]), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(w.ctx, pki.key), 1);
    if (chain)
        assert_int_equal(SSL_CTX_add1_chain_cert(w.ctx, chain), 1);
    (void)SSL_CTX_set_tlsext_servername_callback(w.ctx, note_sni);
    if (version)
        assert_int_equal(SSL_CTX_set_max_proto_version(w.ctx, version), 1);
    w.server = SSL_new(w.ctx);
    assert_int_equal(SSL_set_fd(w.server, w.server_fd), 1);
    return sk_tls_client(net[0], o, &w.stream, err);
}

static void close_world(void)
{
    sk_stream_free(w.stream);
    SSL_free(w.server);
    SSL_CTX_free(w.ctx);
    sk_close(&w.server_fd);
    memset(&w, 0, sizeof w);
    w.server_fd = -1;
    ERR_clear_error();
}

/* What the client's handshake came to. */
static int shake(struct sk_err *err)
{
    int rc = 0, server = 0;

    for (int i = 0; i < 50 && rc == 0; i++) {
        rc = sk_tls_client_shake(w.stream, err);
        if (server != 1)
            server = SSL_accept(w.server);
    }
    for (int i = 0; i < 5 && server != 1; i++)
        server = SSL_accept(w.server);
    ERR_clear_error();
    return rc;
}

static struct sk_tls_client_options options(const char *name, const char *ca)
{
    return (struct sk_tls_client_options){ .name = name, .ca_file = ca ? path_of(ca) : NULL };
}

/* ---- tests ---- */

static void what_is_trusted(void **state)
{
    static const struct {
        const char *row, *leaf, *name, *ca;
        int chain;          /* 0 none, 1 middle, 2 the middle that has expired */
        const char *wanted; /* NULL: trusted; else what the error begins with */
    } rows[] = {
        { "name", "good", "hub.example", "root", 1, NULL },
        { "capitals", "good", "HUB.example", "root", 1, NULL },
        { "IPv4", "good", "127.0.0.1", "root", 1, NULL },
        { "IPv6", "good", "::1", "root", 1, NULL },
        { "IPv6 in long", "good", "0:0:0:0:0:0:0:1", "root", 1, NULL },
        { "in a bundle", "good", "hub.example", "bundle", 1, NULL },
        { "intermediate as anchor", "good", "hub.example", "middle", 0, NULL },
        { "leaf as anchor", "good", "hub.example", "leaf", 0, NULL },
        { "without a middle", "byroot", "hub.example", "root", 0, NULL },
        { "wildcard", "wild", "a.hub.example", "root", 1, NULL },
        { "other name", "good", "other.example", "root", 1,
          "the server's certificate is for other names: hub.example, 127.0.0.1, ::1" },
        { "other address", "good", "127.0.0.2", "root", 1,
          "the server's certificate is for other names: hub.example, 127.0.0.1, ::1" },
        { "address as a name", "expired", "127.0.0.1", "root", 1, "the server's certificate " },
        { "common name only", "nameless", "hub.example", "root", 1,
          "the server's certificate is for other names: none (the common name of its subject does "
          "not count)" },
        { "no names", "mail", "hub.example", "root", 1,
          "the server's certificate is for other names: none" },
        { "wildcard of two levels", "wild", "a.b.hub.example", "root", 1,
          "the server's certificate is for other names: *.hub.example" },
        { "partial wildcard", "partial", "hub.example", "root", 1,
          "the server's certificate is for other names: h*.example" },
        { "control characters", "odd", "hub.example", "root", 1,
          "the server's certificate is for other names: a?[31m?b" },
        { "many names", "many", "hub.example", "root", 1,
          "the server's certificate is for other names: a, b, c, d, e and 2 more" },
        { "expired", "expired", "hub.example", "root", 1,
          "the server's certificate has expired on 20" },
        { "not yet", "young", "hub.example", "root", 1,
          "the server's certificate is not yet valid, but from 20" },
        { "expired CA", "good", "hub.example", "root", 2,
          "a CA certificate above the server's has expired on 20" },
        { "unknown CA", "good", "hub.example", "other", 1,
          "the server's certificate is signed by an unknown CA 'Root'" },
        { "no chain", "good", "hub.example", "root", 0,
          "the server's certificate is signed by an unknown CA 'Middle'" },
        { "the system's", "good", "hub.example", NULL, 1,
          "the server's certificate is signed by an unknown CA" },
    };

    (void)state;
    for (size_t v = 0; v < 2; v++) {
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            const struct sk_tls_client_options o = options(rows[i].name, rows[i].ca);
            X509 *const chain = rows[i].chain == 0   ? NULL
                                : rows[i].chain == 1 ? pki.middle
                                                     : pki.old_middle;
            struct sk_err err = SK_ERR_INIT;

            assert_int_equal(open_world(rows[i].leaf, chain, &o, versions[v], &err), 0);
            int rc = shake(&err);
            bool is_right = rows[i].wanted
                                ? rc == -1 && err.code == SK_DENIED &&
                                      strncmp(err.text, rows[i].wanted, strlen(rows[i].wanted)) == 0
                                : rc == 1;
            if (!is_right)
                fail_msg("%s: %d '%s'", rows[i].row, rc, err.text);
            if (rc < 0) { /* for good, and the reads know */
                char byte;
                struct sk_err again = SK_ERR_INIT;
                assert_int_equal(sk_tls_client_shake(w.stream, &again), -1);
                assert_string_equal(again.text, err.text);
                assert_int_equal(sk_stream_read(w.stream, &byte, 1), SK_STREAM_LOST);
                assert_int_equal(sk_stream_write(w.stream, "x", 1), SK_STREAM_LOST);
            }
            close_world();
        }
    }
}

static void what_the_server_hears(void **state)
{
    static const struct {
        const char *name, *sni;
    } rows[] = { { "hub.example", "hub.example" }, { "127.0.0.1", "" }, { "::1", "" } };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const struct sk_tls_client_options o = options(rows[i].name, "root");
        struct sk_err err = SK_ERR_INIT;

        assert_int_equal(open_world("good", pki.middle, &o, 0, &err), 0);
        assert_int_equal(shake(&err), 1);
        assert_string_equal(w.sni, rows[i].sni);
        assert_int_equal(SSL_version(w.server), TLS1_3_VERSION);
        close_world();
    }
}

/* The handshake goes on with reads alone, and bytes go both ways behind it. */
static void reads_and_writes(void **state)
{
    (void)state;
    for (size_t v = 0; v < 2; v++) {
        const struct sk_tls_client_options o = options("hub.example", "root");
        struct sk_err err = SK_ERR_INIT;
        char got[16] = "";
        int server = 0;

        assert_int_equal(open_world("good", pki.middle, &o, versions[v], &err), 0);
        assert_false(sk_stream_is_buffered(w.stream));
        for (int i = 0; i < 10 && server != 1; i++) {
            assert_int_equal(sk_stream_read(w.stream, got, sizeof got), SK_STREAM_AGAIN);
            assert_true(sk_stream_events(w.stream, false, true) != 0);
            server = SSL_accept(w.server);
        }
        assert_int_equal(server, 1);
        assert_int_equal(sk_stream_read(w.stream, got, sizeof got), SK_STREAM_AGAIN);
        assert_int_equal(sk_tls_client_shake(w.stream, &err), 1);
        assert_int_equal(sk_stream_events(w.stream, true, true), EPOLLIN | EPOLLOUT);
        assert_int_equal(sk_stream_write(w.stream, "hello", 5), 5);
        assert_int_equal(SSL_read(w.server, got, sizeof got), 5);
        assert_int_equal(SSL_write(w.server, "welcome", 7), 7);
        assert_int_equal(sk_stream_read(w.stream, got, 3), 3);
        assert_true(sk_stream_is_buffered(w.stream));
        assert_int_equal(sk_stream_read(w.stream, got + 3, sizeof got - 3), 4);
        assert_string_equal(got, "welcome");
        sk_stream_end(w.stream);
        assert_int_equal(SSL_read(w.server, got, sizeof got), 0);
        assert_int_equal(SSL_write(w.server, "bye", 3), 3);
        (void)SSL_shutdown(w.server);
        assert_int_equal(sk_stream_read(w.stream, got, sizeof got), 3);
        assert_int_equal(sk_stream_read(w.stream, got, sizeof got), SK_STREAM_END);
        close_world();
    }
}

static int refuse(int is_good, X509_STORE_CTX *store)
{
    (void)is_good;
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return 0;
}

static int accept_any(int is_good, X509_STORE_CTX *store)
{
    (void)is_good;
    (void)store;
    return 1;
}

/* With TLS 1.3 the client hears of a refusal when it reads. */
static void our_certificate(void **state)
{
    (void)state;
    for (size_t v = 0; v < 2; v++) {
        for (int row = 0; row < 3; row++) { /* shown, refused, missing */
            struct sk_tls_client_options o = options("hub.example", "root");
            struct sk_err err = SK_ERR_INIT;
            char byte;

            o.cert_file = row < 2 ? path_of("client") : NULL;
            o.key_file = row < 2 ? path_of("key") : NULL;
            assert_int_equal(open_world("good", pki.middle, &o, versions[v], &err), 0);
            SSL_set_verify(w.server, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                           row == 1 ? refuse : accept_any);
            int rc = shake(&err);
            if (row == 0) {
                assert_int_equal(rc, 1);
                X509 *shown = SSL_get0_peer_certificate(w.server);
                assert_true(shown && X509_cmp(shown, pki.leaf[0]) == 0);
                assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(w.server)), 1);
            } else {
                if (rc == 1) {
                    assert_int_equal(sk_stream_read(w.stream, &byte, 1), SK_STREAM_LOST);
                    rc = sk_tls_client_shake(w.stream, &err);
                }
                if (rc != -1 || (err.code != SK_DENIED && row == 1) ||
                    (v == 1 && strncmp(err.text, "the server refuses our certificate: ", 36) != 0))
                    fail_msg("row %d: %d '%s'", row, rc, err.text);
            }
            close_world();
        }
    }
}

static void bad_options(void **state)
{
    static char vast[300];

    static const struct {
        const char *name, *ca, *cert, *key, *wanted;
    } rows[] = {
        { "", "root", NULL, NULL, "TLS: a server's name has 1 to 255 bytes" },
        { NULL, "root", NULL, NULL, "TLS: a server's name has 1 to 255 bytes" },
        { vast, "root", NULL, NULL, "TLS: a server's name has 1 to 255 bytes" },
        { "h", "nowhere", NULL, NULL, "TLS CA certificates '" },
        { "h", "garbage", NULL, NULL, "TLS CA certificates '" },
        { "h", "key", NULL, NULL, "TLS CA certificates '" },
        { "h", "root", "nowhere", "key", "TLS certificate '" },
        { "h", "root", "client", "nowhere", "TLS key '" },
        { "h", "root", "client", NULL, "TLS key '" }, /* none in that file */
    };

    (void)state;
    memset(vast, 'a', sizeof vast - 1);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sk_tls_client_options o = options(rows[i].name, rows[i].ca);
        struct sk_err err = SK_ERR_INIT;
        char byte;

        o.cert_file = rows[i].cert ? path_of(rows[i].cert) : NULL;
        o.key_file = rows[i].key ? path_of(rows[i].key) : NULL;
        int rc = open_world("good", NULL, &o, 0, &err);
        if (rc == 0 || err.code != SK_INVALID ||
            strncmp(err.text, rows[i].wanted, strlen(rows[i].wanted)) != 0)
            fail_msg("row %zu: %d '%s'", i, rc, err.text);
        assert_int_equal(recv(w.server_fd, &byte, 1, 0), 0); /* the descriptor was taken */
        close_world();
    }
}

static void other_peers(void **state)
{
    static const struct {
        const char *name, *bytes;
        size_t len;
        const char *wanted;
    } rows[] = {
        { "http", "HTTP/1.1 400 Bad Request\r\n\r\n", 28, "the server does not speak TLS" },
        { "nothing", "", 0, "the connection ended within the TLS handshake" },
        { "an alert", "\x15\x03\x03\0\2\2\x28", 7, "TLS: sslv3 alert handshake failure" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct sk_tls_client_options o = options("hub.example", "root");
        struct sk_err err = SK_ERR_INIT;

        assert_int_equal(open_world("good", NULL, &o, 0, &err), 0);
        assert_int_equal(sk_tls_client_shake(w.stream, &err), 0);
        assert_int_equal(send(w.server_fd, rows[i].bytes, rows[i].len, 0), (ssize_t)rows[i].len);
        assert_int_equal(shutdown(w.server_fd, SHUT_WR), 0);
        int rc = sk_tls_client_shake(w.stream, &err);
        if (rc != -1 || strcmp(err.text, rows[i].wanted) != 0)
            fail_msg("%s: %d '%s'", rows[i].name, rc, err.text);
        close_world();
    }
}

/* A cut without close_notify is no end. */
static void cut_off(void **state)
{
    const struct sk_tls_client_options o = options("hub.example", "root");
    struct sk_err err = SK_ERR_INIT;
    char byte;

    (void)state;
    assert_int_equal(open_world("good", pki.middle, &o, 0, &err), 0);
    assert_int_equal(shake(&err), 1);
    sk_close(&w.server_fd);
    assert_int_equal(sk_stream_read(w.stream, &byte, 1), SK_STREAM_LOST);
    assert_int_equal(sk_tls_client_shake(w.stream, &err), -1);
    assert_string_equal(err.text, "the connection ended without an end of TLS");
    close_world();
}

static void another_stream(void **state)
{
    struct sk_stream *s = NULL;
    struct sk_err err = SK_ERR_INIT;
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(sk_stream_of_fd(pair[0], &s, &err), 0);
    assert_int_equal(sk_tls_client_shake(s, &err), 1);
    sk_stream_free(s);
    sk_close(&pair[1]);
}

/* An idle stream, the session's tickets read. */
static void idle_memory(void **state)
{
    enum {
        COUNT = 20
    };

    static struct world worlds[COUNT];
    struct sk_tls_client_options o = options("hub.example", "root");
    struct sk_err err = SK_ERR_INIT;
    size_t sum = 0;

    (void)state;
    assert_int_equal(sk_tls_clients_new(&o.shared, &err), 0);
    for (int i = -3; i < COUNT; i++) { /* the first load what all share */
        char byte;
        assert_int_equal(open_world("good", pki.middle, &o, 0, &err), 0);
        SSL *server = w.server;
        int rc = 0, accepted = 0;
        size_t before, after;
        /* the client's part alone is counted */
        sk_stream_free(w.stream);
        sk_close(&w.server_fd);
        int net[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, net), 0);
        w.server_fd = net[1];
        assert_int_equal(SSL_set_fd(server, net[1]), 1);
        before = mallinfo2().uordblks;
        size_t server_bytes = 0;
        assert_int_equal(sk_tls_client(net[0], &o, &w.stream, &err), 0);
        for (int k = 0; k < 50 && (rc == 0 || accepted != 1); k++) {
            rc = rc == 1 ? 1 : sk_tls_client_shake(w.stream, &err);
            size_t at = mallinfo2().uordblks;
            accepted = accepted == 1 ? 1 : SSL_accept(server);
            server_bytes += mallinfo2().uordblks - at;
        }
        assert_true(rc == 1 && accepted == 1);
        assert_int_equal(sk_stream_read(w.stream, &byte, 1), SK_STREAM_AGAIN);
        assert_int_equal(sk_stream_write(w.stream, "x", 1), 1); /* lets the last buffer go */
        after = mallinfo2().uordblks;
        if (i >= 0) {
            sum += after - before - server_bytes;
            worlds[i] = w;
        } else {
            close_world();
        }
    }
    print_message("an idle stream has %zu bytes\n", sum / COUNT);
    assert_true(sum / COUNT <= IDLE_BYTES); /* 0 where the allocator does not count */
    sk_tls_clients_free(o.shared);          /* they have what they need */
    for (int i = 0; i < COUNT; i++) {
        w = worlds[i];
        close_world();
    }
}

static int make_one(void *ctx, struct sk_err *err)
{
    const struct sk_tls_client_options o = options("hub.example", "root");

    (void)ctx;
    int rc = open_world("good", pki.middle, &o, 0, err);
    if (rc == 0)
        rc = shake(err) == 1 ? 0 : -1;
    close_world();
    return rc;
}

static void without_memory(void **state)
{
    (void)state;
    assert_true(sk_alloc_sweep("client", make_one, NULL, 0) >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_trusted),  cmocka_unit_test(what_the_server_hears),
        cmocka_unit_test(reads_and_writes), cmocka_unit_test(our_certificate),
        cmocka_unit_test(bad_options),      cmocka_unit_test(other_peers),
        cmocka_unit_test(cut_off),          cmocka_unit_test(another_stream),
        cmocka_unit_test(idle_memory),      cmocka_unit_test(without_memory),
    };
    struct sk_err err = SK_ERR_INIT;

    (void)signal(SIGPIPE, SIG_IGN);
    make_pki();
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    X509_free(pki.root);
    X509_free(pki.middle);
    X509_free(pki.old_middle);
    for (size_t i = 0; i < LEAVES; i++)
        X509_free(pki.leaf[i]);
    EVP_PKEY_free(pki.key);
    if (sk_remove_tree(pki.folder, &err) < 0)
        print_error("%s\n", err.text);
    return rc;
}
