/* client.h - the smallest HTTP client: one request, one connection, the whole answer as text. */
#ifndef SK_TESTS_SERVE_CLIENT_H
#define SK_TESTS_SERVE_CLIENT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct answer {
    int status;      /* 0: the connection ended without one */
    char text[8192]; /* head and body, cut */
};

/* method and path as in "POST /predict"; type NULL: none. */
void client_ask(uint16_t port, const char *line, const char *type, const void *body, size_t len,
                struct answer *out);
/* Says in *is_sent when all of it is with the kernel: what is set is never cleared. */
void client_ask_told(uint16_t port, const char *line, const char *type, const void *body,
                     size_t len, atomic_bool *is_sent, struct answer *out);
void client_ask_unix(const char *path, const char *line, const char *type, const void *body,
                     size_t len, struct answer *out);

#endif
