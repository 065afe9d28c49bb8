/*
 * write.c - writes safetensors files (the layout is drawn in safetensors.c).
 *
 * Readers that view the data in place want each tensor aligned to its elements: the header is
 * padded to 8 bytes and tensors are laid out by falling element size, as the reference
 * implementation does. The data are written from where they lie; the header is the only copy.
 */
#include "base/buf.h"
#include "weights/weights_priv.h"

#include <endian.h>

enum {
    ALIGN = 8,
    MODE = 0644
};

static const char *type_name(enum sk_dtype t)
{
    static const char *const names[SK_DT_COUNT] = {
        [SK_DT_BOOL] = "BOOL", [SK_DT_U8] = "U8",   [SK_DT_U16] = "U16",   [SK_DT_U32] = "U32",
        [SK_DT_U64] = "U64",   [SK_DT_I8] = "I8",   [SK_DT_I16] = "I16",   [SK_DT_I32] = "I32",
        [SK_DT_I64] = "I64",   [SK_DT_F16] = "F16", [SK_DT_BF16] = "BF16", [SK_DT_F32] = "F32",
        [SK_DT_F64] = "F64",
    };
    return (unsigned)t < SK_DT_COUNT ? names[t] : NULL;
}

/* ---- what a reader would refuse is not written ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_texts(const char **texts, size_t count, struct sk_err *err)
{
    qsort(texts, count, sizeof *texts, by_text);
    for (size_t i = 0; i < count; i++) {
        if (strlen(texts[i]) > SK_WEIGHTS_MAX_NAME || !sk_utf8_valid(texts[i], strlen(texts[i])))
            return sk_fail(err, SK_INVALID, "a tensor's name is not a text of at most %d bytes",
                           SK_WEIGHTS_MAX_NAME);
        if (strcmp(texts[i], "__metadata__") == 0)
            return sk_fail(err, SK_INVALID, "no tensor can be named '__metadata__'");
        if (i > 0 && strcmp(texts[i - 1], texts[i]) == 0)
            return sk_fail(err, SK_INVALID, "tensor '%s' is given twice", texts[i]);
    }
    return 0;
}

static int check_names(const struct sk_weight_out *tensors, size_t count, struct sk_err *err)
{
    SK_OWN(free) const char **names = calloc(count + 1, sizeof *names);

    if (!names)
        return sk_nomem(err);
    for (size_t i = 0; i < count; i++)
        names[i] = tensors[i].name;
    return check_texts(names, count, err);
}

static int check_tensor(const struct sk_weight_out *t, struct sk_err *err)
{
    size_t count = 0, size = 0;

    if (!type_name(t->dtype) || t->rank > SK_LIMIT_RANK)
        return sk_fail(err, SK_UNSUPPORTED, "tensor '%s': type %s, %u dimensions", t->name,
                       sk_dtype_name(t->dtype), t->rank);
    if (sk_weights_shape(t->dims, t->rank, t->dtype, &count, &size, err) < 0)
        return sk_wrap(err, "tensor '%s'", t->name);
    return 0;
}

static int check(const struct sk_weight_out *tensors, size_t count, struct sk_err *err)
{
    if (count > SK_WEIGHTS_MAX_TENSORS)
        return sk_fail(err, SK_LIMIT, "more than %d tensors", SK_WEIGHTS_MAX_TENSORS);
    for (size_t i = 0; i < count; i++)
        if (check_tensor(&tensors[i], err) < 0)
            return -1;
    return check_names(tensors, count, err);
}

/* ---- the file ---- */

/* Bytes of a tensor that was checked. */
static size_t size_of(const struct sk_weight_out *t)
{
    size_t size = sk_dtype_size(t->dtype);

    for (unsigned i = 0; i < t->rank; i++)
        size *= (size_t)t->dims[i];
    return size;
}

/* The indices of tensors in the order of their data: stable, by falling element size. */
static void order_by_size(const struct sk_weight_out *tensors, size_t count, size_t *order)
{
    size_t n = 0;

    for (size_t size = 8; size > 0; size /= 2)
        for (size_t i = 0; i < count; i++)
            if (sk_dtype_size(tensors[i].dtype) == size)
                order[n++] = i;
}

static void add_meta(struct sk_buf *b, const char *const *meta)
{
    sk_buf_str(b, "\"__metadata__\":{");
    for (size_t i = 0; meta[i] && meta[i + 1]; i += 2) {
        sk_buf_str(b, i > 0 ? "," : "");
        sk_buf_json_str(b, meta[i]);
        sk_buf_chr(b, ':');
        sk_buf_json_str(b, meta[i + 1]);
    }
    sk_buf_str(b, "}");
}

static void add_entry(struct sk_buf *b, const struct sk_weight_out *t, size_t begin, size_t end)
{
    sk_buf_json_str(b, t->name);
    sk_buf_fmt(b, ":{\"dtype\":\"%s\",\"shape\":[", type_name(t->dtype));
    for (unsigned i = 0; i < t->rank; i++)
        sk_buf_fmt(b, "%s%lld", i > 0 ? "," : "", (long long)t->dims[i]);
    sk_buf_fmt(b, "],\"data_offsets\":[%zu,%zu]}", begin, end);
}

/* The length and the JSON text. */
static int write_header(const struct sk_weight_out *tensors, const size_t *order, size_t count,
                        const char *const *meta, struct sk_buf *b, struct sk_err *err)
{
    uint64_t len = 0;
    size_t at = 0;

    sk_buf_add(b, &len, sizeof len);
    sk_buf_chr(b, '{');
    if (meta)
        add_meta(b, meta);
    for (size_t i = 0; i < count; i++) {
        const struct sk_weight_out *t = &tensors[order[i]];
        size_t size = size_of(t);
        sk_buf_str(b, i > 0 || meta ? "," : "");
        add_entry(b, t, at, at + size);
        at += size;
    }
    sk_buf_chr(b, '}');
    while (sk_buf_ok(b) && b->len % ALIGN != 0)
        sk_buf_chr(b, ' ');
    if (!sk_buf_ok(b))
        return sk_buf_fail(b, err);
    len = htole64(b->len - sizeof len);
    memcpy(b->data, &len, sizeof len);
    return 0;
}

/* Header and data into a file beside path, which then takes its place. */
static int write_file(const char *path, const struct sk_buf *header,
                      const struct sk_weight_out *tensors, const size_t *order, size_t count,
                      struct sk_err *err)
{
    SK_AUTO(sk_file_out_done) struct sk_file_out f = SK_FILE_OUT_INIT;

    if (sk_file_begin(&f, path, err) < 0 || sk_file_put(&f, header->data, header->len, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        const struct sk_weight_out *t = &tensors[order[i]];
        if (sk_file_put(&f, t->data, size_of(t), err) < 0)
            return -1;
    }
    return sk_file_end(&f, MODE, err);
}

int sk_weights_write(const char *path, const struct sk_weight_out *tensors, size_t count,
                     const char *const *meta, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf header = SK_BUF_INIT(SK_WEIGHTS_MAX_HEADER);
    SK_OWN(free) size_t *order = calloc(count + 1, sizeof *order);

    if (!order)
        return sk_nomem(err);
    if (check(tensors, count, err) < 0)
        return sk_wrap(err, "'%s'", path);
    order_by_size(tensors, count, order);
    if (write_header(tensors, order, count, meta, &header, err) < 0)
        return sk_wrap(err, "'%s'", path);
    return write_file(path, &header, tensors, order, count, err);
}
