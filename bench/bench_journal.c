/*
 * bench_journal.c - records a second through the journal, and how long each waits for its sync.
 *
 *     bench_journal FOLDER WRITERS SECONDS BODY RATE [WINDOW]
 *
 * WRITERS threads append records of BODY bytes under 1,000 keys: RATE a second together, or with
 * RATE 0 as fast as they are acknowledged, each with at most WINDOW (1,000) on their way. FOLDER
 * should not exist; on a tmpfs it shows what the disk's syncs cost. Prints one line of JSON; then
 * one for opening what is there, and one for reading all of it and a single key's.
 */
#include "base/clock.h"
#include "base/thread.h"
#include "journal/journal.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    WRITERS_MAX = 64,
    KEYS = 1000,
    STEP_US = 10, /* of the histogram */
    STEPS = 1000000
};

static struct {
    const char *folder;
    unsigned writers, seconds, window;
    size_t body;
    double rate;
} set;

static struct sk_journal *journal;
static char body[SK_JOURNAL_RECORD_MAX];
/* By the journal's thread. */
static unsigned histogram[STEPS];
static uint64_t told, failed;

struct writer {
    atomic_uint on_their_way;
    pthread_t thread;
    unsigned number;
    uint64_t busy;
};

/* A record that is on its way. */
struct sent {
    struct writer *writer;
    uint64_t at_ns;
};

static void done(void *ctx, uint64_t seq, const struct sk_err *why)
{
    struct sent *s = ctx;
    uint64_t step = (sk_now_ns() - s->at_ns) / 1000 / STEP_US;

    (void)seq;
    histogram[step < STEPS ? step : STEPS - 1]++;
    told++;
    failed += why != NULL;
    (void)atomic_fetch_sub(&s->writer->on_their_way, 1);
    free(s);
}

static void send_one(struct writer *w, uint64_t i)
{
    struct sk_err err = SK_ERR_INIT;
    struct sent *s = malloc(sizeof *s);
    char key[32];

    if (!s)
        abort();
    (void)snprintf(key, sizeof key, "device-%04u", (unsigned)(i * 7919 + w->number * 131) % KEYS);
    *s = (struct sent){ w, sk_now_ns() };
    struct sk_journal_record r = {
        .key = sk_view_of(key), .body = { body, set.body }, .done = done, .ctx = s
    };
    (void)atomic_fetch_add(&w->on_their_way, 1);
    while (sk_journal_append(journal, &r, &err) < 0) {
        if (err.code != SK_BUSY)
            abort();
        w->busy++;
        (void)usleep(100);
    }
}

static void *write_all(void *arg)
{
    struct writer *w = arg;
    uint64_t start = sk_now_ns(), end = start + set.seconds * UINT64_C(1000000000);
    double gap_ns = set.rate > 0 ? 1e9 * set.writers / set.rate : 0;

    for (uint64_t i = 0; sk_now_ns() < end; i++) {
        uint64_t due = start + (uint64_t)((double)i * gap_ns);
        while (set.rate > 0 && sk_now_ns() < due && sk_now_ns() < end)
            (void)usleep(200);
        while (set.rate <= 0 && atomic_load(&w->on_their_way) >= set.window)
            (void)usleep(20);
        send_one(w, i);
    }
    return NULL;
}

static double quantile_ms(double q)
{
    uint64_t seen = 0;

    for (unsigned i = 0; i < STEPS; i++) {
        seen += histogram[i];
        if ((double)seen >= q * (double)told)
            return (double)(i + 1) * STEP_US / 1000;
    }
    return 0;
}

static int write_phase(struct sk_err *err)
{
    static struct writer writers[WRITERS_MAX];
    struct sk_journal_state state;
    uint64_t start = sk_now_ns(), busy = 0;

    for (unsigned i = 0; i < set.writers; i++) {
        writers[i].number = i;
        if (sk_thread_start(&writers[i].thread, "writer", write_all, &writers[i], err) < 0)
            return -1;
    }
    for (unsigned i = 0; i < set.writers; i++) {
        (void)pthread_join(writers[i].thread, NULL);
        busy += writers[i].busy;
    }
    do {
        (void)usleep(200);
        sk_journal_state(journal, &state);
    } while (state.queued_bytes > 0);
    double took = (double)(sk_now_ns() - start) / 1e9;
    sk_journal_close(journal); /* from here on the thread is gone, and its figures are ours */
    (void)printf("{\"records\": %llu, \"per_s\": %.0f, \"groups\": %llu, \"failed\": %llu, "
                 "\"busy\": %llu, \"p50_ms\": %.2f, \"p99_ms\": %.2f, \"max_ms\": %.2f}\n",
                 (unsigned long long)told, (double)told / took, (unsigned long long)state.groups,
                 (unsigned long long)failed, (unsigned long long)busy, quantile_ms(0.5),
                 quantile_ms(0.99), quantile_ms(1));
    return 0;
}

static int read_phase(const char *what, struct sk_view key, struct sk_err *err)
{
    SK_OWN(sk_journal_cursor_free) struct sk_journal_cursor *c = NULL;
    struct sk_journal_item item;
    uint64_t start = sk_now_ns(), count = 0;
    int rc;

    if (sk_journal_cursor(journal, &(struct sk_journal_filter){ .key = key }, &c, err) < 0)
        return -1;
    while ((rc = sk_journal_next(c, &item, err)) == 1)
        count++;
    double took = (double)(sk_now_ns() - start) / 1e9;
    (void)printf("{\"read\": \"%s\", \"records\": %llu, \"seconds\": %.4f, \"per_s\": %.0f}\n",
                 what, (unsigned long long)count, took, (double)count / took);
    return rc;
}

static int run(struct sk_err *err)
{
    struct sk_journal_options opts = { .dir = set.folder };
    struct sk_journal_state state;

    if (sk_journal_open(&opts, &journal, err) < 0 || write_phase(err) < 0)
        return -1;
    uint64_t start = sk_now_ns();
    if (sk_journal_open(&opts, &journal, err) < 0)
        return -1;
    double took = (double)(sk_now_ns() - start) / 1e6;
    sk_journal_state(journal, &state);
    (void)printf("{\"open_ms\": %.2f, \"segments\": %llu, \"bytes\": %llu}\n", took,
                 (unsigned long long)state.segments, (unsigned long long)state.bytes);
    int rc = read_phase("all", (struct sk_view){ NULL, 0 }, err);
    if (rc == 0)
        rc = read_phase("one key", SK_VIEW("device-0131"), err);
    sk_journal_close(journal);
    return rc;
}

static unsigned number(const char *text)
{
    return (unsigned)strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
    struct sk_err err = SK_ERR_INIT;

    if (argc < 6 || argc > 7) {
        (void)fprintf(stderr, "usage: bench_journal FOLDER WRITERS SECONDS BODY RATE [WINDOW]\n");
        return 2;
    }
    set.folder = argv[1];
    set.writers = number(argv[2]);
    set.seconds = number(argv[3]);
    set.body = number(argv[4]);
    set.rate = (double)number(argv[5]);
    set.window = argc > 6 ? number(argv[6]) : 1000;
    if (set.writers < 1 || set.writers > WRITERS_MAX || set.body > SK_JOURNAL_RECORD_MAX) {
        (void)fprintf(stderr, "bench_journal: 1 to %d writers, bodies up to %d\n", WRITERS_MAX,
                      SK_JOURNAL_RECORD_MAX);
        return 2;
    }
    if (run(&err) < 0) {
        (void)fprintf(stderr, "bench_journal: %s\n", err.text);
        return 1;
    }
    return 0;
}
