/*
 * arch_tool.c - for tests/it/test_arch.py: a network with weights by formula, what it says to a
 * batch of pictures, and its files.
 *
 *     arch_tool NAME CLASSES SIDE SEED BATCH FOLDER
 *
 * Writes into FOLDER: model.onnx, model.safetensors, pictures.f32, scores.f32 (bytes of floats).
 */
#include "arch_test.h"

#include "base/str.h"

static void write_floats(const char *folder, const char *name, const float *values, size_t count)
{
    SK_OWN(free) char *path = sk_path_join(folder, name);
    struct sk_err err = SK_ERR_INIT;

    if (!path || sk_file_write(path, values, count * sizeof *values, 0644, &err) < 0)
        exit(1);
}

static unsigned number(const char *text)
{
    struct sk_err err = SK_ERR_INIT;
    uint64_t value;

    if (sk_parse_u64("number", text, 0, 1000000, &value, &err) < 0)
        exit(2);
    return (unsigned)value;
}

int main(int argc, char **argv)
{
    const struct sk_arch *arch = argc == 7 ? sk_arch_find(argv[1]) : NULL;

    if (!arch)
        return 2;
    unsigned classes = number(argv[2]), side = number(argv[3]), batch = number(argv[5]);
    const char *const meta[] = { "architecture", arch->name, NULL };
    size_t count = (size_t)batch * 3 * side * side;
    SK_OWN(sk_nn_free) struct sk_nn *n = new_network(arch->name, classes, side, 0);
    SK_OWN(free) float *pictures = malloc(count * sizeof *pictures);
    SK_OWN(free) float *scores = malloc((size_t)batch * classes * sizeof *scores);
    SK_OWN(free) char *onnx = sk_path_join(argv[6], "model.onnx");
    SK_OWN(free) char *weights = sk_path_join(argv[6], "model.safetensors");
    struct sk_err err = SK_ERR_INIT;

    if (!pictures || !scores || !onnx || !weights)
        return 1;
    formula_fill(n, number(argv[4]));
    formula_pictures(pictures, batch, side, number(argv[4]));
    infer(n, batch, pictures, scores);
    write_floats(argv[6], "pictures.f32", pictures, count);
    write_floats(argv[6], "scores.f32", scores, (size_t)batch * classes);
    if (sk_arch_export_onnx(n, arch->name, meta, onnx, &err) < 0 ||
        sk_arch_save(arch, n, NULL, NULL, 5, weights, &err) < 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    return 0;
}
