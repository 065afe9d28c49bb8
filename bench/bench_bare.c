/*
 * bench_bare.c - ONNX Runtime alone, called from C: what a server could reach at best.
 *
 *     bench_bare LIBRARY throughput MODEL SESSIONS SECONDS
 *     bench_bare LIBRARY start MODEL
 *
 * throughput: so many threads, each with a single-threaded session of its own and a tensor that is
 * ready, each running its model again and again. Prints {"runs_per_s": ..., "p50_ms": ...}; half a
 * second of warm-up is not counted.
 *
 * start: what a process must at least do before it can answer, each part in milliseconds: dlopen,
 * CreateEnv, CreateSession and the first Run.
 *
 * The library is the one that the caller names, so that both sides of a comparison use the same.
 * Invariant: all time that is reported lies between two reads of one monotonic clock in this
 * process.
 */
#include "base/clock.h"
#include "engine/ort_api.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SESSIONS_MAX = 64,
    RANK_MAX = 8,
    LATENCIES_MAX = 1 << 20,
    WARMUP_MS = 500
};

static struct sk_ort_api api;
static struct OrtEnv *env;

struct caller {
    pthread_t thread;
    struct OrtSession *session;
    struct OrtValue *input;
    char *input_name, *output_name;
    uint64_t *latencies_ns; /* of the runs that ended inside the window */
    size_t count;
};

static _Atomic uint64_t open_ns, close_ns; /* the window; before it, everybody warms up */

/* A bench has nothing to do after a failure. */
static void check(struct OrtStatus *status, const char *what)
{
    if (!status)
        return;
    (void)fprintf(stderr, "bench_bare: %s: %s\n", what, api.GetErrorMessage(status));
    exit(1);
}

static void *must_alloc(size_t count, size_t size)
{
    void *p = calloc(count > 0 ? count : 1, size);

    if (!p) {
        (void)fprintf(stderr, "bench_bare: out of memory\n");
        exit(1);
    }
    return p;
}

/* ---- the library ---- */

static void load_library(const char *path)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void *symbol = handle ? dlsym(handle, "OrtGetApiBase") : NULL;
    const struct sk_ort_api_base *(*get_base)(void);
    const sk_ort_slot *table;

    if (!symbol) {
        (void)fprintf(stderr, "bench_bare: %s\n", dlerror());
        exit(1);
    }
    memcpy(&get_base, &symbol, sizeof symbol);
    table = get_base()->GetApi(SK_ORT_API_VERSION);
    if (!table) {
        (void)fprintf(stderr, "bench_bare: %s is too old\n", path);
        exit(1);
    }
#define COPY_SLOT(slot, result, name, params) api.name = (result(*) params)table[slot];
    SK_ORT_API_TABLE(COPY_SLOT)
#undef COPY_SLOT
}

static void drop_log(void *ctx, unsigned severity, const char *category, const char *log_id,
                     const char *location, const char *message)
{
    (void)ctx, (void)severity, (void)category, (void)log_id, (void)location, (void)message;
}

static void create_env(void)
{
    check(api.CreateEnvWithCustomLogger(drop_log, NULL, SK_ORT_LOG_WARNING, "bare", &env),
          "CreateEnv");
    check(api.DisableTelemetryEvents(env), "DisableTelemetryEvents");
}

/* ---- a session with a tensor for it ---- */

static struct OrtSession *create_session(const char *model)
{
    struct OrtSessionOptions *options = NULL;
    struct OrtSession *session = NULL;

    check(api.CreateSessionOptions(&options), "CreateSessionOptions");
    check(api.SetIntraOpNumThreads(options, 1), "SetIntraOpNumThreads");
    check(api.SetInterOpNumThreads(options, 1), "SetInterOpNumThreads");
    check(api.SetSessionGraphOptimizationLevel(options, SK_ORT_ENABLE_ALL), "optimisation level");
    check(api.CreateSession(env, model, options, &session), "CreateSession");
    api.ReleaseSessionOptions(options);
    return session;
}

/* Random floats in the declared shape; open dimensions are 1. */
static struct OrtValue *make_input(struct OrtSession *session, const char *model)
{
    const struct OrtTensorTypeAndShapeInfo *shape = NULL;
    struct OrtMemoryInfo *memory = NULL;
    struct OrtTypeInfo *type = NULL;
    struct OrtValue *value = NULL;
    int64_t dims[RANK_MAX] = { 0 };
    size_t rank = 0, elements = 1;
    unsigned element = 0, seed = 1;

    check(api.SessionGetInputTypeInfo(session, 0, &type), "input type");
    check(api.CastTypeInfoToTensorInfo(type, &shape), "input type");
    if (shape) {
        check(api.GetTensorElementType(shape, &element), "input type");
        check(api.GetDimensionsCount(shape, &rank), "input shape");
    }
    if (element != 1 || rank > RANK_MAX) {
        (void)fprintf(stderr, "bench_bare: %s: the first input is no float tensor\n", model);
        exit(1);
    }
    check(api.GetDimensions(shape, dims, rank), "input shape");
    for (size_t i = 0; i < rank; i++) {
        dims[i] = dims[i] > 0 ? dims[i] : 1;
        elements *= (size_t)dims[i];
    }
    float *data = must_alloc(elements, sizeof *data);
    for (size_t i = 0; i < elements; i++) {
        seed = seed * 1664525u + 1013904223u;
        data[i] = (float)(seed >> 8) / (float)(1 << 23) - 1.0f;
    }
    check(api.CreateCpuMemoryInfo(SK_ORT_DEVICE_ALLOCATOR, SK_ORT_MEM_DEFAULT, &memory), "memory");
    check(api.CreateTensorWithDataAsOrtValue(memory, data, elements * sizeof *data, dims, rank,
                                             element, &value),
          "tensor");
    api.ReleaseMemoryInfo(memory);
    api.ReleaseTypeInfo(type);
    return value;
}

static void prepare(struct caller *c, const char *model)
{
    struct OrtAllocator *allocator = NULL;

    c->session = create_session(model);
    c->input = make_input(c->session, model);
    check(api.GetAllocatorWithDefaultOptions(&allocator), "allocator");
    check(api.SessionGetInputName(c->session, 0, allocator, &c->input_name), "input name");
    check(api.SessionGetOutputName(c->session, 0, allocator, &c->output_name), "output name");
}

static void run_once(struct caller *c)
{
    const char *inputs[] = { c->input_name }, *outputs[] = { c->output_name };
    const struct OrtValue *values[] = { c->input };
    struct OrtValue *result = NULL;

    check(api.Run(c->session, NULL, inputs, values, 1, outputs, 1, &result), "Run");
    api.ReleaseValue(result);
}

/* ---- throughput ---- */

static void *call(void *arg)
{
    struct caller *c = arg;
    uint64_t start, end;

    do {
        start = sk_now_ns();
        run_once(c);
        end = sk_now_ns();
        if (end >= atomic_load(&open_ns) && end < atomic_load(&close_ns) &&
            c->count < LATENCIES_MAX)
            c->latencies_ns[c->count++] = end - start;
    } while (end < atomic_load(&close_ns));
    return NULL;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static void throughput(const char *library, const char *model, size_t sessions, double seconds)
{
    struct caller *callers = must_alloc(sessions, sizeof *callers);
    size_t count = 0;

    load_library(library);
    create_env();
    for (size_t i = 0; i < sessions; i++) {
        prepare(&callers[i], model);
        callers[i].latencies_ns = must_alloc(LATENCIES_MAX, sizeof(uint64_t));
    }
    atomic_store(&open_ns, sk_now_ns() + (uint64_t)WARMUP_MS * 1000000);
    atomic_store(&close_ns, atomic_load(&open_ns) + (uint64_t)(seconds * 1e9));
    for (size_t i = 0; i < sessions; i++) {
        if (pthread_create(&callers[i].thread, NULL, call, &callers[i]) != 0) {
            (void)fprintf(stderr, "bench_bare: no thread\n");
            exit(1);
        }
    }
    for (size_t i = 0; i < sessions; i++) {
        (void)pthread_join(callers[i].thread, NULL);
        count += callers[i].count;
    }
    uint64_t *all = must_alloc(count, sizeof *all);
    for (size_t i = 0, at = 0; i < sessions; at += callers[i++].count)
        memcpy(all + at, callers[i].latencies_ns, callers[i].count * sizeof *all);
    qsort(all, count, sizeof *all, compare);
    (void)printf("{\"sessions\": %zu, \"runs_per_s\": %.3f, \"p50_ms\": %.4f}\n", sessions,
                 (double)count / seconds, count > 0 ? (double)all[count / 2] / 1e6 : 0.0);
}

/* ---- start ---- */

static double ms_since(uint64_t start_ns)
{
    return (double)(sk_now_ns() - start_ns) / 1e6;
}

static void start(const char *library, const char *model)
{
    struct caller c = { 0 };
    const uint64_t begin = sk_now_ns();

    load_library(library);
    const double loaded = ms_since(begin);
    create_env();
    const double has_env = ms_since(begin);
    c.session = create_session(model);
    const double has_session = ms_since(begin);
    api.ReleaseSession(c.session);
    prepare(&c, model); /* again, with the tensor and the names: not part of the start */
    const uint64_t run = sk_now_ns();
    run_once(&c);
    (void)printf("{\"dlopen_ms\": %.3f, \"env_ms\": %.3f, \"session_ms\": %.3f, \"run_ms\": %.3f, "
                 "\"total_ms\": %.3f}\n",
                 loaded, has_env - loaded, has_session - has_env, ms_since(run), has_session);
}

int main(int argc, char **argv)
{
    /* The library reads it once; DisableTelemetryEvents alone comes after the first event. */
    if (setenv("ORT_DISABLE_TELEMETRY", "1", 1) != 0)
        return 1;
    if (argc == 4 && strcmp(argv[2], "start") == 0) {
        start(argv[1], argv[3]);
        return 0;
    }
    if (argc == 6 && strcmp(argv[2], "throughput") == 0) {
        size_t sessions = strtoul(argv[4], NULL, 10);
        double seconds = strtod(argv[5], NULL);
        if (sessions > 0 && sessions <= SESSIONS_MAX && seconds > 0) {
            throughput(argv[1], argv[3], sessions, seconds);
            return 0;
        }
    }
    (void)fprintf(stderr, "usage: bench_bare LIBRARY throughput MODEL SESSIONS SECONDS\n"
                          "       bench_bare LIBRARY start MODEL\n");
    return 2;
}
