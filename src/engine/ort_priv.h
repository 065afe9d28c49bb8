/*
 * ort_priv.h - ONNX Runtime behind the interface of engine_priv.h: the parts of ort_*.c that know
 * each other.
 *
 *   ort.c         finds and loads the library, its environment, errors, log
 *   ort_device.c  CPU or CUDA, and why
 *   ort_cache.c   optimised graphs kept in the cache folder
 *   ort_net.c     sessions of a model and what they say about its tensors
 *   ort_run.c     one worker's values, and running
 */
#ifndef SK_ENGINE_ORT_PRIV_H
#define SK_ENGINE_ORT_PRIV_H

#include "engine/engine_priv.h"
#include "engine/ort_api.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    SK_ORT_CPU_TEXT = 8192,
    SK_ORT_KEY_TEXT = 40
};

struct sk_ort_engine {
    struct sk_engine base;
    struct sk_ort_api api;
    struct OrtEnv *env;
    struct OrtMemoryInfo *cpu_memory;
    struct OrtAllocator *allocator; /* the library's default one, not ours to release */
    char name[64];
    char *library_folder; /* "" when unknown; the library looks for its providers there */
    char *cpu_text;       /* start of /proc/cpuinfo: part of the cache key */
    unsigned threads;     /* of wide sessions */
    bool use_cache;
};

/* A dimension of an output that has the size of a dimension of an input. */
struct sk_ort_dim_link {
    bool is_linked;
    unsigned char input, axis;
};

struct sk_ort_net {
    struct sk_net base;
    struct OrtSession *narrow;
    struct OrtSession *wide;                        /* may be the same */
    const char **input_names, **output_names;       /* borrowed from base.info */
    struct sk_ort_dim_link (*links)[SK_LIMIT_RANK]; /* per output */
    atomic_bool is_shape_untrusted; /* outputs came in other shapes than declared: let the library
                                       allocate them */
};

/* ort.c */
int sk_ort_open(const struct sk_engine_options *opts, struct sk_engine **out,
                struct sk_err *err) SK_CHECK;
/* Turns a status into an error and releases it; NULL is success. code: for what the library has no
 * code of its own for. */
int sk_ort_check(const struct sk_ort_engine *e, struct OrtStatus *status, enum sk_code code,
                 struct sk_err *err) SK_CHECK;

static inline struct sk_ort_engine *sk_ort_engine_of(struct sk_engine *e)
{
    return (struct sk_ort_engine *)e; /* base is the first member */
}

/* ort_device.c: sets base.device, reason, is_degraded. */
void sk_ort_device_pick(struct sk_ort_engine *e, enum sk_device asked);
int sk_ort_device_use_cuda(const struct sk_ort_engine *e, struct OrtSessionOptions *options,
                           struct sk_err *err) SK_CHECK;

/* ort_cache.c: the folder of a cached graph holds SK_ORT_CACHE_GRAPH and, beside it,
 * SK_ORT_CACHE_WEIGHTS. */
#define SK_ORT_CACHE_GRAPH   "model.onnx"
#define SK_ORT_CACHE_WEIGHTS "weights.bin"
int sk_ort_cache_key(const struct sk_ort_engine *e, const char *digest, char *out,
                     struct sk_err *err) SK_CHECK;
/* malloc'd path of a sound cached graph; NULL: there is none (an unsound one was removed). */
char *sk_ort_cache_find(const char *key);
/* A new temporary folder to write into; free() it. Then one of: commit (path of the graph in its
 * final place), or remove. */
int sk_ort_cache_begin(char **folder, struct sk_err *err) SK_CHECK;
int sk_ort_cache_commit(const char *folder, const char *key, char **graph,
                        struct sk_err *err) SK_CHECK;
void sk_ort_cache_remove(const char *folder);
/* Of an entry that the library did not take. */
void sk_ort_cache_discard(const char *key);

/* ort_net.c */
int sk_ort_net_load(struct sk_engine *e, const char *model_path, const char *digest,
                    struct sk_net **out, struct sk_err *err) SK_CHECK;
void sk_ort_net_free(struct sk_net *n);
enum sk_dtype sk_ort_dtype(unsigned type); /* SK_DT_COUNT: none of ours */
unsigned sk_ort_type(enum sk_dtype dtype);

/* ort_run.c */
int sk_ort_run_new(struct sk_net *n, struct sk_run **out, struct sk_err *err) SK_CHECK;
void sk_ort_run_free(struct sk_run *r);
int sk_ort_run_exec(struct sk_run *r, const struct sk_tensor *inputs, const bool *wanted, bool wide,
                    struct sk_err *err) SK_CHECK;
void sk_ort_run_cancel(struct sk_run *r);

#endif
