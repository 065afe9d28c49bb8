/*
 * onnx_priv.h - the parts of the ONNX reader that know each other: wire format, walk, external
 * data.
 */
#ifndef SK_ONNX_PRIV_H
#define SK_ONNX_PRIV_H

#include "base/str.h"
#include "onnx/onnx.h"

/* ---- wire.c: protobuf's wire format ---- */

/* A message in memory: the bytes from at to end of a file that begins at base. */
struct sk_wire {
    const uint8_t *base, *at, *end;
};

enum sk_wire_type {
    SK_WIRE_VARINT = 0,
    SK_WIRE_FIXED64 = 1,
    SK_WIRE_BYTES = 2,
    SK_WIRE_FIXED32 = 5
};

struct sk_wire_field {
    uint32_t number;
    enum sk_wire_type type;
    uint64_t value;      /* SK_WIRE_VARINT */
    struct sk_wire body; /* SK_WIRE_BYTES */
};

/* 1: a field, 0: the end, -1: SK_CORRUPT with the offset. */
int sk_wire_next(struct sk_wire *w, struct sk_wire_field *out, struct sk_err *err) SK_CHECK;
/* One more number of a repeated one in packed form; same results. */
int sk_wire_number(struct sk_wire *w, uint64_t *out, struct sk_err *err) SK_CHECK;
struct sk_view sk_wire_text(const struct sk_wire_field *f);
/* SK_CORRUPT unless the field has this type. */
int sk_wire_want(const struct sk_wire_field *f, enum sk_wire_type type,
                 struct sk_err *err) SK_CHECK;

/* ---- external.c ---- */

struct sk_onnx_external {
    int folder_fd; /* -1: external data is refused */
    char **names;  /* distinct files so far */
    uint64_t *sizes;
    size_t count, cap;
    size_t last; /* most tensors name the same file as the one before */
};

int sk_onnx_external_init(struct sk_onnx_external *x, const char *folder,
                          struct sk_err *err) SK_CHECK;
void sk_onnx_external_done(struct sk_onnx_external *x);

/* entries: the key and value messages of one tensor. tensor_bytes: what its shape needs. */
struct sk_onnx_location {
    struct sk_view location, offset, length; /* ptr NULL: absent */
};

int sk_onnx_external_check(struct sk_onnx_external *x, const struct sk_onnx_location *l,
                           uint64_t tensor_bytes, struct sk_err *err) SK_CHECK;

/* ---- the state of a walk ---- */

struct sk_onnx_walk {
    struct sk_onnx_info *info;
    struct sk_onnx_external external;
    struct sk_view *initializers; /* names in the main graph */
    size_t initializer_count, initializer_cap;
    uint64_t initializer_total; /* in all graphs */
    size_t name_bytes;          /* copied so far */
    size_t value_count;         /* inputs and outputs seen, initializers included */
    uint16_t op_slots[1024];    /* hash table: index into info->ops plus 1 */
    size_t input_cap, output_cap, metadata_cap, opset_cap, op_cap;
    bool has_graph;
};

/* ---- parts.c ---- */

/* A copy of the text in *out (what was there is freed), within SK_ONNX_MAX_NAME_BYTES. */
int sk_onnx_take_name(struct sk_onnx_walk *w, struct sk_view v, char **out,
                      struct sk_err *err) SK_CHECK;
/* Room for one more element; array is the address of the pointer to the first. The new element is
 * zeroed and counted. NULL: err says why. */
void *sk_onnx_grow(void *array, size_t *count, size_t *cap, size_t size, size_t max,
                   const char *what, struct sk_err *err);
/* Refuses the second occurrence of a message that may be there once. */
int sk_onnx_once(bool *seen, const char *what, struct sk_err *err) SK_CHECK;
/* StringStringEntryProto; what is absent stays as it was. */
int sk_onnx_read_pair(struct sk_wire m, struct sk_view *key, struct sk_view *value,
                      struct sk_err *err) SK_CHECK;

/* ---- tensor.c ---- */

struct sk_onnx_tensor {
    uint64_t type, elements;
    bool is_external;
    struct sk_view name;
    struct sk_onnx_location location;
    bool has_location;
};

/* What its shape needs; 0 for strings and unknown types. */
uint64_t sk_onnx_tensor_bytes(const struct sk_onnx_tensor *t);
/* Reads one tensor and checks its external data. */
int sk_onnx_read_tensor(struct sk_onnx_walk *w, struct sk_wire m, struct sk_onnx_tensor *t,
                        struct sk_err *err) SK_CHECK;

/* ---- value.c ---- */

int sk_onnx_read_value(struct sk_onnx_walk *w, const struct sk_wire_field *outer,
                       struct sk_onnx_value *v, struct sk_err *err) SK_CHECK;

/* ---- walk.c, all of a model ---- */

int sk_onnx_walk_model(struct sk_onnx_walk *w, struct sk_wire file, struct sk_err *err) SK_CHECK;

#endif
