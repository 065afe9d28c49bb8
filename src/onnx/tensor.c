/*
 * tensor.c - TensorProto: its size, its name, and where its data is.
 *
 * Data inside the file is skipped. Data outside is checked (external.c), also when data_location
 * does not mention it: another reader might look at the entries alone.
 */
#include "onnx/onnx_priv.h"

#include <string.h>

/* More than any machine holds; even the sum over SK_ONNX_MAX_NODES tensors fits 64 bits. */
#define MAX_ELEMENTS (UINT64_C(1) << 40)

/* Bits of an element by TensorProto.DataType; 0: not of a fixed size, or unknown. */
static unsigned element_bits(uint64_t type)
{
    static const unsigned char bits[] = { 0,   32, 8, 8, 16, 16, 32, 64, 0, 8, 16, 64, 32, 64, 64,
                                          128, 16, 8, 8, 8,  8,  4,  4,  4, 8, 2,  2,  6,  6 };

    return type < sizeof(bits) ? bits[type] : 0;
}

uint64_t sk_onnx_tensor_bytes(const struct sk_onnx_tensor *t)
{
    return (t->elements * element_bits(t->type) + 7) / 8; /* MAX_ELEMENTS keeps it from overflowing
                                                           */
}

static int add_dim(struct sk_onnx_tensor *t, uint64_t dim, struct sk_err *err)
{
    uint64_t product;

    if (dim > INT64_MAX)
        return sk_fail(err, SK_CORRUPT, "a tensor has a negative dimension");
    if (__builtin_mul_overflow(t->elements, dim, &product) || product > MAX_ELEMENTS)
        return sk_fail(err, SK_CORRUPT, "a tensor has more than 2^40 elements");
    t->elements = product;
    return 0;
}

static int read_dims(struct sk_onnx_tensor *t, const struct sk_wire_field *f, struct sk_err *err)
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

static int read_external(struct sk_onnx_tensor *t, const struct sk_wire_field *f,
                         struct sk_err *err)
{
    struct sk_view key = { NULL, 0 }, value = { "", 0 };
    struct sk_view *slot;

    if (sk_wire_want(f, SK_WIRE_BYTES, err) < 0 ||
        sk_onnx_read_pair(f->body, &key, &value, err) < 0)
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

static int read_tensor_field(struct sk_onnx_tensor *t, const struct sk_wire_field *f,
                             struct sk_err *err)
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
int sk_onnx_read_tensor(struct sk_onnx_walk *w, struct sk_wire m, struct sk_onnx_tensor *t,
                        struct sk_err *err)
{
    struct sk_wire_field f = { 0 };
    int rc;

    *t = (struct sk_onnx_tensor){ .elements = 1 };
    while ((rc = sk_wire_next(&m, &f, err)) > 0) {
        if (read_tensor_field(t, &f, err) < 0)
            return -1;
        f.value = 0;
    }
    if (rc < 0)
        return -1;
    if (!t->is_external && !t->has_location)
        return 0;
    if (sk_onnx_external_check(&w->external, &t->location, sk_onnx_tensor_bytes(t), err) < 0)
        return sk_wrap(err, "tensor '%.*s'", (int)(t->name.len > 64 ? 64 : t->name.len),
                       t->name.ptr ? t->name.ptr : "");
    return 0;
}
