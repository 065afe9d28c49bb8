/* db_util.h - a database in a folder of its own, for the tests of db. */
#ifndef SK_TESTS_DB_DB_UTIL_H
#define SK_TESTS_DB_DB_UTIL_H

#include "db/db_priv.h"
#include "harness/alloc_fail.h"
#include "harness/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TEST_APP 0x736b7431u

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
    char *dir;
    char path[512];
    struct sk_db_options opts;
    struct sk_db *db;
};

extern const char *const test_migrations[];

/* set-up and tear-down of a test: *state is a struct place with an open database with the table
 * pair(name TEXT PRIMARY KEY, value INTEGER). */
int place_set_up(void **state);
int place_tear_down(void **state);

/* One statement in one transaction. */
void put(struct sk_db *db, const char *name, int64_t value);
/* A number that a query gives, in a transaction of its own. */
int64_t ask(struct sk_db *db, const char *sql);

#endif
