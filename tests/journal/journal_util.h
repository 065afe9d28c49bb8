/*
 * journal_util.h - a journal in a folder of its own, what is in it, and a disk that fails on
 * demand.
 */
#ifndef SK_TESTS_JOURNAL_JOURNAL_UTIL_H
#define SK_TESTS_JOURNAL_JOURNAL_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness/alloc_fail.h"
#include "harness/golden.h"
#include "journal/journal_priv.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A call that must succeed. */
#define DONE(call)                                                                                 \
    do {                                                                                           \
        if ((call) != 0)                                                                           \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)

struct place {
    char *parent, dir[256];
    struct sk_journal_options opts;
    struct sk_journal *j;
};

/* cmocka's set-up and tear-down; the journal is open, with segments of 64 KiB. */
int place_set_up(void **state);
int place_tear_down(void **state);
void place_open(struct place *p);
void place_close(struct place *p);
void place_reopen(struct place *p);

/* Appends and waits; the number. */
uint64_t put(struct place *p, const char *key, const char *text);
/* A record with a body of `size` letters, at a time. */
uint64_t put_large(struct place *p, const char *key, size_t size, int64_t time_ms);
/* The same, which must fail with the code. */
void put_fails(struct place *p, const char *key, const char *text, enum sk_code code);

/* What a cursor gives: "1 2 5 " of numbers, in a static buffer. */
const char *numbers_of(struct sk_journal *j, const struct sk_journal_filter *f);
/* Checks that each record from..until is there in order, and no more. */
void check_all(struct sk_journal *j, uint64_t from, uint64_t until);
struct sk_journal_state state_of(struct place *p);

/* Files of the folder: the path of a segment's file, in a static buffer. */
const char *path_of(struct place *p, uint64_t first, const char *end);
void flip_byte(const char *path, size_t at, uint8_t with);
size_t size_of(const char *path);

/* ---- the order of writes: no record goes beyond the zeros that were written and synced ---- */

/* Called by what stands for the disk, before a write and after what succeeded; ends the process
 * when a record comes too early. */
void order_made(int fd);
void order_write(int fd, const void *bytes, size_t len, off_t at);
void order_synced(int fd);
void order_cut(int fd, off_t len);
/* What is there is not known any more; place_open does it. */
void order_forget(void);
/* Bytes of zeros that were written, and of records. */
void order_sums(uint64_t *zeros, uint64_t *records);

/* ---- the disk ---- */
enum faulty_call {
    FAULTY_NONE,
    FAULTY_OPEN,
    FAULTY_WRITE,
    FAULTY_TEAR, /* a write of which half happens */
    FAULTY_DATASYNC,
    FAULTY_SYNC,
    FAULTY_ALLOCATE,
    FAULTY_TRUNCATE
};

/* The n-th such call from now on fails; all after it too when `for_good`. */
void faulty_arm(enum faulty_call call, unsigned n, int number, bool for_good);
/* Whether something failed. */
bool faulty_disarm(void);
/* Each sync of data takes so long. */
void faulty_slow(unsigned us);
/* Each sync of data waits from the hold to the release, or faulty_disarm. wait_held: until one
 * does; fails the test when none comes. */
void faulty_hold(void);
void faulty_wait_held(void);
void faulty_release(void);
void faulty_install(void);

#endif
