/*
 * runtime_util.h - a host of its own in a temporary folder, images for it in a small registry, and
 * the program that native modules are.
 */
#ifndef SK_TESTS_RUNTIME_RUNTIME_UTIL_H
#define SK_TESTS_RUNTIME_RUNTIME_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "runtime/registry.h"
#include "runtime/runtime_priv.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A call that must succeed. */
#define DONE(call)                                                                                 \
    do {                                                                                           \
        if ((call) != 0)                                                                           \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

/* One that must fail so, with words in its text. */
#define FAILS(call, expected, words)                                                               \
    do {                                                                                           \
        err = (struct sk_err)SK_ERR_INIT;                                                          \
        if ((call) == 0)                                                                           \
            fail_msg("%s: succeeds", #call);                                                       \
        if (err.code != (expected) || !strstr(err.text, words))                                    \
            fail_msg("%s: %s: %s", #call, sk_code_name(err.code), err.text);                       \
    } while (0)

struct host {
    struct sk_runtime_host h;
    char dir[128], data[160], run[160];
    struct registry *registry;
};

/* cmocka's set-up and tear-down; what still runs is killed. */
int host_set_up(void **state);
int host_tear_down(void **state);

/* Path below the host's folder; eight at a time. */
const char *host_at(struct host *p, const char *name);
/* Lets native modules have users of their own; false: we are not root. */
bool host_with_users(struct host *p);

struct image {
    const char *name;   /* repository: "cats" */
    const char *tag;    /* NULL: v1 */
    const char *entry;  /* JSON array; NULL: skerry serve */
    const char *format; /* label skerry.bundle; NULL: 1; "": none */
    const char *cmd;    /* JSON array; NULL: the model */
    const char *model;  /* the model's bytes; NULL: tests/data/models/scores.onnx */
    bool has_two_models, has_no_model, is_wrong_id;
    size_t padding; /* a further file of so many bytes */
};

/* Publishes it. text: "127.0.0.1:PORT/cats:v1" (128 bytes). */
void publish(struct host *p, const struct image *i, char *text);
/* sk_runtime_pull of its own: fails the test when it does. */
struct sk_runtime_image pull(struct host *p, const char *image);

/* A module of an image that was pulled, as start takes it: the test's own program (module.h), or
 * the real one. Options that a row changes go into s. */
struct module {
    struct host *host;
    struct sk_runtime_image image;
    char name[128], does[64];
    const char *env[8];
    struct sk_runtime_socket socket;
    int port;
    struct sk_runtime_start s;
    struct sk_instance i;
};

/* does NULL: the real program, with a published port. */
void module_prepare(struct host *p, struct module *m, const char *does);
/* Until one that was started says that it is ready (module.h: those that wait). */
void module_wait_ready(const struct module *m);
/* Starts it, waits until it has ended by itself, and gives what it left in HOME/name (free()). */
char *module_result(struct module *m, const char *name, struct sk_runtime_status *st);
/* Stops it, removes it, closes its socket; as far as there is one. */
void module_done(struct module *m);

/* A listening socket on loopback; *port. */
int listen_somewhere(int *port);
/* GET or POST of a server on loopback: the status, 0: nobody answers. body: 4096 bytes, or NULL. */
int ask(int port, const char *request, char *body);
/* The state after at most ms, when it is not RUNNING any more; RUNNING otherwise. */
enum sk_runtime_state wait_for_end(struct host *p, const struct sk_instance *i, unsigned ms,
                                   struct sk_runtime_status *out);

#endif
