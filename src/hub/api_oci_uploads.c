/*
 * api_oci_uploads.c - blobs on their way in.
 *
 *     POST uploads/ [?mount=D&from=R]     202 Location, or 201 when it could be mounted;
 *                                         ?digest-algorithm= is asked about, PUT says it again
 *     POST uploads/?digest=D + body       201
 *     PATCH uploads/ID + body             202 Range     any number of times, Content-Range or none
 *     PUT uploads/ID?digest=D [+ body]    201
 *     GET uploads/ID                      204 Range     DELETE uploads/ID   204
 *
 * Docker, skopeo and podman send one PATCH without Content-Range and an empty PUT, oras one PUT.
 * Pieces go to disk as they come; of a connection that is cut the store keeps what came, and the
 * client asks where to go on. While an upload runs, the repository's blobs that wait for their
 * manifest are kept from gc with it.
 */
#include "hub/api_oci_priv.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One POST, PATCH or PUT; in the request's arena. */
struct arrival {
    struct sk_hub_call *call;
    const char *repository;
    struct sk_upload *upload;
    const char *digest; /* what it becomes when the body is whole; NULL: it goes on */
    uint64_t kept_ms;
};

static const char *scope_of(struct sk_hub_call *call, const char *repository)
{
    char text[SK_REPOSITORY_TEXT + 8];
    int len = snprintf(text, sizeof text, "repo/%s", repository);
    return sk_arena_strndup(sk_http_arena(call->req), text, (size_t)len);
}

/* The store speaks of uploads, the specification has codes. */
static void fail(struct sk_hub_call *call, const struct sk_err *err)
{
    if (err->code == SK_NOT_FOUND)
        sk_hub_fail_as(call, 404, "BLOB_UPLOAD_UNKNOWN", err->text);
    else
        sk_oci_fail(call, err);
}

static void set_progress(struct sk_hub_call *call, const char *repository, const char *id,
                         uint64_t size)
{
    char range[32];

    sk_oci_set_location(call, repository, "blobs/uploads", id);
    sk_http_set_header(call->req, "Docker-Upload-UUID", id);
    /* "0-0" also stands for nothing yet, as in Docker's registry */
    (void)snprintf(range, sizeof range, "0-%llu", (unsigned long long)(size ? size - 1 : 0));
    sk_http_set_header(call->req, "Range", range);
}

static void say_stored(struct sk_hub_call *call, const char *repository, const char *digest)
{
    sk_oci_set_location(call, repository, "blobs", digest);
    sk_oci_set_digest(call, digest);
    sk_hub_reply(call, 201);
}

/* False: it is no digest, and that was answered. NULL is one. */
static bool check_digest(struct sk_hub_call *call, const char *digest)
{
    if (!digest || sk_digest_valid(digest))
        return true;
    sk_hub_fail_as(call, 400, "DIGEST_INVALID",
                   "a digest is \"sha256:\" and 64 lower-case hex digits, or \"sha512:\" and 128");
    return false;
}

/* ---- the end of one: on a worker ---- */

static int belong(struct sk_tx *tx, const char *digest, uint64_t size, void *ctx,
                  struct sk_err *err)
{
    struct arrival *a = ctx;

    (void)size;
    return sk_repository_add_blob(tx, a->repository, digest, err) < 0 ||
                   sk_audit(tx, &a->call->who, "blob.upload", a->repository, digest, err) < 0
               ? -1
               : 0;
}

static void finish(struct sk_hub_call *call)
{
    struct arrival *a = call->state;
    char digest[SK_DIGEST_TEXT];
    struct sk_err err = SK_ERR_INIT;

    if (sk_upload_finish(&a->upload, a->digest, belong, a, digest, &err) == 0) {
        struct sk_err ignored = SK_ERR_INIT;
        (void)!sk_repository_keep(sk_hub_store(call->hub), a->repository, sk_oci_fresh_ms(call),
                                  &ignored); /* the blob is there; the next request tries again */
        say_stored(call, a->repository, digest);
        return;
    }
    sk_upload_suspend(a->upload);
    if (err.code == SK_INVALID)
        sk_hub_fail_as(call, 400, "DIGEST_INVALID", err.text);
    else
        fail(call, &err);
}

/* ---- pieces: on the event loop ---- */

static void keep_waiting_blobs(struct arrival *a)
{
    struct sk_err ignored = SK_ERR_INIT;
    uint64_t fresh_ms = sk_oci_fresh_ms(a->call), now_ms = sk_now_ms();

    if (now_ms - a->kept_ms < fresh_ms)
        return;
    a->kept_ms = now_ms;
    (void)!sk_repository_keep(sk_hub_store(a->call->hub), a->repository, fresh_ms, &ignored);
}

static int write_piece(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    struct arrival *a = ctx;

    keep_waiting_blobs(a);
    if (sk_hub_upload_write(a->call->hub, a->upload, bytes, len, err) == 0)
        return 0;
    return err->code == SK_TOO_LARGE ? sk_wrap(err, "SIZE_INVALID") : -1;
}

static void body_came(struct sk_http_req *req, const struct sk_err *failed, void *ctx)
{
    struct arrival *a = ctx;

    (void)req;
    if (!failed && a->digest) {
        sk_hub_later(a->call, finish);
        return;
    }
    if (!failed)
        set_progress(a->call, a->repository, sk_upload_id(a->upload), sk_upload_size(a->upload));
    sk_upload_suspend(SK_TAKE(a->upload));
    if (failed)
        fail(a->call, failed);
    else
        sk_hub_reply(a->call, 202);
}

static void take(struct sk_hub_call *call, const char *repository, const char *digest,
                 struct sk_upload **upload)
{
    struct arrival *a = sk_arena_alloc(sk_http_arena(call->req), sizeof *a);
    struct sk_err err = SK_ERR_INIT;

    if (!a) {
        (void)sk_nomem(&err);
        sk_hub_fail(call, &err);
        return;
    }
    *a = (struct arrival){ .call = call,
                           .repository = repository,
                           .upload = SK_TAKE(*upload),
                           .digest = digest,
                           .kept_ms = sk_now_ms() };
    call->state = a;
    sk_http_take_body(call->req, write_piece, body_came, a);
}

/* Whether the body belongs where the upload stands; if not, that was answered. */
static bool fits(struct sk_hub_call *call, const char *repository, const struct sk_upload *u)
{
    const char *text = sk_http_header(call->req, "Content-Range");
    uint64_t expected = sk_http_content_length(call->req), first, last;

    if (!text)
        return true;
    if (!sk_oci_content_range(text, &first, &last)) {
        sk_hub_fail_as(call, 400, "BLOB_UPLOAD_INVALID",
                       "Content-Range is FIRST-LAST, two positions of bytes, both within");
        return false;
    }
    if (first != sk_upload_size(u)) {
        set_progress(call, repository, sk_upload_id(u), sk_upload_size(u));
        sk_hub_fail_as(call, 416, "BLOB_UPLOAD_INVALID",
                       "the upload does not stand there: go on behind Range");
        return false;
    }
    if (expected == UINT64_MAX || expected == last - first + 1)
        return true;
    sk_hub_fail_as(call, 400, "SIZE_INVALID", "Content-Range and Content-Length do not agree");
    return false;
}

static void go_on(struct sk_hub_call *call, const char *digest)
{
    const struct sk_oci_path *path = call->state;
    const char *scope = scope_of(call, path->repository);
    SK_OWN(sk_upload_suspend) struct sk_upload *u = NULL;
    struct sk_err err = SK_ERR_INIT;

    if (!scope)
        (void)sk_nomem(&err);
    if (!scope || sk_upload_open(sk_hub_store(call->hub), path->what, scope, &u, &err) < 0)
        fail(call, &err);
    else if (fits(call, path->repository, u))
        take(call, path->repository, digest, &u);
}

void sk_oci_upload_patch(struct sk_hub_call *call)
{
    go_on(call, NULL);
}

void sk_oci_upload_put(struct sk_hub_call *call)
{
    const char *digest = sk_http_query(call->req, "digest");

    if (!digest)
        sk_hub_fail_as(call, 400, "DIGEST_INVALID", "'digest' is needed: what the whole blob has");
    else if (check_digest(call, digest))
        go_on(call, digest);
}

/* ---- POST ---- */

static void begin(struct sk_hub_call *call)
{
    const struct sk_oci_path *path = call->state;
    const char *scope = scope_of(call, path->repository);
    SK_OWN(sk_upload_suspend) struct sk_upload *u = NULL;
    struct sk_err err = SK_ERR_INIT;

    if (!scope)
        (void)sk_nomem(&err);
    if (!scope || sk_upload_begin(sk_hub_store(call->hub), scope, &u, &err) < 0) {
        fail(call, &err);
        return;
    }
    set_progress(call, path->repository, sk_upload_id(u), 0);
    sk_upload_suspend(SK_TAKE(u)); /* before the client can come back with its body */
    sk_hub_reply(call, 202);
}

static void mount_or_begin(struct sk_hub_call *call)
{
    const struct sk_oci_path *path = call->state;
    const char *digest = sk_http_query(call->req, "mount");
    const char *from = sk_http_query(call->req, "from");
    struct sk_err err = SK_ERR_INIT;

    if (!digest) {
        begin(call);
        return;
    }
    if (!check_digest(call, digest))
        return;
    if (sk_repository_mount(sk_hub_store(call->hub), &call->who, path->repository,
                            from && *from ? from : NULL, digest, &err) == 0)
        say_stored(call, path->repository, digest);
    else if (err.code == SK_NOT_FOUND)
        begin(call);
    else
        sk_oci_fail(call, &err);
}

static int refuse_piece(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    (void)ctx, (void)bytes, (void)len;
    return sk_fail(err, SK_INVALID,
                   "BLOB_UPLOAD_INVALID: a body belongs to POST ...?digest=, or "
                   "to PATCH and PUT at the Location that POST gives");
}

static void nothing_came(struct sk_http_req *req, const struct sk_err *failed, void *ctx)
{
    struct sk_hub_call *call = ctx;

    (void)req;
    if (failed)
        sk_oci_fail(call, failed);
    else
        sk_hub_later(call, mount_or_begin);
}

/* The whole blob with one request. */
static void take_whole(struct sk_hub_call *call, const char *digest)
{
    const struct sk_oci_path *path = call->state;
    const char *scope = scope_of(call, path->repository);
    SK_OWN(sk_upload_suspend) struct sk_upload *u = NULL;
    struct sk_err err = SK_ERR_INIT;

    if (!scope)
        (void)sk_nomem(&err);
    if (!scope || sk_upload_begin(sk_hub_store(call->hub), scope, &u, &err) < 0)
        fail(call, &err);
    else
        take(call, path->repository, digest, &u);
}

void sk_oci_upload_post(struct sk_hub_call *call)
{
    const char *digest = sk_http_query(call->req, "digest");
    const char *algorithm = sk_http_query(call->req, "digest-algorithm");
    enum sk_hash_kind kind;

    if (algorithm && !sk_hash_find(sk_view_of(algorithm), &kind))
        sk_hub_fail_as(call, 400, "UNSUPPORTED", "digests are of sha256 or sha512");
    else if (!digest)
        sk_http_take_body(call->req, refuse_piece, nothing_came, call);
    else if (check_digest(call, digest))
        take_whole(call, digest);
}

/* ---- status, cancel ---- */

void sk_oci_upload_status(struct sk_hub_call *call)
{
    const struct sk_oci_path *path = call->state;
    const char *scope = scope_of(call, path->repository);
    struct sk_err err = SK_ERR_INIT;
    uint64_t size = 0;

    if (!scope)
        (void)sk_nomem(&err);
    if (!scope || sk_upload_stat(sk_hub_store(call->hub), path->what, scope, &size, &err) < 0) {
        fail(call, &err);
        return;
    }
    set_progress(call, path->repository, path->what, size);
    sk_hub_reply(call, 204);
}

void sk_oci_upload_cancel(struct sk_hub_call *call)
{
    const struct sk_oci_path *path = call->state;
    const char *scope = scope_of(call, path->repository);
    struct sk_err err = SK_ERR_INIT;

    if (!scope)
        (void)sk_nomem(&err);
    if (!scope || sk_upload_abort(sk_hub_store(call->hub), path->what, scope, &err) < 0)
        fail(call, &err);
    else
        sk_hub_reply(call, 204);
}
