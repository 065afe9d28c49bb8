/*
 * test_parity.c - training resnet18 against PyTorch: losses of a free run, and single steps from
 * states that PyTorch reached.
 *
 * Golden files: tests/data/arch, made by tools/make_parity_golden.py, which says what is in them. A
 * run with SKERRY_PARITY=DIR takes those of its --full: whole states at 224 x 224, every entry of
 * every gradient.
 *
 * Free-running steps at a full learning rate tell nothing: rounding errors grow until PyTorch's own
 * memory formats disagree. So the long run has a small rate, and steps at the full rate start from
 * a given state. A gradient may be twice as far from float64 as PyTorch's own float32 is.
 */
#include "arch/arch_test.h"
#include "base/cleanup.h"
#include "train/train_priv.h"

static const double gradient_bar = 2, weight_bar = 3;

static const char *folder(void)
{
    const char *full = getenv("SKERRY_PARITY");

    return full ? full : sk_source_path("tests/data/arch");
}

/* ---- a network in training ---- */

struct training {
    struct sk_nn *nn;
    struct sk_nn_plan *plan;
    size_t count; /* of parameters */
    float *m, *v;
    float *pictures;
    uint32_t *labels;
    unsigned batch, side;
};

static void training_free(struct training *t)
{
    sk_nn_plan_free(t->plan);
    sk_nn_free(t->nn);
    free(t->m);
    free(t->v);
    free(t->pictures);
    free(t->labels);
}

static void training_init(struct training *t, unsigned batch, unsigned side)
{
    const struct sk_nn_plan_options options = { .batch = batch, .mode = SK_NN_TRAIN };
    struct sk_err err = SK_ERR_INIT;

    *t = (struct training){ .batch = batch, .side = side };
    if (sk_nn_start(0, &err) < 0)
        fail_msg("%s", err.text);
    t->nn = new_network("resnet18", GOLDEN_CLASSES, side, 0);
    if (sk_nn_plan_new(t->nn, &options, &t->plan, &err) < 0)
        fail_msg("%s", err.text);
    (void)sk_nn_values(t->nn, &t->count);
    t->m = calloc(t->count, sizeof *t->m);
    t->v = calloc(t->count, sizeof *t->v);
    t->pictures = malloc((size_t)batch * 3 * side * side * sizeof *t->pictures);
    t->labels = malloc(batch * sizeof *t->labels);
    assert_true(t->m && t->v && t->pictures && t->labels);
}

/* Pictures and labels of this seed, one step of Adam with this number, from 1. */
static double train_step(struct training *t, uint64_t seed, double lr, uint64_t number)
{
    const struct sk_optim adam = {
        .kind = SK_OPTIM_ADAM, .lr = lr, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .step = number
    };
    const struct sk_nn_loss loss = { 0 };
    struct sk_nn_result result;
    struct sk_err err = SK_ERR_INIT;

    formula_pictures(t->pictures, t->batch, t->side, seed);
    formula_labels(t->labels, t->batch, GOLDEN_CLASSES, seed);
    if (sk_nn_step(t->plan, t->pictures, t->labels, &loss, seed, &result, &err) < 0)
        fail_msg("%s", err.text);
    sk_optim_step(&adam, sk_nn_values(t->nn, &t->count), sk_nn_grads(t->nn, &t->count), t->m, t->v,
                  t->count);
    sk_nn_touch(t->nn);
    return result.loss;
}

/* ---- (a) 20 free-running steps at 1e-5 ---- */

static void free_run(void **state)
{
    SK_OWN(free) char *path = sk_path_join(folder(), "free.txt");
    SK_OWN(fclose) FILE *f = fopen(path, "re");
    SK_AUTO(training_free) struct training t = { 0 };
    double want[3], worst = 0, theirs = 0;
    unsigned batch, side;
    char line[256];

    (void)state;
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof line, f));
    assert_int_equal(fscanf(f, "%u %u", &batch, &side), 2);
    training_init(&t, batch, side);
    formula_fill(t.nn, 100);
    for (size_t i = 0; i < sk_nn_param_count(t.nn); i++) {
        struct sk_nn_param *p = sk_nn_param(t.nn, i);

        for (size_t k = 0; k < p->count; k++)
            if (p->role == SK_NN_BN_MEAN || p->role == SK_NN_BN_VAR)
                p->value[k] = p->role == SK_NN_BN_VAR;
    }
    for (unsigned i = 0; i < 20; i++) {
        double loss = train_step(&t, 200 + i, 1e-5, i + 1);

        assert_int_equal(fscanf(f, "%lf %lf %lf", &want[0], &want[1], &want[2]), 3);
        worst = fmax(worst, fabs(loss / want[0] - 1));
        theirs = fmax(theirs, fabs(want[1] / want[0] - 1));
        if (!(fabs(loss - want[0]) <= 1e-3 * want[0]))
            fail_msg("step %u: loss %.9g, PyTorch's is %.9g", i, loss, want[0]);
    }
    print_message("# losses differ by %.2g, PyTorch's formats by %.2g\n", worst, theirs);
}

/* ---- (b) one step at 1e-3 from a stored state ---- */

static const struct sk_weight *tensor(const struct sk_weights *w, const char *mark,
                                      const char *name)
{
    char full[128];
    const struct sk_weight *t;

    (void)snprintf(full, sizeof full, "%s:%s", mark, name);
    t = sk_weights_find(w, full);
    if (!t)
        fail_msg("no tensor '%s'", full);
    return t;
}

static uint64_t number(const struct sk_weights *w, const char *key)
{
    const char *text = sk_weights_meta(w, key);

    assert_non_null(text);
    return strtoull(text, NULL, 10);
}

/* A tensor as it is, or the two bounds between which the formula draws it. */
static void read_state(const struct sk_weights *w, const char *mark, const struct sk_nn_param *p,
                       float *out)
{
    const struct sk_weight *t = tensor(w, mark, p->name);
    struct sk_err err = SK_ERR_INIT;
    char name[128];
    float bounds[2];

    (void)snprintf(name, sizeof name, "%s:%s", mark, p->name);
    if (t->count == p->count) {
        assert_int_equal(sk_weight_f32(t, out, &err), 0);
        return;
    }
    assert_int_equal(t->count, 2);
    assert_int_equal(sk_weight_f32(t, bounds, &err), 0);
    formula_between(out, p->count, number(w, "weights"), name, (double)bounds[0],
                    (double)bounds[1]);
}

static bool is_buffer(const struct sk_nn_param *p)
{
    return p->role == SK_NN_BN_MEAN || p->role == SK_NN_BN_VAR;
}

static void read_states(struct training *t, const struct sk_weights *w)
{
    for (size_t i = 0; i < sk_nn_param_count(t->nn); i++) {
        struct sk_nn_param *p = sk_nn_param(t->nn, i);

        read_state(w, is_buffer(p) ? "b" : "w", p, p->value);
        if (is_buffer(p))
            continue;
        read_state(w, "m", p, t->m + p->offset);
        read_state(w, "v", p, t->v + p->offset);
    }
    sk_nn_touch(t->nn);
}

/* How far entries of a tensor are from the float64 ones, in units of PyTorch's own distance; at
 * least that of the rounding to float32. */
static double distance(const struct sk_weights *w, const char *mark, const struct sk_nn_param *p,
                       const float *got)
{
    const struct sk_weight *exact = tensor(w, mark, p->name);
    char bar_mark[8], pick[160];
    double sum = 0, rounding = 0, theirs;
    uint64_t key;

    (void)snprintf(bar_mark, sizeof bar_mark, "%sd", mark);
    (void)snprintf(pick, sizeof pick, "pick:%s", p->name);
    assert_int_equal(exact->dtype, SK_DT_F64);
    memcpy(&theirs, tensor(w, bar_mark, p->name)->data, sizeof theirs);
    key = sk_random_key(number(w, "seed"), pick);
    for (size_t i = 0; i < exact->count; i++) {
        size_t at = exact->count == p->count
                        ? i
                        : (size_t)(sk_random_uniform(key, i) * (double)p->count);
        double want;

        memcpy(&want, (const char *)exact->data + i * sizeof want, sizeof want);
        sum += ((double)got[at] - want) * ((double)got[at] - want);
        rounding += want * want * 0x1p-48;
    }
    return sqrt(sum) / fmax(theirs, sqrt(rounding));
}

static double check_buffers(struct training *t, const struct sk_weights *w)
{
    double worst = 0;

    for (size_t i = 0; i < sk_nn_param_count(t->nn); i++) {
        const struct sk_nn_param *p = sk_nn_param(t->nn, i);
        const struct sk_weight *after;

        if (!is_buffer(p))
            continue;
        after = tensor(w, "a", p->name);
        for (size_t k = 0; k < p->count; k++) {
            float want;
            double off;

            memcpy(&want, (const char *)after->data + k * sizeof want, sizeof want);
            off = fabs((double)p->value[k] - (double)want) / fmax(1, fabs((double)want));
            worst = fmax(worst, off);
            if (!(off <= 1e-5))
                fail_msg("%s[%zu] is %.9g, PyTorch has %.9g", p->name, k, (double)p->value[k],
                         (double)want);
        }
    }
    return worst;
}

static void one_step(const char *name)
{
    SK_OWN(free) char *path = sk_path_join(folder(), name);
    SK_OWN(sk_weights_free) struct sk_weights *w = NULL;
    SK_AUTO(training_free) struct training t = { 0 };
    double loss, want, buffers, gradients = 0, weights = 0;
    struct sk_err err = SK_ERR_INIT;
    const float *values, *grads;

    if (sk_weights_open(path, &w, &err) < 0)
        fail_msg("%s", err.text);
    training_init(&t, (unsigned)number(w, "batch"), (unsigned)number(w, "side"));
    read_states(&t, w);
    loss = train_step(&t, number(w, "seed"), 1e-3, number(w, "step") + 1);
    want = strtod(sk_weights_meta(w, "loss"), NULL);
    if (!(fabs(loss - want) <= 1e-4))
        fail_msg("%s: loss %.9g, PyTorch's is %.9g", name, loss, want);
    buffers = check_buffers(&t, w);
    values = sk_nn_values(t.nn, &t.count);
    grads = sk_nn_grads(t.nn, &t.count);
    for (size_t i = 0; i < sk_nn_param_count(t.nn); i++) {
        const struct sk_nn_param *p = sk_nn_param(t.nn, i);

        if (is_buffer(p))
            continue;
        double g = distance(w, "g", p, grads + p->offset);
        double u = distance(w, "u", p, values + p->offset);
        if (!(g <= gradient_bar) || !(u <= weight_bar))
            fail_msg("%s: gradient of %s is %.3g times PyTorch's distance from float64, its new "
                     "value %.3g times",
                     name, p->name, g, u);
        gradients = fmax(gradients, g);
        weights = fmax(weights, u);
    }
    print_message("# %s: loss off by %.2g, buffers by %.2g; distances in units of PyTorch's: "
                  "gradients up to %.2f, new weights up to %.2f\n",
                  name, fabs(loss - want), buffers, gradients, weights);
}

static void first_step(void **state)
{
    (void)state;
    one_step("step-1.safetensors");
}

static void fifth_step(void **state)
{
    (void)state;
    one_step("step-5.safetensors");
}

static void twentieth_step(void **state)
{
    (void)state;
    one_step("step-20.safetensors");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(free_run),
        cmocka_unit_test(first_step),
        cmocka_unit_test(fifth_step),
        cmocka_unit_test(twentieth_step),
    };

    return cmocka_run_group_tests_name("parity", tests, NULL, NULL);
}
