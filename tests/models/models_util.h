/* models_util.h - a hub's folder with a few blobs, and answers without their times. */
#ifndef SK_TESTS_MODELS_MODELS_UTIL_H
#define SK_TESTS_MODELS_MODELS_UTIL_H

#include "models/models_priv.h"

#include "harness/alloc_fail.h"
#include "harness/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define DONE(call)                                                                                 \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s", err.text);                                                              \
    } while (0)
#define FAILS(call, expected, says)                                                                \
    do {                                                                                           \
        assert_int_equal(call, -1);                                                                \
        assert_string_equal(sk_code_name(err.code), sk_code_name(expected));                       \
        if (!strstr(err.text, says))                                                               \
            fail_msg("'%s' does not say '%s'", err.text, says);                                    \
    } while (0)

/* Digests of the blobs "one", "two" and "three" that are there. */
#define BLOBS 3

struct place {
    char *top;
    char dir[512];
    struct sk_store *store;
    struct sk_who who; /* a publisher called "ada" */
    char blobs[BLOBS][SK_DIGEST_TEXT];
    struct sk_buf out; /* room for answers; cleared by answer() */
};

/* set-up and tear-down of a test: *state is a struct place. */
int place_set_up(void **state);
int place_tear_down(void **state);

/* The place's answer with each time of 13 digits as T, and cleared. Lives until the next call. */
const char *answer(struct place *p);
/* A model without anything. */
void make_model(struct place *p, const char *name);
/* A version of one file "model.onnx", blob `blob`; the model is made too. Gives the number. */
uint64_t make_version(struct place *p, const char *name, unsigned blob);
void put_artifact(struct place *p, const char *path, unsigned blob);
/* A number that a query gives. */
int64_t ask(struct place *p, const char *sql);
/* `text` n times; free() it. */
char *repeat(const char *text, size_t n);

#endif
