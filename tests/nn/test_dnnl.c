/* test_dnnl.c - finding the library, its threads, its matrix product. */
#include "nn/reference.h"

#include <sys/wait.h>

static void test_start(void **state)
{
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(net_start(NULL), 0);
    assert_int_equal(sk_dn_start(&err), 0); /* again */
    assert_true(strncmp(sk_nn_engine_name(), "oneDNN ", 7) == 0);
    assert_int_equal(sk_nn_threads(), 2);
    assert_int_equal(sk_nn_start(0, &err), 0);
    assert_true(sk_nn_threads() >= 1);
    assert_int_equal(sk_nn_start(2, &err), 0);
}

/* In a process of its own, before any library is loaded: exit status 0 when the error is right. */
static int start_with(const char *path, const char *expected)
{
    int status = 1;
    pid_t child = fork();

    if (child == 0) {
        struct sk_err err = SK_ERR_INIT;
        bool is_right;

        (void)setenv("SKERRY_ONEDNN", path, 1);
        is_right = sk_nn_start(1, &err) < 0 && err.code == SK_UNSUPPORTED &&
                   strstr(err.text, expected);
        if (!is_right)
            print_error("%s: %s\n", path, err.text);
        _exit(is_right && !sk_nn_has_bf16() ? 0 : 1);
    }
    (void)waitpid(child, &status, 0);
    return status;
}

static void test_no_library(void **state)
{
    (void)state;
    assert_int_equal(start_with("/nowhere/libdnnl.so", "training needs oneDNN: install it"), 0);
    assert_int_equal(start_with("libm.so.6", "has no function dnnl_version"), 0);
}

static void mark_thread(void *ctx, unsigned index, unsigned threads)
{
    unsigned *seen = ctx;

    seen[index] += threads;
}

static void test_threads(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= 4; threads++) {
        unsigned seen[5] = { 0 };

        sk_dn_parallel(threads, mark_thread, seen);
        for (unsigned i = 0; i < 5; i++)
            assert_int_equal(seen[i], i < threads ? threads : 0);
    }
}

static void test_sgemm(void **state)
{
    (void)state;
    for (int form = 0; form < 8; form++) {
        enum {
            M = 3,
            N = 5,
            K = 4
        };

        float a[M * K], b[K * N], c[M * N];
        struct sk_dn_gemm g = { .m = M,
                                .n = N,
                                .k = K,
                                .a = a,
                                .b = b,
                                .c = c,
                                .a_transposed = form & 1,
                                .b_transposed = form & 2,
                                .beta = form & 4 ? 1.0f : 0.0f };
        struct sk_err err = SK_ERR_INIT;

        for (int i = 0; i < M * K; i++)
            a[i] = (float)(i % 7) - 3;
        for (int i = 0; i < K * N; i++)
            b[i] = (float)(i % 5) - 2;
        for (int i = 0; i < M * N; i++)
            c[i] = 100;
        assert_int_equal(sk_dn_sgemm(&g, &err), 0);
        for (int i = 0; i < M; i++) {
            for (int j = 0; j < N; j++) {
                float want = form & 4 ? 100 : 0;

                for (int k = 0; k < K; k++)
                    want += a[g.a_transposed ? k * M + i : i * K + k] *
                            b[g.b_transposed ? j * K + k : k * N + j];
                assert_true(c[i * N + j] == want);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_library), /* first: it wants a process without the library */
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_sgemm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
