/*
 * spool_util.h - a spool in a folder of its own, clocks that a test sets, puts that are waited for.
 */
#ifndef SK_TESTS_SPOOL_SPOOL_UTIL_H
#define SK_TESTS_SPOOL_SPOOL_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/alloc_fail.h"
#include "harness/golden.h"
#include "spool/spool_priv.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A call that must succeed. */
#define DONE(call)                                                                                 \
    do {                                                                                           \
        if ((call) != 0)                                                                           \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

struct place {
    char *parent, dir[256];
    struct sk_spool_options opts;
    struct sk_spool *s;
};

/* cmocka's set-up and tear-down; the spool is open, with segments of 64 KiB. */
int place_set_up(void **state);
int place_tear_down(void **state);
void place_open(struct place *p);
void place_close(struct place *p);
void place_reopen(struct place *p);
struct sk_spool_state state_of(struct place *p);

/* ---- clocks ---- */
struct test_clock {
    uint64_t wall_ms, boot_ms;
    uint32_t boot;
    bool is_synced;
};

extern struct test_clock test_clock;
/* From now on, until the test's end, the spool's clocks are these. */
void clocks_set(struct test_clock c);

/* ---- putting ---- */

/* Puts and waits; SK_OK, or what it failed with. */
enum sk_code put_to(struct place *p, const struct sk_spool_target *targets, size_t count,
                    const char *key, const char *body);
/* To one endpoint, with that priority, which must succeed. */
void put(struct place *p, const char *endpoint, unsigned priority, const char *body);
/* With a body of that many letters; the code. */
enum sk_code put_large(struct place *p, const char *endpoint, unsigned priority, size_t size);
/* With a time to live. */
void put_ttl(struct place *p, const char *endpoint, const char *body, int64_t ttl_ms);

/* ---- taking ---- */

/* Bodies of all that a new reader gives, "a b c ", in a static buffer. They are delivered if so. */
const char *take_all(struct place *p, const char *endpoint, bool are_delivered);
/* The same with a reader, at most `most`. */
const char *take(struct sk_spool_reader *r, size_t most, bool are_delivered);

/* Bytes of the disk below the folder, as the file system counts them. */
uint64_t disk_of(const char *dir);

#endif
