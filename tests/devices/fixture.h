/* fixture.h - an empty hub's folder with its devices, and the events they told. */
#ifndef SK_TESTS_DEVICES_FIXTURE_H
#define SK_TESTS_DEVICES_FIXTURE_H

#include "devices/devices_priv.h"

#include "harness/alloc_fail.h"
#include "harness/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
#define ROW(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_remove)

struct fixture {
    char *top;
    char dir[512];
    struct sk_store *store;
    struct sk_accounts *accounts;
    struct sk_devices *d;
    struct sk_who service;  /* all rights but DEVICE */
    struct sk_who registry; /* REGISTRY_READ and _WRITE */
    struct sk_who reader;   /* REGISTRY_READ */
    pthread_mutex_t mutex;  /* guards events */
    struct sk_buf events;   /* "created d/m\n", "desired d 2 {..}\n" */
};

/* cmocka setup and teardown; *state is the fixture. */
int fixture_make(void **state);
int fixture_remove(void **state);
/* Ends the devices, and begins them anew on the same folder. */
void fixture_reopen(struct fixture *f);

/* A device that must come out right; NULL auth: sas. */
struct sk_identity make_device(struct fixture *f, const char *device);
struct sk_identity make_edge(struct fixture *f, const char *device);
struct sk_identity make_module(struct fixture *f, const char *device, const char *module);
struct sk_json *parse(const char *text);
/* The events since the last call, and forgets them; the text lives until the next call. */
const char *told(struct fixture *f);
/* One number, one text from the database. The text lives until the next call. */
int64_t number(struct fixture *f, const char *sql);
const char *text_of(struct fixture *f, const char *sql);
/* Waits until all that was pushed is on the disk. */
void settle(struct fixture *f);
void run_sql(struct fixture *f, const char *sql);
/* A change of a twin by the service that must come out right. */
void change_twin(struct fixture *f, const char *device, const char *module, const char *json);

#endif
