/*
 * fake_plugin.c - a plugin without MPI: rank 1 of 2, where the other process always has the same
 * values. FAKE_VERSION is the version it claims.
 */
#include "fake_plugin.h"

#include "comm/comm_priv.h"

#include <stdio.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT sk_comm_plugin_fn sk_comm_plugin;
EXPORT fake_seen_fn fake_seen;

static struct fake_seen seen;

static int open_group(struct sk_comm_place *out, struct sk_err *err)
{
    if (seen.open_fails)
        return sk_fail(err, SK_REMOTE, "the others are gone");
    seen.opened++;
    out->rank = 1;
    out->size = 2;
    (void)snprintf(out->name, sizeof(out->name), "fake");
    return 0;
}

static void close_group(void)
{
    seen.closed++;
}

static int sum_f32(float *values, size_t count, struct sk_err *err)
{
    (void)err;
    for (size_t i = 0; i < count; i++)
        values[i] += values[i];
    return 0;
}

static int sum_f64(double *values, size_t count, struct sk_err *err)
{
    (void)err;
    for (size_t i = 0; i < count; i++)
        values[i] += values[i];
    return 0;
}

static int max_i64(int64_t *values, size_t count, struct sk_err *err)
{
    (void)err;
    for (size_t i = 0; i < count; i++)
        values[i] = values[i] > 7 ? values[i] : 7;
    return 0;
}

static int share(void *bytes, size_t len, struct sk_err *err)
{
    (void)bytes;
    return len > 0 ? sk_fail(err, SK_REMOTE, "the others are gone") : 0;
}

static void abort_all(int status)
{
    seen.aborted++;
    seen.status = status;
}

static const struct sk_comm_plugin plugin = {
    .version = FAKE_VERSION,
    .open = open_group,
    .close = close_group,
    .sum_f32 = sum_f32,
    .sum_f64 = sum_f64,
    .max_i64 = max_i64,
    .share = share,
    .abort = abort_all,
};

const struct sk_comm_plugin *sk_comm_plugin(void)
{
    return &plugin;
}

struct fake_seen *fake_seen(void)
{
    return &seen;
}
