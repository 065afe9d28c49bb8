/* store_util.h - a hub's folder for the tests of store. */
#ifndef SK_TESTS_STORE_STORE_UTIL_H
#define SK_TESTS_STORE_STORE_UTIL_H

#include "store/store_priv.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
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
#define FAILS(call, expected)                                                                      \
    do {                                                                                           \
        assert_int_equal(call, -1);                                                                \
        assert_string_equal(sk_code_name(err.code), sk_code_name(expected));                       \
    } while (0)

struct place {
    char *top;     /* a folder of the test */
    char dir[512]; /* the hub's, below it */
    struct sk_store *store;
};

/* set-up and tear-down: *state is a struct place with an open store. */
int place_set_up(void **state);
int place_tear_down(void **state);

/* Stores a text as a blob by sk_blob_put; the digest in a static buffer of 8. */
const char *put_blob(struct sk_store *s, const char *text);
/* The same by its SHA-512. */
const char *put_blob_512(struct sk_store *s, const char *text);
/* As put_blob, by an upload. */
const char *upload_blob(struct sk_store *s, const char *text);
void put_artifact(struct sk_store *s, const char *path, const char *digest);
/* "sha256:..." of a text; a static buffer of 8. */
const char *digest_of(const char *text);
const char *digest_512(const char *text);
bool has_blob(struct sk_store *s, const char *digest);
/* Sets touched_ms of every blob this long back. */
void age_blobs(struct sk_store *s, uint64_t ms);
/* A number that a query gives. */
int64_t ask(struct sk_store *s, const char *sql);
/* How many files are below dir/sub. */
size_t count_files(const struct place *p, const char *sub);
/* The file of a blob; a static buffer. */
const char *blob_file(const struct place *p, const char *digest);
/* verify finds this many problems. */
void expect_problems(struct sk_store *s, uint64_t problems);
/* Reads a file; free(). */
char *slurp(const char *path, size_t *len);
void spit(const char *path, const char *text);

#endif
