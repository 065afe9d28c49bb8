/*
 * heap.c - the values of pickles: arrays that grow up to a limit, containers as linked items.
 *
 * Memory is bounded by the limits of pickle_priv.h, whatever the pickle, and is at most a constant
 * times its length: each opcode makes one value, or one item for a value that it takes from the
 * stack.
 */
#include "base/cleanup.h"
#include "weights/pickle_priv.h"

enum {
    FIRST_CAPACITY = 64
};

int sk_pickle_grow(struct sk_pickle_array *a, size_t size, uint32_t max, const char *what,
                   struct sk_err *err)
{
    if (a->count == max)
        return sk_fail(err, SK_LIMIT, "pickle: more than %u %s", max, what);
    if (a->count == a->capacity) {
        uint32_t capacity = a->capacity > 0 ? a->capacity * 2 : FIRST_CAPACITY;
        void *ptr = reallocarray(a->ptr, capacity, size);
        if (!ptr)
            return sk_nomem(err);
        a->ptr = ptr;
        a->capacity = capacity;
    }
    a->count++;
    return 0;
}

void sk_pickle_done(struct sk_pickle *p)
{
    free(p->values.ptr);
    free(p->items.ptr);
    free(p->storages.ptr);
    free(p->tensors.ptr);
    free(p->stack.ptr);
    free(p->marks.ptr);
    free(p->memo.ptr);
    *p = (struct sk_pickle){ 0 };
}

int sk_pickle_new(struct sk_pickle *p, const struct sk_pickle_value *v, uint32_t *out,
                  struct sk_err *err)
{
    if (sk_pickle_grow(&p->values, sizeof *v, SK_PICKLE_MAX_VALUES, "values", err) < 0)
        return -1;
    *out = p->values.count - 1;
    ((struct sk_pickle_value *)p->values.ptr)[*out] = *v;
    return 0;
}

int sk_pickle_new_container(struct sk_pickle *p, enum sk_pickle_kind kind, uint32_t *out,
                            struct sk_err *err)
{
    struct sk_pickle_value v = { .kind = kind };

    v.first = v.last = SK_PICKLE_NO_ITEM;
    return sk_pickle_new(p, &v, out, err);
}

int sk_pickle_append(struct sk_pickle *p, uint32_t container, uint32_t value, struct sk_err *err)
{
    struct sk_pickle_value *c = &((struct sk_pickle_value *)p->values.ptr)[container];
    uint32_t at = p->items.count;

    if (sk_pickle_grow(&p->items, sizeof(struct sk_pickle_item), SK_PICKLE_MAX_VALUES, "items",
                       err) < 0)
        return -1;
    struct sk_pickle_item *items = p->items.ptr;
    items[at] = (struct sk_pickle_item){ value, SK_PICKLE_NO_ITEM };
    if (c->count++ == 0)
        c->first = at;
    else
        items[c->last].next = at;
    c->last = at;
    return 0;
}

const struct sk_pickle_value *sk_pickle_at(const struct sk_pickle *p, uint32_t index)
{
    return &((const struct sk_pickle_value *)p->values.ptr)[index];
}

const struct sk_pickle_item *sk_pickle_item(const struct sk_pickle *p, uint32_t index)
{
    return &((const struct sk_pickle_item *)p->items.ptr)[index];
}

const struct sk_pickle_storage *sk_pickle_storage(const struct sk_pickle *p, uint32_t index)
{
    return &((const struct sk_pickle_storage *)p->storages.ptr)[index];
}

const struct sk_pickle_tensor *sk_pickle_tensor(const struct sk_pickle *p, uint32_t index)
{
    return &((const struct sk_pickle_tensor *)p->tensors.ptr)[index];
}

unsigned sk_pickle_items(const struct sk_pickle *p, const struct sk_pickle_value *v, unsigned max,
                         const struct sk_pickle_value **out)
{
    unsigned n = 0;

    for (uint32_t at = v->count > 0 ? v->first : SK_PICKLE_NO_ITEM;
         at != SK_PICKLE_NO_ITEM && n < max; at = sk_pickle_item(p, at)->next)
        out[n++] = sk_pickle_at(p, sk_pickle_item(p, at)->value);
    return n;
}

struct sk_view sk_pickle_text(const struct sk_pickle_value *v)
{
    return v->kind == SK_PICKLE_TEXT ? (struct sk_view){ v->ptr, v->count } : (struct sk_view){ 0 };
}

const struct sk_pickle_value *sk_pickle_get(const struct sk_pickle *p,
                                            const struct sk_pickle_value *dict, const char *key)
{
    const struct sk_pickle_value *found = NULL;

    if (dict->kind != SK_PICKLE_DICT || dict->count == 0)
        return NULL;
    for (uint32_t at = dict->first; at != SK_PICKLE_NO_ITEM;) {
        const struct sk_pickle_item *k = sk_pickle_item(p, at);
        const struct sk_pickle_item *v = sk_pickle_item(p, k->next);
        const struct sk_pickle_value *name = sk_pickle_at(p, k->value);
        if (name->kind == SK_PICKLE_TEXT && sk_view_eq(sk_pickle_text(name), key))
            found = sk_pickle_at(p, v->value);
        at = v->next;
    }
    return found;
}
