/*
 * api_predict.c - POST /predict: pictures in, labels out.
 *
 * A request carries one picture (raw body, or one `image` field) or several fields. Each picture is
 * one piece of work; as many tickets as there are workers (at most one per picture) go through the
 * queue, and a ticket takes the next picture, works on it and goes to the end of the queue again.
 * So one request can use all cores when they are idle, and never holds one for longer than a
 * picture. The last ticket answers.
 *
 * One picture: the answer is its result, or its error with its status. Several: an array in the
 * order of the fields, in which a picture that failed is {"error": ...}; when all failed, the first
 * error is the answer.
 */
#include "serve/api_priv.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "serve/v2_priv.h"

#include <string.h>

struct picture {
    struct sk_view bytes;
    struct sk_buf json; /* of several: the result, or the error */
    struct sk_err err;  /* SK_OK: it went well */
};

struct ticket {
    struct sk_job job; /* first */
    struct predict *predict;
};

struct predict {
    struct sk_call call; /* first */
    size_t top_k;
    struct picture *pictures;
    size_t count;
    struct ticket *tickets;
    size_t ticket_count;
    _Atomic size_t next;      /* picture to take */
    _Atomic size_t remaining; /* tickets that have not ended */
};

/* ---- working ---- */

static void tell(struct predict *p, const struct sk_result *r)
{
    struct sk_score best;

    if (sk_prep_top(r->probabilities, r->classes, 1, &best) == 1)
        sk_results_tell(&p->call, sk_classifier_label(p->call.loaded->classifier, best.index),
                        (double)best.probability, r->infer_ns);
}

/* One picture on one worker; the JSON goes to out. */
static int classify(struct predict *p, const struct picture *pic, uint64_t queued_ns,
                    unsigned worker, struct sk_buf *out, struct sk_run_times *times,
                    struct sk_err *err)
{
    struct sk_server *s = p->call.server;
    struct sk_loaded *loaded = p->call.loaded;
    struct sk_result result;
    struct sk_lane *lane;

    *times = (struct sk_run_times){ .queue_ns = sk_now_ns() - queued_ns };
    if (sk_loaded_lane(loaded, worker, &lane, err) < 0)
        return -1;
    sk_lane_deadline(lane, p->call.deadline_ns);
    if (sk_lane_prepare(lane, pic->bytes.ptr, pic->bytes.len, s->opts.max_pixels,
                        sk_pool_is_lone(s->pool), &result, err) < 0)
        return -1;
    if (sk_pool_guard(s->pool, worker, p->call.deadline_ns, sk_lane_run(lane), err) < 0)
        return -1;
    int rc = sk_lane_infer(lane, sk_pool_is_lone(s->pool), &result, err);
    sk_pool_unguard(s->pool, worker);
    if (rc < 0)
        return err->code == SK_CANCELLED
                   ? sk_fail(err, SK_TIMEOUT, "the deadline passed while the model ran")
                   : -1;
    if (result.prep.decode.grey16_clipped && !atomic_exchange(&loaded->said_grey16, true))
        sk_log(SK_WARN, "grey16_clipped",
               "model=%s hint=\"most 16-bit grey pixels are above 255 and become white: set "
               "grey16 to high_byte or min_max in skerry.json\"",
               loaded->slot->name);
    tell(p, &result);
    sk_classifier_json(loaded->classifier, &result, p->top_k, out);
    times->input_ns = result.prep.decode.decode_ns;
    times->resize_ns = result.prep.decode.resize_ns + result.prep.normalise_ns;
    times->infer_ns = result.infer_ns;
    times->output_ns = result.post_ns;
    sk_call_ran(&p->call, times, 1);
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

static void keep_error(struct picture *pic, const struct sk_err *err)
{
    pic->err = *err;
    sk_buf_clear(&pic->json);
    sk_buf_str(&pic->json, "{\"error\":");
    sk_buf_json_str(&pic->json, err->text);
    sk_buf_chr(&pic->json, '}');
}

static void answer_many(struct predict *p)
{
    struct sk_buf *out = sk_http_out(p->call.req);
    const struct sk_err *first = NULL;
    size_t failed = 0;

    sk_buf_chr(out, '[');
    for (size_t i = 0; i < p->count; i++) {
        struct picture *pic = &p->pictures[i];
        if (i > 0)
            sk_buf_chr(out, ',');
        sk_buf_add(out, pic->json.data, pic->json.len);
        sk_buf_done(&pic->json);
        if (pic->err.code != SK_OK && failed++ == 0)
            first = &pic->err;
    }
    sk_buf_chr(out, ']');
    if (failed == p->count && first) {
        struct sk_err err = *first;
        (void)sk_wrap(&err, "none of %zu pictures could be used; the first", p->count);
        sk_buf_clear(out);
        sk_call_answer(&p->call, &err);
        return;
    }
    sk_call_answer(&p->call, NULL);
}

/* A ticket that will not come back; the last one answers. */
static void end_ticket(struct predict *p)
{
    if (atomic_fetch_sub(&p->remaining, 1) == 1)
        answer_many(p);
}

static enum sk_job_next run_many(struct sk_job *job, unsigned worker)
{
    struct predict *p = ((struct ticket *)job)->predict;
    struct sk_err err = SK_ERR_INIT;
    struct sk_run_times times;
    size_t i = atomic_fetch_add(&p->next, 1);

    if (i < p->count) {
        struct picture *pic = &p->pictures[i];
        sk_log_request(sk_http_id(p->call.req));
        if (classify(p, pic, job->queued_ns, worker, &pic->json, &times, &err) < 0) {
            keep_error(pic, &err);
            if (sk_code_http(err.code) >= 500)
                sk_results_tell(&p->call, NULL, 0, sk_now_ns() - job->queued_ns);
        }
        sk_log_request(NULL);
        if (atomic_load(&p->next) < p->count)
            return SK_JOB_AGAIN;
    }
    end_ticket(p);
    return SK_JOB_DONE;
}

/* Late in the queue: what this ticket would have done is lost, with the reason in each place. */
static void drop_many(struct sk_job *job, const struct sk_err *why)
{
    struct predict *p = ((struct ticket *)job)->predict;
    size_t i;

    while ((i = atomic_fetch_add(&p->next, 1)) < p->count)
        keep_error(&p->pictures[i], why);
    end_ticket(p);
}

/* W3C Server Timing, in milliseconds: browsers and the page show where the time went. */
static void tell_times(struct sk_http_req *req, const struct sk_run_times *t)
{
    char text[160];

    (void)snprintf(text, sizeof text,
                   "queue;dur=%.3f, decode;dur=%.3f, resize;dur=%.3f, infer;dur=%.3f",
                   (double)t->queue_ns * 1e-6, (double)t->input_ns * 1e-6,
                   (double)t->resize_ns * 1e-6, (double)t->infer_ns * 1e-6);
    sk_http_set_header(req, "Server-Timing", text);
}

static enum sk_job_next run_one(struct sk_job *job, unsigned worker)
{
    struct predict *p = ((struct ticket *)job)->predict;
    struct sk_err err = SK_ERR_INIT;
    struct sk_run_times times;

    sk_log_request(sk_http_id(p->call.req));
    int rc = classify(p, &p->pictures[0], job->queued_ns, worker, sk_http_out(p->call.req), &times,
                      &err);
    sk_log_request(NULL);
    if (rc == 0)
        tell_times(p->call.req, &times);
    sk_call_answer(&p->call, rc < 0 ? &err : NULL);
    return SK_JOB_DONE;
}

static void drop_one(struct sk_job *job, const struct sk_err *why)
{
    sk_call_answer(&((struct ticket *)job)->predict->call, why);
}

/* ---- reading the request ---- */

static bool is_picture_type(const char *type)
{
    return !type || sk_starts_with(type, "image/") ||
           sk_starts_with(type, "application/octet-stream") ||
           sk_starts_with(type, "binary/octet-stream");
}

/* Fields called `image`; the others do not matter. */
static size_t collect_fields(const struct sk_http_req *req, struct picture *out)
{
    size_t count = 0;

    for (size_t i = 0; i < sk_http_part_count(req); i++) {
        const struct sk_http_part *part = sk_http_part_at(req, i);
        if (strcmp(part->name, "image") != 0)
            continue;
        if (out)
            out[count] = (struct picture){ .bytes = part->body,
                                           .json = SK_BUF_INIT(SK_LIMIT_BODY_BYTES) };
        count++;
    }
    return count;
}

/* As many as can work at once, and no more than the queue takes. */
static size_t tickets_for(const struct sk_server *s, size_t pictures)
{
    size_t most = sk_pool_workers(s->pool);

    most = s->opts.max_queue < most ? (size_t)s->opts.max_queue : most;
    return pictures < most ? pictures : most;
}

static int collect(struct predict *p, struct sk_err *err)
{
    struct sk_http_req *req = p->call.req;
    const char *type = sk_http_header(req, "Content-Type");
    bool is_multipart = sk_http_is_multipart(req);

    if (!is_multipart && sk_http_body(req).len > 0 && !is_picture_type(type))
        return sk_fail(
            err, SK_UNSUPPORTED_MEDIA,
            "Content-Type '%.80s' is not a picture: send multipart/form-data with the "
            "field 'image', or the raw picture as image/jpeg or application/octet-stream",
            type);
    p->count = is_multipart ? collect_fields(req, NULL) : sk_http_body(req).len > 0;
    if (p->count == 0)
        return sk_fail(err, SK_INVALID, "No image provided");
    p->pictures = sk_arena_alloc(sk_http_arena(req), p->count * sizeof *p->pictures);
    p->ticket_count = tickets_for(p->call.server, p->count);
    p->tickets = sk_arena_alloc(sk_http_arena(req), p->ticket_count * sizeof *p->tickets);
    if (!p->pictures || !p->tickets)
        return sk_nomem(err);
    if (is_multipart)
        (void)collect_fields(req, p->pictures);
    else
        p->pictures[0] = (struct picture){ .bytes = sk_http_body(req) };
    return 0;
}

static int read_top_k(struct predict *p, struct sk_err *err)
{
    const char *text = sk_http_query(p->call.req, "top_k");
    uint64_t k = 0;

    if (text && sk_parse_u64("top_k", text, 1, SK_LIMIT_LABELS, &k, err) < 0)
        return -1;
    p->top_k = (size_t)k;
    return 0;
}

/* 422 with what the model does give, and where to ask for it. */
static void refuse(struct sk_call *c, const char *reason)
{
    const struct sk_net_info *net = sk_net_info(sk_classifier_net(c->loaded->classifier));
    struct sk_buf *out = sk_http_out(c->req);

    sk_http_set_status(c->req, sk_code_http(SK_NOT_SCORES));
    sk_buf_str(out, "{\"error\":");
    sk_buf_json_str(out, reason);
    sk_buf_str(out, ",\"outputs\":[");
    sk_v2_tensors_json(net->outputs, net->output_count, out);
    SK_AUTO(sk_buf_done) struct sk_buf url = SK_BUF_INIT(4096);
    sk_buf_fmt(&url, "/v2/models/%s/infer", c->loaded->slot->name);
    sk_buf_str(out, "],\"v2\":");
    sk_buf_json(out, url.data ? url.data : "", url.len);
    sk_buf_chr(out, '}');
    sk_call_answer(c, NULL);
}

void sk_api_predict(struct sk_http_req *req, void *ctx)
{
    struct sk_server *s = ctx;
    struct sk_err err = SK_ERR_INIT;
    struct predict *p = (struct predict *)sk_call_begin(s, req, sk_http_query(req, "model"),
                                                        sk_http_query(req, "version"), sizeof *p);

    if (!p)
        return;
    const char *reason = sk_classifier_refusal(p->call.loaded->classifier);
    if (reason) {
        refuse(&p->call, reason);
        return;
    }
    if (read_top_k(p, &err) < 0 || collect(p, &err) < 0) {
        sk_call_answer(&p->call, &err);
        return;
    }
    struct sk_job **jobs = sk_arena_alloc(sk_http_arena(req),
                                          p->ticket_count * sizeof(struct sk_job *));
    if (!jobs) {
        (void)sk_nomem(&err);
        sk_call_answer(&p->call, &err);
        return;
    }
    atomic_init(&p->next, 0);
    atomic_init(&p->remaining, p->ticket_count);
    for (size_t i = 0; i < p->ticket_count; i++) {
        p->tickets[i] = (struct ticket){
            .job = { .deadline_ns = p->call.deadline_ns,
                     .run = p->count == 1 ? run_one : run_many,
                     .drop = p->count == 1 ? drop_one : drop_many },
            .predict = p,
        };
        jobs[i] = &p->tickets[i].job;
    }
    if (sk_pool_push(s->pool, jobs, p->ticket_count, &err) < 0)
        sk_call_answer(&p->call, &err);
}
