#include "track_test.h"

#include "cli_test.h"
#include "remote/remote.h"

#include <stdio.h>
#include <stdlib.h>

static void note(void *ctx, const char *text)
{
    struct shown *s = ctx;
    size_t len = strlen(s->notes);
    (void)snprintf(s->notes + len, sizeof(s->notes) - len, "%s\n", text);
}

static void batch(void *ctx, const struct sk_train_batch *b)
{
    struct shown *s = ctx;
    (void)b;
    s->batches++;
}

static void epoch(void *ctx, const struct sk_train_epoch *e)
{
    struct shown *s = ctx;
    (void)e;
    s->epochs++;
}

struct sk_track_options track_options(const char *hub, const char *experiment, const char *out,
                                      struct shown *shown)
{
    static struct sk_train_options train;

    train = (struct sk_train_options){ .arch = "resnet18",
                                       .data_path = "images",
                                       .output_dir = out,
                                       .onnx_name = "model.onnx",
                                       .epochs = 3 };
    *shown = (struct shown){ .epochs = 0 };
    return (struct sk_track_options){
        .hub = hub,
        .experiment = experiment,
        .train = &train,
        .shown = { .note = note, .batch = batch, .epoch = epoch, .ctx = shown },
        .last_ms = 30000,
    };
}

struct sk_json *ask_hub(const char *path, const char *body)
{
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    struct sk_context c = { .ca_file = NULL };
    struct sk_err err = SK_ERR_INIT;
    struct sk_json *out = NULL;

    if (sk_context_load(NULL, &c, &err) < 0 || sk_remote_new(&c, &r, &err) < 0 ||
        sk_remote_call(r, body ? "POST" : "GET", path, body, &out, &err) < 0)
        fail_msg("%s: %s", path, err.text);
    sk_context_done(&c);
    return out;
}

struct sk_json *runs_of(const char *experiment)
{
    char text[256];

    (void)snprintf(text, sizeof(text), "/api/2.0/mlflow/experiments/get-by-name?experiment_name=%s",
                   experiment);
    SK_OWN(sk_json_free) struct sk_json *found = ask_hub(text, NULL);
    const struct sk_json *id = sk_json_get(sk_json_get(found, "experiment"), "experiment_id");
    (void)snprintf(text, sizeof(text), "{\"experiment_ids\":[\"%s\"]}", sk_json_text(id, ""));
    return ask_hub("/api/2.0/mlflow/runs/search", text);
}
