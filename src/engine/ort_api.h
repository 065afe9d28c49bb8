/*
 * ort_api.h - the part of ONNX Runtime's C interface that we use, declared by ourselves.
 *
 * The library exports one function, OrtGetApiBase; it gives a table of function pointers that grows
 * at the end only, so a function's slot never changes (onnxruntime_c_api.h, "OrtApi"). We ask for
 * version 17, which every library from 1.17 on has, and copy the rows below into a structure of our
 * own. No header of the library is needed to build, and a user can swap the library without a
 * rebuild. tests/engine/test_ort_header.c compares slots, signatures and constants with the
 * official header.
 *
 * Enumerations are declared as the integers that GCC and Clang use for them.
 */
#ifndef SK_ENGINE_ORT_API_H
#define SK_ENGINE_ORT_API_H

#include <stddef.h>
#include <stdint.h>

enum {
    SK_ORT_API_VERSION = 17
};

struct OrtAllocator;
struct OrtCUDAProviderOptionsV2;
struct OrtEnv;
struct OrtMemoryInfo;
struct OrtRunOptions;
struct OrtSession;
struct OrtSessionOptions;
struct OrtStatus;
struct OrtTensorTypeAndShapeInfo;
struct OrtTypeInfo;
struct OrtValue;

typedef void (*sk_ort_log_fn)(void *ctx, unsigned severity, const char *category,
                              const char *log_id, const char *location, const char *message);
typedef void (*sk_ort_slot)(void); /* of no particular type */

/* slot, result, name, parameters */
#define SK_ORT_API_TABLE(X)                                                                        \
    X(1, unsigned, GetErrorCode, (const struct OrtStatus *))                                       \
    X(2, const char *, GetErrorMessage, (const struct OrtStatus *))                                \
    X(4, struct OrtStatus *, CreateEnvWithCustomLogger,                                            \
      (sk_ort_log_fn, void *ctx, unsigned severity, const char *log_id, struct OrtEnv **))         \
    X(6, struct OrtStatus *, DisableTelemetryEvents, (const struct OrtEnv *))                      \
    X(7, struct OrtStatus *, CreateSession,                                                        \
      (const struct OrtEnv *, const char *path, const struct OrtSessionOptions *,                  \
       struct OrtSession **))                                                                      \
    X(8, struct OrtStatus *, CreateSessionFromArray,                                               \
      (const struct OrtEnv *, const void *, size_t, const struct OrtSessionOptions *,              \
       struct OrtSession **))                                                                      \
    X(9, struct OrtStatus *, Run,                                                                  \
      (struct OrtSession *, const struct OrtRunOptions *, const char *const *in_names,             \
       const struct OrtValue *const *in, size_t in_count, const char *const *out_names,            \
       size_t out_count, struct OrtValue **out))                                                   \
    X(10, struct OrtStatus *, CreateSessionOptions, (struct OrtSessionOptions **))                 \
    X(11, struct OrtStatus *, SetOptimizedModelFilePath,                                           \
      (struct OrtSessionOptions *, const char *))                                                  \
    X(13, struct OrtStatus *, SetSessionExecutionMode,                                             \
      (struct OrtSessionOptions *, unsigned mode))                                                 \
    X(17, struct OrtStatus *, DisableMemPattern, (struct OrtSessionOptions *))                     \
    X(19, struct OrtStatus *, DisableCpuMemArena, (struct OrtSessionOptions *))                    \
    X(23, struct OrtStatus *, SetSessionGraphOptimizationLevel,                                    \
      (struct OrtSessionOptions *, unsigned level))                                                \
    X(24, struct OrtStatus *, SetIntraOpNumThreads, (struct OrtSessionOptions *, int))             \
    X(25, struct OrtStatus *, SetInterOpNumThreads, (struct OrtSessionOptions *, int))             \
    X(30, struct OrtStatus *, SessionGetInputCount, (const struct OrtSession *, size_t *))         \
    X(31, struct OrtStatus *, SessionGetOutputCount, (const struct OrtSession *, size_t *))        \
    X(33, struct OrtStatus *, SessionGetInputTypeInfo,                                             \
      (const struct OrtSession *, size_t, struct OrtTypeInfo **))                                  \
    X(34, struct OrtStatus *, SessionGetOutputTypeInfo,                                            \
      (const struct OrtSession *, size_t, struct OrtTypeInfo **))                                  \
    X(36, struct OrtStatus *, SessionGetInputName,                                                 \
      (const struct OrtSession *, size_t, struct OrtAllocator *, char **))                         \
    X(37, struct OrtStatus *, SessionGetOutputName,                                                \
      (const struct OrtSession *, size_t, struct OrtAllocator *, char **))                         \
    X(39, struct OrtStatus *, CreateRunOptions, (struct OrtRunOptions **))                         \
    X(46, struct OrtStatus *, RunOptionsSetTerminate, (struct OrtRunOptions *))                    \
    X(47, struct OrtStatus *, RunOptionsUnsetTerminate, (struct OrtRunOptions *))                  \
    X(48, struct OrtStatus *, CreateTensorAsOrtValue,                                              \
      (struct OrtAllocator *, const int64_t *, size_t, unsigned type, struct OrtValue **))         \
    X(49, struct OrtStatus *, CreateTensorWithDataAsOrtValue,                                      \
      (const struct OrtMemoryInfo *, void *, size_t, const int64_t *, size_t, unsigned type,       \
       struct OrtValue **))                                                                        \
    X(51, struct OrtStatus *, GetTensorMutableData, (struct OrtValue *, void **))                  \
    X(53, struct OrtStatus *, GetStringTensorDataLength, (const struct OrtValue *, size_t *))      \
    X(54, struct OrtStatus *, GetStringTensorContent,                                              \
      (const struct OrtValue *, void *, size_t, size_t *, size_t))                                 \
    X(55, struct OrtStatus *, CastTypeInfoToTensorInfo,                                            \
      (const struct OrtTypeInfo *, const struct OrtTensorTypeAndShapeInfo **))                     \
    X(56, struct OrtStatus *, GetOnnxTypeFromTypeInfo, (const struct OrtTypeInfo *, unsigned *))   \
    X(60, struct OrtStatus *, GetTensorElementType,                                                \
      (const struct OrtTensorTypeAndShapeInfo *, unsigned *))                                      \
    X(61, struct OrtStatus *, GetDimensionsCount,                                                  \
      (const struct OrtTensorTypeAndShapeInfo *, size_t *))                                        \
    X(62, struct OrtStatus *, GetDimensions,                                                       \
      (const struct OrtTensorTypeAndShapeInfo *, int64_t *, size_t))                               \
    X(63, struct OrtStatus *, GetSymbolicDimensions,                                               \
      (const struct OrtTensorTypeAndShapeInfo *, const char **, size_t))                           \
    X(65, struct OrtStatus *, GetTensorTypeAndShape,                                               \
      (const struct OrtValue *, struct OrtTensorTypeAndShapeInfo **))                              \
    X(69, struct OrtStatus *, CreateCpuMemoryInfo,                                                 \
      (int allocator_type, int mem_type, struct OrtMemoryInfo **))                                 \
    X(76, struct OrtStatus *, AllocatorFree, (struct OrtAllocator *, void *))                      \
    X(78, struct OrtStatus *, GetAllocatorWithDefaultOptions, (struct OrtAllocator **))            \
    X(92, void, ReleaseEnv, (struct OrtEnv *))                                                     \
    X(93, void, ReleaseStatus, (struct OrtStatus *))                                               \
    X(94, void, ReleaseMemoryInfo, (struct OrtMemoryInfo *))                                       \
    X(95, void, ReleaseSession, (struct OrtSession *))                                             \
    X(96, void, ReleaseValue, (struct OrtValue *))                                                 \
    X(97, void, ReleaseRunOptions, (struct OrtRunOptions *))                                       \
    X(98, void, ReleaseTypeInfo, (struct OrtTypeInfo *))                                           \
    X(99, void, ReleaseTensorTypeAndShapeInfo, (struct OrtTensorTypeAndShapeInfo *))               \
    X(100, void, ReleaseSessionOptions, (struct OrtSessionOptions *))                              \
    X(125, struct OrtStatus *, GetAvailableProviders, (char ***, int *))                           \
    X(126, struct OrtStatus *, ReleaseAvailableProviders, (char **, int))                          \
    X(130, struct OrtStatus *, AddSessionConfigEntry,                                              \
      (struct OrtSessionOptions *, const char *, const char *))                                    \
    X(204, struct OrtStatus *, SessionOptionsAppendExecutionProvider_CUDA_V2,                      \
      (struct OrtSessionOptions *, const struct OrtCUDAProviderOptionsV2 *))                       \
    X(205, struct OrtStatus *, CreateCUDAProviderOptions, (struct OrtCUDAProviderOptionsV2 **))    \
    X(208, void, ReleaseCUDAProviderOptions, (struct OrtCUDAProviderOptionsV2 *))                  \
    X(252, struct OrtStatus *, GetResizedStringTensorElementBuffer,                                \
      (struct OrtValue *, size_t, size_t, char **))                                                \
    X(254, const char *, GetBuildInfoString, (void))

struct sk_ort_api {
#define SK_ORT_API_FIELD(slot, result, name, params) result(*name) params;
    SK_ORT_API_TABLE(SK_ORT_API_FIELD)
#undef SK_ORT_API_FIELD
};

struct sk_ort_api_base {
    const sk_ort_slot *(*GetApi)(uint32_t version);
    const char *(*GetVersionString)(void);
};

/* OrtLoggingLevel */
enum {
    SK_ORT_LOG_WARNING = 2
};

/* OrtErrorCode */
enum {
    SK_ORT_NO_SUCHFILE = 3
};

/* ExecutionMode, GraphOptimizationLevel, OrtAllocatorType, OrtMemType, ONNXType */
enum {
    SK_ORT_SEQUENTIAL = 0
};

enum {
    SK_ORT_DISABLE_ALL = 0,
    SK_ORT_ENABLE_ALL = 99
};

enum {
    SK_ORT_DEVICE_ALLOCATOR = 0
};

enum {
    SK_ORT_MEM_DEFAULT = 0
};

enum {
    SK_ORT_TYPE_TENSOR = 1
};

/* our type, ONNXTensorElementDataType */
#define SK_ORT_DTYPE_TABLE(X)                                                                      \
    X(SK_DT_F32, 1, FLOAT)                                                                         \
    X(SK_DT_U8, 2, UINT8)                                                                          \
    X(SK_DT_I8, 3, INT8)                                                                           \
    X(SK_DT_U16, 4, UINT16)                                                                        \
    X(SK_DT_I16, 5, INT16)                                                                         \
    X(SK_DT_I32, 6, INT32)                                                                         \
    X(SK_DT_I64, 7, INT64)                                                                         \
    X(SK_DT_BYTES, 8, STRING)                                                                      \
    X(SK_DT_BOOL, 9, BOOL)                                                                         \
    X(SK_DT_F16, 10, FLOAT16)                                                                      \
    X(SK_DT_F64, 11, DOUBLE)                                                                       \
    X(SK_DT_U32, 12, UINT32)                                                                       \
    X(SK_DT_U64, 13, UINT64)                                                                       \
    X(SK_DT_BF16, 16, BFLOAT16)

#endif
