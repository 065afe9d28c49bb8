/*
 * dtype.h - element types of tensors, with the names of the V2 protocol.
 */
#ifndef SK_BASE_DTYPE_H
#define SK_BASE_DTYPE_H

#include <stddef.h>
#include <stdint.h>

/* type, V2 name, bytes per element (0: variable) */
#define SK_DTYPE_TABLE(X)                                                                          \
    X(SK_DT_BOOL, "BOOL", 1)                                                                       \
    X(SK_DT_U8, "UINT8", 1)                                                                        \
    X(SK_DT_U16, "UINT16", 2)                                                                      \
    X(SK_DT_U32, "UINT32", 4)                                                                      \
    X(SK_DT_U64, "UINT64", 8)                                                                      \
    X(SK_DT_I8, "INT8", 1)                                                                         \
    X(SK_DT_I16, "INT16", 2)                                                                       \
    X(SK_DT_I32, "INT32", 4)                                                                       \
    X(SK_DT_I64, "INT64", 8)                                                                       \
    X(SK_DT_F16, "FP16", 2)                                                                        \
    X(SK_DT_BF16, "BF16", 2)                                                                       \
    X(SK_DT_F32, "FP32", 4)                                                                        \
    X(SK_DT_F64, "FP64", 8)                                                                        \
    X(SK_DT_BYTES, "BYTES", 0)

enum sk_dtype {
#define SK_DTYPE_ENUM(type, name, size) type,
    SK_DTYPE_TABLE(SK_DTYPE_ENUM)
#undef SK_DTYPE_ENUM
    SK_DT_COUNT /* also: unknown */
};

const char *sk_dtype_name(enum sk_dtype t);
size_t sk_dtype_size(enum sk_dtype t);
enum sk_dtype sk_dtype_parse(const char *name, size_t len); /* SK_DT_COUNT: unknown */

float sk_half_to_float(uint16_t h);
uint16_t sk_float_to_half(float f); /* round to nearest even */

#endif
