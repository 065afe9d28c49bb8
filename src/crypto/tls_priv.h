/*
 * tls_priv.h - between tls.c (the front: listening socket, thread), tls_context.c (what its
 * handshakes share), tls_link.c (one connection) and tls_stream.c (one that was given away).
 */
#ifndef SK_CRYPTO_TLS_PRIV_H
#define SK_CRYPTO_TLS_PRIV_H

#include "base/stream.h"
#include "crypto/crypto.h"

#include <openssl/ssl.h>
#include <stdbool.h>

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

int sk_tls_context(const struct sk_tls_options *opts, SSL_CTX **out, struct sk_err *err) SK_CHECK;

/* Takes ssl and fd; NULL, and takes neither: out of memory. first: was read already. */
struct sk_stream *sk_tls_stream_new(SSL *ssl, int fd, const char *first, size_t first_len);

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

#endif
