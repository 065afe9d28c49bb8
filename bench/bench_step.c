/*
 * bench_step.c - training steps of ResNet-18 on pictures that are ready: forward, loss, backward,
 * Adam.
 *
 *     bench_step THREADS BATCH SIDE STEPS f32|bf16
 *
 * Prints one line of JSON: seconds of each step, and the most memory before the network was made
 * and at the end. The first steps are not counted. train.py sets it beside PyTorch.
 */
#include "arch/arch.h"
#include "base/clock.h"
#include "base/str.h"
#include "train/train_priv.h"

#include <stdio.h>
#include <string.h>

enum {
    CLASSES = 2,
    WARM_STEPS = 2,
    MAX_STEPS = 1000
};

struct settings {
    unsigned threads, batch, side, steps;
    enum sk_nn_precision precision;
};

/* What the steps work on; the moments are those of Adam. */
struct work {
    struct sk_nn *net;
    struct sk_nn_plan *plan;
    float *pictures, *m, *v;
    uint32_t *labels;
    double seconds[MAX_STEPS];
};

static void work_done(struct work *w)
{
    sk_nn_plan_free(w->plan);
    sk_nn_free(w->net);
    free(w->pictures);
    free(w->labels);
    free(w->m);
    free(w->v);
}

/* The most memory that this process had so far, in MiB. (getrusage would count the caller's too.)
 */
static double peak_mb(void)
{
    SK_AUTO(fclose_cleanup) FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    double kb = 0;

    while (f && fgets(line, sizeof(line), f)) {
        if (sk_starts_with(line, "VmHWM:"))
            kb = strtod(line + 6, NULL);
    }
    return kb / 1024;
}

static int prepare(struct work *w, const struct settings *set, struct sk_err *err)
{
    const struct sk_nn_plan_options opts = { .batch = set->batch,
                                             .mode = SK_NN_TRAIN,
                                             .precision = set->precision };
    size_t values = (size_t)set->batch * 3 * set->side * set->side, params;
    uint64_t state = 1;

    if (sk_arch_new(sk_arch_find("resnet18"), CLASSES, set->side, 0, &w->net, err) < 0 ||
        sk_nn_plan_new(w->net, &opts, &w->plan, err) < 0)
        return -1;
    (void)sk_nn_values(w->net, &params);
    w->pictures = malloc(values * sizeof(float));
    w->labels = calloc(set->batch, sizeof(*w->labels));
    w->m = calloc(params, sizeof(float));
    w->v = calloc(params, sizeof(float));
    if (!w->pictures || !w->labels || !w->m || !w->v)
        return sk_nomem(err);
    for (size_t i = 0; i < values; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        w->pictures[i] = (float)((double)(state >> 40) / (1 << 23) - 1);
    }
    for (unsigned i = 0; i < set->batch; i++)
        w->labels[i] = i % CLASSES;
    return 0;
}

/* As train/loop.c has it. */
static void update(struct work *w, uint64_t step)
{
    const struct sk_optim adam = {
        .kind = SK_OPTIM_ADAM, .lr = 0.001, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .step = step
    };
    size_t count = 0;
    float *values = sk_nn_values(w->net, &count);

    sk_optim_step(&adam, values, sk_nn_grads(w->net, &count), w->m, w->v, count);
    sk_nn_touch(w->net);
}

static int run(struct work *w, const struct settings *set, struct sk_err *err)
{
    const struct sk_nn_loss loss = { 0 };
    struct sk_nn_result result;

    for (unsigned i = 0; i < set->steps + WARM_STEPS; i++) {
        uint64_t start = sk_now_ns();

        if (sk_nn_step(w->plan, w->pictures, w->labels, &loss, i, &result, err) < 0)
            return -1;
        update(w, i + 1);
        if (i >= WARM_STEPS)
            w->seconds[i - WARM_STEPS] = (double)(sk_now_ns() - start) / 1e9;
    }
    return 0;
}

static int parse(char **argv, struct settings *out, struct sk_err *err)
{
    static const char *const names[] = { "THREADS", "BATCH", "SIDE", "STEPS" };
    unsigned *const fields[] = { &out->threads, &out->batch, &out->side, &out->steps };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        uint64_t value;

        if (sk_parse_u64(names[i], argv[i + 1], 1, MAX_STEPS, &value, err) < 0)
            return -1;
        *fields[i] = (unsigned)value;
    }
    out->precision = strcmp(argv[5], "bf16") == 0 ? SK_NN_BF16 : SK_NN_F32;
    return 0;
}

int main(int argc, char **argv)
{
    SK_AUTO(work_done) struct work w = { 0 };
    struct settings set = { 0 };
    struct sk_err err = SK_ERR_INIT;
    double before_mb;

    if (argc != 6) {
        (void)fprintf(stderr, "usage: bench_step THREADS BATCH SIDE STEPS f32|bf16\n");
        return 2;
    }
    if (parse(argv, &set, &err) < 0 || sk_nn_start(set.threads, &err) < 0) {
        (void)fprintf(stderr, "bench_step: %s\n", err.text);
        return 1;
    }
    before_mb = peak_mb();
    if (prepare(&w, &set, &err) < 0 || run(&w, &set, &err) < 0) {
        (void)fprintf(stderr, "bench_step: %s\n", err.text);
        return 1;
    }
    (void)printf("{\"seconds\": [");
    for (unsigned i = 0; i < set.steps; i++)
        (void)printf("%s%.6f", i > 0 ? ", " : "", w.seconds[i]);
    (void)printf(
        "], \"before_mb\": %.1f, \"peak_mb\": %.1f, \"plan_mb\": %.1f, \"engine\": \"%s\"}\n",
        before_mb, peak_mb(), (double)sk_nn_plan_bytes(w.plan) / (1 << 20), sk_nn_engine_name());
    return 0;
}
