/*
 * loopback.h - an HTTP server on 127.0.0.1 that says what a test wrote down.
 *
 * The n-th connection gets the n-th reply, byte for byte, and is closed; the last reply goes to all
 * that come after it.
 */
#ifndef SK_FETCH_LOOPBACK_H
#define SK_FETCH_LOOPBACK_H

#include <pthread.h>
#include <stddef.h>

#define SK_LOOPBACK_SILENCE "(silence)" /* as a reply: nothing, until the client hangs up */

enum {
    SK_LOOPBACK_REQUESTS = 32,
    SK_LOOPBACK_REQUEST_BYTES = 8192,
    SK_LOOPBACK_REPLY_BYTES = 1024,
};

struct sk_loopback {
    int port;
    /* after sk_loopback_stop: what came, as text */
    unsigned count;
    char requests[SK_LOOPBACK_REQUESTS][SK_LOOPBACK_REQUEST_BYTES];
    /* its own */
    const char *const *replies;
    int fd;
    pthread_t thread;
};

/* replies: NULL-terminated, borrowed until the stop. Never returns without a server. */
struct sk_loopback *sk_loopback_start(const char *const *replies);
/* Ends it; the requests can be read. */
void sk_loopback_stop(struct sk_loopback *s);
void sk_loopback_free(struct sk_loopback *s);

/* "http://127.0.0.1:PORT" + path into out[256]. */
const char *sk_loopback_url(const struct sk_loopback *s, const char *path, char *out);

#endif
