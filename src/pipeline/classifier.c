/*
 * classifier.c - a loaded model with everything that is known about it.
 *
 * All decisions are made here, at load time, and written down in words (activation, refusal);
 * afterwards a classifier does not change, so that any number of threads may use it. The last
 * reference frees it.
 */
#include "pipeline/pipeline_priv.h"

#include "base/log.h"

#include <stdlib.h>

static void free_classifier(struct sk_classifier *c)
{
    sk_prep_free(c->prep);
    sk_net_free(c->net);
    sk_bundle_free(c->bundle);
    sk_pipeline_unname(c);
    free(c);
}

struct sk_classifier *sk_classifier_ref(struct sk_classifier *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void sk_classifier_unref(struct sk_classifier *c)
{
    if (c && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
        free_classifier(c);
}

static void log_decision(const struct sk_classifier *c)
{
    if (c->refusal[0] != '\0')
        sk_log(SK_INFO, "model_no_classifier",
               "name=%s reason=\"%s\" next=\"it takes tensors only\"", c->bundle->name, c->refusal);
    else
        sk_log(SK_INFO, "model_scores", "name=%s classes=%zu activation=\"%s\"", c->bundle->name,
               c->classes, c->activation);
}

int sk_classifier_load(struct sk_engine *e, const char *path, const char *labels_file,
                       struct sk_classifier **out, struct sk_err *err)
{
    SK_OWN(sk_classifier_unref) struct sk_classifier *c = calloc(1, sizeof(*c));

    if (!c)
        return sk_nomem(err);
    atomic_init(&c->refs, 1);
    if (sk_bundle_open(path, labels_file, &c->bundle, err) < 0 ||
        sk_bundle_digest(c->bundle, c->digest, err) < 0 ||
        sk_net_load(e, c->bundle->model_path, c->digest, &c->net, err) < 0)
        return -1;
    if (sk_pipeline_decide(c, err) < 0 || sk_pipeline_name(c, err) < 0)
        return sk_wrap(err, "%s", c->bundle->path);
    log_decision(c);
    *out = SK_TAKE(c);
    return 0;
}

const struct sk_bundle *sk_classifier_bundle(const struct sk_classifier *c)
{
    return c->bundle;
}

struct sk_net *sk_classifier_net(const struct sk_classifier *c)
{
    return c->net;
}

const char *sk_classifier_digest(const struct sk_classifier *c)
{
    return c->digest;
}

const char *sk_classifier_refusal(const struct sk_classifier *c)
{
    return c->refusal[0] != '\0' ? c->refusal : NULL;
}

const struct sk_prep *sk_classifier_prep(const struct sk_classifier *c)
{
    return c->prep;
}

size_t sk_classifier_classes(const struct sk_classifier *c)
{
    return c->classes;
}

const char *sk_classifier_label(const struct sk_classifier *c, size_t index)
{
    return c->labels[index];
}

const char *sk_classifier_activation(const struct sk_classifier *c)
{
    return c->activation;
}
