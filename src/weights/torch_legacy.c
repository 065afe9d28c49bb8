/*
 * torch_legacy.c - PyTorch's container before 1.6, which torch.save still writes on request.
 *
 *     pickle of 0x1950a86a20f9469cfc6c | pickle of 1001 | pickle of {"little_endian": True, ...}
 *     pickle of the object             | pickle of [key, ...]
 *     for each key: int64 number of elements | elements
 *
 * How large an element is stands in the object: the persistent ids of the key.
 */
#include "weights/torch_priv.h"

#include <endian.h>

enum {
    PROTOCOL = 1001,
    MAGIC_WITHIN = 32 /* protocol and frame opcodes stand before it */
};

/* LONG1, its length, the number. */
static const uint8_t magic[] = { 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46,
                                 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19 };

bool sk_torch_legacy_is(const uint8_t *bytes, size_t len)
{
    return len > sizeof magic && bytes[0] == 0x80 &&
           memmem(bytes, len < MAGIC_WITHIN ? len : MAGIC_WITHIN, magic, sizeof magic) != NULL;
}

/* The three pickles before the object. */
static int read_head(struct sk_pickle *p, struct sk_view *rest, struct sk_err *err)
{
    uint32_t value = 0;

    if (sk_torch_load(p, rest, &value, err) < 0 || sk_torch_load(p, rest, &value, err) < 0)
        return -1;
    const struct sk_pickle_value *v = sk_pickle_at(p, value);
    if (v->kind != SK_PICKLE_INT || v->integer != PROTOCOL)
        return sk_fail(err, SK_UNSUPPORTED, "a PyTorch file of another protocol than %d", PROTOCOL);
    if (sk_torch_load(p, rest, &value, err) < 0)
        return -1;
    v = sk_pickle_get(p, sk_pickle_at(p, value), "little_endian");
    if (!v || v->kind != SK_PICKLE_BOOL)
        return sk_fail(err, SK_CORRUPT, "a PyTorch file without its byte order");
    if (v->integer == 0)
        return sk_fail(err, SK_UNSUPPORTED, "a file of a big-endian machine");
    return 0;
}

/* ---- the data behind the pickles ---- */

/* A storage of the object, for finding it by key. */
struct named {
    struct sk_view key;
    uint32_t index;
};

static int by_key(const void *a, const void *b)
{
    const struct sk_view *x = &((const struct named *)a)->key;
    const struct sk_view *y = &((const struct named *)b)->key;

    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    return x->len > 0 ? memcmp(x->ptr, y->ptr, x->len) : 0;
}

/* All storages of the pickle, sorted by key. */
static struct named *sort_storages(const struct sk_pickle *p)
{
    struct named *all = calloc((size_t)p->storages.count + 1, sizeof *all);

    for (uint32_t i = 0; all && i < p->storages.count; i++)
        all[i] = (struct named){ sk_pickle_storage(p, i)->key, i };
    if (all)
        qsort(all, p->storages.count, sizeof *all, by_key);
    return all;
}

/* The first of the storages of a key; count: none. */
static uint32_t find_key(const struct named *all, uint32_t count, struct sk_view key)
{
    const struct named wanted = { .key = key };
    uint32_t low = 0, high = count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (by_key(&all[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && by_key(&all[low], &wanted) == 0 ? low : count;
}

/* Number and elements of one key, at the start of *rest. */
static int read_key(const struct sk_pickle *p, const struct named *all, struct sk_view key,
                    struct sk_view *rest, const uint8_t **data, struct sk_err *err)
{
    const struct named wanted = { .key = key };
    uint32_t total = p->storages.count, i = find_key(all, total, key);
    uint64_t count = 0;

    if (i == total)
        return sk_fail(err, SK_CORRUPT, "data of a storage that no tensor has");
    if (rest->len < sizeof count)
        return sk_fail(err, SK_CORRUPT, "cut off in the data");
    memcpy(&count, rest->ptr, sizeof count);
    count = le64toh(count);
    *rest = (struct sk_view){ rest->ptr + sizeof count, rest->len - sizeof count };
    size_t size = sk_dtype_size(sk_pickle_storage(p, all[i].index)->dtype);
    if (count > rest->len / size)
        return sk_fail(err, SK_CORRUPT, "cut off in the data");
    for (; i < total && by_key(&all[i], &wanted) == 0; i++) {
        const struct sk_pickle_storage *s = sk_pickle_storage(p, all[i].index);
        if (sk_dtype_size(s->dtype) != size || s->first + s->count > count)
            return sk_fail(err, SK_CORRUPT, "a storage whose size differs from that of its data");
        data[all[i].index] = (const uint8_t *)rest->ptr + s->first * size;
    }
    *rest = (struct sk_view){ rest->ptr + count * size, rest->len - (size_t)count * size };
    return 0;
}

static int find_storages(const struct sk_pickle *p, const struct sk_pickle_value *keys,
                         struct sk_view rest, const uint8_t **data, struct sk_err *err)
{
    SK_OWN(free) struct named *all = sort_storages(p);

    if (!all)
        return sk_nomem(err);
    if (keys->kind != SK_PICKLE_LIST)
        return sk_fail(err, SK_CORRUPT, "the keys of the storages are not a list");
    for (uint32_t at = keys->first; at != SK_PICKLE_NO_ITEM; at = sk_pickle_item(p, at)->next) {
        const struct sk_pickle_value *key = sk_pickle_at(p, sk_pickle_item(p, at)->value);
        if (key->kind != SK_PICKLE_TEXT)
            return sk_fail(err, SK_CORRUPT, "a key of a storage is not a text");
        if (read_key(p, all, sk_pickle_text(key), &rest, data, err) < 0)
            return -1;
    }
    for (uint32_t i = 0; i < p->storages.count; i++)
        if (!data[i])
            return sk_fail(err, SK_CORRUPT, "the data of storage %u are not in the file", i);
    return 0;
}

int sk_torch_legacy_read(struct sk_weights *w, const uint8_t *bytes, size_t len, struct sk_err *err)
{
    SK_AUTO(sk_pickle_done) struct sk_pickle p = { 0 };
    SK_OWN(free) const uint8_t **data = NULL;
    struct sk_view rest = { (const char *)bytes, len };
    uint32_t object = 0, keys = 0;

    w->format = "pytorch legacy";
    if (read_head(&p, &rest, err) < 0 || sk_torch_load(&p, &rest, &object, err) < 0 ||
        sk_torch_load(&p, &rest, &keys, err) < 0)
        return -1;
    data = calloc((size_t)p.storages.count + 1, sizeof *data);
    if (!data)
        return sk_nomem(err);
    if (find_storages(&p, sk_pickle_at(&p, keys), rest, data, err) < 0)
        return -1;
    return sk_torch_fill(w, &p, object, data, err);
}
