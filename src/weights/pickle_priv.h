/*
 * pickle_priv.h - a machine for pickles that can build data and nothing else. For this folder and
 * its tests.
 *
 * Values live in one array and name each other by index, so a hostile pickle can neither nest a
 * reader deeply nor make a value be released twice; all of them go with sk_pickle_done(). Texts are
 * views into the pickle. What is called in a real pickle is one row of a short table here
 * (globals.c) and becomes data; a name that is not in the table ends the reading.
 */
#ifndef SK_WEIGHTS_PICKLE_PRIV_H
#define SK_WEIGHTS_PICKLE_PRIV_H

#include "base/dtype.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/str.h"

enum {
    SK_PICKLE_MAX_VALUES = 8 << 20, /* and as many items of containers; 16 and 8 bytes each */
    SK_PICKLE_MAX_STACK = 1 << 20,
    SK_PICKLE_MAX_MARKS = 4096, /* pickle itself recurses at most 1000 deep */
    SK_PICKLE_MAX_MEMO = 4 << 20,
    SK_PICKLE_MAX_TENSORS = 1 << 18 /* and as many storages */
};

enum sk_pickle_kind {
    SK_PICKLE_NONE,
    SK_PICKLE_BOOL,
    SK_PICKLE_INT,
    SK_PICKLE_FLOAT,
    SK_PICKLE_BIG, /* an integer of more than 64 bits */
    SK_PICKLE_TEXT,
    SK_PICKLE_BYTES,
    SK_PICKLE_TUPLE,
    SK_PICKLE_LIST,
    SK_PICKLE_DICT,
    SK_PICKLE_GLOBAL,
    SK_PICKLE_STORAGE,
    SK_PICKLE_TENSOR
};

/* Behind the last item, and in an empty container. */
#define SK_PICKLE_NO_ITEM UINT32_MAX

struct sk_pickle_value {
    enum sk_pickle_kind kind;
    uint32_t count; /* bytes of a text; items; a dict has two per entry */

    union {
        int64_t integer; /* BOOL too */
        double real;
        const char *ptr; /* BIG, TEXT, BYTES */

        struct {
            uint32_t first, last; /* items */
        };

        const struct sk_pickle_global *global;
        uint32_t index; /* into storages or tensors */
    };
};

/* One place in a container: a list linked by index. */
struct sk_pickle_item {
    uint32_t value, next;
};

/* What a persistent id stands for: elements first .. first + count of the data named key. */
struct sk_pickle_storage {
    struct sk_view key;
    enum sk_dtype dtype;
    size_t first, count;
};

/* Checked against its storage: all elements lie in it. */
struct sk_pickle_tensor {
    uint32_t storage;
    enum sk_dtype dtype;
    size_t offset; /* elements of dtype, from the first of the storage */
    unsigned rank;
    int64_t dims[SK_LIMIT_RANK], strides[SK_LIMIT_RANK];
};

/* A growing array of elements of one size. */
struct sk_pickle_array {
    void *ptr;
    uint32_t count, capacity;
};

struct sk_pickle {
    struct sk_pickle_array values, items, storages, tensors; /* kept from one load to the next */
    struct sk_pickle_array stack, marks, memo;               /* uint32_t: of one load */
};

void sk_pickle_done(struct sk_pickle *p);
/* Runs the pickle at *bytes up to its STOP and moves *bytes behind it. *out: index of its value. */
int sk_pickle_load(struct sk_pickle *p, struct sk_view *bytes, uint32_t *out,
                   struct sk_err *err) SK_CHECK;

/* ---- heap.c: values ---- */

/* Room for one element of size bytes more; its index is count before. */
int sk_pickle_grow(struct sk_pickle_array *a, size_t size, uint32_t max, const char *what,
                   struct sk_err *err) SK_CHECK;
int sk_pickle_new(struct sk_pickle *p, const struct sk_pickle_value *v, uint32_t *out,
                  struct sk_err *err) SK_CHECK;
/* An empty tuple, list or dict. */
int sk_pickle_new_container(struct sk_pickle *p, enum sk_pickle_kind kind, uint32_t *out,
                            struct sk_err *err) SK_CHECK;
int sk_pickle_append(struct sk_pickle *p, uint32_t container, uint32_t value,
                     struct sk_err *err) SK_CHECK;
/* Valid until the next value is made. */
const struct sk_pickle_value *sk_pickle_at(const struct sk_pickle *p, uint32_t index);
const struct sk_pickle_item *sk_pickle_item(const struct sk_pickle *p, uint32_t index);
const struct sk_pickle_storage *sk_pickle_storage(const struct sk_pickle *p, uint32_t index);
const struct sk_pickle_tensor *sk_pickle_tensor(const struct sk_pickle *p, uint32_t index);
/* Fills out with the first max items of a container; returns how many there were of these. */
unsigned sk_pickle_items(const struct sk_pickle *p, const struct sk_pickle_value *v, unsigned max,
                         const struct sk_pickle_value **out);
struct sk_view sk_pickle_text(const struct sk_pickle_value *v); /* empty for what is no text */
/* The last value of a key that is a text, NULL: none. */
const struct sk_pickle_value *sk_pickle_get(const struct sk_pickle *p,
                                            const struct sk_pickle_value *dict, const char *key);

/* ---- globals.c: the names that are known, and what calling them gives ---- */

struct sk_pickle_global;

/* SK_UNSUPPORTED, naming it, for all others. */
int sk_pickle_global(struct sk_view module, struct sk_view name,
                     const struct sk_pickle_global **out, struct sk_err *err) SK_CHECK;
/* callable(*arguments), both values. */
int sk_pickle_call(struct sk_pickle *p, uint32_t callable, uint32_t arguments, uint32_t *out,
                   struct sk_err *err) SK_CHECK;
/* The storage of a persistent id. */
int sk_pickle_persistent(struct sk_pickle *p, uint32_t id, uint32_t *out,
                         struct sk_err *err) SK_CHECK;

#endif
