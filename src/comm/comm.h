/*
 * comm.h - processes that train together (MPI).
 *
 * Under mpirun the plugin skerry-mpi.so (built where MPI is found; beside the program, in its
 * libdir, or SKERRY_MPI) is loaded; otherwise there is one process and every operation is trivial.
 * All processes must call the same operations in the same order. A process that fails calls
 * sk_comm_abort, so that the others do not wait for ever. Threads: one.
 */
#ifndef SK_COMM_COMM_H
#define SK_COMM_COMM_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct sk_comm;

/* Started by mpirun (OMPI_COMM_WORLD_SIZE, PMI_SIZE, PMIX_RANK say so) with more than one process:
 * joins them; SK_UNSUPPORTED when this build lacks the plugin. Else one process. */
int sk_comm_open(struct sk_comm **out, struct sk_err *err) SK_CHECK;
void sk_comm_close(struct sk_comm *c); /* waits for the others */
SK_DEFINE_OWN(struct sk_comm, sk_comm_close);

unsigned sk_comm_rank(const struct sk_comm *c);
unsigned sk_comm_size(const struct sk_comm *c);
const char *sk_comm_name(const struct sk_comm *c); /* "single", "Open MPI 4.1.4" */

/* In place, over all processes; the same result bit for bit everywhere. */
int sk_comm_sum_f32(struct sk_comm *c, float *values, size_t count, struct sk_err *err) SK_CHECK;
int sk_comm_sum_f64(struct sk_comm *c, double *values, size_t count, struct sk_err *err) SK_CHECK;
int sk_comm_max_i64(struct sk_comm *c, int64_t *values, size_t count, struct sk_err *err) SK_CHECK;
/* From rank 0 to all. */
int sk_comm_share(struct sk_comm *c, void *bytes, size_t len, struct sk_err *err) SK_CHECK;
/* Ends all processes with an exit status. Does not return when there are several. */
void sk_comm_abort(struct sk_comm *c, int status);

#endif
