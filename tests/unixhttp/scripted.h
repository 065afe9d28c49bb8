/* scripted.h - a unix socket whose peer answers exactly the bytes it was given, whatever is asked.
 */
#ifndef SK_TESTS_UNIXHTTP_SCRIPTED_H
#define SK_TESTS_UNIXHTTP_SCRIPTED_H

#include "base/buf.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum scripted_flags {
    SCRIPTED_STAYS = 1u << 0, /* the connection is held open until the client ends it */
    SCRIPTED_EARLY = 1u << 1, /* answers before it has read anything, and reads nothing */
    SCRIPTED_DRIP = 1u << 2   /* one byte at a time */
};

struct scripted {
    char dir[64], path[80];
    int fd;
    pthread_t thread;
    const char *answer;
    size_t answer_len;
    unsigned flags;
    struct sk_buf request; /* read it behind scripted_stop */
};

/* One connection is served. All fail the cmocka test when the system does. */
void scripted_start(struct scripted *s, const char *answer, size_t len, unsigned flags);
/* Joins; the request stays until scripted_done. */
void scripted_stop(struct scripted *s);
void scripted_done(struct scripted *s);

#endif
