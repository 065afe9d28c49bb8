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

/* ---- names and growing arrays ---- */

static int take_name(struct sk_onnx_walk *w, struct sk_view v, char **out, struct sk_err *err)
{
    char *copy;

    if (v.len > SK_ONNX_MAX_NAME_BYTES - w->name_bytes)
        return sk_fail(err, SK_LIMIT, "names and metadata exceed %d bytes", SK_ONNX_MAX_NAME_BYTES);
    copy = strndup(v.ptr ? v.ptr : "", v.len);
    if (!copy)
        return sk_nomem(err);
    w->name_bytes += v.len;
    free(*out);
    *out = copy;
    return 0;
}

/* Room for one more; the new element is zeroed. NULL: err says why. */
static void *grow(void *array, size_t *count, size_t *cap, size_t size, size_t max,
                  const char *what, struct sk_err *err)
{
    char *a;

    memcpy(&a, array, sizeof(a)); /* array is the address of a pointer of any type */
    if (*count == max) {
        (void)sk_fail(err, SK_LIMIT, "more than %zu %s", max, what);
        return NULL;
    }
    if (*count == *cap) {
        size_t bigger = *cap ? *cap * 2 : 8;
        char *moved = realloc(a, bigger * size);

        if (!moved) {
            (void)sk_nomem(err);
            return NULL;
        }
        a = moved;
        memcpy(array, &a, sizeof(a));
        *cap = bigger;
    }
    memset(a + *count * size, 0, size);
    return a + (*count)++ * size;
}

/* Refuses the second occurrence of a message that may be there once. */
static int once(bool *seen, const char *what, struct sk_err *err)
{
    if (*seen)
        return sk_fail(err, SK_CORRUPT, "%s occurs twice", what);
    *seen = true;
    return 0;
}

static int read_pair(struct sk_wire m, struct sk_view *key, struct sk_view *value,
                     struct sk_err *err)
{
    struct sk_wire_field f;
    int rc;

    while ((rc = sk_wire_next(&m, &f, err)) > 0) {
        if (f.number > 2)
            continue;
        if (sk_wire_want(&f, SK_WIRE_BYTES, err) < 0)
            return -1;
        *(f.number == 1 ? key : value) = sk_wire_text(&f);
    }
    return rc;
}

/* ---- tensors ---- */

/* Bits of an element by TensorProto.DataType; 0: not of a fixed size, or unknown. */
static unsigned element_bits(uint64_t type)
{
    static const unsigned char bits[] = { 0,   32, 8, 8, 16, 16, 32, 64, 0, 8, 16, 64, 32, 64, 64,
                                          128, 16, 8, 8, 8,  8,  4,  4,  4, 8, 2,  2,  6,  6 };

    return type < sizeof(bits) ? bits[type] : 0;
}

struct tensor {
    uint64_t type, elements;
    bool is_external;
    struct sk_view name;
    struct sk_onnx_location location;
    bool has_location;
};

static int add_dim(struct tensor *t, uint64_t dim, struct sk_err *err)
{
    uint64_t product;

    if (dim > INT64_MAX)
        return sk_fail(err, SK_CORRUPT, "a tensor has a negative dimension");
    if (__builtin_mul_overflow(t->elements, dim, &product) || product > INT64_MAX / 16)
        return sk_fail(err, SK_CORRUPT, "the size of a tensor overflows");
    t->elements = product;
    return 0;
}

static int read_dims(struct tensor *t, const struct sk_wire_field *f, struct sk_err *err)
{
    struct sk_wire packed = f->body;
    uint64_t dim;
    int rc;

    if (f->type == SK_WIRE_VARINT)
        return add_dim(t, f->value, err);
    if (sk_wire_want(f, SK_WIRE_BYTES, err) < 0)
        return -1;
    while ((rc = sk_wire_number(&packed, &dim, err)) > 0) {
        if (add_dim(t, dim, err) < 0)
            return -1;
    }
    return rc;
}

static int read_external(struct tensor *t, const struct sk_wire_field *f, struct sk_err *err)
{
    struct sk_view key = { NULL, 0 }, value = { "", 0 };
    struct sk_view *slot;

    if (sk_wire_want(f, SK_WIRE_BYTES, err) < 0 || read_pair(f->body, &key, &value, err) < 0)
        return -1;
    slot = sk_view_eq(key, "location") ? &t->location.location
           : sk_view_eq(key, "offset") ? &t->location.offset
           : sk_view_eq(key, "length") ? &t->location.length
                                       : NULL;
    t->has_location = true;
    if (!slot)
        return 0;
    if (slot->ptr)
        return sk_fail(err, SK_CORRUPT, "external data with two values for '%.*s'", (int)key.len,
                       key.ptr);
    *slot = value;
    return 0;
}

static int read_tensor_field(struct tensor *t, const struct sk_wire_field *f, struct sk_err *err)
{
    switch (f->number) {
    case 1: /* dims */
        return read_dims(t, f, err);
    case 2: /* data_type */
        t->type = f->value;
        return sk_wire_want(f, SK_WIRE_VARINT, err);
    case 8: /* name */
        if (sk_wire_want(f, SK_WIRE_BYTES, err) < 0)
            return -1;
        t->name = sk_wire_text(f);
        return 0;
    case 13: /* external_data */
        return read_external(t, f, err);
    case 14: /* data_location: 1 is EXTERNAL */
        t->is_external = f->value == 1;
        return sk_wire_want(f, SK_WIRE_VARINT, err);
    default:
        return 0;
    }
}

/* Checks one tensor. Entries about external data are checked even when data_location does not
 * mention them. */
static int read_tensor(struct sk_onnx_walk *w, struct sk_wire m, struct tensor *t,
                       struct sk_err *err)
{
    struct sk_wire_field f = { 0 };
    int rc;

    *t = (struct tensor){ .elements = 1 };
    while ((rc = sk_wire_next(&m, &f, err)) > 0) {
        if (read_tensor_field(t, &f, err) < 0)
            return -1;
        f.value = 0;
    }
    if (rc < 0)
        return -1;
    if (!t->is_external && !t->has_location)
        return 0;
    if (sk_onnx_external_check(&w->external, &t->location,
                               (t->elements * element_bits(t->type) + 7) / 8, err) < 0)
        return sk_wrap(err, "tensor '%.*s'", (int)(t->name.len > 64 ? 64 : t->name.len),
                       t->name.ptr ? t->name.ptr : "");
    return 0;
}

static int walk_tensor(struct sk_onnx_walk *w, const struct sk_wire_field *f, struct sk_err *err)
{
    struct tensor t;

    return sk_wire_want(f, SK_WIRE_BYTES, err) < 0 ? -1 : read_tensor(w, f->body, &t, err);
}

static int count_initializer(struct sk_onnx_walk *w, const struct tensor *t, struct place p,
                             struct sk_err *err)
{
    struct sk_view *name;

    w->info->parameter_count += t->elements;
    w->info->weight_bytes += (t->elements * element_bits(t->type) + 7) / 8;
    if (++w->initializer_total > SK_ONNX_MAX_NODES)
        return sk_fail(err, SK_LIMIT, "more than %d initializers", SK_ONNX_MAX_NODES);
    if (!p.is_main)
        return 0;
    name = grow(&w->initializers, &w->initializer_count, &w->initializer_cap, sizeof(*name),
                SK_ONNX_MAX_NODES, "initializers", err);
    if (!name)
        return -1;
    *name = t->name;
    return 0;
}

static int walk_initializer(struct sk_onnx_walk *w, const struct sk_wire_field *f, struct place p,
                            struct sk_err *err)
{
    struct tensor t;

    if (sk_wire_want(f, SK_WIRE_BYTES, err) < 0 || read_tensor(w, f->body, &t, err) < 0)
        return -1;
    return count_initializer(w, &t, p, err);
}

/* SparseTensorProto: values = 1, indices = 2, dims = 3. */
static int walk_sparse(struct sk_onnx_walk *w, const struct sk_wire_field *outer,
                       bool is_initializer, struct place p, struct sk_err *err)
{
    struct sk_wire m = outer->body;
    struct sk_wire_field f = { 0 };
    struct tensor t;
    bool seen[3] = { false };
    int rc;

    if (sk_wire_want(outer, SK_WIRE_BYTES, err) < 0)
        return -1;
    while ((rc = sk_wire_next(&m, &f, err)) > 0) {
        if (f.number > 2)
            continue;
        if (once(&seen[f.number], "a part of a sparse tensor", err) < 0 ||
            sk_wire_want(&f, SK_WIRE_BYTES, err) < 0 || read_tensor(w, f.body, &t, err) < 0)
            return -1;
        if (is_initializer && f.number == 1 && count_initializer(w, &t, p, err) < 0)
            return -1;
    }
    return rc;
}

/* ---- values ---- */

/* TensorShapeProto.Dimension: dim_value = 1, dim_param = 2. */
static int read_dimension(struct sk_onnx_walk *w, struct sk_wire m, struct sk_onnx_value *v,
                          struct sk_err *err)
{
    struct sk_wire_field f = { 0 };
    unsigned axis = v->rank;
    int rc;

    if (axis == SK_LIMIT_RANK)
        return sk_fail(err, SK_LIMIT, "value '%s' has more than %u dimensions", v->name,
                       SK_LIMIT_RANK);
    v->rank++;
    v->dims[axis] = -1;
    while ((rc = sk_wire_next(&m, &f, err)) > 0) {
        if (f.number == 1) {
            if (sk_wire_want(&f, SK_WIRE_VARINT, err) < 0)
                return -1;
            v->dims[axis] = f.value > INT64_MAX ? -1 : (int64_t)f.value;
        } else if (f.number == 2) {
            if (sk_wire_want(&f, SK_WIRE_BYTES, err) < 0 ||
                take_name(w, sk_wire_text(&f), &v->dim_names[axis], err) < 0)
                return -1;
        }
    }
    if (rc == 0 && v->dim_names[axis] && (v->dims[axis] >= 0 || v->dim_names[axis][0] == '\0')) {
        free(v->dim_names[axis]);
        v->dim_names[axis] = NULL;
    }
    return rc;
}

static int read_shape(struct sk_onnx_walk *w, struct sk_wire m, struct sk_onnx_value *v,
                      struct sk_err *err)
{
    struct sk_wire_field f = { 0 };
    int rc;

    v->has_shape = true;
    while ((rc = sk_wire_next(&m, &f, err)) > 0) {
        if (f.number == 1 &&
            (sk_wire_want(&f, SK_WIRE_BYTES, err) < 0 || read_dimension(w, f.body, v, err) < 0))
            return -1;
    }
    return rc;
}

static enum sk_dtype dtype_of(uint64_t type)
{
    static const unsigned char known[] = { SK_DT_COUNT, SK_DT_F32,  SK_DT_U8,    SK_DT_I8,
                                           SK_DT_U16,   SK_DT_I16,  SK_DT_I32,   SK_DT_I64,
                                           SK_DT_BYTES, SK_DT_BOOL, SK_DT_F16,   SK_DT_F64,
                                           SK_DT_U32,   SK_DT_U64,  SK_DT_COUNT, SK_DT_COUNT,
                                           SK_DT_BF16 };

    return type < sizeof(known) ? (enum sk_dtype)known[type] : SK_DT_COUNT;
}

/* TypeProto.Tensor: elem_type = 1, shape = 2. */
static int read_tensor_type(struct sk_onnx_walk *w, struct sk_wire m, struct sk_onnx_value *v,
                            struct sk_err *err)
{
    struct sk_wire_field f = { 0 };
    bool has_shape = false;
    int rc;

    while ((rc = sk_wire_next(&m, &f, err)) > 0) {
        if (f.number == 1) {
            if (sk_wire_want(&f, SK_WIRE_VARINT, err) < 0)
                return -1;
            v->dtype = dtype_of(f.value);
        } else if (f.number == 2) {
            if (sk_wire_want(&f, SK_WIRE_BYTES, err) < 0 ||
                once(&has_shape, "the shape of a value", err) < 0 ||
                read_shape(w, f.body, v, err) < 0)
                return -1;
        }
    }
    return rc;
}

/* TypeProto: tensor_type = 1; the others are not tensors. */
static int read_type(struct sk_onnx_walk *w, struct sk_wire m, struct sk_onnx_value *v,
                     struct sk_err *err)
{
    struct sk_wire_field f = { 0 };
    bool has_tensor = false;
    int rc;

    while ((rc = sk_wire_next(&m, &f, err)) > 0) {
        if (f.number == 1 && (sk_wire_want(&f, SK_WIRE_BYTES, err) < 0 ||
                              once(&has_tensor, "the type of a value", err) < 0 ||
                              read_tensor_type(w, f.body, v, err) < 0))
            return -1;
    }
    return rc;
}

/* ValueInfoProto: name = 1, type = 2. */
static int read_value(struct sk_onnx_walk *w, const struct sk_wire_field *outer,
                      struct sk_onnx_value *v, struct sk_err *err)
{
    struct sk_wire m = outer->body;
    struct sk_wire_field f = { 0 };
    bool has_type = false;
    int rc;

    v->dtype = SK_DT_COUNT;
    if (take_name(w, SK_VIEW(""), &v->name, err) < 0)
        return -1;
    while ((rc = sk_wire_next(&m, &f, err)) > 0) {
        if (f.number != 1 && f.number != 2)
            continue;
        if (sk_wire_want(&f, SK_WIRE_BYTES, err) < 0)
            return -1;
        if (f.number == 1 && take_name(w, sk_wire_text(&f), &v->name, err) < 0)
            return -1;
        if (f.number == 2 &&
            (once(&has_type, "the type of a value", err) < 0 || read_type(w, f.body, v, err) < 0))
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
    v = is_input ? grow(&info->inputs, &info->input_count, &w->input_cap, sizeof(*v),
                        SK_ONNX_MAX_VALUES, "inputs", err)
                 : grow(&info->outputs, &info->output_count, &w->output_cap, sizeof(*v),
                        SK_ONNX_MAX_VALUES, "outputs", err);
    return v ? read_value(w, f, v, err) : -1;
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
    op = grow(&info->ops, &info->op_count, &w->op_cap, sizeof(*op), SK_ONNX_MAX_OPS,
              "different operators", err);
    if (!op)
        return -1;
    w->op_slots[at] = (uint16_t)info->op_count;
    op->count = 1;
    if (take_name(w, domain, &op->domain, err) < 0)
        return -1;
    return take_name(w, name, &op->name, err);
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
        if ((f.number == 5 && once(&has_tensor, "the tensor of an attribute", err) < 0) ||
            (f.number == 6 && once(&has_graph, "the graph of an attribute", err) < 0) ||
            (f.number == 22 && once(&has_sparse, "the sparse tensor of an attribute", err) < 0) ||
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
                   : take_name(w, sk_wire_text(f), &w->info->graph_name, err);
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
        if (once(&seen[f.number], "a graph of the training information", err) < 0 ||
            sk_wire_want(&f, SK_WIRE_BYTES, err) < 0 || walk_graph(w, f.body, p, err) < 0)
            return -1;
    }
    return rc;
}

static int add_pair(struct sk_onnx_walk *w, struct sk_onnx_pair **list, size_t *count, size_t *cap,
                    struct sk_view key, struct sk_view value, struct sk_err *err)
{
    struct sk_onnx_pair *pair = grow(list, count, cap, sizeof(*pair), SK_ONNX_MAX_PAIRS, "entries",
                                     err);

    if (!pair)
        return -1;
    if (take_name(w, key, &pair->key, err) < 0)
        return -1;
    return take_name(w, value, &pair->value, err);
}

static int walk_metadata(struct sk_onnx_walk *w, const struct sk_wire_field *f, struct sk_err *err)
{
    struct sk_view key = { "", 0 }, value = { "", 0 };

    if (sk_wire_want(f, SK_WIRE_BYTES, err) < 0 || read_pair(f->body, &key, &value, err) < 0)
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
                   : take_name(w, sk_wire_text(f), &w->info->producer, err);
    case 7:
        if (sk_wire_want(f, SK_WIRE_BYTES, err) < 0 || once(&w->has_graph, "the graph", err) < 0)
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
