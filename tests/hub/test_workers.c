/* test_workers.c - order, a queue that is full, calls let in past it, and an end that loses none.
 */
#include "hub_util.h"

#include "base/clock.h"

#include <stdatomic.h>

struct probe {
    struct sk_hub_call call; /* first: a job gets the call */
    unsigned number;
};

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static _Atomic unsigned running, done;
static unsigned order[2000];

static void note(struct sk_hub_call *call)
{
    order[atomic_load(&done)] = ((struct probe *)call)->number; /* one worker */
    atomic_fetch_add(&done, 1);
}

static void block(struct sk_hub_call *call)
{
    (void)call;
    atomic_fetch_add(&running, 1);
    SK_LOCK(&gate);
    atomic_fetch_sub(&running, 1);
}

static void wait_for(_Atomic unsigned *what, unsigned value)
{
    for (uint64_t end = sk_now_ms() + HUB_PATIENCE_MS; atomic_load(what) != value;)
        assert_true(sk_now_ms() < end);
}

static struct sk_hub_workers *start(unsigned count, size_t max_queue)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_hub_workers *w = NULL;
    atomic_store(&done, 0);
    atomic_store(&running, 0);
    if (sk_hub_workers_new(count, max_queue, &w, &err) < 0)
        fail_msg("%s", err.text);
    return w;
}

static void in_order_and_bounded(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    struct probe first = { .call.job = block }, probes[6];
    struct sk_hub_workers *w = start(1, 4);
    (void)pthread_mutex_lock(&gate);
    assert_int_equal(sk_hub_workers_push(w, &first.call, &err), 0);
    wait_for(&running, 1);
    for (unsigned i = 0; i < 6; i++)
        probes[i] = (struct probe){ .call.job = note, .number = i };
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(sk_hub_workers_push(w, &probes[i].call, &err), 0);
    assert_int_equal(sk_hub_workers_push(w, &probes[4].call, &err), -1);
    assert_int_equal(err.code, SK_BUSY);
    assert_non_null(strstr(err.text, "4 requests"));
    assert_true(sk_hub_workers_add(w, &probes[5].call)); /* its body is on the disk already */
    assert_int_equal(atomic_load(&done), 0);
    (void)pthread_mutex_unlock(&gate);
    wait_for(&done, 5);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(order[i], i);
    assert_int_equal(order[4], 5);
    sk_hub_workers_stop(w);
    sk_hub_workers_free(w);
}

static void *stop(void *arg)
{
    sk_hub_workers_stop(arg);
    return NULL;
}

static void an_end_runs_what_waits(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    static struct probe more[1000];
    struct probe first = { .call.job = block }, probes[8], late;
    struct sk_hub_workers *w = start(1, 2 * COUNT(more));
    pthread_t thread;
    late = (struct probe){ .call.job = note };
    for (size_t i = 0; i < COUNT(more); i++)
        more[i] = late;
    (void)pthread_mutex_lock(&gate);
    assert_int_equal(sk_hub_workers_push(w, &first.call, &err), 0);
    wait_for(&running, 1);
    for (unsigned i = 0; i < 8; i++) {
        probes[i] = (struct probe){ .call.job = note, .number = i };
        assert_int_equal(sk_hub_workers_push(w, &probes[i].call, &err), 0);
    }
    assert_int_equal(sk_thread_start(&thread, "stop", stop, w, &err), 0);
    /* until the other thread has come that far, calls are still taken */
    unsigned taken = 0;
    while (sk_hub_workers_push(w, &more[taken].call, &err) == 0) {
        assert_true(++taken < COUNT(more));
        (void)usleep(20000);
    }
    assert_int_equal(err.code, SK_BUSY);
    assert_non_null(strstr(err.text, "stopping"));
    assert_false(sk_hub_workers_add(w, &late.call));
    (void)pthread_mutex_unlock(&gate);
    (void)pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&done), 8 + taken);
    sk_hub_workers_free(w);
    sk_hub_workers_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order_and_bounded),
        cmocka_unit_test(an_end_runs_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
