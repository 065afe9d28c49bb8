/* test_archs.c - the table, and every tensor of every row against torchvision's. */
#include "arch_test.h"
#include "harness/alloc_fail.h"

static void table(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf names = SK_BUF_INIT(1000);
    size_t count = 0;

    (void)state;
    for (const struct sk_arch *const *a = sk_archs(); *a; a++, count++) {
        assert_ptr_equal(sk_arch_find((*a)->name), *a);
        sk_buf_fmt(&names, "%s%s", count > 0 ? ", " : "", (*a)->name);
    }
    assert_int_equal(count, 6);
    assert_string_equal(sk_arch_names(), names.data);
    assert_null(sk_arch_find("resnet"));
    assert_null(sk_arch_find(""));
}

static const char *shape_of(const struct sk_nn_param *p)
{
    static char text[64];
    size_t len = 0;

    for (unsigned i = 0; i < p->rank; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%d", i > 0 ? "x" : "",
                                (int)p->dims[i]);
    return text;
}

static void tensors_are_torchvisions(void **state)
{
    (void)state;
    for (const struct sk_arch *const *a = sk_archs(); *a; a++) {
        SK_OWN(sk_nn_free) struct sk_nn *n = new_network((*a)->name, 1000, 224, 1);
        SK_OWN(fclose) FILE *f = golden_open("tensors.txt");
        struct golden_tensor t;
        size_t trained = 0;

        for (size_t i = 0; i < sk_nn_param_count(n); i++) {
            const struct sk_nn_param *p = sk_nn_param(n, i);

            if (!golden_next(f, (*a)->name, &t) || strcmp(p->name, t.name) != 0 ||
                strcmp(shape_of(p), t.shape) != 0)
                fail_msg("%s: tensor %zu is %s %s, torchvision has %s %s", (*a)->name, i, p->name,
                         shape_of(p), t.name, t.shape);
            trained += p->role == SK_NN_BN_MEAN || p->role == SK_NN_BN_VAR ? 0 : p->count;
        }
        assert_true(golden_next(f, (*a)->name, &t));
        assert_string_equal(t.name, "parameters");
        assert_int_equal(trained, (int)strtol(t.shape, NULL, 10));
        assert_int_equal(sk_nn_classes(n), 1000);
    }
}

static void head_is_the_last_layer(void **state)
{
    (void)state;
    for (const struct sk_arch *const *a = sk_archs(); *a; a++) {
        SK_OWN(sk_nn_free) struct sk_nn *n = new_network((*a)->name, 3, 32, 1);
        const struct sk_nn_layer *last = sk_nn_layer(n, sk_nn_layer_count(n) - 1);

        assert_string_equal(last->name, (*a)->head);
        assert_int_equal(last->channels, 3);
    }
}

static void what_cannot_be(void **state)
{
    static const struct {
        unsigned classes, side;
        const char *text;
    } rows[] = {
        { 2, 0, "resnet18 takes pictures of 1 to 65500 pixels a side, not 0" },
        { 2, 65501, "resnet18 takes pictures of 1 to 65500 pixels a side, not 65501" },
        { 0, 64, "a classifier has 1 to 100000 classes, not 0" },
        { 100001, 64, "a classifier has 1 to 100000 classes, not 100001" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_nn *n = NULL;

        assert_int_equal(
            sk_arch_new(sk_arch_find("resnet18"), rows[i].classes, rows[i].side, 0, &n, &err), -1);
        assert_null(n);
        assert_string_equal(err.text, rows[i].text);
        assert_int_equal(err.code, SK_INVALID);
    }
}

static int make_one(void *ctx, struct sk_err *err)
{
    SK_OWN(sk_nn_free) struct sk_nn *n = NULL;

    return sk_arch_new(sk_arch_find(ctx), 3, 32, 0, &n, err);
}

static void no_memory(void **state)
{
    char name[] = "mobilenet_v3_small";

    (void)state;
    assert_true(sk_alloc_sweep("new", make_one, name, 0) > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),          cmocka_unit_test(tensors_are_torchvisions),
        cmocka_unit_test(what_cannot_be), cmocka_unit_test(head_is_the_last_layer),
        cmocka_unit_test(no_memory),
    };

    return cmocka_run_group_tests_name("archs", tests, NULL, NULL);
}
