/* test_export.c - the ONNX graph: what is in it, what is folded, every kind of layer. That ONNX
 * Runtime computes the same from it is tested in tests/it/test_arch.py. */
#include "arch_test.h"
#include "harness/alloc_fail.h"
#include "onnx/onnx.h"

struct place {
    char *dir;
    char path[512];
};

static int set_up(void **state)
{
    static struct place place;

    place.dir = sk_test_dir();
    (void)snprintf(place.path, sizeof place.path, "%s/m.onnx", place.dir);
    *state = &place;
    return 0;
}

static int tear_down(void **state)
{
    sk_test_dir_free(((struct place *)*state)->dir);
    return 0;
}

static struct sk_onnx_info *inspect(const char *path)
{
    struct sk_onnx_info *info = NULL;
    struct sk_err err = SK_ERR_INIT;

    if (sk_onnx_inspect(path, &info, &err) < 0)
        fail_msg("%s", err.text);
    return info;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct sk_onnx_op *)a)->name, ((const struct sk_onnx_op *)b)->name);
}

/* "Conv 20, Relu 17, ...", by name. */
static void ops_text(const struct sk_onnx_info *info, char *out, size_t size)
{
    size_t len = 0;

    qsort(info->ops, info->op_count, sizeof *info->ops, by_name);
    for (size_t i = 0; i < info->op_count; i++)
        len += (size_t)snprintf(out + len, size - len, "%s%s %d", i > 0 ? ", " : "",
                                info->ops[i].name, (int)info->ops[i].count);
}

/* The operators of PyTorch's own export at set 13, and as many. */
static void every_architecture(void **state)
{
    static const struct {
        const char *arch, *ops;
    } rows[] = {
        { "resnet18",
          "Add 8, Conv 20, Flatten 1, Gemm 1, GlobalAveragePool 1, MaxPool 1, Relu 17" },
        { "resnet34",
          "Add 16, Conv 36, Flatten 1, Gemm 1, GlobalAveragePool 1, MaxPool 1, Relu 33" },
        { "resnet50",
          "Add 16, Conv 53, Flatten 1, Gemm 1, GlobalAveragePool 1, MaxPool 1, Relu 49" },
        { "mobilenet_v2", "Add 10, Clip 35, Conv 52, Flatten 1, Gemm 1, GlobalAveragePool 1" },
        { "mobilenet_v3_small", "Add 6, Conv 52, Flatten 1, Gemm 2, GlobalAveragePool 10, "
                                "HardSigmoid 28, Mul 28, Relu 14" },
        { "efficientnet_b0", "Add 9, Conv 81, Flatten 1, Gemm 1, GlobalAveragePool 17, Mul 65, "
                             "Sigmoid 65" },
    };

    const char *path = ((struct place *)*state)->path;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_OWN(sk_nn_free) struct sk_nn *n = new_network(rows[i].arch, 3, 64, 1);
        const char *const meta[] = { "architecture", rows[i].arch, NULL };
        SK_OWN(sk_onnx_free) struct sk_onnx_info *info = NULL;
        struct sk_err err = SK_ERR_INIT;
        char ops[256];

        if (sk_arch_export_onnx(n, rows[i].arch, meta, path, &err) < 0)
            fail_msg("%s: %s", rows[i].arch, err.text);
        info = inspect(path);
        ops_text(info, ops, sizeof ops);
        if (strcmp(ops, rows[i].ops) != 0)
            fail_msg("%s: %s", rows[i].arch, ops);
        assert_int_equal(info->ir_version, 7);
        assert_string_equal(info->opsets[0].value, "13");
        assert_string_equal(info->graph_name, rows[i].arch);
        assert_string_equal(info->metadata[0].value, rows[i].arch);
        assert_int_equal(info->input_count, 1);
        assert_string_equal(info->inputs[0].name, "input");
        assert_string_equal(info->inputs[0].dim_names[0], "batch_size");
        assert_int_equal(info->inputs[0].dims[1], 3);
        assert_int_equal(info->inputs[0].dims[3], 64);
        assert_string_equal(info->outputs[0].name, "output");
        assert_string_equal(info->outputs[0].dim_names[0], "batch_size");
        assert_int_equal(info->outputs[0].dims[1], 3);
    }
}

/* A graph of everything that the six architectures have not: batch norm that cannot be folded,
 * average pooling, gates alone, dropout at the end. */
static struct sk_nn *odd_network(void)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_nn *n = NULL;
    struct sk_build b;

    assert_int_equal(sk_nn_new(3, 16, 16, &n, &err), 0);
    b = (struct sk_build){ .nn = n };
    sk_build_norm(&b, "first"); /* reads the picture */
    sk_build_conv(&b, &(struct sk_conv){ .channels = 8, .kernel = 3, .bias = true }, "conv");
    int conv = b.at;
    sk_build_norm(&b, "second"); /* two read the convolution */
    sk_build_join(&b, SK_NN_ADD, conv);
    sk_build_plain(&b, SK_NN_SIGMOID);
    sk_build_plain(&b, SK_NN_HARD_SIGMOID);
    b.at = sk_nn_add(
        n, &(struct sk_nn_layer){
               .kind = SK_NN_AVG_POOL, .in = { b.at }, .kernel = 3, .stride = 2, .padding = 1 });
    sk_build_plain(&b, SK_NN_FLATTEN);
    sk_build_linear(&b, 3, "head");
    sk_build_dropout(&b, 0.5f, false);
    assert_int_equal(sk_nn_finish(n, &err), 0);
    return n;
}

static void odd_graph(void **state)
{
    const char *path = ((struct place *)*state)->path;
    SK_OWN(sk_nn_free) struct sk_nn *n = odd_network();
    SK_OWN(sk_onnx_free) struct sk_onnx_info *info = NULL;
    struct sk_err err = SK_ERR_INIT;
    char ops[256];

    formula_fill(n, 1);
    assert_int_equal(sk_arch_export_onnx(n, "odd", NULL, path, &err), 0);
    info = inspect(path);
    ops_text(info, ops, sizeof ops);
    assert_string_equal(ops,
                        "Add 1, AveragePool 1, BatchNormalization 2, Conv 1, Flatten 1, Gemm 1, "
                        "HardSigmoid 1, Sigmoid 1");
    assert_int_equal(info->parameter_count, 4 * 3 + (8 * 27 + 8) + 4 * 8 + (8 * 8 * 8 * 3 + 3));
    assert_string_equal(info->outputs[0].name, "output");
    assert_int_equal(info->metadata_count, 0);
}

/* The bytes of the folded weights are in the file, where sk_nn_fold put them. */
static void weights_are_folded(void **state)
{
    const char *path = ((struct place *)*state)->path;
    SK_OWN(sk_nn_free) struct sk_nn *n = new_network("resnet18", 3, 64, 1);
    float weight[64 * 3 * 49], bias[64];
    SK_OWN(free) char *bytes = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t len = 0;

    formula_fill(n, 2);
    assert_int_equal(sk_arch_export_onnx(n, "g", NULL, path, &err), 0);
    assert_int_equal(sk_file_read(path, 100 << 20, &bytes, &len, &err), 0);
    sk_nn_fold(n, 1, weight, bias);
    assert_non_null(memmem(bytes, len, weight, sizeof weight));
    assert_non_null(memmem(bytes, len, bias, sizeof bias));
    assert_null(memmem(bytes, len, sk_nn_find(n, "conv1.weight")->value, sizeof weight));
    assert_non_null(memmem(bytes, len, sk_nn_find(n, "fc.weight")->value, 3 * 512 * 4));
}

static void no_folder(void **state)
{
    SK_OWN(sk_nn_free) struct sk_nn *n = odd_network();
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_arch_export_onnx(n, "g", NULL, "/missing/m.onnx", &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
}

struct sweep {
    struct sk_nn *n;
    const char *path;
};

static int export_again(void *ctx, struct sk_err *err)
{
    const struct sweep *s = ctx;

    return sk_arch_export_onnx(s->n, "g", NULL, s->path, err);
}

static void no_memory(void **state)
{
    SK_OWN(sk_nn_free) struct sk_nn *n = odd_network();
    struct sweep s = { n, ((struct place *)*state)->path };

    assert_true(sk_alloc_sweep("export", export_again, &s, 0) > 10);
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(every_architecture), ROW(odd_graph), ROW(weights_are_folded),
        ROW(no_folder),          ROW(no_memory),
    };

    return cmocka_run_group_tests_name("export", tests, NULL, NULL);
}
