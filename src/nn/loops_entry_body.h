/*
 * loops_entry_body.h - the loops over whole units of TYPE: vectors, then what is left of a block
 * channel by channel; see loops_body.h.
 */

/* Calls the loop for each group of channels; its arguments use `at`, the first one. */
#define EACH(block, loop, ...)                                                                     \
    do {                                                                                           \
        size_t at = 0;                                                                             \
        for (; at + LANES <= (block); at += LANES)                                                 \
            WIDE(loop)(__VA_ARGS__);                                                               \
        for (; at < (block); at++)                                                                 \
            NARROW(loop)(__VA_ARGS__);                                                             \
    } while (0)

/* Likewise element by element: the bulk, then the rest from `at` on. */
#define BULK(count) ((count) / LANES * LANES)

static void ENTRY(stats)(const void *x, size_t rows, size_t block, double *mean, double *m2)
{
    EACH(block, stats, (const TYPE *)x + at, rows, block, mean + at, m2 + at);
}

static void ENTRY(norm)(const struct sk_norm_unit *u)
{
    EACH(u->block, norm, u, at);
}

static void ENTRY(norm_sums)(const struct sk_norm_unit *u, double *sum, double *dot)
{
    EACH(u->block, norm_sums, u, at, sum + at, dot + at);
}

static void ENTRY(norm_apply)(const struct sk_norm_unit *u)
{
    EACH(u->block, norm_apply, u, at);
}

static void ENTRY(act)(const void *x, void *y, size_t count, enum sk_act act)
{
    size_t at = BULK(count);

    WIDE(act)(x, y, at, act);
    NARROW(act)((const TYPE *)x + at, (TYPE *)y + at, count - at, act);
}

static void ENTRY(act_back)(const void *v, bool from_output, const void *g, void *d, size_t count,
                            enum sk_act act, bool add)
{
    size_t at = BULK(count);

    WIDE(act_back)(v, from_output, g, d, at, act, add);
    NARROW(act_back)
    ((const TYPE *)v + at, from_output, (const TYPE *)g + at, (TYPE *)d + at, count - at, act, add);
}

static void ENTRY(add)(const void *a, const void *b, void *y, size_t count)
{
    size_t at = BULK(count);

    WIDE(add)(a, b, y, at);
    NARROW(add)((const TYPE *)a + at, (const TYPE *)b + at, (TYPE *)y + at, count - at);
}

static void ENTRY(mul)(const void *a, const void *b, void *y, size_t count, bool add)
{
    size_t at = BULK(count);

    WIDE(mul)(a, b, y, at, add);
    NARROW(mul)((const TYPE *)a + at, (const TYPE *)b + at, (TYPE *)y + at, count - at, add);
}

static void ENTRY(scale)(const void *x, float factor, void *y, size_t count, bool add)
{
    size_t at = BULK(count);

    WIDE(scale)(x, factor, y, at, add);
    NARROW(scale)((const TYPE *)x + at, factor, (TYPE *)y + at, count - at, add);
}

static void ENTRY(mul_rows)(const void *x, const void *s, void *y, size_t rows, size_t block,
                            bool add)
{
    EACH(block, mul_rows, (const TYPE *)x + at, (const TYPE *)s + at, (TYPE *)y + at, rows, block,
         add);
}

static void ENTRY(dot_rows)(const void *a, const void *b, void *s, size_t rows, size_t block,
                            bool add)
{
    EACH(block, dot_rows, (const TYPE *)a + at, (const TYPE *)b + at, (TYPE *)s + at, rows, block,
         add);
}

static void ENTRY(mean_rows)(const void *x, void *y, size_t rows, size_t block)
{
    EACH(block, mean_rows, (const TYPE *)x + at, (TYPE *)y + at, rows, block);
}

static void ENTRY(spread_rows)(const void *g, void *d, size_t rows, size_t block, bool add)
{
    EACH(block, spread_rows, (const TYPE *)g + at, (TYPE *)d + at, rows, block, add);
}

static void ENTRY(max_pool)(const struct sk_pool_unit *u)
{
    EACH(u->block, max_pool, u, at);
}

static void ENTRY(max_pool_back)(const struct sk_pool_unit *u)
{
    EACH(u->block, max_pool_back, u, at);
}

static void ENTRY(avg_pool)(const struct sk_pool_unit *u)
{
    EACH(u->block, avg_pool, u, at);
}

static void ENTRY(avg_pool_back)(const struct sk_pool_unit *u)
{
    EACH(u->block, avg_pool_back, u, at);
}

static void ENTRY(depthwise_weights)(const struct sk_pool_unit *u, float *sums)
{
    EACH(u->block, depthwise_weights, u, at, sums);
}

#undef EACH
#undef BULK
