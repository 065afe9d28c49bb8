/* test_pace.c - ways of every kind, simulated: they are kept busy, and what is urgent waits little.
 */
#include "rig.h"

enum {
    RING = 8192
};

/* A way that carries per_s bytes a second one after the other, with a distance. */
struct way {
    double per_s, distance_s, now, is_free_at, sent, worst_queue_s;

    struct {
        size_t bytes, ahead;
        double sent_at, acked_at;
    } ring[RING];

    size_t first, count, on_the_way;
    struct sk_lh_pace pace;
};

static void fill(struct way *w, size_t bytes)
{
    w->pace.is_short = false;
    while (w->count < RING && sk_lh_pace_allows(&w->pace, w->on_the_way, bytes)) {
        const size_t at = (w->first + w->count++) % RING;
        const double begin = w->is_free_at > w->now ? w->is_free_at : w->now;
        w->worst_queue_s = begin - w->now > w->worst_queue_s ? begin - w->now : w->worst_queue_s;
        w->is_free_at = begin + (double)bytes / w->per_s;
        w->on_the_way += bytes;
        w->sent += (double)bytes;
        w->ring[at].bytes = bytes;
        w->ring[at].ahead = w->on_the_way;
        w->ring[at].sent_at = w->now;
        w->ring[at].acked_at = w->is_free_at + w->distance_s;
    }
}

/* The share of what the way carries that was used. */
static double run(struct way *w, double seconds, size_t bytes)
{
    const double end = w->now + seconds, begin = w->now;
    w->sent = w->worst_queue_s = 0;
    fill(w, bytes);
    while (w->count > 0 && w->ring[w->first].acked_at < end) {
        const size_t at = w->first;
        w->first = (w->first + 1) % RING;
        w->count--;
        w->now = w->ring[at].acked_at > w->now ? w->ring[at].acked_at : w->now;
        w->on_the_way -= w->ring[at].bytes;
        sk_lh_pace_acked(&w->pace, w->ring[at].bytes, w->ring[at].ahead,
                         (uint64_t)((w->now - w->ring[at].sent_at) * 1e9));
        fill(w, bytes);
    }
    return w->sent / w->per_s / (w->now - begin);
}

static void ways_are_used_and_not_filled(void **state)
{
    static const struct {
        const char *name;
        double per_s, distance_s;
        size_t bytes;
        double queue_s; /* at most, once it is settled */
    } rows[] = {
        { "64 kbit/s by satellite", 8000, 0.6, 300, 0.4 },
        { "64 kbit/s, near", 8000, 0.02, 300, 0.4 },
        { "64 kbit/s, large messages", 8000, 0.02, 2000, 0.5 },
        { "1 Mbit/s", 125e3, 0.1, 300, 0.25 },
        { "10 Mbit/s by satellite", 1.25e6, 0.6, 1000, 0.25 },
        { "100 Mbit/s", 12.5e6, 0.02, 4000, 0.25 },
        { "no distance at all", 4e6, 0.0005, 300, 0.25 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        static struct way w;
        memset(&w, 0, sizeof w);
        w.per_s = rows[i].per_s;
        w.distance_s = rows[i].distance_s;
        sk_lh_pace_init(&w.pace);
        (void)run(&w, 30, rows[i].bytes);
        const double share = run(&w, 60, rows[i].bytes);
        if (share < 0.9 || w.worst_queue_s > rows[i].queue_s)
            fail_msg("%s: %.2f of it used, a queue of %.3f s, limit %zu", rows[i].name, share,
                     w.worst_queue_s, w.pace.limit);
    }
}

/* Another route is taken: slower, farther, and back. */
static void a_way_that_changes_is_found_again(void **state)
{
    static struct way w;

    (void)state;
    w.per_s = 1e6;
    w.distance_s = 0.02;
    sk_lh_pace_init(&w.pace);
    assert_true(run(&w, 10, 500) > 0.9);
    w.per_s = 8000;
    (void)run(&w, 60, 500); /* what was on the way takes its time */
    assert_true(run(&w, 20, 500) > 0.95);
    assert_true(w.worst_queue_s < 0.4);
    w.distance_s = 0.7;
    (void)run(&w, 30, 500);
    assert_true(run(&w, 20, 500) > 0.9);
    w.per_s = 1e6;
    w.distance_s = 0.02;
    (void)run(&w, 10, 500);
    assert_true(run(&w, 10, 500) > 0.9);
}

static void one_goes_alone(void **state)
{
    struct sk_lh_pace p;

    (void)state;
    sk_lh_pace_init(&p);
    assert_true(sk_lh_pace_allows(&p, 0, 256 << 10));
    assert_false(sk_lh_pace_allows(&p, 256 << 10, 1));
    assert_true(p.is_short);
    sk_lh_pace_acked(&p, 256 << 10, 256 << 10, UINT64_C(32000000000)); /* half a minute */
    sk_lh_pace_acked(&p, 256 << 10, 256 << 10, UINT64_C(320000000000));
    assert_true(p.limit > 0 && sk_lh_pace_allows(&p, 1, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ways_are_used_and_not_filled),
        cmocka_unit_test(a_way_that_changes_is_found_again),
        cmocka_unit_test(one_goes_alone),
    };
    return cmocka_run_group_tests_name("localhub/pace", tests, NULL, NULL);
}
