/* test_op_norm.c - batch norm and what is fused with it; frozen, and over two processes. */
#include "nn/reference.h"

#include "base/thread.h"

#include <math.h>

static const struct net_case nets[] = {
    NET("behind a convolution", 3, 3, 6, 5, CONV("a", 0, 16, 3, .padding = 1), NORM("n", 1),
        HEAD(2, 3)),
    NET("24 channels, relu", 2, 3, 6, 5, CONV("a", 0, 24, 3, .padding = 1), NORM("n", 1),
        LAYER(SK_NN_RELU, 2), CONV("b", 3, 8, 3), HEAD(4, 5)),
    NET("relu6", 2, 3, 6, 5, CONV("a", 0, 16, 3), NORM("n", 1), LAYER(SK_NN_RELU6, 2), HEAD(3, 4)),
    NET("hard swish", 2, 3, 6, 5, CONV("a", 0, 16, 3), NORM("n", 1), LAYER(SK_NN_HARD_SWISH, 2),
        HEAD(3, 4)),
    NET("hard sigmoid", 2, 3, 6, 5, CONV("a", 0, 20, 3), NORM("n", 1), LAYER(SK_NN_HARD_SIGMOID, 2),
        CONV("b", 3, 8, 3), HEAD(4, 5)),
    NET("silu", 2, 3, 6, 5, CONV("a", 0, 20, 3), NORM("n", 1), LAYER(SK_NN_SILU, 2),
        CONV("b", 3, 8, 3), HEAD(4, 5)),
    NET("sigmoid", 2, 3, 6, 5, CONV("a", 0, 20, 3), NORM("n", 1), LAYER(SK_NN_SIGMOID, 2),
        CONV("b", 3, 8, 3), HEAD(4, 5)),
    NET("residual", 2, 3, 6, 6, CONV("a", 0, 16, 3, .padding = 1), NORM("n", 1),
        LAYER(SK_NN_RELU, 2), CONV("b", 3, 16, 3, .padding = 1), NORM("m", 4),
        PAIR(SK_NN_ADD, 5, 3), LAYER(SK_NN_RELU, 6), HEAD(7, 8)),
    NET("residual of itself", 2, 3, 6, 6, CONV("a", 0, 16, 3, .padding = 1), NORM("n", 1),
        PAIR(SK_NN_ADD, 2, 1), LAYER(SK_NN_RELU, 3), HEAD(4, 5)),
    NET("both sides normalised", 2, 3, 6, 6, CONV("a", 0, 16, 3, .padding = 1), NORM("n", 1),
        CONV("b", 0, 16, 1), NORM("m", 3), PAIR(SK_NN_ADD, 2, 4), LAYER(SK_NN_RELU6, 5),
        HEAD(6, 7)),
    NET("residual, hard swish behind", 2, 3, 6, 6, CONV("a", 0, 16, 3, .padding = 1),
        CONV("b", 1, 16, 3, .padding = 1), NORM("n", 2), PAIR(SK_NN_ADD, 1, 3),
        LAYER(SK_NN_HARD_SWISH, 4), HEAD(5, 6)),
    NET("residual, sigmoid behind", 2, 3, 6, 6, CONV("a", 0, 20, 3, .padding = 1),
        CONV("b", 1, 20, 3, .padding = 1), NORM("n", 2), PAIR(SK_NN_ADD, 1, 3),
        LAYER(SK_NN_SIGMOID, 4), CONV("c", 5, 8, 3), HEAD(6, 7)),
    NET("before the convolution", 2, 3, 6, 6, CONV("a", 0, 16, 3), LAYER(SK_NN_RELU, 1),
        NORM("n", 2), LAYER(SK_NN_RELU, 3), CONV("b", 4, 16, 3), HEAD(5, 6)),
    NET("read twice", 2, 3, 6, 6, CONV("a", 0, 16, 3, .padding = 1), NORM("n", 1),
        CONV("b", 2, 16, 3, .padding = 1), CONV("c", 2, 16, 1), PAIR(SK_NN_ADD, 3, 4), HEAD(5, 6)),
    NET("input read twice", 2, 3, 6, 6, CONV("a", 0, 16, 3, .padding = 1), NORM("n", 1),
        CONV("b", 1, 16, 3, .padding = 1), PAIR(SK_NN_ADD, 2, 3), HEAD(4, 5)),
    NET("of pictures", 3, 3, 6, 6, NORM("n", 0), CONV("a", 1, 16, 3), HEAD(2, 3)),
    NET("of flat values", 4, 3, 6, 6, CONV("a", 0, 16, 3), LAYER(SK_NN_GLOBAL_POOL, 1),
        LAYER(SK_NN_FLATTEN, 2), NORM("n", 3), LAYER(SK_NN_RELU, 4), LINEAR("fc", 5, 3)),
    NET("many rows", 1, 3, 70, 70, CONV("a", 0, 8, 3, .stride = 1), NORM("n", 1),
        LAYER(SK_NN_RELU, 2), HEAD(3, 4)),
    NET("last but the scores", 4, 3, 6, 6, CONV("a", 0, 3, 6), NORM("n", 1)),
};

static void test_gradients(void **state)
{
    (void)state;
    check_steps(nets, COUNT(nets));
}

static void test_inference(void **state)
{
    (void)state;
    check_inferences(nets, COUNT(nets));
}

static void test_bf16(void **state)
{
    (void)state;
    check_bf16s(nets, COUNT(nets));
}

static void test_frozen(void **state)
{
    static const struct {
        const char *name, *frozen[4];
    } rows[] = {
        { "one", { "n.weight" } },
        { "one, whole", { "n.weight", "n.bias" } },
        { "bias alone", { "n.bias" } },
        { "with the convolution below", { "a.weight", "n.weight", "n.bias" } },
        { "the other", { "m.weight", "m.bias" } },
    };
    const struct net_case *net = &nets[7];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_OWN(sk_nn_free) struct sk_nn *n = net_build(net);

        for (size_t k = 0; k < 4 && rows[i].frozen[k]; k++)
            sk_nn_find(n, rows[i].frozen[k])->frozen = true;
        check_step_of(rows[i].name, n, 2, SK_DN_ANY);
    }
}

static void test_one_value(void **state)
{
    const struct net_case net = NET("one value", 1, 3, 4, 4, CONV("a", 0, 8, 4), NORM("n", 1),
                                    LAYER(SK_NN_FLATTEN, 2), LINEAR("fc", 3, 3));
    SK_OWN(sk_nn_free) struct sk_nn *n = net_build(&net);
    struct sk_nn_plan_options opts = { .batch = 1, .mode = SK_NN_TRAIN };
    struct sk_nn_plan *p = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_nn_plan_new(n, &opts, &p, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    assert_string_equal(err.text,
                        "layer 2 (batch norm n): batch norm needs more than one value per "
                        "channel to train: batch 1 of a 1 x 1 map");
    sk_nn_find(n, "n.weight")->frozen = true; /* statistics are not taken then */
    assert_int_equal(sk_nn_plan_new(n, &opts, &p, &err), 0);
    sk_nn_plan_free(p);
    opts.mode = SK_NN_INFER;
    assert_int_equal(sk_nn_plan_new(n, &opts, &p, &err), 0);
    sk_nn_plan_free(p);
}

/* Two processes, each on a thread of its own: a sum waits for both. */
struct meeting {
    pthread_mutex_t lock;
    pthread_cond_t both;
    double *first;
    unsigned long round;
};

static int meet(void *ctx, double *values, size_t count, struct sk_err *err)
{
    struct meeting *m = ctx;
    SK_LOCK(&m->lock);
    unsigned long round = m->round;

    (void)err;
    if (!m->first) {
        m->first = values;
        while (m->round == round)
            (void)pthread_cond_wait(&m->both, &m->lock);
        return 0;
    }
    for (size_t i = 0; i < count; i++)
        values[i] = m->first[i] = m->first[i] + values[i];
    m->first = NULL;
    m->round++;
    (void)pthread_cond_broadcast(&m->both);
    return 0;
}

struct process {
    struct sk_nn *n;
    const float *pictures;
    const uint32_t *labels;
    unsigned batch, total;
    struct meeting *meeting;
    struct sk_nn_result result;
    int status;
};

static void *run_process(void *arg)
{
    struct process *p = arg;
    struct sk_nn_reduce reduce = { meet, p->meeting };
    struct sk_nn_plan_options opts = { .batch = p->batch, .mode = SK_NN_TRAIN, .reduce = &reduce };
    struct sk_nn_loss loss = { .denominator = p->total };
    SK_OWN(sk_nn_plan_free) struct sk_nn_plan *plan = NULL;
    struct sk_err err = SK_ERR_INIT;

    p->status = sk_nn_plan_new(p->n, &opts, &plan, &err);
    if (p->status == 0)
        p->status = sk_nn_step(plan, p->pictures, p->labels, &loss, 5, &p->result, &err);
    return NULL;
}

/* Two processes with 1 and 3 pictures do what one does with 4. */
static void test_two_processes(void **state)
{
    const struct net_case *net = &nets[7];
    struct sk_nn *n[3];
    struct meeting meeting = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, 0 };
    SK_AUTO(free_cleanup) float *pictures = NULL;
    SK_AUTO(free_cleanup) uint32_t *labels = NULL;
    struct process parts[2];
    pthread_t threads[2];
    struct sk_nn_loss loss = { 0 };
    struct sk_nn_result whole;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    for (int i = 0; i < 3; i++)
        n[i] = net_build(net);
    pictures = net_pictures(n[0], 4, 1);
    labels = net_labels(n[0], 4);
    for (unsigned i = 0; i < 2; i++) {
        size_t first = i; /* pictures 0, and 1 to 3 */

        parts[i] = (struct process){ .n = n[i],
                                     .pictures = pictures + first * 3 * 6 * 6,
                                     .labels = labels + first,
                                     .batch = i ? 3 : 1,
                                     .total = 4,
                                     .meeting = &meeting };
        assert_int_equal(pthread_create(&threads[i], NULL, run_process, &parts[i]), 0);
    }
    for (int i = 0; i < 2; i++)
        (void)pthread_join(threads[i], NULL);
    SK_OWN(sk_nn_plan_free)
    struct sk_nn_plan *p = net_plan(n[2], 4, SK_NN_TRAIN, SK_NN_F32, SK_DN_ANY);
    assert_int_equal(sk_nn_step(p, pictures, labels, &loss, 5, &whole, &err), 0);
    assert_true(parts[0].status == 0 && parts[1].status == 0);
    assert_true(fabs(parts[0].result.loss + parts[1].result.loss - whole.loss) < 1e-6);
    for (size_t i = 0; i < n[2]->buffer_count; i++) {
        assert_true(n[0]->buffers[i] == n[1]->buffers[i]);
        assert_float_equal(n[0]->buffers[i], n[2]->buffers[i], 1e-6f);
    }
    for (size_t i = 0; i < n[2]->value_count; i++)
        assert_float_equal(n[0]->grads[i] + n[1]->grads[i], n[2]->grads[i],
                           1e-5f * (1 + fabsf(n[2]->grads[i])));
    for (int i = 0; i < 3; i++)
        sk_nn_free(n[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients), cmocka_unit_test(test_inference),
        cmocka_unit_test(test_bf16),      cmocka_unit_test(test_frozen),
        cmocka_unit_test(test_one_value), cmocka_unit_test(test_two_processes),
    };
    return cmocka_run_group_tests(tests, net_start, NULL);
}
