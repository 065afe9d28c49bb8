/* fixture.h - a journal of messages in a store of its own, and records made by hand. */
#ifndef SK_TESTS_TELEMETRY_FIXTURE_H
#define SK_TESTS_TELEMETRY_FIXTURE_H

#include "telemetry/telemetry_priv.h"

#include "harness/alloc_fail.h"
#include "harness/golden.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a)  (sizeof(a) / sizeof((a)[0]))
#define ROW(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_remove)

#define DONE(call)                                                                                 \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s", err.text);                                                              \
    } while (0)

enum {
    TIME_MS = 1000
};

struct fixture {
    char *top;
    char dir[512];
    struct sk_store *store;
    struct sk_telemetry *t;
};

/* cmocka setup and teardown; *state is the fixture. */
int fixture_make(void **state);
int fixture_remove(void **state);
void fixture_reopen(struct fixture *f);

/* Adds a message and waits until it is there. bag: as on the wire; NULL: none. */
uint64_t add(struct fixture *f, const char *device, const char *module, const char *bag,
             const char *body);
uint64_t add_message(struct fixture *f, const struct sk_message *m);
/* The numbers that a filter finds, "1 2 3 "; the text lives until the next call. */
const char *numbers_of(struct fixture *f, const struct sk_telemetry_filter *filter);
/* A record of a message with this bag. */
void record_of(const char *bag, struct sk_view body, unsigned flags, struct sk_buf *out);
/* Whether JSON text is such. */
void must_parse(const char *text, size_t len);

#endif
