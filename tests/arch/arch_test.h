/*
 * arch_test.h - what the tests of arch share: golden files of tests/data/arch, weights and pictures
 * by formula. tools/make_parity_golden.py makes the files and has the same formula.
 */
#ifndef SK_TESTS_ARCH_TEST_H
#define SK_TESTS_ARCH_TEST_H

#include "arch/arch_priv.h"
#include "base/file.h"
#include "base/str.h"
#include "harness/golden.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum {
    GOLDEN_CLASSES = 5
};

/* low + (high - low) u, rounded once. */
static inline void formula_between(float *out, size_t count, uint64_t seed, const char *name,
                                   double low, double high)
{
    uint64_t key = sk_random_key(seed, name);

    for (size_t i = 0; i < count; i++)
        out[i] = (float)(low + (high - low) * sk_random_uniform(key, i));
}

static inline void formula_pictures(float *out, unsigned batch, unsigned side, uint64_t seed)
{
    formula_between(out, (size_t)batch * 3 * side * side, seed, "pictures", -2, 2);
}

static inline void formula_labels(uint32_t *out, unsigned batch, unsigned classes, uint64_t seed)
{
    uint64_t key = sk_random_key(seed, "labels");

    for (unsigned i = 0; i < batch; i++)
        out[i] = (uint32_t)(sk_random_uniform(key, i) * classes);
}

/* Weights that keep a signal's size, and batch norms that do something. */
static inline void formula_fill(struct sk_nn *n, uint64_t seed)
{
    for (size_t i = 0; i < sk_nn_param_count(n); i++) {
        struct sk_nn_param *p = sk_nn_param(n, i);
        double high = 0.1, low;

        if (p->role == SK_NN_WEIGHT)
            high = sqrt(6.0 / (double)(p->count / (size_t)p->dims[0]));
        if (p->role == SK_NN_BN_BIAS || p->role == SK_NN_BN_MEAN)
            high = 0.2;
        low = -high;
        if (p->role == SK_NN_BN_WEIGHT || p->role == SK_NN_BN_VAR) {
            low = 0.5;
            high = 1.5;
        }
        formula_between(p->value, p->count, seed, p->name, low, high);
    }
    sk_nn_touch(n);
}

/* A file of tests/data/arch; the caller closes it. */
static inline FILE *golden_open(const char *name)
{
    char path[128];
    FILE *f;

    (void)snprintf(path, sizeof path, "tests/data/arch/%s", name);
    f = fopen(sk_source_path(path), "re");
    if (!f)
        fail_msg("%s is missing", path);
    return f;
}

/* A line of tensors.txt. */
struct golden_tensor {
    char arch[32], name[96], shape[64], timm[96], deviation[32], most[32];
};

/* The next tensor of this architecture; false: there are no more. */
static inline bool golden_next(FILE *f, const char *arch, struct golden_tensor *t)
{
    char line[512];

    while (fgets(line, sizeof line, f))
        if (sscanf(line, "%31s %95s %63s %95s %31s %31s", t->arch, t->name, t->shape, t->timm,
                   t->deviation, t->most) == 6 &&
            strcmp(t->arch, arch) == 0)
            return true;
    return false;
}

static inline struct sk_nn *new_network(const char *arch, unsigned classes, unsigned side,
                                        uint64_t seed)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_nn *n = NULL;

    if (sk_arch_new(sk_arch_find(arch), classes, side, seed, &n, &err) < 0)
        fail_msg("%s: %s", arch, err.text);
    return n;
}

/* Scores of a batch by the inference plan; *out has room for batch * classes. */
static inline void infer(struct sk_nn *n, unsigned batch, const float *pictures, float *out)
{
    const struct sk_nn_plan_options options = { .batch = batch, .mode = SK_NN_INFER };
    SK_OWN(sk_nn_plan_free) struct sk_nn_plan *plan = NULL;
    struct sk_err err = SK_ERR_INIT;
    const float *scores = NULL;

    if (sk_nn_start(0, &err) < 0 || sk_nn_plan_new(n, &options, &plan, &err) < 0 ||
        sk_nn_forward(plan, pictures, &scores, &err) < 0)
        fail_msg("%s", err.text);
    memcpy(out, scores, (size_t)batch * sk_nn_classes(n) * sizeof *out);
}

/* Runs the rows of scores.txt for one architecture: no further from float64 than 1e-5 of the
 * largest score, or four times torchvision's own float32. Returns how many there were. */
static inline unsigned check_scores(const char *arch)
{
    FILE *f = golden_open("scores.txt");
    unsigned rows = 0, side, seed, batch;
    char line[512], name[32];

    while (fgets(line, sizeof line, f)) {
        double want[2 * GOLDEN_CLASSES], theirs, most = 0, worst = 0;
        float got[2 * GOLDEN_CLASSES];

        if (sscanf(line, "%31s %u %u %u", name, &side, &seed, &batch) != 4 || batch != 2 ||
            strcmp(name, arch) != 0)
            continue;
        for (size_t i = 0; i < 2 * GOLDEN_CLASSES; i++) {
            assert_int_equal(fscanf(f, "%lf", &want[i]), 1);
            most = fmax(most, fabs(want[i]));
        }
        assert_int_equal(fscanf(f, "%lf\n", &theirs), 1);

        SK_OWN(sk_nn_free) struct sk_nn *n = new_network(arch, GOLDEN_CLASSES, side, 0);
        SK_OWN(free) float *pictures = malloc((size_t)batch * 3 * side * side * sizeof *pictures);
        assert_non_null(pictures);
        formula_fill(n, seed);
        formula_pictures(pictures, batch, side, seed);
        infer(n, batch, pictures, got);
        for (size_t i = 0; i < 2 * GOLDEN_CLASSES; i++)
            worst = fmax(worst, fabs((double)got[i] - want[i]));
        print_message("# %s at %u: off by %.3g of %.3g, torchvision by %.3g\n", arch, side, worst,
                      most, theirs);
        if (!(worst <= fmax(1e-5 * most, 4 * theirs)))
            fail_msg("%s at %u: off by %g of %g, torchvision by %g", arch, side, worst, most,
                     theirs);
        rows++;
    }
    (void)fclose(f);
    return rows;
}

#endif
