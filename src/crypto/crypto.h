/*
 * crypto.h - digests and the TLS front of our servers (OpenSSL).
 */
#ifndef SK_CRYPTO_CRYPTO_H
#define SK_CRYPTO_CRYPTO_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum {
    SK_SHA256_BYTES = 32,
    SK_SHA256_HEX = 65,
    SK_GIT_BLOB_HEX = 41
};

/* Lower-case hex with NUL into out[SK_SHA256_HEX]. */
int sk_sha256_hex(const void *bytes, size_t len, char *out, struct sk_err *err) SK_CHECK;
/* Of a regular file, read piece by piece. */
int sk_sha256_file(const char *path, char *out, struct sk_err *err) SK_CHECK;
/* Git's name of a file's contents into out[SK_GIT_BLOB_HEX]: the SHA-1 of "blob LENGTH\0" and the
 * bytes. It finds broken transfers; it is no defence against forgery. */
int sk_git_blob_file(const char *path, char *out, struct sk_err *err) SK_CHECK;
/* len random bytes from the system. */
int sk_random(void *out, size_t len, struct sk_err *err) SK_CHECK;

/*
 * The TLS front: one thread that owns a listening socket, shakes hands (TLS 1.2 and 1.3) with a
 * deadline and a bound on connections, and joins each client to a plain stream socket that `accept`
 * receives (the server's end of a socket pair; ownership passes; the peer's address comes with it).
 * Closing either side closes the other after what was written has been delivered. Threads: start
 * and stop from one; accept is called on the front's thread.
 */
struct sk_tls_front;

struct sk_tls_options {
    const char *cert_file, *key_file; /* PEM; the certificate file may hold the chain */
    int listen_fd;                    /* ownership is taken */
    unsigned max_connections;
    unsigned handshake_ms; /* also: how long a client may leave a record of ours unread */
    /* 0, or -1 when the plain server does not want it; then the front closes fd. */
    int (*accept)(int fd, const void *addr, unsigned addr_len, void *ctx);
    void *ctx;
};

/* Errors name the file and OpenSSL's reason: a key that does not belong to the certificate, a wrong
 * format. */
int sk_tls_start(const struct sk_tls_options *opts, struct sk_tls_front **out,
                 struct sk_err *err) SK_CHECK;
/* Closes the listening socket. Open connections go on; handshakes under way have a second to end.
 */
void sk_tls_quiesce(struct sk_tls_front *f);
/* Clients there are, until the last byte and the end of each were delivered. */
unsigned sk_tls_connections(const struct sk_tls_front *f);
/* Connections closed without a handshake so far, since there were max_connections. */
uint64_t sk_tls_refused(const struct sk_tls_front *f);
/* Cuts what is open; `accept` is not called any more. */
void sk_tls_stop(struct sk_tls_front *f);

#endif
