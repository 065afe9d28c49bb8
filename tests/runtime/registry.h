/*
 * registry.h - a small registry on loopback: what a test puts into it, over plain HTTP.
 *
 * One thread, one connection at a time, a request each. Pieces of a blob are answered by range, so
 * a download that was cut can go on.
 */
#ifndef SK_TESTS_RUNTIME_REGISTRY_H
#define SK_TESTS_RUNTIME_REGISTRY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    REGISTRY_ITEMS = 64
};

struct registry_item {
    char path[256], type[128];
    char *bytes;
    size_t len;
};

struct registry {
    char host[32];         /* "127.0.0.1:PORT" */
    pthread_mutex_t mutex; /* items, count, login, cut_at */
    struct registry_item items[REGISTRY_ITEMS];
    size_t count;
    const char *login;      /* base64 of NAME:PASSWORD; NULL: everybody may */
    size_t cut_at;          /* a blob's answer ends after so many bytes, once; 0: never */
    atomic_uint blob_bytes; /* of blobs, sent */
    atomic_uint requests;
    atomic_bool is_ending;
    int fd;
    pthread_t thread;
};

/* Never returns without one. */
struct registry *registry_start(void);
/* Replaces what was there. */
void registry_put(struct registry *r, const char *path, const char *type, const void *bytes,
                  size_t len);
/* base64 of NAME:PASSWORD; NULL: everybody may. */
void registry_demand(struct registry *r, const char *login);
/* The next blob's answer ends after so many bytes. */
void registry_cut(struct registry *r, size_t at);
/* Nobody answers any more. */
void registry_stop(struct registry *r);
void registry_free(struct registry *r);

#endif
