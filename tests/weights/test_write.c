/* test_write.c - what was written is read again; what cannot be read is not written; full disks. */
#include "base/file.h"
#include "harness/alloc_fail.h"
#include "harness/golden.h"
#include "test_util.h"
#include "weights/weights.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static int set_up(void **state)
{
    *state = sk_test_dir();
    return 0;
}

static int tear_down(void **state)
{
    sk_test_dir_free(*state);
    return 0;
}

/* A name inside the folder of the test; overwritten by the next call. */
static const char *in(void **state, const char *name)
{
    static char path[512];

    (void)snprintf(path, sizeof path, "%s/%s", (const char *)*state, name);
    return path;
}

static const uint8_t bytes[64] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

/* Sizes that would leave later ones unaligned, were they laid out as they stand. */
static const struct sk_weight_out mixed[] = {
    { .name = "bytes", .dtype = SK_DT_U8, .rank = 1, .dims = { 3 }, .data = bytes },
    { .name = "ä\"\n", .dtype = SK_DT_F32, .rank = 2, .dims = { 1, 3 }, .data = bytes + 1 },
    { .name = "count", .dtype = SK_DT_I64, .rank = 0, .data = bytes },
    { .name = "empty", .dtype = SK_DT_F32, .rank = 2, .dims = { 0, 3 }, .data = NULL },
    { .name = "half", .dtype = SK_DT_BF16, .rank = 1, .dims = { 1 }, .data = bytes },
    { .name = "other", .dtype = SK_DT_F64, .rank = 1, .dims = { 2 }, .data = bytes },
    { .name = "",
      .dtype = SK_DT_BOOL,
      .rank = 8,
      .dims = { 1, 1, 1, 1, 1, 1, 1, 2 },
      .data = bytes },
};

static void round_trip(void **state)
{
    static const char *const meta[] = { "format", "pt", "q\"", "\t", NULL };
    SK_OWN(sk_weights_free) struct sk_weights *w = NULL;
    struct sk_err err = SK_ERR_INIT;
    const char *path = in(state, "m.safetensors");
    struct stat st;

    assert_int_equal(sk_weights_write(path, mixed, COUNT(mixed), meta, &err), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
    if (sk_weights_open(path, &w, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(sk_weights_count(w), COUNT(mixed));
    for (size_t i = 0; i < COUNT(mixed); i++) {
        const struct sk_weight *t = sk_weights_find(w, mixed[i].name);
        size_t size = sk_dtype_size(mixed[i].dtype);
        assert_non_null(t);
        assert_int_equal(t->dtype, mixed[i].dtype);
        assert_int_equal(t->rank, mixed[i].rank);
        assert_memory_equal(t->dims, mixed[i].dims, sizeof t->dims);
        assert_int_equal((uintptr_t)t->data % size, 0);
        if (t->count > 0)
            assert_memory_equal(t->data, mixed[i].data, t->count * size);
    }
    assert_string_equal(sk_weights_meta(w, "format"), "pt");
    assert_string_equal(sk_weights_meta(w, "q\""), "\t");
}

static void nothing(void **state)
{
    SK_OWN(sk_weights_free) struct sk_weights *w = NULL;
    static const char *const meta[] = { NULL };
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_weights_write(in(state, "m"), NULL, 0, NULL, &err), 0);
    assert_int_equal(sk_weights_open(in(state, "m"), &w, &err), 0);
    assert_int_equal(sk_weights_count(w), 0);
    assert_int_equal(sk_weights_write(in(state, "m"), mixed, 1, meta, &err), 0);
}

static void refused(void **state)
{
    char long_name[SK_WEIGHTS_MAX_NAME + 2];
    const struct sk_weight_out good = { .name = "a", .dtype = SK_DT_U8, .data = bytes };

    const struct {
        const char *name;
        struct sk_weight_out tensor; /* beside good */
        enum sk_code code;
    } rows[] = {
        { "same name", { .name = "a", .dtype = SK_DT_U8, .data = bytes }, SK_INVALID },
        { "metadata", { .name = "__metadata__", .dtype = SK_DT_U8, .data = bytes }, SK_INVALID },
        { "not a text", { .name = "\xff", .dtype = SK_DT_U8, .data = bytes }, SK_INVALID },
        { "long name", { .name = long_name, .dtype = SK_DT_U8, .data = bytes }, SK_INVALID },
        { "texts", { .name = "b", .dtype = SK_DT_BYTES, .data = bytes }, SK_UNSUPPORTED },
        { "no type", { .name = "b", .dtype = SK_DT_COUNT, .data = bytes }, SK_UNSUPPORTED },
        { "rank", { .name = "b", .dtype = SK_DT_U8, .rank = 9, .data = bytes }, SK_UNSUPPORTED },
        { "negative",
          { .name = "b", .dtype = SK_DT_U8, .rank = 1, .dims = { -1 }, .data = bytes },
          SK_CORRUPT },
    };

    (void)snprintf(long_name, sizeof long_name, "%0*d", SK_WEIGHTS_MAX_NAME + 1, 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct sk_weight_out tensors[] = { good, rows[i].tensor };
        struct sk_err err = SK_ERR_INIT;
        if (sk_weights_write(in(state, "m"), tensors, 2, NULL, &err) == 0 ||
            err.code != rows[i].code)
            fail_msg("row '%s': %s", rows[i].name, err.text);
        assert_false(sk_is_file(in(state, "m")));
    }
}

/* A bound on the size of files stands for a full disk. Whatever fits of the new file, the old one
 * stays and nothing lies beside it. */
static void full_disk(void **state)
{
    static const rlim_t bounds[] = { 0, 7, 100, 2000, 5000 };
    SK_OWN(free) uint8_t *data = calloc(1, 5000);
    const struct sk_weight_out old = { .name = "old", .dtype = SK_DT_U8, .data = bytes };
    const struct sk_weight_out new[] = {
        { .name = "a", .dtype = SK_DT_U8, .rank = 1, .dims = { 1000 }, .data = data },
        { .name = "b", .dtype = SK_DT_U8, .rank = 1, .dims = { 5000 }, .data = data },
    };
    struct sk_err err = SK_ERR_INIT;
    struct rlimit before;

    assert_non_null(data);
    assert_int_equal(sk_weights_write(in(state, "m"), &old, 1, NULL, &err), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    for (size_t i = 0; i < COUNT(bounds); i++) {
        SK_OWN(sk_weights_free) struct sk_weights *w = NULL;
        SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
        const struct rlimit tight = { bounds[i], before.rlim_max };

        err = (struct sk_err)SK_ERR_INIT;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
        int rc = sk_weights_write(in(state, "m"), new, 2, NULL, &err);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(rc, -1);
        assert_int_equal(err.code, SK_IO);
        assert_int_equal(sk_dir_read(*state, &dir, &err), 0);
        assert_int_equal(dir.count, 1);
        assert_int_equal(sk_weights_open(in(state, "m"), &w, &err), 0);
        assert_non_null(sk_weights_find(w, "old"));
    }
    (void)signal(SIGXFSZ, handler);
    assert_int_equal(sk_weights_write(in(state, "none/m"), new, 2, NULL, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
}

static int write_it(void *ctx, struct sk_err *err)
{
    static const char *const meta[] = { "format", "pt", NULL };

    return sk_weights_write(ctx, mixed, COUNT(mixed), meta, err);
}

static void no_memory(void **state)
{
    char path[512];

    (void)snprintf(path, sizeof path, "%s/m", (const char *)*state);
    assert_true(sk_alloc_sweep("write", write_it, path, 0) >= 4);
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(round_trip), ROW(nothing), ROW(refused), ROW(full_disk), ROW(no_memory),
    };

    return cmocka_run_group_tests_name("write", tests, NULL, NULL);
}
