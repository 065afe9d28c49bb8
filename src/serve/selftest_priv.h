/*
 * selftest_priv.h - does every model answer as it should? Each runs its test picture five times
 * through the whole path, from the file's bytes to probabilities. See [serve-85].
 */
#ifndef SK_SERVE_SELFTEST_PRIV_H
#define SK_SERVE_SELFTEST_PRIV_H

#include "base/buf.h"
#include "serve/models_priv.h"
#include "serve/pool_priv.h"

enum {
    SK_SELFTEST_RUNS = 5,
    SK_SELFTEST_PICTURES = 3
};

struct sk_selftest {
    struct sk_models *models;
    struct sk_pool *pool; /* on whose worker it is called */
    unsigned worker;
    uint64_t max_pixels, run_ms; /* of one run */
};

/* Appends {"ok":..,"why":..,"source":..,"medianMs":..,"label":..,"models":..}. Blocks. */
void sk_selftest(const struct sk_selftest *t, struct sk_buf *out);
/* One of the pictures for models without a record, as PNG. free(). */
int sk_selftest_picture(unsigned which, uint8_t **out, size_t *len, struct sk_err *err) SK_CHECK;

#endif
