/*
 * fuzz_pickle.c - pickles, and PyTorch's containers around them.
 *
 * An input that looks like a container is opened as a file. Any other is run as a pickle, whose
 * storages are then given as much memory as they claim and not a byte more: every element of every
 * tensor must lie there.
 */
#include "base/cleanup.h"
#include "weights/torch_priv.h"
#include "weights/zip_priv.h"

#include <stdlib.h>
#include <string.h>

enum {
    READ_MAX = 1 << 20 /* bytes: larger tensors and storages are not read */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool is_true)
{
    if (!is_true)
        abort();
}

static void check_failed(const struct sk_err *err)
{
    require(err->code != SK_OK && err->code != SK_BUG && err->text[0] != '\0');
}

static void read_all(const struct sk_weights *w)
{
    for (size_t i = 0; i < w->count; i++) {
        const struct sk_weight *t = &w->tensors[i];
        size_t size = t->count * sk_dtype_size(t->dtype);
        struct sk_err err = SK_ERR_INIT;

        if (size > READ_MAX)
            continue;
        SK_OWN(free) uint8_t *bytes = malloc(size + 1);
        SK_OWN(free) float *floats = malloc((t->count + 1) * sizeof *floats);
        require(bytes && floats);
        sk_weight_copy(t, bytes);
        require(sk_weight_f32(t, floats, &err) == 0 || err.code == SK_UNSUPPORTED);
    }
}

static void check_values(const struct sk_pickle *p)
{
    for (uint32_t i = 0; i < p->values.count; i++) {
        const struct sk_pickle_value *v = sk_pickle_at(p, i);
        bool is_container = v->kind == SK_PICKLE_TUPLE || v->kind == SK_PICKLE_LIST ||
                            v->kind == SK_PICKLE_DICT;
        uint32_t n = 0;

        for (uint32_t at = is_container ? v->first : SK_PICKLE_NO_ITEM; at != SK_PICKLE_NO_ITEM;
             at = sk_pickle_item(p, at)->next, n++)
            require(at < p->items.count && sk_pickle_item(p, at)->value < p->values.count);
        require(!is_container || n == v->count);
        require(v->kind != SK_PICKLE_DICT || n % 2 == 0);
        require(v->kind != SK_PICKLE_STORAGE || v->index < p->storages.count);
        require(v->kind != SK_PICKLE_TENSOR || v->index < p->tensors.count);
    }
}

/* Fills a set from memory made for the storages; none when they claim too much. */
static void fill(const struct sk_pickle *p, uint32_t object)
{
    SK_OWN(free) uint8_t **memory = calloc(p->storages.count + 1u, sizeof *memory);
    SK_OWN(sk_weights_free) struct sk_weights *w = calloc(1, sizeof *w);
    struct sk_err err = SK_ERR_INIT;
    size_t left = READ_MAX;
    uint32_t made = 0;

    require(memory && w);
    w->arena.ceiling_bytes = SIZE_MAX / 2;
    for (; made < p->storages.count; made++) {
        const struct sk_pickle_storage *s = sk_pickle_storage(p, made);
        size_t size = s->count * sk_dtype_size(s->dtype);
        if (size > left || !(memory[made] = calloc(1, size > 0 ? size : 1)))
            break;
        left -= size;
    }
    if (made == p->storages.count) {
        if (sk_torch_fill(w, p, object, (const uint8_t *const *)memory, &err) < 0)
            check_failed(&err);
        else
            read_all(w);
    }
    for (uint32_t i = 0; i < made; i++)
        free(memory[i]);
}

static void run_file(const uint8_t *data, size_t size)
{
    SK_OWN(sk_weights_free) struct sk_weights *w = NULL;
    struct sk_err err = SK_ERR_INIT;

    if (sk_weights_open_bytes(data, size, &w, &err) < 0)
        check_failed(&err);
    else
        read_all(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SK_AUTO(sk_pickle_done) struct sk_pickle p = { 0 };
    struct sk_view rest = { (const char *)data, size };
    struct sk_err err = SK_ERR_INIT;
    uint32_t object = 0;

    if (sk_zip_is(data, size) || sk_torch_legacy_is(data, size)) {
        run_file(data, size);
        return 0;
    }
    if (sk_torch_load(&p, &rest, &object, &err) < 0) {
        check_failed(&err);
        check_values(&p);
        return 0;
    }
    require(object < p.values.count && rest.ptr + rest.len == (const char *)data + size);
    check_values(&p);
    fill(&p, object);
    return 0;
}
