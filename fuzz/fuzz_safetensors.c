/*
 * fuzz_safetensors.c - safetensors files: what is refused has a reason; of what is accepted every
 * element can be read, and written again it gives the same tensors.
 */
#include "base/file.h"
#include "weights/weights.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool is_true)
{
    if (!is_true)
        abort();
}

static void check(const struct sk_weights *w, size_t file_size)
{
    size_t total = 0;

    for (size_t i = 0; i < sk_weights_count(w); i++) {
        const struct sk_weight *t = sk_weights_at(w, i);
        size_t size = t->count * sk_dtype_size(t->dtype);
        SK_OWN(free) uint8_t *bytes = malloc(size + 1);
        SK_OWN(free) float *floats = malloc((t->count + 1) * sizeof *floats);
        struct sk_err err = SK_ERR_INIT;

        total += size;
        require(total <= file_size && bytes && floats && !t->strides && t->rank <= SK_LIMIT_RANK);
        require(sk_weights_find(w, t->name) == t);
        sk_weight_copy(t, bytes);
        require(size == 0 || memcmp(bytes, t->data, size) == 0);
        require(sk_weight_f32(t, floats, &err) == 0 || err.code == SK_UNSUPPORTED);
    }
}

/* Writes the set and compares what is read back. One run in 16: files are slow. */
static void rewrite(const struct sk_weights *w, const uint8_t *data, size_t size)
{
    char path[64];
    size_t count = sk_weights_count(w);
    SK_OWN(free) struct sk_weight_out *tensors = calloc(count + 1, sizeof *tensors);
    SK_OWN(sk_weights_free) struct sk_weights *again = NULL;
    struct sk_err err = SK_ERR_INIT;

    if (data[size - 1] % 16 != 0)
        return;
    require(tensors != NULL);
    (void)snprintf(path, sizeof path, "/tmp/skerry-fuzz-%d", (int)getpid());
    for (size_t i = 0; i < count; i++) {
        const struct sk_weight *t = sk_weights_at(w, i);
        tensors[i] = (struct sk_weight_out){
            .name = t->name, .dtype = t->dtype, .rank = t->rank, .data = t->data
        };
        memcpy(tensors[i].dims, t->dims, sizeof t->dims);
    }
    require(sk_weights_write(path, tensors, count, NULL, &err) == 0);
    require(sk_weights_open(path, &again, &err) == 0 && sk_weights_count(again) == count);
    for (size_t i = 0; i < count; i++) {
        const struct sk_weight *a = sk_weights_at(w, i), *b = sk_weights_at(again, i);
        require(strcmp(a->name, b->name) == 0 && a->dtype == b->dtype && a->count == b->count);
        require(a->count == 0 || memcmp(a->data, b->data, a->count * sk_dtype_size(a->dtype)) == 0);
    }
    (void)unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SK_OWN(sk_weights_free) struct sk_weights *w = NULL;
    struct sk_err err = SK_ERR_INIT;

    if (size <= 8 || data[8] != '{')
        return 0; /* not safetensors: for other fuzzers */
    if (sk_weights_open_bytes(data, size, &w, &err) < 0) {
        require(err.code != SK_OK && err.code != SK_BUG && err.text[0] != '\0');
        return 0;
    }
    check(w, size);
    rewrite(w, data, size);
    return 0;
}
