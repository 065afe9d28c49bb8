/*
 * bench_request.c - the bytes that are sent again and again: a picture to /predict, or tensors to
 * the V2 protocol.
 *
 * A V2 request with binary tensors (Open Inference Protocol, binary data extension):
 *
 *     POST /v2/models/m/infer
 *     Inference-Header-Content-Length: N
 *
 *     { "inputs": [ {"name", "shape", "datatype", "parameters": {"binary_data_size": B}} ], ... }
 * N bytes tensor, tensor, ... B bytes each
 */
#include "cli/bench_priv.h"

#include "base/dtype.h"
#include "base/limits.h"
#include "base/str.h"
#include "image/image.h"
#include "json/json.h"

enum {
    REQUEST_BYTES = 1 << 30
};

/* Same numbers in every run; xorshift64 (Marsaglia, 2003). */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void add_head(const struct sk_bench_target *t, const char *path, const char *type,
                     size_t body_len, struct sk_buf *out)
{
    sk_buf_fmt(out, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n",
               path, t->host, type, body_len);
    if (t->api_key)
        sk_buf_fmt(out, "Authorization: Bearer %s\r\n", t->api_key);
}

int sk_bench_predict_request(const struct sk_bench_target *t, const char *model,
                             const void *picture, size_t len, struct sk_buf *out,
                             struct sk_err *err)
{
    static const char boundary[] = "skerry-bench-9d1f6c27a3b84e50";
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(REQUEST_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(65536);
    char type[100];

    sk_buf_fmt(&body,
               "--%s\r\nContent-Disposition: form-data; name=\"image\"; filename=\"picture\"\r\n"
               "Content-Type: application/octet-stream\r\n\r\n",
               boundary);
    sk_buf_add(&body, picture, len);
    sk_buf_fmt(&body, "\r\n--%s--\r\n", boundary);
    sk_buf_str(&path, "/predict");
    if (model) {
        sk_buf_str(&path, "?model=");
        sk_buf_percent(&path, model, strlen(model), "");
    }
    if (!sk_buf_ok(&body) || !sk_buf_ok(&path))
        return sk_buf_fail(sk_buf_ok(&body) ? &path : &body, err);
    (void)snprintf(type, sizeof type, "multipart/form-data; boundary=%s", boundary);
    add_head(t, path.data, type, body.len, out);
    sk_buf_str(out, "\r\n");
    sk_buf_add(out, body.data, body.len);
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

/* The name of the first model that is ready. *out: free() it. */
static int first_model(const struct sk_bench_target *t, char **out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(16 << 20);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;

    if (sk_bench_get(t, "POST", "/v2/repository/index", &body, err) < 0)
        return sk_wrap(err, "asking for the models");
    if (sk_json_parse(body.data ? body.data : "", body.len, NULL, &doc, err) < 0)
        return sk_wrap(err, "/v2/repository/index");
    for (size_t i = 0; i < sk_json_count(doc); i++) {
        const struct sk_json *row = sk_json_at(doc, i);
        const char *name = sk_json_get_text(row, "name", NULL);
        if (name && strcmp(sk_json_get_text(row, "state", ""), "READY") == 0) {
            *out = strdup(name);
            return *out ? 0 : sk_nomem(err);
        }
    }
    return sk_fail(err, SK_NOT_FOUND, "%s has no model that is ready", t->host);
}

/* Numbers that every model takes: floats from 0 to 1, integers 0 or 1 (they may be indices). */
static void add_element(struct sk_buf *out, enum sk_dtype type, uint64_t *seed)
{
    const double real = (double)(next_random(seed) >> 40) / (1 << 24);
    const float f = (float)real;
    const uint16_t half = sk_float_to_half(f);
    uint32_t bits = 0;
    const uint64_t whole = real >= 0.5;

    switch (type) {
    case SK_DT_F32:
        sk_buf_add(out, &f, sizeof f);
        break;
    case SK_DT_F64:
        sk_buf_add(out, &real, sizeof real);
        break;
    case SK_DT_F16:
        sk_buf_add(out, &half, sizeof half);
        break;
    case SK_DT_BF16: /* the upper half of a float32 */
        memcpy(&bits, &f, sizeof bits);
        bits >>= 16;
        sk_buf_add(out, &bits, 2);
        break;
    default: /* little-endian: the low bytes come first */
        sk_buf_add(out, &whole, sk_dtype_size(type));
        break;
    }
}

/* Adds one input to the JSON header, and its elements to the data. */
static int add_input(const struct sk_json *input, struct sk_buf *header, struct sk_buf *data,
                     uint64_t *seed, struct sk_err *err)
{
    const char *name = sk_json_get_text(input, "name", "");
    const char *type_name = sk_json_get_text(input, "datatype", "");
    const struct sk_json *shape = sk_json_get(input, "shape");
    const enum sk_dtype type = sk_dtype_parse(type_name, strlen(type_name));
    size_t elements = 1;

    if (sk_dtype_size(type) == 0)
        return sk_fail(err, SK_UNSUPPORTED, "input '%s' is %s, for which there is no made-up data",
                       name, type_name);
    sk_buf_str(header, "{\"name\":");
    sk_buf_json_str(header, name);
    sk_buf_fmt(header, ",\"datatype\":\"%s\",\"shape\":[", sk_dtype_name(type));
    for (size_t i = 0; i < sk_json_count(shape); i++) {
        int64_t dim = sk_json_int(sk_json_at(shape, i), 1);
        dim = dim < 0 ? 1 : dim;
        sk_buf_fmt(header, "%s%lld", i ? "," : "", (long long)dim);
        if (!sk_mul_size(elements, (size_t)dim, &elements) || elements > REQUEST_BYTES / 8)
            return sk_fail(err, SK_LIMIT, "input '%s' is too large", name);
    }
    sk_buf_fmt(header, "],\"parameters\":{\"binary_data_size\":%zu}}",
               elements * sk_dtype_size(type));
    for (size_t i = 0; i < elements; i++)
        add_element(data, type, seed);
    return 0;
}

int sk_bench_infer_request(const struct sk_bench_target *t, const char *model, struct sk_buf *out,
                           struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(65536);
    SK_AUTO(sk_buf_done) struct sk_buf answer = SK_BUF_INIT(16 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf header = SK_BUF_INIT(1 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf data = SK_BUF_INIT(REQUEST_BYTES);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    SK_OWN(free) char *found = NULL;
    uint64_t seed = 88172645463325252u;

    if (!model && first_model(t, &found, err) < 0)
        return -1;
    sk_buf_str(&path, "/v2/models/");
    const char *name = model ? model : found;
    sk_buf_percent(&path, name, strlen(name), "");
    if (!sk_buf_ok(&path))
        return sk_buf_fail(&path, err);
    if (sk_bench_get(t, "GET", path.data, &answer, err) < 0)
        return -1;
    if (sk_json_parse(answer.data ? answer.data : "", answer.len, NULL, &doc, err) < 0)
        return sk_wrap(err, "%s", path.data);
    const struct sk_json *inputs = sk_json_get(doc, "inputs");
    sk_buf_str(&header, "{\"inputs\":[");
    for (size_t i = 0; i < sk_json_count(inputs); i++) {
        sk_buf_str(&header, i ? "," : "");
        if (add_input(sk_json_at(inputs, i), &header, &data, &seed, err) < 0)
            return -1;
    }
    sk_buf_str(&header, "],\"parameters\":{\"binary_data_output\":true}}");
    sk_buf_str(&path, "/infer");
    if (!sk_buf_ok(&header) || !sk_buf_ok(&data) || !sk_buf_ok(&path))
        return sk_buf_fail(!sk_buf_ok(&header) ? &header : !sk_buf_ok(&data) ? &data : &path, err);
    add_head(t, path.data, "application/octet-stream", header.len + data.len, out);
    sk_buf_fmt(out, "Inference-Header-Content-Length: %zu\r\n\r\n", header.len);
    sk_buf_add(out, header.data, header.len);
    sk_buf_add(out, data.data, data.len);
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

/* A slope in each channel, with noise in some squares: compresses about as a photograph does. */
static void paint(struct sk_image *img)
{
    uint64_t seed = 1;

    for (uint32_t y = 0; y < img->height; y++) {
        for (uint32_t x = 0; x < img->width; x++) {
            uint8_t *p = img->pixels + ((size_t)y * img->width + x) * 3;
            unsigned noise = (x / 32 + y / 32) % 3 == 0 ? (unsigned)(next_random(&seed) & 63) : 0;
            p[0] = (uint8_t)((x * 192ull / img->width + noise) & 255);
            p[1] = (uint8_t)((y * 192ull / img->height + noise) & 255);
            p[2] = (uint8_t)(((x + y) * 96ull / img->height + noise) & 255);
        }
    }
}

int sk_bench_picture(unsigned width, unsigned height, uint8_t **out, size_t *len,
                     struct sk_err *err)
{
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };

    if (sk_image_alloc(&img, width, height, err) < 0)
        return -1;
    paint(&img);
    return sk_image_encode_jpeg(&img, 90, out, len, err);
}
