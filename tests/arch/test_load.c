/* test_load.c - weights by name: both namings, prefixes, heads, and files that do not fit. */
#include "arch_test.h"
#include "harness/alloc_fail.h"

/* A file as a list of tensors that a row may spoil. */
struct file {
    struct sk_weight_out *tensors;
    size_t count;
    char (*names)[128];
    char path[512];
    char *dir;
};

static void file_free(struct file *f)
{
    sk_test_dir_free(f->dir);
    free(f->tensors);
    free(f->names);
}

/* The tensors of a network under timm's names or its own. Data is borrowed from the network. */
static void file_of(struct file *f, const char *arch, struct sk_nn *n, bool is_timm,
                    const char *prefix)
{
    FILE *golden = golden_open("tensors.txt");
    struct golden_tensor t;

    *f = (struct file){ .dir = sk_test_dir(), .count = sk_nn_param_count(n) };
    f->tensors = calloc(f->count + 8, sizeof *f->tensors);
    f->names = calloc(f->count + 8, sizeof *f->names);
    assert_true(f->tensors && f->names);
    (void)snprintf(f->path, sizeof f->path, "%s/w.safetensors", f->dir);
    for (size_t i = 0; i < f->count; i++) {
        struct sk_nn_param *p = sk_nn_param(n, i);
        struct sk_weight_out *out = &f->tensors[i];

        assert_true(golden_next(golden, arch, &t));
        (void)snprintf(f->names[i], sizeof f->names[i], "%s%s", prefix, is_timm ? t.timm : t.name);
        *out = (struct sk_weight_out){
            .name = f->names[i], .dtype = SK_DT_F32, .rank = p->rank, .data = p->value
        };
        memcpy(out->dims, p->dims, p->rank * sizeof p->dims[0]);
    }
    (void)fclose(golden);
}

static struct sk_weight_out *find(struct file *f, const char *name)
{
    for (size_t i = 0; i < f->count; i++)
        if (strcmp(f->tensors[i].name, name) == 0)
            return &f->tensors[i];
    fail_msg("no tensor '%s'", name);
    return NULL;
}

static void add(struct file *f, const char *name, enum sk_dtype dtype, int64_t dim,
                const void *data)
{
    (void)snprintf(f->names[f->count], sizeof f->names[0], "%s", name);
    f->tensors[f->count] = (struct sk_weight_out){
        .name = f->names[f->count], .dtype = dtype, .rank = 1, .dims = { dim }, .data = data
    };
    f->count++;
}

static int load(struct file *f, const char *arch, struct sk_nn *n, struct sk_arch_loaded *loaded,
                struct sk_err *err)
{
    SK_OWN(sk_weights_free) struct sk_weights *w = NULL;

    if (sk_weights_write(f->path, f->tensors, f->count, NULL, err) < 0 ||
        sk_weights_open(f->path, &w, err) < 0)
        fail_msg("%s", err->text);
    return sk_arch_load(sk_arch_find(arch), n, w, loaded, err);
}

static void expect_equal(struct sk_nn *a, struct sk_nn *b, const char *except)
{
    for (size_t i = 0; i < sk_nn_param_count(a); i++) {
        const struct sk_nn_param *p = sk_nn_param(a, i), *q = sk_nn_param(b, i);

        if (except && sk_starts_with(p->name, except))
            continue;
        if (memcmp(p->value, q->value, p->count * sizeof *p->value) != 0)
            fail_msg("%s differs", p->name);
    }
}

/* ---- what fits ---- */

static void every_naming(void **state)
{
    static const struct {
        const char *arch, *prefix;
        bool is_timm;
        const char *naming;
    } rows[] = {
        { "resnet18", "", false, "torchvision" },
        { "resnet18", "", true, "torchvision" }, /* the same names */
        { "resnet50", "module.", false, "torchvision" },
        { "mobilenet_v2", "", false, "torchvision" },
        { "mobilenet_v2", "", true, "timm" },
        { "mobilenet_v2", "module.model.", true, "timm" },
        { "mobilenet_v3_small", "model.", false, "torchvision" },
        { "efficientnet_b0", "", false, "torchvision" },
        { "efficientnet_b0", "model.", true, "timm" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_OWN(sk_nn_free) struct sk_nn *from = new_network(rows[i].arch, 4, 64, 1);
        SK_OWN(sk_nn_free) struct sk_nn *to = new_network(rows[i].arch, 4, 64, 2);
        SK_AUTO(file_free) struct file f;
        struct sk_arch_loaded loaded = { 0 };
        struct sk_err err = SK_ERR_INIT;

        formula_fill(from, 3);
        file_of(&f, rows[i].arch, from, rows[i].is_timm, rows[i].prefix);
        add(&f, "optimizer.something", SK_DT_I64, 1, &(int64_t){ 1 });
        if (load(&f, rows[i].arch, to, &loaded, &err) < 0)
            fail_msg("%s: %s", rows[i].arch, err.text);
        expect_equal(from, to, NULL);
        assert_string_equal(loaded.naming, rows[i].naming);
        assert_int_equal(loaded.tensors, sk_nn_param_count(to));
        assert_false(loaded.head_replaced);
    }
}

/* timm's MobileNetV3 has batch norms of another epsilon, and its hidden layer is a 1 x 1
 * convolution. */
static void timm_mobilenet_v3(void **state)
{
    SK_OWN(sk_nn_free) struct sk_nn *from = new_network("mobilenet_v3_small", 4, 64, 1);
    SK_OWN(sk_nn_free) struct sk_nn *to = new_network("mobilenet_v3_small", 4, 64, 2);
    SK_AUTO(file_free) struct file f;
    struct sk_arch_loaded loaded;
    struct sk_err err = SK_ERR_INIT;
    struct sk_weight_out *hidden;

    (void)state;
    formula_fill(from, 3);
    file_of(&f, "mobilenet_v3_small", from, true, "");
    hidden = find(&f, "conv_head.weight");
    hidden->rank = 4;
    hidden->dims[2] = hidden->dims[3] = 1;
    assert_int_equal(load(&f, "mobilenet_v3_small", to, &loaded, &err), 0);
    assert_string_equal(loaded.naming, "timm");
    for (size_t i = 0; i < sk_nn_param_count(to); i++) {
        const struct sk_nn_param *p = sk_nn_param(from, i), *q = sk_nn_param(to, i);

        for (size_t k = 0; k < p->count; k++) {
            double want = (double)p->value[k];

            if (p->role == SK_NN_BN_WEIGHT) {
                double var = (double)sk_nn_param(from, i + 3)->value[k];
                want *= sqrt(var + 1e-3) / sqrt(var + 1e-5);
            }
            assert_true(fabs((double)q->value[k] - want) <= 1e-6 * fabs(want));
        }
    }
}

static void head_of_another_size(void **state)
{
    (void)state;
    for (const struct sk_arch *const *a = sk_archs(); *a; a++) {
        SK_OWN(sk_nn_free) struct sk_nn *from = new_network((*a)->name, 1000, 64, 1);
        SK_OWN(sk_nn_free) struct sk_nn *to = new_network((*a)->name, 2, 64, 2);
        SK_OWN(sk_nn_free) struct sk_nn *fresh = new_network((*a)->name, 2, 64, 2);
        SK_AUTO(file_free) struct file f;
        struct sk_arch_loaded loaded;
        struct sk_err err = SK_ERR_INIT;

        file_of(&f, (*a)->name, from, false, "");
        if (load(&f, (*a)->name, to, &loaded, &err) < 0)
            fail_msg("%s: %s", (*a)->name, err.text);
        assert_true(loaded.head_replaced);
        assert_int_equal(loaded.file_classes, 1000);
        assert_int_equal(loaded.tensors, sk_nn_param_count(to) - 2);
        expect_equal(from, to, (*a)->head);
        for (size_t i = 0; i < sk_nn_param_count(to); i++) /* and the head's first weights stayed */
            if (sk_starts_with(sk_nn_param(to, i)->name, (*a)->head))
                assert_memory_equal(sk_nn_param(to, i)->value, sk_nn_param(fresh, i)->value,
                                    sk_nn_param(to, i)->count * sizeof(float));
    }
}

static void other_types(void **state)
{
    SK_OWN(sk_nn_free) struct sk_nn *from = new_network("resnet18", 2, 64, 1);
    SK_OWN(sk_nn_free) struct sk_nn *to = new_network("resnet18", 2, 64, 2);
    SK_AUTO(file_free) struct file f;
    struct sk_arch_loaded loaded;
    struct sk_err err = SK_ERR_INIT;
    uint16_t half[64], brain[64];
    double wide[64];

    (void)state;
    for (size_t i = 0; i < 64; i++) {
        half[i] = sk_float_to_half((float)i / 4);
        brain[i] = (uint16_t)(0x3f80 + i); /* 1 + i / 128 */
        wide[i] = (double)i / 3;
    }
    file_of(&f, "resnet18", from, false, "");
    *find(&f, "bn1.weight") = (struct sk_weight_out){ "bn1.weight", SK_DT_F16, 1, { 64 }, half };
    *find(&f, "bn1.bias") = (struct sk_weight_out){ "bn1.bias", SK_DT_BF16, 1, { 64 }, brain };
    *find(&f, "bn1.running_mean") = (struct sk_weight_out){
        "bn1.running_mean", SK_DT_F64, 1, { 64 }, wide
    };
    assert_int_equal(load(&f, "resnet18", to, &loaded, &err), 0);
    for (size_t i = 0; i < 64; i++) {
        assert_true(sk_nn_find(to, "bn1.weight")->value[i] == (float)i / 4);
        assert_true(sk_nn_find(to, "bn1.bias")->value[i] == 1 + (float)i / 128);
        assert_true(sk_nn_find(to, "bn1.running_mean")->value[i] == (float)wide[i]);
    }
}

/* ---- what does not fit: named, and nothing changes ---- */

static void cut_shape(struct file *f)
{
    find(f, "layer3.1.conv2.weight")->dims[0] = 128;
}

static void more_dims(struct file *f)
{
    struct sk_weight_out *t = find(f, "fc.weight"); /* 2 x 512 -> 2 x 256 x 2 */

    t->rank = 3;
    t->dims[1] = 256;
    t->dims[2] = 2;
}

static void whole_numbers(struct file *f)
{
    find(f, "bn1.bias")->dtype = SK_DT_I32;
}

static void missing(struct file *f)
{
    *find(f, "layer2.0.downsample.1.running_var") = f->tensors[--f->count];
}

static void first_missing(struct file *f)
{
    *find(f, "conv1.weight") = f->tensors[--f->count];
}

static void too_many_blocks(struct file *f)
{
    add(f, "layer1.2.conv1.weight", SK_DT_F32, 1, f->tensors[0].data);
}

static void half_a_head(struct file *f)
{
    find(f, "fc.weight")->dims[0] = 1;
}

static void deeper_head(struct file *f)
{
    find(f, "fc.weight")->dims[1] = 256;
}

static void misfits(void **state)
{
    static const struct {
        const char *name;
        void (*spoil)(struct file *f);
        enum sk_code code;
        const char *text;
    } rows[] = {
        { "shape", cut_shape, SK_INVALID,
          "tensor 'layer3.1.conv2.weight' is 128x256x3x3, resnet18 needs 256x256x3x3" },
        { "rank", more_dims, SK_INVALID, "tensor 'fc.weight' is 2x256x2, resnet18 needs 2x512" },
        { "type", whole_numbers, SK_UNSUPPORTED,
          "tensor 'bn1.bias' holds INT32, not floating point numbers" },
        { "missing", missing, SK_INVALID,
          "no tensor 'layer2.0.downsample.1.running_var', which resnet18 needs" },
        { "nothing known", first_missing, SK_INVALID,
          "no tensor 'conv1.weight': these are not weights of resnet18" },
        { "another architecture", too_many_blocks, SK_INVALID,
          "tensor 'layer1.2.conv1.weight' has no place in resnet18: these are weights of another "
          "architecture" },
        { "half a head", half_a_head, SK_INVALID,
          "weight and bias of 'fc' are of different sizes" },
        { "deeper head", deeper_head, SK_INVALID,
          "tensor 'fc.weight' is 2x256, resnet18 needs 2x512" },
    };

    SK_OWN(sk_nn_free) struct sk_nn *from = new_network("resnet18", 2, 64, 1);
    SK_OWN(sk_nn_free) struct sk_nn *to = new_network("resnet18", 2, 64, 2);
    SK_OWN(sk_nn_free) struct sk_nn *untouched = new_network("resnet18", 2, 64, 2);

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_AUTO(file_free) struct file f;
        struct sk_arch_loaded loaded;
        struct sk_err err = SK_ERR_INIT;

        file_of(&f, "resnet18", from, false, "");
        rows[i].spoil(&f);
        if (load(&f, "resnet18", to, &loaded, &err) == 0 || err.code != rows[i].code ||
            strcmp(err.text, rows[i].text) != 0)
            fail_msg("row '%s': %s", rows[i].name, err.text);
        expect_equal(to, untouched, NULL);
    }
}

static void another_architecture(void **state)
{
    static const struct {
        const char *file, *network, *text;
    } rows[] = {
        { "resnet34", "resnet18", "tensor 'layer1.2.bn1.bias' has no place in resnet18" },
        { "resnet18", "resnet34", "no tensor 'layer1.2.conv1.weight', which resnet34 needs" },
        { "resnet50", "resnet34", "tensor 'layer1.0.conv1.weight' is 64x64x1x1" },
        { "efficientnet_b0", "mobilenet_v2", "no tensor 'features.1.conv.0.0.weight'" },
        { "mobilenet_v2", "resnet18", "no tensor 'conv1.weight'" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_OWN(sk_nn_free) struct sk_nn *from = new_network(rows[i].file, 2, 64, 1);
        SK_OWN(sk_nn_free) struct sk_nn *to = new_network(rows[i].network, 2, 64, 2);
        SK_AUTO(file_free) struct file f;
        struct sk_arch_loaded loaded;
        struct sk_err err = SK_ERR_INIT;

        file_of(&f, rows[i].file, from, false, "");
        if (load(&f, rows[i].network, to, &loaded, &err) == 0 ||
            !sk_starts_with(err.text, rows[i].text))
            fail_msg("%s into %s: %s", rows[i].file, rows[i].network, err.text);
    }
}

/* ---- memory ---- */

struct sweep {
    struct sk_nn *n;
    struct sk_weights *w;
};

static int load_again(void *ctx, struct sk_err *err)
{
    struct sweep *s = ctx;
    struct sk_arch_loaded loaded;

    return sk_arch_load(sk_arch_find("mobilenet_v2"), s->n, s->w, &loaded, err);
}

static void no_memory(void **state)
{
    SK_OWN(sk_nn_free) struct sk_nn *n = new_network("mobilenet_v2", 2, 64, 1);
    SK_OWN(sk_weights_free) struct sk_weights *w = NULL;
    SK_AUTO(file_free) struct file f;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    file_of(&f, "mobilenet_v2", n, true, "model.");
    assert_int_equal(sk_weights_write(f.path, f.tensors, f.count, NULL, &err), 0);
    assert_int_equal(sk_weights_open(f.path, &w, &err), 0);
    assert_true(sk_alloc_sweep("load", load_again, &(struct sweep){ n, w }, 0) > 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_naming),
        cmocka_unit_test(timm_mobilenet_v3),
        cmocka_unit_test(head_of_another_size),
        cmocka_unit_test(other_types),
        cmocka_unit_test(misfits),
        cmocka_unit_test(another_architecture),
        cmocka_unit_test(no_memory),
    };

    return cmocka_run_group_tests_name("load", tests, NULL, NULL);
}
