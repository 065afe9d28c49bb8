/* test_call.c - a call is answered once: by its owner, its deadline, or the end. */
#include "base/clock.h"
#include "workload_util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct asker {
    struct util *u;
    int status;
    char out[1024];
};

static void *ask_sign(void *arg)
{
    struct asker *a = arg;
    a->status = util_ask(a->u, "a", "POST", "/modules/a/genid/1/sign", "{\"data\":\"\"}", a->out);
    return NULL;
}

/* [workload-6] */
static void deadline(void **state)
{
    struct util u;
    struct asker a = { .u = &u };
    pthread_t thread;
    (void)state;
    util_start(&u);
    util_open(&u, "a", "a");
    atomic_store(&u.answer, UTIL_KEEP);
    assert_int_equal(sk_wl_calls_sweep(u.w->calls, sk_now_ms()), -1);
    assert_int_equal(pthread_create(&thread, NULL, ask_sign, &a), 0);
    while (!atomic_load(&u.kept))
        (void)usleep(1000);
    int left = sk_wl_calls_sweep(u.w->calls, sk_now_ms());
    assert_true(left > SK_WORKLOAD_ASK_MS / 2 && left <= SK_WORKLOAD_ASK_MS);
    assert_int_equal(sk_wl_calls_sweep(u.w->calls, sk_now_ms() + SK_WORKLOAD_ASK_MS), -1);
    (void)pthread_join(thread, NULL);
    assert_int_equal(a.status, 504);
    assert_non_null(strstr(a.out, "did not answer in time"));
    sk_workload_give(atomic_load(&u.kept), SK_VIEW("late"));
    atomic_store(&u.answer, UTIL_NOW);
    (void)ask_sign(&a);
    assert_int_equal(a.status, 200);
    util_stop(&u);
}

/* [workload-7] After the end there are no new calls, and late ones keep what they need. */
static void nothing_after_the_end(void **state)
{
    struct sk_wl_calls *c = sk_wl_calls_new(-1);
    (void)state;
    assert_non_null(c);
    sk_wl_calls_end(c);
    assert_null(sk_wl_call_new(c, NULL, SK_WORKLOAD_SIGN));
    sk_wl_calls_unref(c);
    sk_wl_calls_unref(NULL);
}

enum {
    THREADS = 8,
    ROUNDS = 40
};

static void *ask_often(void *arg)
{
    struct asker *a = arg;
    for (int i = 0; i < ROUNDS; i++) {
        (void)ask_sign(a);
        if (a->status != 200)
            return NULL;
    }
    return NULL;
}

/* Answers from threads of their own, to many at once. */
static void many_at_once(void **state)
{
    struct util u;
    struct asker a[THREADS];
    pthread_t threads[THREADS];
    (void)state;
    util_start(&u);
    util_open(&u, "a", "a");
    atomic_store(&u.answer, UTIL_THREAD);
    for (int i = 0; i < THREADS; i++) {
        a[i] = (struct asker){ .u = &u };
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &a[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
        if (a[i].status != 200)
            fail_msg("%d: %s", a[i].status, a[i].out);
    }
    assert_int_equal(atomic_load(&u.asks), THREADS * ROUNDS);
    util_stop(&u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deadline),
        cmocka_unit_test(nothing_after_the_end),
        cmocka_unit_test(many_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
