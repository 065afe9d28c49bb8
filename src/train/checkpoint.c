/*
 * checkpoint.c - one safetensors file that holds all that training needs to go on bit for bit.
 *
 *     model.values, model.buffers, optimizer.m, optimizer.v, ema.values, ema.buffers, best.values,
 * best.buffers
 *     __metadata__: format, fingerprint (settings and data), state (counters as JSON), history (an
 * array per epoch)
 *
 * It replaces the one before in one step, so a power cut leaves the old or the new one. A state
 * with a number that is not finite is never written. What is read is checked like any file from
 * outside.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "train/train_priv.h"
#include "weights/weights.h"
#include "json/json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    ARRAYS = 8,
    HISTORY_FIELDS = 6,
    META_BYTES = 16 << 20
};

static const char file_name[] = "checkpoint.safetensors";
static const char format[] = "skerry-checkpoint-1";

struct array {
    const char *name;
    float *values; /* NULL: this training has none */
    size_t count;
};

static void list_arrays(struct sk_train *t, struct array *out)
{
    struct sk_train_state *s = &t->state;
    size_t count = 0, buffers = 0;
    float *values = sk_nn_values(t->nn, &count);
    float *statistics = sk_nn_buffers(t->nn, &buffers);
    const struct array all[ARRAYS] = {
        { "model.values", values, count }, { "model.buffers", statistics, buffers },
        { "optimizer.m", s->m, count },    { "optimizer.v", s->v, count },
        { "ema.values", s->ema, count },   { "ema.buffers", s->ema_buffers, buffers },
        { "best.values", s->best, count }, { "best.buffers", s->best_buffers, buffers },
    };

    memcpy(out, all, sizeof(all));
}

static bool all_finite(const struct array *a)
{
    /* x - x is 0 for numbers and NaN for the rest, and so is the sum */
    float sum = 0;

    for (size_t i = 0; i < a->count; i++)
        sum += a->values[i] - a->values[i];
    return sum == 0;
}

static void write_state(const struct sk_train_state *s, struct sk_buf *out)
{
    sk_buf_fmt(
        out,
        "{\"step\":%llu,\"epoch\":%u,\"batch\":%zu,\"correct\":%llu,\"seen\":%llu,\"waited\":%u,",
        (unsigned long long)s->step, s->epoch, s->batch, (unsigned long long)s->correct,
        (unsigned long long)s->seen, s->waited);
    sk_buf_str(out, "\"loss_sum\":");
    sk_buf_num(out, s->loss_sum, 17);
    sk_buf_str(out, ",\"seconds\":");
    sk_buf_num(out, s->seconds, 17);
    sk_buf_str(out, ",\"best_loss\":");
    sk_buf_num(out, s->best_loss, 17);
    sk_buf_chr(out, '}');
}

static void write_history(const struct sk_train_state *s, struct sk_buf *out)
{
    sk_buf_chr(out, '[');
    for (unsigned i = 0; i < s->epoch; i++) {
        const struct sk_epoch *h = &s->history[i];
        const double fields[HISTORY_FIELDS] = { h->train_loss, h->train_accuracy,
                                                h->val_loss,   h->val_accuracy,
                                                h->lr,         h->seconds };

        sk_buf_str(out, i ? ",[" : "[");
        for (size_t k = 0; k < HISTORY_FIELDS; k++) {
            sk_buf_str(out, k ? "," : "");
            sk_buf_num(out, fields[k], 17);
        }
        sk_buf_chr(out, ']');
    }
    sk_buf_chr(out, ']');
}

static int check_finite(const struct sk_train *t, const struct array *arrays, struct sk_err *err)
{
    for (size_t i = 0; i < ARRAYS; i++) {
        if (arrays[i].values && !all_finite(&arrays[i]))
            return sk_fail(err, SK_INVALID,
                           "a weight is not finite after step %llu (learning rate %g)%s; try a "
                           "smaller --lr or --clip-norm 1",
                           (unsigned long long)t->state.step, t->lr,
                           t->has_checkpoint ? "; the last checkpoint is kept" : "");
    }
    return 0;
}

int sk_checkpoint_save(struct sk_train *t, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf state = SK_BUF_INIT(4096);
    SK_AUTO(sk_buf_done) struct sk_buf history = SK_BUF_INIT(META_BYTES);
    SK_OWN(free) char *path = sk_path_join(t->o->output_dir, file_name);
    char print[SK_SHA256_HEX];
    struct sk_weight_out tensors[ARRAYS];
    struct array arrays[ARRAYS];
    size_t count = 0;

    list_arrays(t, arrays);
    if (check_finite(t, arrays, err) < 0)
        return -1;
    t->saved_ns = sk_now_ns();
    if (!t->is_first)
        return 0;
    for (size_t i = 0; i < ARRAYS; i++) {
        if (arrays[i].values && arrays[i].count > 0)
            tensors[count++] = (struct sk_weight_out){ .name = arrays[i].name,
                                                       .dtype = SK_DT_F32,
                                                       .rank = 1,
                                                       .dims = { (int64_t)arrays[i].count },
                                                       .data = arrays[i].values };
    }
    write_state(&t->state, &state);
    write_history(&t->state, &history);
    if (!path || !sk_buf_ok(&state) || !sk_buf_ok(&history))
        return sk_nomem(err);
    if (sk_settings_fingerprint(t, print, err) < 0)
        return -1;

    const char *const meta[] = { "format",  format,          "fingerprint", print,
                                 "state",   state.data,      "history",     history.data,
                                 "weights", t->weights_from, NULL };

    if (sk_weights_write(path, tensors, count, meta, err) < 0)
        return sk_wrap(err, "checkpoint");
    sk_log(SK_DEBUG, "checkpoint", "path=%s step=%llu", path, (unsigned long long)t->state.step);
    t->saved_ns = sk_now_ns();
    t->has_checkpoint = true;
    return 0;
}

/* ---- reading ---- */

static double number(const struct sk_json *v)
{
    return sk_json_num(v, NAN);
}

static int read_state(const char *text, const struct sk_train *t, struct sk_train_state *s,
                      struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    int64_t step = 0, epoch = 0, batch = 0, correct = 0, seen = 0, waited = 0;

    if (sk_json_parse(text, strlen(text), NULL, &doc, err) < 0 ||
        sk_json_want_int(doc, "step", 0, INT64_MAX, &step, err) < 0 ||
        sk_json_want_int(doc, "epoch", 0, UINT32_MAX, &epoch, err) < 0 ||
        sk_json_want_int(doc, "batch", 0, INT64_MAX, &batch, err) < 0 ||
        sk_json_want_int(doc, "correct", 0, INT64_MAX, &correct, err) < 0 ||
        sk_json_want_int(doc, "seen", 0, INT64_MAX, &seen, err) < 0 ||
        sk_json_want_int(doc, "waited", 0, UINT32_MAX, &waited, err) < 0)
        return -1;
    if ((size_t)batch > (t->train.count + t->o->batch - 1) / t->o->batch)
        return sk_fail(err, SK_CORRUPT, "batch %lld lies behind the epoch's end", (long long)batch);
    s->step = (uint64_t)step;
    s->epoch = (unsigned)epoch;
    s->batch = (size_t)batch;
    s->correct = (uint64_t)correct;
    s->seen = (uint64_t)seen;
    s->waited = (unsigned)waited;
    s->loss_sum = sk_json_num(sk_json_get(doc, "loss_sum"), 0);
    s->seconds = sk_json_num(sk_json_get(doc, "seconds"), 0);
    s->best_loss = number(sk_json_get(doc, "best_loss"));
    return 0;
}

static int read_history(const char *text, struct sk_train_state *s, unsigned epochs,
                        struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;

    if (sk_json_parse(text, strlen(text), NULL, &doc, err) < 0)
        return -1;
    if (sk_json_type(doc) != SK_JSON_ARRAY || sk_json_count(doc) != s->epoch)
        return sk_fail(err, SK_CORRUPT, "its history does not have %u epochs", s->epoch);
    if (s->epoch > epochs) {
        struct sk_epoch *more = realloc(s->history, s->epoch * sizeof(*more));

        if (!more)
            return sk_nomem(err);
        s->history = more;
    }
    for (unsigned i = 0; i < s->epoch; i++) {
        const struct sk_json *row = sk_json_at(doc, i);

        s->history[i] = (struct sk_epoch){
            .train_loss = number(sk_json_at(row, 0)),
            .train_accuracy = number(sk_json_at(row, 1)),
            .val_loss = number(sk_json_at(row, 2)),
            .val_accuracy = number(sk_json_at(row, 3)),
            .lr = number(sk_json_at(row, 4)),
            .seconds = number(sk_json_at(row, 5)),
        };
    }
    return 0;
}

static int read_arrays(const struct sk_weights *w, const struct array *arrays, bool check_only,
                       struct sk_err *err)
{
    for (size_t i = 0; i < ARRAYS; i++) {
        const struct array *a = &arrays[i];
        const struct sk_weight *tensor = sk_weights_find(w, a->name);

        if (!a->values || a->count == 0)
            continue;
        if (!tensor || tensor->dtype != SK_DT_F32 || tensor->count != a->count)
            return sk_fail(err, SK_CORRUPT, "tensor '%s' is missing or has another size", a->name);
        if (!check_only)
            sk_weight_copy(tensor, a->values);
    }
    return 0;
}

static int read_all(struct sk_train *t, const struct sk_weights *w, struct sk_err *err)
{
    const char *kind = sk_weights_meta(w, "format");
    const char *print = sk_weights_meta(w, "fingerprint");
    const char *state = sk_weights_meta(w, "state");
    const char *history = sk_weights_meta(w, "history");
    const char *weights = sk_weights_meta(w, "weights");
    struct array arrays[ARRAYS];
    char own[SK_SHA256_HEX];

    if (!kind || strcmp(kind, format) != 0 || !print || !state || !history || !weights)
        return sk_fail(err, SK_CORRUPT, "not a checkpoint of this program");
    if (sk_settings_fingerprint(t, own, err) < 0)
        return -1;
    if (strcmp(own, print) != 0)
        return sk_fail(
            err, SK_INVALID,
            "it was made with other settings or other data; give the same ones, or train "
            "into another --output-dir");
    list_arrays(t, arrays);
    if (read_arrays(w, arrays, true, err) < 0 || read_state(state, t, &t->state, err) < 0 ||
        read_history(history, &t->state, t->o->epochs, err) < 0 ||
        read_arrays(w, arrays, false, err) < 0)
        return -1;
    free(t->weights_from);
    t->weights_from = strdup(weights);
    if (!t->weights_from)
        return sk_nomem(err);
    t->has_checkpoint = true;
    sk_nn_touch(t->nn);
    return 0;
}

int sk_checkpoint_load(struct sk_train *t, bool *found, struct sk_err *err)
{
    SK_OWN(free) char *path = sk_path_join(t->o->output_dir, file_name);
    SK_OWN(sk_weights_free) struct sk_weights *w = NULL;

    if (!path)
        return sk_nomem(err);
    *found = access(path, F_OK) == 0;
    if (!*found)
        return 0;
    if (sk_weights_open(path, &w, err) < 0 || read_all(t, w, err) < 0)
        return sk_wrap(err, "%s", path);
    return 0;
}
