/* client.h - a raw HTTP client for tests: sends exactly the bytes it is given and reads one answer
 * at a time. */
#ifndef SK_TESTS_HTTP_CLIENT_H
#define SK_TESTS_HTTP_CLIENT_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_WAIT_MS = 20000 /* for what must come */
};

struct client {
    int fd;
    struct sk_buf in; /* received and not used yet */
};

struct answer {
    int status; /* 0: the connection ended without one */
    char head[4096];
    char body[4096]; /* its beginning, with NUL */
    size_t body_len;
};

/* All fail the cmocka test when the network does; reading gives up after HTTP_WAIT_MS. */
void client_open(struct client *c, uint16_t port);
void client_open_unix(struct client *c, const char *path);
void client_close(struct client *c);
void client_send(struct client *c, const char *text);
/* False when the peer has closed: bytes may be lost then. */
bool client_send_bytes(struct client *c, const void *bytes, size_t len);
void client_read(struct client *c, bool is_head, struct answer *out);
/* True when the server ends the connection within ms, with nothing sent before. */
bool client_ends(struct client *c, int ms);
/* Opens, sends, reads, closes. */
void client_ask(uint16_t port, const char *text, struct answer *out);
/* The value of a header of an answer, NULL: absent; valid until the next call. */
const char *answer_header(const struct answer *a, const char *name);

#endif
