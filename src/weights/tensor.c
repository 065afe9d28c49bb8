/*
 * tensor.c - shapes, and elements out of a tensor: as they are, or as f32.
 *
 * A tensor with strides is a set of rows along its last dimension; an odometer over the other
 * dimensions finds where each row begins. A contiguous one is a single row of all its elements.
 * Data are read with memcpy, since files align nothing.
 */
#include "weights/weights_priv.h"

int sk_weights_shape(const int64_t *dims, unsigned rank, enum sk_dtype dtype, size_t *count,
                     size_t *size_bytes, struct sk_err *err)
{
    size_t n = 1, size = 0;

    for (unsigned i = 0; i < rank; i++)
        if (dims[i] < 0)
            return sk_fail(err, SK_CORRUPT, "a shape has the dimension %lld", (long long)dims[i]);
    for (unsigned i = 0; i < rank; i++)
        if (!sk_mul_size(n, (size_t)dims[i], &n))
            return sk_fail(err, SK_CORRUPT, "a shape of more elements than memory can address");
    if (!sk_mul_size(n, sk_dtype_size(dtype), &size) || size > PTRDIFF_MAX)
        return sk_fail(err, SK_CORRUPT, "a shape of more bytes than memory can address");
    *count = n;
    *size_bytes = size;
    return 0;
}

/* ---- rows ---- */

/* Takes n elements, step bytes apart, to out. */
typedef void row_fn(const uint8_t *src, ptrdiff_t step, size_t n, void *out);

/* Gives every row of t to fn; an element takes out_size bytes of out. */
static void each_row(const struct sk_weight *t, row_fn *fn, size_t out_size, void *out)
{
    size_t size = sk_dtype_size(t->dtype);
    const uint8_t *src = t->data;
    uint8_t *dst = out;
    int64_t at[SK_LIMIT_RANK] = { 0 };

    if (t->count == 0)
        return;
    if (!t->strides) {
        fn(src, (ptrdiff_t)size, t->count, dst);
        return;
    }
    unsigned last = t->rank - 1; /* a tensor of rank 0 is contiguous */
    size_t row = (size_t)t->dims[last];
    for (size_t done = 0; done < t->count; done += row) {
        int64_t offset = 0;
        for (unsigned i = 0; i < last; i++)
            offset += at[i] * t->strides[i];
        fn(src + (size_t)offset * size, (ptrdiff_t)size * t->strides[last], row, dst);
        dst += row * out_size;
        for (unsigned i = last; i-- > 0 && ++at[i] == t->dims[i];)
            at[i] = 0;
    }
}

#define COPY_ROW(bytes)                                                                            \
    static void copy_##bytes(const uint8_t *src, ptrdiff_t step, size_t n, void *out)              \
    {                                                                                              \
        uint8_t *dst = out;                                                                        \
        if (step == (bytes)) {                                                                     \
            memcpy(dst, src, n *(bytes));                                                          \
            return;                                                                                \
        }                                                                                          \
        for (size_t i = 0; i < n; i++)                                                             \
            memcpy(dst + i * (bytes), src + (ptrdiff_t)i * step, (bytes));                         \
    }

COPY_ROW(1)
COPY_ROW(2)
COPY_ROW(4)
COPY_ROW(8)

static void f32_from_f64(const uint8_t *src, ptrdiff_t step, size_t n, void *out)
{
    float *dst = out;

    for (size_t i = 0; i < n; i++) {
        double value = 0;
        memcpy(&value, src + (ptrdiff_t)i * step, sizeof value);
        dst[i] = (float)value;
    }
}

static void f32_from_f16(const uint8_t *src, ptrdiff_t step, size_t n, void *out)
{
    float *dst = out;

    for (size_t i = 0; i < n; i++) {
        uint16_t bits = 0;
        memcpy(&bits, src + (ptrdiff_t)i * step, sizeof bits);
        dst[i] = sk_half_to_float(bits);
    }
}

/* bf16 is the upper half of an f32. */
static void f32_from_bf16(const uint8_t *src, ptrdiff_t step, size_t n, void *out)
{
    float *dst = out;

    for (size_t i = 0; i < n; i++) {
        uint16_t half = 0;
        memcpy(&half, src + (ptrdiff_t)i * step, sizeof half);
        uint32_t bits = (uint32_t)half << 16;
        memcpy(&dst[i], &bits, sizeof bits);
    }
}

int sk_weight_f32(const struct sk_weight *t, float *out, struct sk_err *err)
{
    static row_fn *const rows[SK_DT_COUNT] = {
        [SK_DT_F32] = copy_4,
        [SK_DT_F64] = f32_from_f64,
        [SK_DT_F16] = f32_from_f16,
        [SK_DT_BF16] = f32_from_bf16,
    };

    if (!rows[t->dtype])
        return sk_fail(err, SK_UNSUPPORTED, "tensor '%s' is of type %s, not of a float type",
                       t->name, sk_dtype_name(t->dtype));
    each_row(t, rows[t->dtype], sizeof *out, out);
    return 0;
}

void sk_weight_copy(const struct sk_weight *t, void *out)
{
    static row_fn *const rows[] = { [1] = copy_1, [2] = copy_2, [4] = copy_4, [8] = copy_8 };
    size_t size = sk_dtype_size(t->dtype);

    each_row(t, rows[size], size, out);
}
