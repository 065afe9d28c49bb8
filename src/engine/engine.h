/*
 * engine.h - runs models. One interface, several engines (engine.c lists them): ONNX Runtime,
 * loaded with dlopen, and in tests an instrumented one.
 *
 * sk_engine: a loaded library and its environment; one per process. sk_net: a loaded model,
 * immutable, shared by threads; it holds two sessions over the same weights, `narrow` (one thread
 * per run, shared by all workers) and `wide` (all cores, for a lone request). sk_run: the buffers
 * and bindings of one worker for one net; one thread at a time.
 *
 * Errors: SK_CORRUPT (the library refuses the model, with its reason), SK_UNSUPPORTED (no library;
 * what was searched and how to install one), SK_INVALID (inputs that do not fit), SK_CANCELLED (a
 * run ended by sk_run_cancel), SK_NOMEM.
 */
#ifndef SK_ENGINE_ENGINE_H
#define SK_ENGINE_ENGINE_H

#include "base/cleanup.h"
#include "base/dtype.h"
#include "base/err.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sk_engine;
struct sk_net;
struct sk_run;

enum sk_device {
    SK_DEVICE_AUTO,
    SK_DEVICE_CPU,
    SK_DEVICE_CUDA
};

struct sk_engine_options {
    const char *library; /* --onnxruntime PATH; NULL: SKERRY_ONNXRUNTIME, the library of the build,
                            the system's */
    enum sk_device device;
    unsigned threads; /* of the wide session; 0: sk_cpu_count() */
    bool use_cache;   /* keep optimised graphs in the cache folder */
};

int sk_engine_open(const struct sk_engine_options *opts, struct sk_engine **out,
                   struct sk_err *err) SK_CHECK;
/* The file of the library that sk_engine_open would load; named: as `library` above. *out: free().
 */
int sk_engine_library(const char *named, char **out, struct sk_err *err) SK_CHECK;
void sk_engine_close(struct sk_engine *e);
SK_DEFINE_OWN(struct sk_engine, sk_engine_close);
/* "onnxruntime 1.32.0", static for the engine's life. */
const char *sk_engine_name(const struct sk_engine *e);
/* "cpu" or "cuda": what it got, and a sentence that says why; reason is "" when nothing is
 * remarkable. */
const char *sk_engine_device(const struct sk_engine *e, const char **reason);
/* Asked for CUDA and did not get it. */
bool sk_engine_degraded(const struct sk_engine *e);

struct sk_tensor_info {
    char *name;
    enum sk_dtype dtype;
    unsigned rank;
    int64_t dims[SK_LIMIT_RANK]; /* -1: variable */
};

struct sk_net_info {
    const struct sk_tensor_info *inputs;
    size_t input_count;
    const struct sk_tensor_info *outputs;
    size_t output_count;
    const char *platform; /* "onnxruntime_onnx" */
    uint64_t load_ns;
    bool from_cache;
};

/* digest: sk_bundle_digest's, names the model in the cache; NULL: no cache. SK_CORRUPT also when
 * the model's files changed since the digest was taken. */
int sk_net_load(struct sk_engine *e, const char *model_path, const char *digest,
                struct sk_net **out, struct sk_err *err) SK_CHECK;
void sk_net_free(struct sk_net *n);
SK_DEFINE_OWN(struct sk_net, sk_net_free);
const struct sk_net_info *sk_net_info(const struct sk_net *n);

/* A tensor given to or got from a run. BYTES tensors carry element pointers and lengths instead of
 * data. */
struct sk_tensor {
    enum sk_dtype dtype;
    unsigned rank;
    int64_t dims[SK_LIMIT_RANK];
    void *data; /* inputs: borrowed for the run; outputs: valid until the next use of the run */
    size_t size_bytes;
    const char **strings; /* BYTES: element count of them */
    const size_t *string_lens;
};

size_t sk_tensor_elements(const struct sk_tensor *t);

int sk_run_new(struct sk_net *n, struct sk_run **out, struct sk_err *err) SK_CHECK;
void sk_run_free(struct sk_run *r);
SK_DEFINE_OWN(struct sk_run, sk_run_free);

/* A buffer of at least `bytes`, 64-byte aligned, kept with the run, to prepare an input in. */
void *sk_run_input_buffer(struct sk_run *r, size_t input, size_t bytes, struct sk_err *err);

/* Runs. inputs has one tensor per model input, in the model's order (data NULL and no strings:
 * missing, SK_INVALID). wanted: one flag per model output, NULL for all; outputs that are not
 * wanted have data NULL. Shapes and types are checked against the model first. wide: use all cores.
 * *outputs: one per model output, owned by the run. infer_ns may be NULL. */
int sk_run_exec(struct sk_run *r, const struct sk_tensor *inputs, const bool *wanted, bool wide,
                const struct sk_tensor **outputs, uint64_t *infer_ns, struct sk_err *err) SK_CHECK;
/* Ends a run in progress, from any thread; without one, nothing. */
void sk_run_cancel(struct sk_run *r);

/* Gives freed memory back to the system; call after loading and unloading. */
void sk_engine_trim(void);

/* ---- for tests: another implementation of the same interface (engine_priv.h has struct
 * sk_engine_ops) ---- */

#endif
