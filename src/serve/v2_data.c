/*
 * v2_data.c - the elements of one input: from nested or flat JSON arrays, or from length-prefixed
 * strings.
 *
 * The number of elements must be the product of the shape; how deep they are nested does not
 * matter. Integers are checked against their type, floats must be finite in it. FP16 and BF16 have
 * no JSON form in the protocol.
 */
#include "serve/v2_priv.h"

#include "base/limits.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

struct fill {
    struct sk_tensor *t;
    size_t count; /* elements there should be */
    size_t next;  /* never exceeds count: the leaves were counted first */
};

/* Where element `next` goes; only for fixed-size types. */
static void store(struct fill *f, const void *value)
{
    size_t size = sk_dtype_size(f->t->dtype);

    memcpy((char *)f->t->data + f->next * size, value, size);
}

static int wrong(const struct fill *f, const struct sk_json *v, struct sk_err *err)
{
    return sk_fail(err, SK_INVALID, "element %zu of 'data' does not fit %s: it is %s", f->next,
                   sk_dtype_name(f->t->dtype), sk_json_type_name(sk_json_type(v)));
}

static int out_of_range(const struct fill *f, struct sk_err *err)
{
    return sk_fail(err, SK_INVALID, "element %zu of 'data' is outside the range of %s", f->next,
                   sk_dtype_name(f->t->dtype));
}

static int put_int(struct fill *f, const struct sk_json *v, int64_t min, int64_t max,
                   struct sk_err *err)
{
    int64_t n = sk_json_int(v, 0);

    if (sk_json_type(v) != SK_JSON_INT)
        return wrong(f, v, err);
    if (n < min || n > max)
        return out_of_range(f, err);
    store(f, &n); /* little endian: the low bytes are the value */
    return 0;
}

static int put_float(struct fill *f, const struct sk_json *v, struct sk_err *err)
{
    double d = sk_json_num(v, 0);

    if (sk_json_type(v) != SK_JSON_INT && sk_json_type(v) != SK_JSON_REAL)
        return wrong(f, v, err);
    if (f->t->dtype == SK_DT_F64) {
        store(f, &d);
        return 0;
    }
    float s = (float)d;
    if (!isfinite(s))
        return out_of_range(f, err);
    store(f, &s);
    return 0;
}

static int put_bool(struct fill *f, const struct sk_json *v, struct sk_err *err)
{
    int64_t n = sk_json_int(v, -1);
    uint8_t b = sk_json_bool(v, false) || n == 1;

    if (sk_json_type(v) != SK_JSON_BOOL && n != 0 && n != 1)
        return wrong(f, v, err);
    store(f, &b);
    return 0;
}

static int put(struct fill *f, const struct sk_json *v, struct sk_err *err)
{
    switch (f->t->dtype) {
    case SK_DT_BOOL:
        return put_bool(f, v, err);
    case SK_DT_U8:
        return put_int(f, v, 0, UINT8_MAX, err);
    case SK_DT_U16:
        return put_int(f, v, 0, UINT16_MAX, err);
    case SK_DT_U32:
        return put_int(f, v, 0, UINT32_MAX, err);
    case SK_DT_U64:
        return put_int(f, v, 0, INT64_MAX, err);
    case SK_DT_I8:
        return put_int(f, v, INT8_MIN, INT8_MAX, err);
    case SK_DT_I16:
        return put_int(f, v, INT16_MIN, INT16_MAX, err);
    case SK_DT_I32:
        return put_int(f, v, INT32_MIN, INT32_MAX, err);
    case SK_DT_I64:
        return put_int(f, v, INT64_MIN, INT64_MAX, err);
    case SK_DT_F32:
    case SK_DT_F64:
        return put_float(f, v, err);
    case SK_DT_BYTES:
        if (sk_json_type(v) != SK_JSON_STRING)
            return wrong(f, v, err);
        f->t->strings[f->next] = sk_json_text(v, "");
        ((size_t *)(uintptr_t)f->t->string_lens)[f->next] = sk_json_text_len(v);
        return 0;
    case SK_DT_F16:
    case SK_DT_BF16:
    case SK_DT_COUNT:
        break;
    }
    return sk_fail(err, SK_INVALID, "%s has no JSON form: send it as binary data",
                   sk_dtype_name(f->t->dtype));
}

/* Before memory is taken: a shape that promises more than the text holds costs nothing. The parser
 * has bounded the depth (SK_LIMIT_JSON_DEPTH). */
static size_t count_leaves(const struct sk_json *array)
{
    size_t leaves = 0;

    for (size_t i = 0; i < sk_json_count(array); i++) {
        const struct sk_json *v = sk_json_at(array, i);
        leaves += sk_json_type(v) == SK_JSON_ARRAY ? count_leaves(v) : 1;
    }
    return leaves;
}

static int walk(struct fill *f, const struct sk_json *array, struct sk_err *err)
{
    for (size_t i = 0; i < sk_json_count(array); i++) {
        const struct sk_json *v = sk_json_at(array, i);
        if (sk_json_type(v) == SK_JSON_ARRAY) {
            if (walk(f, v, err) < 0)
                return -1;
            continue;
        }
        if (put(f, v, err) < 0)
            return -1;
        f->next++;
    }
    return 0;
}

static int make_room(struct sk_tensor *t, size_t count, struct sk_arena *arena, struct sk_err *err)
{
    if (t->dtype == SK_DT_BYTES) {
        t->strings = sk_arena_alloc(arena, (count + 1) * sizeof(char *));
        t->string_lens = sk_arena_alloc(arena, (count + 1) * sizeof(size_t));
        return t->strings && t->string_lens ? 0 : sk_nomem(err);
    }
    t->data = sk_arena_alloc(arena, t->size_bytes > 0 ? t->size_bytes : 1);
    return t->data ? 0 : sk_nomem(err);
}

int sk_v2_json_data(const struct sk_json *data, struct sk_tensor *t, struct sk_arena *arena,
                    struct sk_err *err)
{
    struct fill f = { .t = t, .count = sk_tensor_elements(t) };

    if (sk_json_type(data) != SK_JSON_ARRAY)
        return sk_fail(err, SK_INVALID, "'data' must be an array");
    size_t found = count_leaves(data);
    if (found != f.count)
        return sk_fail(err, SK_INVALID, "'data' has %zu elements, 'shape' asks for %zu", found,
                       f.count);
    return make_room(t, f.count, arena, err) < 0 ? -1 : walk(&f, data, err);
}

int sk_v2_binary_strings(struct sk_view bytes, struct sk_tensor *t, struct sk_arena *arena,
                         struct sk_err *err)
{
    size_t count = sk_tensor_elements(t);

    if (count > bytes.len / 4)
        return sk_fail(err, SK_INVALID, "%zu bytes cannot hold %zu strings with their lengths",
                       bytes.len, count);
    if (make_room(t, count, arena, err) < 0)
        return -1;
    size_t *lens = (size_t *)(uintptr_t)t->string_lens;
    for (size_t i = 0; i < count; i++) {
        uint32_t len;
        if (bytes.len < sizeof len)
            return sk_fail(err, SK_INVALID, "string %zu: its length is cut off", i);
        memcpy(&len, bytes.ptr, sizeof len);
        if (len > bytes.len - sizeof len)
            return sk_fail(err, SK_INVALID, "string %zu: %" PRIu32 " bytes announced, %zu left", i,
                           len, bytes.len - sizeof len);
        t->strings[i] = bytes.ptr + sizeof len;
        lens[i] = len;
        bytes = (struct sk_view){ bytes.ptr + sizeof len + len, bytes.len - sizeof len - len };
    }
    if (bytes.len > 0)
        return sk_fail(err, SK_INVALID, "%zu bytes after the last string", bytes.len);
    return 0;
}
