/*
 * answer.c - the guide's answer:
 * {"prediction":"cat","confidence":0.93,"probabilities":{"cat":0.93,"dog":0.07}}.
 *
 * A JSON object keeps one value per key, so classes of the same name would hide each other. The
 * later ones get their index: "crane", "crane [517]".
 */
#include "pipeline/pipeline_priv.h"

#include <stdlib.h>
#include <string.h>

enum {
    NAME_TEXT = 32,
    TOP_ON_STACK = 64
};

/* ---- names ---- */

struct name {
    char *text;
    size_t index;
};

struct names {
    struct name *rows;
    size_t count;
};

static void names_done(struct names *n)
{
    for (size_t i = 0; n->rows && i < n->count; i++)
        free(n->rows[i].text);
    free(n->rows);
}

static int by_text(const void *a, const void *b)
{
    const struct name *x = a, *y = b;
    int order = strcmp(x->text, y->text);

    return order != 0 ? order : x->index < y->index ? -1 : x->index > y->index;
}

static int by_index(const void *a, const void *b)
{
    const struct name *x = a, *y = b;

    return x->index < y->index ? -1 : x->index > y->index;
}

static int add_index(struct name *n, struct sk_err *err)
{
    size_t room = strlen(n->text) + NAME_TEXT;
    char *longer = malloc(room);

    if (!longer)
        return sk_nomem(err);
    (void)snprintf(longer, room, "%s [%zu]", n->text, n->index);
    free(n->text);
    n->text = longer;
    return 0;
}

/* Ends because every round makes some names longer and the first of each kind is left alone. */
static int make_unique(struct names *n, struct sk_err *err)
{
    bool is_changed = true;

    while (is_changed) {
        is_changed = false;
        qsort(n->rows, n->count, sizeof(*n->rows), by_text);
        for (size_t first = 0, i = 1; i < n->count; i++) {
            if (strcmp(n->rows[i].text, n->rows[first].text) != 0) {
                first = i;
                continue;
            }
            if (add_index(&n->rows[i], err) < 0)
                return -1;
            is_changed = true;
        }
    }
    qsort(n->rows, n->count, sizeof(*n->rows), by_index);
    return 0;
}

void sk_pipeline_unname(struct sk_classifier *c)
{
    for (size_t i = 0; c->labels && i < c->classes; i++)
        free(c->labels[i]);
    free(c->labels);
    free(c->name_at);
    sk_buf_done(&c->names);
    c->labels = NULL;
    c->name_at = NULL;
}

int sk_pipeline_name(struct sk_classifier *c, struct sk_err *err)
{
    SK_AUTO(names_done)
    struct names n = { calloc(c->classes + 1, sizeof(struct name)), c->classes };
    char made_up[NAME_TEXT];

    c->names = (struct sk_buf)SK_BUF_INIT(SIZE_MAX);
    c->name_at = calloc(c->classes + 1, sizeof(*c->name_at));
    c->labels = calloc(c->classes + 1, sizeof(*c->labels));
    if (!n.rows || !c->name_at || !c->labels)
        return sk_nomem(err);
    for (size_t i = 0; i < n.count; i++) {
        n.rows[i].index = i;
        n.rows[i].text = strdup(sk_bundle_label(c->bundle, i, made_up));
        if (!n.rows[i].text)
            return sk_nomem(err);
    }
    if (make_unique(&n, err) < 0)
        return -1;
    for (size_t i = 0; i < n.count; i++) {
        sk_buf_json_str(&c->names, n.rows[i].text);
        c->name_at[i + 1] = c->names.len;
        c->labels[i] = SK_TAKE(n.rows[i].text);
    }
    return sk_buf_ok(&c->names) ? 0 : sk_buf_fail(&c->names, err);
}

static void add_name(const struct sk_classifier *c, size_t index, struct sk_buf *out)
{
    sk_buf_add(out, c->names.data + c->name_at[index], c->name_at[index + 1] - c->name_at[index]);
}

/* ---- answers ---- */

/* Everything above one half, best first. */
static void add_several(const struct sk_classifier *c, const struct sk_score *all, size_t count,
                        struct sk_buf *out)
{
    sk_buf_chr(out, '[');
    for (size_t i = 0; i < count && all[i].probability > 0.5F; i++) {
        sk_buf_str(out, i > 0 ? "," : "");
        add_name(c, all[i].index, out);
    }
    sk_buf_chr(out, ']');
}

static void add_pair(const struct sk_classifier *c, struct sk_score s, bool is_first,
                     struct sk_buf *out)
{
    sk_buf_str(out, is_first ? "" : ",");
    add_name(c, s.index, out);
    sk_buf_chr(out, ':');
    sk_buf_num(out, (double)s.probability, 9);
}

void sk_classifier_json(const struct sk_classifier *c, const struct sk_result *r, size_t top_k,
                        struct sk_buf *out)
{
    bool is_multi = c->bundle->multi_label;
    size_t want = is_multi                          ? r->classes
                  : top_k > 0 && top_k < r->classes ? top_k
                  : top_k > 0                       ? r->classes
                                                    : 1;
    struct sk_score few[TOP_ON_STACK];
    SK_OWN(free) struct sk_score *many = want > TOP_ON_STACK ? malloc(want * sizeof(*many)) : NULL;
    struct sk_score *best = want > TOP_ON_STACK ? many : few;
    size_t count;

    if (!best) {
        out->failed = SK_NOMEM;
        return;
    }
    count = sk_prep_top(r->probabilities, r->classes, want, best);
    sk_buf_str(out, "{\"prediction\":");
    if (is_multi)
        add_several(c, best, count, out);
    else
        add_name(c, best[0].index, out);
    sk_buf_str(out, ",\"confidence\":");
    sk_buf_num(out, (double)best[0].probability, 9);
    sk_buf_str(out, ",\"probabilities\":{");
    if (top_k > 0) {
        for (size_t i = 0; i < count && i < top_k; i++)
            add_pair(c, best[i], i == 0, out);
    } else {
        for (size_t i = 0; i < r->classes; i++)
            add_pair(c, (struct sk_score){ (uint32_t)i, r->probabilities[i] }, i == 0, out);
    }
    sk_buf_str(out, "}}");
}
