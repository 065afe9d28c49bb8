/*
 * api_oci_content.c - manifests and blobs: get, put, delete.
 *
 * Both are files that go out as they are. A manifest comes in through memory, SK_MANIFEST_MAX at
 * most: one that says that it is larger is refused before it is read, and so is one too many at
 * once.
 */
#include "hub/api_oci_priv.h"

#include <stdlib.h>
#include <string.h>

/* The file of a blob that the caller may see. */
static void send_blob(struct sk_hub_call *call, const char *digest, const char *type)
{
    SK_AUTO(sk_close) int fd = -1;
    struct sk_err err = SK_ERR_INIT;
    uint64_t size = 0;

    if (sk_blob_open(sk_hub_store(call->hub), digest, &fd, &size, &err) < 0) {
        sk_oci_fail(call, &err);
        return;
    }
    sk_oci_set_digest(call, digest);
    sk_http_set_type(call->req, type);
    (void)sk_http_send_range(call->req, sk_take_fd(&fd), size, digest);
    sk_hub_reply(call, 0);
}

/* ---- manifests ---- */

void sk_oci_manifest_get(struct sk_hub_call *call)
{
    const struct sk_oci_path *path = call->state;
    struct sk_manifest_info info;
    struct sk_err err = SK_ERR_INIT;

    if (sk_manifest_find(sk_hub_store(call->hub), path->repository, path->what, &info, &err) < 0) {
        sk_oci_fail(call, &err);
        return;
    }
    const char *type = sk_arena_strndup(sk_http_arena(call->req), info.media_type,
                                        strlen(info.media_type));
    send_blob(call, info.digest, type ? type : "application/octet-stream");
}

void sk_oci_manifest_remove(struct sk_hub_call *call)
{
    const struct sk_oci_path *path = call->state;
    struct sk_err err = SK_ERR_INIT;

    if (sk_manifest_delete(sk_hub_store(call->hub), &call->who, path->repository, path->what,
                           &err) < 0)
        sk_oci_fail(call, &err);
    else
        sk_hub_reply(call, 202);
}

/* One PUT of a manifest. */
struct arrival {
    struct sk_hub_call *call;
    const struct sk_oci_path *path;
    struct sk_buf body;
};

/* Forgets what came; it no longer counts. */
static void drop(struct arrival *a)
{
    (void)atomic_fetch_sub(&a->call->hub->manifest_bytes, a->body.len);
    sk_buf_done(&a->body);
}

static int keep_piece(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    struct arrival *a = ctx;
    size_t before = a->body.len;

    sk_buf_add(&a->body, bytes, len);
    size_t added = a->body.len - before;
    if (atomic_fetch_add(&a->call->hub->manifest_bytes, added) + added > SK_OCI_MANIFEST_BYTES)
        return sk_fail(err, SK_BUSY, "too many manifests at once: try again later");
    if (a->body.failed == SK_LIMIT)
        return sk_fail(err, SK_TOO_LARGE, "SIZE_INVALID: a manifest has at most %d bytes",
                       SK_MANIFEST_MAX);
    return sk_buf_ok(&a->body) ? 0 : sk_buf_fail(&a->body, err);
}

/* The Content-Type without its parameters, in the request's arena; NULL: there is none. */
static const char *type_of(struct sk_hub_call *call)
{
    const char *type = sk_http_header(call->req, "Content-Type");
    return type ? sk_arena_strndup(sk_http_arena(call->req), type, strcspn(type, "; \t")) : NULL;
}

static void say_tags(struct sk_hub_call *call, const struct sk_manifest_put *put)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(8 << 10);

    for (size_t i = 0; i < put->tag_count; i++)
        sk_buf_fmt(&text, "%s%s", i ? ", " : "", put->tags[i]);
    if (put->tag_count > 0 && sk_buf_ok(&text))
        sk_http_set_header(call->req, "OCI-Tag", text.data);
}

/* ?tag=a&tag=b beside a digest; one too many is passed on, to be refused. */
static void read_tags(struct sk_hub_call *call, const char *tags[SK_MANIFEST_TAGS_MAX + 1],
                      struct sk_manifest_put *put)
{
    if (!strchr(put->reference, ':'))
        return;
    put->tags = tags;
    while (put->tag_count <= SK_MANIFEST_TAGS_MAX) {
        const char *tag = sk_http_query_at(call->req, "tag", put->tag_count);
        if (!tag)
            return;
        tags[put->tag_count++] = tag;
    }
}

static void put_manifest(struct sk_hub_call *call)
{
    struct arrival *a = call->state;
    const char *tags[SK_MANIFEST_TAGS_MAX + 1];
    struct sk_manifest_put put = { .repository = a->path->repository,
                                   .reference = a->path->what,
                                   .media_type = type_of(call),
                                   .bytes = a->body.data ? a->body.data : "",
                                   .len = a->body.len };
    struct sk_manifest_info info;
    struct sk_err err = SK_ERR_INIT;

    read_tags(call, tags, &put);
    int rc = sk_manifest_put(sk_hub_store(call->hub), &call->who, &put, &info, &err);
    drop(a);
    if (rc < 0) {
        sk_oci_fail(call, &err);
        return;
    }
    sk_oci_set_location(call, put.repository, "manifests", info.digest);
    sk_oci_set_digest(call, info.digest);
    if (info.subject[0])
        sk_http_set_header(call->req, "OCI-Subject", info.subject);
    say_tags(call, &put);
    sk_hub_reply(call, 201);
}

static void manifest_came(struct sk_http_req *req, const struct sk_err *failed, void *ctx)
{
    struct arrival *a = ctx;

    (void)req;
    if (!failed) {
        sk_hub_later(a->call, put_manifest);
        return;
    }
    drop(a);
    sk_oci_fail(a->call, failed);
}

void sk_oci_manifest_take(struct sk_hub_call *call)
{
    uint64_t expected = sk_http_content_length(call->req);
    struct arrival *a = sk_arena_alloc(sk_http_arena(call->req), sizeof *a);
    struct sk_err err = SK_ERR_INIT;

    if (!a) {
        (void)sk_nomem(&err);
        sk_hub_fail(call, &err);
        return;
    }
    if (expected != UINT64_MAX && expected > SK_MANIFEST_MAX) {
        (void)sk_fail(&err, SK_TOO_LARGE, "SIZE_INVALID: a manifest has at most %d bytes, not %llu",
                      SK_MANIFEST_MAX, (unsigned long long)expected);
        sk_oci_fail(call, &err);
        return;
    }
    *a = (struct arrival){ .call = call,
                           .path = call->state,
                           .body = SK_BUF_INIT(SK_MANIFEST_MAX) };
    call->state = a;
    sk_http_take_body(call->req, keep_piece, manifest_came, a);
}

/* ---- blobs ---- */

/* A publisher who asks is about to name the blob in a manifest. */
void sk_oci_blob_get(struct sk_hub_call *call)
{
    const struct sk_oci_path *path = call->state;
    struct sk_store *store = sk_hub_store(call->hub);
    struct sk_err err = SK_ERR_INIT;
    uint64_t size = 0;
    bool keeps = strcmp(sk_http_method(call->req), "HEAD") == 0 &&
                 sk_role_allows(call->who.role, SK_ROLE_PUBLISHER);

    if ((keeps ? sk_repository_keep_blob(store, path->repository, path->what, sk_oci_fresh_ms(call),
                                         &size, &err)
               : sk_repository_blob(store, path->repository, path->what, &size, &err)) < 0)
        sk_oci_fail(call, &err);
    else
        send_blob(call, path->what, "application/octet-stream");
}

void sk_oci_blob_remove(struct sk_hub_call *call)
{
    const struct sk_oci_path *path = call->state;
    struct sk_err err = SK_ERR_INIT;

    if (sk_repository_delete_blob(sk_hub_store(call->hub), &call->who, path->repository, path->what,
                                  &err) < 0) {
        sk_oci_fail(call, &err);
        return;
    }
    sk_oci_set_digest(call, path->what);
    sk_hub_reply(call, 202);
}
