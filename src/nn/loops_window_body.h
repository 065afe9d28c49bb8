/*
 * loops_window_body.h - the loops that slide a window over a picture: pooling, and the gradient of
 * depthwise weights. A part of loops_lanes_body.h; there are no divisions in the inner loops.
 */

/* ---- max pooling ---- */

/* The maximum of the window at row `top`, column `left`, and its place. */
INLINE VF FN(max_of)(const struct sk_pool_unit *u, const TYPE *x, int top, int left, VI *place)
{
    VF best = FN(all)(-INFINITY);
    VI where = { 0 };
    bool is_first = true;

    for (int y = 0; y < (int)u->kernel; y++) {
        unsigned row = (unsigned)(top + y * (int)u->dilation);

        for (int k = 0; row < u->ih && k < (int)u->kernel; k++) { /* not when negative either */
            unsigned col = (unsigned)(left + k * (int)u->dilation);
            VF v;
            VI is_more;

            if (col >= u->iw)
                continue;
            v = FN(load)(x + ((size_t)row * u->iw + col) * u->block);
            is_more = is_first ? (VI){ 0 } == (VI){ 0 } : (v > best) | (v != v);
            best = FN(choose)(is_more, v, best);
            where = (is_more & (y * (int)u->kernel + k)) | (~is_more & where);
            is_first = false;
        }
    }
    *place = where;
    return best;
}

static void FN(max_pool)(const struct sk_pool_unit *u, size_t at)
{
    const TYPE *x = (const TYPE *)u->x + at;
    size_t to = at;

    for (unsigned row = 0; row < u->oh; row++) {
        for (unsigned col = 0; col < u->ow; col++, to += u->block) {
            VI place;
            VF best = FN(max_of)(u, x, (int)(row * u->stride) - (int)u->padding,
                                 (int)(col * u->stride) - (int)u->padding, &place);

            FN(store)((TYPE *)u->y + to, best);
            if (u->index) {
                VB index = __builtin_convertvector(place, VB);
                memcpy(u->index + to, &index, sizeof(index));
            }
        }
    }
}

/* Windows [first, end) along one side that may hold input i; both only grow with i. */
INLINE void FN(slide)(const struct sk_pool_unit *u, unsigned i, unsigned count, unsigned *first,
                      unsigned *end)
{
    unsigned place = i + u->padding, reach = u->dilation * (u->kernel - 1);

    while (*first * u->stride + reach < place)
        ++*first;
    while (*end < count && *end * u->stride <= place)
        ++*end;
}

/* What the windows [x, end_x) of one row of windows give to the input at column col; dy: how far
 * the input is below the windows' top. */
INLINE VF FN(gather)(const struct sk_pool_unit *u, size_t at, unsigned y, unsigned dy, unsigned x,
                     unsigned end_x, unsigned col)
{
    VF sum = { 0 };

    for (; x < end_x; x++) {
        unsigned dx = col + u->padding - x * u->stride;
        size_t from = ((size_t)y * u->ow + x) * u->block + at;
        int32_t k = (int32_t)(dy * u->kernel + dx);
        VB index;

        if (u->dilation > 1) {
            if (dy % u->dilation != 0 || dx % u->dilation != 0)
                continue;
            k = (int32_t)(dy / u->dilation * u->kernel + dx / u->dilation);
        }
        memcpy(&index, u->index + from, sizeof(index));
        sum += FN(where)(__builtin_convertvector(index, VI) == k,
                         FN(load)((const TYPE *)u->g + from));
    }
    return sum;
}

/* Each input gathers from the windows that chose it: every value is written once. */
static void FN(max_pool_back)(const struct sk_pool_unit *u, size_t at)
{
    TYPE *d = (TYPE *)u->d + at;

    for (unsigned row = 0, first_y = 0, end_y = 0; row < u->ih; row++) {
        FN(slide)(u, row, u->oh, &first_y, &end_y);
        for (unsigned col = 0, first_x = 0, end_x = 0; col < u->iw; col++, d += u->block) {
            VF sum = { 0 };

            FN(slide)(u, col, u->ow, &first_x, &end_x);
            for (unsigned y = first_y; y < end_y; y++)
                sum += FN(gather)(u, at, y, row + u->padding - y * u->stride, first_x, end_x, col);
            FN(put)(d, sum, u->add);
        }
    }
}

/* ---- average pooling ---- */

/* Inputs under the window at output o along one side, clipped to the picture. */
INLINE unsigned FN(window)(const struct sk_pool_unit *u, unsigned o, unsigned size, unsigned *end)
{
    unsigned from = o * u->stride, to = from + u->kernel;

    *end = to < size + u->padding ? to - u->padding : size;
    return from > u->padding ? from - u->padding : 0;
}

static void FN(avg_pool)(const struct sk_pool_unit *u, size_t at)
{
    TYPE *to = (TYPE *)u->y + at;

    for (unsigned row = 0; row < u->oh; row++) {
        unsigned bottom, top = FN(window)(u, row, u->ih, &bottom);

        for (unsigned col = 0; col < u->ow; col++, to += u->block) {
            unsigned right, left = FN(window)(u, col, u->iw, &right);
            VF sum = { 0 };

            for (unsigned y = top; y < bottom; y++)
                for (unsigned x = left; x < right; x++)
                    sum += FN(load)((const TYPE *)u->x + ((size_t)y * u->iw + x) * u->block + at);
            FN(store)(to, sum / (float)((bottom - top) * (right - left)));
        }
    }
}

static void FN(avg_pool_back)(const struct sk_pool_unit *u, size_t at)
{
    TYPE *d = (TYPE *)u->d + at;

    for (unsigned row = 0, first_y = 0, end_y = 0; row < u->ih; row++) {
        FN(slide)(u, row, u->oh, &first_y, &end_y);
        for (unsigned col = 0, first_x = 0, end_x = 0; col < u->iw; col++, d += u->block) {
            VF sum = { 0 };

            FN(slide)(u, col, u->ow, &first_x, &end_x);
            for (unsigned y = first_y; y < end_y; y++) {
                unsigned bottom, top = FN(window)(u, y, u->ih, &bottom);

                for (unsigned x = first_x; x < end_x; x++) {
                    unsigned right, left = FN(window)(u, x, u->iw, &right);

                    sum += FN(load)((const TYPE *)u->g + ((size_t)y * u->ow + x) * u->block + at) /
                           (float)((bottom - top) * (right - left));
                }
            }
            FN(put)(d, sum, u->add);
        }
    }
}

/* ---- depthwise convolution, backward by weights ---- */

/* Sum of x * g over one row of outputs, for one place in the window. */
INLINE VF FN(tap_row)(const TYPE *x, const TYPE *g, size_t count, size_t x_step, size_t g_step)
{
    VF even = { 0 }, odd = { 0 };
    size_t i = 0;

    for (; i + 2 <= count; i += 2) {
        even += FN(load)(x + i * x_step) * FN(load)(g + i * g_step);
        odd += FN(load)(x + (i + 1) * x_step) * FN(load)(g + (i + 1) * g_step);
    }
    return i < count ? even + odd + FN(load)(x + i * x_step) * FN(load)(g + i * g_step)
                     : even + odd;
}

/* Outputs [first, end) along one side whose window has place k inside the picture. */
INLINE void FN(reach)(const struct sk_pool_unit *u, unsigned k, unsigned size, unsigned count,
                      unsigned *first, unsigned *end)
{
    unsigned offset = k * u->dilation, behind = size + u->padding;

    *first = offset < u->padding ? (u->padding - offset + u->stride - 1) / u->stride : 0;
    *end = offset < behind ? (behind - offset - 1) / u->stride + 1 : 0;
    *end = *end < count ? *end : count;
}

static void FN(depthwise_weights)(const struct sk_pool_unit *u, size_t at, float *sums)
{
    for (unsigned k = 0; k < u->kernel * u->kernel; k++) {
        unsigned dy = k / u->kernel * u->dilation, dx = k % u->kernel * u->dilation;
        unsigned y, end_y, x, end_x;
        VF sum = { 0 };

        FN(reach)(u, k / u->kernel, u->ih, u->oh, &y, &end_y);
        FN(reach)(u, k % u->kernel, u->iw, u->ow, &x, &end_x);
        for (; x < end_x && y < end_y; y++) {
            size_t row = y * u->stride + dy - u->padding, col = x * u->stride + dx - u->padding;

            sum += FN(tap_row)((const TYPE *)u->x + (row * u->iw + col) * u->block + at,
                               (const TYPE *)u->g + ((size_t)y * u->ow + x) * u->block + at,
                               end_x - x, u->stride * u->block, u->block);
        }
        memcpy(sums + k * u->block + at, &sum, sizeof(sum));
    }
}
