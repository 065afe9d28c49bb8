/*
 * fake_engine.h - an engine that computes nothing and watches everything, for tests of queues and
 * lifecycles.
 *
 * It stands behind the functions of engine.h like ONNX Runtime does, without a foreign library, so
 * TSan sees all of it. A net takes its inputs and outputs from the .onnx file. Outputs depend on
 * the inputs only: element k of an FP32 output is sk_engine_fake_value(sum of all input bytes, k);
 * other types get zeros; a free first dimension is that of the first input, other free dimensions
 * are 1.
 *
 * Broken promises are counted as misuse, not acted on: a run or net used after it was freed, a net
 * freed while it has runs, a run used by two threads at once, an engine closed while nets are
 * alive.
 */
#ifndef SK_HARNESS_FAKE_ENGINE_H
#define SK_HARNESS_FAKE_ENGINE_H

#include "engine/engine.h"

#include <stdatomic.h>

struct sk_fake_options {
    unsigned load_us, run_us; /* how long loading and running take; a run ends early when it is
                                 cancelled */
    unsigned fail_every;      /* every n-th run fails with SK_BUG "fake failure"; 0: none */
    bool fail_loads;          /* with SK_CORRUPT */
    bool is_degraded; /* as if CUDA was asked for and not got; looked at when the engine is made */
    const atomic_bool *load_gate; /* loading waits until it is true; NULL: does not wait */
};

struct sk_fake_counts {
    unsigned nets_loaded, nets_alive, runs_alive;
    unsigned execs, wide_execs, failures, cancelled;
    unsigned running, most_running; /* at once */
    unsigned misuse;
};

/* NULL when memory is out. sk_engine_close as usual. */
struct sk_engine *sk_engine_fake_new(const struct sk_fake_options *opts);
/* From any thread; runs that are in progress keep what they started with. */
void sk_engine_fake_set(struct sk_engine *e, const struct sk_fake_options *opts);
void sk_engine_fake_counts(struct sk_engine *e, struct sk_fake_counts *out);
float sk_engine_fake_value(uint64_t input_sum, size_t k);

#endif
