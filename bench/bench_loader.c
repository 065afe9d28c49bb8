/*
 * bench_loader.c - pictures per second from a folder of class folders to normalised batches.
 *
 *     bench_loader FOLDER SIDE BATCH THREADS EPOCHS CACHE_MIB [AUGMENT]
 *
 * Prints one line of JSON for the pass that checks and decodes all pictures, and one for each
 * epoch. With CACHE_MIB 0 every epoch decodes.
 */
#include "base/clock.h"
#include "dataset/dataset.h"

#include <stdio.h>
#include <stdlib.h>

struct settings {
    const char *folder, *augment;
    unsigned side, batch, threads, epochs, cache_mib;
};

static double seconds(uint64_t ns)
{
    return (double)ns / 1e9;
}

/* Reads each tensor, as a network would. */
static int run_epoch(struct sk_loader *l, unsigned epoch, size_t plane, struct sk_err *err)
{
    const uint64_t start = sk_now_ns();
    double sum = 0;
    size_t count = 0;

    if (sk_loader_start(l, epoch, 0, err) < 0)
        return -1;
    for (struct sk_batch b;;) {
        if (sk_loader_next(l, &b, err) < 0)
            return -1;
        if (b.total == 0)
            break;
        for (size_t i = 0; i < b.count; i++)
            sum += (double)b.pictures[i * plane];
        count += b.count;
    }
    const double took = seconds(sk_now_ns() - start);
    (void)printf("{\"epoch\": %u, \"pictures\": %zu, \"seconds\": %.4f, \"pictures_per_s\": %.1f, "
                 "\"sum\": %.3f}\n",
                 epoch, count, took, (double)count / took, sum);
    return 0;
}

static int run(const struct settings *set, struct sk_err *err)
{
    SK_OWN(sk_dataset_free) struct sk_dataset *d = NULL;
    SK_OWN(sk_source_free) struct sk_source *s = NULL;
    SK_AUTO(sk_indices_done) struct sk_indices all = { 0 };
    SK_OWN(sk_loader_free) struct sk_loader *l = NULL;
    const struct sk_source_options source = { .side = set->side,
                                              .threads = set->threads,
                                              .cache_bytes = (uint64_t)set->cache_mib << 20,
                                              .mean = { 0.485f, 0.456f, 0.406f },
                                              .std = { 0.229f, 0.224f, 0.225f } };
    struct sk_loader_options loader = {
        .batch = set->batch, .shuffle = true, .threads = set->threads, .epochs = set->epochs
    };

    if (sk_augment_parse(set->augment, &loader.augment, err) < 0 ||
        sk_dataset_open(set->folder, NULL, &d, err) < 0 || sk_dataset_all(d, &all, err) < 0)
        return -1;
    const uint64_t start = sk_now_ns();
    if (sk_source_open(d, &source, &s, err) < 0)
        return -1;
    const double took = seconds(sk_now_ns() - start);
    (void)printf("{\"pass\": %zu, \"cached\": %zu, \"seconds\": %.4f, \"pictures_per_s\": %.1f}\n",
                 d->count, sk_source_cached(s), took, (double)d->count / took);
    if (sk_loader_new(s, &all, &loader, &l, err) < 0)
        return -1;
    for (unsigned e = 0; e < set->epochs; e++) {
        if (run_epoch(l, e, (size_t)set->side * set->side * 3, err) < 0)
            return -1;
    }
    return 0;
}

static unsigned number(const char *text)
{
    return (unsigned)strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
    struct sk_err err = SK_ERR_INIT;

    if (argc < 7 || argc > 8) {
        (void)fprintf(stderr, "usage: bench_loader FOLDER SIDE BATCH THREADS EPOCHS CACHE_MIB "
                              "[AUGMENT]\n");
        return 2;
    }
    const struct settings set = { .folder = argv[1],
                                  .side = number(argv[2]),
                                  .batch = number(argv[3]),
                                  .threads = number(argv[4]),
                                  .epochs = number(argv[5]),
                                  .cache_mib = number(argv[6]),
                                  .augment = argc > 7 ? argv[7] : "none" };
    if (run(&set, &err) < 0) {
        (void)fprintf(stderr, "bench_loader: %s\n", err.text);
        return 1;
    }
    return 0;
}
