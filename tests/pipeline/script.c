/* script.c - see script.h. */
#include "script.h"

#include "base/file.h"
#include "base/log.h"
#include "engine/engine_priv.h"
#include "harness/golden.h"

struct scripted_engine {
    struct sk_engine base;
    struct script *script;
};

struct scripted_run {
    struct sk_run base;
    struct sk_run_buffer outputs[2];
};

static struct script *script_of(struct sk_engine *e)
{
    return ((struct scripted_engine *)e)->script;
}

/* ---- nets ---- */

static size_t count_tensors(const struct script_tensor *t)
{
    return t[0].name ? t[1].name ? 2 : 1 : 0;
}

static int copy_tensors(const struct script_tensor *from, size_t count, struct sk_tensor_info *to,
                        struct sk_err *err)
{
    for (size_t i = 0; i < count; i++) {
        to[i].name = strdup(from[i].name);
        if (!to[i].name)
            return sk_nomem(err);
        to[i].dtype = from[i].dtype;
        to[i].rank = from[i].rank;
        memcpy(to[i].dims, from[i].dims, sizeof(from[i].dims));
    }
    return 0;
}

static void free_net(struct sk_net *n)
{
    sk_net_done(n);
    free(n);
}

static int load_net(struct sk_engine *e, const char *path, const char *digest, struct sk_net **out,
                    struct sk_err *err)
{
    const struct script *s = script_of(e);
    struct sk_net *n = calloc(1, sizeof(*n));

    (void)path;
    (void)digest;
    if (!n)
        return sk_nomem(err);
    n->info.platform = "script";
    if (sk_net_init(n, e, count_tensors(s->inputs), count_tensors(s->outputs), err) < 0 ||
        copy_tensors(s->inputs, n->info.input_count, sk_net_inputs(n), err) < 0 ||
        copy_tensors(s->outputs, n->info.output_count, sk_net_outputs(n), err) < 0) {
        free_net(n);
        return -1;
    }
    *out = n;
    return 0;
}

/* ---- runs ---- */

static void free_run(struct sk_run *base)
{
    struct scripted_run *r = (struct scripted_run *)base;

    for (size_t i = 0; i < COUNT(r->outputs); i++)
        sk_run_buffer_done(&r->outputs[i]);
    sk_run_done(base);
    free(r);
}

static int new_run(struct sk_net *n, struct sk_run **out, struct sk_err *err)
{
    struct scripted_run *r = calloc(1, sizeof(*r));

    if (!r)
        return sk_nomem(err);
    if (sk_run_init(&r->base, n, err) < 0) {
        free_run(&r->base);
        return -1;
    }
    *out = &r->base;
    return 0;
}

static void store(enum sk_dtype dtype, void *data, size_t i, float v)
{
    if (dtype == SK_DT_F16)
        ((uint16_t *)data)[i] = sk_float_to_half(v);
    else if (dtype == SK_DT_F64)
        ((double *)data)[i] = (double)v;
    else if (dtype == SK_DT_F32)
        ((float *)data)[i] = v;
}

static int fill_output(struct script *s, struct scripted_run *r, size_t i,
                       const struct sk_tensor *input, struct sk_err *err)
{
    struct sk_tensor *t = &r->base.outputs[i];
    float scores[64];
    size_t classes, rows;

    t->dtype = s->outputs[i].dtype;
    t->rank = s->outputs[i].rank;
    memcpy(t->dims, s->outputs[i].dims, sizeof(s->outputs[i].dims));
    for (unsigned k = 0; k < t->rank; k++) {
        if (t->dims[k] < 0)
            t->dims[k] = k == 0 && t->rank > 1 ? input->dims[0]
                                               : (int64_t)(s->classes > 0 ? s->classes : 3);
    }
    rows = t->rank > 1 ? (size_t)t->dims[0] : 1;
    classes = sk_tensor_elements(t) / rows;
    t->size_bytes = rows * classes * sk_dtype_size(t->dtype);
    if (sk_run_buffer_fit(&r->outputs[i], t->size_bytes, err) < 0)
        return -1;
    t->data = r->outputs[i].ptr;
    for (size_t row = 0; row < rows; row++) {
        for (size_t c = 0; c < classes && c < COUNT(scores); c++)
            scores[c] = (float)c;
        if (s->score)
            s->score(input, row, scores, classes);
        for (size_t c = 0; c < classes && c < COUNT(scores); c++)
            store(t->dtype, t->data, row * classes + c, scores[c]);
    }
    return 0;
}

/* What arrived, for the test to look at. */
static void note_input(struct script *s, const struct sk_tensor *input)
{
    size_t rows = input->rank == 4 ? (size_t)input->dims[0] : 1;
    size_t n = input->dtype == SK_DT_F32 ? sk_tensor_elements(input) : 0;
    const float *v = input->data;

    s->last = *input;
    s->first = s->rest = -1e9F;
    for (size_t i = 0; i < n; i++) {
        float *largest = i < n / rows ? &s->first : &s->rest;
        *largest = v[i] > *largest ? v[i] : *largest;
    }
}

static int exec_run(struct sk_run *base, const struct sk_tensor *inputs, const bool *wanted,
                    bool wide, struct sk_err *err)
{
    struct script *s = script_of(base->net->engine);

    s->execs++;
    s->wide_execs += wide;
    note_input(s, inputs);
    if (s->fails)
        return sk_fail(err, SK_INVALID, "%s", s->fails);
    for (size_t i = 0; i < base->net->info.output_count; i++) {
        if (wanted[i] && fill_output(s, (struct scripted_run *)base, i, inputs, err) < 0)
            return -1;
    }
    return 0;
}

static void cancel_run(struct sk_run *r)
{
    (void)r;
}

static void close_engine(struct sk_engine *e)
{
    free(e);
}

static const struct sk_engine_ops ops = {
    .close = close_engine,
    .net_load = load_net,
    .net_free = free_net,
    .run_new = new_run,
    .run_free = free_run,
    .run_exec = exec_run,
    .run_cancel = cancel_run,
};

struct sk_engine *script_engine(struct script *s)
{
    struct scripted_engine *e = calloc(1, sizeof(*e));

    assert_non_null(e);
    e->base = (struct sk_engine){ .ops = &ops, .name = "script", .device = "cpu" };
    e->script = s;
    return &e->base;
}

/* ---- bundles: protobuf, as onnx.proto numbers the fields ---- */

static void put_varint(struct sk_buf *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        sk_buf_chr(b, (char)(v | 0x80));
    sk_buf_chr(b, (char)v);
}

static void put_number(struct sk_buf *b, unsigned field, uint64_t v)
{
    put_varint(b, field << 3);
    put_varint(b, v);
}

static void put_bytes(struct sk_buf *b, unsigned field, const char *bytes, size_t len)
{
    put_varint(b, field << 3 | 2);
    put_varint(b, len);
    sk_buf_add(b, bytes, len);
}

static void put_text(struct sk_buf *b, unsigned field, const char *text)
{
    put_bytes(b, field, text, strlen(text));
}

/* Moves inner into outer as a field, and empties it. */
static void put_message(struct sk_buf *outer, unsigned field, struct sk_buf *inner)
{
    put_bytes(outer, field, inner->data ? inner->data : "", inner->len);
    sk_buf_done(inner);
}

static unsigned onnx_type(enum sk_dtype dtype)
{
    return dtype == SK_DT_F16   ? 10
           : dtype == SK_DT_F64 ? 11
           : dtype == SK_DT_U8  ? 2
           : dtype == SK_DT_I64 ? 7
                                : 1;
}

static void put_value(struct sk_buf *graph, unsigned field, const struct script_tensor *t)
{
    struct sk_buf shape = SK_BUF_INIT(4096), tensor = SK_BUF_INIT(4096), type = SK_BUF_INIT(4096);
    struct sk_buf value = SK_BUF_INIT(4096);

    for (unsigned i = 0; i < t->rank; i++) {
        struct sk_buf dim = SK_BUF_INIT(100);
        if (t->dims[i] < 0)
            put_text(&dim, 2, "open");
        else
            put_number(&dim, 1, (uint64_t)t->dims[i]);
        put_message(&shape, 1, &dim);
    }
    put_number(&tensor, 1, onnx_type(t->dtype));
    put_message(&tensor, 2, &shape);
    put_message(&type, 1, &tensor);
    put_text(&value, 1, t->name);
    put_message(&value, 2, &type);
    put_message(graph, field, &value);
}

static void put_node(struct sk_buf *graph, const struct script *s, const char *op)
{
    const char *colon = strchr(op, ':');
    struct sk_buf node = SK_BUF_INIT(4096);

    if (s->inputs[0].name)
        put_text(&node, 1, s->inputs[0].name);
    put_text(&node, 2, s->outputs[0].name);
    put_text(&node, 4, colon ? colon + 1 : op);
    if (colon)
        put_bytes(&node, 7, op, (size_t)(colon - op));
    put_message(graph, 1, &node);
}

static void write_model(const struct script *s, const char *path)
{
    struct sk_buf graph = SK_BUF_INIT(65536), opset = SK_BUF_INIT(100);
    SK_AUTO(sk_buf_done) struct sk_buf model = SK_BUF_INIT(65536);
    struct sk_err err = SK_ERR_INIT;

    for (size_t i = 0; i < COUNT(s->ops) && s->ops[i]; i++)
        put_node(&graph, s, s->ops[i]);
    put_text(&graph, 2, "scripted");
    for (size_t i = 0; i < count_tensors(s->inputs); i++)
        put_value(&graph, 11, &s->inputs[i]);
    for (size_t i = 0; i < count_tensors(s->outputs); i++)
        put_value(&graph, 12, &s->outputs[i]);
    put_number(&opset, 2, 17);
    put_number(&model, 1, 8);
    put_message(&model, 7, &graph);
    put_message(&model, 8, &opset);
    if (!sk_buf_ok(&model) || sk_file_write(path, model.data, model.len, 0600, &err) < 0)
        fail_msg("%s: %s", path, err.text);
}

static void write_text(const char *folder, const char *name, const char *text)
{
    SK_OWN(free) char *path = sk_path_join(folder, name);
    struct sk_err err = SK_ERR_INIT;

    if (text && sk_file_write(path, text, strlen(text), 0600, &err) < 0)
        fail_msg("%s: %s", path, err.text);
}

void script_bundle(const struct script *s, const char *folder)
{
    SK_OWN(free) char *path = sk_path_join(folder, "model.onnx");

    write_model(s, path);
    write_text(folder, "config.json", s->config);
    write_text(folder, "preprocessor_config.json", s->prep);
    write_text(folder, "skerry.json", s->settings);
}

char *script_folder(const struct script *s)
{
    char *root = sk_test_dir();
    SK_OWN(free) char *cache = sk_path_join(root, "cache");
    SK_OWN(free) char *folder = sk_path_join(root, "net");
    struct sk_err err = SK_ERR_INIT;

    sk_log_setup(SK_WARN, SK_LOG_TEXT, STDERR_FILENO);
    assert_int_equal(setenv("SKERRY_CACHE_DIR", cache, 1), 0);
    assert_int_equal(sk_mkdirs(folder, 0700, &err), 0);
    script_bundle(s, folder);
    return root;
}

void script_clean(char *folder)
{
    sk_test_dir_free(folder);
}

int script_open(struct scripted *s, const struct script *script, struct sk_err *err)
{
    SK_OWN(free) char *net = NULL;

    s->script = *script;
    s->folder = script_folder(&s->script);
    s->engine = script_engine(&s->script);
    s->classifier = NULL;
    net = sk_path_join(s->folder, "net");
    return sk_classifier_load(s->engine, net, NULL, &s->classifier, err);
}

void script_close(struct scripted *s)
{
    sk_classifier_unref(s->classifier);
    sk_engine_close(s->engine);
    script_clean(s->folder);
}

uint8_t *script_picture(uint32_t width, uint32_t height, uint8_t grey, size_t *len)
{
    const size_t row = (width * 3 + 3) / 4 * 4;
    const uint32_t head[13] = {
        0, 0, 54, 40, width, height, 1u | 24u << 16, 0, (uint32_t)row * height, 0, 0, 0, 0
    };
    uint8_t *bytes = malloc(54 + row * height);

    assert_non_null(bytes);
    memcpy(bytes, "BM", 2);
    memcpy(bytes + 2, head, sizeof(head));
    memset(bytes + 54, grey, row * height);
    *len = 54 + row * height;
    return bytes;
}
