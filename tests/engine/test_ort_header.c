/*
 * test_ort_header.c - our declarations of ONNX Runtime's functions (engine/ort_api.h) against the
 * official header: each function's slot and signature, and the constants. Signatures are compared
 * by the compiler: this file does not compile when one differs.
 */
#include "engine/ort_api.h"

#include "base/dtype.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <onnxruntime_c_api.h>

#define SAME_TYPE(a, b) __builtin_types_compatible_p(__typeof__(a), __typeof__(b))

#define SIGNATURE(slot, result, name, params)                                                      \
    _Static_assert(SAME_TYPE(((OrtApi *)NULL)->name, ((struct sk_ort_api *)NULL)->name),           \
                   #name ": the signature differs from the official header");
SK_ORT_API_TABLE(SIGNATURE)
#undef SIGNATURE

_Static_assert(SAME_TYPE((OrtLoggingFunction)NULL, (sk_ort_log_fn)NULL),
               "the log function differs");
_Static_assert(SAME_TYPE(((OrtApiBase *)NULL)->GetVersionString,
                         ((struct sk_ort_api_base *)NULL)->GetVersionString),
               "GetVersionString differs");
_Static_assert(offsetof(OrtApiBase, GetApi) == offsetof(struct sk_ort_api_base, GetApi),
               "GetApi is elsewhere");
_Static_assert(offsetof(OrtApiBase, GetVersionString) ==
                   offsetof(struct sk_ort_api_base, GetVersionString),
               "GetVersionString is elsewhere");

static void slots(void **state)
{
    static const struct {
        const char *name;
        size_t ours, theirs;
    } rows[] = {

#define ROW(slot, result, name, params) { #name, (slot), offsetof(OrtApi, name) / sizeof(void *) },
        SK_ORT_API_TABLE(ROW)
#undef ROW
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].ours != rows[i].theirs)
            fail_msg("%s: slot %zu, the header has %zu", rows[i].name, rows[i].ours,
                     rows[i].theirs);
    }
}

static void constants(void **state)
{
    static const struct {
        const char *name;
        int ours, theirs;
    } rows[] = { { "warning", SK_ORT_LOG_WARNING, ORT_LOGGING_LEVEL_WARNING },
                 { "no such file", SK_ORT_NO_SUCHFILE, ORT_NO_SUCHFILE },
                 { "sequential", SK_ORT_SEQUENTIAL, ORT_SEQUENTIAL },
                 { "no optimisation", SK_ORT_DISABLE_ALL, ORT_DISABLE_ALL },
                 { "all optimisations", SK_ORT_ENABLE_ALL, ORT_ENABLE_ALL },
                 { "device allocator", SK_ORT_DEVICE_ALLOCATOR, OrtDeviceAllocator },
                 { "default memory", SK_ORT_MEM_DEFAULT, OrtMemTypeDefault },
                 { "tensor", SK_ORT_TYPE_TENSOR, ONNX_TYPE_TENSOR },

#define ROW(dtype, number, name) { #name, number, ONNX_TENSOR_ELEMENT_DATA_TYPE_##name },
                 SK_ORT_DTYPE_TABLE(ROW)
#undef ROW
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].ours != rows[i].theirs)
            fail_msg("%s: %d, the header has %d", rows[i].name, rows[i].ours, rows[i].theirs);
    }
}

/* Every type of ours has one of theirs. */
static void types(void **state)
{
    bool seen[SK_DT_COUNT] = { false };

    (void)state;
#define SEE(dtype, number, name) seen[dtype] = true;
    SK_ORT_DTYPE_TABLE(SEE)
#undef SEE
    for (int i = 0; i < SK_DT_COUNT; i++)
        assert_true(seen[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots),
        cmocka_unit_test(constants),
        cmocka_unit_test(types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
