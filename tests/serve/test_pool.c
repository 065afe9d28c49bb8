/* test_pool.c - the queue in front of the workers: order, limits, deadlines, the end. */
#include "serve/pool_priv.h"

#include "base/clock.h"
#include "base/thread.h"
#include "engine/engine_priv.h"

#include <stdatomic.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MS 1000000ull

struct piece {
    struct sk_job job; /* first */
    atomic_int runs, drops;
    atomic_int *log_next; /* position in the order of running, NULL: not asked */
    int position;
    int again;         /* how often it goes to the end of the queue */
    atomic_bool *gate; /* waits until it is true */
    enum sk_code dropped_with;
};

static enum sk_job_next run(struct sk_job *job, unsigned worker)
{
    struct piece *p = (struct piece *)job;

    (void)worker;
    while (p->gate && !atomic_load(p->gate))
        (void)usleep(200);
    if (p->log_next)
        p->position = atomic_fetch_add(p->log_next, 1);
    if (p->again-- > 0) {
        atomic_fetch_add(&p->runs, 1);
        return SK_JOB_AGAIN;
    }
    atomic_fetch_add(&p->runs, 1);
    return SK_JOB_DONE;
}

static void drop(struct sk_job *job, const struct sk_err *why)
{
    struct piece *p = (struct piece *)job;

    p->dropped_with = why->code;
    atomic_fetch_add(&p->drops, 1);
}

static void prepare(struct piece *p, uint64_t deadline_ns)
{
    *p = (struct piece){ .job = { .deadline_ns = deadline_ns, .run = run, .drop = drop } };
}

static int push(struct sk_pool *pool, struct piece *p, struct sk_err *err)
{
    struct sk_job *job = &p->job;

    return sk_pool_push(pool, &job, 1, err);
}

static void wait_for(atomic_int *value, int wanted)
{
    for (int i = 0; i < 20000 && atomic_load(value) < wanted; i++)
        (void)usleep(500);
    assert_int_equal(atomic_load(value), wanted);
}

static void every_job_runs_once(void **state)
{
    enum {
        COUNT = 500
    };
    static struct piece pieces[COUNT];
    struct sk_err err = SK_ERR_INIT;
    struct sk_pool *pool = NULL;

    (void)state;
    assert_int_equal(sk_pool_new(3, COUNT, &pool, &err), 0);
    for (int i = 0; i < COUNT; i++) {
        prepare(&pieces[i], UINT64_MAX);
        assert_int_equal(push(pool, &pieces[i], &err), 0);
    }
    sk_pool_free(pool); /* runs what is queued */
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(pieces[i].runs, 1);
        assert_int_equal(pieces[i].drops, 0);
    }
}

static void one_worker_keeps_the_order(void **state)
{
    struct piece blocker, pieces[8];
    atomic_bool gate = false;
    atomic_int next = 0;
    struct sk_err err = SK_ERR_INIT;
    struct sk_pool *pool = NULL;

    (void)state;
    assert_int_equal(sk_pool_new(1, 16, &pool, &err), 0);
    prepare(&blocker, UINT64_MAX);
    blocker.gate = &gate;
    assert_int_equal(push(pool, &blocker, &err), 0);
    for (int i = 0; i < 8; i++) {
        prepare(&pieces[i], UINT64_MAX);
        pieces[i].log_next = &next;
        assert_int_equal(push(pool, &pieces[i], &err), 0);
    }
    atomic_store(&gate, true);
    sk_pool_free(pool);
    for (int i = 0; i < 8; i++)
        assert_int_equal(pieces[i].position, i);
}

static void again_goes_to_the_end(void **state)
{
    struct piece blocker, big, small;
    atomic_bool gate = false;
    atomic_int next = 0;
    struct sk_err err = SK_ERR_INIT;
    struct sk_pool *pool = NULL;

    (void)state;
    assert_int_equal(sk_pool_new(1, 16, &pool, &err), 0);
    prepare(&blocker, UINT64_MAX);
    blocker.gate = &gate;
    prepare(&big, UINT64_MAX);
    big.again = 5;
    big.log_next = &next;
    prepare(&small, UINT64_MAX);
    small.log_next = &next;
    assert_int_equal(push(pool, &blocker, &err), 0);
    assert_int_equal(push(pool, &big, &err), 0);
    assert_int_equal(push(pool, &small, &err), 0);
    atomic_store(&gate, true);
    sk_pool_free(pool);
    assert_int_equal(big.runs, 6);
    assert_int_equal(small.position, 1); /* after the first piece of the big one */
    assert_int_equal(big.position, 6);
}

static void a_full_queue_refuses(void **state)
{
    struct piece blocker, pieces[4], extra;
    struct sk_job *both[2];
    atomic_bool gate = false;
    struct sk_err err = SK_ERR_INIT;
    struct sk_pool *pool = NULL;
    size_t queued = 1;
    unsigned running = 0;

    (void)state;
    assert_int_equal(sk_pool_new(1, 4, &pool, &err), 0);
    prepare(&blocker, UINT64_MAX);
    blocker.gate = &gate;
    assert_int_equal(push(pool, &blocker, &err), 0);
    while (queued > 0) /* until the worker has taken it */
        sk_pool_counts(pool, &queued, &running);
    for (int i = 0; i < 4; i++) {
        prepare(&pieces[i], UINT64_MAX);
        assert_int_equal(push(pool, &pieces[i], &err), 0);
    }
    prepare(&extra, UINT64_MAX);
    assert_int_equal(push(pool, &extra, &err), -1);
    assert_int_equal(err.code, SK_BUSY);
    sk_pool_counts(pool, &queued, &running);
    assert_int_equal(queued, 4);
    both[0] = &extra.job;
    both[1] = &extra.job;
    assert_int_equal(sk_pool_push(pool, both, 2, &err), -1); /* all or none */
    atomic_store(&gate, true);
    sk_pool_free(pool);
    assert_int_equal(extra.runs, 0);
    assert_int_equal(pieces[3].runs, 1);
}

static void a_late_job_is_dropped_in_time(void **state)
{
    struct piece blocker, late, patient;
    atomic_bool gate = false;
    struct sk_err err = SK_ERR_INIT;
    struct sk_pool *pool = NULL;

    (void)state;
    assert_int_equal(sk_pool_new(1, 4, &pool, &err), 0);
    prepare(&blocker, UINT64_MAX);
    blocker.gate = &gate;
    prepare(&patient, UINT64_MAX);
    prepare(&late, sk_now_ns() + 30 * MS);
    assert_int_equal(push(pool, &blocker, &err), 0);
    assert_int_equal(push(pool, &patient, &err), 0);
    assert_int_equal(push(pool, &late, &err), 0);
    wait_for(&late.drops, 1); /* while the only worker is busy */
    assert_int_equal(late.dropped_with, SK_TIMEOUT);
    assert_int_equal(late.runs, 0);
    atomic_store(&gate, true);
    sk_pool_free(pool);
    assert_int_equal(patient.runs, 1);
}

struct lone {
    struct sk_job job; /* first */
    struct sk_pool *pool;
    atomic_int answer; /* 0: not yet, 1: no, 2: yes */
};

static enum sk_job_next ask(struct sk_job *job, unsigned worker)
{
    struct lone *l = (struct lone *)job;

    (void)worker;
    atomic_store(&l->answer, sk_pool_is_lone(l->pool) ? 2 : 1);
    return SK_JOB_DONE;
}

static void lone_means_nobody_else(void **state)
{
    struct piece blocker;
    struct lone l = { .job = { .deadline_ns = UINT64_MAX, .run = ask, .drop = drop } };
    struct sk_job *job = &l.job;
    atomic_bool gate = false;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_pool_new(2, 4, &l.pool, &err), 0);
    assert_int_equal(sk_pool_push(l.pool, &job, 1, &err), 0);
    for (int i = 0; i < 20000 && !l.answer; i++)
        (void)usleep(500);
    assert_int_equal(l.answer, 2);
    prepare(&blocker, UINT64_MAX);
    blocker.gate = &gate;
    assert_int_equal(push(l.pool, &blocker, &err), 0);
    atomic_store(&l.answer, 0);
    assert_int_equal(sk_pool_push(l.pool, &job, 1, &err), 0);
    for (int i = 0; i < 20000 && !l.answer; i++)
        (void)usleep(500);
    assert_int_equal(l.answer, 1);
    atomic_store(&gate, true);
    sk_pool_free(l.pool);
}

static void a_guard_after_the_deadline_refuses(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_pool *pool = NULL;

    (void)state;
    assert_int_equal(sk_pool_new(1, 1, &pool, &err), 0);
    assert_int_equal(sk_pool_guard(pool, 0, sk_now_ns() - 1, NULL, &err), -1);
    assert_int_equal(err.code, SK_TIMEOUT);
    sk_pool_free(pool);
    sk_pool_free(NULL);
}

static atomic_int cancels;

static void count_cancel(struct sk_run *run)
{
    (void)run;
    atomic_fetch_add(&cancels, 1);
}

/* An engine ignores a cancel before it has begun, so one is not enough. */
static void a_late_run_is_cancelled_until_it_ends(void **state)
{
    const struct sk_engine_ops ops = { .run_cancel = count_cancel };
    struct sk_engine engine = { .ops = &ops };
    struct sk_net net = { .engine = &engine };
    struct sk_run run = { .net = &net };
    struct sk_err err = SK_ERR_INIT;
    struct sk_pool *pool = NULL;

    (void)state;
    atomic_store(&cancels, 0);
    assert_int_equal(sk_pool_new(1, 1, &pool, &err), 0);
    int rc = -1;
    for (int i = 0; i < 100 && rc < 0; i++) /* one that comes after its deadline is refused */
        rc = sk_pool_guard(pool, 0, sk_now_ns() + 20 * MS, &run, &err);
    assert_int_equal(rc, 0);
    for (int i = 0; i < 20000 && atomic_load(&cancels) < 3; i++)
        (void)usleep(500);
    assert_true(atomic_load(&cancels) >= 3);
    sk_pool_unguard(pool, 0);
    int sum = atomic_load(&cancels);
    (void)usleep(20000);
    assert_int_equal(atomic_load(&cancels), sum);
    sk_pool_free(pool);
}

static atomic_bool gate_of_drop;

static void drop_and_open(struct sk_job *job, const struct sk_err *why)
{
    drop(job, why);
    atomic_store(&gate_of_drop, true);
}

static void stopping_drops_and_cancels(void **state)
{
    const struct sk_engine_ops ops = { .run_cancel = count_cancel };
    struct sk_engine engine = { .ops = &ops };
    struct sk_net net = { .engine = &engine };
    struct sk_run run = { .net = &net };
    struct piece blocker, queued;
    struct sk_err err = SK_ERR_INIT;
    struct sk_pool *pool = NULL;

    (void)state;
    atomic_store(&cancels, 0);
    assert_int_equal(sk_pool_new(1, 4, &pool, &err), 0);
    prepare(&blocker, UINT64_MAX);
    blocker.gate = &gate_of_drop;
    prepare(&queued, UINT64_MAX);
    queued.job.drop = drop_and_open;
    assert_int_equal(push(pool, &blocker, &err), 0);
    assert_int_equal(push(pool, &queued, &err), 0);
    assert_int_equal(sk_pool_guard(pool, 0, UINT64_MAX, &run, &err), 0);
    sk_pool_stop(pool);
    assert_int_equal(queued.drops, 1);
    assert_true(atomic_load(&cancels) >= 1);
    sk_pool_unguard(pool, 0);
    assert_int_equal(sk_pool_guard(pool, 0, UINT64_MAX, &run, &err), -1);
    assert_int_equal(push(pool, &queued, &err), -1);
    assert_int_equal(err.code, SK_BUSY);
    sk_pool_free(pool);
    assert_int_equal(queued.runs, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_runs_once),
        cmocka_unit_test(one_worker_keeps_the_order),
        cmocka_unit_test(again_goes_to_the_end),
        cmocka_unit_test(a_full_queue_refuses),
        cmocka_unit_test(a_late_job_is_dropped_in_time),
        cmocka_unit_test(lone_means_nobody_else),
        cmocka_unit_test(a_guard_after_the_deadline_refuses),
        cmocka_unit_test(a_late_run_is_cancelled_until_it_ends),
        cmocka_unit_test(stopping_drops_and_cancels),
    };

    return cmocka_run_group_tests_name("serve/pool", tests, NULL, NULL);
}
