/*
 * memory.c - buffers with a lifetime, and one block of memory that holds them all.
 *
 * Time is counted in steps: forward of operation i is step i, the loss comes next, backward of
 * operation i is step 2 n - i. Two buffers may share memory when no step needs both. They are
 * placed largest first, each at the lowest place that is free over its whole life; for networks
 * that comes within a few percent of the most that is alive at once.
 */
#include "nn/nn_priv.h"

#include <sys/mman.h>

enum {
    ALIGN = 4096,
    HUGE_PAGE = 2 << 20,
};

int sk_nn_buffer(struct sk_nn_plan *p, size_t bytes, struct sk_err *err)
{
    if (p->buffer_count == p->buffer_cap) {
        size_t cap = p->buffer_cap ? 2 * p->buffer_cap : 64;
        void *more = reallocarray(p->buffers, cap, sizeof(*p->buffers));

        if (!more)
            return sk_nomem(err);
        p->buffers = more;
        p->buffer_cap = cap;
    }
    p->buffers[p->buffer_count] = (struct sk_nn_buffer){ .bytes = (bytes + ALIGN) / ALIGN * ALIGN,
                                                         .first = p->now,
                                                         .last = p->now };
    return (int)p->buffer_count++;
}

void sk_nn_keep(struct sk_nn_plan *p, int buffer, int step)
{
    if (buffer >= 0 && p->buffers[buffer].last < step)
        p->buffers[buffer].last = step;
}

int sk_nn_step_of(const struct sk_nn_plan *p, const struct sk_nn_op *op, bool backward)
{
    int i = (int)(op - p->ops);

    return backward ? 2 * (int)p->op_count - i : i;
}

void *sk_nn_at(const struct sk_nn_plan *p, int buffer)
{
    return buffer >= 0 ? p->memory + p->buffers[buffer].offset : NULL;
}

const void *sk_nn_data(const struct sk_nn_plan *p, int value)
{
    return value == 0 ? p->pictures : sk_nn_at(p, p->values[value].buffer);
}

static int compare_size(const void *a, const void *b)
{
    const struct sk_nn_buffer *x = *(struct sk_nn_buffer *const *)a;
    const struct sk_nn_buffer *y = *(struct sk_nn_buffer *const *)b;

    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x < y ? -1 : 1;
}

static int compare_place(const void *a, const void *b)
{
    const struct sk_nn_buffer *x = *(struct sk_nn_buffer *const *)a;
    const struct sk_nn_buffer *y = *(struct sk_nn_buffer *const *)b;

    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* The lowest gap between those that are alive with it. near: room for `placed` pointers. */
static void place(struct sk_nn_buffer *b, struct sk_nn_buffer *const *placed, size_t count,
                  struct sk_nn_buffer **near)
{
    size_t n = 0, end = 0;

    for (size_t i = 0; i < count; i++)
        if (placed[i]->first <= b->last && b->first <= placed[i]->last)
            near[n++] = placed[i];
    qsort(near, n, sizeof(*near), compare_place);
    for (size_t i = 0; i < n && near[i]->offset < end + b->bytes; i++)
        if (near[i]->offset + near[i]->bytes > end)
            end = near[i]->offset + near[i]->bytes;
    b->offset = end;
}

int sk_nn_place_buffers(struct sk_nn_plan *p, struct sk_err *err)
{
    SK_AUTO(free_cleanup) struct sk_nn_buffer **order = NULL;
    size_t n = p->buffer_count, total = ALIGN;

    order = calloc(2 * n + 1, sizeof(struct sk_nn_buffer *));
    if (!order)
        return sk_nomem(err);
    for (size_t i = 0; i < n; i++)
        order[i] = &p->buffers[i];
    qsort(order, n, sizeof(struct sk_nn_buffer *), compare_size);
    for (size_t i = 0; i < n; i++) {
        place(order[i], order, i, order + n);
        if (order[i]->offset + order[i]->bytes > total)
            total = order[i]->offset + order[i]->bytes;
    }
    p->memory_bytes = (total + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    p->memory = aligned_alloc(HUGE_PAGE, p->memory_bytes);
    if (!p->memory)
        return sk_nomem(err);
    (void)madvise(p->memory, p->memory_bytes, MADV_HUGEPAGE); /* fewer page faults; no matter */
    return 0;
}

/* ---- tensors ---- */

size_t sk_nn_blocks(const struct sk_nn_value *v)
{
    return (v->c + v->block - 1) / v->block;
}

size_t sk_nn_plane(const struct sk_nn_value *v)
{
    return (size_t)v->h * v->w * v->block;
}

size_t sk_nn_elements(const struct sk_nn_plan *p, const struct sk_nn_value *v)
{
    return p->batch * sk_nn_blocks(v) * sk_nn_plane(v);
}

size_t sk_nn_type_size(enum sk_dn_type type)
{
    return type == SK_DN_BF16 ? sizeof(uint16_t) : sizeof(float);
}

size_t sk_nn_value_bytes(const struct sk_nn_plan *p, const struct sk_nn_value *v)
{
    return sk_nn_elements(p, v) * sk_nn_type_size(v->type);
}

bool sk_nn_is_flat(const struct sk_nn_value *v)
{
    return v->h * v->w == 1 && v->block == v->c && v->type == SK_DN_F32;
}

unsigned sk_nn_block_of(const struct sk_nn_plan *p, unsigned channels)
{
    static const unsigned blocks[SK_DN_LAYOUT_COUNT] = {
        [SK_DN_C4] = 4, [SK_DN_C8] = 8, [SK_DN_C16] = 16
    };

    return blocks[p->layout] ? blocks[p->layout] : channels;
}

enum {
    UNIT_BYTES = 128 << 10
};

struct sk_nn_units sk_nn_units_of(const struct sk_nn_plan *p, const struct sk_nn_value *v)
{
    size_t rows = UNIT_BYTES / (v->block * sk_nn_type_size(v->type));
    size_t plane = (size_t)v->h * v->w;
    struct sk_nn_units u;

    u.rows = rows < 1 ? 1 : rows < plane ? rows : plane;
    u.pieces = (plane + u.rows - 1) / u.rows;
    u.count = p->batch * sk_nn_blocks(v) * u.pieces;
    return u;
}

struct sk_nn_unit sk_nn_unit(const struct sk_nn_units *u, const struct sk_nn_value *v, size_t index)
{
    size_t slice = index / u->pieces, first = index % u->pieces * u->rows;
    size_t plane = (size_t)v->h * v->w;

    return (struct sk_nn_unit){ .at = slice * sk_nn_plane(v) + first * v->block,
                                .rows = plane - first < u->rows ? plane - first : u->rows,
                                .channel = slice % sk_nn_blocks(v) * v->block };
}

/* ---- threads ---- */

struct parts {
    sk_nn_part *run;
    void *ctx;
    size_t count;
};

static void run_part(void *arg, unsigned index, unsigned threads)
{
    const struct parts *p = arg;
    size_t begin = p->count * index / threads, end = p->count * (index + 1) / threads;

    if (begin < end)
        p->run(p->ctx, begin, end);
}

void sk_nn_parallel(const struct sk_nn_plan *p, sk_nn_part *run, void *ctx, size_t count)
{
    struct parts parts = { run, ctx, count };

    sk_dn_parallel(count > 1 ? p->threads : 1, run_part, &parts);
}
