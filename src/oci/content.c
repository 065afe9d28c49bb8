/*
 * content.c - manifests, tags, repositories, referrers.
 *
 * Nothing that a registry answers is believed: a manifest that was asked for by digest has it or is
 * an error, one that was asked for by tag has the digest that the registry says it has, names are
 * checked before they are handed on, and answers are bounded.
 */
#include "oci/oci_priv.h"

#include "crypto/crypto.h"
#include "json/json.h"

#define ACCEPT                                                                                     \
    "Accept: " SK_OCI_INDEX ", " SK_OCI_MANIFEST ", " SK_OCI_DOCKER_LIST ","                       \
    " " SK_OCI_DOCKER_MANIFEST

enum {
    LINE_BYTES = 16 << 10
};

/* ---- manifests ---- */

struct collector {
    struct sk_buf *body;
    const char *what;
};

static int collect(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    struct collector *c = ctx;

    sk_buf_add(c->body, bytes, len);
    if (c->body->failed == SK_LIMIT)
        return sk_fail(err, SK_LIMIT, "%s is larger than %zu bytes", c->what, c->body->ceiling);
    return sk_buf_ok(c->body) ? 0 : sk_buf_fail(c->body, err);
}

static int manifest_url(const struct sk_oci_registry *r, const char *repository,
                        const char *reference, char **out, struct sk_err *err)
{
    char what[160];

    if (!sk_oci_is_tag(sk_view_of(reference)) && !sk_oci_is_digest(sk_view_of(reference)))
        return sk_fail(err, SK_INVALID, "'%.140s' is neither a tag nor a digest", reference);
    (void)snprintf(what, sizeof what, "manifests/%s", reference);
    return sk_oci_url(r, repository, what, out, err);
}

/* The digest of the bytes, of the kind that was asked for, else of the announced one's, else by
 * sha256. It must be that which was asked for, and that which was announced, whatever their kinds.
 */
static int find_digest(const char *reference, const struct sk_fetch_answer *a, const void *bytes,
                       size_t len, char digest[SK_OCI_DIGEST_TEXT], struct sk_err *err)
{
    char announced[LINE_BYTES];
    enum sk_hash_kind kind = SK_SHA256;
    bool is_announced = sk_fetch_header(a, "docker-content-digest", announced, sizeof announced) &&
                        sk_digest_parse(sk_view_of(announced), &kind);

    if (sk_digest_of(kind, bytes, len, digest, err) < 0)
        return -1;
    bool is_wrong = is_announced && strcmp(announced, digest) != 0;
    if (sk_digest_parse(sk_view_of(reference), &kind)) {
        if (sk_digest_of(kind, bytes, len, digest, err) < 0)
            return -1;
        if (strcmp(reference, digest) != 0)
            return sk_fail(err, SK_CORRUPT, "the registry sent a manifest with the digest %s",
                           digest);
    }
    if (is_wrong)
        return sk_fail(err, SK_CORRUPT,
                       "the registry announced the manifest %s and sent one with the digest %s",
                       announced, digest);
    return 0;
}

/* Without parameters; "": none that is one. */
static void read_type(const struct sk_fetch_answer *a, char media_type[128])
{
    char text[LINE_BYTES];
    struct sk_view v = { text, 0 };

    media_type[0] = '\0';
    if (!sk_fetch_header(a, "content-type", text, sizeof text))
        return;
    v = sk_view_trim((struct sk_view){ text, strcspn(text, ";") });
    if (sk_oci_is_media_type(v))
        (void)snprintf(media_type, 128, "%.*s", (int)v.len, v.ptr);
}

int sk_oci_get_manifest(struct sk_oci_registry *r, const char *repository, const char *reference,
                        char **bytes, size_t *len, char media_type[128],
                        char digest[SK_OCI_DIGEST_TEXT], struct sk_err *err)
{
    static const char *const headers[] = { ACCEPT, NULL };
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(SK_OCI_MANIFEST_MAX);
    SK_OWN(free) char *url = NULL;
    struct collector c = { &body, "the manifest" };
    char actual[SK_OCI_DIGEST_TEXT], scope[300];

    if (manifest_url(r, repository, reference, &url, err) < 0)
        return -1;
    const struct sk_oci_request q = { .url = url,
                                      .scope = sk_oci_scope(repository, "pull", scope),
                                      .headers = headers,
                                      .sink = collect,
                                      .ctx = &c };
    if (sk_oci_call(r, &q, &a, err) < 0)
        return sk_wrap(err, "%s:%s", repository, reference);
    if (find_digest(reference, &a, body.data ? body.data : "", body.len, actual, err) < 0)
        return sk_wrap(err, "%s/%s, %s", r->host, repository, reference);
    if (body.len == 0)
        return sk_fail(err, SK_CORRUPT, "%s/%s: the manifest is empty", r->host, repository);
    read_type(&a, media_type);
    memcpy(digest, actual, SK_OCI_DIGEST_TEXT);
    *len = body.len;
    *bytes = sk_buf_take(&body);
    return 0;
}

int sk_oci_put_manifest(struct sk_oci_registry *r, const char *repository, const char *reference,
                        const char *media_type, const char *bytes, size_t len, struct sk_err *err)
{
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    SK_OWN(free) char *url = NULL;
    char type[160], scope[300], actual[SK_OCI_DIGEST_TEXT];
    const char *headers[] = { type, NULL };

    if (!sk_oci_is_media_type(sk_view_of(media_type)))
        return sk_fail(err, SK_INVALID, "'%.100s' is no media type", media_type);
    if (len > SK_OCI_MANIFEST_MAX)
        return sk_fail(err, SK_LIMIT, "the manifest is larger than %d bytes", SK_OCI_MANIFEST_MAX);
    (void)snprintf(type, sizeof type, "Content-Type: %s", media_type);
    if (manifest_url(r, repository, reference, &url, err) < 0)
        return -1;
    const struct sk_oci_request q = { .method = "PUT",
                                      .url = url,
                                      .scope = sk_oci_scope(repository, "pull,push", scope),
                                      .headers = headers,
                                      .body = bytes,
                                      .body_len = len };
    if (sk_oci_call(r, &q, &a, err) < 0 || find_digest("", &a, bytes, len, actual, err) < 0)
        return sk_wrap(err, "%s:%s", repository, reference);
    return 0;
}

int sk_oci_delete_manifest(struct sk_oci_registry *r, const char *repository, const char *reference,
                           struct sk_err *err)
{
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    SK_OWN(free) char *url = NULL;
    char scope[300], pull[300];

    if (manifest_url(r, repository, reference, &url, err) < 0)
        return -1;
    const struct sk_oci_request q = { .method = "DELETE",
                                      .url = url,
                                      .scope = sk_oci_scope(repository, "delete", scope),
                                      .more_scope = sk_oci_scope(repository, "pull", pull) };
    if (sk_oci_call(r, &q, &a, err) == 0)
        return 0;
    if (a.status == 405 || a.status == 400)
        err->code = SK_UNSUPPORTED;
    return sk_wrap(err, "%s:%s", repository, reference);
}

/* ---- lists in pages ---- */

/* The address in a header `Link: <...>; rel="next"`; NULL: there is none. */
static char *next_link(const struct sk_fetch_answer *a, char *room, size_t size)
{
    char *start, *end;

    if (!sk_fetch_header(a, "link", room, size))
        return NULL;
    start = strchr(room, '<');
    end = start ? strchr(start, '>') : NULL;
    if (!end || !(strstr(end, "rel=\"next\"") || strstr(end, "rel=next")))
        return NULL;
    *end = '\0';
    return start + 1;
}

struct pages {
    struct sk_oci_registry *r;
    const char *scope;
    int (*page)(void *ctx, const struct sk_json *doc, struct sk_err *err);
    void *ctx;
};

/* One page; *url becomes the next one's, NULL at the end. */
static int read_page(const struct pages *p, char **url, struct sk_err *err)
{
    const struct sk_json_limits limits = { .max_values = SK_OCI_JSON_VALUES,
                                           .max_depth = SK_OCI_JSON_DEPTH };
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(SK_OCI_ANSWER_BYTES);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct collector c = { &body, "the answer" };
    const struct sk_oci_request q = { .url = *url, .scope = p->scope, .sink = collect, .ctx = &c };
    char *next = NULL;
    char room[LINE_BYTES];

    if (sk_oci_call(p->r, &q, &a, err) < 0)
        return -1;
    if (sk_json_parse(body.data ? body.data : "", body.len, &limits, &doc, err) < 0)
        return sk_wrap(err, "the registry's answer");
    if (p->page(p->ctx, doc, err) < 0)
        return -1;
    const char *link = next_link(&a, room, sizeof room);
    if (link && sk_oci_resolve(*url, link, &next, err) < 0)
        return -1;
    free(*url);
    *url = next;
    if (next && !sk_oci_same_origin(next, p->r->base))
        return sk_fail(err, SK_DENIED, "the next page of the list lies on another server");
    return 0;
}

/* Takes url. */
static int read_pages(const struct pages *p, char *url, struct sk_err *err)
{
    int rc = 0;

    for (unsigned count = 0; url && rc == 0; count++) {
        if (count == SK_OCI_PAGES_MAX)
            rc = sk_fail(err, SK_LIMIT, "the list has more than %d pages", SK_OCI_PAGES_MAX);
        else
            rc = read_page(p, &url, err);
    }
    free(url);
    return rc;
}

/* ---- tags, repositories ---- */

struct names {
    const char *key;
    bool (*is_name)(struct sk_view v);
    sk_oci_each *each;
    void *ctx;
};

static int each_name(void *ctx, const struct sk_json *doc, struct sk_err *err)
{
    const struct names *n = ctx;
    const struct sk_json *list = NULL;

    if (sk_json_want_array(doc, n->key, &list, err) < 0)
        return sk_wrap(err, "the registry's answer");
    for (size_t i = 0; list && i < sk_json_count(list); i++) {
        const char *name = sk_json_text(sk_json_at(list, i), "");
        if (!n->is_name(sk_view_of(name)))
            return sk_fail(err, SK_REMOTE, "the registry's answer: %s[%zu] is no name", n->key, i);
        if (n->each(n->ctx, name, err) < 0)
            return -1;
    }
    return 0;
}

int sk_oci_tags(struct sk_oci_registry *r, const char *repository, sk_oci_each *each, void *ctx,
                struct sk_err *err)
{
    struct names n = { "tags", sk_oci_is_tag, each, ctx };
    char scope[300];
    const struct pages p = { r, sk_oci_scope(repository, "pull", scope), each_name, &n };
    char *url = NULL;

    if (sk_oci_url(r, repository, "tags/list", &url, err) < 0)
        return -1;
    return read_pages(&p, url, err) < 0 ? sk_wrap(err, "tags of %s", repository) : 0;
}

int sk_oci_catalog(struct sk_oci_registry *r, sk_oci_each *each, void *ctx, struct sk_err *err)
{
    struct names n = { "repositories", sk_oci_is_repository, each, ctx };
    const struct pages p = { r, "registry:catalog:*", each_name, &n };
    SK_AUTO(sk_buf_done) struct sk_buf url = SK_BUF_INIT(1024);

    sk_buf_fmt(&url, "%s/v2/_catalog", r->base);
    if (!sk_buf_ok(&url))
        return sk_buf_fail(&url, err);
    return read_pages(&p, sk_buf_take(&url), err) < 0 ? sk_wrap(err, "repositories of %s", r->host)
                                                      : 0;
}

/* ---- referrers ---- */

struct referrers {
    struct sk_buf text;
    bool has_any;
};

static int add_referrers(void *ctx, const struct sk_json *doc, struct sk_err *err)
{
    struct referrers *f = ctx;
    const struct sk_json *list = NULL;

    if (sk_json_want_array(doc, "manifests", &list, err) < 0)
        return -1;
    for (size_t i = 0; list && i < sk_json_count(list); i++) {
        sk_buf_str(&f->text, f->has_any ? "," : "");
        sk_json_dump(sk_json_at(list, i), &f->text);
        f->has_any = true;
    }
    return sk_buf_ok(&f->text) ? 0 : sk_buf_fail(&f->text, err);
}

/* A registry without the API has them in an index at the tag sha256-HEX, or none. */
static int referrers_by_tag(struct sk_oci_registry *r, const char *repository, const char *digest,
                            struct referrers *f, struct sk_err *err)
{
    const struct sk_json_limits limits = { .max_values = SK_OCI_JSON_VALUES,
                                           .max_depth = SK_OCI_JSON_DEPTH };
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    SK_OWN(free) char *bytes = NULL;
    char tag[SK_OCI_DIGEST_TEXT], actual[SK_OCI_DIGEST_TEXT], type[128];
    struct sk_err why = SK_ERR_INIT;
    size_t len = 0;

    const char *colon = strchr(digest, ':');
    (void)snprintf(tag, sizeof tag, "%.*s-%.64s", (int)(colon - digest), digest, colon + 1);
    if (sk_oci_get_manifest(r, repository, tag, &bytes, &len, type, actual, &why) < 0) {
        if (why.code == SK_NOT_FOUND)
            return 0;
        *err = why;
        return -1;
    }
    if (sk_json_parse(bytes, len, &limits, &doc, err) < 0)
        return -1;
    return add_referrers(f, doc, err);
}

static void referrers_done(struct referrers *f)
{
    sk_buf_done(&f->text);
}

int sk_oci_referrers(struct sk_oci_registry *r, const char *repository, const char *digest,
                     char **out, size_t *len, struct sk_err *err)
{
    SK_AUTO(referrers_done) struct referrers f = { .text = SK_BUF_INIT(SK_OCI_ANSWER_BYTES) };
    char what[160], scope[300];
    const struct pages p = { r, sk_oci_scope(repository, "pull", scope), add_referrers, &f };
    struct sk_err why = SK_ERR_INIT;
    char *url = NULL;

    if (!sk_oci_is_digest(sk_view_of(digest)))
        return sk_fail(err, SK_INVALID, "'%.140s' is no digest", digest);
    (void)snprintf(what, sizeof what, "referrers/%s", digest);
    sk_buf_str(&f.text, "{\"schemaVersion\":2,\"mediaType\":\"" SK_OCI_INDEX "\",\"manifests\":[");
    if (sk_oci_url(r, repository, what, &url, err) < 0)
        return -1;
    if (read_pages(&p, url, &why) < 0) {
        if (why.code != SK_NOT_FOUND) {
            *err = why;
            return sk_wrap(err, "referrers of %s", digest);
        }
        if (referrers_by_tag(r, repository, digest, &f, err) < 0)
            return sk_wrap(err, "referrers of %s", digest);
    }
    sk_buf_str(&f.text, "]}");
    if (!sk_buf_ok(&f.text))
        return sk_buf_fail(&f.text, err);
    *len = f.text.len;
    *out = sk_buf_take(&f.text);
    return 0;
}

/* ---- blobs ---- */

int sk_oci_has_blob(struct sk_oci_registry *r, const char *repository, const char *digest,
                    bool *has, struct sk_err *err)
{
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    SK_OWN(free) char *url = NULL;
    struct sk_err why = SK_ERR_INIT;
    char what[160], scope[300];

    if (!sk_oci_is_digest(sk_view_of(digest)))
        return sk_fail(err, SK_INVALID, "'%.140s' is no digest", digest);
    (void)snprintf(what, sizeof what, "blobs/%s", digest);
    if (sk_oci_url(r, repository, what, &url, err) < 0)
        return -1;
    const struct sk_oci_request q = { .method = "HEAD",
                                      .url = url,
                                      .scope = sk_oci_scope(repository, "pull", scope) };
    if (sk_oci_call(r, &q, &a, &why) < 0 && a.status != 404) {
        *err = why;
        return sk_wrap(err, "blob %s", digest);
    }
    *has = a.status >= 200 && a.status < 300;
    return 0;
}
