/* test_ort_net.c - loading models: what they say about their tensors, what is refused, and the
 * cached graph. */
#include "engine/engine.h"

#include "base/str.h"
#include "crypto/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "chain.h"
#include "harness/alloc_fail.h"
#include "ort_fixture.h"

static void tensors_are_described(void **state)
{
    static const struct {
        const char *model;
        bool is_output;
        size_t index;
        const char *name;
        enum sk_dtype dtype;
        unsigned rank;
        int64_t dims[4];
    } rows[] = {
        { "scores", false, 0, "input", SK_DT_F32, 4, { -1, 3, 4, 4 } },
        { "scores", true, 0, "scores", SK_DT_F32, 2, { -1, 2 } },
        { "shapes", false, 1, "s", SK_DT_F32, 0, { 0 } },
        { "shapes", true, 0, "nonzero", SK_DT_I64, 2, { 1, -1 } },
        { "shapes", true, 2, "scaled", SK_DT_F32, 1, { -1 } },
        { "sequence", true, 1, "parts", SK_DT_COUNT, 0, { 0 } },
        { "types", true, 10, "out_bf16", SK_DT_BF16, 1, { -1 } },
        { "external", false, 0, "x", SK_DT_F32, 1, { 4 } },
        { "old_inputs", false, 0, "x", SK_DT_F32, 1, { 2 } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_OWN(sk_net_free) struct sk_net *net = load_net(rows[i].model);
        const struct sk_net_info *info = sk_net_info(net);
        const struct sk_tensor_info *t = rows[i].is_output ? &info->outputs[rows[i].index]
                                                           : &info->inputs[rows[i].index];

        assert_string_equal(info->platform, "onnxruntime_onnx");
        assert_string_equal(t->name, rows[i].name);
        assert_int_equal(t->dtype, rows[i].dtype);
        assert_int_equal(t->rank, rows[i].rank);
        assert_memory_equal(t->dims, rows[i].dims, t->rank * sizeof(t->dims[0]));
        assert_true(info->load_ns > 0);
        assert_false(info->from_cache);
    }
    {
        SK_OWN(sk_net_free) struct sk_net *net = load_net("old_inputs");

        assert_int_equal(sk_net_info(net)->input_count, 1);
    }
}

static void bad_models_are_refused(void **state)
{
    static const struct {
        const char *path, *text;
        enum sk_code code;
    } rows[] = {
        { "tests/data/models/unknown_op.onnx", "Frobnicate", SK_CORRUPT },
        { "tests/data/models/external.bin", "not a sound ONNX model", SK_CORRUPT },
        { "tests/data/README.md", "not a sound ONNX model", SK_CORRUPT },
        { "tests/data/models/missing.onnx", "missing.onnx", SK_NOT_FOUND },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_net *net = NULL;

        if (sk_net_load(engine, sk_source_path(rows[i].path), NULL, &net, &err) == 0)
            fail_msg("row '%s': loaded", rows[i].path);
        if (err.code != rows[i].code || !strstr(err.text, rows[i].text))
            fail_msg("row '%s': %s", rows[i].path, err.text);
    }
}

/* ---- the cached graph ---- */

enum {
    OUT_BYTES = CHAIN_CHANNELS * CHAIN_SIDE * CHAIN_CLASSES * 4
};

/* One run with fixed inputs; the bytes of y into out. */
static int run_chain(struct sk_net *net, bool wide, unsigned char *out, struct sk_err *err)
{
    SK_OWN(sk_run_free) struct sk_run *run = NULL;
    struct sk_tensor in = { .dtype = SK_DT_F32,
                            .rank = 4,
                            .dims = { 1, CHAIN_CHANNELS, CHAIN_SIDE, CHAIN_SIDE } };
    const struct sk_tensor *y;
    float *x;

    in.size_bytes = sk_tensor_elements(&in) * 4;
    if (sk_run_new(net, &run, err) < 0)
        return -1;
    in.data = x = sk_run_input_buffer(run, 0, in.size_bytes, err);
    if (!x)
        return -1;
    for (size_t i = 0; i < in.size_bytes / 4; i++)
        x[i] = (float)(i % 17) / 8.0f - 1.0f;
    if (sk_run_exec(run, &in, NULL, wide, &y, NULL, err) < 0)
        return -1;
    assert_int_equal(y[0].size_bytes, OUT_BYTES);
    memcpy(out, y[0].data, OUT_BYTES);
    return 0;
}

struct chain_case {
    char *folder, *path;
    char digest[SK_SHA256_HEX];
};

static struct chain_case chain;

static int make_chain(void **state)
{
    struct sk_err err = SK_ERR_INIT;

    chain.folder = sk_test_dir();
    chain.path = sk_path_join(chain.folder, "chain.onnx");
    return open_engine(state) < 0 || chain_write(chain.path, 8) < 0 ||
                   sk_sha256_file(chain.path, chain.digest, &err) < 0
               ? -1
               : 0;
}

static int drop_chain(void **state)
{
    sk_test_dir_free(chain.folder);
    free(chain.path);
    return close_engine(state);
}

static struct sk_net *load_chain(const char *digest)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_net *net = NULL;

    if (sk_net_load(engine, chain.path, digest, &net, &err) < 0)
        fail_msg("%s", err.text);
    return net;
}

static void want_same_results(struct sk_net *a, struct sk_net *b, const char *row)
{
    static unsigned char first[OUT_BYTES], second[OUT_BYTES];
    struct sk_err err = SK_ERR_INIT;

    for (int wide = 0; wide < 2; wide++) {
        if (run_chain(a, wide, first, &err) < 0 || run_chain(b, wide, second, &err) < 0)
            fail_msg("row '%s': %s", row, err.text);
        if (memcmp(first, second, OUT_BYTES) != 0)
            fail_msg("row '%s': other results, wide = %d", row, wide);
    }
}

/* The only entry in the cache; malloc'd. */
static char *entry_file(const char *name)
{
    SK_AUTO(free_cleanup) char *graphs = sk_path_join(cache_folder, "graphs");
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
    SK_AUTO(free_cleanup) char *entry = NULL;
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_dir_read(graphs, &dir, &err), 0);
    assert_int_equal(dir.count, 1);
    entry = sk_path_join(graphs, dir.names[0]);
    return sk_path_join(entry, name);
}

/* [engine-22] */
static void the_cached_graph_gives_the_same_bits(void **state)
{
    SK_OWN(sk_net_free) struct sk_net *direct = load_chain(NULL);
    SK_OWN(sk_net_free) struct sk_net *cold = load_chain(chain.digest);
    SK_OWN(sk_net_free) struct sk_net *warm = load_chain(chain.digest);
    SK_AUTO(free_cleanup) char *weights = entry_file("weights.bin");
    struct stat st;

    (void)state;
    assert_false(sk_net_info(direct)->from_cache);
    assert_false(sk_net_info(cold)->from_cache);
    assert_true(sk_net_info(warm)->from_cache);
    assert_string_equal(sk_net_info(warm)->inputs[0].name, "x");
    assert_int_equal(sk_net_info(warm)->inputs[0].dims[0], -1);
    want_same_results(direct, cold, "cold");
    want_same_results(direct, warm, "warm");
    assert_int_equal(stat(weights, &st), 0);
    assert_true(st.st_size > 8 * CHAIN_CHANNELS * CHAIN_CHANNELS * 9 * 4 - 1);
}

/* [engine-23] Whatever happens to the files of an entry: the model loads, with the same results,
 * and the next time from the cache again. */
static void a_damaged_entry_is_made_again(void **state)
{
    static const struct {
        const char *name, *file;
        int how; /* 0: cut, 1: remove, 2: overwrite the middle, 3: empty */
    } rows[] = {
        { "graph cut", "model.onnx", 0 },      { "graph gone", "model.onnx", 1 },
        { "graph changed", "model.onnx", 2 },  { "weights cut", "weights.bin", 0 },
        { "weights gone", "weights.bin", 1 },  { "weights changed", "weights.bin", 2 },
        { "weights empty", "weights.bin", 3 }, { "manifest gone", "manifest", 1 },
        { "manifest cut", "manifest", 0 },     { "manifest empty", "manifest", 3 },
    };
    SK_OWN(sk_net_free) struct sk_net *direct = load_chain(NULL);

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SK_AUTO(free_cleanup) char *file = entry_file(rows[i].file);
        SK_OWN(sk_net_free) struct sk_net *again = NULL;
        SK_OWN(sk_net_free) struct sk_net *warm = NULL;
        struct stat st;
        FILE *f;

        assert_int_equal(stat(file, &st), 0);
        if (rows[i].how == 0 || rows[i].how == 3)
            assert_int_equal(truncate(file, rows[i].how == 3 ? 0 : st.st_size / 2), 0);
        else if (rows[i].how == 1)
            assert_int_equal(unlink(file), 0);
        else {
            f = fopen(file, "r+");
            assert_non_null(f);
            assert_int_equal(fseek(f, (long)st.st_size / 2, SEEK_SET), 0);
            assert_int_equal(fwrite("damage", 1, 6, f), 6);
            assert_int_equal(fclose(f), 0);
        }
        again = load_chain(chain.digest);
        if (sk_net_info(again)->from_cache)
            fail_msg("row '%s': the entry was trusted", rows[i].name);
        want_same_results(direct, again, rows[i].name);
        warm = load_chain(chain.digest);
        if (!sk_net_info(warm)->from_cache)
            fail_msg("row '%s': not made again", rows[i].name);
    }
}

/* [engine-25] */
static void without_a_cache_folder_it_loads_directly(void **state)
{
    SK_AUTO(free_cleanup) char *file = sk_path_join(chain.folder, "file");
    SK_AUTO(free_cleanup) char *below = sk_path_join(file, "cache");
    SK_OWN(sk_net_free) struct sk_net *direct = load_chain(NULL);
    SK_OWN(sk_net_free) struct sk_net *net = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_file_write(file, "x", 1, 0600, &err), 0);
    assert_int_equal(setenv("SKERRY_CACHE_DIR", below, 1), 0); /* below a file: cannot be made, even
                                                                  by root */
    net = load_chain(chain.digest);
    assert_false(sk_net_info(net)->from_cache);
    want_same_results(direct, net, "no cache");
    assert_int_equal(setenv("SKERRY_CACHE_DIR", cache_folder, 1), 0);
}

/* [engine-26] A digest of other contents: nothing is kept under it, and the model is not loaded. */
static void a_changed_model_is_not_kept(void **state)
{
    static const char *const models[] = { "large", "small" };
    char digest[SK_SHA256_HEX];

    (void)state;
    memcpy(digest, chain.digest, sizeof(digest));
    digest[0] = digest[0] == '0' ? '1' : '0';
    for (int i = 0; i < 2; i++) {
        struct sk_net *net = NULL;
        struct sk_err err = SK_ERR_INIT;
        const char *path = i == 0 ? chain.path : sk_source_path("tests/data/models/scores.onnx");
        SK_AUTO(free_cleanup) char *entry = NULL;

        if (sk_net_load(engine, path, digest, &net, &err) == 0)
            fail_msg("row '%s': loaded", models[i]);
        assert_int_equal(err.code, SK_CORRUPT);
        assert_non_null(strstr(err.text, "changed while it was being loaded"));
        entry = entry_file("manifest"); /* asserts that the one entry is that of the tests before */
        assert_non_null(entry);
    }
}

static int load_cached(void *ctx, struct sk_err *err)
{
    SK_OWN(sk_net_free) struct sk_net *net = NULL;

    (void)ctx;
    return sk_net_load(engine, chain.path, chain.digest, &net, err);
}

static void memory_may_run_out(void **state)
{
    (void)state;
    assert_true(sk_alloc_sweep("load", load_cached, NULL, SK_ALLOC_MAY_SURVIVE) > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_are_described),
        cmocka_unit_test(bad_models_are_refused),
        cmocka_unit_test(the_cached_graph_gives_the_same_bits),
        cmocka_unit_test(a_damaged_entry_is_made_again),
        cmocka_unit_test(without_a_cache_folder_it_loads_directly),
        cmocka_unit_test(a_changed_model_is_not_kept),
        cmocka_unit_test(memory_may_run_out),
    };

    return cmocka_run_group_tests(tests, make_chain, drop_chain);
}
