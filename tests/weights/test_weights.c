/*
 * test_weights.c - files of PyTorch and safetensors against each other, kinds of files, folders.
 *
 * tests/data/weights is made by tools/make_weights_golden.py.
 */
#include "weights/weights.h"

#include "base/file.h"
#include "harness/alloc_fail.h"
#include "harness/golden.h"
#include "test_util.h"

#define FOLDER "tests/data/weights/"

static const char *const readable[] = {
    "package.safetensors",  "zip.pth",        "zip_protocol4.pth", "legacy.pth",
    "legacy_protocol4.pth", "checkpoint.pth",
};

static const char *path_of(const char *name)
{
    char path[256];

    (void)snprintf(path, sizeof path, FOLDER "%s", name);
    return sk_source_path(path);
}

static struct sk_weights *open_good(const char *path)
{
    struct sk_weights *w = NULL;
    struct sk_err err = SK_ERR_INIT;

    if (sk_weights_open(path, &w, &err) < 0)
        fail_msg("%s", err.text);
    return w;
}

/* The elements of a tensor, which takes up to 2000 bytes. */
static size_t copy_of(const struct sk_weight *t, uint8_t *out)
{
    size_t size = t->count * sk_dtype_size(t->dtype);

    assert_true(size <= 2000);
    sk_weight_copy(t, out);
    return size;
}

static void same_tensors(void **state)
{
    SK_OWN(sk_weights_free) struct sk_weights *want = open_good(path_of("state.safetensors"));

    (void)state;
    assert_int_equal(sk_weights_count(want), 26);
    assert_string_equal(sk_weights_meta(want, "origin"), "make_weights_golden.py");
    for (size_t i = 0; i < COUNT(readable); i++) {
        SK_OWN(sk_weights_free) struct sk_weights *got = open_good(path_of(readable[i]));
        assert_int_equal(sk_weights_count(got), sk_weights_count(want));
        for (size_t k = 0; k < sk_weights_count(want); k++) {
            const struct sk_weight *a = sk_weights_at(want, k), *b = sk_weights_at(got, k);
            uint8_t x[2000], y[2000];

            if (strcmp(a->name, b->name) != 0 || a->dtype != b->dtype || a->rank != b->rank ||
                memcmp(a->dims, b->dims, sizeof a->dims) != 0 || copy_of(a, x) != copy_of(b, y) ||
                memcmp(x, y, copy_of(a, x)) != 0)
                fail_msg("%s: tensor '%s' differs", readable[i], a->name);
            assert_ptr_equal(sk_weights_find(got, a->name), b);
        }
    }
}

static void formats(void **state)
{
    static const char *const formats[] = {
        "safetensors",    "pytorch zip",    "pytorch zip",
        "pytorch legacy", "pytorch legacy", "pytorch zip",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(readable); i++) {
        SK_OWN(sk_weights_free) struct sk_weights *w = open_good(path_of(readable[i]));
        assert_string_equal(sk_weights_format(w), formats[i]);
        assert_null(sk_weights_meta(w, "none"));
        assert_null(sk_weights_find(w, "none"));
    }
}

static void refused(void **state)
{
    static const struct {
        const char *path;
        enum sk_code code;
        const char *text; /* in the error */
    } rows[] = {
        { FOLDER "module.pth", SK_UNSUPPORTED, "asks for torch.nn.modules.linear.Linear, which" },
        { FOLDER "namespace.pth", SK_UNSUPPORTED, "asks for argparse.Namespace, which" },
        { FOLDER "complex.pth", SK_UNSUPPORTED, "asks for torch.ComplexFloatStorage, which" },
        { FOLDER "hostile.pth", SK_UNSUPPORTED, "asks for posix.system, which is neither known" },
        { FOLDER "hostile_legacy.pth", SK_UNSUPPORTED, "asks for posix.system, which is neither" },
        { FOLDER "tensor.pth", SK_UNSUPPORTED, "torch.save(model.state_dict(), FILE)" },
        { FOLDER "none.pth", SK_NOT_FOUND, "none.pth" },
        { FOLDER, SK_NOT_FOUND, "has no model.safetensors" },
        { "tests/data/models", SK_UNSUPPORTED, "batch norm folded" },
        { "tests/data/models/scores.onnx", SK_UNSUPPORTED, "use model.safetensors" },
        { "tests/data/models/external.onnx", SK_UNSUPPORTED, "use model.safetensors" },
        { "meson.build", SK_CORRUPT, "neither safetensors nor a PyTorch file" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_OWN(sk_weights_free) struct sk_weights *w = NULL;
        struct sk_err err = SK_ERR_INIT;
        if (sk_weights_open(sk_source_path(rows[i].path), &w, &err) == 0 ||
            err.code != rows[i].code || !strstr(err.text, rows[i].text))
            fail_msg("%s: %s: %s", rows[i].path, sk_code_name(err.code), err.text);
    }
    assert_false(sk_is_file("/tmp/skerry-was-here")); /* what the hostile ones would have made */
}

static void folders(void **state)
{
    static const struct sk_weight_out tensor = { .name = "a", .dtype = SK_DT_U8, .data = "1" };
    char *dir = sk_test_dir();
    SK_OWN(free) char *file = sk_path_join(dir, "model.safetensors");
    SK_OWN(free) char *onnx = sk_path_join(dir, "model.onnx");
    SK_OWN(sk_weights_free) struct sk_weights *w = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_file_write(onnx, "", 0, 0600, &err), 0);
    assert_int_equal(sk_weights_open(dir, &w, &err), -1);
    assert_int_equal(err.code, SK_UNSUPPORTED);
    assert_int_equal(sk_weights_open(onnx, &w, &err), -1); /* a name is hint enough */
    assert_int_equal(err.code, SK_UNSUPPORTED);
    assert_int_equal(sk_weights_write(file, &tensor, 1, NULL, &err), 0);
    assert_int_equal(sk_weights_open(dir, &w, &err), 0);
    assert_int_equal(sk_weights_count(w), 1);
    sk_test_dir_free(dir);
}

static char *read_golden(const char *name, size_t *len)
{
    struct sk_err err = SK_ERR_INIT;
    char *bytes = NULL;

    if (sk_file_read(path_of(name), 1 << 20, &bytes, len, &err) < 0)
        fail_msg("%s", err.text);
    return bytes;
}

/* Opens a copy of exactly the bytes and reads all that is in it. */
static int read_all(const char *bytes, size_t len, struct sk_err *err)
{
    SK_OWN(free) uint8_t *copy = exact_copy(bytes, len);
    SK_OWN(sk_weights_free) struct sk_weights *w = NULL;

    if (sk_weights_open_bytes(copy, len, &w, err) < 0)
        return -1;
    for (size_t i = 0; i < sk_weights_count(w); i++) {
        const struct sk_weight *t = sk_weights_at(w, i);
        size_t size = t->count * sk_dtype_size(t->dtype);
        SK_OWN(free) uint8_t *out = size < 1 << 20 ? malloc(size + 1) : NULL;
        if (out)
            sk_weight_copy(t, out);
    }
    return 0;
}

static void cut_off(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(readable); i++) {
        size_t len = 0;
        SK_OWN(free) char *bytes = read_golden(readable[i], &len);
        for (size_t cut = 0; cut < len; cut++) {
            struct sk_err err = SK_ERR_INIT;
            if (read_all(bytes, cut, &err) == 0 || err.code != SK_CORRUPT)
                fail_msg("%s cut off at %zu: %s", readable[i], cut, err.text);
        }
    }
}

static void changed(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(readable); i++) {
        size_t len = 0;
        SK_OWN(free) char *bytes = read_golden(readable[i], &len);
        for (size_t at = 0; at < len; at++) {
            struct sk_err err = SK_ERR_INIT;
            bytes[at] = (char)~bytes[at];
            if (read_all(bytes, len, &err) < 0)
                assert_int_not_equal(err.text[0], 0);
            bytes[at] = (char)~bytes[at];
        }
    }
}

static int open_it(void *ctx, struct sk_err *err)
{
    SK_OWN(sk_weights_free) struct sk_weights *w = NULL;

    return sk_weights_open(ctx, &w, err);
}

static void no_memory(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(readable); i++) {
        char path[1024];
        (void)snprintf(path, sizeof path, "%s", path_of(readable[i]));
        assert_true(sk_alloc_sweep(readable[i], open_it, path, 0) > 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_tensors), cmocka_unit_test(formats), cmocka_unit_test(refused),
        cmocka_unit_test(folders),      cmocka_unit_test(cut_off), cmocka_unit_test(changed),
        cmocka_unit_test(no_memory),
    };

    return cmocka_run_group_tests_name("weights", tests, NULL, NULL);
}
