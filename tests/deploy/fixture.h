/* fixture.h - a hub's folder with devices and deployments, and what was told. */
#ifndef SK_TESTS_DEPLOY_FIXTURE_H
#define SK_TESTS_DEPLOY_FIXTURE_H

#include "deploy/deploy_priv.h"

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

/* A base deployment: module m with the image TAG, and a route. */
#define BASE(tag)                                                                                  \
    "{\"modulesContent\":{\"$edgeAgent\":{\"properties.desired\":{\"schemaVersion\":\"1.1\","      \
    "\"runtime\":{\"type\":\"docker\",\"settings\":{\"minDockerVersion\":\"v1.25\"}},"             \
    "\"systemModules\":{"                                                                          \
    "\"edgeAgent\":{\"type\":\"docker\",\"settings\":{\"image\":\"hub.local/edge/agent:1\"}},"     \
    "\"edgeHub\":{\"type\":\"docker\",\"status\":\"running\",\"restartPolicy\":\"always\","        \
    "\"settings\":{\"image\":\"hub.local/edge/hub:1\"}}},\"modules\":{\"m\":{\"type\":\"docker\"," \
    "\"status\":\"running\",\"restartPolicy\":\"always\",\"version\":\"1.0\","                     \
    "\"settings\":{\"image\":\"hub.local:8443/m/" tag ":1\",\"createOptions\":\"{}\"}}}}},"        \
    "\"$edgeHub\":{\"properties.desired\":{\"schemaVersion\":\"1.1\",\"routes\":{"                 \
    "\"up\":\"FROM /messages/* INTO $upstream\"},"                                                 \
    "\"storeAndForwardConfiguration\":{\"timeToLiveSecs\":7200}}},"                                \
    "\"m\":{\"properties.desired\":{\"tag\":\"" tag "\"}}}}"
/* A layer: module NAME, and what m is told. */
#define LAYER(name)                                                                                \
    "{\"modulesContent\":{\"$edgeAgent\":{\"properties.desired.modules." name "\":{"               \
    "\"type\":\"docker\",\"status\":\"running\",\"restartPolicy\":\"always\","                     \
    "\"settings\":{\"image\":\"hub.local/layer/" name ":2\"}}},"                                   \
    "\"m\":{\"properties.desired.layer\":\"" name "\"}}}"
/* A layer that leaves $edgeAgent alone. */
#define QUIET "{\"modulesContent\":{\"$edgeAgent\":{},\"m\":{\"properties.desired.quiet\":1}}}"

enum {
    PATIENCE_MS = 120000 /* nothing takes so long; less than the five minutes between two looks */
};

struct fixture {
    char *top;
    char dir[512];
    struct sk_store *store;
    struct sk_accounts *accounts;
    struct sk_devices *devices;
    struct sk_deploy *d;
    struct sk_who service;
    struct sk_who reader;
    uint64_t interval_ms;
    int has_image;         /* what the registry says; -1: it is not asked */
    pthread_mutex_t mutex; /* guards told */
    struct sk_buf told;    /* "d {..}\n" */
};

/* cmocka setup and teardown; *state is the fixture. */
int fixture_make(void **state);
int fixture_remove(void **state);
/* Ends the deployments and devices, or begins them, on the same folder. */
void fixture_close(struct fixture *f);
void fixture_open(struct fixture *f);
void fixture_reopen(struct fixture *f);

struct sk_json *parse(const char *text);
struct sk_identity make_edge(struct fixture *f, const char *device);
struct sk_identity make_device(struct fixture *f, const char *device);
struct sk_identity make_module(struct fixture *f, const char *device, const char *module);
/* Many edge devices "e000000" at once, told to nobody. */
void make_many(struct fixture *f, int64_t count);
void set_tags(struct fixture *f, const char *device, const char *tags);
void report(struct fixture *f, const char *device, const char *module, const char *patch);
/* A configuration that must come out right. */
void put(struct fixture *f, const char *id, int priority, const char *target, const char *content);
/* Another target and priority; content NULL: not named. */
void change(struct fixture *f, const char *id, int priority, const char *target);
void drop(struct fixture *f, const char *id);
/* Waits until nothing is pending, at most PATIENCE_MS: every change wakes the evaluation. */
void settle(struct fixture *f);
/* One text, one number from the database. The text lives until the next call. */
const char *text_of(struct fixture *f, const char *sql);
int64_t number(struct fixture *f, const char *sql);
void run_sql(struct fixture *f, const char *sql);
/* "desired" or "configurations" of a twin. */
const char *twin_of(struct fixture *f, const char *device, const char *module, const char *column);
/* Progress since the last call, and forgets it. */
const char *told(struct fixture *f);

#endif
