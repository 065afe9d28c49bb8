/*
 * dnnl_link_priv.h - oneDNN's functions as the door's two files call them: through a table, because
 * the library is loaded with dlopen.
 */
#ifndef SK_NN_DNNL_LINK_PRIV_H
#define SK_NN_DNNL_LINK_PRIV_H

#include "nn/dnnl_priv.h"

#include <dnnl.h>

#if DNNL_VERSION_MAJOR < 3
#define SK_DN_CALLS_OF_VERSION(X)                                                                  \
    X(memory_desc_init_by_tag)                                                                     \
    X(primitive_desc_create)                                                                       \
    X(dilated_convolution_forward_desc_init)                                                       \
    X(dilated_convolution_backward_data_desc_init)                                                 \
    X(dilated_convolution_backward_weights_desc_init)
#else
#define SK_DN_CALLS_OF_VERSION(X)                                                                  \
    X(memory_desc_create_with_tag)                                                                 \
    X(memory_desc_clone)                                                                           \
    X(memory_desc_destroy)                                                                         \
    X(convolution_forward_primitive_desc_create)                                                   \
    X(convolution_backward_data_primitive_desc_create)                                             \
    X(convolution_backward_weights_primitive_desc_create)
#endif

#define SK_DN_CALLS(X)                                                                             \
    X(version)                                                                                     \
    X(get_effective_cpu_isa)                                                                       \
    X(engine_create)                                                                               \
    X(stream_create)                                                                               \
    X(stream_wait)                                                                                 \
    X(sgemm)                                                                                       \
    X(memory_desc_equal)                                                                           \
    X(memory_desc_get_size)                                                                        \
    X(memory_create)                                                                               \
    X(memory_destroy)                                                                              \
    X(memory_set_data_handle)                                                                      \
    X(primitive_attr_create)                                                                       \
    X(primitive_attr_destroy)                                                                      \
    X(primitive_attr_set_scratchpad_mode)                                                          \
    X(primitive_attr_set_post_ops)                                                                 \
    X(post_ops_create)                                                                             \
    X(post_ops_destroy)                                                                            \
    X(post_ops_append_sum)                                                                         \
    X(post_ops_append_eltwise)                                                                     \
    X(primitive_desc_query)                                                                        \
    X(primitive_desc_query_md)                                                                     \
    X(primitive_desc_destroy)                                                                      \
    X(reorder_primitive_desc_create)                                                               \
    X(primitive_create)                                                                            \
    X(primitive_execute)                                                                           \
    X(primitive_destroy)                                                                           \
    SK_DN_CALLS_OF_VERSION(X)

/* Set by sk_dn_start, then constant. */
struct sk_dn_lib {
#define SK_DN_SLOT(name) __typeof__(&dnnl_##name) name;
    SK_DN_CALLS(SK_DN_SLOT)
#undef SK_DN_SLOT
    dnnl_engine_t engine;
    dnnl_stream_t stream;
};

extern struct sk_dn_lib sk_dn;

/* 0 for success, else err says what failed with which status. */
int sk_dn_check(dnnl_status_t status, const char *what, struct sk_err *err) SK_CHECK;

#endif
