/* tiny.c - see tiny.h. */
#include "tiny.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    SIDE = 32
};

static void note(void *ctx, const char *text)
{
    struct tiny *x = ctx;
    size_t used = strlen(x->notes);

    (void)snprintf(x->notes + used, sizeof(x->notes) - used, "%s\n", text);
}

static void batch(void *ctx, const struct sk_train_batch *b)
{
    struct tiny *x = ctx;

    (void)b;
    x->batches++;
    if (x->stop_after > 0 && x->batches == x->stop_after)
        atomic_store(&x->stop, true);
}

static void epoch(void *ctx, const struct sk_train_epoch *e)
{
    struct tiny *x = ctx;

    (void)e;
    x->epochs++;
}

/* Upright or lying stripes of a width and brightness of their own. */
static void draw(struct sk_image *img, bool upright, unsigned number)
{
    struct sk_err err = SK_ERR_INIT;

    if (sk_image_alloc(img, SIDE, SIDE, &err) < 0)
        fail_msg("%s", err.text);
    for (unsigned y = 0; y < SIDE; y++) {
        for (unsigned x = 0; x < SIDE; x++) {
            unsigned at = upright ? x : y;
            unsigned value = (at + number) % 8 < 4 ? 30 + number * 3 : 200 - number * 2;

            memset(img->pixels + (y * SIDE + x) * 3, (int)value, 3);
        }
    }
}

void tiny_add(struct tiny *x, const char *name, unsigned first, unsigned count)
{
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    struct sk_err err = SK_ERR_INIT;
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/%s", x->data, name);
    if (sk_mkdirs(path, 0755, &err) < 0)
        fail_msg("%s", err.text);
    for (unsigned i = first; i < first + count; i++) {
        SK_OWN(free) uint8_t *png = NULL;
        size_t len = 0;

        draw(&img, name[0] == 'a', i);
        (void)snprintf(path, sizeof(path), "%s/%s/%03u.png", x->data, name, i);
        if (sk_image_encode_png(&img, &png, &len, &err) < 0 ||
            sk_file_write(path, png, len, 0644, &err) < 0)
            fail_msg("%s", err.text);
    }
}

void tiny_write(struct tiny *x, const char *name, const char *text)
{
    struct sk_err err = SK_ERR_INIT;
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/%s", x->data, name);
    if (sk_file_write(path, text, strlen(text), 0644, &err) < 0)
        fail_msg("%s", err.text);
}

int tiny_setup(void **state)
{
    struct tiny *x = calloc(1, sizeof(*x));

    assert_non_null(x);
    (void)snprintf(x->root, sizeof(x->root), "/tmp/skerry-train-XXXXXX");
    assert_non_null(mkdtemp(x->root));
    (void)snprintf(x->data, sizeof(x->data), "%s/data", x->root);
    (void)snprintf(x->out, sizeof(x->out), "%s/out", x->root);
    x->options = (struct sk_train_options){
        .data_path = x->data,
        .output_dir = x->out,
        .onnx_name = "model.onnx",
        .arch = "mobilenet_v3_small",
        .weights = "none",
        .side = SIDE,
        .batch = 8,
        .epochs = 2,
        .lr = 0.001,
        .optimizer = SK_OPTIM_ADAM,
        .step_epochs = 1,
        .sync_bn = true,
        .seed = 3,
        .threads = 2,
        .workers = 1,
        .cache_bytes = 1 << 20,
        .checkpoint_ms = 60000,
    };
    x->watch = (struct sk_train_watch){ .note = note, .batch = batch, .epoch = epoch, .ctx = x };
    tiny_add(x, "across", 0, 12);
    tiny_add(x, "down", 0, 8);
    *state = x;
    return 0;
}

int tiny_teardown(void **state)
{
    struct tiny *x = *state;
    struct sk_err err = SK_ERR_INIT;

    if (sk_remove_tree(x->root, &err) < 0)
        fail_msg("%s", err.text);
    free(x);
    return 0;
}

void tiny_open(struct tiny *x)
{
    struct sk_err err = SK_ERR_INIT;

    x->t = (struct sk_train){ .o = &x->options,
                              .watch = &x->watch,
                              .stop = &x->stop,
                              .lock_fd = -1,
                              .arch = sk_arch_find(x->options.arch),
                              .is_first = true };
    if (sk_nn_start(x->options.threads, &err) < 0 || sk_settings_check(&x->options, &err) < 0 ||
        sk_comm_open(&x->comm, &err) < 0)
        fail_msg("%s", err.text);
    x->t.comm = x->comm;
    if (sk_train_open_data(&x->t, &err) < 0 || sk_train_begin(&x->t, &err) < 0)
        fail_msg("%s", err.text);
}

void tiny_close(struct tiny *x)
{
    sk_train_close(&x->t);
    sk_comm_close(x->comm);
    x->comm = NULL;
}

struct sk_train_result tiny_train(struct tiny *x)
{
    struct sk_train_result result = { 0 };
    struct sk_err err = SK_ERR_INIT;

    if (sk_train(&x->options, &x->watch, &x->stop, &result, &err) < 0)
        fail_msg("%s", err.text);
    return result;
}

struct sk_err tiny_fails(struct tiny *x)
{
    struct sk_train_result result = { 0 };
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_train(&x->options, &x->watch, &x->stop, &result, &err), -1);
    return err;
}

char *tiny_read(struct tiny *x, const char *name, size_t *len)
{
    struct sk_err err = SK_ERR_INIT;
    char path[256], *out = NULL;

    (void)snprintf(path, sizeof(path), "%s/%s", x->out, name);
    if (sk_file_read(path, 1 << 28, &out, len, &err) < 0)
        fail_msg("%s", err.text);
    return out;
}
