/* test_engine.c - what engine.c does for every engine, and that the fake engine of the harness
 * keeps its promises. */
#include "engine/engine.h"

#include "base/clock.h"
#include "base/thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/alloc_fail.h"
#include "harness/fake_engine.h"
#include "harness/golden.h"

static struct sk_engine *fake(struct sk_fake_options opts)
{
    struct sk_engine *e = sk_engine_fake_new(&opts);

    assert_non_null(e);
    return e;
}

static struct sk_net *load(struct sk_engine *e)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_net *net = NULL;

    if (sk_net_load(e, sk_source_path("tests/data/models/scores.onnx"), NULL, &net, &err) < 0)
        fail_msg("%s", err.text);
    return net;
}

static struct sk_tensor picture(void *data)
{
    return (struct sk_tensor){
        .dtype = SK_DT_F32, .rank = 4, .dims = { 1, 3, 4, 4 }, .data = data, .size_bytes = 192
    };
}

static void a_model_is_described(void **state)
{
    struct sk_engine *e = fake((struct sk_fake_options){ .load_us = 2000 });
    struct sk_net *net = load(e);
    const struct sk_net_info *info = sk_net_info(net);
    const char *reason;

    (void)state;
    assert_string_equal(sk_engine_name(e), "fake 1.0");
    assert_string_equal(sk_engine_device(e, &reason), "cpu");
    assert_string_equal(reason, "");
    assert_false(sk_engine_degraded(e));
    assert_int_equal(info->input_count, 1);
    assert_string_equal(info->inputs[0].name, "input");
    assert_int_equal(info->inputs[0].dims[0], -1);
    assert_int_equal(info->inputs[0].dims[3], 4);
    assert_string_equal(info->outputs[0].name, "scores");
    assert_true(info->load_ns >= 2000000);
    sk_net_free(net);
    sk_engine_close(e);
}

static void a_degraded_engine_says_so(void **state)
{
    struct sk_engine *e = fake((struct sk_fake_options){ .is_degraded = true });
    const char *reason;

    (void)state;
    assert_true(sk_engine_degraded(e));
    assert_string_equal(sk_engine_device(e, &reason), "cpu");
    assert_string_equal(reason, "the fake engine has no GPU");
    sk_engine_close(e);
}

static void input_buffers_are_kept(void **state)
{
    struct sk_engine *e = fake((struct sk_fake_options){ 0 });
    struct sk_net *net = load(e);
    struct sk_err err = SK_ERR_INIT;
    struct sk_run *run = NULL;
    void *small, *large;

    (void)state;
    assert_int_equal(sk_run_new(net, &run, &err), 0);
    small = sk_run_input_buffer(run, 0, 0, &err);
    assert_non_null(small);
    assert_ptr_equal(sk_run_input_buffer(run, 0, 64, &err), small);
    large = sk_run_input_buffer(run, 0, 1000001, &err);
    assert_int_equal((uintptr_t)large % 64, 0);
    memset(large, 1, 1000001);
    assert_ptr_equal(sk_run_input_buffer(run, 0, 10, &err), large);
    assert_null(sk_run_input_buffer(run, 0, SIZE_MAX, &err));
    assert_int_equal(err.code, SK_NOMEM);
    assert_null(sk_run_input_buffer(run, 1, 10, &err));
    assert_int_equal(err.code, SK_BUG);
    sk_run_free(run);
    sk_net_free(net);
    sk_engine_close(e);
}

static void outputs_depend_on_inputs(void **state)
{
    struct sk_engine *e = fake((struct sk_fake_options){ .run_us = 1000, .fail_every = 3 });
    struct sk_net *net = load(e);
    struct sk_err err = SK_ERR_INIT;
    struct sk_run *run = NULL;
    const struct sk_tensor *out;
    struct sk_fake_counts counts;
    unsigned char bytes[192] = { 10, 20 };
    struct sk_tensor in = picture(bytes), bad = picture(bytes);
    uint64_t ns = 0;

    (void)state;
    assert_int_equal(sk_run_new(net, &run, &err), 0);
    assert_int_equal(sk_run_exec(run, &in, NULL, true, &out, &ns, &err), 0);
    assert_true(ns >= 1000000);
    assert_int_equal(out[0].dims[1], 2);
    assert_true(((float *)out[0].data)[1] == sk_engine_fake_value(30, 1));
    bad.dims[3] = 5;
    assert_int_equal(sk_run_exec(run, &bad, NULL, false, &out, NULL, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    assert_int_equal(sk_run_exec(run, &in, NULL, false, &out, NULL, &err), 0);
    assert_int_equal(sk_run_exec(run, &in, NULL, false, &out, NULL, &err), -1);
    assert_string_equal(err.text, "fake failure");
    sk_engine_fake_counts(e, &counts);
    assert_int_equal(counts.execs, 3);
    assert_int_equal(counts.wide_execs, 1);
    assert_int_equal(counts.failures, 1);
    assert_int_equal(counts.misuse, 0);
    sk_run_free(run);
    sk_net_free(net);
    sk_engine_fake_counts(e, &counts);
    assert_int_equal(counts.nets_alive + counts.runs_alive, 0);
    sk_engine_close(e);
}

static void misuse_is_counted(void **state)
{
    struct sk_engine *e = fake((struct sk_fake_options){ 0 });
    struct sk_net *net = load(e);
    struct sk_err err = SK_ERR_INIT;
    struct sk_run *run = NULL;
    const struct sk_tensor *out;
    struct sk_fake_counts counts;
    unsigned char bytes[192] = { 0 };
    struct sk_tensor in = picture(bytes);

    (void)state;
    assert_int_equal(sk_run_new(net, &run, &err), 0);
    sk_net_free(net); /* has a run */
    assert_int_equal(sk_run_exec(run, &in, NULL, false, &out, NULL, &err), 0);
    sk_run_free(run);
    sk_engine_fake_counts(e, &counts);
    assert_true(counts.misuse >= 2);
    sk_engine_close(e);
}

static void failing_loads(void **state)
{
    struct sk_engine *e = fake((struct sk_fake_options){ .fail_loads = true });
    struct sk_err err = SK_ERR_INIT;
    struct sk_net *net = NULL;

    (void)state;
    assert_int_equal(
        sk_net_load(e, sk_source_path("tests/data/models/scores.onnx"), NULL, &net, &err), -1);
    assert_int_equal(err.code, SK_CORRUPT);
    assert_null(net);
    sk_engine_fake_set(e, &(struct sk_fake_options){ 0 });
    assert_int_equal(sk_net_load(e, "/nonexistent.onnx", NULL, &net, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    sk_engine_close(e);
}

/* ---- threads ---- */

struct caller {
    struct sk_net *net;
    struct sk_run *run;
    int rc;
    struct sk_err err;
};

static void *call(void *arg)
{
    struct caller *c = arg;
    unsigned char bytes[192] = { 1 };
    struct sk_tensor in = picture(bytes);
    const struct sk_tensor *out;

    c->rc = sk_run_exec(c->run, &in, NULL, false, &out, NULL, &c->err);
    return NULL;
}

static void runs_are_parallel_and_can_be_cancelled(void **state)
{
    struct sk_engine *e = fake((struct sk_fake_options){ .run_us = 60 * 1000 * 1000 });
    struct sk_net *net = load(e);
    struct sk_err err = SK_ERR_INIT;
    struct caller callers[3] = { 0 };
    pthread_t threads[3];
    struct sk_fake_counts counts = { 0 };

    (void)state;
    for (int i = 0; i < 3; i++) {
        callers[i].net = net;
        assert_int_equal(sk_run_new(net, &callers[i].run, &err), 0);
        assert_int_equal(sk_thread_start(&threads[i], "caller", call, &callers[i], &err), 0);
    }
    while (counts.running < 3) {
        (void)usleep(1000);
        sk_engine_fake_counts(e, &counts);
    }
    for (int i = 0; i < 3; i++)
        sk_run_cancel(callers[i].run);
    for (int i = 0; i < 3; i++) {
        (void)pthread_join(threads[i], NULL);
        assert_int_equal(callers[i].rc, -1);
        assert_int_equal(callers[i].err.code, SK_CANCELLED);
        sk_run_free(callers[i].run);
    }
    sk_engine_fake_counts(e, &counts);
    assert_int_equal(counts.most_running, 3);
    assert_int_equal(counts.cancelled, 3);
    assert_int_equal(counts.misuse, 0);
    sk_net_free(net);
    sk_engine_close(e);
}

/* ---- memory ---- */

static int load_and_run(void *ctx, struct sk_err *err)
{
    SK_OWN(sk_net_free) struct sk_net *net = NULL;
    SK_OWN(sk_run_free) struct sk_run *run = NULL;
    unsigned char bytes[192] = { 0 };
    struct sk_tensor in = picture(bytes);
    const struct sk_tensor *out;

    if (sk_net_load(ctx, sk_source_path("tests/data/models/scores.onnx"), NULL, &net, err) < 0 ||
        sk_run_new(net, &run, err) < 0)
        return -1;
    return sk_run_exec(run, &in, NULL, false, &out, NULL, err);
}

static void memory_may_run_out(void **state)
{
    struct sk_engine *e = fake((struct sk_fake_options){ 0 });

    (void)state;
    assert_true(sk_alloc_sweep("load and run", load_and_run, e, 0) > 10);
    sk_engine_trim();
    sk_engine_close(e);
    sk_engine_close(NULL);
    sk_net_free(NULL);
    sk_run_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_is_described),
        cmocka_unit_test(a_degraded_engine_says_so),
        cmocka_unit_test(input_buffers_are_kept),
        cmocka_unit_test(outputs_depend_on_inputs),
        cmocka_unit_test(misuse_is_counted),
        cmocka_unit_test(failing_loads),
        cmocka_unit_test(memory_may_run_out),
        cmocka_unit_test(runs_are_parallel_and_can_be_cancelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
