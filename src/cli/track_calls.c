/*
 * track_calls.c - what a tracked training sends to its hub, call by call.
 *
 * Each function does one thing and may be repeated after a failure: points are their own keys, the
 * run is looked for before it is made again, files replace themselves.
 */
#include "cli/track_priv.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/thread.h"
#include "json/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    BODY_MAX = 900000 /* a batch is at most 1,000,000 bytes */
};

#define API "/api/2.0/mlflow/"

static int post(struct sk_track *t, const char *path, const struct sk_buf *body,
                struct sk_json **out, struct sk_err *err)
{
    if (!sk_buf_ok(body))
        return sk_buf_fail(body, err);
    return sk_remote_call(t->remote, "POST", path, body->data, out, err);
}

static int copy_text(const struct sk_json *o, const char *key, char *out, size_t cap,
                     struct sk_err *err)
{
    const char *text = sk_json_get_text(o, key, "");

    if (!*text || strlen(text) >= cap)
        return sk_fail(err, SK_REMOTE, "the hub's answer has no usable '%s'", key);
    (void)snprintf(out, cap, "%s", text);
    return 0;
}

static int get_experiment(struct sk_track *t, const char *name, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(BODY_MAX);
    SK_OWN(sk_json_free) struct sk_json *answer = NULL;

    sk_buf_str(&path, API "experiments/get-by-name?experiment_name=");
    sk_url_escape(&path, name);
    if (!sk_buf_ok(&path))
        return sk_buf_fail(&path, err);
    if (sk_remote_call(t->remote, "GET", path.data, NULL, &answer, err) < 0)
        return -1;
    return copy_text(sk_json_get(answer, "experiment"), "experiment_id", t->experiment_id,
                     sizeof(t->experiment_id), err);
}

static int find_experiment(struct sk_track *t, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(BODY_MAX);
    SK_OWN(sk_json_free) struct sk_json *answer = NULL;
    const char *name = t->o.experiment;
    struct sk_err why = SK_ERR_INIT;

    if (!name) {
        (void)snprintf(t->experiment_id, sizeof(t->experiment_id), "0");
        return 0;
    }
    if (get_experiment(t, name, err) == 0)
        return 0;
    if (err->code != SK_NOT_FOUND)
        return -1;
    sk_buf_str(&body, "{\"name\":");
    sk_buf_json_str(&body, name);
    sk_buf_chr(&body, '}');
    if (post(t, API "experiments/create", &body, &answer, &why) < 0) {
        if (get_experiment(t, name, err) == 0) /* another one was quicker */
            return 0;
        *err = why;
        return -1;
    }
    return copy_text(answer, "experiment_id", t->experiment_id, sizeof(t->experiment_id), err);
}

static int keep_run(struct sk_track *t, const struct sk_json *run, struct sk_err *err)
{
    const struct sk_json *info = sk_json_get(run, "info");

    if (copy_text(info, "artifact_uri", t->artifacts, sizeof(t->artifacts), err) < 0)
        return -1;
    return copy_text(info, "run_id", t->run_id, sizeof(t->run_id), err);
}

int sk_track_find_run(struct sk_track *t, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(BODY_MAX);
    SK_OWN(sk_json_free) struct sk_json *answer = NULL;

    sk_buf_fmt(&body,
               "{\"experiment_ids\":[\"%s\"],\"max_results\":1,"
               "\"filter\":\"tags.`skerry.tracking_id` = '%s'\"}",
               t->experiment_id, t->tracking_id);
    if (post(t, API "runs/search", &body, &answer, err) < 0)
        return -1;

    const struct sk_json *runs = sk_json_get(answer, "runs");
    return sk_json_count(runs) > 0 ? keep_run(t, sk_json_at(runs, 0), err) : 0;
}

/* A deleted experiment is not written to; there are others. */
static int point_elsewhere(const struct sk_track *t, struct sk_err *err)
{
    const struct sk_err why = *err;

    if (why.code != SK_INVALID && why.code != SK_NOT_FOUND && why.code != SK_EXISTS)
        return -1;
    return sk_fail(err, why.code, "%.380s, or name another one: --experiment NAME%s", why.text,
                   t->o.experiment ? "" : " (without it: Default)");
}

int sk_track_make_run(struct sk_track *t, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(BODY_MAX);
    SK_OWN(sk_json_free) struct sk_json *answer = NULL;
    int64_t start_ms = 0;

    if (find_experiment(t, err) < 0 || (t->tried && sk_track_find_run(t, err) < 0)) {
        (void)sk_wrap(err, "experiment '%.100s'", t->o.experiment ? t->o.experiment : "Default");
        return point_elsewhere(t, err);
    }
    if (*t->run_id)
        return 0;
    {
        SK_LOCK(&t->lock);
        start_ms = t->start_ms;
    }
    t->tried = true;
    sk_track_write_run(&t->o, t->experiment_id, t->tracking_id, start_ms, &body);
    if (post(t, API "runs/create", &body, &answer, err) < 0)
        return point_elsewhere(t, err);
    return keep_run(t, sk_json_get(answer, "run"), err);
}

int sk_track_send_settings(struct sk_track *t, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(BODY_MAX);

    sk_track_write_settings(t->o.train, t->run_id, &body);
    if (post(t, API "runs/log-batch", &body, NULL, err) < 0)
        return -1;
    t->has_settings = true;
    return 0;
}

/* ---- points ---- */

static size_t copy_points(struct sk_track *t, struct sk_track_point *out, size_t max)
{
    SK_LOCK(&t->lock);
    size_t count = t->count < max ? t->count : max;

    for (size_t i = 0; i < count; i++)
        out[i] = t->points[(t->first + i) % SK_TRACK_QUEUE];
    return count;
}

/* Those that were sent, unless the queue dropped them meanwhile. */
static void drop_points(struct sk_track *t, const struct sk_track_point *sent, size_t count)
{
    SK_LOCK(&t->lock);
    for (size_t i = 0; i < count && t->count > 0; i++) {
        if (t->points[t->first].epoch.epoch != sent[i].epoch.epoch)
            continue;
        t->first = (t->first + 1) % SK_TRACK_QUEUE;
        t->count--;
    }
}

int sk_track_send_points(struct sk_track *t, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(BODY_MAX);
    struct sk_track_point points[SK_TRACK_EPOCHS];
    size_t count = copy_points(t, points, SK_TRACK_EPOCHS);

    sk_track_write_points(points, count, t->run_id, &body);
    if (post(t, API "runs/log-batch", &body, NULL, err) < 0)
        return -1;
    t->last_epoch = points[count - 1].epoch.epoch;
    drop_points(t, points, count);
    return 0;
}

/* ---- the end ---- */

int sk_track_send_result(struct sk_track *t, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(BODY_MAX);

    if (t->failed)
        sk_track_write_failure(t->why, t->run_id, &body);
    else
        sk_track_write_result(&t->result, t->last_epoch, t->end_ms, t->run_id, &body);
    return post(t, API "runs/log-batch", &body, NULL, err);
}

static int send_file(struct sk_track *t, const char *path, const char *name, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf url = SK_BUF_INIT(BODY_MAX);
    const char *root = strchr(t->artifacts, '/'); /* mlflow-artifacts:/0/RUN/artifacts */
    struct stat st;

    if (stat(path, &st) < 0)
        return sk_fail_errno(err, "%s", path);
    sk_buf_fmt(&url, "/api/2.0/mlflow-artifacts/artifacts%s/", root ? root : "");
    sk_url_escape(&url, name);
    if (!sk_buf_ok(&url))
        return sk_buf_fail(&url, err);
    return sk_remote_put(t->remote, url.data, path, (uint64_t)st.st_size, err);
}

/* The files that training writes, not what else lies there; the checkpoint is for going on here. */
int sk_track_send_files(struct sk_track *t, struct sk_err *err)
{
    const char *const names[] = { t->o.train->onnx_name, "model.safetensors",
                                  "config.json",         "preprocessor_config.json",
                                  "skerry.json",         "training.json",
                                  "report.html",         SK_TRAIN_TEST_IMAGE };

    for (; t->files_sent < sizeof(names) / sizeof(names[0]); t->files_sent++) {
        const char *name = names[t->files_sent];
        SK_OWN(free) char *path = sk_path_join(t->o.train->output_dir, name);

        if (!path)
            return sk_nomem(err);
        if (sk_is_file(path) && send_file(t, path, name, err) < 0)
            return sk_wrap(err, "'%s'", name);
        sk_track_succeed(t);
    }
    return 0;
}

bool sk_track_lacks(struct sk_track *t, char out[SK_TRACK_LACKS_TEXT])
{
    char epochs[40] = "";
    SK_LOCK(&t->lock);
    size_t missing = t->count + t->dropped;

    if (missing > 0)
        (void)snprintf(epochs, sizeof(epochs), ", %zu epochs", missing);
    (void)snprintf(out, SK_TRACK_LACKS_TEXT, "%s%s%s%s", t->lacks_settings ? ", settings" : "",
                   epochs, t->lacks_result ? ", result" : "",
                   t->lacks_files ? ", files of the bundle" : "");
    if (!*out)
        return false;
    (void)memmove(out, out + 2, strlen(out + 2) + 1);
    return true;
}

int sk_track_send_status(struct sk_track *t, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf tag = SK_BUF_INIT(BODY_MAX);
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(BODY_MAX);
    char lacks[SK_TRACK_LACKS_TEXT];
    bool is_whole = !sk_track_lacks(t, lacks);
    bool is_good = !t->failed && (is_whole || t->result.interrupted);
    const char *status = sk_track_status(is_good ? &t->result : NULL);

    if (!is_whole) {
        sk_track_write_lacks(lacks, t->run_id, &tag);
        if (post(t, API "runs/log-batch", &tag, NULL, err) < 0)
            return -1;
    }
    sk_buf_fmt(&body, "{\"run_id\":\"%s\",\"status\":\"%s\",\"end_time\":%" PRId64 "}", t->run_id,
               status, t->end_ms);
    return post(t, API "runs/update", &body, NULL, err);
}
