/* tls_client.h - a blocking TLS client on loopback for tests; all fail the cmocka test when the
 * network does. */
#ifndef SK_TESTS_CRYPTO_TLS_CLIENT_H
#define SK_TESTS_CRYPTO_TLS_CLIENT_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    TLS_CLIENT_WAIT_S = 20 /* for what must come */
};

struct tls_client {
    SSL_CTX *ctx;
    SSL *ssl;
    int fd;
};

/* A listening socket on a free port. */
int tls_client_listen(uint16_t *port);
/* TCP only. */
void tls_client_open(struct tls_client *c, uint16_t port);
/* max_version 0: any; alpn: in wire format or NULL. False: no handshake. */
bool tls_client_shake(struct tls_client *c, uint16_t port, int max_version, const char *alpn);
/* Like tls_client_shake, with a certificate (key NULL: without) and a session to resume (NULL:
 * none); then "hello" must come back. */
bool tls_client_open_as(struct tls_client *c, uint16_t port, const char *cert, const char *key,
                        SSL_SESSION *session);
void tls_client_send(struct tls_client *c, const char *text, size_t len);
/* What comes next is this, at most 256 bytes. */
void tls_client_expect(struct tls_client *c, const char *text);
void tls_client_close(struct tls_client *c);
/* Reads until the server ends the connection, and fails the test when it does not. */
void tls_client_await_end(struct tls_client *c);

#endif
