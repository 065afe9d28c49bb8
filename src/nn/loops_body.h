/*
 * loops_body.h - the loops for one instruction set.
 *
 * A kernel file defines LOOPS_TABLE, LOOPS_NAME and LOOPS_WIDTH, the floats of a vector. The loops
 * themselves are in loops_lanes_body.h (and loops_window_body.h), which is read once for each
 * element type and width: LANES neighbouring channels at a time, and one at a time for what is left
 * of a block. Vectors are the compiler's (vector_size), so that one text serves every instruction
 * set; they are unaligned in memory.
 */
#include "nn/loops_priv.h"

#include <math.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum {
    SUM_ROWS = 64, /* rows that are summed in f32 before double takes over */
};

#define JOIN3(a, b, c) a##_##b##_##c
#define JOIN2(a, b, c) JOIN3(a, b, c)
#define FN(name)       JOIN2(name, TYPE_NAME, LANES)
#define ENTRY2(a, b)   a##_##b
#define ENTRY1(a, b)   ENTRY2(a, b)
#define ENTRY(name)    ENTRY1(name, TYPE_NAME)
#define WIDE2(a, b, c) a##_##b##_##c
#define WIDE1(a, b, c) WIDE2(a, b, c)
#define WIDE(name)     WIDE1(name, TYPE_NAME, LOOPS_WIDTH)
#define NARROW(name)   WIDE1(name, TYPE_NAME, 1)

/* Calls the function with a constant activation, so that its loops have no choice inside. */
#define FOR_ACT(act, call)                                                                         \
    switch (act) {                                                                                 \
    case SK_ACT_RELU:                                                                              \
        call(SK_ACT_RELU);                                                                         \
        break;                                                                                     \
    case SK_ACT_RELU6:                                                                             \
        call(SK_ACT_RELU6);                                                                        \
        break;                                                                                     \
    case SK_ACT_HARD_SWISH:                                                                        \
        call(SK_ACT_HARD_SWISH);                                                                   \
        break;                                                                                     \
    case SK_ACT_HARD_SIGMOID:                                                                      \
        call(SK_ACT_HARD_SIGMOID);                                                                 \
        break;                                                                                     \
    case SK_ACT_SILU:                                                                              \
        call(SK_ACT_SILU);                                                                         \
        break;                                                                                     \
    case SK_ACT_SIGMOID:                                                                           \
        call(SK_ACT_SIGMOID);                                                                      \
        break;                                                                                     \
    default:                                                                                       \
        call(SK_ACT_NONE);                                                                         \
        break;                                                                                     \
    }

#define TYPE_NAME f32
#define TYPE      float
#define LANES     1
#include "nn/loops_lanes_body.h"
#undef LANES
#define LANES LOOPS_WIDTH
#include "nn/loops_lanes_body.h"

#include "nn/loops_entry_body.h"
#undef LANES
#undef TYPE
#undef TYPE_NAME

#define TYPE_NAME bf16
#define TYPE      uint16_t
#define IS_BF16
#define LANES 1
#include "nn/loops_lanes_body.h"
#undef LANES
#define LANES LOOPS_WIDTH
#include "nn/loops_lanes_body.h"

#include "nn/loops_entry_body.h"

#define LOOPS_OF(type)                                                                             \
    {                                                                                              \
        stats_##type, norm_##type, norm_sums_##type, norm_apply_##type, act_##type,                \
            act_back_##type, add_##type, mul_##type, scale_##type, mul_rows_##type,                \
            dot_rows_##type, mean_rows_##type, spread_rows_##type, max_pool_##type,                \
            max_pool_back_##type, avg_pool_##type, avg_pool_back_##type, depthwise_weights_##type  \
    }

const struct sk_loops LOOPS_TABLE = { LOOPS_NAME, { LOOPS_OF(f32), LOOPS_OF(bf16) } };
