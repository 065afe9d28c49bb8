/*
 * test_kill.c - a process that puts, takes and tells is killed at random moments, in some rounds
 * while it opens: what was acknowledged and not delivered is there, in order, and nothing that was
 * never put.
 *
 * The child writes into a pipe what was acknowledged, and before it says so to the spool, what was
 * delivered; this ledger is kept here. Messages are numbered by key; a third of them goes to two
 * queues. SKERRY_KILL_ROUNDS and SKERRY_KILL_SEED change the run.
 */
#include "spool/spool_util.h"

#include "base/clock.h"
#include "base/mix64.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum {
    ROUNDS = 15,
    MOST_MS = 80,
    KEYS = 3,
    QUEUES = 3,
    NUMBERS = 400000, /* of each key, in all rounds */
};

static const struct sk_spool_target queues[QUEUES] = { { "$upstream", 9, 0 },
                                                       { "$upstream", 2, 0 },
                                                       { "module/in", 5, 0 } };

/* A line of the ledger; both kinds are smaller than what a pipe writes at once. */
struct line {
    uint32_t number;
    uint8_t key, queue, is_delivered;
};

static int ledger;

static void write_line(struct line line)
{
    if (write(ledger, &line, sizeof line) != sizeof line)
        _exit(3);
}

/* ---- the child ---- */

static void tell(void *ctx, const struct sk_err *failed)
{
    struct line *line = ctx;

    if (failed)
        _exit(4);
    bool is_both = line->queue == QUEUES;
    if (is_both)
        line->queue = 0;
    write_line(*line);
    if (is_both) {
        line->queue = 2;
        write_line(*line);
    }
    free(line);
}

static void put_one(struct sk_spool *s, uint64_t r, uint32_t number)
{
    static char body[20000];
    struct sk_err err = SK_ERR_INIT;
    struct line *line = calloc(1, sizeof *line);
    char key[8], bag[16];
    uint64_t which = r % 3;

    if (!line)
        _exit(5);
    line->number = number;
    line->key = (uint8_t)(number % KEYS);
    line->queue = which == 2 ? QUEUES : (uint8_t)which;
    (void)snprintf(key, sizeof key, "key%u", line->key);
    (void)snprintf(bag, sizeof bag, "%" PRIu32, number);
    memset(body, 'x', sizeof body);
    const struct sk_spool_target both[] = { queues[0], queues[2] };
    struct sk_spool_message m = { .key = sk_view_of(key),
                                  .bag = sk_view_of(bag),
                                  .body = { body, r % 64 == 0 ? r / 64 % sizeof body : r % 300 },
                                  .done = tell,
                                  .ctx = line };
    while (sk_spool_put(s, &m, which == 2 ? both : &queues[which], which == 2 ? 2 : 1, &err) < 0) {
        if (err.code != SK_BUSY)
            _exit(6);
        (void)usleep(100);
    }
}

/* At most a few, with some out of order. */
static void take_some(struct sk_spool_reader *r, uint64_t random)
{
    struct sk_spool_item items[8];
    struct line lines[8];
    struct sk_err err = SK_ERR_INIT;
    size_t count = 0;

    while (count < 1 + random % 8 && sk_spool_next(r, 1, &items[count], &err) == 1) {
        const struct sk_spool_item *item = &items[count];
        char number[16] = { 0 };
        memcpy(number, item->bag.ptr, item->bag.len < 15 ? item->bag.len : 15);
        lines[count++] = (struct line){ .number = (uint32_t)strtoul(number, NULL, 10),
                                        .key = (uint8_t)(item->key.ptr[3] - '0'),
                                        .queue = item->priority == 9   ? 0
                                                 : item->priority == 2 ? 1
                                                                       : 2,
                                        .is_delivered = 1 };
    }
    for (size_t i = count; i-- > 0;) {
        write_line(lines[i]);
        sk_spool_delivered(r, items[i].priority, items[i].seq);
    }
    if (random % 50 == 0)
        sk_spool_rewind(r);
}

static void run_for_ever(const struct place *p, uint64_t seed, uint32_t number)
{
    SK_OWN(sk_spool_reader_free) struct sk_spool_reader *up = NULL, *in = NULL;
    struct sk_err err = SK_ERR_INIT;
    struct sk_spool *s = NULL;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (sk_spool_open(&p->opts, &s, &err) < 0 || sk_spool_reader(s, "$upstream", &up, &err) < 0 ||
        sk_spool_reader(s, "module/in", &in, &err) < 0)
        _exit(2);
    for (uint64_t i = 0;; i++) {
        uint64_t r = sk_mix64(seed + i);
        put_one(s, r, number++);
        if (r >> 20 & 1)
            take_some(r >> 21 & 1 ? up : in, r >> 22);
        if (i % 300 == 0)
            sk_spool_tick(s, 1);
    }
}

/* ---- the ledger ---- */

enum {
    ACKNOWLEDGED = 1,
    DELIVERED = 2
};

static uint8_t books[QUEUES][NUMBERS];

/* The greatest number that was heard of. */
static uint32_t read_ledger(int fd)
{
    struct line line;
    uint32_t greatest = 0;
    ssize_t n;

    while ((n = read(fd, &line, sizeof line)) == sizeof line) {
        assert_true(line.number < NUMBERS && line.queue < QUEUES);
        books[line.queue][line.number] |= line.is_delivered ? DELIVERED : ACKNOWLEDGED;
        if (line.number > greatest)
            greatest = line.number;
    }
    return greatest;
}

static unsigned queue_of(const struct sk_spool_item *item)
{
    return item->priority == 9 ? 0 : item->priority == 2 ? 1 : 2;
}

/* Each that was acknowledged and not delivered is there once, in the order of its key. */
static uint32_t check_queue(struct place *p, const char *endpoint, unsigned round)
{
    SK_OWN(sk_spool_reader_free) struct sk_spool_reader *r = NULL;
    static uint8_t there[QUEUES][NUMBERS];
    struct sk_spool_item item;
    struct sk_err err = SK_ERR_INIT;
    uint32_t last[QUEUES][KEYS] = { 0 }, greatest = 0;

    memset(there, 0, sizeof there);
    DONE(sk_spool_reader(p->s, endpoint, &r, &err));
    while (sk_spool_next(r, 1, &item, &err) == 1) {
        unsigned queue = queue_of(&item), key = (unsigned)(item.key.ptr[3] - '0');
        char text[16] = { 0 };
        memcpy(text, item.bag.ptr, item.bag.len < 15 ? item.bag.len : 15);
        uint32_t number = (uint32_t)strtoul(text, NULL, 10);
        assert_true(number < NUMBERS && key == number % KEYS);
        if (there[queue][number] || (last[queue][key] && number <= last[queue][key]))
            fail_msg("round %u, %s: %" PRIu32 " after %" PRIu32, round, endpoint, number,
                     last[queue][key]);
        there[queue][number] = 1;
        last[queue][key] = number;
        if (number > greatest)
            greatest = number;
    }
    bool is_up = endpoint[0] == '$';
    for (unsigned q = is_up ? 0 : 2; q < (is_up ? 2u : 3u); q++) {
        for (uint32_t i = 0; i < NUMBERS; i++) {
            if (books[q][i] == ACKNOWLEDGED && !there[q][i])
                fail_msg("round %u, %s: %" PRIu32 " is lost", round, endpoint, i);
        }
    }
    return greatest;
}

/* Returns the greatest number the child told of. is_open: it is killed after it has told of one. */
static uint32_t one_round(struct place *p, uint64_t seed, uint32_t number, bool is_open)
{
    int ends[2], status;

    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(ends[0]);
        ledger = ends[1];
        run_for_ever(p, seed, number);
    }
    (void)close(ends[1]);
    struct pollfd first = { .fd = ends[0], .events = POLLIN };
    if (is_open)
        assert_int_equal(poll(&first, 1, 20000), 1);
    /* The pipe is read while the child runs, else it would wait. */
    pid_t killer = fork();
    assert_true(killer >= 0);
    if (killer == 0) {
        uint64_t until = sk_now_ns() + sk_mix64(seed) % (MOST_MS * 1000000ull);
        while (sk_now_ns() < until)
            (void)usleep(200);
        (void)kill(child, SIGKILL);
        _exit(0);
    }
    uint32_t greatest = read_ledger(ends[0]);
    (void)close(ends[0]);
    assert_int_equal(waitpid(killer, &status, 0), killer);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("the child ended by itself: %d", WEXITSTATUS(status));
    return greatest;
}

static void test_kill(void **state)
{
    struct place *p = *state;
    const char *set = getenv("SKERRY_KILL_SEED"), *rounds = getenv("SKERRY_KILL_ROUNDS");
    uint64_t seed = set ? strtoull(set, NULL, 10) : sk_wall_ms();
    unsigned count = rounds ? (unsigned)strtoul(rounds, NULL, 10) : ROUNDS;
    uint32_t number = 1;

    print_message("# seed %" PRIu64 "\n", seed);
    place_close(p);
    for (unsigned i = 0; i < count && number < NUMBERS - 30000; i++) {
        sk_spool_clocks.sync_ms = i % 2 ? SK_SPOOL_SYNC_MS : 0;
        uint32_t greatest[3] = { one_round(p, sk_mix64(seed + i), number, i % 4 != 3) };
        place_open(p);
        greatest[1] = check_queue(p, "$upstream", i);
        greatest[2] = check_queue(p, "module/in", i);
        assert_int_equal(state_of(p).damaged, 0);
        place_close(p);
        for (unsigned k = 0; k < 3; k++) {
            if (greatest[k] >= number)
                number = greatest[k] + 1;
        }
    }
    assert_true(number > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kill, place_set_up, place_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
