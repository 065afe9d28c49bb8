/*
 * register.c - a bundle goes up and becomes a version.
 *
 * The idempotency key is made of what is sent, and of a moment that this call chose: a connection
 * that is lost after the hub committed gives the same version when the call is repeated by the
 * client below, and a second register of the same bundle by the user gives the next one.
 */
#include "catalog/catalog.h"
#include "crypto/crypto.h"

#include <stdlib.h>
#include <string.h>

enum {
    BODY_BYTES = 16 << 20,
    PROPERTIES_BYTES = 1 << 20
};

static void add_text(struct sk_buf *out, const char *key, const char *text)
{
    if (!text)
        return;
    sk_buf_fmt(out, ", \"%s\": ", key);
    sk_buf_json_str(out, text);
}

static int add_tags(const struct sk_catalog_new *n, struct sk_buf *out, struct sk_err *err)
{
    sk_buf_str(out, ", \"tags\": {");
    for (size_t i = 0; i < n->tag_count; i++) {
        const char *eq = strchr(n->tags[i], '=');

        if (!eq || eq == n->tags[i])
            return sk_fail(err, SK_USAGE, "--tag '%s': KEY=VALUE is needed", n->tags[i]);
        sk_buf_str(out, i ? ", " : "");
        sk_buf_json(out, n->tags[i], (size_t)(eq - n->tags[i]));
        sk_buf_str(out, ": ");
        sk_buf_json_str(out, eq + 1);
    }
    sk_buf_str(out, "}");
    return 0;
}

static int make_body(const struct sk_catalog_new *n, const struct sk_catalog_files *files,
                     const char *description, const char *properties, struct sk_buf *out,
                     struct sk_err *err)
{
    unsigned char key[16];

    if (sk_random(key, sizeof(key), err) < 0)
        return -1;
    sk_buf_str(out, "{\"files\": [");
    for (size_t i = 0; i < files->count; i++) {
        sk_buf_str(out, i ? ", {\"path\": " : "{\"path\": ");
        sk_buf_json_str(out, files->items[i].name);
        sk_buf_fmt(out, ", \"digest\": \"%s\"}", files->items[i].digest);
    }
    sk_buf_fmt(out, "], \"properties\": %s", properties);
    add_text(out, "description", description);
    add_text(out, "run_id", n->run_id);
    if (add_tags(n, out, err) < 0)
        return -1;
    sk_buf_str(out, ", \"idempotency_key\": \"");
    for (size_t i = 0; i < sizeof(key); i++)
        sk_buf_fmt(out, "%02x", key[i]);
    sk_buf_str(out, "\"}");
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

static int upload_all(struct sk_remote *r, const struct sk_catalog_files *files,
                      sk_remote_progress *progress, void *ctx, struct sk_err *err)
{
    for (size_t i = 0; i < files->count; i++) {
        const struct sk_catalog_file *f = &files->items[i];

        if (sk_remote_upload(r, f->path, f->digest, f->size, progress, ctx, err) < 0)
            return sk_wrap(err, "%s", f->name);
    }
    return 0;
}

/* Once more when the connection was lost under the answer. */
static int post(struct sk_remote *r, const char *path, const char *body, struct sk_json **out,
                struct sk_err *err)
{
    struct sk_err first = SK_ERR_INIT;

    if (sk_remote_call(r, "POST", path, body, out, &first) == 0)
        return 0;
    if (first.code != SK_IO && first.code != SK_TIMEOUT) {
        *err = first;
        return -1;
    }
    return sk_remote_call(r, "POST", path, body, out, err);
}

int sk_catalog_check_name(const char *name, struct sk_err *err)
{
    if (!*name)
        return sk_fail(err, SK_INVALID, "the name of a model is empty");
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return sk_fail(err, SK_INVALID, "'%s' is no name of a model", name);
    return 0;
}

int sk_catalog_register(struct sk_remote *r, const struct sk_catalog_new *n,
                        sk_remote_progress *progress, void *ctx, struct sk_json **out,
                        struct sk_err *err)
{
    SK_AUTO(sk_catalog_files_done) struct sk_catalog_files files = { 0 };
    SK_OWN(sk_bundle_free) struct sk_bundle *b = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf properties = SK_BUF_INIT(PROPERTIES_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(BODY_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(4096);

    if ((n->name && sk_catalog_check_name(n->name, err) < 0) ||
        sk_bundle_open(n->bundle, NULL, &b, err) < 0 ||
        sk_catalog_describe(n, b, &properties, err) < 0 ||
        sk_catalog_files_read(n->bundle, &files, err) < 0 ||
        (n->settings && sk_catalog_files_put(&files, "skerry.json", n->settings, err) < 0) ||
        make_body(n, &files, n->description ? n->description : b->description, properties.data,
                  &body, err) < 0)
        return -1;
    sk_buf_str(&path, "/api/v1/models/");
    sk_url_escape(&path, n->name ? n->name : b->name);
    sk_buf_str(&path, "/versions");
    if (!sk_buf_ok(&path))
        return sk_buf_fail(&path, err);
    if (upload_all(r, &files, progress, ctx, err) < 0)
        return -1;
    return post(r, path.data, body.data, out, err);
}
