/* v2_net.h - a model's description without a model: what V2 parsing is tested against. */
#ifndef SK_TESTS_V2_NET_H
#define SK_TESTS_V2_NET_H

#include "engine/engine.h"

static const struct sk_tensor_info v2_inputs[] = {
    { .name = (char[]){ "x" }, .dtype = SK_DT_F32, .rank = 2, .dims = { -1, 2 } },
    { .name = (char[]){ "n" }, .dtype = SK_DT_I8, .rank = 1, .dims = { 3 } },
    { .name = (char[]){ "s" }, .dtype = SK_DT_BYTES, .rank = 1, .dims = { -1 } },
};
static const struct sk_tensor_info v2_outputs[] = {
    { .name = (char[]){ "y" }, .dtype = SK_DT_F32, .rank = 2, .dims = { -1, 3 } },
    { .name = (char[]){ "t" }, .dtype = SK_DT_BYTES, .rank = 1, .dims = { -1 } },
};
/* x alone, and all three. */
static const struct sk_net_info v2_one = { .inputs = v2_inputs,
                                           .input_count = 1,
                                           .outputs = v2_outputs,
                                           .output_count = 2,
                                           .platform = "test" };
static const struct sk_net_info v2_three = { .inputs = v2_inputs,
                                             .input_count = 3,
                                             .outputs = v2_outputs,
                                             .output_count = 2,
                                             .platform = "test" };

#endif
