/*
 * worker.c - whether a process belongs to the module whose socket it came over, and what its
 * request asks for.
 *
 * The number of a process says who connected only while that process lives: it may end, and its
 * number be given to another. So a handle of the process was taken when the connection was
 * accepted, and after the question was answered it is looked at whether that process still lives.
 */
#include "workload/workload_priv.h"

#include "base/clock.h"
#include "crypto/crypto.h"
#include "json/json.h"

#include <poll.h>

int sk_wl_check_peer(const struct sk_workload *w, struct sk_wl_peer *p, struct sk_err *err)
{
    if (atomic_load(&p->is_checked))
        return 0;
    struct pollfd end = { .fd = p->pidfd, .events = POLLIN };
    const char *name = p->instance->name;
    if (p->pid <= 0)
        return sk_fail(err, SK_DENIED,
                       "the process that asks cannot be seen from here, so it is not one of '%s'",
                       name);
    if (p->has_ended || !w->opts.is_peer(w->opts.ctx, name, p->pid, p->uid) ||
        (p->pidfd >= 0 && poll(&end, 1, 0) != 0))
        return sk_fail(err, SK_DENIED, "process %d (user %u) is none of '%s', whose socket this is",
                       (int)p->pid, (unsigned)p->uid, name);
    atomic_store(&p->is_checked, true);
    return 0;
}

/* A member that is base64. */
static int decode(const struct sk_json *doc, const char *key, struct sk_buf *out,
                  struct sk_err *err)
{
    const char *text = NULL;
    if (sk_json_want_text(doc, key, &text, err) < 0)
        return -1;
    if (!text)
        return sk_fail(err, SK_INVALID, "'%s' is missing", key);
    if (sk_base64_decode(text, strlen(text), out, err) < 0)
        return sk_wrap(err, "'%s'", key);
    return 0;
}

static int read_until(const struct sk_json *doc, int64_t *until_s, struct sk_err *err)
{
    const char *text = NULL;
    int64_t ms = 0;
    if (sk_json_want_text(doc, "expiration", &text, err) < 0)
        return -1;
    if (text && !sk_time_parse(sk_view_of(text), &ms))
        return sk_fail(err, SK_INVALID, "'expiration': expected a time as 2026-11-24T12:00:00Z");
    *until_s = ms / 1000;
    return 0;
}

/* The members of each kind; data and iv hold what was decoded. */
static int read_ask(const struct sk_json *doc, struct sk_workload_ask *ask, struct sk_buf *data,
                    struct sk_buf *iv, struct sk_err *err)
{
    switch (ask->kind) {
    case SK_WORKLOAD_SIGN:
        return decode(doc, "data", data, err);
    case SK_WORKLOAD_ENCRYPT:
    case SK_WORKLOAD_DECRYPT:
        if (decode(doc, ask->kind == SK_WORKLOAD_ENCRYPT ? "plaintext" : "ciphertext", data, err) <
            0)
            return -1;
        return decode(doc, "initializationVector", iv, err);
    case SK_WORKLOAD_SERVER_CERT:
        if (sk_json_want_text(doc, "commonName", &ask->name, err) < 0)
            return -1;
        if (!ask->name || !ask->name[0])
            return sk_fail(err, SK_INVALID, "'commonName' is missing");
        return read_until(doc, &ask->until_s, err);
    default:
        ask->name = "";
        return read_until(doc, &ask->until_s, err);
    }
}

static int parse_body(const struct sk_wl_job *job, struct sk_json **doc, struct sk_err *err)
{
    struct sk_view body = sk_http_body(job->req);
    const struct sk_json_limits limits = { .max_values = 256, .max_depth = 4 };
    if (body.len == 0 && job->op == SK_WL_IDENTITY_CERT)
        body = SK_VIEW("{}");
    if (sk_json_parse(body.ptr ? body.ptr : "", body.len, &limits, doc, err) < 0)
        return sk_wrap(err, "the body");
    if (sk_json_type(*doc) != SK_JSON_OBJECT)
        return sk_fail(err, SK_INVALID, "the body: expected a JSON object");
    return 0;
}

static int ask(struct sk_workload *w, const struct sk_wl_job *job, const struct sk_wl_peer *p,
               struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf data = SK_BUF_INIT(SK_WORKLOAD_BODY_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf iv = SK_BUF_INIT(SK_WORKLOAD_BODY_BYTES);
    struct sk_workload_ask a = { .kind = (enum sk_workload_kind)job->op,
                                 .instance = p->instance->name,
                                 .module = p->instance->module,
                                 .generation = job->generation };
    if (parse_body(job, &doc, err) < 0 || read_ask(doc, &a, &data, &iv, err) < 0)
        return -1;
    a.data = (struct sk_view){ data.data, data.len };
    a.iv = (struct sk_view){ iv.data, iv.len };
    SK_OWN(free) char *instance = strdup(a.instance);
    SK_OWN(free) char *module = strdup(a.module);
    SK_OWN(free) char *generation = strdup(a.generation);
    if (!instance || !module || !generation)
        return sk_nomem(err);
    a.instance = instance; /* the request and its peer may be gone before `ask` returns */
    a.module = module;
    a.generation = generation;
    struct sk_workload_call *call = sk_wl_call_new(w->calls, job->req, a.kind);
    if (!call)
        return sk_fail(err, SK_BUSY, "the local hub is ending or out of memory; try again");
    w->opts.ask(w->opts.ctx, &a, call);
    return 0;
}

static int list(struct sk_workload *w, const struct sk_wl_job *job, struct sk_err *err)
{
    struct sk_buf *out = sk_http_out(job->req);
    w->opts.list(w->opts.ctx, out);
    if (!sk_buf_ok(out))
        return sk_buf_fail(out, err);
    sk_http_answer(job->req);
    return 0;
}

static void serve(struct sk_workload *w, const struct sk_wl_job *job)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_wl_peer *p = sk_http_tag(job->req);
    struct sk_http_req *r = job->req;
    int result = sk_wl_check_peer(w, p, &err);
    if (result == 0)
        result = job->op == SK_WL_LIST ? list(w, job, &err) : ask(w, job, p, &err);
    if (result < 0)
        sk_wl_refuse(r, &err);
}

/* NULL: it is over. */
static struct sk_wl_job *pop(struct sk_workload *w)
{
    SK_LOCK(&w->queue_lock);
    while (!w->queue && !w->is_ending)
        (void)pthread_cond_wait(&w->queued, &w->queue_lock);
    struct sk_wl_job *job = w->is_ending ? NULL : w->queue;
    if (job) {
        w->queue = job->next;
        if (!w->queue)
            w->queue_end = &w->queue;
    }
    return job;
}

bool sk_wl_push(struct sk_workload *w, struct sk_wl_job *job)
{
    SK_LOCK(&w->queue_lock);
    if (w->is_ending)
        return false;
    *w->queue_end = job;
    w->queue_end = &job->next;
    (void)pthread_cond_signal(&w->queued);
    return true;
}

static void *work(void *arg)
{
    struct sk_workload *w = arg;
    for (struct sk_wl_job *job = NULL; (job = pop(w)) != NULL;)
        serve(w, job);
    return NULL;
}

int sk_wl_workers_start(struct sk_workload *w, struct sk_err *err)
{
    for (; w->worker_count < SK_WORKLOAD_WORKERS; w->worker_count++)
        if (sk_thread_start(&w->workers[w->worker_count], "workload-check", work, w, err) < 0)
            return -1;
    return 0;
}

void sk_wl_workers_stop(struct sk_workload *w)
{
    (void)pthread_mutex_lock(&w->queue_lock);
    w->is_ending = true;
    (void)pthread_cond_broadcast(&w->queued);
    (void)pthread_mutex_unlock(&w->queue_lock);
    while (w->worker_count > 0)
        (void)pthread_join(w->workers[--w->worker_count], NULL);
    for (struct sk_wl_job *job = w->queue, *next = NULL; job; job = next) {
        struct sk_err why = SK_ERR_INIT;
        next = job->next;
        (void)sk_fail(&why, SK_CANCELLED, "the local hub is ending; try again");
        sk_wl_refuse(job->req, &why);
    }
    w->queue = NULL;
}
