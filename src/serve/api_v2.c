/*
 * api_v2.c - the Open Inference Protocol (V2): server and model metadata, health, statistics,
 * inference.
 *
 * Addresses below /v2/models/ are NAME[/versions/V][/verb]. Parsing, running and writing of an
 * inference are done by a worker: a large JSON tensor costs as much as a small model.
 */
#include "serve/api_priv.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "serve/v2_priv.h"

#include <inttypes.h>
#include <string.h>

enum {
    ROWS_TOLD = 1024 /* of one request */
};

/* ---- addresses ---- */

struct address {
    const char *model, *version; /* version NULL: any */
    const char *verb;            /* "" for metadata */
};

static int parse_address(struct sk_http_req *req, struct address *out, struct sk_err *err)
{
    static const char versions[] = "/versions/";
    const char *rest = sk_http_rest(req);
    size_t len = strcspn(rest, "/");

    *out = (struct address){ .model = sk_http_decoded(req, rest, len), .verb = "" };
    rest += len;
    if (strncmp(rest, versions, sizeof versions - 1) == 0) {
        rest += sizeof versions - 1;
        len = strcspn(rest, "/");
        out->version = sk_http_decoded(req, rest, len);
        if (!out->version)
            return sk_nomem(err);
        rest += len;
    }
    if (!out->model)
        return sk_nomem(err);
    if (*rest == '/')
        out->verb = rest + 1;
    return 0;
}

static void fail(struct sk_http_req *req, const struct sk_err *err)
{
    sk_http_error(req, err);
    sk_http_answer(req);
}

static void not_found(struct sk_http_req *req)
{
    struct sk_err err = SK_ERR_INIT;

    (void)sk_fail(&err, SK_NOT_FOUND, "unknown address %s", sk_http_path(req));
    fail(req, &err);
}

/* ---- server ---- */

void sk_api_v2_server(struct sk_http_req *req, void *ctx)
{
    (void)ctx;
    sk_buf_str(sk_http_out(req), "{\"name\":\"skerry\",\"version\":\"" SK_VERSION
                                 "\",\"extensions\":[\"classification\","
                                 "\"model_repository\",\"model_configuration\",\"binary_tensor_"
                                 "data\",\"parameters\",\"statistics\"]}");
    sk_http_answer(req);
}

void sk_api_v2_live(struct sk_http_req *req, void *ctx)
{
    (void)ctx;
    sk_buf_str(sk_http_out(req), "{\"live\":true}");
    sk_http_answer(req);
}

void sk_api_v2_ready(struct sk_http_req *req, void *ctx)
{
    struct sk_server *s = ctx;
    bool is_ready = sk_models_ready(s->models);

    if (!is_ready)
        sk_http_set_status(req, 400);
    sk_buf_fmt(sk_http_out(req), "{\"ready\":%s}", is_ready ? "true" : "false");
    sk_http_answer(req);
}

/* ---- metadata ---- */

struct versions {
    const char *name;
    struct sk_buf *out;
    unsigned count;
};

static void add_version(void *ctx, struct sk_slot *slot, enum sk_slot_state state,
                        const char *reason, struct sk_loaded *loaded)
{
    struct versions *v = ctx;

    (void)reason;
    (void)loaded;
    if (state == SK_SLOT_READY && strcmp(slot->name, v->name) == 0)
        sk_buf_fmt(v->out, "%s\"%s\"", v->count++ > 0 ? "," : "", slot->version);
}

static void write_metadata(struct sk_server *s, const struct sk_loaded *l, struct sk_buf *out)
{
    const struct sk_net_info *net = sk_net_info(sk_classifier_net(l->classifier));
    struct versions v = { .name = l->slot->name, .out = out };

    sk_buf_str(out, "{\"name\":");
    sk_buf_json_str(out, l->slot->name);
    sk_buf_str(out, ",\"versions\":[");
    sk_models_each(s->models, add_version, &v);
    sk_buf_fmt(out, "],\"platform\":\"%s\",\"inputs\":[", net->platform);
    sk_v2_tensors_json(net->inputs, net->input_count, out);
    sk_buf_str(out, "],\"outputs\":[");
    sk_v2_tensors_json(net->outputs, net->output_count, out);
    sk_buf_str(out, "]}");
}

/* Triton's model configuration, as far as its clients read it. */
static void write_config_tensors(const struct sk_tensor_info *tensors, size_t count,
                                 struct sk_buf *out)
{
    for (size_t i = 0; i < count; i++) {
        const char *type = sk_dtype_name(tensors[i].dtype);
        sk_buf_str(out, i > 0 ? ",{\"name\":" : "{\"name\":");
        sk_buf_json_str(out, tensors[i].name);
        sk_buf_fmt(out, ",\"data_type\":\"TYPE_%s\",\"dims\":[",
                   strcmp(type, "BYTES") == 0 ? "STRING" : type);
        for (unsigned d = 0; d < tensors[i].rank; d++) {
            if (d > 0)
                sk_buf_chr(out, ',');
            sk_buf_i64(out, tensors[i].dims[d]);
        }
        sk_buf_str(out, "]}");
    }
}

static void write_config(const struct sk_loaded *l, struct sk_buf *out)
{
    const struct sk_net_info *net = sk_net_info(sk_classifier_net(l->classifier));

    sk_buf_str(out, "{\"name\":");
    sk_buf_json_str(out, l->slot->name);
    sk_buf_fmt(out,
               ",\"platform\":\"%s\",\"backend\":\"onnxruntime\",\"max_batch_size\":0,\"input\":[",
               net->platform);
    write_config_tensors(net->inputs, net->input_count, out);
    sk_buf_str(out, "],\"output\":[");
    write_config_tensors(net->outputs, net->output_count, out);
    sk_buf_str(out, "]}");
}

/* ---- statistics ---- */

struct stats_list {
    const char *name, *version; /* NULL: all */
    struct sk_buf *out;
    unsigned count;
};

static void write_duration(struct sk_buf *out, const char *name, uint64_t count, uint64_t ns)
{
    sk_buf_fmt(out, "\"%s\":{\"count\":%" PRIu64 ",\"ns\":%" PRIu64 "}", name, count, ns);
}

static void add_stats(void *ctx, struct sk_slot *slot, enum sk_slot_state state, const char *reason,
                      struct sk_loaded *loaded)
{
    struct stats_list *list = ctx;
    struct sk_stats *s = &slot->stats;
    struct sk_buf *out = list->out;
    uint64_t runs = s->executions, failures = s->rejected + s->cancelled + s->failed;

    (void)state;
    (void)reason;
    if ((list->name && strcmp(list->name, slot->name) != 0) ||
        (list->version && strcmp(list->version, slot->version) != 0))
        return;
    if (!list->name && !loaded)
        return;
    sk_buf_str(out, list->count++ > 0 ? ",{\"name\":" : "{\"name\":");
    sk_buf_json_str(out, slot->name);
    sk_buf_fmt(out,
               ",\"version\":\"%s\",\"last_inference\":%" PRIu64 ",\"inference_count\":%" PRIu64
               ",\"execution_count\":%" PRIu64 ",\"inference_stats\":{",
               slot->version, s->last_inference_ms, s->inferences, runs);
    write_duration(out, "success", s->succeeded, s->success_ns);
    sk_buf_chr(out, ',');
    write_duration(out, "fail", failures, s->fail_ns);
    sk_buf_chr(out, ',');
    write_duration(out, "queue", runs, s->queue_ns);
    sk_buf_chr(out, ',');
    write_duration(out, "compute_input", runs, s->input_ns);
    sk_buf_chr(out, ',');
    write_duration(out, "compute_infer", runs, s->infer_ns);
    sk_buf_chr(out, ',');
    write_duration(out, "compute_output", runs, s->output_ns);
    sk_buf_str(out, ",\"cache_hit\":{\"count\":0,\"ns\":0},\"cache_miss\":{\"count\":0,\"ns\":0}},"
                    "\"response_stats\":{},\"batch_stats\":[],\"memory_usage\":[]}");
}

static void answer_stats(struct sk_server *s, struct sk_http_req *req, const char *name,
                         const char *version)
{
    struct stats_list list = { .name = name, .version = version, .out = sk_http_out(req) };
    struct sk_err err = SK_ERR_INIT;

    sk_buf_str(list.out, "{\"model_stats\":[");
    sk_models_each(s->models, add_stats, &list);
    sk_buf_str(list.out, "]}");
    if (name && list.count == 0) {
        (void)sk_fail(&err, SK_NOT_FOUND, "unknown model '%s'", name);
        sk_http_error(req, &err);
    }
    sk_http_answer(req);
}

void sk_api_v2_stats(struct sk_http_req *req, void *ctx)
{
    answer_stats(ctx, req, NULL, NULL);
}

/* ---- GET /v2/models/... ---- */

void sk_api_v2_model_get(struct sk_http_req *req, void *ctx)
{
    struct sk_server *s = ctx;
    SK_OWN(sk_loaded_unref) struct sk_loaded *l = NULL;
    struct sk_err err = SK_ERR_INIT;
    struct address a;

    if (parse_address(req, &a, &err) < 0) {
        fail(req, &err);
        return;
    }
    if (strcmp(a.verb, "stats") == 0) {
        answer_stats(s, req, a.model, a.version);
        return;
    }
    if (sk_models_get(s->models, a.model, a.version, &l, &err) < 0) {
        fail(req, &err);
        return;
    }
    if (strcmp(a.verb, "") == 0) {
        write_metadata(s, l, sk_http_out(req));
    } else if (strcmp(a.verb, "config") == 0) {
        write_config(l, sk_http_out(req));
    } else if (strcmp(a.verb, "ready") == 0) {
        sk_buf_str(sk_http_out(req), "{\"name\":");
        sk_buf_json_str(sk_http_out(req), l->slot->name);
        sk_buf_str(sk_http_out(req), ",\"ready\":true}");
    } else {
        not_found(req);
        return;
    }
    sk_http_answer(req);
}

/* ---- POST /v2/models/NAME/infer ---- */

struct infer {
    struct sk_call call; /* first */
    struct sk_job job;
};

static struct infer *infer_of(struct sk_job *job)
{
    return (struct infer *)(void *)((char *)job - offsetof(struct infer, job));
}

static const char *label_of(void *ctx, size_t index)
{
    const struct sk_bundle *b = ctx;

    return index < b->label_count ? b->labels[index] : NULL;
}

/* Rows of the batch: what inference_count counts. */
static uint64_t batch_of(const struct sk_net_info *net, const struct sk_v2_request *r)
{
    if (net->input_count == 0 || net->inputs[0].rank == 0 || net->inputs[0].dims[0] > 0 ||
        r->inputs[0].rank == 0)
        return 1;
    return r->inputs[0].dims[0] > 0 ? (uint64_t)r->inputs[0].dims[0] : 1;
}

static int execute(struct infer *f, struct sk_run *run, const struct sk_v2_request *r,
                   unsigned worker, const struct sk_tensor **outputs, uint64_t *infer_ns,
                   struct sk_err *err)
{
    struct sk_pool *pool = f->call.server->pool;
    uint64_t deadline = f->call.deadline_ns;
    uint64_t start = sk_http_start_ns(f->call.req);

    if (r->timeout_us > 0 && r->timeout_us < (UINT64_MAX - start) / 1000 &&
        start + r->timeout_us * 1000 < deadline)
        deadline = start + r->timeout_us * 1000;
    if (sk_pool_guard(pool, worker, deadline, run, err) < 0)
        return -1;
    int rc = sk_run_exec(run, r->inputs, r->wanted, sk_pool_is_lone(pool), outputs, infer_ns, err);
    sk_pool_unguard(pool, worker);
    if (rc < 0 && err->code == SK_CANCELLED)
        return sk_fail(err, SK_TIMEOUT, "the deadline passed while the model ran");
    return rc;
}

/* A few bytes in can ask for gigabytes out: that costs no copy and no answer. */
static int check_size(const struct sk_v2_request *r, const struct sk_net_info *net,
                      const struct sk_tensor *outputs, uint64_t most, struct sk_err *err)
{
    uint64_t size = 0;

    for (size_t i = 0; i < net->output_count; i++) {
        if (!r->wanted[i])
            continue;
        size += outputs[i].size_bytes;
        for (size_t k = 0; outputs[i].strings && k < sk_tensor_elements(&outputs[i]); k++)
            size += outputs[i].string_lens[k];
    }
    return size <= most ? 0
                        : sk_fail(err, SK_LIMIT,
                                  "the outputs have %llu bytes, at most %llu are sent "
                                  "(max-output-size)",
                                  (unsigned long long)size, (unsigned long long)most);
}

/* What a request for classes was told, row by row. */
static void tell(struct infer *f, struct sk_lane *lane, const struct sk_v2_request *r,
                 const struct sk_tensor *outputs, uint64_t infer_ns)
{
    const struct sk_classifier *c = f->call.loaded->classifier;
    struct sk_score best;
    bool is_asked = false;

    for (size_t i = 0; i < r->order_count; i++)
        is_asked |= r->outputs[r->order[i]].classification > 0;
    for (size_t row = 0;
         is_asked && row < ROWS_TOLD && sk_lane_best(lane, outputs, r->wanted, row, &best); row++)
        sk_results_tell(&f->call, sk_classifier_label(c, best.index), (double)best.probability,
                        infer_ns);
}

static int infer(struct infer *f, unsigned worker, struct sk_err *err)
{
    struct sk_http_req *req = f->call.req;
    struct sk_loaded *l = f->call.loaded;
    const struct sk_net_info *net = sk_net_info(sk_classifier_net(l->classifier));
    const struct sk_bundle *bundle = sk_classifier_bundle(l->classifier);
    struct sk_run_times times = { .queue_ns = sk_now_ns() - f->job.queued_ns };
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    const struct sk_tensor *outputs = NULL;
    struct sk_v2_request r;
    struct sk_lane *lane;
    size_t header_len = 0;
    char text[24];

    uint64_t start = sk_now_ns();
    if (sk_loaded_lane(l, worker, &lane, err) < 0 ||
        sk_v2_parse(sk_http_body(req), sk_http_header(req, "Inference-Header-Content-Length"), net,
                    f->call.server->opts.max_json_values, sk_http_arena(req), &doc, &r, err) < 0)
        return -1;
    times.input_ns = sk_now_ns() - start;
    if (execute(f, sk_lane_run(lane), &r, worker, &outputs, &times.infer_ns, err) < 0)
        return -1;
    start = sk_now_ns();
    if (check_size(&r, net, outputs, f->call.server->opts.max_output_bytes, err) < 0 ||
        sk_v2_write(&r, net, outputs, l->slot->name, l->slot->version,
                    bundle->labels ? label_of : NULL, (void *)(uintptr_t)bundle, sk_http_out(req),
                    &header_len, err) < 0)
        return -1;
    times.output_ns = sk_now_ns() - start;
    tell(f, lane, &r, outputs, times.infer_ns);
    if (header_len > 0) {
        (void)snprintf(text, sizeof text, "%zu", header_len);
        sk_http_set_header(req, "Inference-Header-Content-Length", text);
        sk_http_set_type(req, "application/octet-stream");
    }
    sk_call_ran(&f->call, &times, batch_of(net, &r));
    return 0;
}

static enum sk_job_next run_infer(struct sk_job *job, unsigned worker)
{
    struct infer *f = infer_of(job);
    struct sk_err err = SK_ERR_INIT;

    sk_log_request(sk_http_id(f->call.req));
    int rc = infer(f, worker, &err);
    sk_log_request(NULL);
    sk_call_answer(&f->call, rc < 0 ? &err : NULL);
    return SK_JOB_DONE;
}

static void drop_infer(struct sk_job *job, const struct sk_err *why)
{
    sk_call_answer(&infer_of(job)->call, why);
}

void sk_api_v2_model_post(struct sk_http_req *req, void *ctx)
{
    struct sk_server *s = ctx;
    struct sk_err err = SK_ERR_INIT;
    struct address a;

    if (parse_address(req, &a, &err) < 0) {
        fail(req, &err);
        return;
    }
    if (strcmp(a.verb, "infer") != 0) {
        not_found(req);
        return;
    }
    struct infer *f = (struct infer *)sk_call_begin(s, req, a.model, a.version, sizeof *f);
    if (!f)
        return;
    f->job = (struct sk_job){ .deadline_ns = f->call.deadline_ns,
                              .run = run_infer,
                              .drop = drop_infer };
    struct sk_job *job = &f->job;
    if (sk_pool_push(s->pool, &job, 1, &err) < 0)
        sk_call_answer(&f->call, &err);
}
