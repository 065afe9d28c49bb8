/*
 * comm_priv.h - what comm.c and the plugin agree on.
 *
 * The plugin is a shared library with one symbol of its own, `sk_comm_plugin`, which returns a
 * table of functions. The program itself knows no MPI; the plugin knows nothing of the program but
 * this header. A table of another version is refused, so an old plugin is an error and not a crash.
 */
#ifndef SK_COMM_COMM_PRIV_H
#define SK_COMM_COMM_PRIV_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define SK_COMM_PLUGIN_SYMBOL "sk_comm_plugin"

enum {
    SK_COMM_PLUGIN_VERSION = 1,
    SK_COMM_NAME_SIZE = 64
};

/* What a process gets by joining the others. */
struct sk_comm_place {
    unsigned rank, size;
    char name[SK_COMM_NAME_SIZE];
};

/* As in comm.h; there is one group of processes, so no function takes it. */
struct sk_comm_plugin {
    unsigned version;
    int (*open)(struct sk_comm_place *out, struct sk_err *err);
    void (*close)(void);
    int (*sum_f32)(float *values, size_t count, struct sk_err *err);
    int (*sum_f64)(double *values, size_t count, struct sk_err *err);
    int (*max_i64)(int64_t *values, size_t count, struct sk_err *err);
    int (*share)(void *bytes, size_t len, struct sk_err *err);
    void (*abort)(int status);
};

typedef const struct sk_comm_plugin *sk_comm_plugin_fn(void);

#endif
