/*
 * machine.c - what a pickle's opcodes work on: the bytes, the stack with its marks, the memo.
 *
 * The stack and the memo hold indices of values; a mark is a height of the stack. Invariants: at <=
 * end; no mark is above the stack, and nothing below the last one is popped one by one; every index
 * on the stack and in the memo is that of a value.
 */
#include "weights/machine_priv.h"

#include <endian.h>

int sk_machine_corrupt(const struct sk_machine *m, const char *what, struct sk_err *err)
{
    return sk_fail(err, SK_CORRUPT, "pickle: %s at byte %td", what, m->at - m->base);
}

/* ---- reading ---- */

int sk_machine_take(struct sk_machine *m, uint64_t n, const uint8_t **out, struct sk_err *err)
{
    if (n > (uint64_t)(m->end - m->at))
        return sk_machine_corrupt(m, "cut off", err);
    *out = m->at;
    m->at += n;
    return 0;
}

int sk_machine_number(struct sk_machine *m, unsigned width, uint64_t *out, struct sk_err *err)
{
    const uint8_t *p = NULL;
    uint64_t v = 0;

    if (sk_machine_take(m, width, &p, err) < 0)
        return -1;
    memcpy(&v, p, width);
    *out = le64toh(v);
    return 0;
}

int sk_machine_counted(struct sk_machine *m, unsigned width, struct sk_view *out,
                       struct sk_err *err)
{
    const uint8_t *p = NULL;
    uint64_t len = 0;

    if (sk_machine_number(m, width, &len, err) < 0 || sk_machine_take(m, len, &p, err) < 0)
        return -1;
    *out = (struct sk_view){ (const char *)p, (size_t)len };
    return 0;
}

int sk_machine_line(struct sk_machine *m, struct sk_view *out, struct sk_err *err)
{
    const uint8_t *stop = memchr(m->at, '\n', (size_t)(m->end - m->at));

    if (!stop)
        return sk_machine_corrupt(m, "cut off", err);
    *out = (struct sk_view){ (const char *)m->at, (size_t)(stop - m->at) };
    m->at = stop + 1;
    return 0;
}

/* ---- the stack ---- */

static uint32_t *stack_of(const struct sk_machine *m)
{
    return m->p->stack.ptr;
}

int sk_machine_push(struct sk_machine *m, uint32_t value, struct sk_err *err)
{
    struct sk_pickle_array *s = &m->p->stack;

    if (sk_pickle_grow(s, sizeof value, SK_PICKLE_MAX_STACK, "values on the stack", err) < 0)
        return -1;
    stack_of(m)[s->count - 1] = value;
    return 0;
}

int sk_machine_push_value(struct sk_machine *m, const struct sk_pickle_value *v, struct sk_err *err)
{
    uint32_t value = 0;

    return sk_pickle_new(m->p, v, &value, err) < 0 ? -1 : sk_machine_push(m, value, err);
}

/* Where the values above the last mark begin. */
static uint32_t last_mark(const struct sk_machine *m)
{
    const struct sk_pickle_array *marks = &m->p->marks;

    return marks->count > 0 ? ((const uint32_t *)marks->ptr)[marks->count - 1] : 0;
}

int sk_machine_want(const struct sk_machine *m, uint32_t n, struct sk_err *err)
{
    if (m->p->stack.count - last_mark(m) < n)
        return sk_machine_corrupt(m, "too few values on the stack", err);
    return 0;
}

int sk_machine_pop(struct sk_machine *m, uint32_t *out, struct sk_err *err)
{
    if (sk_machine_want(m, 1, err) < 0)
        return -1;
    *out = stack_of(m)[--m->p->stack.count];
    return 0;
}

int sk_machine_top(const struct sk_machine *m, uint32_t *out, struct sk_err *err)
{
    if (sk_machine_want(m, 1, err) < 0)
        return -1;
    *out = stack_of(m)[m->p->stack.count - 1];
    return 0;
}

uint32_t sk_machine_at(const struct sk_machine *m, uint32_t place)
{
    return stack_of(m)[place];
}

int sk_machine_mark(struct sk_machine *m, struct sk_err *err)
{
    struct sk_pickle_array *marks = &m->p->marks;

    if (sk_pickle_grow(marks, sizeof(uint32_t), SK_PICKLE_MAX_MARKS, "marks", err) < 0)
        return -1;
    ((uint32_t *)marks->ptr)[marks->count - 1] = m->p->stack.count;
    return 0;
}

int sk_machine_pop_mark(struct sk_machine *m, uint32_t *first, struct sk_err *err)
{
    if (m->p->marks.count == 0)
        return sk_machine_corrupt(m, "no mark on the stack", err);
    *first = last_mark(m);
    m->p->marks.count--;
    return 0;
}

/* ---- the memo ---- */

/* Slots hold index + 1; 0 is empty. */
int sk_machine_remember(struct sk_machine *m, uint64_t slot, struct sk_err *err)
{
    struct sk_pickle_array *memo = &m->p->memo;
    uint32_t value = 0;

    if (sk_machine_top(m, &value, err) < 0)
        return -1;
    if (slot >= SK_PICKLE_MAX_MEMO)
        return sk_fail(err, SK_LIMIT, "pickle: more than %d values in the memo",
                       SK_PICKLE_MAX_MEMO);
    while (memo->count <= slot) {
        if (sk_pickle_grow(memo, sizeof value, SK_PICKLE_MAX_MEMO, "values in the memo", err) < 0)
            return -1;
        ((uint32_t *)memo->ptr)[memo->count - 1] = 0;
    }
    ((uint32_t *)memo->ptr)[slot] = value + 1;
    return 0;
}

int sk_machine_recall(struct sk_machine *m, uint64_t slot, struct sk_err *err)
{
    const uint32_t *memo = m->p->memo.ptr;

    if (slot >= m->p->memo.count || memo[slot] == 0)
        return sk_machine_corrupt(m, "the memo has no such value", err);
    return sk_machine_push(m, memo[slot] - 1, err);
}
