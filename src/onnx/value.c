/*
 * value.c - ValueInfoProto: the name, type and shape of an input or output of the model.
 */
#include "base/limits.h"
#include "onnx/onnx_priv.h"

#include <stdlib.h>

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
                sk_onnx_take_name(w, sk_wire_text(&f), &v->dim_names[axis], err) < 0)
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
                sk_onnx_once(&has_shape, "the shape of a value", err) < 0 ||
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
                              sk_onnx_once(&has_tensor, "the type of a value", err) < 0 ||
                              read_tensor_type(w, f.body, v, err) < 0))
            return -1;
    }
    return rc;
}

/* ValueInfoProto: name = 1, type = 2. */
int sk_onnx_read_value(struct sk_onnx_walk *w, const struct sk_wire_field *outer,
                       struct sk_onnx_value *v, struct sk_err *err)
{
    struct sk_wire m = outer->body;
    struct sk_wire_field f = { 0 };
    bool has_type = false;
    int rc;

    v->dtype = SK_DT_COUNT;
    if (sk_onnx_take_name(w, SK_VIEW(""), &v->name, err) < 0)
        return -1;
    while ((rc = sk_wire_next(&m, &f, err)) > 0) {
        if (f.number != 1 && f.number != 2)
            continue;
        if (sk_wire_want(&f, SK_WIRE_BYTES, err) < 0)
            return -1;
        if (f.number == 1 && sk_onnx_take_name(w, sk_wire_text(&f), &v->name, err) < 0)
            return -1;
        if (f.number == 2 && (sk_onnx_once(&has_type, "the type of a value", err) < 0 ||
                              read_type(w, f.body, v, err) < 0))
            return -1;
    }
    return rc;
}
