/*
 * mpi_plugin.c - skerry-mpi.so: the operations of comm.h in MPI.
 *
 * Sums are the same bits in every process and in every run with as many processes, whatever the MPI
 * library: each process adds up one part of the array, in the order of ranks, and hands its part to
 * all. That moves as many bytes as the best all-reduce. Long arrays go in pieces, so that memory
 * stays bounded and counts fit an int:
 *
 *     rank 0:  a0 b0        all-to-all   a0 a1    add   A        all-gather   A B
 *     rank 1:  a1 b1       ----------->  b0 b1   ---->  B       ----------->  A B
 *
 * A function of MPI that fails returns its text as SK_REMOTE; MPI_Init itself ends the process.
 */
#include "base/cleanup.h"
#include "comm/comm_priv.h"

#include <mpi.h>
#include <stdbool.h>
#include <string.h>

enum {
    PIECE = 1 << 18, /* values of one exchange: 1 MiB of floats stays in the second-level cache */
    SHARE_BYTES = 1 << 28 /* of one broadcast */
};

/* One group of processes per program, so its state is the file's. */
static struct {
    int rank, size;
    void *parts;           /* what all processes sent for our part: size * ceil(PIECE / size) */
    int *counts, *offsets; /* of the parts of a piece, one per rank */
    int *own_counts, *own_offsets; /* in `parts`, one per rank */
} group;

static int check(int status, const char *function, struct sk_err *err)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int len = 0;

    if (status == MPI_SUCCESS)
        return 0;
    (void)MPI_Error_string(status, text, &len);
    return sk_fail(err, SK_REMOTE, "%s: %.*s", function, len, text);
}

/* ---- sums ---- */

#define DEFINE_ADD(name, type)                                                                     \
    /* Adds `size` rows of n values into out, row by row. */                                       \
    static void name(void *out, const void *rows, size_t n, size_t size)                           \
    {                                                                                              \
        type *sum = out;                                                                           \
        const type *row = rows;                                                                    \
                                                                                                   \
        memcpy(sum, row, n * sizeof(type));                                                        \
        for (size_t r = 1; r < size; r++) {                                                        \
            row += n;                                                                              \
            for (size_t i = 0; i < n; i++)                                                         \
                sum[i] += row[i];                                                                  \
        }                                                                                          \
    }

DEFINE_ADD(add_f32, float)
DEFINE_ADD(add_f64, double)

struct kind {
    MPI_Datatype type;
    size_t width;
    void (*add)(void *out, const void *rows, size_t n, size_t size);
};

/* Splits a piece: part r is what rank r adds up; the first n % size parts are one longer. */
static void split(int n)
{
    int part = n / group.size, more = n % group.size, at = 0;

    for (int r = 0; r < group.size; r++) {
        group.counts[r] = part + (r < more);
        group.offsets[r] = at;
        at += group.counts[r];
    }
    for (int r = 0; r < group.size; r++) {
        group.own_counts[r] = group.counts[group.rank];
        group.own_offsets[r] = r * group.counts[group.rank];
    }
}

static int sum_piece(const struct kind *k, char *values, int n, struct sk_err *err)
{
    size_t own;

    split(n);
    own = (size_t)group.counts[group.rank];
    if (check(MPI_Alltoallv(values, group.counts, group.offsets, k->type, group.parts,
                            group.own_counts, group.own_offsets, k->type, MPI_COMM_WORLD),
              "MPI_Alltoallv", err) < 0)
        return -1;
    k->add(values + (size_t)group.offsets[group.rank] * k->width, group.parts, own,
           (size_t)group.size);
    return check(MPI_Allgatherv(MPI_IN_PLACE, 0, k->type, values, group.counts, group.offsets,
                                k->type, MPI_COMM_WORLD),
                 "MPI_Allgatherv", err);
}

static int sum(const struct kind *k, void *values, size_t count, struct sk_err *err)
{
    char *at = values;

    while (count > 0) {
        size_t n = count < PIECE ? count : PIECE;

        if (sum_piece(k, at, (int)n, err) < 0)
            return -1;
        at += n * k->width;
        count -= n;
    }
    return 0;
}

static int sum_f32(float *values, size_t count, struct sk_err *err)
{
    return sum(&(struct kind){ MPI_FLOAT, sizeof(float), add_f32 }, values, count, err);
}

static int sum_f64(double *values, size_t count, struct sk_err *err)
{
    return sum(&(struct kind){ MPI_DOUBLE, sizeof(double), add_f64 }, values, count, err);
}

/* ---- the rest ---- */

static int max_i64(int64_t *values, size_t count, struct sk_err *err)
{
    while (count > 0) {
        size_t n = count < PIECE ? count : PIECE;

        if (check(MPI_Allreduce(MPI_IN_PLACE, values, (int)n, MPI_INT64_T, MPI_MAX, MPI_COMM_WORLD),
                  "MPI_Allreduce", err) < 0)
            return -1;
        values += n;
        count -= n;
    }
    return 0;
}

static int share(void *bytes, size_t len, struct sk_err *err)
{
    char *at = bytes;

    while (len > 0) {
        size_t n = len < SHARE_BYTES ? len : SHARE_BYTES;

        if (check(MPI_Bcast(at, (int)n, MPI_BYTE, 0, MPI_COMM_WORLD), "MPI_Bcast", err) < 0)
            return -1;
        at += n;
        len -= n;
    }
    return 0;
}

/* "Open MPI v4.1.4, package: ..." and "MPICH Version:\t4.0.2\n..." to the name and version alone.
 */
static void short_name(const char *text, char *out, size_t out_size)
{
    size_t n = 0;

    for (; text[n] != '\0' && text[n] != ',' && text[n] != '\n' && n < out_size - 1; n++)
        out[n] = text[n] == '\t' ? ' ' : text[n];
    out[n] = '\0';
    if (strncmp(out, "Open MPI v", 10) == 0)
        memmove(out + 9, out + 10, n - 9);
}

static void close_group(void)
{
    free(group.parts);
    free(group.counts);
    memset(&group, 0, sizeof(group));
    (void)MPI_Finalize(); /* nothing is left to do when it fails */
}

static int open_group(struct sk_comm_place *out, struct sk_err *err)
{
    char version[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int provided = 0, len = 0;
    size_t size;

    if (check(MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread", err) <
        0)
        return -1;
    if (check(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler",
              err) < 0 ||
        check(MPI_Comm_rank(MPI_COMM_WORLD, &group.rank), "MPI_Comm_rank", err) < 0 ||
        check(MPI_Comm_size(MPI_COMM_WORLD, &group.size), "MPI_Comm_size", err) < 0 ||
        check(MPI_Get_library_version(version, &len), "MPI_Get_library_version", err) < 0)
        return -1;
    size = (size_t)group.size;
    group.parts = malloc((PIECE + size) * sizeof(double));
    group.counts = calloc(4 * size, sizeof(int));
    if (!group.parts || !group.counts)
        return sk_nomem(err); /* MPI_Finalize would wait for the others */
    group.offsets = group.counts + size;
    group.own_counts = group.offsets + size;
    group.own_offsets = group.own_counts + size;
    out->rank = (unsigned)group.rank;
    out->size = (unsigned)group.size;
    short_name(version, out->name, sizeof(out->name));
    return 0;
}

static void abort_all(int status)
{
    (void)MPI_Abort(MPI_COMM_WORLD, status);
}

static const struct sk_comm_plugin plugin = {
    .version = SK_COMM_PLUGIN_VERSION,
    .open = open_group,
    .close = close_group,
    .sum_f32 = sum_f32,
    .sum_f64 = sum_f64,
    .max_i64 = max_i64,
    .share = share,
    .abort = abort_all,
};

__attribute__((visibility("default"))) sk_comm_plugin_fn sk_comm_plugin;

const struct sk_comm_plugin *sk_comm_plugin(void)
{
    return &plugin;
}
