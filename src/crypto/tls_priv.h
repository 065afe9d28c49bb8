/*
 * tls_priv.h - between tls.c (the front: listening socket, thread), tls_context.c (what its
 * handshakes share), tls_link.c (one connection) and tls_stream.c (one that was given away); the
 * last is also under tls_client.c.
 */
#ifndef SK_CRYPTO_TLS_PRIV_H
#define SK_CRYPTO_TLS_PRIV_H

#include "base/stream.h"
#include "crypto/crypto.h"

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/stat.h>

enum {
    SK_TLS_RECORD_BYTES = 16384,
    SK_TLS_CHUNK_BYTES = 65536, /* four records */
    SK_TLS_SPARES = 8,          /* buffers kept for the next that needs one */
    SK_TLS_LINGER_MS = 1000,    /* our close is waited for so long */
    SK_TLS_ADDR_BYTES = 128,    /* struct sockaddr_storage */
};

/* Buffers that no link needs now; all links of a front share them. */
struct sk_tls_spares {
    char *list[SK_TLS_SPARES];
    unsigned count;
};

struct sk_tls_pipe {
    char *bytes; /* SK_TLS_CHUNK_BYTES; NULL while the pipe is empty */
    size_t start, end;
};

enum sk_tls_stage {
    SK_TLS_SHAKING,
    SK_TLS_CHOOSING, /* shaken; its first bytes say whose it is */
    SK_TLS_OPEN,
    SK_TLS_CLOSING,
    SK_TLS_DEAD
};

/* One client: `client` speaks TLS, `plain` is our end of the pair whose other end the server has
 * (-1 while shaking hands). */
struct sk_tls_link {
    struct sk_tls_link *next, **prev;
    SSL *ssl;
    struct sk_tls_spares *spares;
    int client, plain;
    unsigned client_events, plain_events; /* registered with epoll */
    enum sk_tls_stage stage;
    uint64_t deadline_ms; /* 0: none */
    uint64_t acked;       /* by the client when the deadline of OPEN was set */
    unsigned patience_ms; /* of the handshake, and of a client that does not read */
    bool client_ended, client_is_cut, plain_ended, plain_told;
    bool reads_need_write, writes_need_read;
    struct sk_tls_pipe inward, outward;
    char first[SK_TLS_PREFIX_MAX]; /* read while choosing */
    size_t first_len;
    char addr[SK_TLS_ADDR_BYTES];
    unsigned addr_len;
};

enum sk_tls_choice {
    SK_TLS_FAILS,
    SK_TLS_WAITS,
    SK_TLS_JOINS,
    SK_TLS_IS_TAKEN
};

/* Whether no client is joined. */
static inline bool sk_tls_takes_all(const struct sk_tls_options *opts)
{
    return opts->take && opts->take_prefix && opts->take_prefix[0] == '\0';
}

/* A connection keeps the keys of its handshake: those of ML-KEM (OpenSSL 3.5) are 6 KiB. */
#define SK_TLS_GROUPS  "X25519:P-256:P-384:P-521"
#define SK_TLS_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20" /* of TLS 1.2 */

/* SSL_CTX_set1_groups_list(SK_TLS_GROUPS); 1: done. */
long sk_tls_set_groups(SSL_CTX *ctx);
/* For SSL_CTX_set_default_passwd_cb: a key with a passphrase is an error. */
int sk_tls_no_passphrase(char *buf, int size, int is_writing, void *arg);
/* "TLS what 'file': OpenSSL's reason"; empties its queue of errors. Returns -1. */
int sk_tls_fail(struct sk_err *err, const char *what, const char *file);
int sk_tls_context(const struct sk_tls_options *opts, SSL_CTX **out, struct sk_err *err) SK_CHECK;

/* Takes ssl and fd; NULL, and takes neither: out of memory. first: was read already. */
struct sk_stream *sk_tls_stream_new(SSL *ssl, int fd, const char *first, size_t first_len);
/* *why: OpenSSL's first error; 0: it has none, as after a reset. */
bool sk_tls_stream_is_lost(const struct sk_stream *s, unsigned long *why);

/* Reads until the client's first bytes are the prefix, or differ; keeps them in `first`. */
enum sk_tls_choice sk_tls_link_choose(struct sk_tls_link *l, const char *prefix);
/* From now on it is joined; what was read while choosing comes first. False: no memory. */
bool sk_tls_link_open(struct sk_tls_link *l);
/* Moves bytes in both directions until nothing moves; sets the stage to SK_TLS_DEAD at the end. Not
 * before sk_tls_link_open(). */
void sk_tls_link_pump(struct sk_tls_link *l, uint64_t now_ms);
/* Gives the pipes' memory back, whatever is in them. */
void sk_tls_link_drop(struct sk_tls_link *l);
/* Whether its deadline is over; that of a slow client moves while it takes what was sent. */
bool sk_tls_link_is_late(struct sk_tls_link *l, uint64_t now_ms);
/* 1: done, 0: goes on, -1: failed. */
int sk_tls_link_shake(struct sk_tls_link *l);
/* The epoll events each side waits for. */
void sk_tls_link_wants(const struct sk_tls_link *l, unsigned *client, unsigned *plain);

/* ---- tls_roots.c ---- */
/* What a CA file holds. */
struct sk_tls_roots {
    X509_STORE *store;
    unsigned users;
    char *ca_file; /* NULL: the system's */
    struct stat seen;
};

struct sk_tls_clients {
    SSL_CTX *ctx;
    pthread_mutex_t lock;       /* guards what follows, and users of roots */
    unsigned refs;              /* the owner's, and those of handshakes that go on */
    struct sk_tls_roots *roots; /* of the last that was asked for; not owned */
};

/* What the file holds now; ca_file NULL: the system's. Behind it is one sk_tls_roots_drop. */
int sk_tls_roots_take(struct sk_tls_clients *all, const char *ca_file, struct sk_tls_roots **out,
                      struct sk_err *err) SK_CHECK;
/* all may have lost its owner meanwhile, and goes then. r: NULL is taken. */
void sk_tls_roots_drop(struct sk_tls_clients *all, struct sk_tls_roots *r);

#endif
