/*
 * pickle.c - runs pickles of protocols 2 to 5 (PEP 307, 3154, 574; Python's pickletools).
 *
 * A pickle is a program for a stack machine: opcodes push values, take them together into
 * containers, remember them in a memo, and call what they name. This machine has the opcodes that
 * torch.save writes; the others are known by name so that they can be refused with it. Values are
 * pushed by index (heap.c, machine.c), calls go through the table in globals.c.
 */
#include "weights/machine_priv.h"

#include <endian.h>

struct opcode;
typedef int op_fn(struct sk_machine *m, const struct opcode *op, struct sk_err *err);

struct opcode {
    const char *name;
    op_fn *run; /* NULL: refused by name */
    unsigned arg;
};

static int refuse(const struct sk_machine *m, const struct opcode *op, struct sk_err *err)
{
    return sk_fail(err, SK_UNSUPPORTED,
                   "pickle: opcode %s before byte %td, which no state dict has", op->name,
                   m->at - m->base);
}

/* The value on top of the stack, which must be of the kind. */
static int top_of_kind(const struct sk_machine *m, enum sk_pickle_kind kind, const char *name,
                       uint32_t *out, struct sk_err *err)
{
    if (sk_machine_top(m, out, err) < 0)
        return -1;
    if (sk_pickle_at(m->p, *out)->kind != kind)
        return sk_fail(err, SK_CORRUPT, "pickle: expected %s before byte %td", name,
                       m->at - m->base);
    return 0;
}

/* ---- opcodes: plain values ---- */

static int op_none(struct sk_machine *m, const struct opcode *op, struct sk_err *err)
{
    (void)op;
    return sk_machine_push_value(m, &(struct sk_pickle_value){ .kind = SK_PICKLE_NONE }, err);
}

static int op_bool(struct sk_machine *m, const struct opcode *op, struct sk_err *err)
{
    struct sk_pickle_value v = { .kind = SK_PICKLE_BOOL };

    v.integer = op->arg;
    return sk_machine_push_value(m, &v, err);
}

/* 1 and 2 bytes are unsigned, 4 are signed. */
static int op_int(struct sk_machine *m, const struct opcode *op, struct sk_err *err)
{
    struct sk_pickle_value v = { .kind = SK_PICKLE_INT };
    uint64_t n = 0;

    if (sk_machine_number(m, op->arg, &n, err) < 0)
        return -1;
    v.integer = op->arg == 4 ? (int32_t)(uint32_t)n : (int64_t)n;
    return sk_machine_push_value(m, &v, err);
}

/* Two's complement of any length, the lowest byte first. */
static int op_long(struct sk_machine *m, const struct opcode *op, struct sk_err *err)
{
    struct sk_pickle_value v = { .kind = SK_PICKLE_BIG };
    struct sk_view bytes = { 0 };
    uint64_t n = 0;

    if (sk_machine_counted(m, op->arg, &bytes, err) < 0)
        return -1;
    v.count = (uint32_t)bytes.len;
    v.ptr = bytes.ptr;
    if (bytes.len <= sizeof n) {
        bool is_negative = bytes.len > 0 && (bytes.ptr[bytes.len - 1] & 0x80);
        n = is_negative ? UINT64_MAX : 0;
        memcpy(&n, bytes.ptr, bytes.len);
        v.kind = SK_PICKLE_INT;
        v.integer = (int64_t)le64toh(n);
    }
    return sk_machine_push_value(m, &v, err);
}

static int op_float(struct sk_machine *m, const struct opcode *op, struct sk_err *err)
{
    struct sk_pickle_value v = { .kind = SK_PICKLE_FLOAT };
    const uint8_t *p = NULL;
    uint64_t bits = 0;

    (void)op;
    if (sk_machine_take(m, sizeof bits, &p, err) < 0)
        return -1;
    memcpy(&bits, p, sizeof bits);
    bits = be64toh(bits);
    memcpy(&v.real, &bits, sizeof bits);
    return sk_machine_push_value(m, &v, err);
}

static int push_bytes(struct sk_machine *m, unsigned width, enum sk_pickle_kind kind,
                      struct sk_err *err)
{
    struct sk_pickle_value v = { .kind = kind };
    struct sk_view bytes = { 0 };

    if (sk_machine_counted(m, width, &bytes, err) < 0)
        return -1;
    v.count = (uint32_t)bytes.len; /* the pickle is shorter than 4 GiB */
    v.ptr = bytes.ptr;
    return sk_machine_push_value(m, &v, err);
}

static int op_text(struct sk_machine *m, const struct opcode *op, struct sk_err *err)
{
    return push_bytes(m, op->arg, SK_PICKLE_TEXT, err);
}

static int op_bytes(struct sk_machine *m, const struct opcode *op, struct sk_err *err)
{
    return push_bytes(m, op->arg, SK_PICKLE_BYTES, err);
}

/* ---- opcodes: containers ---- */

static int op_empty(struct sk_machine *m, const struct opcode *op, struct sk_err *err)
{
    uint32_t value = 0;

    if (sk_pickle_new_container(m->p, (enum sk_pickle_kind)op->arg, &value, err) < 0)
        return -1;
    return sk_machine_push(m, value, err);
}

static int op_mark(struct sk_machine *m, const struct opcode *op, struct sk_err *err)
{
    (void)op;
    return sk_machine_mark(m, err);
}

/* Appends the values from first on to the container and takes them from the stack. */
static int collect(struct sk_machine *m, uint32_t container, uint32_t first, struct sk_err *err)
{
    for (uint32_t i = first; i < m->p->stack.count; i++)
        if (sk_pickle_append(m->p, container, sk_machine_at(m, i), err) < 0)
            return -1;
    m->p->stack.count = first;
    return 0;
}

static int push_tuple(struct sk_machine *m, uint32_t first, struct sk_err *err)
{
    uint32_t tuple = 0;

    if (sk_pickle_new_container(m->p, SK_PICKLE_TUPLE, &tuple, err) < 0 ||
        collect(m, tuple, first, err) < 0)
        return -1;
    return sk_machine_push(m, tuple, err);
}

static int op_tuple(struct sk_machine *m, const struct opcode *op, struct sk_err *err)
{
    uint32_t first = 0;

    (void)op;
    return sk_machine_pop_mark(m, &first, err) < 0 ? -1 : push_tuple(m, first, err);
}

static int op_small_tuple(struct sk_machine *m, const struct opcode *op, struct sk_err *err)
{
    if (sk_machine_want(m, op->arg, err) < 0)
        return -1;
    return push_tuple(m, m->p->stack.count - op->arg, err);
}

/* The values from first on go into the list or dict below them. */
static int add_to(struct sk_machine *m, uint32_t first, enum sk_pickle_kind kind,
                  struct sk_err *err)
{
    uint32_t container = 0, count = m->p->stack.count;

    if (kind == SK_PICKLE_DICT && (count - first) % 2 != 0)
        return sk_machine_corrupt(m, "a key without a value", err);
    m->p->stack.count = first;
    if (top_of_kind(m, kind, kind == SK_PICKLE_LIST ? "a list" : "a dict", &container, err) < 0)
        return -1;
    m->p->stack.count = count;
    return collect(m, container, first, err);
}

static int op_add_one(struct sk_machine *m, const struct opcode *op, struct sk_err *err)
{
    uint32_t n = op->arg == SK_PICKLE_DICT ? 2 : 1;

    if (sk_machine_want(m, n, err) < 0)
        return -1;
    return add_to(m, m->p->stack.count - n, (enum sk_pickle_kind)op->arg, err);
}

static int op_add_marked(struct sk_machine *m, const struct opcode *op, struct sk_err *err)
{
    uint32_t first = 0;

    if (sk_machine_pop_mark(m, &first, err) < 0)
        return -1;
    return add_to(m, first, (enum sk_pickle_kind)op->arg, err);
}

static int op_pop(struct sk_machine *m, const struct opcode *op, struct sk_err *err)
{
    uint32_t ignored = 0;

    (void)op;
    return sk_machine_pop(m, &ignored, err);
}

static int op_pop_mark(struct sk_machine *m, const struct opcode *op, struct sk_err *err)
{
    uint32_t first = 0;

    (void)op;
    if (sk_machine_pop_mark(m, &first, err) < 0)
        return -1;
    m->p->stack.count = first;
    return 0;
}

/* ---- opcodes: the memo ---- */

static int op_put(struct sk_machine *m, const struct opcode *op, struct sk_err *err)
{
    uint64_t slot = 0;

    return sk_machine_number(m, op->arg, &slot, err) < 0 ? -1 : sk_machine_remember(m, slot, err);
}

static int op_memoize(struct sk_machine *m, const struct opcode *op, struct sk_err *err)
{
    (void)op;
    return sk_machine_remember(m, m->p->memo.count, err);
}

static int op_get(struct sk_machine *m, const struct opcode *op, struct sk_err *err)
{
    uint64_t slot = 0;

    return sk_machine_number(m, op->arg, &slot, err) < 0 ? -1 : sk_machine_recall(m, slot, err);
}

/* ---- opcodes: what would be calls ---- */

static int push_global(struct sk_machine *m, struct sk_view module, struct sk_view name,
                       struct sk_err *err)
{
    struct sk_pickle_value v = { .kind = SK_PICKLE_GLOBAL };

    return sk_pickle_global(module, name, &v.global, err) < 0 ? -1
                                                              : sk_machine_push_value(m, &v, err);
}

static int op_global(struct sk_machine *m, const struct opcode *op, struct sk_err *err)
{
    struct sk_view module = { 0 }, name = { 0 };

    (void)op;
    if (sk_machine_line(m, &module, err) < 0 || sk_machine_line(m, &name, err) < 0)
        return -1;
    return push_global(m, module, name, err);
}

/* Makes an object of the class it names; there is no class that it could name. */
static int op_inst(struct sk_machine *m, const struct opcode *op, struct sk_err *err)
{
    const struct sk_pickle_global *global = NULL;
    struct sk_view module = { 0 }, name = { 0 };

    if (sk_machine_line(m, &module, err) < 0 || sk_machine_line(m, &name, err) < 0 ||
        sk_pickle_global(module, name, &global, err) < 0)
        return -1;
    return refuse(m, op, err);
}

static int op_stack_global(struct sk_machine *m, const struct opcode *op, struct sk_err *err)
{
    uint32_t module = 0, name = 0;

    (void)op;
    if (sk_machine_pop(m, &name, err) < 0 || sk_machine_pop(m, &module, err) < 0)
        return -1;
    const struct sk_pickle_value *x = sk_pickle_at(m->p, module), *y = sk_pickle_at(m->p, name);
    if (x->kind != SK_PICKLE_TEXT || y->kind != SK_PICKLE_TEXT)
        return sk_machine_corrupt(m, "a name that is not a text", err);
    return push_global(m, sk_pickle_text(x), sk_pickle_text(y), err);
}

static int op_reduce(struct sk_machine *m, const struct opcode *op, struct sk_err *err)
{
    uint32_t arguments = 0, callable = 0, value = 0;

    (void)op;
    if (sk_machine_pop(m, &arguments, err) < 0 || sk_machine_pop(m, &callable, err) < 0 ||
        sk_pickle_call(m->p, callable, arguments, &value, err) < 0)
        return -1;
    return sk_machine_push(m, value, err);
}

/* Attributes of an OrderedDict (PyTorch keeps versions there) or a tensor: nothing we need. */
static int op_build(struct sk_machine *m, const struct opcode *op, struct sk_err *err)
{
    uint32_t state = 0, value = 0;

    (void)op;
    if (sk_machine_pop(m, &state, err) < 0 || sk_machine_top(m, &value, err) < 0)
        return -1;
    enum sk_pickle_kind kind = sk_pickle_at(m->p, value)->kind;
    if (kind != SK_PICKLE_DICT && kind != SK_PICKLE_TENSOR)
        return sk_machine_corrupt(m, "attributes of a value that has none", err);
    return 0;
}

static int op_persistent(struct sk_machine *m, const struct opcode *op, struct sk_err *err)
{
    uint32_t id = 0, value = 0;

    (void)op;
    if (sk_machine_pop(m, &id, err) < 0 || sk_pickle_persistent(m->p, id, &value, err) < 0)
        return -1;
    return sk_machine_push(m, value, err);
}

/* ---- opcodes: the frame of it all ---- */

static int op_proto(struct sk_machine *m, const struct opcode *op, struct sk_err *err)
{
    uint64_t version = 0;

    (void)op;
    if (sk_machine_number(m, 1, &version, err) < 0)
        return -1;
    if (version < 2 || version > 5)
        return sk_fail(err, SK_UNSUPPORTED, "pickle: protocol %u; 2 to 5 are read",
                       (unsigned)version);
    return 0;
}

/* A frame only says how many bytes may be read at once. */
static int op_frame(struct sk_machine *m, const struct opcode *op, struct sk_err *err)
{
    uint64_t len = 0;

    (void)op;
    if (sk_machine_number(m, 8, &len, err) < 0)
        return -1;
    if (len > (uint64_t)(m->end - m->at))
        return sk_machine_corrupt(m, "a frame that is cut off", err);
    return 0;
}

static int op_stop(struct sk_machine *m, const struct opcode *op, struct sk_err *err)
{
    (void)op;
    if (m->p->marks.count > 0 || m->p->stack.count != 1)
        return sk_machine_corrupt(m, "an end with other than one value on the stack", err);
    m->is_done = true;
    return sk_machine_pop(m, &m->result, err);
}

static const struct opcode opcodes[256] = {
    /* plain values */
    ['N'] = { "NONE", op_none, 0 },
    [0x88] = { "NEWTRUE", op_bool, 1 },
    [0x89] = { "NEWFALSE", op_bool, 0 },
    ['K'] = { "BININT1", op_int, 1 },
    ['M'] = { "BININT2", op_int, 2 },
    ['J'] = { "BININT", op_int, 4 },
    [0x8a] = { "LONG1", op_long, 1 },
    [0x8b] = { "LONG4", op_long, 4 },
    ['G'] = { "BINFLOAT", op_float, 0 },
    ['U'] = { "SHORT_BINSTRING", op_text, 1 },
    ['T'] = { "BINSTRING", op_text, 4 },
    [0x8c] = { "SHORT_BINUNICODE", op_text, 1 },
    ['X'] = { "BINUNICODE", op_text, 4 },
    [0x8d] = { "BINUNICODE8", op_text, 8 },
    ['C'] = { "SHORT_BINBYTES", op_bytes, 1 },
    ['B'] = { "BINBYTES", op_bytes, 4 },
    [0x8e] = { "BINBYTES8", op_bytes, 8 },
    [0x96] = { "BYTEARRAY8", op_bytes, 8 },
    /* containers */
    [')'] = { "EMPTY_TUPLE", op_empty, SK_PICKLE_TUPLE },
    [']'] = { "EMPTY_LIST", op_empty, SK_PICKLE_LIST },
    ['}'] = { "EMPTY_DICT", op_empty, SK_PICKLE_DICT },
    ['('] = { "MARK", op_mark, 0 },
    ['t'] = { "TUPLE", op_tuple, 0 },
    [0x85] = { "TUPLE1", op_small_tuple, 1 },
    [0x86] = { "TUPLE2", op_small_tuple, 2 },
    [0x87] = { "TUPLE3", op_small_tuple, 3 },
    ['a'] = { "APPEND", op_add_one, SK_PICKLE_LIST },
    ['s'] = { "SETITEM", op_add_one, SK_PICKLE_DICT },
    ['e'] = { "APPENDS", op_add_marked, SK_PICKLE_LIST },
    ['u'] = { "SETITEMS", op_add_marked, SK_PICKLE_DICT },
    ['0'] = { "POP", op_pop, 0 },
    ['1'] = { "POP_MARK", op_pop_mark, 0 },
    /* the memo */
    ['q'] = { "BINPUT", op_put, 1 },
    ['r'] = { "LONG_BINPUT", op_put, 4 },
    [0x94] = { "MEMOIZE", op_memoize, 0 },
    ['h'] = { "BINGET", op_get, 1 },
    ['j'] = { "LONG_BINGET", op_get, 4 },
    /* calls */
    ['c'] = { "GLOBAL", op_global, 0 },
    [0x93] = { "STACK_GLOBAL", op_stack_global, 0 },
    ['R'] = { "REDUCE", op_reduce, 0 },
    ['b'] = { "BUILD", op_build, 0 },
    ['Q'] = { "BINPERSID", op_persistent, 0 },
    /* the frame */
    [0x80] = { "PROTO", op_proto, 0 },
    [0x95] = { "FRAME", op_frame, 0 },
    ['.'] = { "STOP", op_stop, 0 },
    /* refused: protocols 0 and 1, objects of classes, sets, what torch.save never writes */
    ['i'] = { "INST", op_inst, 0 },
    ['I'] = { "INT", NULL, 0 },
    ['L'] = { "LONG", NULL, 0 },
    ['F'] = { "FLOAT", NULL, 0 },
    ['S'] = { "STRING", NULL, 0 },
    ['V'] = { "UNICODE", NULL, 0 },
    ['p'] = { "PUT", NULL, 0 },
    ['g'] = { "GET", NULL, 0 },
    ['P'] = { "PERSID", NULL, 0 },
    ['l'] = { "LIST", NULL, 0 },
    ['d'] = { "DICT", NULL, 0 },
    ['o'] = { "OBJ", NULL, 0 },
    ['2'] = { "DUP", NULL, 0 },
    [0x81] = { "NEWOBJ", NULL, 0 },
    [0x82] = { "EXT1", NULL, 0 },
    [0x83] = { "EXT2", NULL, 0 },
    [0x84] = { "EXT4", NULL, 0 },
    [0x8f] = { "EMPTY_SET", NULL, 0 },
    [0x90] = { "ADDITEMS", NULL, 0 },
    [0x91] = { "FROZENSET", NULL, 0 },
    [0x92] = { "NEWOBJ_EX", NULL, 0 },
    [0x97] = { "NEXT_BUFFER", NULL, 0 },
    [0x98] = { "READONLY_BUFFER", NULL, 0 },
};

static int step(struct sk_machine *m, struct sk_err *err)
{
    const uint8_t *byte = NULL;

    if (sk_machine_take(m, 1, &byte, err) < 0)
        return -1;
    const struct opcode *op = &opcodes[*byte];
    if (!op->name)
        return sk_fail(err, SK_CORRUPT, "pickle: no opcode 0x%02x, at byte %td", *byte,
                       byte - m->base);
    return op->run ? op->run(m, op, err) : refuse(m, op, err);
}

int sk_pickle_load(struct sk_pickle *p, struct sk_view *bytes, uint32_t *out, struct sk_err *err)
{
    const uint8_t *base = (const uint8_t *)bytes->ptr;
    struct sk_machine m = { .p = p, .base = base, .at = base, .end = base + bytes->len };

    p->stack.count = p->marks.count = p->memo.count = 0;
    while (!m.is_done)
        if (step(&m, err) < 0)
            return -1;
    *out = m.result;
    *bytes = (struct sk_view){ (const char *)m.at, (size_t)(m.end - m.at) };
    return 0;
}
