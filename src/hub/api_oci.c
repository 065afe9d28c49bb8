/*
 * api_oci.c - /v2/: the OCI distribution API 1.1, as docker, skopeo, oras and our own client use
 * it.
 *
 * Five routes of hub_priv.h, one for each method; which function answers follows from what the path
 * names (oci_path.c), by the table below. Readers pull, publishers push and delete; a device pulls
 * from the repositories that its deployments name and learns of no others.
 *
 * Errors are {"errors":[{"code","message"}]}; the code begins the text of the error (images.h) or
 * is given here.
 */
#include "hub/api_oci_priv.h"

#include <stdio.h>
#include <string.h>

/* ---- what the functions share ---- */

/* The code before ": ", its length; 0: the text has none. */
static size_t code_of(const char *text)
{
    size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
    return len > 0 && strncmp(text + len, ": ", 2) == 0 ? len : 0;
}

void sk_oci_fail(struct sk_hub_call *call, const struct sk_err *err)
{
    char code[32];
    size_t len = code_of(err->text);

    if (len == 0 || len >= sizeof code) {
        sk_hub_fail(call, err);
        return;
    }
    memcpy(code, err->text, len);
    code[len] = '\0';
    /* the specification's status for what a registry does not want to delete */
    int status = err->code == SK_DENIED ? 405 : sk_code_http(err->code);
    sk_hub_fail_as(call, status, code, err->text + len + 2);
}

void sk_oci_set_digest(struct sk_hub_call *call, const char *digest)
{
    sk_http_set_header(call->req, "Docker-Content-Digest", digest);
}

void sk_oci_set_location(struct sk_hub_call *call, const char *repository, const char *part,
                         const char *what)
{
    char text[SK_REPOSITORY_TEXT + 200];
    (void)snprintf(text, sizeof text, "/v2/%s/%s/%s", repository, part, what);
    sk_http_set_header(call->req, "Location", text);
}

uint64_t sk_oci_fresh_ms(const struct sk_hub_call *call)
{
    uint64_t grace_ms = sk_hub_opts(call->hub)->gc_grace_ms;
    return (grace_ms ? grace_ms : 3600 * 1000) / 4;
}

/* ---- who answers ---- */

static void answer_base(struct sk_hub_call *call)
{
    sk_buf_str(sk_http_out(call->req), "{}");
    sk_hub_reply(call, 200);
}

static const struct row {
    const char *method;
    enum sk_oci_kind kind;
    enum sk_role role;
    void (*run)(struct sk_hub_call *call);
} ROWS[] = {
    { "GET", SK_OCI_BASE, SK_ROLE_NONE, answer_base },
    { "GET", SK_OCI_CATALOG, SK_ROLE_READER, sk_oci_catalog_get },
    { "GET", SK_OCI_MANIFESTS, SK_ROLE_NONE, sk_oci_manifest_get },
    { "GET", SK_OCI_BLOBS, SK_ROLE_NONE, sk_oci_blob_get },
    { "GET", SK_OCI_TAGS, SK_ROLE_NONE, sk_oci_tags_get },
    { "GET", SK_OCI_REFERRERS, SK_ROLE_NONE, sk_oci_referrers_get },
    { "GET", SK_OCI_UPLOAD, SK_ROLE_PUBLISHER, sk_oci_upload_status },
    { "POST", SK_OCI_UPLOADS, SK_ROLE_PUBLISHER, sk_oci_upload_post },
    { "PATCH", SK_OCI_UPLOAD, SK_ROLE_PUBLISHER, sk_oci_upload_patch },
    { "PUT", SK_OCI_UPLOAD, SK_ROLE_PUBLISHER, sk_oci_upload_put },
    { "PUT", SK_OCI_MANIFESTS, SK_ROLE_PUBLISHER, sk_oci_manifest_take },
    { "DELETE", SK_OCI_MANIFESTS, SK_ROLE_PUBLISHER, sk_oci_manifest_remove },
    { "DELETE", SK_OCI_BLOBS, SK_ROLE_PUBLISHER, sk_oci_blob_remove },
    { "DELETE", SK_OCI_UPLOAD, SK_ROLE_PUBLISHER, sk_oci_upload_cancel },
};

/* A row without a role is for readers and for devices that may pull the repository. */
static int check_right(struct sk_hub_call *call, const struct row *row,
                       const struct sk_oci_path *path, struct sk_err *err)
{
    if (row->kind == SK_OCI_BASE)
        return 0;
    if (row->role != SK_ROLE_NONE || !call->who.is_device)
        return sk_who_need(&call->who, row->role ? row->role : SK_ROLE_READER, err);
    if (sk_accounts_device_may_pull(sk_hub_accounts(call->hub), call->who.name, path->repository))
        return 0;
    return sk_fail(err, SK_DENIED, "no deployment of device '%s' names the repository '%.255s'",
                   call->who.name, path->repository);
}

static void answer(struct sk_hub_call *call)
{
    const char *method = call->route->method; /* GET also stands for HEAD */
    struct sk_oci_path *path = sk_arena_alloc(sk_http_arena(call->req), sizeof *path);
    const char *rest = sk_http_path(call->req) + strlen("/v2/");
    char *text = sk_arena_strndup(sk_http_arena(call->req), rest, strlen(rest));
    struct sk_err err = SK_ERR_INIT;

    sk_http_set_header(call->req, "Docker-Distribution-Api-Version", "registry/2.0");
    if (!path || !text) {
        (void)sk_nomem(&err);
        sk_hub_fail(call, &err);
        return;
    }
    call->state = path;
    if (!sk_oci_path_parse(text, path)) {
        sk_hub_fail_as(call, 404, "NAME_UNKNOWN", "no such address in the distribution API");
        return;
    }
    const struct row *row = ROWS, *end = ROWS + sizeof ROWS / sizeof *ROWS;
    while (row < end && (row->kind != path->kind || strcmp(row->method, method) != 0))
        row++;
    if (row == end)
        sk_hub_fail_as(call, 405, "UNSUPPORTED", "this address does not take this method");
    else if (*path->repository && !sk_repository_valid(path->repository))
        sk_hub_fail_as(call, 400, "NAME_INVALID",
                       "a repository is lower-case letters and digits, joined by '.', '_', '__' or "
                       "'-', in parts joined by '/', at most 255 bytes");
    else if (check_right(call, row, path, &err) < 0)
        sk_hub_fail(call, &err);
    else
        row->run(call);
}

const struct sk_hub_route sk_hub_routes_oci[] = {
    { "GET", "/v2/", SK_HUB_PREFIX | SK_HUB_DEVICE, SK_HUB_OCI, SK_ROLE_NONE, answer },
    { "POST", "/v2/", SK_HUB_PREFIX | SK_HUB_BODY, SK_HUB_OCI, SK_ROLE_PUBLISHER, answer },
    { "PATCH", "/v2/", SK_HUB_PREFIX | SK_HUB_BODY, SK_HUB_OCI, SK_ROLE_PUBLISHER, answer },
    { "PUT", "/v2/", SK_HUB_PREFIX | SK_HUB_BODY, SK_HUB_OCI, SK_ROLE_PUBLISHER, answer },
    { "DELETE", "/v2/", SK_HUB_PREFIX, SK_HUB_OCI, SK_ROLE_PUBLISHER, answer },
    { 0 },
};
