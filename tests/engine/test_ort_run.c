/* test_ort_run.c - tensors of every type and shape through ONNX Runtime and back, reuse,
 * cancelling, threads. */
#include "engine/engine.h"

#include "base/thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/alloc_fail.h"
#include "ort_fixture.h"

static struct sk_run *new_run(struct sk_net *net)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_run *run = NULL;

    if (sk_run_new(net, &run, &err) < 0)
        fail_msg("%s", err.text);
    return run;
}

static struct sk_tensor vector(float *data, int64_t n)
{
    return (struct sk_tensor){
        .dtype = SK_DT_F32, .rank = 1, .dims = { n }, .data = data, .size_bytes = (size_t)n * 4
    };
}

/* [engine-30] Each type in and out again, with 3, 0, 1 and 5 elements, through both sessions. */
static void every_type_comes_back(void **state)
{
    static const int64_t counts[] = { 3, 0, 1, 5, 5 };
    SK_OWN(sk_net_free) struct sk_net *net = load_net("types");
    SK_OWN(sk_run_free) struct sk_run *run = new_run(net);

    (void)state;
    assert_int_equal(sk_net_info(net)->input_count, SK_DT_COUNT);
    for (size_t row = 0; row < sizeof(counts) / sizeof(counts[0]); row++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_tensor in[SK_DT_COUNT];
        unsigned char bytes[SK_DT_COUNT][64];
        const char *strings[] = { "one", "", "a\0b", "\xff not UTF-8", "last" };
        size_t lens[] = { 3, 0, 3, 11, 4 };
        const struct sk_tensor *out;

        for (unsigned t = 0; t < SK_DT_COUNT; t++) {
            for (size_t b = 0; b < sizeof(bytes[t]); b++)
                bytes[t][b] = t == SK_DT_BOOL ? b % 2 : (unsigned char)(b * 37 + t + row);
            in[t] = (struct sk_tensor){ .dtype = t,
                                        .rank = 1,
                                        .dims = { counts[row] },
                                        .data = bytes[t],
                                        .size_bytes = (size_t)counts[row] * sk_dtype_size(t) };
            assert_int_equal(sk_net_info(net)->inputs[t].dtype, t);
        }
        in[SK_DT_BYTES].strings = strings;
        in[SK_DT_BYTES].string_lens = lens;
        if (sk_run_exec(run, in, NULL, row % 2 == 1, &out, NULL, &err) < 0)
            fail_msg("row %zu: %s", row, err.text);
        for (unsigned t = 0; t < SK_DT_BYTES; t++) {
            assert_int_equal(out[t].dtype, t);
            assert_int_equal(out[t].rank, 1);
            assert_int_equal(out[t].dims[0], counts[row]);
            assert_int_equal(out[t].size_bytes, in[t].size_bytes);
            assert_non_null(out[t].data);
            assert_memory_equal(out[t].data, bytes[t], in[t].size_bytes);
        }
        assert_int_equal(out[SK_DT_BYTES].dims[0], counts[row]);
        for (int64_t i = 0; i < counts[row]; i++) {
            assert_int_equal(out[SK_DT_BYTES].string_lens[i], lens[i]);
            assert_memory_equal(out[SK_DT_BYTES].strings[i], strings[i], lens[i]);
        }
    }
}

/* A shape that depends on the data grows and shrinks; scalars have rank 0; empty inputs work. */
static void shapes_follow_the_data(void **state)
{
    static const struct {
        int64_t n;
        float x[4];
        int64_t nonzero;
        float sum;
    } rows[] = {
        { 3, { 1, 0, 2 }, 2, 3 }, { 4, { 1, 1, 1, 1 }, 4, 4 }, { 4, { 0, 0, 0, 0 }, 0, 0 },
        { 0, { 0 }, 0, 0 },       { 1, { 5 }, 1, 5 },
    };
    SK_OWN(sk_net_free) struct sk_net *net = load_net("shapes");
    SK_OWN(sk_run_free) struct sk_run *run = new_run(net);

    (void)state;
    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        struct sk_err err = SK_ERR_INIT;
        float x[4], s = 2;
        struct sk_tensor in[2] = { vector(x, rows[row].n),
                                   { .dtype = SK_DT_F32, .data = &s, .size_bytes = 4 } };
        const struct sk_tensor *out;

        memcpy(x, rows[row].x, sizeof(x));
        if (sk_run_exec(run, in, NULL, false, &out, NULL, &err) < 0)
            fail_msg("row %zu: %s", row, err.text);
        assert_int_equal(out[0].rank, 2);
        assert_int_equal(out[0].dims[0], 1);
        assert_int_equal(out[0].dims[1], rows[row].nonzero);
        assert_int_equal(out[0].size_bytes, rows[row].nonzero * 8);
        assert_non_null(out[0].data);
        assert_int_equal(out[1].rank, 0);
        assert_int_equal(out[1].size_bytes, 4);
        assert_true(*(float *)out[1].data == rows[row].sum);
        assert_int_equal(out[2].dims[0], rows[row].n);
        for (int64_t i = 0; i < rows[row].n; i++)
            assert_true(((float *)out[2].data)[i] == 2 * x[i]);
    }
}

static void only_wanted_outputs(void **state)
{
    SK_OWN(sk_net_free) struct sk_net *net = load_net("shapes");
    SK_OWN(sk_run_free) struct sk_run *run = new_run(net);
    struct sk_err err = SK_ERR_INIT;
    float x[2] = { 3, 4 }, s = 10;
    struct sk_tensor in[2] = { vector(x, 2), { .dtype = SK_DT_F32, .data = &s, .size_bytes = 4 } };
    const bool wanted[] = { false, false, true };
    const struct sk_tensor *out;

    (void)state;
    assert_int_equal(sk_run_exec(run, in, wanted, false, &out, NULL, &err), 0);
    assert_null(out[0].data);
    assert_null(out[1].data);
    assert_true(((float *)out[2].data)[1] == 40);
}

/* [engine-32] */
static void outputs_that_are_no_tensors(void **state)
{
    SK_OWN(sk_net_free) struct sk_net *net = load_net("sequence");
    SK_OWN(sk_run_free) struct sk_run *run = new_run(net);
    struct sk_err err = SK_ERR_INIT;
    float x[4] = { 1, 2, 3, 4 };
    struct sk_tensor in = {
        .dtype = SK_DT_F32, .rank = 2, .dims = { 2, 2 }, .data = x, .size_bytes = 16
    };
    const bool both[] = { true, true };
    const struct sk_tensor *out;

    (void)state;
    assert_int_equal(sk_net_info(net)->outputs[1].dtype, SK_DT_COUNT);
    assert_int_equal(sk_run_exec(run, &in, NULL, false, &out, NULL, &err), 0);
    assert_memory_equal(out[0].data, x, sizeof(x));
    assert_null(out[1].data);
    assert_int_equal(sk_run_exec(run, &in, both, false, &out, NULL, &err), -1);
    assert_int_equal(err.code, SK_UNSUPPORTED);
    assert_non_null(strstr(err.text, "'parts'"));
}

/* [engine-33] The declaration says n, the truth is 2n: the answer is right anyway, also later and
 * in other sizes. */
static void wrong_declarations_do_no_harm(void **state)
{
    SK_OWN(sk_net_free) struct sk_net *net = load_net("liar");
    SK_OWN(sk_run_free) struct sk_run *run = new_run(net);

    (void)state;
    for (int64_t n = 1; n <= 4; n++) {
        struct sk_err err = SK_ERR_INIT;
        float x[4] = { 1, 2, 3, 4 };
        struct sk_tensor in = vector(x, n);
        const struct sk_tensor *out;

        if (sk_run_exec(run, &in, NULL, false, &out, NULL, &err) < 0)
            fail_msg("n = %d: %s", (int)n, err.text);
        assert_int_equal(out[0].dims[0], 2 * n);
        assert_memory_equal((float *)out[0].data + n, x, (size_t)n * 4);
    }
}

static void misfits_are_refused(void **state)
{
    SK_OWN(sk_net_free) struct sk_net *net = load_net("scores");
    SK_OWN(sk_run_free) struct sk_run *run = new_run(net);
    struct sk_err err = SK_ERR_INIT;
    float x[96] = { 0 };
    struct sk_tensor in = {
        .dtype = SK_DT_F32, .rank = 4, .dims = { 1, 3, 4, 5 }, .data = x, .size_bytes = 240
    };
    const struct sk_tensor *out;

    (void)state;
    assert_int_equal(sk_run_exec(run, &in, NULL, false, &out, NULL, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    assert_string_equal(err.text,
                        "input 'input': wrong shape: got FP32 [1,3,4,5], expected FP32 [?,3,4,4]");
}

/* [engine-33] After the first run a request of the same shape allocates nothing of ours, whichever
 * session runs it. */
static void steady_runs_do_not_allocate(void **state)
{
    SK_OWN(sk_net_free) struct sk_net *net = load_net("scores");
    SK_OWN(sk_run_free) struct sk_run *run = new_run(net);
    struct sk_err err = SK_ERR_INIT;
    struct sk_tensor in = {
        .dtype = SK_DT_F32, .rank = 4, .dims = { 2, 3, 4, 4 }, .size_bytes = 384
    };
    const struct sk_tensor *out;
    float *x = sk_run_input_buffer(run, 0, 384, &err);
    const void *first;
    int did_fail;

    (void)state;
    assert_non_null(x);
    assert_int_equal((uintptr_t)x % 64, 0);
    in.data = x;
    for (size_t i = 0; i < 96; i++)
        x[i] = (float)i;
    assert_int_equal(sk_run_exec(run, &in, NULL, false, &out, NULL, &err), 0);
    first = out[0].data;
    for (int i = 0; i < 4; i++) {
        sk_alloc_fail_at(0);
        assert_ptr_equal(sk_run_input_buffer(run, 0, 384, &err), x);
        assert_int_equal(sk_run_exec(run, &in, NULL, i % 2 == 1, &out, NULL, &err), 0);
        assert_int_equal(sk_alloc_fail_end(&did_fail), 0);
        assert_ptr_equal(out[0].data, first);
    }
    assert_int_equal(out[0].dims[0], 2);
    assert_true(((float *)out[0].data)[0] == 7.5f - 39.5f + 0.25f);
}

/* ---- cancelling ---- */

struct canceller {
    struct sk_run *run;
    atomic_bool is_over;
};

/* Again and again: one that comes before the run starts does nothing. */
static void *cancel_soon(void *arg)
{
    struct canceller *c = arg;

    while (!atomic_load(&c->is_over)) {
        (void)usleep(20000);
        sk_run_cancel(c->run);
    }
    return NULL;
}

/* [engine-34] */
static void a_run_can_be_cancelled(void **state)
{
    SK_OWN(sk_net_free) struct sk_net *net = load_net("slow");
    SK_OWN(sk_run_free) struct sk_run *run = new_run(net);
    struct sk_err err = SK_ERR_INIT;
    int64_t n = 5;
    struct sk_tensor in = { .dtype = SK_DT_I64, .data = &n, .size_bytes = 8 };
    const struct sk_tensor *out;
    struct canceller c = { .run = run };
    pthread_t thread;

    (void)state;
    sk_run_cancel(run); /* nothing runs: nothing happens */
    assert_int_equal(sk_run_exec(run, &in, NULL, false, &out, NULL, &err), 0);
    assert_true(*(float *)out[0].data == 5);
    n = INT64_C(1) << 40; /* hours */
    assert_int_equal(sk_thread_start(&thread, "cancel", cancel_soon, &c, &err), 0);
    assert_int_equal(sk_run_exec(run, &in, NULL, false, &out, NULL, &err), -1);
    assert_int_equal(err.code, SK_CANCELLED);
    atomic_store(&c.is_over, true);
    (void)pthread_join(thread, NULL);
    n = 7;
    assert_int_equal(sk_run_exec(run, &in, NULL, false, &out, NULL, &err), 0);
    assert_true(*(float *)out[0].data == 7);
}

/* ---- threads ---- */

struct caller {
    struct sk_net *net;
    float base;
    bool wide;
    int wrong;
};

static void *call_often(void *arg)
{
    struct caller *c = arg;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_run_free) struct sk_run *run = NULL;

    if (sk_run_new(c->net, &run, &err) < 0) {
        c->wrong = 1000;
        return NULL;
    }
    for (int i = 0; i < 60; i++) {
        int64_t batch = 1 + i % 3;
        struct sk_tensor in = { .dtype = SK_DT_F32,
                                .rank = 4,
                                .dims = { batch, 3, 4, 4 },
                                .size_bytes = (size_t)batch * 192 };
        const struct sk_tensor *out;
        float *x = in.data = sk_run_input_buffer(run, 0, in.size_bytes, &err);

        for (int64_t k = 0; x && k < batch * 48; k++)
            x[k] = k / 16 % 3 == 0 ? c->base + (float)i : 0;
        if (!x || sk_run_exec(run, &in, NULL, c->wide, &out, NULL, &err) < 0) {
            c->wrong++;
            continue;
        }
        for (int64_t b = 0; b < batch; b++)
            c->wrong += ((float *)out[0].data)[2 * b] != c->base + (float)i + 0.25f;
    }
    return NULL;
}

static void threads_share_a_net(void **state)
{
    SK_OWN(sk_net_free) struct sk_net *net = load_net("scores");
    struct caller callers[4];
    pthread_t threads[4];
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    for (int i = 0; i < 4; i++) {
        callers[i] = (struct caller){ .net = net, .base = (float)i * 1000, .wide = i == 3 };
        assert_int_equal(sk_thread_start(&threads[i], "caller", call_often, &callers[i], &err), 0);
    }
    for (int i = 0; i < 4; i++) {
        (void)pthread_join(threads[i], NULL);
        assert_int_equal(callers[i].wrong, 0);
    }
}

/* ---- memory ---- */

static int run_once(void *ctx, struct sk_err *err)
{
    SK_OWN(sk_run_free) struct sk_run *run = NULL;
    struct sk_tensor in = {
        .dtype = SK_DT_F32, .rank = 4, .dims = { 1, 3, 4, 4 }, .size_bytes = 192
    };
    const struct sk_tensor *out;

    if (sk_run_new(ctx, &run, err) < 0)
        return -1;
    in.data = sk_run_input_buffer(run, 0, 192, err);
    if (!in.data)
        return -1;
    memset(in.data, 0, 192);
    return sk_run_exec(run, &in, NULL, false, &out, NULL, err);
}

static void memory_may_run_out(void **state)
{
    SK_OWN(sk_net_free) struct sk_net *net = load_net("scores");

    (void)state;
    assert_true(sk_alloc_sweep("run", run_once, net, SK_ALLOC_MAY_SURVIVE) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_comes_back),
        cmocka_unit_test(shapes_follow_the_data),
        cmocka_unit_test(only_wanted_outputs),
        cmocka_unit_test(outputs_that_are_no_tensors),
        cmocka_unit_test(wrong_declarations_do_no_harm),
        cmocka_unit_test(misfits_are_refused),
        cmocka_unit_test(steady_runs_do_not_allocate),
        cmocka_unit_test(a_run_can_be_cancelled),
        cmocka_unit_test(threads_share_a_net),
        cmocka_unit_test(memory_may_run_out),
    };

    return cmocka_run_group_tests(tests, open_engine, close_engine);
}
