/* test_save.c - what is written is what is read, with torchvision's names and types. */
#include "arch_test.h"
#include "harness/alloc_fail.h"

struct place {
    char *dir;
    char path[512];
};

static int set_up(void **state)
{
    static struct place place;

    place.dir = sk_test_dir();
    (void)snprintf(place.path, sizeof place.path, "%s/model.safetensors", place.dir);
    *state = &place;
    return 0;
}

static int tear_down(void **state)
{
    sk_test_dir_free(((struct place *)*state)->dir);
    return 0;
}

static void every_architecture(void **state)
{
    const char *path = ((struct place *)*state)->path;

    for (const struct sk_arch *const *a = sk_archs(); *a; a++) {
        SK_OWN(sk_nn_free) struct sk_nn *from = new_network((*a)->name, 3, 64, 1);
        SK_OWN(sk_nn_free) struct sk_nn *to = new_network((*a)->name, 3, 64, 2);
        SK_OWN(sk_weights_free) struct sk_weights *w = NULL;
        struct sk_arch_loaded loaded;
        struct sk_err err = SK_ERR_INIT;
        size_t norms = 0;

        formula_fill(from, 4);
        if (sk_arch_save(*a, from, NULL, NULL, 77, path, &err) < 0 ||
            sk_weights_open(path, &w, &err) < 0 || sk_arch_load(*a, to, w, &loaded, &err) < 0)
            fail_msg("%s: %s", (*a)->name, err.text);
        for (size_t i = 0; i < sk_nn_param_count(from); i++) {
            const struct sk_nn_param *p = sk_nn_param(from, i);

            assert_memory_equal(p->value, sk_nn_param(to, i)->value, p->count * sizeof *p->value);
            norms += p->role == SK_NN_BN_VAR;
        }
        assert_int_equal(sk_weights_count(w), sk_nn_param_count(from) + norms);
        assert_string_equal(sk_weights_meta(w, "format"), "pt");
        assert_string_equal(sk_weights_meta(w, "architecture"), (*a)->name);
    }
}

static void count_of_batches(void **state)
{
    const char *path = ((struct place *)*state)->path;
    SK_OWN(sk_nn_free) struct sk_nn *n = new_network("resnet18", 3, 64, 1);
    SK_OWN(sk_weights_free) struct sk_weights *w = NULL;
    const struct sk_weight *t;
    struct sk_err err = SK_ERR_INIT;
    int64_t value = 0;

    assert_int_equal(sk_arch_save(sk_arch_find("resnet18"), n, NULL, NULL, 12345678901, path, &err),
                     0);
    assert_int_equal(sk_weights_open(path, &w, &err), 0);
    t = sk_weights_find(w, "layer4.0.downsample.1.num_batches_tracked");
    assert_non_null(t);
    assert_int_equal(t->dtype, SK_DT_I64);
    assert_int_equal(t->rank, 0);
    sk_weight_copy(t, &value);
    assert_true(value == 12345678901);
}

/* Other arrays in the network's layout, such as moving averages. */
static void other_arrays(void **state)
{
    const char *path = ((struct place *)*state)->path;
    SK_OWN(sk_nn_free) struct sk_nn *n = new_network("resnet18", 3, 64, 1);
    SK_OWN(sk_nn_free) struct sk_nn *average = new_network("resnet18", 3, 64, 2);
    SK_OWN(sk_weights_free) struct sk_weights *w = NULL;
    const struct sk_arch *arch = sk_arch_find("resnet18");
    struct sk_arch_loaded loaded;
    struct sk_err err = SK_ERR_INIT;
    size_t count;

    formula_fill(average, 9);
    assert_int_equal(sk_arch_save(arch, n, sk_nn_values(average, &count),
                                  sk_nn_buffers(average, &count), 1, path, &err),
                     0);
    assert_int_equal(sk_weights_open(path, &w, &err), 0);
    assert_int_equal(sk_arch_load(arch, n, w, &loaded, &err), 0);
    for (size_t i = 0; i < sk_nn_param_count(n); i++)
        assert_memory_equal(sk_nn_param(n, i)->value, sk_nn_param(average, i)->value,
                            sk_nn_param(n, i)->count * sizeof(float));
}

static void no_folder(void **state)
{
    SK_OWN(sk_nn_free) struct sk_nn *n = new_network("resnet18", 3, 64, 1);
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(
        sk_arch_save(sk_arch_find("resnet18"), n, NULL, NULL, 1, "/missing/w.safetensors", &err),
        -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
}

struct sweep {
    struct sk_nn *n;
    const char *path;
};

static int save_again(void *ctx, struct sk_err *err)
{
    struct sweep *s = ctx;

    return sk_arch_save(sk_arch_find("mobilenet_v3_small"), s->n, NULL, NULL, 1, s->path, err);
}

static void no_memory(void **state)
{
    SK_OWN(sk_nn_free) struct sk_nn *n = new_network("mobilenet_v3_small", 3, 64, 1);
    struct sweep s = { n, ((struct place *)*state)->path };

    assert_true(sk_alloc_sweep("save", save_again, &s, 0) > 3);
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(every_architecture), ROW(count_of_batches), ROW(other_arrays),
        ROW(no_folder),          ROW(no_memory),
    };

    return cmocka_run_group_tests_name("save", tests, NULL, NULL);
}
