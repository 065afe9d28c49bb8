/*
 * check.c - do these tensors fit this model? Everything that a client can get wrong about an input
 * is found here, with a sentence that says what came and what the model takes, before an engine
 * sees a byte.
 */
#include "base/str.h"
#include "engine/engine_priv.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    SHAPE_TEXT = 192
};

bool sk_shape_elements(const int64_t *dims, unsigned rank, size_t *out)
{
    size_t n = 1;
    bool is_empty = false;

    for (unsigned i = 0; i < rank; i++) {
        if (dims[i] < 0)
            return false;
        if (dims[i] == 0)
            is_empty = true;
        else if (!sk_mul_size(n, (size_t)dims[i], &n))
            return false;
    }
    *out = is_empty ? 0 : n;
    return true;
}

size_t sk_tensor_elements(const struct sk_tensor *t)
{
    size_t n = 0;

    return t->rank <= SK_LIMIT_RANK && sk_shape_elements(t->dims, t->rank, &n) ? n : 0;
}

/* "FP32 [?,3,224,224]" */
static const char *shape_text(enum sk_dtype dtype, const int64_t *dims, unsigned rank, char *out)
{
    size_t at = (size_t)snprintf(out, SHAPE_TEXT, "%s [", sk_dtype_name(dtype));

    for (unsigned i = 0; i < rank && i < SK_LIMIT_RANK && at < SHAPE_TEXT - 32; i++)
        at += (size_t)(dims[i] < 0 ? snprintf(out + at, SHAPE_TEXT - at, "%s?", i ? "," : "")
                                   : snprintf(out + at, SHAPE_TEXT - at, "%s%" PRId64, i ? "," : "",
                                              dims[i]));
    (void)snprintf(out + at, SHAPE_TEXT - at, "]");
    return out;
}

static int misfit(const struct sk_tensor_info *want, const struct sk_tensor *got, const char *what,
                  struct sk_err *err)
{
    char got_text[SHAPE_TEXT], want_text[SHAPE_TEXT];

    return sk_fail(err, SK_INVALID, "input '%s': %s: got %s, expected %s", want->name, what,
                   shape_text(got->dtype, got->dims, got->rank, got_text),
                   shape_text(want->dtype, want->dims, want->rank, want_text));
}

static int check_bytes(const struct sk_tensor_info *want, const struct sk_tensor *got,
                       size_t elements, struct sk_err *err)
{
    size_t bytes;

    if (got->dtype == SK_DT_BYTES) {
        if (elements > 0 && (!got->strings || !got->string_lens))
            return sk_fail(err, SK_INVALID, "input '%s': missing", want->name);
        return 0;
    }
    if (elements > 0 && !got->data)
        return sk_fail(err, SK_INVALID, "input '%s': missing", want->name);
    if (!sk_mul_size(elements, sk_dtype_size(got->dtype), &bytes))
        return misfit(want, got, "the size overflows", err);
    if (bytes != got->size_bytes)
        return sk_fail(err, SK_INVALID, "input '%s': the shape needs %zu bytes, got %zu",
                       want->name, bytes, got->size_bytes);
    return 0;
}

static int check_input(const struct sk_tensor_info *want, const struct sk_tensor *got,
                       struct sk_err *err)
{
    size_t elements;

    if (want->dtype == SK_DT_COUNT)
        return sk_fail(
            err, SK_UNSUPPORTED,
            "input '%s' is not a tensor of a known type (a sequence, map or optional value)",
            want->name);
    if (!got->data && !got->strings && got->rank == 0)
        return sk_fail(err, SK_INVALID, "input '%s': missing", want->name);
    if (got->dtype != want->dtype)
        return misfit(want, got, "wrong type", err);
    if (got->rank > SK_LIMIT_RANK || (want->rank > 0 && got->rank != want->rank))
        return misfit(want, got, "wrong number of dimensions", err);
    for (unsigned i = 0; i < want->rank; i++) {
        if (want->dims[i] >= 0 && got->dims[i] != want->dims[i])
            return misfit(want, got, "wrong shape", err);
    }
    if (!sk_shape_elements(got->dims, got->rank, &elements))
        return misfit(want, got, "a dimension is negative or the shape overflows", err);
    return check_bytes(want, got, elements, err);
}

int sk_run_check(const struct sk_net *n, const struct sk_tensor *inputs, struct sk_err *err)
{
    for (size_t i = 0; i < n->info.input_count; i++) {
        if (check_input(&n->info.inputs[i], &inputs[i], err) < 0)
            return -1;
    }
    return 0;
}
