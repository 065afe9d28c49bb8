/*
 * record.c - "test" of skerry.json: a picture of the bundle and what the model made of it where it
 * was trained or packaged.
 *
 *     "test": { "image": "test.jpg", "label": "defect", "tolerance": 0.02,
 *               "probabilities": { "defect": 0.98, "ok": 0.02 } }     or [0.98, 0.02]
 *
 * Machines differ in the last digits, so what is written has four decimals.
 *
 * The picture alone is fine: what the model makes of it is recorded later. Names are not compared
 * with the labels here, since those of answers are known only when the model is loaded.
 */
#include "base/limits.h"
#include "bundle/bundle_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double TOLERANCE = 0.02;

enum {
    NAMED_MAX = 1000
};

void sk_bundle_test_free(struct sk_bundle_test *t)
{
    if (!t)
        return;
    for (size_t i = 0; t->names && i < t->count; i++)
        free(t->names[i]);
    free(t->names);
    free(t->values);
    free(t->label);
    free(t->image);
    free(t);
}

static int read_value(const struct sk_json *v, double *out, struct sk_err *err)
{
    *out = sk_json_num(v, NAN);
    if (isfinite(*out))
        return 0;
    return sk_fail(err, SK_INVALID, "'probabilities': expected numbers, got %s",
                   sk_json_type_name(sk_json_type(v)));
}

static int read_named(const struct sk_json *list, struct sk_bundle_test *t, struct sk_err *err)
{
    t->names = calloc(t->count, sizeof *t->names);
    if (!t->names)
        return sk_nomem(err);
    size_t i = 0;
    for (void *it = sk_json_first(list); it; it = sk_json_next(list, it), i++) {
        t->names[i] = strdup(sk_json_key(it));
        if (!t->names[i])
            return sk_nomem(err);
        if (read_value(sk_json_value(it), &t->values[i], err) < 0)
            return -1;
    }
    return 0;
}

static int read_probabilities(const struct sk_json *list, struct sk_bundle_test *t,
                              struct sk_err *err)
{
    const enum sk_json_type type = sk_json_type(list);

    if (type != SK_JSON_OBJECT && type != SK_JSON_ARRAY)
        return sk_fail(err, SK_INVALID, "'probabilities': expected an object or an array, got %s",
                       sk_json_type_name(type));
    t->count = sk_json_count(list);
    if (t->count == 0 || t->count > SK_LIMIT_LABELS)
        return sk_fail(err, SK_INVALID, "'probabilities': expected 1 to %d numbers, got %zu",
                       (int)SK_LIMIT_LABELS, t->count);
    t->values = calloc(t->count, sizeof *t->values);
    if (!t->values)
        return sk_nomem(err);
    if (type == SK_JSON_OBJECT)
        return read_named(list, t, err);
    for (size_t i = 0; i < t->count; i++)
        if (read_value(sk_json_at(list, i), &t->values[i], err) < 0)
            return -1;
    return 0;
}

static int read_test(const struct sk_json *test, const struct sk_bundle *b,
                     struct sk_bundle_test *t, struct sk_err *err)
{
    const char *image = NULL, *label = NULL;
    const struct sk_json *list = sk_json_get(test, "probabilities");

    if (sk_json_type(test) != SK_JSON_OBJECT)
        return sk_fail(err, SK_INVALID, "expected an object, got %s",
                       sk_json_type_name(sk_json_type(test)));
    if (sk_json_want_text(test, "image", &image, err) < 0 ||
        sk_json_want_text(test, "label", &label, err) < 0 ||
        sk_json_want_num(test, "tolerance", 0, 1, &t->tolerance, err) < 0)
        return -1;
    if (!image)
        return sk_fail(err, SK_INVALID, "'image' is missing");
    if (!label != !list)
        return sk_fail(err, SK_INVALID,
                       "'label' and 'probabilities' belong together; '%s' is missing",
                       label ? "probabilities" : "label");
    if (sk_bundle_inside(b, "image", image, &t->image, err) < 0)
        return -1;
    if (!label)
        return 0;
    t->label = strdup(label);
    return t->label ? read_probabilities(list, t, err) : sk_nomem(err);
}

int sk_bundle_read_test(const struct sk_json *doc, struct sk_bundle *b, struct sk_err *err)
{
    const struct sk_json *test = sk_json_get(doc, "test");

    if (!test)
        return 0;
    SK_OWN(sk_bundle_test_free) struct sk_bundle_test *t = calloc(1, sizeof *t);
    if (!t)
        return sk_nomem(err);
    t->tolerance = TOLERANCE;
    if (read_test(test, b, t, err) < 0)
        return sk_wrap(err, "'test'");
    b->test = SK_TAKE(t);
    return 0;
}

void sk_bundle_test_json(const char *image, const char *const *names, const float *probabilities,
                         size_t count, size_t best, double tolerance, struct sk_buf *out)
{
    const bool is_named = count <= NAMED_MAX;

    sk_buf_str(out, "{\"image\": ");
    sk_buf_json_str(out, image);
    sk_buf_str(out, ", \"label\": ");
    sk_buf_json_str(out, names[best]);
    sk_buf_str(out, is_named ? ", \"probabilities\": {" : ", \"probabilities\": [");
    for (size_t i = 0; i < count; i++) {
        sk_buf_str(out, i > 0 ? ", " : "");
        if (is_named) {
            sk_buf_json_str(out, names[i]);
            sk_buf_str(out, ": ");
        }
        sk_buf_num(out, round((double)probabilities[i] * 10000) / 10000, 9);
    }
    sk_buf_str(out, is_named ? "}, \"tolerance\": " : "], \"tolerance\": ");
    sk_buf_num(out, tolerance > 0 ? tolerance : TOLERANCE, 9);
    sk_buf_chr(out, '}');
}
