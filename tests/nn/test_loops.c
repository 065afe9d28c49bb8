/* test_loops.c - every instruction set gives the bits of the plain one; the plain one is right. */
#include "nn/reference.h"

#include <math.h>

enum {
    MOST = 70000
};

static uint64_t seed;

static float random_float(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (float)(seed >> 40) / (float)(1 << 22) - 2; /* -2 to 2 */
}

/* Memory for one operand, as f32 or bf16. */
static void fill(void *p, size_t count, enum sk_dn_type type)
{
    for (size_t i = 0; i < count; i++) {
        float f = random_float() * 3;

        if (type == SK_DN_BF16)
            ((uint16_t *)p)[i] = sk_float_to_bf16(f);
        else
            ((float *)p)[i] = f;
    }
}

static float a[MOST], b[MOST], c[MOST], d[MOST], e[MOST], channels[5][4096];
static double sums[2][4096];

struct shape {
    size_t rows, block;
};

static const struct shape shapes[] = {
    { 1, 1 },   { 5, 3 },    { 64, 4 },  { 65, 8 },   { 200, 16 },
    { 130, 7 }, { 100, 24 }, { 77, 40 }, { 130, 17 }, { 7, 576 },
};

/* One run of a loop, everything it writes left in d and sums. */
typedef void loop_case(const struct sk_loops_of_type *l, struct shape s, enum sk_act act);

static void run_stats(const struct sk_loops_of_type *l, struct shape s, enum sk_act act)
{
    (void)act;
    l->stats(a, s.rows, s.block, sums[0], sums[1]);
}

static struct sk_norm_unit norm_unit(struct shape s, enum sk_act act)
{
    return (struct sk_norm_unit){ .rows = s.rows,
                                  .block = s.block,
                                  .x = a,
                                  .g = e,
                                  .act = act,
                                  .mean = channels[0],
                                  .scale = channels[1],
                                  .shift = channels[2],
                                  .g_mean = channels[3],
                                  .g_dot = channels[4] };
}

static void run_norm(const struct sk_loops_of_type *l, struct shape s, enum sk_act act)
{
    struct sk_norm_unit u = norm_unit(s, act);

    u.y = d;
    l->norm(&u);
    u.r = b;
    u.y = e;
    l->norm(&u);
}

static void run_norm_back(const struct sk_loops_of_type *l, struct shape s, enum sk_act act)
{
    struct sk_norm_unit u = norm_unit(s, act);

    l->norm_sums(&u, sums[0], sums[1]);
    u.dx = d;
    l->norm_apply(&u);
    u.g2 = b;
    u.keep = true;
    if (sk_act_from_output(act))
        u.y = c;
    l->norm_sums(&u, sums[0] + 2048, sums[1] + 2048);
}

static void run_act(const struct sk_loops_of_type *l, struct shape s, enum sk_act act)
{
    l->act(a, d, s.rows * s.block, act);
}

static void run_act_back(const struct sk_loops_of_type *l, struct shape s, enum sk_act act)
{
    l->act_back(a, false, b, d, s.rows * s.block, act, false);
    l->act_back(a, false, b, e, s.rows * s.block, act, true);
    if (sk_act_from_output(act))
        l->act_back(a, true, b, e, s.rows * s.block, act, true);
}

static void run_points(const struct sk_loops_of_type *l, struct shape s, enum sk_act act)
{
    size_t count = s.rows * s.block;

    if (act == SK_ACT_NONE)
        l->add(a, b, d, count);
    else if (act == SK_ACT_RELU)
        l->mul(a, b, d, count, true);
    else
        l->scale(a, 0.3f, d, count, act == SK_ACT_SILU);
}

static void run_rows(const struct sk_loops_of_type *l, struct shape s, enum sk_act act)
{
    bool add = act == SK_ACT_RELU;

    if (act == SK_ACT_NONE || add)
        l->mul_rows(a, b, d, s.rows, s.block, add);
    else if (act == SK_ACT_RELU6 || act == SK_ACT_SILU)
        l->dot_rows(a, b, d, s.rows, s.block, act == SK_ACT_SILU);
    else if (act == SK_ACT_SIGMOID)
        l->mean_rows(a, d, s.rows, s.block);
    else
        l->spread_rows(a, d, s.rows, s.block, act == SK_ACT_HARD_SWISH);
}

static void run_pools(const struct sk_loops_of_type *l, struct shape s, enum sk_act act)
{
    static uint8_t index[MOST];
    unsigned side = s.rows < 64 ? 5 : 8;
    struct sk_pool_unit u = { .block = s.block,
                              .ih = side,
                              .iw = side,
                              .kernel = 3,
                              .stride = 2,
                              .padding = 1,
                              .dilation = 1,
                              .oh = (side + 1) / 2,
                              .ow = (side + 1) / 2,
                              .x = a,
                              .g = b,
                              .y = d,
                              .d = e,
                              .index = index };

    u.add = act == SK_ACT_RELU;
    if (act == SK_ACT_NONE || u.add) {
        l->max_pool(&u);
        l->max_pool_back(&u);
    } else {
        l->avg_pool(&u);
        l->avg_pool_back(&u);
    }
}

static void run_depthwise(const struct sk_loops_of_type *l, struct shape s, enum sk_act act)
{
    unsigned side = s.rows < 64 ? 5 : 8;
    struct sk_pool_unit u = { .block = s.block,
                              .ih = side,
                              .iw = side,
                              .kernel = 5,
                              .stride = act == SK_ACT_RELU ? 2 : 1,
                              .padding = 2,
                              .dilation = 1,
                              .oh = act == SK_ACT_RELU ? (side + 1) / 2 : side,
                              .ow = act == SK_ACT_RELU ? (side + 1) / 2 : side,
                              .x = a,
                              .g = b };

    l->depthwise_weights(&u, d);
}

static const struct {
    const char *name;
    loop_case *run;
} loops[] = {
    { "stats", run_stats }, { "norm", run_norm },         { "norm back", run_norm_back },
    { "act", run_act },     { "act back", run_act_back }, { "points", run_points },
    { "rows", run_rows },   { "pools", run_pools },       { "depthwise", run_depthwise },
};

static void run_case(const struct sk_loops *l, size_t which, enum sk_dn_type type, struct shape s,
                     enum sk_act act)
{
    seed = 42;
    fill(a, MOST, type);
    fill(b, MOST, type);
    fill(c, MOST, type);
    fill(d, MOST, type);
    fill(e, MOST, type);
    memset(sums, 0, sizeof(sums));
    for (size_t k = 0; k < 5; k++)
        fill(channels[k], 4096, SK_DN_F32);
    loops[which].run(&l->of[type], s, act);
}

static void compare(const struct sk_loops *l, size_t which, enum sk_dn_type type, struct shape s)
{
    static float want_d[MOST], want_e[MOST];
    static double want_sums[2][4096];

    for (int act = 0; act < SK_ACT_COUNT; act++) {
        run_case(&sk_loops_c, which, type, s, (enum sk_act)act);
        memcpy(want_d, d, sizeof(d));
        memcpy(want_e, e, sizeof(e));
        memcpy(want_sums, sums, sizeof(sums));
        run_case(l, which, type, s, (enum sk_act)act);
        if (memcmp(want_d, d, sizeof(d)) != 0 || memcmp(want_e, e, sizeof(e)) != 0 ||
            memcmp(want_sums, sums, sizeof(sums)) != 0)
            fail_msg("%s, %s, %s, %zu x %zu, activation %d differs from the plain loops", l->name,
                     loops[which].name, type ? "bf16" : "f32", s.rows, s.block, act);
    }
}

static void test_equal(void **state)
{
    static const char *const names[] = { "avx2", "avx512" };

    (void)state;
    for (size_t n = 0; n < COUNT(names); n++)
        for (size_t which = 0; which < COUNT(loops) && sk_loops_find(names[n]); which++)
            for (size_t s = 0; s < COUNT(shapes); s++)
                for (int type = 0; type < SK_DN_TYPE_COUNT; type++)
                    compare(sk_loops_find(names[n]), which, (enum sk_dn_type)type, shapes[s]);
}

static double exact(enum sk_act act, double x)
{
    double r6 = fmin(fmax(x + 3, 0), 6) / 6, s = 1 / (1 + exp(-x));

    switch (act) {
    case SK_ACT_RELU:
        return fmax(x, 0);
    case SK_ACT_RELU6:
        return fmin(fmax(x, 0), 6);
    case SK_ACT_HARD_SWISH:
        return x * r6;
    case SK_ACT_HARD_SIGMOID:
        return r6;
    case SK_ACT_SILU:
        return x * s;
    case SK_ACT_SIGMOID:
        return s;
    default:
        return x;
    }
}

/* Within 4e-7 of what it should be, relative where results are tiny; NaN in, NaN out. */
static void test_activations(void **state)
{
    static float x[20001], y[20001];

    (void)state;
    for (size_t i = 0; i < COUNT(x) - 1; i++)
        x[i] = ((float)i - 10000) / 100; /* -100 to 100 */
    x[COUNT(x) - 1] = NAN;
    for (int act = 0; act < SK_ACT_COUNT; act++) {
        sk_loops_best()->of[SK_DN_F32].act(x, y, COUNT(x), (enum sk_act)act);
        for (size_t i = 0; i < COUNT(x) - 1; i++) {
            double want = exact((enum sk_act)act, (double)x[i]);

            if (fabs((double)y[i] - want) > 4e-7 * fabs(want) + 1e-35)
                fail_msg("activation %d of %g is %.9g, not %.9g", act, (double)x[i], (double)y[i],
                         want);
        }
        assert_true(y[COUNT(x) - 1] != y[COUNT(x) - 1]);
    }
}

/* A large mean costs no digits of the spread. */
static void test_stats(void **state)
{
    double mean, m2, sum = 0, want = 0;

    (void)state;
    seed = 1;
    for (size_t i = 0; i < 5000; i++) {
        a[i] = 1000 + random_float();
        sum += (double)a[i] / 5000;
    }
    for (size_t i = 0; i < 5000; i++)
        want += ((double)a[i] - sum) * ((double)a[i] - sum);
    sk_loops_best()->of[SK_DN_F32].stats(a, 5000, 1, &mean, &m2);
    assert_true(fabs(mean - sum) < 1e-4);
    assert_true(fabs(m2 - want) < 1e-5 * want);
}

/* Every bf16 is kept, and every f32 half-way between two goes to the even one. */
static void test_bf16(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 65536; i++) {
        uint16_t h = (uint16_t)i, back[3], out = 0;
        float f = sk_bf16_to_float(h), around[3];
        bool is_nan = f != f;
        uint32_t bits;

        assert_int_equal(sk_float_to_bf16(f), is_nan ? 0x7fc0 : h);
        sk_loops_best()->of[SK_DN_BF16].scale(&h, 1, &out, 1, false);
        assert_int_equal(out, is_nan ? 0x7fc0 : h);
        if ((i & 0x7f80) == 0x7f80)
            continue;
        for (uint32_t k = 0; k < 3; k++) {
            bits = (i << 16) + 0x7fff + k;
            memcpy(&around[k], &bits, sizeof(bits));
            back[k] = sk_float_to_bf16(around[k]);
        }
        assert_int_equal(back[0], h);
        assert_int_equal(back[1], h + (h & 1));
        assert_int_equal(back[2], (uint16_t)(h + 1));
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_ptr_equal(sk_loops_find("c"), &sk_loops_c);
    assert_null(sk_loops_find("none"));
    assert_non_null(sk_loops_best());
    (void)setenv("SKERRY_KERNELS", "c", 1);
    assert_ptr_equal(sk_loops_best(), &sk_loops_c);
    (void)setenv("SKERRY_KERNELS", "none", 1); /* passed over */
    assert_non_null(sk_loops_best());
    (void)unsetenv("SKERRY_KERNELS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal), cmocka_unit_test(test_activations),
        cmocka_unit_test(test_stats), cmocka_unit_test(test_bf16),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
