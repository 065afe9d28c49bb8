/*
 * script.h - an engine that does what a test says, and bundles for it.
 *
 * The script names a model's tensors and operators; script_bundle() writes an .onnx file that says
 * the same, without weights. Scores come from a function of the test. What the engine was given
 * stays in the script.
 */
#ifndef SK_TESTS_PIPELINE_SCRIPT_H
#define SK_TESTS_PIPELINE_SCRIPT_H

#include "engine/engine.h"
#include "pipeline/pipeline_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct script_tensor {
    const char *name; /* NULL: none */
    enum sk_dtype dtype;
    unsigned rank;
    int64_t dims[4];
};

/* n scores of row `row` for this input. */
typedef void script_score(const struct sk_tensor *input, size_t row, float *scores, size_t n);

struct script {
    struct script_tensor inputs[2], outputs[2];
    const char *ops[4];                   /* "Softmax", "com.example:Thing" */
    size_t classes;                       /* what open dimensions of outputs become; 0: 3 */
    script_score *score;                  /* NULL: 0, 1, 2, ... */
    const char *fails;                    /* runs fail with this text */
    const char *config, *prep, *settings; /* config.json, preprocessor_config.json, skerry.json */

    unsigned execs, wide_execs; /* runs so far */
    struct sk_tensor last;      /* shape of the last input; data is gone */
    float first, rest;          /* largest value of the first row and of the others */
};

/* Of the script, which must outlive it. */
struct sk_engine *script_engine(struct script *s);

/* Writes the bundle into the folder. */
void script_bundle(const struct script *s, const char *folder);

/* A fresh folder with the bundle in it, and the cache beside it; free with script_clean. */
char *script_folder(const struct script *s);
void script_clean(char *folder);

/* Bundle, engine and classifier in one; NULL with err when it does not load. script_close frees. */
struct scripted {
    struct script script;
    char *folder;
    struct sk_engine *engine;
    struct sk_classifier *classifier;
};

int script_open(struct scripted *s, const struct script *script, struct sk_err *err);
void script_close(struct scripted *s);

/* A BMP of one colour. Free it. */
uint8_t *script_picture(uint32_t width, uint32_t height, uint8_t grey, size_t *len);

#endif
