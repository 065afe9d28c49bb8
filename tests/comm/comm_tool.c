/*
 * comm_tool.c - the operations of comm.h as a program, for tests/it/test_mpi.py to start with
 * mpirun.
 *
 *     comm_tool check           every operation against what it must give, then "ok NAME SIZE" from
 * rank 0 comm_tool sum COUNT       sums COUNT numbers that do not add up exactly: a line with the
 * result's hash per rank comm_tool time COUNT      milliseconds of one sum of COUNT floats, from
 * rank 0 comm_tool fail            rank 1 ends all with status 7 while the others wait for it
 *     comm_tool wait            prints its process id, then waits for the others for ever
 */
#include "base/clock.h"
#include "base/str.h"
#include "comm/comm.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The same small numbers everywhere: their order matters to a sum of floats. */
static double number(uint64_t rank, uint64_t i)
{
    uint64_t h = (rank * 1000003 + i + 1) * 0x9e3779b97f4a7c15u;

    h ^= h >> 31;
    return (double)(h % 2000001) / 1000000.0 - 1.0;
}

static uint64_t fnv(const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < len; i++)
        h = (h ^ at[i]) * 0x100000001b3u;
    return h;
}

static float *numbers(const struct sk_comm *c, size_t count)
{
    float *values = malloc((count ? count : 1) * sizeof(*values));

    for (size_t i = 0; values && i < count; i++)
        values[i] = (float)number(sk_comm_rank(c), i);
    return values;
}

/* Rank after rank, as the header of mpi_plugin.c promises. */
static bool is_sum(const struct sk_comm *c, const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float want = (float)number(0, i);

        for (unsigned r = 1; r < sk_comm_size(c); r++)
            want += (float)number(r, i);
        if (values[i] != want)
            return false;
    }
    return true;
}

static int check_sums(struct sk_comm *c, struct sk_err *err)
{
    static const size_t counts[] = { 0, 1, 2, 3, 1000, (1u << 18) - 1, (1u << 18) + 1, 700001 };
    double d[3] = { 1, 0.5, sk_comm_rank(c) };
    unsigned n = sk_comm_size(c);

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        SK_AUTO(free_cleanup) float *values = numbers(c, counts[i]);

        if (!values)
            return sk_nomem(err);
        if (sk_comm_sum_f32(c, values, counts[i], err) < 0)
            return -1;
        if (!is_sum(c, values, counts[i]))
            return sk_fail(err, SK_BUG, "sum of %zu floats", counts[i]);
    }
    if (sk_comm_sum_f64(c, d, 3, err) < 0)
        return -1;
    if (d[0] != n || d[1] != 0.5 * n || d[2] != 0.5 * n * (n - 1))
        return sk_fail(err, SK_BUG, "sum of doubles: %g %g %g", d[0], d[1], d[2]);
    return 0;
}

static int check_rest(struct sk_comm *c, struct sk_err *err)
{
    enum {
        BYTES = 3 << 20
    };

    int64_t i[2] = { -(int64_t)sk_comm_rank(c), INT64_MIN + sk_comm_rank(c) };
    SK_AUTO(free_cleanup) char *bytes = malloc(BYTES);

    if (!bytes)
        return sk_nomem(err);
    if (sk_comm_max_i64(c, i, 2, err) < 0)
        return -1;
    if (i[0] != 0 || i[1] != INT64_MIN + sk_comm_size(c) - 1)
        return sk_fail(err, SK_BUG, "maximum");
    memset(bytes, (int)sk_comm_rank(c) + 1, BYTES);
    if (sk_comm_share(c, bytes, BYTES, err) < 0)
        return -1;
    for (size_t k = 0; k < BYTES; k++) {
        if (bytes[k] != 1)
            return sk_fail(err, SK_BUG, "share: byte %zu", k);
    }
    return sk_comm_share(c, bytes, 0, err);
}

static int run_check(struct sk_comm *c, uint64_t count, struct sk_err *err)
{
    (void)count;
    if (check_sums(c, err) < 0 || check_rest(c, err) < 0)
        return -1;
    if (sk_comm_rank(c) == 0)
        (void)printf("ok %s %u\n", sk_comm_name(c), sk_comm_size(c));
    return 0;
}

static int run_sum(struct sk_comm *c, uint64_t count, struct sk_err *err)
{
    SK_AUTO(free_cleanup) float *values = numbers(c, count);

    if (!values)
        return sk_nomem(err);
    if (sk_comm_sum_f32(c, values, count, err) < 0)
        return -1;
    (void)printf("%016llx\n", (unsigned long long)fnv(values, count * sizeof(*values)));
    return 0;
}

static int run_time(struct sk_comm *c, uint64_t count, struct sk_err *err)
{
    SK_AUTO(free_cleanup) float *values = numbers(c, count);
    uint64_t best = UINT64_MAX;

    if (!values)
        return sk_nomem(err);
    for (int i = 0; i < 10; i++) {
        uint64_t begin = sk_now_ns(), took;

        if (sk_comm_sum_f32(c, values, count, err) < 0)
            return -1;
        took = sk_now_ns() - begin;
        best = took < best ? took : best;
    }
    if (sk_comm_rank(c) == 0)
        (void)printf("%.3f\n", (double)best / 1e6);
    return 0;
}

static int run_fail(struct sk_comm *c, uint64_t count, struct sk_err *err)
{
    double one = 1;

    (void)count;
    if (sk_comm_rank(c) == 1) {
        (void)fprintf(stderr, "rank 1 gives up\n");
        sk_comm_abort(c, 7);
    }
    return sk_comm_sum_f64(c, &one, 1, err);
}

static int run_wait(struct sk_comm *c, uint64_t count, struct sk_err *err)
{
    double one = 1;

    (void)count;
    (void)printf("%d\n", (int)getpid());
    (void)fflush(stdout);
    while (sk_comm_rank(c) == 1)
        (void)pause();
    return sk_comm_sum_f64(c, &one, 1, err);
}

static const struct {
    const char *name;
    int (*run)(struct sk_comm *c, uint64_t count, struct sk_err *err);
} modes[] = { { "check", run_check },
              { "sum", run_sum },
              { "time", run_time },
              { "fail", run_fail },
              { "wait", run_wait } };

int main(int argc, char **argv)
{
    SK_OWN(sk_comm_close) struct sk_comm *c = NULL;
    struct sk_err err = SK_ERR_INIT;
    uint64_t count = 0;

    if (sk_comm_open(&c, &err) < 0 ||
        (argc > 2 && sk_parse_u64("COUNT", argv[2], 0, 1u << 30, &count, &err) < 0)) {
        (void)fprintf(stderr, "comm_tool: %s\n", err.text);
        return 1;
    }
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (argc > 1 && strcmp(argv[1], modes[i].name) == 0 && modes[i].run(c, count, &err) < 0) {
            (void)fprintf(stderr, "comm_tool: %s\n", err.text);
            sk_comm_abort(c, 1);
            return 1;
        }
    }
    return 0;
}
