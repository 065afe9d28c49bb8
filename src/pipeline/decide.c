/*
 * decide.c - what a model is, found out once.
 *
 *   input       exactly one, and it can hold a picture
 *   output      skerry.json's, else the first; float, [N,C], [C] or [N,C,1,1]
 *   classes     from the output's shape; when that is open, from a trial
 *   activation  skerry.json's; else softmax, or sigmoid for several labels or a single class,
 * unless the model ends in probabilities already
 *
 * Applying softmax twice keeps the order of classes but flattens the probabilities, so nobody
 * notices: it must not happen. A graph without an operator that makes probabilities cannot end in
 * them, and most have none. For the others two different pictures are tried: scores that sum to one
 * for both are probabilities. A wrong guess would take a model whose raw scores are in 0..1 and sum
 * to one within a thousandth, twice; skerry.json overrules it.
 */
#include "pipeline/pipeline_priv.h"

#include "base/limits.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
    TRIALS = 2,
    BATCH_MAX = 64
};

static int refuse(struct sk_classifier *c, const char *fmt, ...) SK_PRINTF(2, 3);

static int refuse(struct sk_classifier *c, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(c->refusal, sizeof(c->refusal), fmt, args); /* a cut reason is still a reason */
    va_end(args);
    return 0;
}

static void describe_tensor(const struct sk_tensor_info *t, struct sk_buf *out)
{
    sk_buf_fmt(out, "'%s' %s [", t->name,
               t->dtype == SK_DT_COUNT ? "(not a tensor)" : sk_dtype_name(t->dtype));
    for (unsigned i = 0; i < t->rank; i++)
        sk_buf_fmt(out, "%s%lld", i > 0 ? "," : "", (long long)t->dims[i]);
    sk_buf_chr(out, ']');
}

static int refuse_tensors(struct sk_classifier *c, const char *why, const struct sk_tensor_info *t,
                          size_t count, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_LIMIT_CONFIG_BYTES);

    for (size_t i = 0; i < count; i++) {
        sk_buf_str(&text, i > 0 ? ", " : "");
        describe_tensor(&t[i], &text);
    }
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    return refuse(c, "%s: %s", why, text.data ? text.data : "none");
}

/* ---- the picture ---- */

static int decide_input(struct sk_classifier *c, struct sk_err *err)
{
    const struct sk_net_info *net = sk_net_info(c->net);
    const struct sk_tensor_info *in = net->inputs;
    const struct sk_prep_extra extra = { c->bundle->exif_orientation, c->bundle->grey16 };
    struct sk_err why = SK_ERR_INIT;

    if (net->input_count == 0)
        return refuse(c, "the model takes no picture: it has no inputs");
    if (net->input_count != 1)
        return refuse_tensors(c, "the model takes more than a picture; its inputs are", in,
                              net->input_count, err);
    if (!sk_prep_input_of(in->dtype, in->rank, in->dims, &c->image))
        return refuse_tensors(
            c, "the model takes no picture (3 channels, first or last); its input is", in, 1, err);
    c->has_batch = in->rank == 4;
    if (c->has_batch && in->dims[0] != -1 && (in->dims[0] < 1 || in->dims[0] > BATCH_MAX))
        return refuse(c, "the model takes %lld pictures at once; at most %d are supported",
                      (long long)in->dims[0], BATCH_MAX);
    c->batch = c->has_batch && in->dims[0] > 0 ? (uint32_t)in->dims[0] : 1;
    if (sk_prep_new(c->bundle->prep_config, &c->image, &extra, &c->prep, &why) == 0)
        return 0;
    if (why.code == SK_UNSUPPORTED) /* the model still works with ready tensors */
        return refuse(c, "preprocessing: %s", why.text);
    *err = why;
    return sk_wrap(err, "preprocessing");
}

/* ---- the scores ---- */

bool sk_pipeline_is_scores(enum sk_dtype dtype, unsigned rank, const int64_t *dims, uint32_t batch,
                           size_t *classes)
{
    int64_t rows = rank > 1 ? dims[0] : -1, n;

    if (dtype != SK_DT_F32 && dtype != SK_DT_F16 && dtype != SK_DT_F64)
        return false;
    if (rank != 1 && rank != 2 && !(rank == 4 && dims[2] == 1 && dims[3] == 1))
        return false;
    n = rank == 1 ? dims[0] : dims[1];
    if ((rows != -1 && rows != batch) || n == 0 || n < -1 || n > SK_LIMIT_LABELS)
        return false;
    *classes = n < 0 ? 0 : (size_t)n;
    return true;
}

static int find_output(struct sk_classifier *c, struct sk_err *err)
{
    const struct sk_net_info *net = sk_net_info(c->net);
    const char *name = c->bundle->output;

    for (c->output = 0; name && c->output < net->output_count; c->output++) {
        if (strcmp(net->outputs[c->output].name, name) == 0)
            break;
    }
    if (c->output < net->output_count)
        return 0;
    if (!name)
        return sk_fail(err, SK_INVALID, "the model has no outputs");
    return sk_fail(err, SK_INVALID,
                   "skerry.json: 'output': the model has no output '%s'; the first is '%s'", name,
                   net->output_count > 0 ? net->outputs[0].name : "");
}

static int decide_output(struct sk_classifier *c, struct sk_err *err)
{
    const struct sk_net_info *net = sk_net_info(c->net);
    const struct sk_tensor_info *out;

    if (find_output(c, err) < 0)
        return -1;
    out = &net->outputs[c->output];
    if (!sk_pipeline_is_scores(out->dtype, out->rank, out->dims, c->batch, &c->classes))
        return refuse_tensors(c, "the model's outputs are not class scores", net->outputs,
                              net->output_count, err);
    return 0;
}

/* ---- activation ---- */

bool sk_pipeline_has_raw_scores(const struct sk_onnx_info *info)
{
    static const char *const makers[] = { "Softmax", "Sigmoid", "Exp", "Hardmax" };

    if (info->op_count == 0 || info->op_count >= SK_ONNX_MAX_OPS)
        return false; /* unknown, or not all known */
    for (size_t i = 0; i < info->op_count; i++) {
        const struct sk_onnx_op *op = &info->ops[i];

        if (op->domain[0] != '\0' && strcmp(op->domain, "ai.onnx") != 0)
            return false; /* a fused or foreign operator may do anything */
        for (size_t m = 0; m < sizeof(makers) / sizeof(makers[0]); m++) {
            if (strcmp(op->name, makers[m]) == 0)
                return false;
        }
    }
    return true;
}

static bool lie_in_unit(const float *scores, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!(scores[i] >= 0 && scores[i] <= 1))
            return false;
    }
    return true;
}

/* Runs the trials; *ends says whether all of them gave probabilities. */
static int try_pictures(struct sk_classifier *c, bool *ends, struct sk_err *err)
{
    *ends = true;
    for (unsigned picture = 0; picture < TRIALS; picture++) {
        SK_OWN(free) float *scores = NULL;
        size_t count = 0;

        if (sk_pipeline_trial(c, picture, &scores, &count, err) < 0)
            return -1;
        if (c->classes == 0)
            c->classes = count;
        if (count != c->classes)
            return sk_fail(err, SK_UNSUPPORTED, "%zu scores for one picture and %zu for another",
                           c->classes, count);
        if (c->problem == SK_PROBLEM_SINGLE)
            *ends = *ends && sk_prep_looks_normalised(scores, count);
        else
            *ends = *ends && lie_in_unit(scores, count);
    }
    return 0;
}

static void set_activation(struct sk_classifier *c, const char *why)
{
    const char *name = c->already                        ? "none"
                       : c->problem == SK_PROBLEM_SINGLE ? "softmax"
                                                         : "sigmoid";

    (void)snprintf(c->activation, sizeof(c->activation), "%s: %s", name, why);
}

static int decide_activation(struct sk_classifier *c, struct sk_err *err)
{
    enum sk_activation wish = c->bundle->activation;
    bool is_raw = sk_pipeline_has_raw_scores(c->bundle->onnx);
    struct sk_err why = SK_ERR_INIT;
    bool ends = false;

    c->problem = c->bundle->multi_label || c->classes == 1 ? SK_PROBLEM_MULTI : SK_PROBLEM_SINGLE;
    if ((c->classes == 0 || (wish == SK_ACT_AUTO && !is_raw)) && try_pictures(c, &ends, &why) < 0) {
        if (why.code == SK_NOMEM || why.code == SK_CANCELLED) {
            *err = why;
            return -1;
        }
        return refuse(c, "the model does not work on a picture of our own: %s", why.text);
    }
    if (wish != SK_ACT_AUTO) {
        c->already = wish == SK_ACT_NONE;
        if (wish != SK_ACT_NONE)
            c->problem = wish == SK_ACT_SOFTMAX ? SK_PROBLEM_SINGLE : SK_PROBLEM_MULTI;
        set_activation(c, "skerry.json says so");
        return 0;
    }
    c->already = ends && !is_raw;
    if (c->already)
        set_activation(c, "two pictures gave probabilities as the model ends");
    else if (is_raw)
        set_activation(c, "no operator of the model makes probabilities");
    else
        set_activation(c, "two pictures gave scores that are no probabilities");
    return 0;
}

/* ---- all of it ---- */

static int decide_labels(struct sk_classifier *c)
{
    size_t labels = c->bundle->label_count;

    if (labels > 0 && labels != c->classes)
        return refuse(c, "there are %zu labels, but the output '%s' has %zu classes", labels,
                      sk_net_info(c->net)->outputs[c->output].name, c->classes);
    return 0;
}

int sk_pipeline_decide(struct sk_classifier *c, struct sk_err *err)
{
    if (decide_input(c, err) < 0)
        return -1;
    if (c->refusal[0] == '\0' && decide_output(c, err) < 0)
        return -1;
    if (c->refusal[0] == '\0' && decide_activation(c, err) < 0)
        return -1;
    return c->refusal[0] == '\0' ? decide_labels(c) : 0;
}
