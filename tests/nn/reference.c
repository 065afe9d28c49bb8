/* reference.c - see reference.h. */
#include "nn/reference.h"

#include <math.h>

const enum sk_dn_layout net_layouts[2] = { SK_DN_NHWC, SK_DN_ANY };

/* ---- networks ---- */

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static float uniform(uint64_t *state)
{
    return (float)(next(state) >> 40) / (float)(1 << 24) * 2 - 1;
}

int net_start(void **state)
{
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    if (sk_nn_start(2, &err) < 0)
        print_error("%s\n", err.text);
    return err.code == SK_OK ? 0 : -1;
}

void net_randomise(struct sk_nn *n, uint64_t seed)
{
    uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;

    for (size_t i = 0; i < sk_nn_param_count(n); i++) {
        struct sk_nn_param *p = sk_nn_param(n, i);
        float bound = 1.7f / sqrtf((float)(p->count / (size_t)p->dims[0]));

        for (size_t k = 0; k < p->count; k++) {
            float u = uniform(&state);

            if (p->role == SK_NN_WEIGHT)
                p->value[k] = bound * u;
            else
                p->value[k] = p->role == SK_NN_BN_WEIGHT || p->role == SK_NN_BN_VAR ? 1 + 0.5f * u
                                                                                    : 0.5f * u;
        }
    }
    sk_nn_touch(n);
}

struct sk_nn *net_build(const struct net_case *c)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_nn *n = NULL;

    assert_int_equal(sk_nn_new(c->channels, c->height, c->width, &n, &err), 0);
    for (size_t i = 0; i < c->count; i++)
        (void)sk_nn_add(n, &c->layers[i]);
    if (sk_nn_finish(n, &err) < 0)
        fail_msg("%s: %s", c->name, err.text);
    net_randomise(n, 1);
    return n;
}

float *net_pictures(const struct sk_nn *n, unsigned batch, uint64_t seed)
{
    const struct sk_nn_layer *l = sk_nn_layer(n, 0);
    size_t count = (size_t)batch * l->out_c * l->out_h * l->out_w;
    float *pictures = malloc(count * sizeof(*pictures));
    uint64_t state = seed + 77;

    assert_non_null(pictures);
    for (size_t i = 0; i < count; i++)
        pictures[i] = uniform(&state);
    return pictures;
}

uint32_t *net_labels(const struct sk_nn *n, unsigned batch)
{
    uint32_t *labels = malloc(batch * sizeof(*labels));

    assert_non_null(labels);
    for (unsigned i = 0; i < batch; i++)
        labels[i] = (i * 7 + 1) % sk_nn_classes(n);
    return labels;
}

struct sk_nn_plan *net_plan(struct sk_nn *n, unsigned batch, enum sk_nn_mode mode,
                            enum sk_nn_precision precision, enum sk_dn_layout layout)
{
    struct sk_nn_plan_options opts = { .batch = batch, .mode = mode, .precision = precision };
    struct sk_nn_plan *p = NULL;
    struct sk_err err = SK_ERR_INIT;

    if (sk_nn_plan_new_in(n, &opts, layout, &p, &err) < 0)
        fail_msg("%s", err.text);
    return p;
}

/* ---- the reference ---- */

static size_t size_of(const struct sk_nn_layer *l)
{
    return (size_t)l->out_c * l->out_h * l->out_w;
}

struct reference *reference_new(const struct sk_nn *n, unsigned batch, bool is_training)
{
    struct reference *r = calloc(1, sizeof(*r));

    assert_non_null(r);
    r->n = n;
    r->batch = batch;
    r->is_training = is_training;
    r->values = calloc(n->value_count + 1, sizeof(double));
    r->buffers = calloc(n->buffer_count + 1, sizeof(double));
    r->out = calloc(n->count, sizeof(double *));
    assert_true(r->values && r->buffers && r->out);
    for (size_t i = 0; i < n->value_count; i++)
        r->values[i] = (double)n->values[i];
    for (size_t i = 0; i < n->buffer_count; i++)
        r->buffers[i] = (double)n->buffers[i];
    for (size_t i = 0; i < n->count; i++) {
        r->out[i] = calloc(batch * size_of(&n->layers[i]), sizeof(double));
        assert_non_null(r->out[i]);
    }
    return r;
}

void reference_free(struct reference *r)
{
    for (size_t i = 0; i < r->n->count; i++)
        free(r->out[i]);
    free(r->out);
    free(r->values);
    free(r->buffers);
    free(r);
}

static const double *param(const struct reference *r, size_t layer, enum sk_nn_role role)
{
    return r->values + sk_nn_param_of(r->n, (int)layer, role)->offset;
}

/* Index into [C][H][W] of a layer's output, -1 outside. */
static long place(const struct sk_nn_layer *l, size_t c, long y, long x)
{
    if (y < 0 || x < 0 || y >= (long)l->out_h || x >= (long)l->out_w)
        return -1;
    return ((long)c * l->out_h + y) * l->out_w + x;
}

static double window(const struct reference *r, size_t i, const double *in, size_t o, size_t y,
                     size_t x)
{
    const struct sk_nn_layer *l = &r->n->layers[i], *from = &r->n->layers[l->in[0]];
    size_t k = l->kernel, channels = l->kind == SK_NN_CONV ? from->out_c / l->groups : 1;
    const double *w = l->kind == SK_NN_CONV ? param(r, i, SK_NN_WEIGHT) : NULL;
    double sum = w && l->bias ? param(r, i, SK_NN_BIAS)[o] : 0, best = -INFINITY;
    size_t first = w ? o / (l->out_c / l->groups) * channels : o, count = 0;

    for (size_t c = 0; c < channels; c++) {
        for (size_t t = 0; t < k * k; t++) {
            long at = place(from, first + c,
                            (long)(y * l->stride + t / k * l->dilation) - l->padding,
                            (long)(x * l->stride + t % k * l->dilation) - l->padding);

            if (at < 0)
                continue;
            sum += w ? w[(o * channels + c) * k * k + t] * in[at] : in[at];
            best = in[at] > best ? in[at] : best;
            count++;
        }
    }
    if (l->kind == SK_NN_MAX_POOL)
        return best;
    return l->kind == SK_NN_AVG_POOL ? sum / (double)count : sum;
}

static void run_windows(struct reference *r, size_t i)
{
    const struct sk_nn_layer *l = &r->n->layers[i];
    size_t in_size = size_of(&r->n->layers[l->in[0]]), at = 0;

    for (size_t n = 0; n < r->batch; n++)
        for (size_t o = 0; o < l->out_c; o++)
            for (size_t p = 0; p < (size_t)l->out_h * l->out_w; p++)
                r->out[i][at++] = window(r, i, r->out[l->in[0]] + n * in_size, o, p / l->out_w,
                                         p % l->out_w);
}

static void run_norm(struct reference *r, size_t i)
{
    const struct sk_nn_layer *l = &r->n->layers[i];
    size_t plane = (size_t)l->out_h * l->out_w, count = plane * r->batch;
    const double *in = r->out[l->in[0]], *gamma = param(r, i, SK_NN_BN_WEIGHT);
    const double *beta = param(r, i, SK_NN_BN_BIAS);
    double *running_mean = r->buffers + sk_nn_param_of(r->n, (int)i, SK_NN_BN_MEAN)->offset;
    double *running_var = r->buffers + sk_nn_param_of(r->n, (int)i, SK_NN_BN_VAR)->offset;
    bool is_still = !r->is_training || sk_nn_param_of(r->n, (int)i, SK_NN_BN_WEIGHT)->frozen;

    for (size_t c = 0; c < l->out_c; c++) {
        double mean = 0, var = 0, m = (double)l->momentum;

        for (size_t k = 0; k < count; k++)
            mean += in[(k / plane * l->out_c + c) * plane + k % plane] / (double)count;
        for (size_t k = 0; k < count; k++)
            var += pow(in[(k / plane * l->out_c + c) * plane + k % plane] - mean, 2) /
                   (double)count;
        if (is_still) {
            mean = running_mean[c];
            var = running_var[c];
        } else {
            running_mean[c] = (1 - m) * running_mean[c] + m * mean;
            running_var[c] = (1 - m) * running_var[c] +
                             m * var * (double)count / ((double)count - 1);
        }
        for (size_t k = 0; k < count; k++) {
            size_t at = (k / plane * l->out_c + c) * plane + k % plane;

            r->out[i][at] = (in[at] - mean) / sqrt(var + (double)l->eps) * gamma[c] + beta[c];
        }
    }
}

static double relu6(double x)
{
    return x < 0 ? 0 : x > 6 ? 6 : x;
}

static double activate(enum sk_nn_kind kind, double x)
{
    switch (kind) {
    case SK_NN_RELU:
        return x > 0 ? x : 0;
    case SK_NN_RELU6:
        return relu6(x);
    case SK_NN_HARD_SWISH:
        return x * relu6(x + 3) / 6;
    case SK_NN_HARD_SIGMOID:
        return relu6(x + 3) / 6;
    case SK_NN_SILU:
        return x / (1 + exp(-x));
    case SK_NN_SIGMOID:
        return 1 / (1 + exp(-x));
    default:
        return x;
    }
}

static void run_points(struct reference *r, size_t i)
{
    const struct sk_nn_layer *l = &r->n->layers[i];
    const double *a = r->out[l->in[0]], *b = r->out[l->in[1]];
    size_t size = size_of(l), b_size = size_of(&r->n->layers[l->in[1]]);

    for (size_t k = 0; k < size * r->batch; k++) {
        if (l->kind == SK_NN_ADD)
            r->out[i][k] = a[k] + b[k];
        else if (l->kind == SK_NN_MUL)
            r->out[i][k] = a[k] * b[k / (size / b_size)];
        else if (l->kind == SK_NN_DROPOUT && r->is_training)
            r->out[i][k] = a[k] * (double)sk_nn_mask(r->seed, (int)i, l->per_sample ? k / size : k,
                                                     l->rate);
        else
            r->out[i][k] = activate(l->kind, a[k]);
    }
}

static void run_global(struct reference *r, size_t i)
{
    const struct sk_nn_layer *from = &r->n->layers[r->n->layers[i].in[0]];
    size_t plane = (size_t)from->out_h * from->out_w;

    for (size_t k = 0; k < (size_t)r->batch * from->out_c; k++) {
        r->out[i][k] = 0;
        for (size_t p = 0; p < plane; p++)
            r->out[i][k] += r->out[r->n->layers[i].in[0]][k * plane + p] / (double)plane;
    }
}

static void run_linear(struct reference *r, size_t i)
{
    const struct sk_nn_layer *l = &r->n->layers[i];
    size_t inputs = r->n->layers[l->in[0]].out_c;
    const double *w = param(r, i, SK_NN_WEIGHT);

    for (size_t k = 0; k < (size_t)r->batch * l->out_c; k++) {
        size_t o = k % l->out_c;
        double sum = l->bias ? param(r, i, SK_NN_BIAS)[o] : 0;

        for (size_t j = 0; j < inputs; j++)
            sum += w[o * inputs + j] * r->out[l->in[0]][k / l->out_c * inputs + j];
        r->out[i][k] = sum;
    }
}

const double *reference_run(struct reference *r, const float *pictures)
{
    for (size_t k = 0; k < r->batch * size_of(&r->n->layers[0]); k++)
        r->out[0][k] = (double)pictures[k];
    for (size_t i = 1; i < r->n->count; i++) {
        switch (r->n->layers[i].kind) {
        case SK_NN_CONV:
        case SK_NN_MAX_POOL:
        case SK_NN_AVG_POOL:
            run_windows(r, i);
            break;
        case SK_NN_BATCH_NORM:
            run_norm(r, i);
            break;
        case SK_NN_GLOBAL_POOL:
            run_global(r, i);
            break;
        case SK_NN_LINEAR:
            run_linear(r, i);
            break;
        default: /* and FLATTEN, which copies */
            run_points(r, i);
        }
    }
    return r->out[r->n->count - 1];
}

double reference_loss(struct reference *r, const float *pictures, const uint32_t *labels,
                      const struct sk_nn_loss *loss)
{
    const double *scores = reference_run(r, pictures);
    size_t classes = sk_nn_classes(r->n);
    double sum = 0, weights = 0, s = (double)loss->label_smoothing;

    for (size_t n = 0; n < r->batch; n++, scores += classes) {
        double total = 0;

        for (size_t c = 0; c < classes; c++)
            total += exp(scores[c]);
        for (size_t c = 0; c < classes; c++) {
            double w = loss->class_weights ? (double)loss->class_weights[c] : 1;
            double target = s / (double)classes + (c == labels[n] ? 1 - s : 0);

            sum -= w * target * (scores[c] - log(total));
            weights += c == labels[n] ? w : 0;
        }
    }
    return sum / (loss->denominator != 0 ? loss->denominator : weights);
}

/* ---- comparisons ---- */

static void close_to(const char *name, const char *what, size_t i, double got, double want,
                     double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%s: %s[%zu] is %.9g, not %.9g (within %.2g)", name, what, i, got, want,
                 tolerance);
}

static void check_gradient(const char *name, struct reference *r, const struct sk_nn_param *p,
                           const float *pictures, const uint32_t *labels,
                           const struct sk_nn_loss *loss)
{
    size_t step = p->count > 40 ? p->count / 40 : 1, count = 0;
    double want[96], most = 0;

    for (size_t k = 0; k < p->count; k += step) {
        double *v = &r->values[p->offset + k], saved = *v, h = 1e-6;
        double up, down;

        *v = saved + h;
        up = reference_loss(r, pictures, labels, loss);
        *v = saved - h;
        down = reference_loss(r, pictures, labels, loss);
        *v = saved;
        want[count] = p->frozen ? 0 : (up - down) / (2 * h);
        most = fmax(most, fabs(want[count]));
        count++;
    }
    for (size_t i = 0; i < count; i++)
        close_to(name, p->name, i * step, (double)r->n->grads[p->offset + i * step], want[i],
                 2e-4 * most + 2e-6);
}

static void check_buffers(const char *name, const struct reference *r)
{
    for (size_t i = 0; i < r->n->buffer_count; i++)
        close_to(name, "buffers", i, (double)r->n->buffers[i], r->buffers[i],
                 1e-5 * (1 + fabs(r->buffers[i])));
}

void check_step_of(const char *name, struct sk_nn *n, unsigned batch, enum sk_dn_layout layout)
{
    static const float weights[] = { 0.5f, 2, 1.25f };
    struct sk_nn_loss loss = { .label_smoothing = 0.1f,
                               .class_weights = sk_nn_classes(n) == 3 ? weights : NULL };
    SK_OWN(sk_nn_plan_free)
    struct sk_nn_plan *p = net_plan(n, batch, SK_NN_TRAIN, SK_NN_F32, layout);
    SK_AUTO(free_cleanup) float *pictures = net_pictures(n, batch, 1);
    SK_AUTO(free_cleanup) uint32_t *labels = net_labels(n, batch);
    struct reference *r = reference_new(n, batch, true), *first = reference_new(n, batch, true);
    struct sk_nn_result result;
    struct sk_err err = SK_ERR_INIT;

    first->seed = r->seed = 5;
    if (sk_nn_step(p, pictures, labels, &loss, 5, &result, &err) < 0)
        fail_msg("%s: %s", name, err.text);
    close_to(name, "loss", 0, result.loss, reference_loss(first, pictures, labels, &loss), 2e-5);
    check_buffers(name, first);
    for (size_t i = 0; i < sk_nn_param_count(n); i++)
        if (sk_nn_param(n, i)->role < SK_NN_BN_MEAN)
            check_gradient(name, r, sk_nn_param(n, i), pictures, labels, &loss);
    reference_free(r);
    reference_free(first);
}

void check_step(const struct net_case *c, enum sk_dn_layout layout)
{
    SK_OWN(sk_nn_free) struct sk_nn *n = net_build(c);

    check_step_of(c->name, n, c->batch, layout);
}

void check_inference(const struct net_case *c, enum sk_dn_layout layout)
{
    SK_OWN(sk_nn_free) struct sk_nn *n = net_build(c);
    SK_OWN(sk_nn_plan_free)
    struct sk_nn_plan *p = net_plan(n, c->batch, SK_NN_INFER, SK_NN_F32, layout);
    struct reference *r = reference_new(n, c->batch, false);
    struct sk_err err = SK_ERR_INIT;

    for (uint64_t round = 0; round < 3; round++) { /* new pictures, then new weights */
        SK_AUTO(free_cleanup) float *pictures = net_pictures(n, c->batch, round);
        const float *scores;
        const double *want;

        if (round == 2) {
            net_randomise(n, 2);
            reference_free(r);
            r = reference_new(n, c->batch, false);
        }
        want = reference_run(r, pictures);
        if (sk_nn_forward(p, pictures, &scores, &err) < 0)
            fail_msg("%s: %s", c->name, err.text);
        for (size_t i = 0; i < (size_t)c->batch * sk_nn_classes(n); i++)
            close_to(c->name, "scores", i, (double)scores[i], want[i], 2e-5 * (1 + fabs(want[i])));
    }
    reference_free(r);
}

void check_bf16(const struct net_case *c)
{
    SK_OWN(sk_nn_free) struct sk_nn *n = net_build(c);
    SK_AUTO(free_cleanup) float *pictures = net_pictures(n, c->batch, 1);
    SK_AUTO(free_cleanup) uint32_t *labels = net_labels(n, c->batch);
    SK_AUTO(free_cleanup) float *exact = calloc(n->value_count, sizeof(*exact));
    struct sk_nn_loss loss = { 0 };
    struct sk_nn_result result[2];
    struct sk_err err = SK_ERR_INIT;
    double off = 0, all = 0;

    assert_non_null(exact);
    for (int i = 0; i < 2; i++) {
        SK_OWN(sk_nn_plan_free)
        struct sk_nn_plan *p = net_plan(n, c->batch, SK_NN_TRAIN, i ? SK_NN_BF16 : SK_NN_F32,
                                        SK_DN_ANY);

        if (sk_nn_step(p, pictures, labels, &loss, 5, &result[i], &err) < 0)
            fail_msg("%s: %s", c->name, err.text);
        if (i == 0)
            memcpy(exact, n->grads, n->value_count * sizeof(*exact));
    }
    close_to(c->name, "loss", 0, result[1].loss, result[0].loss, 0.03 * (1 + result[0].loss));
    for (size_t i = 0; i < n->value_count; i++) {
        off += pow((double)n->grads[i] - (double)exact[i], 2);
        all += pow((double)exact[i], 2);
    }
    close_to(c->name, "gradients", 0, sqrt(off / all), 0, 0.2);
}

void check_steps(const struct net_case *nets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < COUNT(net_layouts); k++)
            check_step(&nets[i], net_layouts[k]);
}

void check_inferences(const struct net_case *nets, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < COUNT(net_layouts); k++)
            check_inference(&nets[i], net_layouts[k]);
}

void check_bf16s(const struct net_case *nets, size_t count)
{
    if (!sk_nn_has_bf16())
        skip(); /* before anything is made: it leaves by a jump */
    for (size_t i = 0; i < count; i++)
        check_bf16(&nets[i]);
}
