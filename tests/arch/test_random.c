/* test_random.c - numbers that must never change, and that they are distributed as they say. */
#include "arch_test.h"

enum {
    COUNT = 200000
};

static double draw_normal(uint64_t key, uint64_t index)
{
    double pair[2];

    sk_random_normals(key, index / 2, pair);
    return pair[index % 2];
}

/* A change of any of these changes every network that starts from a seed. */
static void known_values(void **state)
{
    uint64_t key = sk_random_key(7, "fc.weight");

    (void)state;
    assert_true(sk_random_uniform(key, 0) == 0x1.293f261348426p-2);
    assert_true(sk_random_uniform(key, 1) == 0x1.07c4265fe0c95p-1);
    assert_true(draw_normal(key, 0) == 0x1.b18e96aeba2a1p-1);
    assert_true(draw_normal(key, 1) == -0x1.c8a06d7ba6f96p-1);
    assert_true(key != sk_random_key(8, "fc.weight"));
    assert_true(key != sk_random_key(7, "fc.bias"));
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* Kolmogorov and Smirnov: the largest distance between the two distribution functions; 1.95 / sqrt
 * n is passed by chance once in a thousand. */
static double distance(double *values, double (*below)(double))
{
    double worst = 0;

    qsort(values, COUNT, sizeof *values, by_value);
    for (size_t i = 0; i < COUNT; i++) {
        worst = fmax(worst, fabs(below(values[i]) - (double)i / COUNT));
        worst = fmax(worst, fabs(below(values[i]) - (double)(i + 1) / COUNT));
    }
    return worst * sqrt(COUNT);
}

static double below_uniform(double x)
{
    return x;
}

static double below_normal(double x)
{
    return 0.5 * erfc(-x / sqrt(2));
}

static void distributions(void **state)
{
    static const struct {
        const char *name;
        double (*draw)(uint64_t, uint64_t), (*below)(double);
    } rows[] = {
        { "uniform", sk_random_uniform, below_uniform },
        { "normal", draw_normal, below_normal },
    };

    static double values[COUNT];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (uint64_t seed = 0; seed < 3; seed++) {
            uint64_t key = sk_random_key(seed, "x");
            double neighbours = 0;

            for (size_t k = 0; k < COUNT; k++)
                values[k] = rows[i].draw(key, k);
            for (size_t k = 0; k + 1 < COUNT; k++)
                neighbours += (rows[i].below(values[k]) - 0.5) *
                              (rows[i].below(values[k + 1]) - 0.5);
            assert_true(fabs(neighbours * 12 / sqrt(COUNT)) < 4);
            if (distance(values, rows[i].below) > 1.95)
                fail_msg("%s, seed %d: not distributed so", rows[i].name, (int)seed);
        }
}

static void bounds(void **state)
{
    uint64_t key = sk_random_key(0, "");

    (void)state;
    for (uint64_t i = 0; i < COUNT; i++) {
        double u = sk_random_uniform(key, i), z = draw_normal(key, i);

        assert_true(u >= 0 && u < 1);
        assert_true(fabs(z) < 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_values),
        cmocka_unit_test(distributions),
        cmocka_unit_test(bounds),
    };

    return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
