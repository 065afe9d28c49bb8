/*
 * api_blobs.c - /api/v1/uploads and /api/v1/blobs: files by digest, in both directions.
 *
 *     POST   /api/v1/uploads                 202 {"id"}
 *     GET    /api/v1/uploads/ID              200 {"size"}
 *     PATCH  /api/v1/uploads/ID              202 {"size"}; Upload-Offset: where the body belongs
 *     PUT    /api/v1/uploads/ID?digest=...   201 {"digest","size"}; may carry the last piece
 *     DELETE /api/v1/uploads/ID              200
 *     GET    /api/v1/blobs/DIGEST            200, 206, 304; HEAD too
 *
 * A piece goes to disk as it comes. A connection that is cut leaves what came; the client asks for
 * the size and goes on there.
 *
 * A version names all of its files when the last is there, which may be hours after the first: what
 * came lately is kept from gc while more comes, and what a publisher asks for by HEAD as well.
 */
#include "hub/api_native_priv.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

static const char SCOPE[] = "api";

enum {
    KEEP_MS = 1000 /* between two writes for an upload, however short gc's grace is */
};

/* One PATCH or PUT; lives in the request's arena. */
struct piece {
    struct sk_hub_call *call;
    struct sk_upload *upload;
    const char *digest; /* of PUT; NULL: PATCH */
    uint64_t kept_ms;   /* when what came before was kept from gc last */
};

static void reply_size(struct sk_hub_call *call, int status, uint64_t size)
{
    sk_buf_fmt(sk_http_out(call->req), "{\"size\": %llu}\n", (unsigned long long)size);
    sk_hub_reply(call, status);
}

void sk_hub_upload_begin(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_upload_suspend) struct sk_upload *u = NULL;

    if (sk_upload_begin(sk_hub_store(call->hub), SCOPE, &u, &err) < 0) {
        sk_hub_fail(call, &err);
        return;
    }
    sk_buf_fmt(sk_http_out(call->req), "{\"id\": \"%s\"}\n", sk_upload_id(u));
    sk_upload_suspend(SK_TAKE(u)); /* before the client can come back with its body */
    sk_hub_reply(call, 202);
}

void sk_hub_upload_status(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    uint64_t size = 0;

    if (sk_upload_stat(sk_hub_store(call->hub), call->rest, SCOPE, &size, &err) < 0)
        sk_hub_fail(call, &err);
    else
        reply_size(call, 200, size);
}

void sk_hub_upload_abort(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;

    if (sk_upload_abort(sk_hub_store(call->hub), call->rest, SCOPE, &err) < 0) {
        sk_hub_fail(call, &err);
        return;
    }
    sk_buf_str(sk_http_out(call->req), "{}\n");
    sk_hub_reply(call, 200);
}

int sk_hub_upload_write(const struct sk_hub *h, struct sk_upload *u, const void *bytes, size_t len,
                        struct sk_err *err)
{
    uint64_t most = sk_hub_opts(h)->max_blob_bytes;

    if (most > 0 && sk_upload_size(u) + len > most)
        return sk_fail(err, SK_TOO_LARGE, "more than %llu bytes (hub run --max-blob-size)",
                       (unsigned long long)most);
    return sk_upload_write(u, bytes, len, err);
}

void sk_hub_upload_discard(const struct sk_hub *h, struct sk_upload **u, const char *scope)
{
    struct sk_err ignored = SK_ERR_INIT;
    char id[SK_UPLOAD_ID_TEXT];

    if (!*u)
        return;
    (void)snprintf(id, sizeof(id), "%s", sk_upload_id(*u));
    sk_upload_suspend(SK_TAKE(*u));
    (void)!sk_upload_abort(sk_hub_store(h), id, scope, &ignored);
}

/* ---- pieces ---- */

static int keep_others(struct sk_tx *tx, const char *digest, uint64_t size, void *ctx,
                       struct sk_err *err)
{
    const struct piece *p = ctx;

    (void)digest, (void)size;
    return sk_blob_keep_recent(tx, sk_hub_opts(p->call->hub)->gc_grace_ms, err);
}

/* In the midst of a long one. */
static void keep_now_and_then(struct piece *p)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct sk_err ignored = SK_ERR_INIT;
    uint64_t now_ms = sk_now_ms(), each_ms = sk_hub_opts(p->call->hub)->gc_grace_ms / 4;

    if (now_ms - p->kept_ms < (each_ms > KEEP_MS ? each_ms : KEEP_MS))
        return;
    p->kept_ms = now_ms;
    if (sk_db_begin(sk_store_db(sk_hub_store(p->call->hub)), SK_DB_WRITE, &tx, &ignored) == 0 &&
        keep_others(tx, NULL, 0, p, &ignored) == 0)
        (void)!sk_tx_commit(&tx, &ignored); /* the next time comes */
}

static int write_piece(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    struct piece *p = ctx;

    keep_now_and_then(p);
    return sk_hub_upload_write(p->call->hub, p->upload, bytes, len, err);
}

/* On a worker: syncing and the commit take time. */
static void finish(struct sk_hub_call *call)
{
    struct piece *p = call->state;
    struct sk_err err = SK_ERR_INIT;
    char digest[SK_DIGEST_TEXT];
    uint64_t size = sk_upload_size(p->upload);
    int rc = sk_upload_finish(&p->upload, p->digest, keep_others, p, digest, &err);

    sk_upload_suspend(p->upload);
    if (rc < 0) {
        sk_hub_fail(call, &err);
        return;
    }
    sk_buf_fmt(sk_http_out(call->req), "{\"digest\": \"%s\", \"size\": %llu}\n", digest,
               (unsigned long long)size);
    sk_hub_reply(call, 201);
}

static void piece_came(struct sk_http_req *req, const struct sk_err *failed, void *ctx)
{
    struct piece *p = ctx;
    uint64_t size = sk_upload_size(p->upload);

    (void)req;
    if (!failed && p->digest) {
        sk_hub_later(p->call, finish);
        return;
    }
    sk_upload_suspend(p->upload);
    if (failed)
        sk_hub_fail(p->call, failed);
    else
        reply_size(p->call, 202, size);
}

/* Where the client thinks that its body belongs must be where we are. */
static bool fits(struct sk_hub_call *call, const struct sk_upload *u)
{
    const char *text = sk_http_header(call->req, "Upload-Offset");
    struct sk_err err = SK_ERR_INIT;
    uint64_t at = 0;
    char right[24];

    if (!text)
        return true;
    if (sk_parse_u64("Upload-Offset", text, 0, UINT64_MAX, &at, &err) < 0) {
        sk_hub_fail(call, &err);
        return false;
    }
    if (at == sk_upload_size(u))
        return true;
    (void)snprintf(right, sizeof(right), "%llu", (unsigned long long)sk_upload_size(u));
    sk_http_set_header(call->req, "Upload-Offset", right);
    sk_hub_fail_as(call, 416, "offset", "the upload does not stand there: go on at Upload-Offset");
    return false;
}

static void take(struct sk_hub_call *call, const char *digest)
{
    SK_OWN(sk_upload_suspend) struct sk_upload *u = NULL;
    struct sk_err err = SK_ERR_INIT;
    struct piece *p = sk_arena_alloc(sk_http_arena(call->req), sizeof(*p));

    if (!p)
        (void)sk_nomem(&err);
    if (!p || sk_upload_open(sk_hub_store(call->hub), call->rest, SCOPE, &u, &err) < 0) {
        sk_hub_fail(call, &err);
        return;
    }
    if (!fits(call, u))
        return;
    *p = (struct piece){
        .call = call, .upload = SK_TAKE(u), .digest = digest, .kept_ms = sk_now_ms()
    };
    call->state = p;
    sk_http_take_body(call->req, write_piece, piece_came, p);
}

void sk_hub_upload_piece(struct sk_hub_call *call)
{
    take(call, NULL);
}

void sk_hub_upload_finish(struct sk_hub_call *call)
{
    const char *digest = sk_http_query(call->req, "digest");

    if (!sk_digest_is(digest, SK_SHA256))
        sk_hub_fail_as(call, 400, "invalid_argument",
                       "'digest' is needed: sha256: and 64 lower-case hex digits");
    else
        take(call, digest);
}

/* ---- blobs ---- */

void sk_hub_blob_get(struct sk_hub_call *call)
{
    SK_AUTO(sk_close) int fd = -1;
    struct sk_store *store = sk_hub_store(call->hub);
    struct sk_err err = SK_ERR_INIT;
    uint64_t size = 0;
    bool keeps = strcmp(sk_http_method(call->req), "HEAD") == 0 &&
                 sk_role_allows(call->who.role, SK_ROLE_PUBLISHER);

    if (!sk_digest_is(call->rest, SK_SHA256)) {
        sk_hub_fail_as(call, 400, "invalid_argument",
                       "a blob's name is sha256: and 64 lower-case hex digits");
        return;
    }
    if ((keeps &&
         sk_blob_keep(store, call->rest, sk_hub_opts(call->hub)->gc_grace_ms / 4, &err) < 0) ||
        sk_blob_open(store, call->rest, &fd, &size, &err) < 0) {
        sk_hub_fail(call, &err);
        return;
    }
    sk_http_set_type(call->req, "application/octet-stream");
    (void)sk_http_send_range(call->req, sk_take_fd(&fd), size, call->rest);
    sk_hub_reply(call, 0);
}
