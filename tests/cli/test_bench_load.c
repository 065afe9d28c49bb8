/* test_bench_load.c - both loops against a server of known behaviour. */
#include "cli/bench_priv.h"

#include "cli_test.h"

#include <signal.h>
#include <sys/wait.h>

static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
static const uint64_t ms = 1000000;

static struct sk_bench_target target_of(const struct fake_server *s)
{
    struct sk_bench_target t = { 0 };
    struct sk_err err = SK_ERR_INIT;
    char url[64];

    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d", s->port);
    assert_int_equal(
        sk_bench_target_open(url, &(struct sk_bench_child_options){ 0 }, NULL, &t, &err), 0);
    return t;
}

static void load(struct fake_server *s, struct sk_load l, struct sk_load_result *out)
{
    struct sk_bench_target t = target_of(s);
    struct sk_err err = SK_ERR_INIT;

    l.target = &t;
    l.request = request;
    l.request_len = sizeof request - 1;
    l.seed = 3;
    if (sk_load_run(&l, out, &err) < 0)
        fail_msg("%s", err.text);
}

static struct sk_load_result result;

/* A busy machine may let much of the time of a run go by, which is tried again then: whether
 * enough has come, or the tries are over. */
static bool is_enough(uint64_t got, uint64_t wanted, int tries)
{
    enum {
        TRIES = 20
    };

    return got >= wanted || tries >= TRIES;
}

static void test_closed(void **state)
{
    struct fake_server s;
    int tries = 0;

    (void)state;
    do {
        fake_start(&s, ok, 0);
        load(&s,
             (struct sk_load){ .connections = 3,
                               .warmup_ns = 50 * ms,
                               .duration_ns = 200 * ms,
                               .timeout_ns = 20000 * ms },
             &result);
        fake_stop(&s);
    } while (!is_enough(result.answered, 11, ++tries));
    assert_true(result.answered > 10);
    assert_true(result.latency.n == result.answered);
    assert_int_equal(result.errors, 0);
    assert_true(atomic_load(&s.requests) >= result.answered); /* the warm-up is not counted */
    assert_int_equal(atomic_load(&s.connections), 3);         /* and connections are kept */
}

static void test_status_and_closing(void **state)
{
    static const struct {
        const char *answer;
        unsigned flags;
        bool answered;
        const char *error;
    } rows[] = {
        { "HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\n{\"e\":\"x\"}", 0, false,
          "status 503: {\"e\":\"x\"}" },
        { "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", FAKE_CLOSE_AFTER,
          true, "" },
        { "", FAKE_CLOSE_AFTER, false, "the server closed the connection" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fake_server s;
        int tries = 0;

        do {
            fake_start(&s, rows[i].answer, rows[i].flags);
            load(&s,
                 (struct sk_load){
                     .connections = 2, .duration_ns = 400 * ms, .timeout_ns = 20000 * ms },
                 &result);
            fake_stop(&s);
        } while (!is_enough(result.answered + result.errors, 1, ++tries));
        assert_int_equal(result.answered > 0, rows[i].answered);
        assert_int_equal(result.errors > 0, !rows[i].answered);
        assert_string_equal(result.first_error, rows[i].error);
    }
}

static void test_open(void **state)
{
    struct fake_server s;

    (void)state;
    fake_start(&s, ok, 0);
    load(&s,
         (struct sk_load){
             .connections = 50, .rate = 500, .duration_ns = 400 * ms, .timeout_ns = 20000 * ms },
         &result);
    fake_stop(&s);
    assert_int_equal(result.errors, 0);
    assert_true(result.answered == result.latency.n);
    assert_in_range(result.answered, 200 - 5 * 15, 200 + 5 * 15); /* Poisson: mean 200, deviation 14
                                                                   */
}

/* One connection, 20 ms an answer, 200 requests a second: the line grows, and waiting in it is
 * latency. */
static void test_open_counts_waiting(void **state)
{
    struct fake_server s;

    (void)state;
    fake_start(&s, ok, 0);
    s.delay_us = 20000;
    load(&s,
         (struct sk_load){
             .connections = 1, .rate = 200, .duration_ns = 300 * ms, .timeout_ns = 20000 * ms },
         &result);
    fake_stop(&s);
    assert_int_equal(result.errors, 0); /* the line is worked off after the window */
    assert_true(result.answered > 30);
    assert_true(sk_bench_hist_quantile(&result.latency, 0.5) > 200 * ms);
    assert_true(result.latency.max > 500 * ms);
}

/* We stand still from before the window until after its end: what was due is late, not left out. */
static void test_open_counts_our_own_stall(void **state)
{
    struct fake_server s;

    (void)state;
    fake_start(&s, ok, 0);
    const pid_t we = getpid(), stopper = fork();
    assert_true(stopper >= 0);
    if (stopper == 0) {
        (void)usleep(50000);
        (void)kill(we, SIGSTOP);
        (void)usleep(800000);
        _exit(kill(we, SIGCONT) == 0 ? 0 : 1);
    }
    load(&s,
         (struct sk_load){ .connections = 10,
                           .rate = 500,
                           .warmup_ns = 200 * ms,
                           .duration_ns = 400 * ms,
                           .timeout_ns = 20000 * ms },
         &result);
    fake_stop(&s);
    int status = 0;
    assert_int_equal(waitpid(stopper, &status, 0), stopper);
    assert_int_equal(status, 0);
    assert_int_equal(result.errors, 0);
    assert_in_range(result.answered, 200 - 5 * 15, 200 + 5 * 15);
}

static void test_no_answers(void **state)
{
    static const double rates[] = { 0, 100 };

    (void)state;
    for (size_t i = 0; i < COUNT(rates); i++) {
        struct fake_server s;
        int tries = 0;

        do {
            fake_start(&s, "", FAKE_SILENT);
            load(&s,
                 (struct sk_load){ .connections = 2,
                                   .rate = rates[i],
                                   .duration_ns = 400 * ms,
                                   .timeout_ns = 150 * ms },
                 &result);
            fake_stop(&s);
        } while (!is_enough(result.errors + result.answered, 1, ++tries));
        assert_true(result.errors > 0);
        assert_int_equal(result.answered, 0);
        assert_true(result.first_error[0] != '\0');
    }
}

/* Refused connections rest longer and longer. */
static void test_nobody_there(void **state)
{
    static const double rates[] = { 0, 500 };
    struct fake_server s;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    fake_start(&s, ok, 0);
    struct sk_bench_target t = target_of(&s);
    fake_stop(&s);
    for (size_t i = 0; i < COUNT(rates); i++) {
        const struct sk_load l = { .target = &t,
                                   .request = request,
                                   .request_len = sizeof request - 1,
                                   .connections = 1,
                                   .rate = rates[i],
                                   .duration_ns = 400 * ms,
                                   .timeout_ns = 100 * ms,
                                   .seed = 3 };
        if (sk_load_run(&l, &result, &err) == 0) { /* refused at once, or a moment later: both are
                                                      told */
            assert_int_equal(result.answered, 0);
            assert_string_equal(result.first_error, "connecting: Connection refused");
            assert_true(rates[i] > 0 || result.errors <= 6); /* after 0, 10, 30, 70, 150, 310 ms */
        } else {
            assert_non_null(strstr(err.text, "refused"));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_closed),
        cmocka_unit_test(test_status_and_closing),
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_open_counts_waiting),
        cmocka_unit_test(test_open_counts_our_own_stall),
        cmocka_unit_test(test_no_answers),
        cmocka_unit_test(test_nobody_there),
    };
    return cmocka_run_group_tests_name("bench_load", tests, NULL, NULL);
}
