/*
 * v2_parse.c - an inference request: JSON header, then the raw tensors in the order of the inputs.
 *
 *     +----------------------------------------+-----------+-----------+----
 *     | JSON (Inference-Header-Content-Length) | tensor 0  | tensor 1  | ...
 *     +----------------------------------------+-----------+-----------+----
 *
 * Without the header the body is JSON alone. With a header of 0 the body is the one input of the
 * model, and all outputs come back binary. Binary data is used where it lies when it is aligned,
 * else copied once.
 */
#include "serve/v2_priv.h"

#include "base/limits.h"

#include <inttypes.h>
#include <string.h>

struct parse {
    const struct sk_net_info *net;
    struct sk_arena *arena;
    struct sk_view rest; /* binary data not taken yet */
    struct sk_v2_request *out;
    bool binary_default;
};

static int find_info(const struct sk_tensor_info *infos, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(infos[i].name, name) == 0)
            return (int)i;
    return -1;
}

static int read_shape(const struct sk_json *input, const char *name, struct sk_tensor *t,
                      struct sk_err *err)
{
    const struct sk_json *shape = sk_json_get(input, "shape");
    size_t elements = 1;

    if (sk_json_type(shape) != SK_JSON_ARRAY)
        return sk_fail(err, SK_INVALID, "input '%s': 'shape' must be an array of integers", name);
    if (sk_json_count(shape) > SK_LIMIT_RANK)
        return sk_fail(err, SK_INVALID, "input '%s': more than %u dimensions", name, SK_LIMIT_RANK);
    t->rank = (unsigned)sk_json_count(shape);
    for (unsigned d = 0; d < t->rank; d++) {
        const struct sk_json *v = sk_json_at(shape, d);
        int64_t dim = sk_json_int(v, -1);
        if (sk_json_type(v) != SK_JSON_INT || dim < 0)
            return sk_fail(err, SK_INVALID,
                           "input '%s': dimension %u of 'shape' must be a non-negative integer",
                           name, d);
        t->dims[d] = dim;
        if (!sk_mul_size(elements, (size_t)dim, &elements))
            return sk_fail(err, SK_INVALID, "input '%s': the size of 'shape' overflows", name);
    }
    size_t size = sk_dtype_size(t->dtype);
    if (!sk_mul_size(elements, size ? size : 4, &t->size_bytes) || elements > SIZE_MAX / 64)
        return sk_fail(err, SK_INVALID, "input '%s': the size of 'shape' overflows", name);
    return 0;
}

/* Raw bytes into a tensor of a fixed-size type. Engines want natural alignment. */
static int take_bytes(struct parse *p, const char *name, size_t len, struct sk_tensor *t,
                      struct sk_err *err)
{
    if (len > p->rest.len)
        return sk_fail(err, SK_INVALID,
                       "input '%s': binary_data_size is %zu, but only %zu bytes follow", name, len,
                       p->rest.len);
    struct sk_view bytes = { p->rest.ptr, len };
    p->rest = (struct sk_view){ p->rest.ptr + len, p->rest.len - len };
    if (t->dtype == SK_DT_BYTES)
        return sk_v2_binary_strings(bytes, t, p->arena, err) < 0 ? sk_wrap(err, "input '%s'", name)
                                                                 : 0;
    if (len != t->size_bytes)
        return sk_fail(err, SK_INVALID,
                       "input '%s': binary_data_size is %zu, but shape and datatype need %zu", name,
                       len, t->size_bytes);
    if ((uintptr_t)bytes.ptr % 16 == 0 && len > 0) {
        t->data = (void *)(uintptr_t)bytes.ptr;
        return 0;
    }
    t->data = sk_arena_alloc(p->arena, len > 0 ? len : 1);
    if (!t->data)
        return sk_nomem(err);
    if (len > 0)
        memcpy(t->data, bytes.ptr, len);
    return 0;
}

static int read_input(struct parse *p, const struct sk_json *input, size_t position,
                      struct sk_err *err)
{
    const char *name = sk_json_get_text(input, "name", NULL);
    const char *type = sk_json_get_text(input, "datatype", NULL);
    const struct sk_json *data = sk_json_get(input, "data");
    const struct sk_json *params = sk_json_get(input, "parameters");
    const struct sk_json *binary = sk_json_get(params, "binary_data_size");
    struct sk_tensor t = { 0 };

    if (!name)
        return sk_fail(err, SK_INVALID, "inputs[%zu]: 'name' must be a string", position);
    int i = find_info(p->net->inputs, p->net->input_count, name);
    if (i < 0)
        return sk_fail(err, SK_INVALID, "unexpected input '%s': the model has %s%s%s", name,
                       p->net->input_count ? "'" : "no inputs",
                       p->net->input_count ? p->net->inputs[0].name : "",
                       p->net->input_count > 1 ? "' and others"
                       : p->net->input_count   ? "'"
                                               : "");
    if (p->out->inputs[i].data || p->out->inputs[i].strings)
        return sk_fail(err, SK_INVALID, "input '%s' is given twice", name);
    t.dtype = type ? sk_dtype_parse(type, strlen(type)) : SK_DT_COUNT;
    if (t.dtype == SK_DT_COUNT)
        return sk_fail(err, SK_INVALID, "input '%s': unknown datatype '%.40s'", name,
                       type ? type : "(none)");
    if (t.dtype != p->net->inputs[i].dtype)
        return sk_fail(err, SK_INVALID, "input '%s': datatype is %s, the model expects %s", name,
                       sk_dtype_name(t.dtype), sk_dtype_name(p->net->inputs[i].dtype));
    if (read_shape(input, name, &t, err) < 0)
        return -1;
    if (data && binary)
        return sk_fail(err, SK_INVALID, "input '%s' has both 'data' and 'binary_data_size'", name);
    if (binary) {
        int64_t len = sk_json_int(binary, -1);
        if (sk_json_type(binary) != SK_JSON_INT || len < 0)
            return sk_fail(err, SK_INVALID,
                           "input '%s': 'binary_data_size' must be a non-negative integer", name);
        if (take_bytes(p, name, (size_t)len, &t, err) < 0)
            return -1;
    } else if (!data) {
        return sk_fail(err, SK_INVALID, "input '%s' has neither 'data' nor 'binary_data_size'",
                       name);
    } else if (sk_v2_json_data(data, &t, p->arena, err) < 0) {
        return sk_wrap(err, "input '%s'", name);
    }
    p->out->inputs[i] = t;
    return 0;
}

static int read_inputs(struct parse *p, const struct sk_json *doc, struct sk_err *err)
{
    const struct sk_json *inputs = sk_json_get(doc, "inputs");

    if (sk_json_type(inputs) != SK_JSON_ARRAY)
        return sk_fail(err, SK_INVALID, "'inputs' must be an array");
    if (sk_json_count(inputs) > SK_LIMIT_TENSORS)
        return sk_fail(err, SK_INVALID, "more than %u inputs", SK_LIMIT_TENSORS);
    for (size_t i = 0; i < sk_json_count(inputs); i++) {
        const struct sk_json *input = sk_json_at(inputs, i);
        if (sk_json_type(input) != SK_JSON_OBJECT)
            return sk_fail(err, SK_INVALID, "inputs[%zu] must be an object", i);
        if (read_input(p, input, i, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < p->net->input_count; i++)
        if (!p->out->inputs[i].data && !p->out->inputs[i].strings)
            return sk_fail(err, SK_INVALID,
                           "input '%s' is missing: the model expects %zu inputs, got %zu",
                           p->net->inputs[i].name, p->net->input_count, sk_json_count(inputs));
    if (p->rest.len > 0)
        return sk_fail(err, SK_INVALID,
                       "unexpected additional input data: %zu bytes after the last tensor",
                       p->rest.len);
    return 0;
}

static void want(struct sk_v2_request *out, size_t i, bool is_binary, uint32_t classification)
{
    out->outputs[i] = (struct sk_v2_output){ .is_wanted = true,
                                             .is_binary = is_binary,
                                             .classification = classification };
    out->wanted[i] = true;
    out->order[out->order_count++] = i;
}

/* Nothing is named: all that are tensors. */
static void want_all(struct parse *p, bool is_binary)
{
    for (size_t i = 0; i < p->net->output_count; i++)
        if (p->net->outputs[i].dtype != SK_DT_COUNT)
            want(p->out, i, is_binary, 0);
}

static int read_output(struct parse *p, const struct sk_json *output, size_t position,
                       struct sk_err *err)
{
    const char *name = sk_json_get_text(output, "name", NULL);
    const struct sk_json *params = sk_json_get(output, "parameters");
    int64_t classification = 0;
    bool is_binary = p->binary_default;

    if (!name)
        return sk_fail(err, SK_INVALID, "outputs[%zu]: 'name' must be a string", position);
    int i = find_info(p->net->outputs, p->net->output_count, name);
    if (i < 0)
        return sk_fail(err, SK_INVALID, "unexpected output '%s': the model does not have it", name);
    if (p->out->outputs[i].is_wanted)
        return sk_fail(err, SK_INVALID, "output '%s' is asked for twice", name);
    if (params &&
        (sk_json_want_bool(params, "binary_data", &is_binary, err) < 0 ||
         sk_json_want_int(params, "classification", 0, 1000000, &classification, err) < 0))
        return sk_wrap(err, "output '%s'", name);
    want(p->out, (size_t)i, is_binary, (uint32_t)classification);
    return 0;
}

static int read_outputs(struct parse *p, const struct sk_json *doc, struct sk_err *err)
{
    const struct sk_json *outputs = NULL;

    if (sk_json_want_array(doc, "outputs", &outputs, err) < 0)
        return -1;
    if (sk_json_count(outputs) == 0) {
        want_all(p, p->binary_default);
        return 0;
    }
    if (sk_json_count(outputs) > SK_LIMIT_TENSORS)
        return sk_fail(err, SK_INVALID, "more than %u outputs", SK_LIMIT_TENSORS);
    for (size_t i = 0; i < sk_json_count(outputs); i++)
        if (read_output(p, sk_json_at(outputs, i), i, err) < 0)
            return -1;
    return 0;
}

static int read_parameters(struct parse *p, const struct sk_json *doc, struct sk_err *err)
{
    const struct sk_json *params = NULL;
    int64_t timeout = 0;

    if (sk_json_want_object(doc, "parameters", &params, err) < 0)
        return -1;
    if (params && (sk_json_want_bool(params, "binary_data_output", &p->binary_default, err) < 0 ||
                   sk_json_want_int(params, "timeout", 0, INT64_MAX, &timeout, err) < 0))
        return sk_wrap(err, "'parameters'");
    p->out->timeout_us = (uint64_t)timeout;
    return 0;
}

/* The body is the tensor: its shape is the model's, with the batch or the one free dimension
 * computed. */
static int read_raw(struct parse *p, struct sk_err *err)
{
    const struct sk_tensor_info *info = &p->net->inputs[0];
    struct sk_tensor t = { .dtype = info->dtype, .rank = info->rank };
    size_t known = sk_dtype_size(info->dtype);
    int free_dim = -1;

    if (p->net->input_count != 1 || info->dtype == SK_DT_BYTES || info->dtype == SK_DT_COUNT)
        return sk_fail(err, SK_INVALID,
                       "a raw tensor body needs a model with one input of a fixed-size datatype");
    for (unsigned d = 0; d < info->rank; d++) {
        t.dims[d] = info->dims[d];
        if (info->dims[d] < 0) {
            if (free_dim >= 0)
                return sk_fail(
                    err, SK_INVALID,
                    "a raw tensor body needs at most one variable dimension in input '%s'",
                    info->name);
            free_dim = (int)d;
        } else if (!sk_mul_size(known, (size_t)info->dims[d], &known)) {
            return sk_fail(err, SK_INVALID, "input '%s': its size overflows", info->name);
        }
    }
    if (free_dim >= 0 && known > 0 && p->rest.len % known == 0) {
        t.dims[free_dim] = (int64_t)(p->rest.len / known);
        known = p->rest.len;
    }
    if (known != p->rest.len)
        return sk_fail(
            err, SK_INVALID,
            "input '%s': the body has %zu bytes, which is no whole number of tensors of %zu",
            info->name, p->rest.len, known);
    t.size_bytes = known;
    if (take_bytes(p, info->name, known, &t, err) < 0)
        return -1;
    p->out->inputs[0] = t;
    want_all(p, true);
    return 0;
}

int sk_v2_parse(struct sk_view body, const char *header, const struct sk_net_info *net,
                size_t max_values, struct sk_arena *arena, struct sk_json **doc,
                struct sk_v2_request *out, struct sk_err *err)
{
    struct parse p = { .net = net, .arena = arena, .out = out };
    uint64_t json_len = body.len;

    *out = (struct sk_v2_request){ 0 };
    *doc = NULL;
    if (net->input_count > SK_LIMIT_TENSORS || net->output_count > SK_LIMIT_TENSORS)
        return sk_fail(err, SK_UNSUPPORTED, "the model has more than %u inputs or outputs",
                       SK_LIMIT_TENSORS);
    if (header &&
        sk_parse_u64("Inference-Header-Content-Length", header, 0, body.len, &json_len, err) < 0)
        return -1;
    p.rest = (struct sk_view){ body.ptr + json_len, body.len - (size_t)json_len };
    if (header && json_len == 0)
        return read_raw(&p, err);

    struct sk_json_limits limits = { .max_values = max_values };
    if (sk_json_parse(body.ptr, (size_t)json_len, &limits, doc, err) < 0)
        return -1;
    if (sk_json_type(*doc) != SK_JSON_OBJECT)
        return sk_fail(err, SK_INVALID, "the request must be a JSON object");
    if (sk_json_want_text(*doc, "id", &out->id, err) < 0 || read_parameters(&p, *doc, err) < 0 ||
        read_inputs(&p, *doc, err) < 0)
        return -1;
    return read_outputs(&p, *doc, err);
}
