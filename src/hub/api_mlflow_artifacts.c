/*
 * api_mlflow_artifacts.c - artifacts through the hub.
 *
 *     PUT    mlflow-artifacts/artifacts/PATH          bytes
 *     GET    mlflow-artifacts/artifacts/PATH          bytes, ranges too
 *     DELETE mlflow-artifacts/artifacts/PATH          a file or a folder
 *     GET    mlflow-artifacts/artifacts?path=FOLDER   {files:[{path,is_dir,file_size}]}, relative
 * to it GET    mlflow/artifacts/list?run_id&path        the same relative to the run's root
 *
 * A path comes percent-encoded part by part; one that has an encoded slash, "..", an empty part or
 * a leading slash is none (store.h). Clients write in the folders of runs and logged models only
 * (runs.h); everything may be read. Bodies go to disk as they come and out of files, never through
 * memory.
 */
#include "hub/mlflow_runs.h"

#include <inttypes.h>
#include <string.h>

static const char SCOPE[] = "artifacts";

/* What an artifact's PUT is about; in the request's arena. */
struct place {
    const struct sk_who *who;
    const char *path;
};

static int read_path(struct sk_hub_call *call, const char **out, struct sk_err *err)
{
    size_t len = strlen(call->rest);
    const char *path = NULL;

    if (strstr(call->rest, "%2f") || strstr(call->rest, "%2F"))
        return sk_fail(err, SK_INVALID, "'%.200s': an encoded slash is part of no name",
                       call->rest);
    if (strcmp(call->route->method, "DELETE") == 0 && len > 0 && call->rest[len - 1] == '/')
        len--; /* the client's way to name a whole root */
    path = sk_http_decoded(call->req, call->rest, len);
    if (!path)
        return sk_nomem(err);
    if (sk_artifact_path_check(path, err) < 0)
        return -1;
    *out = path;
    return 0;
}

/* ---- in ---- */

/* A body on its way to become a blob; in the request's arena. */
struct arrival {
    struct sk_hub_call *call;
    struct sk_upload *upload;
    const struct sk_mlflow_blob *blob;
};

/* Nobody goes on with what is not whole. */
static void give_up(struct arrival *a, const struct sk_err *why)
{
    sk_hub_upload_discard(a->call->hub, &a->upload, SCOPE);
    sk_hub_fail(a->call, why);
}

/* On a worker. */
static void finish(struct sk_hub_call *call)
{
    struct arrival *a = call->state;
    struct sk_err err = SK_ERR_INIT;
    char digest[SK_DIGEST_TEXT];

    if (sk_upload_finish(&a->upload, NULL, a->blob->also, a->blob->ctx, digest, &err) < 0)
        give_up(a, &err);
    else
        a->blob->stored(call, digest);
}

static int write_piece(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    struct arrival *a = ctx;

    return sk_hub_upload_write(a->call->hub, a->upload, bytes, len, err);
}

static void body_came(struct sk_http_req *req, const struct sk_err *failed, void *ctx)
{
    struct arrival *a = ctx;

    (void)req;
    if (failed)
        give_up(a, failed);
    else
        sk_hub_later(a->call, finish);
}

void sk_mlflow_take_blob(struct sk_hub_call *call, const struct sk_mlflow_blob *blob)
{
    struct arrival *a = sk_arena_alloc(sk_http_arena(call->req), sizeof(*a));
    struct sk_err err = SK_ERR_INIT;

    if (!a)
        (void)sk_nomem(&err);
    else
        *a = (struct arrival){ .call = call, .blob = blob };
    if (!a || sk_upload_begin(sk_hub_store(call->hub), SCOPE, &a->upload, &err) < 0) {
        sk_hub_fail(call, &err);
        return;
    }
    call->state = a;
    sk_http_take_body(call->req, write_piece, body_came, a);
}

static int name_it(struct sk_tx *tx, const char *digest, uint64_t size, void *ctx,
                   struct sk_err *err)
{
    const struct place *p = ctx;

    return sk_run_artifact_put(tx, p->who, p->path, digest, size, err);
}

static void named(struct sk_hub_call *call, const char *digest)
{
    (void)digest;
    sk_mlflow_reply_empty(call);
}

void sk_mlflow_artifact_put(struct sk_hub_call *call)
{
    struct sk_arena *arena = sk_http_arena(call->req);
    struct sk_mlflow_blob *blob = sk_arena_alloc(arena, sizeof(*blob));
    struct place *p = sk_arena_alloc(arena, sizeof(*p));
    struct sk_err err = SK_ERR_INIT;

    if (!blob || !p) {
        (void)sk_nomem(&err);
        sk_hub_fail(call, &err);
        return;
    }
    *p = (struct place){ .who = &call->who };
    *blob = (struct sk_mlflow_blob){ .also = name_it, .stored = named, .ctx = p };
    if (read_path(call, &p->path, &err) < 0 ||
        sk_run_artifact_may_write(sk_hub_store(call->hub), p->path, false, &err) < 0)
        sk_hub_fail(call, &err);
    else
        sk_mlflow_take_blob(call, blob);
}

void sk_mlflow_artifact_delete(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    const char *path = NULL;

    if (read_path(call, &path, &err) < 0 ||
        sk_run_artifact_remove(sk_hub_store(call->hub), &call->who, path, &err) < 0)
        sk_hub_fail(call, &err);
    else
        sk_mlflow_reply_empty(call);
}

/* ---- out ---- */

static int open_artifact(struct sk_store *store, const char *path, char digest[SK_DIGEST_TEXT],
                         int *fd, uint64_t *size, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;

    if (sk_db_begin(sk_store_db(store), SK_DB_READ, &tx, err) < 0 ||
        sk_artifact_get(tx, path, digest, size, err) < 0)
        return -1;
    return sk_blob_open(store, digest, fd, size, err);
}

void sk_mlflow_artifact_get(struct sk_hub_call *call)
{
    SK_AUTO(sk_close) int fd = -1;
    struct sk_err err = SK_ERR_INIT;
    char digest[SK_DIGEST_TEXT];
    const char *path = NULL;
    uint64_t size = 0;

    if (read_path(call, &path, &err) < 0 ||
        open_artifact(sk_hub_store(call->hub), path, digest, &fd, &size, &err) < 0) {
        sk_hub_fail(call, &err);
        return;
    }
    /* A browser must neither run nor guess what somebody uploaded. */
    sk_http_set_type(call->req, "application/octet-stream");
    sk_http_set_header(call->req, "X-Content-Type-Options", "nosniff");
    sk_http_set_header(call->req, "Content-Disposition", "attachment");
    (void)sk_http_send_range(call->req, sk_take_fd(&fd), size, digest);
    sk_hub_reply(call, 0);
}

struct listing {
    struct sk_buf *out;
    const char *prefix; /* in front of each name; "" for none */
    bool any;
};

static int list_one(void *ctx, const char *name, bool is_dir, uint64_t size, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(8192);
    struct listing *l = ctx;

    sk_buf_fmt(&path, "%s%s%s", l->prefix, *l->prefix ? "/" : "", name);
    if (!sk_buf_ok(&path))
        return sk_buf_fail(&path, err);
    sk_buf_str(l->out, l->any ? ",{\"path\":" : "{\"path\":");
    sk_buf_json(l->out, path.data, path.len);
    sk_buf_fmt(l->out, ",\"is_dir\":%s", is_dir ? "true" : "false");
    if (!is_dir)
        sk_buf_fmt(l->out, ",\"file_size\":%" PRIu64, size);
    sk_buf_chr(l->out, '}');
    l->any = true;
    return sk_buf_ok(l->out) ? 0 : sk_buf_fail(l->out, err);
}

static int list(struct sk_store *store, const char *folder, const char *prefix, struct sk_buf *out,
                struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct listing l = { .out = out, .prefix = prefix };

    if ((*folder && sk_artifact_path_check(folder, err) < 0) ||
        sk_db_begin(sk_store_db(store), SK_DB_READ, &tx, err) < 0)
        return -1;
    sk_buf_str(out, "\"files\":[");
    if (sk_artifact_list(tx, folder, list_one, &l, err) < 0)
        return -1;
    sk_buf_chr(out, ']');
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

void sk_mlflow_artifacts_list(struct sk_hub_call *call)
{
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(SK_MLFLOW_ANSWER_BYTES);
    const char *folder = sk_http_query(call->req, "path");
    struct sk_err err = SK_ERR_INIT;

    sk_buf_chr(&json, '{');
    int rc = list(sk_hub_store(call->hub), folder ? folder : "", "", &json, &err);
    sk_buf_chr(&json, '}');
    if (rc < 0)
        sk_hub_fail(call, &err);
    else
        sk_mlflow_reply(call, NULL, &json);
}

static int list_of(struct sk_store *store, const char *id, const char *inside, struct sk_buf *json,
                   struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf folder = SK_BUF_INIT(8192);

    if ((*inside && sk_artifact_path_check(inside, err) < 0) ||
        sk_run_artifact_root(store, id, &folder, err) < 0)
        return -1;
    sk_buf_fmt(json, "{\"root_uri\":\"mlflow-artifacts:/%s\",", folder.data);
    sk_buf_fmt(&folder, "%s%s", *inside ? "/" : "", inside);
    if (!sk_buf_ok(&folder))
        return sk_buf_fail(&folder, err);
    if (list(store, folder.data, inside, json, err) < 0)
        return -1;
    sk_buf_chr(json, '}');
    return 0;
}

void sk_mlflow_list_of(struct sk_hub_call *call, const char *id, const char *argument)
{
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(SK_MLFLOW_ANSWER_BYTES);
    const char *inside = sk_http_query(call->req, argument);
    struct sk_err err = SK_ERR_INIT;

    if (list_of(sk_hub_store(call->hub), id, inside ? inside : "", &json, &err) < 0)
        sk_hub_fail(call, &err);
    else
        sk_mlflow_reply(call, NULL, &json);
}

void sk_mlflow_artifacts_of_run(struct sk_hub_call *call)
{
    const char *id = sk_http_query(call->req, "run_id");
    const char *old = sk_http_query(call->req, "run_uuid");

    if (!id || !*id)
        id = old;
    if (!id || !*id)
        sk_hub_fail_as(call, 400, "INVALID_PARAMETER_VALUE",
                       "Missing value for required parameter 'run_id'.");
    else
        sk_mlflow_list_of(call, id, "path");
}
