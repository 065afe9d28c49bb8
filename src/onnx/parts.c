/*
 * parts.c - small things that the walk needs everywhere: names within their budget, arrays that
 * grow to a limit, pairs of strings.
 */
#include "onnx/onnx_priv.h"

#include <stdlib.h>
#include <string.h>

int sk_onnx_take_name(struct sk_onnx_walk *w, struct sk_view v, char **out, struct sk_err *err)
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
void *sk_onnx_grow(void *array, size_t *count, size_t *cap, size_t size, size_t max,
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
int sk_onnx_once(bool *seen, const char *what, struct sk_err *err)
{
    if (*seen)
        return sk_fail(err, SK_CORRUPT, "%s occurs twice", what);
    *seen = true;
    return 0;
}

int sk_onnx_read_pair(struct sk_wire m, struct sk_view *key, struct sk_view *value,
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
