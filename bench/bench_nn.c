/*
 * bench_nn.c - speed of the training step and of inference.
 *
 *     bench_nn [-a ARCH] [-t THREADS] [-b BATCH] [-s SIDE] [-n STEPS] [-p f32|bf16] [-i] [-v]
 *
 * Prints the best and the median time, pictures per second of the best, the plan's memory and the
 * peak of the process. -i: inference. -v: every operation with its time in the last run. The
 * network (resnet18) has two classes and its first weights; no optimiser is included.
 */
#include "arch/arch.h"
#include "base/buf.h"
#include "base/clock.h"
#include "nn/nn.h"

#include <sys/resource.h>

static float uniform(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (float)(*state >> 40) / (float)(1 << 24) * 2 - 1;
}

struct options {
    const struct sk_arch *arch;
    unsigned threads, batch, side, steps;
    bool is_bf16, is_inference, is_verbose;
};

static int run_once(struct sk_nn *n, struct sk_nn_plan *p, const struct options *o,
                    const float *pictures, const uint32_t *labels, struct sk_err *err)
{
    struct sk_nn_loss loss = { 0 };
    struct sk_nn_result result;
    const float *scores;

    if (o->is_inference)
        return sk_nn_forward(p, pictures, &scores, err);
    sk_nn_touch(n);
    return sk_nn_step(p, pictures, labels, &loss, 0, &result, err);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static int measure(struct sk_nn *n, struct sk_nn_plan *p, const struct options *o,
                   struct sk_err *err)
{
    size_t count = (size_t)o->batch * 3 * o->side * o->side;
    SK_AUTO(free_cleanup) float *pictures = malloc(count * sizeof(*pictures));
    SK_AUTO(free_cleanup) uint32_t *labels = calloc(o->batch, sizeof(*labels));
    SK_AUTO(free_cleanup) double *times = calloc(o->steps + 1, sizeof(*times));
    struct rusage usage;
    uint64_t state = 2;

    if (!pictures || !labels || !times)
        return sk_nomem(err);
    for (size_t i = 0; i < count; i++)
        pictures[i] = uniform(&state);
    for (unsigned i = 0; i <= o->steps; i++) {
        uint64_t begin = sk_now_ns();

        if (run_once(n, p, o, pictures, labels, err) < 0)
            return -1;
        times[i] = (double)(sk_now_ns() - begin) / 1e9;
    }
    qsort(times + 1, o->steps, sizeof(*times), compare); /* the first run warms up */
    (void)getrusage(RUSAGE_SELF, &usage);
    printf("%s %s %s batch %u side %u threads %u: best %.4f s, median %.4f s, %.1f pictures/s, "
           "plan %zu "
           "MB, peak %ld MB\n",
           o->arch->name, sk_nn_engine_name(), o->is_bf16 ? "bf16" : "f32", o->batch, o->side,
           sk_nn_threads(), times[1], times[1 + o->steps / 2], o->batch / times[1],
           sk_nn_plan_bytes(p) >> 20, usage.ru_maxrss >> 10);
    return 0;
}

static int bench(const struct options *o, struct sk_err *err)
{
    SK_OWN(sk_nn_free) struct sk_nn *n = NULL;
    SK_OWN(sk_nn_plan_free) struct sk_nn_plan *p = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 20);
    struct sk_nn_plan_options opts = { .batch = o->batch,
                                       .mode = o->is_inference ? SK_NN_INFER : SK_NN_TRAIN,
                                       .precision = o->is_bf16 ? SK_NN_BF16 : SK_NN_F32 };

    if (sk_nn_start(o->threads, err) < 0 || sk_arch_new(o->arch, 2, o->side, 1, &n, err) < 0)
        return -1;
    if (sk_nn_plan_new(n, &opts, &p, err) < 0 || measure(n, p, o, err) < 0)
        return -1;
    if (o->is_verbose) {
        sk_nn_plan_describe(p, &text);
        printf("%s", text.data);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct options o = { .arch = sk_arch_find("resnet18"), .batch = 32, .side = 224, .steps = 5 };
    struct sk_err err = SK_ERR_INIT;
    int letter;

    while ((letter = getopt(argc, argv, "a:t:b:s:n:p:iv")) != -1) {
        unsigned number = optarg ? (unsigned)strtoul(optarg, NULL, 10) : 0;

        if (letter == 'a')
            o.arch = sk_arch_find(optarg);
        else if (letter == 't')
            o.threads = number;
        else if (letter == 'b')
            o.batch = number;
        else if (letter == 's')
            o.side = number;
        else if (letter == 'n')
            o.steps = number ? number : 1;
        else if (letter == 'p')
            o.is_bf16 = strcmp(optarg, "bf16") == 0;
        else if (letter == 'i')
            o.is_inference = true;
        else if (letter == 'v')
            o.is_verbose = true;
        else
            return 2;
    }
    if (!o.arch) {
        (void)fprintf(stderr, "bench_nn: the architectures are %s\n", sk_arch_names());
        return 2;
    }
    if (o.is_verbose)
        (void)setenv("SKERRY_NN_PROFILE", "1", 1);
    if (bench(&o, &err) < 0) {
        (void)fprintf(stderr, "bench_nn: %s\n", err.text);
        return 1;
    }
    return 0;
}
