/* engine.h - what an Engine would answer, from a table, on a socket of its own; for what a real one
 * does not do on demand. tests/docker/test_docker_real.c has the real one. */
#ifndef SK_TESTS_DOCKER_ENGINE_H
#define SK_TESTS_DOCKER_ENGINE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "docker/docker_priv.h"

#include <pthread.h>

enum {
    ENGINE_HANGS_UP = -1 /* instead of a status */
};

struct engine_row {
    const char *request; /* how it begins, "GET /v1.44/containers/" */
    int status;
    const char *body;
    unsigned times; /* at most so often; 0: any number */
};

struct engine {
    struct sk_docker docker;
    char dir[64], socket[96];
    const struct engine_row *rows; /* the first that fits; else 404 */
    size_t count;
    unsigned used[32];
    int door;
    pthread_t thread;
    struct sk_buf heard; /* all requests with heads and bodies; read it after engine_end */
};

void engine_begin(struct engine *e, const struct engine_row *rows, size_t count);
void engine_end(struct engine *e);  /* heard stays */
void engine_done(struct engine *e); /* frees it */
bool engine_heard(const struct engine *e, const char *text);

#define ENGINE_ROWS(rows) (rows), sizeof(rows) / sizeof((rows)[0])

#endif
