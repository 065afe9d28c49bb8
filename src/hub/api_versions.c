/*
 * api_versions.c - /api/v1/models and /api/v1/resolve: versions with all that we keep of them.
 *
 *     GET  /api/v1/resolve?ref=NAME@champion          200 the version
 *     GET  /api/v1/models?filter=&max_results=&page_token=&order_by=    200 {"registered_models"}
 *     GET  /api/v1/models/NAME                        200 the model
 *     GET  /api/v1/models/NAME/versions               200 {"model_versions"}, newest first
 *     GET  /api/v1/models/NAME/versions/N             200 the version
 *     GET  /api/v1/models/NAME/versions/N/files       200 {"files":[{"path","digest","size"}]}
 *     POST /api/v1/models/NAME/versions               201 the version
 *          {"files":[{"path","digest"}], "description", "tags":{}, "properties":{}, "run_id",
 *           "idempotency_key"}
 *
 * The files of a version are blobs that were uploaded before; the version appears with all of them
 * or not at all.
 */
#include "hub/api_native_priv.h"
#include "models/models.h"

#include <stdlib.h>
#include <string.h>

enum {
    ANSWER_BYTES = 64 << 20,
    PARTS = 4,
    TAGS_MAX = 1000
};

/* The rest of the path, part by part, decoded. */
struct parts {
    const char *items[PARTS];
    size_t count;
};

/* False when there are too many, or one is empty. */
static bool split(struct sk_hub_call *call, struct parts *out)
{
    const char *p = call->rest;

    *out = (struct parts){ .count = 0 };
    for (;;) {
        size_t len = strcspn(p, "/");

        if (len == 0 || out->count == PARTS)
            return false;
        out->items[out->count] = sk_http_decoded(call->req, p, len);
        if (!out->items[out->count++])
            return false;
        if (!p[len])
            return true;
        p += len + 1;
    }
}

static void reply(struct sk_hub_call *call, int rc, const struct sk_buf *json,
                  const struct sk_err *err)
{
    if (rc < 0)
        sk_hub_fail(call, err);
    else
        sk_hub_reply_json(call, json);
}

static void no_such_path(struct sk_hub_call *call)
{
    sk_hub_fail_as(call, 404, "not_found",
                   "no such path: /api/v1/models/NAME, .../versions, .../versions/N, "
                   ".../versions/N/files");
}

void sk_hub_resolve(struct sk_hub_call *call)
{
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(ANSWER_BYTES);
    const char *ref = sk_http_query(call->req, "ref");
    struct sk_store *store = sk_hub_store(call->hub);
    struct sk_err err = SK_ERR_INIT;
    char name[SK_MODEL_NAME_MAX + 1];
    uint64_t version = 0;
    int rc = -1;

    if (!ref)
        (void)sk_fail(&err, SK_INVALID, "'ref' is needed: NAME, NAME:3, NAME@champion");
    else if (sk_version_resolve(store, ref, name, &version, &err) == 0)
        rc = sk_version_get(store, name, version, &json, &err);
    reply(call, rc, &json, &err);
}

static int read_search(struct sk_hub_call *call, struct sk_search *q, struct sk_view *order,
                       struct sk_err *err)
{
    const char *max = sk_http_query(call->req, "max_results");
    const char *by = sk_http_query(call->req, "order_by");
    uint64_t n = 100;

    if (max && sk_parse_u64("max_results", max, 1, 1000, &n, err) < 0)
        return -1;
    *order = sk_view_of(by);
    *q = (struct sk_search){
        .filter = sk_http_query(call->req, "filter"),
        .orders = order,
        .order_count = by ? 1 : 0,
        .max = (unsigned)n,
        .page_token = sk_http_query(call->req, "page_token"),
    };
    return 0;
}

void sk_hub_models_list(struct sk_hub_call *call)
{
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(ANSWER_BYTES);
    struct sk_err err = SK_ERR_INIT;
    struct sk_search q;
    struct sk_view order;
    int rc = read_search(call, &q, &order, &err);

    if (rc == 0)
        rc = sk_models_search(sk_hub_store(call->hub), &q, &json, &err);
    reply(call, rc, &json, &err);
}

/* The filter language has two kinds of quotes and no escape: a name with both cannot be asked for.
 */
static int list_versions(struct sk_hub_call *call, const char *name, struct sk_buf *json,
                         struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf filter = SK_BUF_INIT(4096);
    struct sk_search q;
    struct sk_view order;
    char quote = strchr(name, '\'') ? '"' : '\'';

    if (strchr(name, quote))
        return sk_fail(err, SK_INVALID, "a name with both kinds of quotes cannot be listed");
    if (sk_model_get(sk_hub_store(call->hub), name, json, err) < 0)
        return -1;
    sk_buf_clear(json);
    sk_buf_fmt(&filter, "name = %c%s%c", quote, name, quote);
    if (!sk_buf_ok(&filter))
        return sk_buf_fail(&filter, err);
    if (read_search(call, &q, &order, err) < 0)
        return -1;
    q.filter = filter.data;
    if (q.order_count == 0) {
        order = SK_VIEW("version_number DESC");
        q.order_count = 1;
    }
    return sk_versions_search(sk_hub_store(call->hub), &q, json, err);
}

void sk_hub_model_get(struct sk_hub_call *call)
{
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(ANSWER_BYTES);
    struct sk_store *store = sk_hub_store(call->hub);
    struct sk_err err = SK_ERR_INIT;
    struct parts p;
    uint64_t version = 0;
    int rc = -1;

    if (!split(call, &p) || (p.count > 1 && strcmp(p.items[1], "versions") != 0) ||
        (p.count == 4 && strcmp(p.items[3], "files") != 0)) {
        no_such_path(call);
        return;
    }
    if (p.count == 1)
        rc = sk_model_get(store, p.items[0], &json, &err);
    else if (p.count == 2)
        rc = list_versions(call, p.items[0], &json, &err);
    else if (sk_parse_u64("version", p.items[2], 1, INT64_MAX, &version, &err) == 0)
        rc = p.count == 3 ? sk_version_get(store, p.items[0], version, &json, &err)
                          : sk_version_files(store, p.items[0], version, &json, &err);
    reply(call, rc, &json, &err);
}

/* ---- a new version ---- */

/* What a body names, in arrays that live as long as the body's document. */
struct lists {
    struct sk_model_file *files;
    struct sk_pair *tags;
};

static void lists_done(struct lists *l)
{
    free(l->files);
    free(l->tags);
}

static int read_files(const struct sk_json *array, struct lists *l, struct sk_version_new *v,
                      struct sk_err *err)
{
    size_t count = sk_json_count(array);

    if (count == 0 || count > SK_MODEL_FILES_MAX)
        return sk_fail(err, SK_INVALID, "'files': %zu entries, a version has 1 to %d", count,
                       SK_MODEL_FILES_MAX);
    l->files = calloc(count, sizeof(*l->files));
    if (!l->files)
        return sk_nomem(err);
    for (size_t i = 0; i < count; i++) {
        const struct sk_json *item = sk_json_at(array, i);

        if (sk_json_want_text(item, "path", &l->files[i].path, err) < 0 ||
            sk_json_want_text(item, "digest", &l->files[i].digest, err) < 0)
            return sk_wrap(err, "files[%zu]", i);
        if (!l->files[i].path || !l->files[i].digest)
            return sk_fail(err, SK_INVALID, "files[%zu]: 'path' and 'digest' are needed", i);
    }
    v->files = l->files;
    v->file_count = count;
    return 0;
}

static int read_tags(const struct sk_json *object, struct lists *l, struct sk_version_new *v,
                     struct sk_err *err)
{
    size_t count = sk_json_count(object), n = 0;

    if (count > TAGS_MAX)
        return sk_fail(err, SK_LIMIT, "'tags': %zu, at most %d", count, TAGS_MAX);
    l->tags = calloc(count + 1, sizeof(*l->tags));
    if (!l->tags)
        return sk_nomem(err);
    for (void *it = sk_json_first(object); it; it = sk_json_next(object, it), n++) {
        l->tags[n] = (struct sk_pair){ sk_json_key(it), sk_json_text(sk_json_value(it), NULL) };
        if (!l->tags[n].value)
            return sk_fail(err, SK_INVALID, "tags: '%s' must be a text", l->tags[n].key);
    }
    v->tags = l->tags;
    v->tag_count = n;
    return 0;
}

static int read_version(const struct sk_json *body, struct lists *l, struct sk_buf *properties,
                        struct sk_version_new *v, struct sk_err *err)
{
    const struct sk_json *files = NULL, *tags = NULL, *props = NULL;

    if (sk_json_want_array(body, "files", &files, err) < 0 ||
        sk_json_want_object(body, "tags", &tags, err) < 0 ||
        sk_json_want_object(body, "properties", &props, err) < 0 ||
        sk_json_want_text(body, "description", &v->description, err) < 0 ||
        sk_json_want_text(body, "run_id", &v->run_id, err) < 0 ||
        sk_json_want_text(body, "idempotency_key", &v->idempotency_key, err) < 0 ||
        read_files(files, l, v, err) < 0 || (tags && read_tags(tags, l, v, err) < 0))
        return -1;
    if (props) {
        sk_json_dump(props, properties);
        if (!sk_buf_ok(properties))
            return sk_buf_fail(properties, err);
        v->properties = properties->data;
    }
    return 0;
}

void sk_hub_model_post(struct sk_hub_call *call)
{
    SK_OWN(sk_json_free) struct sk_json *body = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(ANSWER_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf properties = SK_BUF_INIT(1 << 20);
    SK_AUTO(lists_done) struct lists lists = { 0 };
    struct sk_version_new v = { .make_model = true };
    struct sk_err err = SK_ERR_INIT;
    struct parts p;
    uint64_t version = 0;

    if (!split(call, &p) || p.count != 2 || strcmp(p.items[1], "versions") != 0) {
        no_such_path(call);
        return;
    }
    v.name = p.items[0];
    if (sk_hub_body_json(call, &body, &err) < 0 ||
        read_version(body, &lists, &properties, &v, &err) < 0 ||
        sk_version_create(sk_hub_store(call->hub), &call->who, &v, &version, &json, &err) < 0) {
        sk_hub_fail(call, &err);
        return;
    }
    sk_buf_add(sk_http_out(call->req), json.data, json.len);
    sk_hub_reply(call, 201);
}
