/*
 * api_repository.c - the model repository extension of V2: index, load, unload.
 *
 * Loading changes what the server does, so it needs the key (--api-key-file). Loads take their
 * time; they run on a thread of their own, one after the other, and the request is answered when
 * the model is ready or refused.
 */
#include "serve/api_priv.h"

#include "base/limits.h"
#include "serve/upload_priv.h"

#include <string.h>

/* ---- index ---- */

struct listing {
    struct sk_buf *out;
    bool only_ready;
    unsigned count;
};

static void list_slot(void *ctx, struct sk_slot *slot, enum sk_slot_state state, const char *reason,
                      struct sk_loaded *loaded)
{
    struct listing *list = ctx;

    (void)loaded;
    if (list->only_ready && state != SK_SLOT_READY)
        return;
    sk_buf_str(list->out, list->count++ > 0 ? ",{" : "{");
    sk_slot_json(slot, state, reason, list->out);
    sk_buf_chr(list->out, '}');
}

void sk_api_repository_index(struct sk_http_req *req, void *ctx)
{
    struct sk_server *s = ctx;
    struct listing list = { .out = sk_http_out(req) };
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;
    struct sk_view body = sk_http_body(req);

    if (body.len > 0 && (sk_json_parse(body.ptr, body.len, NULL, &doc, &err) < 0 ||
                         sk_json_want_bool(doc, "ready", &list.only_ready, &err) < 0)) {
        sk_http_error(req, &err);
        sk_http_answer(req);
        return;
    }
    sk_buf_chr(list.out, '[');
    sk_models_each(s->models, list_slot, &list);
    sk_buf_chr(list.out, ']');
    sk_http_answer(req);
}

/* ---- load, unload ---- */

struct chore {
    struct sk_job job; /* first */
    struct sk_server *server;
    struct sk_http_req *req;
    const char *name;
    bool is_load;
};

static int load(struct chore *c, struct sk_err *err)
{
    struct sk_server *s = c->server;
    struct sk_view body = sk_http_body(c->req);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    SK_OWN(sk_upload_discard) char *folder = NULL;
    const struct sk_json *params = NULL;

    if (body.len > 0 && (sk_json_parse(body.ptr, body.len, NULL, &doc, err) < 0 ||
                         sk_json_want_object(doc, "parameters", &params, err) < 0))
        return -1;
    if (sk_upload_unpack(params, &folder, err) < 0)
        return -1;
    if (!folder)
        return sk_models_load(s->models, c->name, err);
    if (sk_upload_check_name(c->name, err) < 0)
        return -1;
    if (!sk_json_get(params, "config"))
        return sk_fail(err, SK_INVALID, "'config' is needed beside 'file:' parameters");
    if (sk_upload_try(folder, s->opts.onnxruntime, s->opts.load_timeout_ms, &s->is_cut, err) < 0)
        return -1;
    return sk_models_load_upload(s->models, c->name, SK_TAKE(folder), err);
}

static enum sk_job_next run_chore(struct sk_job *job, unsigned worker)
{
    struct chore *c = (struct chore *)job;
    struct sk_err err = SK_ERR_INIT;

    (void)worker;
    int rc = c->is_load ? load(c, &err) : sk_models_unload(c->server->models, c->name, &err);
    if (rc < 0) {
        if (err.code != SK_NOT_FOUND && sk_code_http(err.code) >= 500 && err.code != SK_NOMEM &&
            err.code != SK_BUSY)
            err.code = SK_INVALID; /* a model that cannot be loaded is the request's fault: 400, as
                                      Triton */
        (void)sk_wrap(&err, "failed to %s '%s'", c->is_load ? "load" : "unload", c->name);
        sk_http_error(c->req, &err);
    }
    sk_http_answer(c->req);
    return SK_JOB_DONE;
}

static void drop_chore(struct sk_job *job, const struct sk_err *why)
{
    struct chore *c = (struct chore *)job;

    sk_http_error(c->req, why);
    sk_http_answer(c->req);
}

static int begin(struct sk_server *s, struct sk_http_req *req, struct sk_err *err)
{
    struct sk_arena *arena = sk_http_arena(req);
    const char *rest = sk_http_rest(req);
    size_t len = strcspn(rest, "/");
    bool is_load = strcmp(rest + len, "/load") == 0;

    if (!is_load && strcmp(rest + len, "/unload") != 0)
        return sk_fail(err, SK_NOT_FOUND, "unknown address %s", sk_http_path(req));
    if (!s->api_key)
        return sk_fail(err, SK_DENIED,
                       "loading and unloading over the network needs a key: start the server with "
                       "--api-key-file, or use --watch");
    struct chore *c = sk_arena_alloc(arena, sizeof *c);
    const char *name = sk_http_decoded(req, rest, len);
    if (!c || !name)
        return sk_nomem(err);
    *c = (struct chore){ .job = { .deadline_ns = UINT64_MAX, .run = run_chore, .drop = drop_chore },
                         .server = s,
                         .req = req,
                         .name = name,
                         .is_load = is_load };
    struct sk_job *job = &c->job;
    return sk_pool_push(s->chores, &job, 1, err);
}

void sk_api_repository_model(struct sk_http_req *req, void *ctx)
{
    struct sk_err err = SK_ERR_INIT;

    if (begin(ctx, req, &err) < 0) {
        sk_http_error(req, &err);
        sk_http_answer(req);
    }
}
