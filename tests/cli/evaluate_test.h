/* evaluate_test.h - a classifier of red and green pictures, and a folder of them. */
#ifndef SK_TESTS_CLI_EVALUATE_TEST_H
#define SK_TESTS_CLI_EVALUATE_TEST_H

#include "cli/evaluate_priv.h"

#include "base/file.h"
#include "base/log.h"
#include "cli_test.h"
#include "harness/golden.h"

enum {
    PICTURES = 24, /* half of each class; every fifth has the other colour, every seventh is broken
                    */
};

struct fixture {
    char *dir;
    struct sk_engine *engine;
    struct sk_classifier *classifier;
    struct sk_dataset *data;
};

static inline bool is_broken(size_t i)
{
    return i % 7 == 6;
}

static inline bool is_odd(size_t i)
{
    return i % 5 == 4;
}

static int set_up(void **state)
{
    static char red[] = "class_0", green[] = "class_1";
    static char *classes[] = { red, green };
    const struct sk_dataset known = { .classes = classes, .class_count = 2 };
    struct fixture *f = calloc(1, sizeof *f);
    struct sk_err err = SK_ERR_INIT;
    const char *model = sk_source_path("tests/data/models/scores.onnx");

    assert_non_null(f);
    sk_log_setup(SK_WARN, SK_LOG_TEXT, STDERR_FILENO);
    f->dir = sk_test_dir();
    for (size_t i = 0; i < PICTURES; i++) {
        char name[64];
        bool is_red = (i < PICTURES / 2) != is_odd(i);
        (void)snprintf(name, sizeof name, "%s/class_%d", f->dir, i >= PICTURES / 2);
        if (sk_mkdirs(name, 0700, &err) < 0)
            fail_msg("%s", err.text);
        (void)snprintf(name, sizeof name, "class_%d/%02zu.png", i >= PICTURES / 2, i);
        if (is_broken(i))
            write_text(f->dir, name, "no picture");
        else
            write_picture(f->dir, name, is_red ? 255 : 0, is_red ? 0 : 255, (uint8_t)(i * 4));
    }
    if (sk_engine_open(&(struct sk_engine_options){ .device = SK_DEVICE_CPU, .threads = 1 },
                       &f->engine, &err) < 0 ||
        sk_classifier_load(f->engine, model, NULL, &f->classifier, &err) < 0 ||
        sk_dataset_open(f->dir, &known, &f->data, &err) < 0)
        fail_msg("%s", err.text);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    sk_dataset_free(f->data);
    sk_classifier_unref(f->classifier);
    sk_engine_close(f->engine);
    sk_test_dir_free(f->dir);
    free(f);
    return 0;
}

static inline struct sk_evaluation evaluation_of(const struct fixture *f, unsigned workers)
{
    return (struct sk_evaluation){ .classifier = f->classifier,
                                   .data = f->data,
                                   .workers = workers,
                                   .max_pixels = 1 << 20,
                                   .max_bytes = 1 << 20 };
}

#endif
