/*
 * crypto.h - digests, keys, certificates, base64, and the TLS front of our servers (OpenSSL).
 */
#ifndef SK_CRYPTO_CRYPTO_H
#define SK_CRYPTO_CRYPTO_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sk_stream;

enum {
    SK_SHA1_BYTES = 20,
    SK_SHA256_BYTES = 32,
    SK_SHA256_HEX = 65,
    SK_GIT_BLOB_HEX = 41
};

/* Lower-case hex with NUL into out[SK_SHA256_HEX]. */
int sk_sha256_hex(const void *bytes, size_t len, char *out, struct sk_err *err) SK_CHECK;
/* Adds a line with the SHA-256 of what b has, which ends in a newline: so that damage is seen which
 * leaves a text readable. */
int sk_digest_line(struct sk_buf *b, struct sk_err *err) SK_CHECK;
/* Takes that line off (len becomes shorter), if there is one. SK_CORRUPT: it says otherwise. */
int sk_digest_line_check(const char *text, size_t *len, struct sk_err *err) SK_CHECK;
/* Of a regular file, read piece by piece. */
int sk_sha256_file(const char *path, char *out, struct sk_err *err) SK_CHECK;
/* Git's name of a file's contents into out[SK_GIT_BLOB_HEX]: the SHA-1 of "blob LENGTH\0" and the
 * bytes. It finds broken transfers; it is no defence against forgery. */
int sk_git_blob_file(const char *path, char *out, struct sk_err *err) SK_CHECK;
/* For what asks for it by name (the WebSocket handshake, RFC 6455): it is no defence against
 * anything. */
int sk_sha1(const void *bytes, size_t len, unsigned char out[SK_SHA1_BYTES],
            struct sk_err *err) SK_CHECK;
/* len random bytes from the system. */
int sk_random(void *out, size_t len, struct sk_err *err) SK_CHECK;

/*
 * Digests as names of content: "sha256:" or "sha512:" and lower-case hex. Which there are, and how
 * long, is known here only.
 */
enum sk_hash_kind {
    SK_SHA256,
    SK_SHA512,
    SK_HASH_COUNT
};

enum {
    SK_DIGEST_TEXT = 136 /* of the longest: "sha512:" + 128 + NUL */
};

const char *sk_hash_name(enum sk_hash_kind kind); /* "sha256" */
bool sk_hash_find(struct sk_view name, enum sk_hash_kind *kind);
/* False: it is no digest, of none of them. */
bool sk_digest_parse(struct sk_view text, enum sk_hash_kind *kind);
bool sk_digest_valid(const char *text);                      /* NULL is none */
bool sk_digest_is(const char *text, enum sk_hash_kind kind); /* valid, and of this one */
int sk_digest_of(enum sk_hash_kind kind, const void *bytes, size_t len, char out[SK_DIGEST_TEXT],
                 struct sk_err *err) SK_CHECK;
/* Of a regular file, read piece by piece. */
int sk_digest_file(enum sk_hash_kind kind, const char *path, char out[SK_DIGEST_TEXT],
                   struct sk_err *err) SK_CHECK;

/* The hash of what comes in pieces. One of hex and digest may be called, once. */
struct sk_hash;
int sk_hash_new(enum sk_hash_kind kind, struct sk_hash **out, struct sk_err *err) SK_CHECK;
int sk_hash_add(struct sk_hash *h, const void *bytes, size_t len, struct sk_err *err) SK_CHECK;
int sk_hash_hex(struct sk_hash *h, char *out, struct sk_err *err) SK_CHECK; /* as above */
int sk_hash_digest(struct sk_hash *h, char out[SK_DIGEST_TEXT], struct sk_err *err) SK_CHECK;
void sk_hash_free(struct sk_hash *h);
SK_DEFINE_OWN(struct sk_hash, sk_hash_free);

int sk_hmac_sha256(const void *key, size_t key_len, const void *bytes, size_t len,
                   unsigned char out[SK_SHA256_BYTES], struct sk_err *err) SK_CHECK;

/* ---- authenticated encryption: AES-256-GCM, the tag of 16 bytes behind the ciphertext ---- */
enum {
    SK_SEAL_KEY = 32,
    SK_SEAL_NONCE = 12 /* never twice for two texts under one key */
};

/* Append. extra is authenticated, not kept. SK_DENIED: another key, nonce or extra, or changed. */
int sk_seal(const unsigned char key[SK_SEAL_KEY], const unsigned char nonce[SK_SEAL_NONCE],
            struct sk_view extra, struct sk_view plain, struct sk_buf *out,
            struct sk_err *err) SK_CHECK;
int sk_unseal(const unsigned char key[SK_SEAL_KEY], const unsigned char nonce[SK_SEAL_NONCE],
              struct sk_view extra, struct sk_view sealed, struct sk_buf *out,
              struct sk_err *err) SK_CHECK;

/* ---- base64 (RFC 4648) ---- */
void sk_base64(struct sk_buf *b, const void *bytes, size_t len);
void sk_base64_url(struct sk_buf *b, const void *bytes, size_t len); /* without padding */
/* Either alphabet, padding optional, no spaces. Appends; SK_INVALID. */
int sk_base64_decode(const char *text, size_t len, struct sk_buf *out, struct sk_err *err) SK_CHECK;

/* ---- keys ---- */
struct sk_key; /* private (then public too) or public */

int sk_key_make(struct sk_key **out, struct sk_err *err) SK_CHECK; /* P-256 */
/* PEM: PKCS#8, SEC 1, or SubjectPublicKeyInfo. Other curves and algorithms: SK_INVALID. */
int sk_key_parse(const char *pem, size_t len, struct sk_key **out, struct sk_err *err) SK_CHECK;
int sk_key_parse_pkcs8(const void *der, size_t len, struct sk_key **out,
                       struct sk_err *err) SK_CHECK;
bool sk_key_is_private(const struct sk_key *k);
int sk_key_private_pem(const struct sk_key *k, struct sk_buf *out, struct sk_err *err) SK_CHECK;
int sk_key_private_der(const struct sk_key *k, struct sk_buf *out,
                       struct sk_err *err) SK_CHECK; /* PKCS#8 */
int sk_key_public_pem(const struct sk_key *k, struct sk_buf *out, struct sk_err *err) SK_CHECK;
/* SHA-256 of SubjectPublicKeyInfo, base64: sigstore's key hint. */
int sk_key_hint(const struct sk_key *k, struct sk_buf *out, struct sk_err *err) SK_CHECK;
/* ASN.1 DER signature over SHA-256 of the bytes. */
int sk_key_sign(const struct sk_key *k, const void *bytes, size_t len, struct sk_buf *out,
                struct sk_err *err) SK_CHECK;
/* SK_DENIED when it is not this key's. */
int sk_key_verify(const struct sk_key *k, const void *bytes, size_t len, const void *signature,
                  size_t signature_len, struct sk_err *err) SK_CHECK;
void sk_key_free(struct sk_key *k);
SK_DEFINE_OWN(struct sk_key, sk_key_free);

/* ---- certificates ---- */
struct sk_cert_request {
    const char *common_name;
    const char *const *names; /* DNS names and IP addresses for subjectAltName, NULL-terminated:
                                 serverAuth; none: clientAuth */
    bool is_ca;               /* pathlen 0 */
    int64_t not_before, not_after; /* seconds since 1970 */
    const struct sk_key *key;      /* of the subject */
    const char *issuer_pem;        /* NULL: self-signed */
    const struct sk_key *issuer_key;
};

int sk_cert_make(const struct sk_cert_request *r, struct sk_buf *pem, struct sk_err *err) SK_CHECK;

enum {
    SK_COMMON_NAME = 129,
    SK_CERT_CA_MAX = 100 /* certificates of one ca_pem */
};

/* Of the first certificate of a PEM text. */
struct sk_cert_info {
    char subject[256];
    char common_name[SK_COMMON_NAME]; /* UTF-8; "": none, several, too long, or with a NUL */
    char sha256[65];                  /* of the DER: what fingerprints show */
    char sha1[41];                    /* likewise, for who registered this one */
    int64_t not_before, not_after;
};

int sk_cert_info(const char *pem, size_t len, struct sk_cert_info *out,
                 struct sk_err *err) SK_CHECK;
int sk_cert_info_der(const void *der, size_t len, struct sk_cert_info *out,
                     struct sk_err *err) SK_CHECK;
/* Whether a client's certificate chains up to one of the CA certificates in ca_pem (each of them is
 * trusted, roots and others; none is taken from elsewhere), is a client's, strong (112 bits), and
 * valid at now_s, like those above it. SK_DENIED says why not; SK_INVALID: der is no certificate,
 * or ca_pem has none, too many, or one that is no CA's. */
int sk_cert_verify(const void *der, size_t len, const char *ca_pem, size_t ca_len, int64_t now_s,
                   struct sk_err *err) SK_CHECK;
/* The certificates that a TLS server shows, unchecked, as PEM, the leaf first. */
int sk_tls_peek(const char *host, uint16_t port, uint64_t timeout_ms, struct sk_buf *pem,
                struct sk_err *err) SK_CHECK;

/*
 * The TLS front: one thread that owns a listening socket, shakes hands (TLS 1.2 and 1.3) with a
 * deadline and a bound on connections, and joins each client to a plain stream socket that `accept`
 * receives (the server's end of a socket pair; ownership passes; the peer's address comes with it).
 * Closing either side closes the other after what was written has been delivered. Clients whose
 * first bytes say so are given away instead, as streams. Handshakes go on between the open
 * connections, a few at a time. Threads: start and stop from one, reload from any; accept and take
 * are called on the front's thread.
 */
struct sk_tls_front;

enum {
    SK_TLS_PREFIX_MAX = 64
};

/* A client, valid during the call of accept or take. */
struct sk_tls_peer {
    const void *addr; /* struct sockaddr */
    unsigned addr_len;
    const void *cert; /* its certificate, DER; NULL: none was shown. Nothing but that the client has
                         its key was checked: whom it names is for the server to judge. */
    size_t cert_len;
};

struct sk_tls_options {
    const char *cert_file, *key_file; /* PEM; the certificate file may hold the chain */
    int listen_fd;                    /* ownership is taken */
    bool is_shared;     /* others have copies of it: its backlog is left to them at the end */
    bool starts_paused; /* accepts nothing before sk_tls_accepting() says so */
    unsigned max_connections;
    unsigned handshake_ms; /* also: how long a client may leave a record of ours unread */
    bool asks_cert;        /* of the client; it need not have one */
    int nice;          /* of the front's thread, 0 to 19: a storm of handshakes yields to others */
    size_t pair_bytes; /* what the server may believe sent and the client has not read; 0: 64 KiB */
    /* 0, or -1 when the plain server does not want it; then the front closes fd. */
    int (*accept)(int fd, const struct sk_tls_peer *peer, void *ctx);
    /* A client whose first bytes (decrypted, within handshake_ms) begin with take_prefix is not
     * joined but given away; "": every client, right after its handshake, and accept may be NULL;
     * NULL: nobody. At most SK_TLS_PREFIX_MAX bytes; borrowed for the front's life. An idle stream
     * of a front with "" costs 17 KB with OpenSSL 3.0 and 25 KB with 3.5 (which would be 33 KB with
     * ML-KEM: that is left out there). */
    const char *take_prefix;
    /* Takes the stream and returns 0, or -1 when it does not want it; then the front closes it. The
     * front has forgotten the client before. The stream works on any thread on which SIGPIPE is
     * blocked or ignored, also after the front's end. */
    int (*take)(struct sk_stream *stream, const struct sk_tls_peer *peer, void *ctx);
    const char *alpn; /* what we speak, as in the handshake ("\x04mqtt"); borrowed for the front's
                         life. NULL: http/1.1 and http/1.0 */
    void *ctx;
};

/* Errors name the file and OpenSSL's reason: a key that does not belong to the certificate, a wrong
 * format. */
int sk_tls_start(const struct sk_tls_options *opts, struct sk_tls_front **out,
                 struct sk_err *err) SK_CHECK;
/* Reads the certificate and the key again, for handshakes from now on; nobody resumes a session of
 * before. After an error all stays as it was. */
int sk_tls_reload(struct sk_tls_front *f, struct sk_err *err) SK_CHECK;
/* Whether to accept; done when it returns. What is not accepted stays in the backlog. */
void sk_tls_accepting(struct sk_tls_front *f, bool on);
/* Closes the listening socket. Open connections go on; handshakes under way have a second to end.
 */
void sk_tls_quiesce(struct sk_tls_front *f);
/* Clients there are, until the last byte and the end of each were delivered; without those that
 * were given away. */
unsigned sk_tls_connections(const struct sk_tls_front *f);
/* Connections closed without a handshake so far, since there were max_connections. */
uint64_t sk_tls_refused(const struct sk_tls_front *f);
/* Cuts what is open; `accept` is not called any more. */
void sk_tls_stop(struct sk_tls_front *f);

/* ---- the TLS client: a stream over a connected socket ---- */
/* What many connections share: 20 KB of each. Threads: any. May go before its connections. */
struct sk_tls_clients;
int sk_tls_clients_new(struct sk_tls_clients **out, struct sk_err *err) SK_CHECK;
void sk_tls_clients_free(struct sk_tls_clients *all);
SK_DEFINE_OWN(struct sk_tls_clients, sk_tls_clients_free);

struct sk_tls_client_options {
    struct sk_tls_clients *shared; /* NULL: it stands alone */
    const char *name;    /* that the certificate must have: a DNS name (also SNI) or an address */
    const char *ca_file; /* PEM, each certificate is trusted as it stands; NULL: the system's */
    const char *cert_file, *key_file; /* ours; NULL: none, and the key in cert_file */
};

/* TLS 1.2 and 1.3; the handshake goes on with sk_tls_client_shake or the first reads and writes,
 * without waiting: until it is done these give SK_STREAM_AGAIN. fd is taken, also on failure. Works
 * on any thread on which SIGPIPE is blocked or ignored. An idle stream costs about 20 KB, or 40 KB
 * alone. */
int sk_tls_client(int fd, const struct sk_tls_client_options *opts, struct sk_stream **out,
                  struct sk_err *err) SK_CHECK;
/* Moves the handshake: 1: it is done; 0: wait for sk_stream_events; -1: why not. SK_DENIED: the
 * server's certificate is not good (expired, not yet valid, for other names, of an unknown CA), or
 * ours is not to the server. After SK_STREAM_LOST: why, as far as it is known (with TLS 1.3 a
 * server refuses our certificate only behind the handshake). Another kind of stream: 1. */
int sk_tls_client_shake(struct sk_stream *s, struct sk_err *err) SK_CHECK;

#endif
