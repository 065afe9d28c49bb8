/*
 * safetensors.c - reads safetensors files.
 *
 *     u64 little-endian n | n bytes of JSON, padded with spaces | data
 *     { "__metadata__": { text: text }, NAME: { "dtype": "F32", "shape": [2, 3],
 *       "data_offsets": [begin, end] } }
 *
 * As the reference implementation demands, the data of all tensors, ordered by their offsets, cover
 * the rest of the file without a hole or an overlap, and the bytes of each are those of its shape.
 * So a tensor that was added lies in the file with all its elements.
 */
#include "weights/weights_priv.h"
#include "json/json.h"

#include <endian.h>

enum {
    LENGTH_BYTES = 8,
    /* Of one entry, as json.h counts: 3 containers, 8 dimensions, 2 offsets, 5 texts. */
    VALUES_PER_TENSOR = 32
};

static const struct {
    const char *name;
    enum sk_dtype dtype;
} types[] = {
    { "F32", SK_DT_F32 }, { "F16", SK_DT_F16 },   { "BF16", SK_DT_BF16 }, { "F64", SK_DT_F64 },
    { "I64", SK_DT_I64 }, { "I32", SK_DT_I32 },   { "I16", SK_DT_I16 },   { "I8", SK_DT_I8 },
    { "U8", SK_DT_U8 },   { "BOOL", SK_DT_BOOL }, { "U64", SK_DT_U64 },   { "U32", SK_DT_U32 },
    { "U16", SK_DT_U16 },
};

/* Where the data of a tensor lie. */
struct range {
    size_t begin, end;
    const char *name; /* the document's */
};

static uint64_t header_bytes(const uint8_t *bytes)
{
    uint64_t n = 0;

    memcpy(&n, bytes, sizeof n);
    return le64toh(n);
}

bool sk_safetensors_is(const uint8_t *bytes, size_t len)
{
    return len > LENGTH_BYTES && bytes[LENGTH_BYTES] == '{';
}

/* ---- one entry ---- */

static int read_type(const struct sk_json *entry, enum sk_dtype *out, struct sk_err *err)
{
    const char *name = sk_json_get_text(entry, "dtype", NULL);

    if (!name)
        return sk_fail(err, SK_CORRUPT, "'dtype' is not a text");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, name) == 0) {
            *out = types[i].dtype;
            return 0;
        }
    return sk_fail(err, SK_UNSUPPORTED, "elements of type '%s'", name);
}

/* An array of at most max integers from 0 on. */
static int read_numbers(const struct sk_json *entry, const char *key, size_t max, int64_t *out,
                        size_t *count, struct sk_err *err)
{
    const struct sk_json *array = sk_json_get(entry, key);
    size_t n = sk_json_count(array);

    if (sk_json_type(array) != SK_JSON_ARRAY)
        return sk_fail(err, SK_CORRUPT, "'%s' is not an array", key);
    if (n > max)
        return sk_fail(err, SK_LIMIT, "'%s' has %zu numbers; %zu is the limit", key, n, max);
    for (size_t i = 0; i < n; i++) {
        out[i] = sk_json_int(sk_json_at(array, i), -1);
        if (out[i] < 0)
            return sk_fail(err, SK_CORRUPT, "'%s' has an element that is not a size", key);
    }
    *count = n;
    return 0;
}

static int read_range(const struct sk_json *entry, size_t data_len, struct range *out,
                      struct sk_err *err)
{
    int64_t offsets[2] = { 0 };
    size_t n = 0;

    if (read_numbers(entry, "data_offsets", 2, offsets, &n, err) < 0)
        return -1;
    if (n != 2 || offsets[0] > offsets[1])
        return sk_fail(err, SK_CORRUPT, "'data_offsets' is not a range");
    if ((uint64_t)offsets[1] > data_len)
        return sk_fail(err, SK_CORRUPT, "the data end at byte %lld of %zu", (long long)offsets[1],
                       data_len);
    out->begin = (size_t)offsets[0];
    out->end = (size_t)offsets[1];
    return 0;
}

static int read_entry(const struct sk_json *entry, struct sk_view data, struct sk_weight *t,
                      struct range *range, struct sk_err *err)
{
    size_t rank = 0, size = 0;

    if (sk_json_type(entry) != SK_JSON_OBJECT)
        return sk_fail(err, SK_CORRUPT, "not an object");
    if (read_type(entry, &t->dtype, err) < 0 ||
        read_numbers(entry, "shape", SK_LIMIT_RANK, t->dims, &rank, err) < 0 ||
        read_range(entry, data.len, range, err) < 0 ||
        sk_weights_shape(t->dims, (unsigned)rank, t->dtype, &t->count, &size, err) < 0)
        return -1;
    if (size != range->end - range->begin)
        return sk_fail(err, SK_CORRUPT, "the shape needs %zu bytes, 'data_offsets' hold %zu", size,
                       range->end - range->begin);
    t->rank = (unsigned)rank;
    t->data = data.ptr + range->begin;
    return 0;
}

/* ---- the header ---- */

static int by_begin(const void *a, const void *b)
{
    const struct range *x = a, *y = b;

    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

/* The ranges cover [0, len) in one piece each. */
static int check_cover(struct range *ranges, size_t count, size_t len, struct sk_err *err)
{
    size_t at = 0;

    qsort(ranges, count, sizeof *ranges, by_begin);
    for (size_t i = 0; i < count; i++) {
        if (ranges[i].begin != at)
            return sk_fail(err, SK_CORRUPT, "tensor '%s' begins at byte %zu of the data, %s %zu",
                           ranges[i].name, ranges[i].begin,
                           ranges[i].begin > at ? "a hole after" : "inside another that ends at",
                           at);
        at = ranges[i].end;
    }
    if (at != len)
        return sk_fail(err, SK_CORRUPT, "%zu bytes behind the last tensor", len - at);
    return 0;
}

static int read_tensors(struct sk_weights *w, const struct sk_json *header, size_t count,
                        struct sk_view data, struct sk_err *err)
{
    SK_OWN(free) struct range *ranges = calloc(count > 0 ? count : 1, sizeof *ranges);
    size_t n = 0;

    if (!ranges)
        return sk_nomem(err);
    for (void *it = sk_json_first(header); it; it = sk_json_next(header, it)) {
        struct sk_weight t = { 0 };
        const char *name = sk_json_key(it);

        if (strcmp(name, "__metadata__") == 0)
            continue;
        ranges[n].name = name;
        if (read_entry(sk_json_value(it), data, &t, &ranges[n], err) < 0)
            return sk_wrap(err, "tensor '%s'", name);
        if (sk_weights_add(w, sk_view_of(name), &t, err) < 0)
            return -1;
        n++;
    }
    return check_cover(ranges, n, data.len, err);
}

static int read_meta(struct sk_weights *w, const struct sk_json *meta, struct sk_err *err)
{
    size_t size = 0;

    if (sk_json_type(meta) != SK_JSON_OBJECT)
        return sk_fail(err, SK_CORRUPT, "__metadata__ is not an object");
    if (!sk_mul_size(sk_json_count(meta), sizeof *w->meta, &size) ||
        !(w->meta = sk_arena_alloc(&w->arena, size)))
        return sk_nomem(err);
    for (void *it = sk_json_first(meta); it; it = sk_json_next(meta, it)) {
        const char *text = sk_json_text(sk_json_value(it), NULL);
        if (!text)
            return sk_fail(err, SK_CORRUPT, "__metadata__: '%s' is not a text", sk_json_key(it));
        char *key = sk_arena_strndup(&w->arena, sk_json_key(it), strlen(sk_json_key(it)));
        char *value = sk_arena_strndup(&w->arena, text, strlen(text));
        if (!key || !value)
            return sk_nomem(err);
        w->meta[w->meta_count++] = (struct sk_weights_pair){ key, value };
    }
    return 0;
}

static int parse_header(const uint8_t *text, size_t len, struct sk_json **out, struct sk_err *err)
{
    static const struct sk_json_limits limits = {
        .max_values = (size_t)SK_WEIGHTS_MAX_TENSORS * VALUES_PER_TENSOR,
        .max_depth = 8,
    };

    if (sk_json_parse((const char *)text, len, &limits, out, err) == 0)
        return 0;
    if (err->code == SK_INVALID)
        err->code = SK_CORRUPT; /* it is the file's fault, not the caller's */
    return sk_wrap(err, "header");
}

int sk_safetensors_read(struct sk_weights *w, const uint8_t *bytes, size_t len, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *header = NULL;
    uint64_t n = header_bytes(bytes);

    w->format = "safetensors";
    if (n > SK_WEIGHTS_MAX_HEADER)
        return sk_fail(err, SK_LIMIT, "a header of %llu bytes; %d is the limit",
                       (unsigned long long)n, SK_WEIGHTS_MAX_HEADER);
    if (n > len - LENGTH_BYTES)
        return sk_fail(err, SK_CORRUPT, "cut off: a header of %llu bytes, %zu are there",
                       (unsigned long long)n, len - LENGTH_BYTES);
    bytes += LENGTH_BYTES;
    if (parse_header(bytes, (size_t)n, &header, err) < 0)
        return -1;
    const struct sk_json *meta = sk_json_get(header, "__metadata__");
    size_t count = sk_json_count(header) - (meta ? 1 : 0);
    struct sk_view data = { (const char *)bytes + n, len - LENGTH_BYTES - (size_t)n };
    if (sk_weights_reserve(w, count, err) < 0 || (meta && read_meta(w, meta, err) < 0))
        return -1;
    return read_tensors(w, header, count, data, err);
}
