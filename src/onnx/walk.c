/*
 * walk.c - through the messages of an ONNX model (onnx.proto), picking what sk_onnx_info wants and
 * checking every tensor.
 *
 *   Model - Graph - Node - Attribute - Graph ...      Graph - Tensor, SparseTensor, ValueInfo
 *         - Function - Node ...                       Attribute - Tensor, SparseTensor
 *         - TrainingInfo - Graph
 *
 * Tensors are where the danger is (external data), so every way to one is walked. protobuf's
 * parsers merge a message that occurs twice where one is expected; what is harmless in halves need
 * not be as a whole, so that is refused. Fields of other numbers are skipped, as parsers do.
 */
#include "base/limits.h"
#include "onnx/onnx_priv.h"

#include <stdlib.h>
#include <string.h>

/* What is shared by the functions below: where we are. */
struct place {
    unsigned depth; /* of graphs */
    bool is_main;   /* the model's own graph: its initializers and values count */
};

static int walk_graph(struct sk_onnx_walk *w, struct sk_wire m, struct place p, struct sk_err *err);
static int walk_node(struct sk_onnx_walk *w, struct sk_wire m, struct place p, struct sk_err *err);

/* ---- tensors and values ---- */

static int walk_tensor(struct sk_onnx_walk *w, const struct sk_wire_field *f, struct sk_err *err)
{
    struct sk_onnx_tensor t;

    return sk_wire_want(f, SK_WIRE_BYTES, err) < 0 ? -1 : sk_onnx_read_tensor(w, f->body, &t, err);
}

static int count_initializer(struct sk_onnx_walk *w, const struct sk_onnx_tensor *t, struct place p,
                             struct sk_err *err)
{
    struct sk_view *name;

    w->info->parameter_count += t->elements;
    w->info->weight_bytes += sk_onnx_tensor_bytes(t);
    if (++w->initializer_total > SK_ONNX_MAX_NODES)
        return sk_fail(err, SK_LIMIT, "more than %d initializers", SK_ONNX_MAX_NODES);
    if (!p.is_main)
        return 0;
    name = sk_onnx_grow(&w->initializers, &w->initializer_count, &w->initializer_cap, sizeof(*name),
                        SK_ONNX_MAX_NODES, "initializers", err);
    if (!name)
        return -1;
    *name = t->name;
    return 0;
}

static int walk_initializer(struct sk_onnx_walk *w, const struct sk_wire_field *f, struct place p,
                            struct sk_err *err)
{
    struct sk_onnx_tensor t;

    if (sk_wire_want(f, SK_WIRE_BYTES, err) < 0 || sk_onnx_read_tensor(w, f->body, &t, err) < 0)
        return -1;
    return count_initializer(w, &t, p, err);
}

/* SparseTensorProto: values = 1, indices = 2, dims = 3. */
static int walk_sparse(struct sk_onnx_walk *w, const struct sk_wire_field *outer,
                       bool is_initializer, struct place p, struct sk_err *err)
{
    struct sk_wire m = outer->body;
    struct sk_wire_field f = { 0 };
    struct sk_onnx_tensor t;
    bool seen[3] = { false };
    int rc;

    if (sk_wire_want(outer, SK_WIRE_BYTES, err) < 0)
        return -1;
    while ((rc = sk_wire_next(&m, &f, err)) > 0) {
        if (f.number > 2)
            continue;
        if (sk_onnx_once(&seen[f.number], "a part of a sparse tensor", err) < 0 ||
            sk_wire_want(&f, SK_WIRE_BYTES, err) < 0 || sk_onnx_read_tensor(w, f.body, &t, err) < 0)
            return -1;
        if (is_initializer && f.number == 1 && count_initializer(w, &t, p, err) < 0)
            return -1;
    }
    return rc;
}

static int walk_value(struct sk_onnx_walk *w, const struct sk_wire_field *f, bool is_input,
                      struct sk_err *err)
{
    struct sk_onnx_info *info = w->info;
    struct sk_onnx_value *v;

    if (sk_wire_want(f, SK_WIRE_BYTES, err) < 0)
        return -1;
    v = is_input ? sk_onnx_grow(&info->inputs, &info->input_count, &w->input_cap, sizeof(*v),
                                SK_ONNX_MAX_VALUES, "inputs", err)
                 : sk_onnx_grow(&info->outputs, &info->output_count, &w->output_cap, sizeof(*v),
                                SK_ONNX_MAX_VALUES, "outputs", err);
    return v ? sk_onnx_read_value(w, f, v, err) : -1;
}

/* ---- nodes ---- */

static bool is_op(const struct sk_onnx_op *op, struct sk_view domain, struct sk_view name)
{
    return sk_view_eq(name, op->name) && sk_view_eq(domain, op->domain);
}

static uint32_t hash(struct sk_view v, uint32_t h) /* FNV-1a */
{
    for (size_t i = 0; i < v.len; i++)
        h = (h ^ (unsigned char)v.ptr[i]) * 16777619u;
    return h;
}

static int count_op(struct sk_onnx_walk *w, struct sk_view domain, struct sk_view name,
                    struct sk_err *err)
{
    enum {
        SLOTS = sizeof(w->op_slots) / sizeof(w->op_slots[0])
    };
    struct sk_onnx_info *info = w->info;
    uint32_t at;
    struct sk_onnx_op *op;

    if (++info->node_count > SK_ONNX_MAX_NODES)
        return sk_fail(err, SK_LIMIT, "more than %d nodes", SK_ONNX_MAX_NODES);
    if (sk_view_eq(domain, "ai.onnx"))
        domain = SK_VIEW("");
    if (domain.len > 256 || name.len > 256)
        return sk_fail(err, SK_LIMIT, "an operator's name has more than 256 bytes");
    for (at = hash(name, hash(domain, 2166136261u)) % SLOTS; w->op_slots[at] != 0;
         at = (at + 1) % SLOTS) {
        op = &info->ops[w->op_slots[at] - 1];
        if (is_op(op, domain, name)) {
            op->count++;
            return 0;
        }
    }
    op = sk_onnx_grow(&info->ops, &info->op_count, &w->op_cap, sizeof(*op), SK_ONNX_MAX_OPS,
                      "different operators", err);
    if (!op)
        return -1;
    w->op_slots[at] = (uint16_t)info->op_count;
    op->count = 1;
    if (sk_onnx_take_name(w, domain, &op->domain, err) < 0)
        return -1;
    return sk_onnx_take_name(w, name, &op->name, err);
}

/* AttributeProto: t = 5, g = 6, tensors = 10, graphs = 11, sparse_tensor = 22, sparse_tensors = 23.
 */
static int walk_attribute_field(struct sk_onnx_walk *w, const struct sk_wire_field *f,
                                struct place p, struct sk_err *err)
{
    switch (f->number) {
    case 5:
    case 10:
        return walk_tensor(w, f, err);
    case 6:
    case 11:
        return sk_wire_want(f, SK_WIRE_BYTES, err) < 0 ? -1 : walk_graph(w, f->body, p, err);
    case 22:
    case 23:
        return walk_sparse(w, f, false, p, err);
    default:
        return 0;
    }
}

static int walk_attribute(struct sk_onnx_walk *w, const struct sk_wire_field *outer, struct place p,
                          struct sk_err *err)
{
    struct sk_wire m = outer->body;
    struct sk_wire_field f = { 0 };
    bool has_tensor = false, has_graph = false, has_sparse = false;
    int rc;

    if (sk_wire_want(outer, SK_WIRE_BYTES, err) < 0)
        return -1;
    while ((rc = sk_wire_next(&m, &f, err)) > 0) {
        if ((f.number == 5 && sk_onnx_once(&has_tensor, "the tensor of an attribute", err) < 0) ||
            (f.number == 6 && sk_onnx_once(&has_graph, "the graph of an attribute", err) < 0) ||
            (f.number == 22 &&
             sk_onnx_once(&has_sparse, "the sparse tensor of an attribute", err) < 0) ||
            walk_attribute_field(w, &f, p, err) < 0)
            return -1;
    }
    return rc;
}

/* NodeProto: op_type = 4, attribute = 5, domain = 7. */
static int walk_node(struct sk_onnx_walk *w, struct sk_wire m, struct place p, struct sk_err *err)
{
    struct sk_wire_field f = { 0 };
    struct sk_view name = { "", 0 }, domain = { "", 0 };
    int rc;

    while ((rc = sk_wire_next(&m, &f, err)) > 0) {
        if (f.number == 5 && walk_attribute(w, &f, p, err) < 0)
            return -1;
        if (f.number != 4 && f.number != 7)
            continue;
        if (sk_wire_want(&f, SK_WIRE_BYTES, err) < 0)
            return -1;
        *(f.number == 4 ? &name : &domain) = sk_wire_text(&f);
    }
    return rc < 0 ? -1 : count_op(w, domain, name, err);
}

/* ---- graphs, functions, the model ---- */

/* GraphProto: node = 1, name = 2, initializer = 5, input = 11, output = 12, sparse_initializer
 * = 15. */
static int walk_graph_field(struct sk_onnx_walk *w, const struct sk_wire_field *f, struct place p,
                            struct sk_err *err)
{
    switch (f->number) {
    case 1:
        return sk_wire_want(f, SK_WIRE_BYTES, err) < 0 ? -1 : walk_node(w, f->body, p, err);
    case 2:
        if (!p.is_main)
            return 0;
        return sk_wire_want(f, SK_WIRE_BYTES, err) < 0
                   ? -1
                   : sk_onnx_take_name(w, sk_wire_text(f), &w->info->graph_name, err);
    case 5:
        return walk_initializer(w, f, p, err);
    case 11:
    case 12:
        return p.is_main ? walk_value(w, f, f->number == 11, err) : 0;
    case 15:
        return walk_sparse(w, f, true, p, err);
    default:
        return 0;
    }
}

/* p is the place that the graph is in. */
static int walk_graph(struct sk_onnx_walk *w, struct sk_wire m, struct place p, struct sk_err *err)
{
    struct place inside = { p.depth + 1, p.is_main && p.depth == 0 };
    struct sk_wire_field f = { 0 };
    int rc;

    if (inside.depth > SK_ONNX_MAX_DEPTH)
        return sk_fail(err, SK_LIMIT, "graphs are nested more than %d deep", SK_ONNX_MAX_DEPTH);
    while ((rc = sk_wire_next(&m, &f, err)) > 0) {
        if (walk_graph_field(w, &f, inside, err) < 0)
            return -1;
    }
    return rc;
}

/* FunctionProto: node = 7, attribute_proto = 11. */
static int walk_function(struct sk_onnx_walk *w, const struct sk_wire_field *outer,
                         struct sk_err *err)
{
    struct place p = { 1, false };
    struct sk_wire m = outer->body;
    struct sk_wire_field f = { 0 };
    int rc;

    if (sk_wire_want(outer, SK_WIRE_BYTES, err) < 0)
        return -1;
    while ((rc = sk_wire_next(&m, &f, err)) > 0) {
        if (f.number == 7 &&
            (sk_wire_want(&f, SK_WIRE_BYTES, err) < 0 || walk_node(w, f.body, p, err) < 0))
            return -1;
        if (f.number == 11 && walk_attribute(w, &f, p, err) < 0)
            return -1;
    }
    return rc;
}

/* TrainingInfoProto: initialization = 1, algorithm = 2. */
static int walk_training(struct sk_onnx_walk *w, const struct sk_wire_field *outer,
                         struct sk_err *err)
{
    struct place p = { 1, false };
    struct sk_wire m = outer->body;
    struct sk_wire_field f = { 0 };
    bool seen[3] = { false };
    int rc;

    if (sk_wire_want(outer, SK_WIRE_BYTES, err) < 0)
        return -1;
    while ((rc = sk_wire_next(&m, &f, err)) > 0) {
        if (f.number > 2)
            continue;
        if (sk_onnx_once(&seen[f.number], "a graph of the training information", err) < 0 ||
            sk_wire_want(&f, SK_WIRE_BYTES, err) < 0 || walk_graph(w, f.body, p, err) < 0)
            return -1;
    }
    return rc;
}

static int add_pair(struct sk_onnx_walk *w, struct sk_onnx_pair **list, size_t *count, size_t *cap,
                    struct sk_view key, struct sk_view value, struct sk_err *err)
{
    struct sk_onnx_pair *pair = sk_onnx_grow(list, count, cap, sizeof(*pair), SK_ONNX_MAX_PAIRS,
                                             "entries", err);

    if (!pair)
        return -1;
    if (sk_onnx_take_name(w, key, &pair->key, err) < 0)
        return -1;
    return sk_onnx_take_name(w, value, &pair->value, err);
}

static int walk_metadata(struct sk_onnx_walk *w, const struct sk_wire_field *f, struct sk_err *err)
{
    struct sk_view key = { "", 0 }, value = { "", 0 };

    if (sk_wire_want(f, SK_WIRE_BYTES, err) < 0 ||
        sk_onnx_read_pair(f->body, &key, &value, err) < 0)
        return -1;
    return add_pair(w, &w->info->metadata, &w->info->metadata_count, &w->metadata_cap, key, value,
                    err);
}

/* OperatorSetIdProto: domain = 1, version = 2. */
static int walk_opset(struct sk_onnx_walk *w, const struct sk_wire_field *outer, struct sk_err *err)
{
    struct sk_wire m = outer->body;
    struct sk_wire_field f = { 0 };
    struct sk_view domain = { "", 0 };
    char version[24] = "0";
    int rc;

    if (sk_wire_want(outer, SK_WIRE_BYTES, err) < 0)
        return -1;
    while ((rc = sk_wire_next(&m, &f, err)) > 0) {
        if (f.number == 1) {
            if (sk_wire_want(&f, SK_WIRE_BYTES, err) < 0)
                return -1;
            domain = sk_wire_text(&f);
        } else if (f.number == 2) {
            if (sk_wire_want(&f, SK_WIRE_VARINT, err) < 0)
                return -1;
            (void)snprintf(version, sizeof(version), "%lld", (long long)f.value);
        }
    }
    if (rc < 0)
        return -1;
    return add_pair(w, &w->info->opsets, &w->info->opset_count, &w->opset_cap, domain,
                    sk_view_of(version), err);
}

/* ModelProto: ir_version = 1, producer_name = 2, graph = 7, opset_import = 8, metadata_props = 14,
 * training_info = 20, functions = 25. */
static int walk_model_field(struct sk_onnx_walk *w, const struct sk_wire_field *f,
                            struct sk_err *err)
{
    switch (f->number) {
    case 1:
        w->info->ir_version = (int64_t)f->value;
        return sk_wire_want(f, SK_WIRE_VARINT, err);
    case 2:
        return sk_wire_want(f, SK_WIRE_BYTES, err) < 0
                   ? -1
                   : sk_onnx_take_name(w, sk_wire_text(f), &w->info->producer, err);
    case 7:
        if (sk_wire_want(f, SK_WIRE_BYTES, err) < 0 ||
            sk_onnx_once(&w->has_graph, "the graph", err) < 0)
            return -1;
        return walk_graph(w, f->body, (struct place){ 0, true }, err);
    case 8:
        return walk_opset(w, f, err);
    case 14:
        return walk_metadata(w, f, err);
    case 20:
        return walk_training(w, f, err);
    case 25:
        return walk_function(w, f, err);
    default:
        return 0;
    }
}

int sk_onnx_walk_model(struct sk_onnx_walk *w, struct sk_wire file, struct sk_err *err)
{
    struct sk_wire_field f = { 0 };
    int rc;

    while ((rc = sk_wire_next(&file, &f, err)) > 0) {
        if (walk_model_field(w, &f, err) < 0)
            return -1;
        f.value = 0;
    }
    if (rc == 0 && !w->has_graph)
        return sk_fail(err, SK_CORRUPT, "it has no graph");
    return rc;
}
