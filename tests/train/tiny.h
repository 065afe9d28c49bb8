/*
 * tiny.h - a training that takes a second: two classes of striped pictures in a temporary folder, a
 * small network.
 */
#ifndef SK_TESTS_TRAIN_TINY_H
#define SK_TESTS_TRAIN_TINY_H

#include "train/train_priv.h"

#include <stdbool.h>
#include <stddef.h>

struct tiny {
    char root[64]; /* temporary folder */
    char data[96], out[128];
    struct sk_train_options options;
    struct sk_train_watch watch;
    atomic_bool stop;
    unsigned batches, epochs; /* seen by the watch */
    unsigned stop_after;      /* batches; 0: never */
    char notes[4096];
    struct sk_comm *comm;
    struct sk_train t;
};

/* cmocka's setup and teardown: *state is a struct tiny with 12 + 8 pictures. */
int tiny_setup(void **state);
int tiny_teardown(void **state);

/* count pictures more in data/NAME, from number `first` on. */
void tiny_add(struct tiny *x, const char *name, unsigned first, unsigned count);
/* A file under data/ with other contents. */
void tiny_write(struct tiny *x, const char *name, const char *text);
/* x->t, ready for its first step. */
void tiny_open(struct tiny *x);
void tiny_close(struct tiny *x);
/* The whole training; fails the test when it fails. */
struct sk_train_result tiny_train(struct tiny *x);
/* The training must fail; its error. */
struct sk_err tiny_fails(struct tiny *x);
/* A whole file, NUL-terminated; free() it. */
char *tiny_read(struct tiny *x, const char *name, size_t *len);

#endif
