/*
 * pickles.h - pieces of pickles as literals, and what a value looks like as text.
 *
 *     "{'a': 1}"   "storage(key, FP32, 2..8)"   "tensor(FP32 at 0, [2, 3], [3, 1])"
 */
#ifndef SK_TESTS_WEIGHTS_PICKLES_H
#define SK_TESTS_WEIGHTS_PICKLES_H

#include "test_util.h"
#include "weights/pickle_priv.h"

#define PROTO "\x80\x02"

/* A text of fewer than 256 bytes; len is written in octal: TEXT("\003", "abc"). */
#define TEXT(len, text) "X" len "\0\0\0" text

/* A persistent id: its device and number of elements, a byte, are given. */
#define STORAGE_OF(type, key, count)                                                               \
    "(" TEXT("\007", "storage") type TEXT("\001", key) TEXT("\003", "cpu") "K" count "tQ"
#define STORAGE(key, count) STORAGE_OF("ctorch\nFloatStorage\n", key, count)

#define ORDERED "ccollections\nOrderedDict\n"
/* shape, strides: tuples as opcodes, "K\2K\3\x86" */
#define TENSOR(storage, offset, shape, strides)                                                    \
    "ctorch._utils\n_rebuild_tensor_v2\n(" storage "K" offset shape strides "\x89" ORDERED ")RtR"

static inline void print_value(const struct sk_pickle *p, uint32_t index, unsigned depth,
                               struct sk_buf *out);

static inline void print_items(const struct sk_pickle *p, const struct sk_pickle_value *v,
                               unsigned depth, struct sk_buf *out)
{
    const char *ends = v->kind == SK_PICKLE_TUPLE ? "()" : v->kind == SK_PICKLE_LIST ? "[]" : "{}";
    uint32_t n = 0;

    sk_buf_chr(out, ends[0]);
    for (uint32_t at = v->first; at != SK_PICKLE_NO_ITEM; at = sk_pickle_item(p, at)->next, n++) {
        bool is_value = v->kind == SK_PICKLE_DICT && n % 2 == 1;
        sk_buf_str(out, n == 0 ? "" : is_value ? ": " : ", ");
        print_value(p, sk_pickle_item(p, at)->value, depth + 1, out);
    }
    sk_buf_chr(out, ends[1]);
}

static inline void print_sizes(const int64_t *sizes, unsigned count, struct sk_buf *out)
{
    sk_buf_str(out, ", [");
    for (unsigned i = 0; i < count; i++)
        sk_buf_fmt(out, "%s%lld", i > 0 ? ", " : "", (long long)sizes[i]);
    sk_buf_chr(out, ']');
}

static inline void print_tensor(const struct sk_pickle_tensor *t, struct sk_buf *out)
{
    sk_buf_fmt(out, "tensor(%s at %zu", sk_dtype_name(t->dtype), t->offset);
    print_sizes(t->dims, t->rank, out);
    print_sizes(t->strides, t->rank, out);
    sk_buf_chr(out, ')');
}

static inline void print_storage(const struct sk_pickle_storage *s, struct sk_buf *out)
{
    sk_buf_fmt(out, "storage(%.*s, %s, %zu..%zu)", (int)s->key.len, s->key.ptr,
               sk_dtype_name(s->dtype), s->first, s->first + s->count);
}

static inline void print_value(const struct sk_pickle *p, uint32_t index, unsigned depth,
                               struct sk_buf *out)
{
    const struct sk_pickle_value *v = sk_pickle_at(p, index);

    if (depth > 4) {
        sk_buf_str(out, "...");
        return;
    }
    switch (v->kind) {
    case SK_PICKLE_NONE:
        sk_buf_str(out, "None");
        break;
    case SK_PICKLE_BOOL:
        sk_buf_str(out, v->integer ? "True" : "False");
        break;
    case SK_PICKLE_INT:
        sk_buf_i64(out, v->integer);
        break;
    case SK_PICKLE_FLOAT:
        sk_buf_num(out, v->real, 17);
        break;
    case SK_PICKLE_BIG:
        sk_buf_fmt(out, "big(%u)", v->count);
        break;
    case SK_PICKLE_TEXT:
        sk_buf_fmt(out, "'%.*s'", (int)v->count, v->ptr);
        break;
    case SK_PICKLE_BYTES:
        sk_buf_fmt(out, "b'%.*s'", (int)v->count, v->ptr);
        break;
    case SK_PICKLE_TUPLE:
    case SK_PICKLE_LIST:
    case SK_PICKLE_DICT:
        print_items(p, v, depth, out);
        break;
    case SK_PICKLE_GLOBAL:
        sk_buf_str(out, "global");
        break;
    case SK_PICKLE_STORAGE:
        print_storage(sk_pickle_storage(p, v->index), out);
        break;
    case SK_PICKLE_TENSOR:
        print_tensor(sk_pickle_tensor(p, v->index), out);
        break;
    }
}

/* Runs a pickle; its value as text, or the text of the error. *code: SK_OK or the error's. */
static inline void run_pickle(struct sk_view pickle, struct sk_buf *out, enum sk_code *code)
{
    SK_AUTO(sk_pickle_done) struct sk_pickle p = { 0 };
    SK_OWN(free) uint8_t *copy = exact_copy(pickle.ptr, pickle.len);
    struct sk_view rest = { (const char *)copy, pickle.len };
    struct sk_err err = SK_ERR_INIT;
    uint32_t value = 0;

    sk_buf_clear(out);
    if (sk_pickle_load(&p, &rest, &value, &err) < 0)
        sk_buf_str(out, err.text);
    else
        print_value(&p, value, 0, out);
    *code = err.code;
}

struct pickle_row {
    const char *name;
    struct sk_view pickle; /* the protocol is put in front */
    enum sk_code code;
    const char *text; /* the value, or how the error begins */
};

static inline void check_pickles(const struct pickle_row *rows, size_t count)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf pickle = SK_BUF_INIT(1 << 20);

    for (size_t i = 0; i < count; i++) {
        enum sk_code code = SK_OK;
        sk_buf_clear(&pickle);
        sk_buf_add(&pickle, PROTO, 2);
        sk_buf_add(&pickle, rows[i].pickle.ptr, rows[i].pickle.len);
        run_pickle((struct sk_view){ pickle.data, pickle.len }, &out, &code);
        size_t len = code == SK_OK ? out.len : strlen(rows[i].text);
        if (code != rows[i].code || strlen(rows[i].text) != len ||
            strncmp(out.data, rows[i].text, len) != 0)
            fail_msg("row '%s': code %s, %s", rows[i].name, sk_code_name(code), out.data);
        /* Whatever is cut off is an error. */
        for (size_t cut = 0; code == SK_OK && cut < pickle.len; cut++) {
            enum sk_code cut_code = SK_OK;
            run_pickle((struct sk_view){ pickle.data, cut }, &out, &cut_code);
            if (cut_code == SK_OK)
                fail_msg("row '%s': accepted when cut off at %zu", rows[i].name, cut);
        }
    }
}

#endif
