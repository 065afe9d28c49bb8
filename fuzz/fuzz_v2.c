/*
 * fuzz_v2.c - inference requests of the V2 protocol: the first byte picks the model's description,
 * the first line is the Inference-Header-Content-Length ("-" for none), the rest is the body.
 *
 * What is accepted must hold together: every input has data of the size that its shape and type ask
 * for, strings lie within the body or the document, outputs exist; and it can be answered.
 */
#include "base/cleanup.h"
#include "serve/v2_priv.h"

static const struct sk_tensor_info inputs[] = {
    { .name = (char[]){ "x" }, .dtype = SK_DT_F32, .rank = 2, .dims = { -1, 2 } },
    { .name = (char[]){ "n" }, .dtype = SK_DT_I8, .rank = 1, .dims = { 3 } },
    { .name = (char[]){ "s" }, .dtype = SK_DT_BYTES, .rank = 1, .dims = { -1 } },
    { .name = (char[]){ "h" }, .dtype = SK_DT_F16, .rank = 0 },
    { .name = (char[]){ "b" }, .dtype = SK_DT_BOOL, .rank = 3, .dims = { -1, -1, 2 } },
};
static const struct sk_tensor_info outputs[] = {
    { .name = (char[]){ "y" }, .dtype = SK_DT_F32, .rank = 2, .dims = { -1, 3 } },
    { .name = (char[]){ "t" }, .dtype = SK_DT_BYTES, .rank = 1, .dims = { -1 } },
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* Reads every byte, so that the sanitizer sees what does not belong to us. */
static uint64_t sum_of(const struct sk_tensor *t)
{
    uint64_t sum = 0;

    if (t->dtype == SK_DT_BYTES) {
        for (size_t i = 0; i < sk_tensor_elements(t); i++)
            for (size_t k = 0; k < t->string_lens[i]; k++)
                sum += (unsigned char)t->strings[i][k];
        return sum;
    }
    require(t->size_bytes == sk_tensor_elements(t) * sk_dtype_size(t->dtype));
    for (size_t i = 0; i < t->size_bytes; i++)
        sum += ((const unsigned char *)t->data)[i];
    return sum;
}

static void answer(const struct sk_v2_request *r, const struct sk_net_info *net)
{
    static const float y[3] = { 1, 3, 2 };
    static const char *texts[1] = { "a\xff" };
    static const size_t lens[1] = { 2 };
    const struct sk_tensor results[2] = {
        { .dtype = SK_DT_F32,
          .rank = 2,
          .dims = { 1, 3 },
          .data = (void *)(uintptr_t)y,
          .size_bytes = sizeof y },
        { .dtype = SK_DT_BYTES, .rank = 1, .dims = { 1 }, .strings = texts, .string_lens = lens },
    };
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t header_len = 0;

    if (sk_v2_write(r, net, results, "m", "1", NULL, NULL, &out, &header_len, &err) < 0)
        return; /* such as the classification of strings */
    require(header_len <= out.len);
    require(sk_json_parse(out.data, header_len > 0 ? header_len : out.len, NULL, &doc, &err) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SK_AUTO(sk_arena_done) struct sk_arena arena = SK_ARENA_INIT(16 << 20);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;
    struct sk_v2_request r;
    char header[32];

    const uint8_t *line = size > 0 ? memchr(data, '\n', size) : NULL;
    if (!line || line == data || (size_t)(line - data) > sizeof header)
        return 0;
    (void)snprintf(header, sizeof header, "%.*s", (int)(line - data - 1), (const char *)data + 1);
    const struct sk_net_info net = { .inputs = inputs,
                                     .input_count = 1 + data[0] % 5u,
                                     .outputs = outputs,
                                     .output_count = 2,
                                     .platform = "fuzz" };
    /* A copy that ends where the body ends, so that a byte too far is seen. */
    size_t len = size - (size_t)(line + 1 - data);
    SK_OWN(free) char *body = malloc(len + 1);
    if (!body)
        return 0;
    memcpy(body, line + 1, len);
    SK_OWN(free) char *exact = realloc(SK_TAKE(body), len > 0 ? len : 1);
    if (!exact)
        return 0;
    if (sk_v2_parse((struct sk_view){ exact, len }, header[0] == '-' ? NULL : header, &net, 10000,
                    &arena, &doc, &r, &err) < 0) {
        require(err.code != SK_OK && err.text[0] != '\0');
        return 0;
    }
    uint64_t sum = 0;
    for (size_t i = 0; i < net.input_count; i++)
        sum += sum_of(&r.inputs[i]);
    __asm__ volatile("" : : "r"(sum)); /* the reading must not be optimised away */
    require(r.order_count <= net.output_count);
    answer(&r, &net);
    return 0;
}
