/*
 * test_kill.c - a process that appends is killed at random moments; what it was told is on the disk
 * must be there, in order, and nothing that was never written.
 *
 * The child reports each acknowledged number through a pipe. A record's body follows from its
 * number of order in the process, so that the parent can check it. SKERRY_KILL_ROUNDS and
 * SKERRY_KILL_SEED change the run.
 */
#include "journal/journal_util.h"

#include "base/clock.h"
#include "base/mix64.h"

#include <inttypes.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum {
    ROUNDS = 20,
    MOST_MS = 60
};

static int ledger;

static void report(void *ctx, uint64_t seq, const struct sk_err *failed)
{
    (void)ctx;
    if (failed || write(ledger, &seq, sizeof seq) != sizeof seq)
        _exit(3);
}

/* Sizes are random, some larger than a segment's rest. */
static void append_for_ever(const struct place *p, uint64_t seed)
{
    static char body[70000];
    struct sk_err err = SK_ERR_INIT;
    struct sk_journal *j = NULL;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    memset(body, 'x', sizeof body);
    if (sk_journal_open(&p->opts, &j, &err) < 0)
        _exit(2);
    for (uint64_t i = 0;; i++) {
        uint64_t r = sk_mix64(seed + i);
        size_t len = r % 50 == 0 ? r / 50 % sizeof body : r % 600;
        char key[16];
        (void)snprintf(key, sizeof key, "dev/%u", (unsigned)(r >> 32) % 10);
        while (sk_journal_append(j,
                                 &(struct sk_journal_record){ .key = sk_view_of(key),
                                                              .time_ms = (int64_t)len + 1,
                                                              .body = { body, len },
                                                              .done = report },
                                 &err) < 0) {
            if (err.code != SK_BUSY)
                _exit(4);
            (void)usleep(100);
        }
    }
}

/* The numbers that were told must go up by one; the last of them. */
static uint64_t read_ledger(int fd, uint64_t before)
{
    uint64_t seq, last = 0;

    while (read(fd, &seq, sizeof seq) == sizeof seq) {
        if (last ? seq != last + 1 : seq <= before)
            fail_msg("told %" PRIu64 " after %" PRIu64, seq, last);
        last = seq;
    }
    return last ? last : before;
}

/* All from 1 on, without a gap, each as it was written. Returns the last. */
static uint64_t check_records(struct sk_journal *j)
{
    SK_OWN(sk_journal_cursor_free) struct sk_journal_cursor *c = NULL;
    struct sk_journal_item item;
    struct sk_err err = SK_ERR_INIT;
    uint64_t last = 0;

    DONE(sk_journal_cursor(j, &(struct sk_journal_filter){ 0 }, &c, &err));
    while (sk_journal_next(c, &item, &err) == 1) {
        assert_int_equal(item.seq, last + 1);
        assert_int_equal(item.body.len + 1, item.time_ms);
        if (item.body.len)
            assert_int_equal(item.body.ptr[item.body.len - 1], 'x');
        last = item.seq;
    }
    return last;
}

static uint64_t one_round(struct place *p, uint64_t seed, uint64_t before)
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(ends[0]);
        ledger = ends[1];
        append_for_ever(p, seed);
    }
    (void)close(ends[1]);
    /* The pipe is read while the child runs, else it would wait. */
    uint64_t until = sk_now_ns() + sk_mix64(seed) % (MOST_MS * 1000000ull);
    uint64_t told = before;
    pid_t killer = fork();
    assert_true(killer >= 0);
    if (killer == 0) {
        while (sk_now_ns() < until)
            (void)usleep(200);
        (void)kill(child, SIGKILL);
        _exit(0);
    }
    told = read_ledger(ends[0], before);
    (void)close(ends[0]);
    int status;
    assert_int_equal(waitpid(killer, &status, 0), killer);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("the child ended by itself: %d", WEXITSTATUS(status));
    return told;
}

static void test_kill(void **state)
{
    struct place *p = *state;
    const char *set = getenv("SKERRY_KILL_SEED"), *rounds = getenv("SKERRY_KILL_ROUNDS");
    uint64_t seed = set ? strtoull(set, NULL, 10) : sk_wall_ms(), before = 0;
    unsigned count = rounds ? (unsigned)strtoul(rounds, NULL, 10) : ROUNDS;

    print_message("# seed %" PRIu64 "\n", seed);
    p->opts.segment_bytes = 128 << 10;
    place_close(p);
    for (unsigned i = 0; i < count; i++) {
        uint64_t told = one_round(p, sk_mix64(seed + i), before);
        place_open(p);
        uint64_t last = check_records(p->j);
        if (last < told)
            fail_msg("round %u: told %" PRIu64 ", the last one there is %" PRIu64, i, told, last);
        assert_int_equal(state_of(p).damaged, 0);
        assert_int_equal(state_of(p).next, last + 1);
        place_close(p);
        before = last;
    }
    assert_true(before > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kill, place_set_up, place_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
