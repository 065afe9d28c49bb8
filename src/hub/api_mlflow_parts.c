/*
 * api_mlflow_parts.c - artifacts in parts: MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD of MLflow's client.
 *
 *     POST mlflow-artifacts/mpu/create/FOLDER     {path, num_parts} -> {upload_id, credentials:[
 *                                                 {url, part_number, headers}]}
 *     PUT  mlflow-artifacts/mpu/part/ID/NUMBER    bytes -> 200, ETag
 *     POST mlflow-artifacts/mpu/complete/FOLDER   {path, upload_id, parts:[{part_number, etag}]}
 *     POST mlflow-artifacts/mpu/abort/FOLDER      {path, upload_id}
 *
 * The client sends `path` as the local file's path; its last part is the name below FOLDER. It
 * sends parts to the URLs we name, with the headers we name and without its own credentials, as it
 * would to a cloud's storage; so a header carries a secret of this upload. It checks our
 * certificate with REQUESTS_CA_BUNDLE only, which is why server-info does not announce parts: a
 * client that trusts the hub by MLFLOW_TRACKING_SERVER_CERT_PATH could not send them.
 */
#include "hub/mlflow_runs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECRET_HEADER "X-Skerry-Upload"

#define BEGIN(call)                                                                                \
    SK_AUTO(sk_mlflow_args_done) struct sk_mlflow_args a = SK_MLFLOW_ARGS_INIT;                    \
    struct sk_store *store = sk_hub_store((call)->hub);                                            \
    struct sk_err err = SK_ERR_INIT

/* FOLDER of the address and the file's name in `path`. */
static int read_target(struct sk_hub_call *call, struct sk_mlflow_args *a, struct sk_buf *out,
                       struct sk_err *err)
{
    const char *folder = sk_http_decoded(call->req, call->rest, strlen(call->rest));
    const char *file = NULL;

    if (!folder)
        return sk_nomem(err);
    if (strstr(call->rest, "%2f") || strstr(call->rest, "%2F"))
        return sk_fail(err, SK_INVALID, "'%.200s': an encoded slash is part of no name",
                       call->rest);
    if (sk_mlflow_args(call, a, err) < 0 || sk_mlflow_need(a, "path", &file, err) < 0)
        return -1;
    if (strrchr(file, '/'))
        file = strrchr(file, '/') + 1;
    sk_buf_fmt(out, "%s/%s", folder, file);
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

/* ---- create ---- */

/* "https://hub:8443" as the client sees us, from its Host header; without TLS of our own a proxy
 * may have it. */
static int write_origin(struct sk_hub_call *call, struct sk_buf *out, struct sk_err *err)
{
    const char *host = sk_http_header(call->req, "Host");
    const char *outside = sk_http_header(call->req, "X-Forwarded-Proto");
    bool is_plain = sk_hub_opts(call->hub)->plain_http &&
                    !(outside && strcmp(outside, "https") == 0);

    if (!host || !*host ||
        strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                     "0123456789.-_:[]") != strlen(host))
        return sk_fail(err, SK_INVALID, "the Host header is missing or malformed");
    sk_buf_fmt(out, "%s://%s", is_plain ? "http" : "https", host);
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

static void write_credentials(const char *origin, const char *id, const char *secret, int64_t count,
                              struct sk_buf *json)
{
    sk_buf_fmt(json, "{\"upload_id\":\"%s\",\"credentials\":[", id);
    for (int64_t i = 1; i <= count; i++)
        sk_buf_fmt(json,
                   "%s{\"url\":\"%s/api/2.0/mlflow-artifacts/mpu/part/%s/%" PRId64
                   "\",\"part_number\":%" PRId64 ",\"headers\":{\"" SECRET_HEADER "\":\"%s\"}}",
                   i > 1 ? "," : "", origin, id, i, i, secret);
    sk_buf_str(json, "]}");
}

void sk_mlflow_parts_create(struct sk_hub_call *call)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(8192);
    SK_AUTO(sk_buf_done) struct sk_buf origin = SK_BUF_INIT(1024);
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(SK_MLFLOW_ANSWER_BYTES);
    char id[SK_PARTS_ID_TEXT], secret[SK_PARTS_SECRET_TEXT];
    int64_t count = 1;
    BEGIN(call);

    if (read_target(call, &a, &path, &err) < 0 ||
        sk_mlflow_int(&a, "num_parts", 1, SK_PARTS_MAX, &count, &err) < 0 ||
        write_origin(call, &origin, &err) < 0 ||
        sk_parts_begin(store, path.data, (unsigned)count, id, secret, &err) < 0) {
        sk_hub_fail(call, &err);
        return;
    }
    write_credentials(origin.data, id, secret, count, &json);
    sk_mlflow_reply(call, NULL, &json);
}

/* ---- a part ---- */

struct part {
    const char *id;
    unsigned number;
};

static int keep_part(struct sk_tx *tx, const char *digest, uint64_t size, void *ctx,
                     struct sk_err *err)
{
    const struct part *p = ctx;

    (void)size;
    return sk_parts_put(tx, p->id, p->number, digest, err);
}

static void kept(struct sk_hub_call *call, const char *digest)
{
    sk_http_set_header(call->req, "ETag", digest);
    sk_mlflow_reply_empty(call);
}

static int read_part(struct sk_hub_call *call, struct part *p, struct sk_err *err)
{
    size_t len = strcspn(call->rest, "/");
    const char *secret = sk_http_header(call->req, SECRET_HEADER);
    uint64_t number = 0;

    if (!secret)
        return sk_fail(err, SK_UNAUTHENTICATED, SECRET_HEADER " is missing");
    if (call->rest[len] != '/')
        return sk_fail(err, SK_INVALID, "expected mpu/part/ID/NUMBER");
    p->id = sk_http_decoded(call->req, call->rest, len);
    if (!p->id)
        return sk_nomem(err);
    if (sk_parse_u64("part", call->rest + len + 1, 1, SK_PARTS_MAX, &number, err) < 0)
        return -1;
    p->number = (unsigned)number;
    return sk_parts_check(sk_hub_store(call->hub), p->id, secret, p->number, err);
}

void sk_mlflow_part_put(struct sk_hub_call *call)
{
    struct sk_arena *arena = sk_http_arena(call->req);
    struct sk_mlflow_blob *blob = sk_arena_alloc(arena, sizeof(*blob));
    struct part *p = sk_arena_alloc(arena, sizeof(*p));
    struct sk_err err = SK_ERR_INIT;

    if (!blob || !p) {
        (void)sk_nomem(&err);
        sk_hub_fail(call, &err);
        return;
    }
    *blob = (struct sk_mlflow_blob){ .also = keep_part, .stored = kept, .ctx = p };
    if (read_part(call, p, &err) < 0)
        sk_hub_fail(call, &err);
    else
        sk_mlflow_take_blob(call, blob);
}

/* ---- complete, abort ---- */

/* The etags by part number; a number that is missing or there twice is an error. */
int sk_mlflow_read_parts(struct sk_mlflow_args *a, const char *const **out, size_t *count,
                         struct sk_err *err)
{
    const struct sk_json *list = NULL;

    if (sk_json_want_array(a->doc, "parts", &list, err) < 0)
        return -1;
    *count = sk_json_count(list);
    if (*count > SK_PARTS_MAX)
        return sk_fail(err, SK_LIMIT, "parts: at most %u", (unsigned)SK_PARTS_MAX);

    const char **etags = sk_arena_alloc(&a->arena, (*count + 1) * sizeof(*etags));
    if (!etags)
        return sk_nomem(err);
    memset(etags, 0, (*count + 1) * sizeof(*etags));
    for (size_t i = 0; i < *count; i++) {
        const struct sk_json *part = sk_json_at(list, i);
        const char *etag = NULL;
        int64_t number = 0;

        if (sk_json_type(part) != SK_JSON_OBJECT)
            return sk_fail(err, SK_INVALID, "parts[%zu]: expected an object", i);
        if (sk_json_want_int(part, "part_number", 1, (int64_t)*count, &number, err) < 0 ||
            sk_json_want_text(part, "etag", &etag, err) < 0)
            return sk_wrap(err, "parts[%zu]", i);
        if (number == 0 || etags[number - 1] || !sk_digest_is(etag, SK_SHA256))
            return sk_fail(err, SK_INVALID,
                           "parts[%zu]: expected a part_number from 1 to %zu, each once, and the "
                           "ETag that its upload was answered with",
                           i, *count);
        etags[number - 1] = etag;
    }
    *out = etags;
    return 0;
}

void sk_mlflow_parts_complete(struct sk_hub_call *call)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(8192);
    const char *const *etags = NULL;
    const char *id = NULL;
    size_t count = 0;
    BEGIN(call);

    if (read_target(call, &a, &path, &err) < 0 || sk_mlflow_need(&a, "upload_id", &id, &err) < 0 ||
        sk_mlflow_read_parts(&a, &etags, &count, &err) < 0 ||
        sk_parts_join(store, &call->who, id, path.data, etags, count, &err) < 0)
        sk_hub_fail(call, &err);
    else
        sk_mlflow_reply_empty(call);
}

void sk_mlflow_parts_abort(struct sk_hub_call *call)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(8192);
    const char *id = NULL;
    BEGIN(call);

    if (read_target(call, &a, &path, &err) < 0 || sk_mlflow_need(&a, "upload_id", &id, &err) < 0 ||
        sk_parts_abort(store, id, path.data, &err) < 0)
        sk_hub_fail(call, &err);
    else
        sk_mlflow_reply_empty(call);
}
