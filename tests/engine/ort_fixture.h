/*
 * ort_fixture.h - the library opened once for a test program, with a cache folder of its own.
 */
#ifndef SK_TESTS_ENGINE_ORT_FIXTURE_H
#define SK_TESTS_ENGINE_ORT_FIXTURE_H

#include "engine/engine.h"
#include "harness/golden.h"

#include <stdio.h>
#include <stdlib.h>

static struct sk_engine *engine;
static char *cache_folder;

static int open_engine_with(struct sk_engine_options opts)
{
    struct sk_err err = SK_ERR_INIT;

    cache_folder = sk_test_dir();
    if (setenv("SKERRY_CACHE_DIR", cache_folder, 1) != 0)
        return -1;
    if (sk_engine_open(&opts, &engine, &err) < 0) {
        (void)fprintf(stderr, "engine: %s\n", err.text);
        return -1;
    }
    return 0;
}

/* Two threads whatever the machine has, so that both sessions exist. */
static int open_engine(void **state)
{
    (void)state;
    return open_engine_with(
        (struct sk_engine_options){ .device = SK_DEVICE_CPU, .threads = 2, .use_cache = true });
}

static int close_engine(void **state)
{
    (void)state;
    sk_engine_close(engine);
    sk_test_dir_free(cache_folder);
    return 0;
}

/* A model of tests/data/models. */
static inline struct sk_net *load_net(const char *name)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_net *net = NULL;
    char path[256];

    (void)snprintf(path, sizeof(path), "tests/data/models/%s.onnx", name);
    if (sk_net_load(engine, sk_source_path(path), NULL, &net, &err) < 0)
        fail_msg("%s: %s", name, err.text);
    return net;
}

#endif
