/*
 * api_oci_lists.c - tags, repositories and referrers: lists with n, last and Link.
 */
#include "hub/api_oci_priv.h"

#include "base/str.h"

struct list {
    struct sk_buf *out;
    char last[SK_REPOSITORY_TEXT]; /* a repository's name is longer than a tag */
};

static int add_name(void *ctx, const char *name, struct sk_err *err)
{
    struct list *list = ctx;

    (void)err;
    if (list->last[0])
        sk_buf_chr(list->out, ',');
    sk_buf_json_str(list->out, name);
    (void)snprintf(list->last, sizeof list->last, "%s", name);
    return 0;
}

/* ?n=, at most SK_OCI_PAGE_MAX. */
static int read_page(struct sk_hub_call *call, unsigned *max, struct sk_err *err)
{
    const char *text = sk_http_query(call->req, "n");
    uint64_t n = SK_OCI_PAGE_MAX;

    if (text && sk_parse_u64("n", text, 0, UINT64_MAX, &n, err) < 0) {
        err->code = SK_INVALID;
        return sk_wrap(err, "PAGINATION_NUMBER_INVALID");
    }
    *max = n < SK_OCI_PAGE_MAX ? (unsigned)n : SK_OCI_PAGE_MAX;
    return 0;
}

static void set_link(struct sk_hub_call *call, const char *query, const char *last)
{
    SK_AUTO(sk_buf_done) struct sk_buf link = SK_BUF_INIT(8 << 10);

    sk_buf_chr(&link, '<');
    sk_buf_str(&link, sk_http_path(call->req)); /* was checked: nothing in it needs encoding */
    sk_buf_fmt(&link, "?%slast=", query);
    sk_oci_add_value(&link, last);
    sk_buf_str(&link, ">; rel=\"next\"");
    if (sk_buf_ok(&link))
        sk_http_set_header(call->req, "Link", link.data);
}

static void end_list(struct sk_hub_call *call, struct list *list, unsigned max, bool more)
{
    char query[32];

    sk_buf_str(list->out, "]}");
    (void)snprintf(query, sizeof query, "n=%u&", max);
    if (more && max > 0)
        set_link(call, query, list->last);
    sk_hub_reply(call, 200);
}

void sk_oci_catalog_get(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    struct list list = { .out = sk_http_out(call->req) };
    unsigned max = 0;
    bool more = false;

    sk_buf_str(list.out, "{\"repositories\":[");
    if (read_page(call, &max, &err) < 0 ||
        sk_repositories_list(sk_hub_store(call->hub), sk_http_query(call->req, "last"), max,
                             add_name, &list, &more, &err) < 0)
        sk_oci_fail(call, &err);
    else
        end_list(call, &list, max, more);
}

void sk_oci_tags_get(struct sk_hub_call *call)
{
    const struct sk_oci_path *path = call->state;
    struct sk_err err = SK_ERR_INIT;
    struct list list = { .out = sk_http_out(call->req) };
    unsigned max = 0;
    bool more = false;

    sk_buf_fmt(list.out, "{\"name\":\"%s\",\"tags\":[", path->repository);
    if (read_page(call, &max, &err) < 0 ||
        sk_tags_list(sk_hub_store(call->hub), path->repository, sk_http_query(call->req, "last"),
                     max, add_name, &list, &more, &err) < 0)
        sk_oci_fail(call, &err);
    else
        end_list(call, &list, max, more);
}

void sk_oci_referrers_get(struct sk_hub_call *call)
{
    SK_AUTO(sk_buf_done) struct sk_buf query = SK_BUF_INIT(4 << 10);
    const struct sk_oci_path *path = call->state;
    const char *type = sk_http_query(call->req, "artifactType");
    struct sk_err err = SK_ERR_INIT;
    char next[SK_DIGEST_TEXT];

    if (type && *type == '\0')
        type = NULL;
    if (sk_referrers(sk_hub_store(call->hub), path->repository, path->what, type,
                     sk_http_query(call->req, "last"), sk_http_out(call->req), next, &err) < 0) {
        sk_oci_fail(call, &err);
        return;
    }
    if (type) {
        sk_http_set_header(call->req, "OCI-Filters-Applied", "artifactType");
        sk_buf_str(&query, "artifactType=");
        sk_oci_add_value(&query, type);
        sk_buf_chr(&query, '&');
    }
    if (next[0] && sk_buf_ok(&query))
        set_link(call, type ? query.data : "", next);
    sk_http_set_type(call->req, "application/vnd.oci.image.index.v1+json");
    sk_hub_reply(call, 200);
}
