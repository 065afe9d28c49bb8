/*
 * v2_write.c - the answer to an inference request: JSON, and behind it the outputs that were asked
 * for as binary.
 */
#include "serve/v2_priv.h"

#include "prep/prep.h"

#include <inttypes.h>

/* The element count of a row when a tensor is taken as scores: everything behind the first
 * dimension. */
static size_t row_length(const struct sk_tensor *t, size_t *rows)
{
    size_t elements = sk_tensor_elements(t);

    *rows = t->rank > 1 ? (size_t)t->dims[0] : 1;
    return *rows > 0 ? elements / *rows : 0;
}

static void write_shape(const int64_t *dims, unsigned rank, struct sk_buf *out)
{
    sk_buf_str(out, ",\"shape\":[");
    for (unsigned d = 0; d < rank; d++) {
        if (d > 0)
            sk_buf_chr(out, ',');
        sk_buf_i64(out, dims[d]);
    }
    sk_buf_chr(out, ']');
}

void sk_v2_tensors_json(const struct sk_tensor_info *tensors, size_t count, struct sk_buf *out)
{
    for (size_t i = 0; i < count; i++) {
        const struct sk_tensor_info *t = &tensors[i];
        sk_buf_str(out, i > 0 ? ",{\"name\":" : "{\"name\":");
        sk_buf_json_str(out, t->name);
        sk_buf_fmt(out, ",\"datatype\":\"%s\"", sk_dtype_name(t->dtype));
        write_shape(t->dims, t->rank, out);
        sk_buf_chr(out, '}');
    }
}

static void write_element(const struct sk_tensor *t, size_t i, struct sk_buf *out)
{
    const void *p = t->data;

    switch (t->dtype) {
    case SK_DT_BOOL:
        sk_buf_str(out, ((const uint8_t *)p)[i] ? "true" : "false");
        break;
    case SK_DT_U8:
        sk_buf_u64(out, ((const uint8_t *)p)[i]);
        break;
    case SK_DT_U16:
        sk_buf_u64(out, ((const uint16_t *)p)[i]);
        break;
    case SK_DT_U32:
        sk_buf_u64(out, ((const uint32_t *)p)[i]);
        break;
    case SK_DT_U64:
        sk_buf_u64(out, ((const uint64_t *)p)[i]);
        break;
    case SK_DT_I8:
        sk_buf_i64(out, ((const int8_t *)p)[i]);
        break;
    case SK_DT_I16:
        sk_buf_i64(out, ((const int16_t *)p)[i]);
        break;
    case SK_DT_I32:
        sk_buf_i64(out, ((const int32_t *)p)[i]);
        break;
    case SK_DT_I64:
        sk_buf_i64(out, ((const int64_t *)p)[i]);
        break;
    case SK_DT_F32:
        sk_buf_num(out, (double)((const float *)p)[i], 9);
        break;
    case SK_DT_F64:
        sk_buf_num(out, ((const double *)p)[i], 17);
        break;
    case SK_DT_BYTES:
        sk_buf_json(out, t->strings[i], t->string_lens[i]);
        break;
    case SK_DT_F16:
    case SK_DT_BF16:
    case SK_DT_COUNT:
        break;
    }
}

static int write_json_data(const struct sk_tensor *t, const char *name, struct sk_buf *out,
                           struct sk_err *err)
{
    size_t count = sk_tensor_elements(t);

    if (t->dtype == SK_DT_F16 || t->dtype == SK_DT_BF16)
        return sk_fail(err, SK_INVALID, "output '%s': %s has no JSON form, ask for binary_data",
                       name, sk_dtype_name(t->dtype));
    sk_buf_str(out, ",\"data\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            sk_buf_chr(out, ',');
        write_element(t, i, out);
    }
    sk_buf_chr(out, ']');
    return 0;
}

static size_t binary_size(const struct sk_tensor *t)
{
    size_t size = 0, count = sk_tensor_elements(t);

    if (t->dtype != SK_DT_BYTES)
        return t->size_bytes;
    for (size_t i = 0; i < count; i++)
        size += 4 + t->string_lens[i];
    return size;
}

static void write_binary(const struct sk_tensor *t, struct sk_buf *out)
{
    size_t count = sk_tensor_elements(t);

    if (t->dtype != SK_DT_BYTES) {
        sk_buf_add(out, t->data, t->size_bytes);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t len = (uint32_t)t->string_lens[i];
        sk_buf_add(out, &len, sizeof len);
        sk_buf_add(out, t->strings[i], len);
    }
}

/* ---- classification: "value:index[:label]", the k best of each row ---- */

struct classes {
    char **texts;
    size_t *lens;
    size_t count;
};

static void classes_done(struct classes *c)
{
    for (size_t i = 0; c->texts && i < c->count; i++)
        free(c->texts[i]);
    free(c->texts);
    free(c->lens);
}

static int score_at(const struct sk_tensor *t, size_t i, double *out)
{
    switch (t->dtype) {
    case SK_DT_F32:
        *out = (double)((const float *)t->data)[i];
        return 0;
    case SK_DT_F64:
        *out = ((const double *)t->data)[i];
        return 0;
    case SK_DT_U8:
        *out = ((const uint8_t *)t->data)[i];
        return 0;
    case SK_DT_I8:
        *out = ((const int8_t *)t->data)[i];
        return 0;
    case SK_DT_I32:
        *out = ((const int32_t *)t->data)[i];
        return 0;
    case SK_DT_I64:
        *out = (double)((const int64_t *)t->data)[i];
        return 0;
    default:
        return -1;
    }
}

static int classify_row(const struct sk_tensor *t, size_t first, size_t n, size_t k,
                        sk_v2_label *labels, void *ctx, struct classes *out, struct sk_err *err)
{
    SK_OWN(free) float *scores = malloc(n * sizeof *scores);
    SK_OWN(free) struct sk_score *best = malloc(k * sizeof *best);

    if (!scores || !best)
        return sk_nomem(err);
    for (size_t i = 0; i < n; i++) {
        double v = 0;
        (void)score_at(t, first + i, &v);
        scores[i] = (float)v;
    }
    k = sk_prep_top(scores, n, k, best);
    for (size_t i = 0; i < k; i++) {
        const char *label = labels ? labels(ctx, best[i].index) : NULL;
        double value = 0;
        char *text = NULL;
        (void)score_at(t, first + best[i].index, &value);
        int len = asprintf(&text, "%f:%" PRIu32 "%s%s", value, best[i].index, label ? ":" : "",
                           label ? label : "");
        if (len < 0)
            return sk_nomem(err);
        out->texts[out->count] = text;
        out->lens[out->count++] = (size_t)len;
    }
    return 0;
}

/* Replaces the tensor by its classes. */
static int classify(struct sk_tensor *t, const char *name, size_t k, sk_v2_label *labels, void *ctx,
                    struct classes *c, struct sk_err *err)
{
    double ignored;
    size_t rows, n = row_length(t, &rows);

    if (sk_tensor_elements(t) == 0 || score_at(t, 0, &ignored) < 0)
        return sk_fail(err, SK_INVALID, "output '%s': no classification of %s tensors", name,
                       sk_dtype_name(t->dtype));
    if (k > n)
        k = n;
    c->texts = calloc(rows * k, sizeof(char *));
    c->lens = calloc(rows * k, sizeof *c->lens);
    if (!c->texts || !c->lens)
        return sk_nomem(err);
    for (size_t r = 0; r < rows; r++)
        if (classify_row(t, r * n, n, k, labels, ctx, c, err) < 0)
            return -1;
    struct sk_tensor s = { .dtype = SK_DT_BYTES,
                           .strings = (const char **)(uintptr_t)c->texts,
                           .string_lens = c->lens };
    if (t->rank > 1)
        s.dims[s.rank++] = (int64_t)rows;
    s.dims[s.rank++] = (int64_t)k;
    *t = s;
    return 0;
}

/* ---- the answer ---- */

struct answer {
    struct sk_tensor tensors[SK_LIMIT_TENSORS];
    struct classes classes[SK_LIMIT_TENSORS];
};

static void answer_free(struct answer *a)
{
    for (size_t i = 0; a && i < SK_LIMIT_TENSORS; i++)
        classes_done(&a->classes[i]);
    free(a);
}

SK_DEFINE_OWN(struct answer, answer_free);

static int write_output(const struct sk_v2_output *want, const char *name,
                        const struct sk_tensor *t, struct sk_buf *out, bool *any_binary,
                        struct sk_err *err)
{
    sk_buf_str(out, "{\"name\":");
    sk_buf_json_str(out, name);
    sk_buf_fmt(out, ",\"datatype\":\"%s\"", sk_dtype_name(t->dtype));
    write_shape(t->dims, t->rank, out);
    if (want->is_binary) {
        *any_binary = true;
        sk_buf_fmt(out, ",\"parameters\":{\"binary_data_size\":%zu}", binary_size(t));
    } else if (write_json_data(t, name, out, err) < 0) {
        return -1;
    }
    sk_buf_chr(out, '}');
    return 0;
}

int sk_v2_write(const struct sk_v2_request *req, const struct sk_net_info *net,
                const struct sk_tensor *outputs, const char *model, const char *version,
                sk_v2_label *labels, void *label_ctx, struct sk_buf *out, size_t *header_len,
                struct sk_err *err)
{
    SK_OWN(answer_free) struct answer *a = calloc(1, sizeof *a);
    bool any_binary = false;
    size_t start = out->len;

    if (!a)
        return sk_nomem(err);
    sk_buf_str(out, "{\"model_name\":");
    sk_buf_json_str(out, model);
    sk_buf_fmt(out, ",\"model_version\":\"%s\"", version);
    if (req->id) {
        sk_buf_str(out, ",\"id\":");
        sk_buf_json_str(out, req->id);
    }
    sk_buf_str(out, ",\"outputs\":[");
    for (size_t n = 0; n < req->order_count; n++) {
        size_t i = req->order[n];
        const struct sk_v2_output *want = &req->outputs[i];
        a->tensors[i] = outputs[i];
        if (want->classification > 0 &&
            classify(&a->tensors[i], net->outputs[i].name, want->classification, labels, label_ctx,
                     &a->classes[i], err) < 0)
            return -1;
        if (n > 0)
            sk_buf_chr(out, ',');
        if (write_output(want, net->outputs[i].name, &a->tensors[i], out, &any_binary, err) < 0)
            return -1;
    }
    sk_buf_str(out, "]}");
    *header_len = any_binary ? out->len - start : 0;
    for (size_t n = 0; n < req->order_count; n++)
        if (req->outputs[req->order[n]].is_binary)
            write_binary(&a->tensors[req->order[n]], out);
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}
