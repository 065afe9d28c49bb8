/*
 * bulk.c - POST /devices: many identities at once, each a change of its own.
 *
 * All are given to the writer in their order and share its transactions, so a hundred cost a few
 * syncs; one that fails is taken back alone and named in the answer.
 */
#include "devices/devices_priv.h"

#include <stdlib.h>
#include <string.h>

enum mode {
    MODE_CREATE,
    MODE_CREATE_OR_UPDATE,
    MODE_UPDATE,
    MODE_UPDATE_IF_MATCH,
    MODE_DELETE,
    MODE_DELETE_IF_MATCH,
    MODE_TWIN,
    MODE_TWIN_IF_MATCH,
    MODE_COUNT
};

static const char *const mode_names[MODE_COUNT] = {
    [MODE_CREATE] = "create",   [MODE_CREATE_OR_UPDATE] = "createOrUpdate",
    [MODE_UPDATE] = "update",   [MODE_UPDATE_IF_MATCH] = "updateIfMatchETag",
    [MODE_DELETE] = "delete",   [MODE_DELETE_IF_MATCH] = "deleteIfMatchETag",
    [MODE_TWIN] = "updateTwin", [MODE_TWIN_IF_MATCH] = "updateTwinIfMatchETag",
};

struct bulk;

struct item {
    struct bulk *bulk;
    const struct sk_json *json;
    enum mode mode;
    struct sk_identity_spec spec;
    bool has_failed;
    struct sk_err err;
};

struct bulk {
    const struct sk_who *who;
    struct item *items;
    size_t count;
    pthread_mutex_t mutex; /* guards left */
    pthread_cond_t changed;
    size_t left; /* items that the writer has */
};

/* "id", as ExportImportDevice has it, or "deviceId". */
static int read_item(const struct sk_json *json, struct item *out, struct sk_err *err)
{
    const char *mode = sk_json_get_text(json, "importMode", "createOrUpdate");
    if (sk_identity_spec_read(json, &out->spec, err) < 0)
        return -1;
    out->spec.device = sk_json_get_text(json, "id", out->spec.device);
    for (unsigned i = 0; i < MODE_COUNT; i++) {
        if (strcmp(mode, mode_names[i]) == 0) {
            out->mode = (enum mode)i;
            return 0;
        }
    }
    return sk_fail(err, SK_INVALID, "ArgumentInvalid: importMode '%.40s' is unknown", mode);
}

/* The etag that a conditional mode must come with. */
static int read_etag(const struct item *i, const char *key, const char **out, struct sk_err *err)
{
    *out = sk_json_get_text(i->json, key, NULL);
    return *out ? 0 : sk_fail(err, SK_INVALID, "ArgumentInvalid: '%s' is missing", key);
}

static bool has_twin(const struct sk_json *json)
{
    return sk_json_type(sk_json_get(json, "tags")) == SK_JSON_OBJECT ||
           sk_json_type(sk_json_get(json, "properties")) == SK_JSON_OBJECT;
}

static int change_twin(struct sk_change *c, struct item *i, const char *etag, struct sk_err *err)
{
    return sk_twin_change_in(c, i->bulk->who, i->spec.device ? i->spec.device : "",
                             sk_module_of(i->spec.module), i->json, false, etag, err);
}

static int create(struct sk_change *c, struct item *i, struct sk_err *err)
{
    struct sk_identity made;
    if (sk_identity_create_in(c, i->bulk->who, &i->spec, &made, err) < 0)
        return -1;
    return has_twin(i->json) ? change_twin(c, i, NULL, err) : 0;
}

static int create_or_update(struct sk_change *c, struct item *i, struct sk_err *err)
{
    struct sk_identity there;
    int found = sk_identity_find(c->tx, i->spec.device ? i->spec.device : "", i->spec.module,
                                 &there, err);
    if (found < 0)
        return -1;
    if (found == 0)
        return create(c, i, err);
    return sk_identity_update_in(c, i->bulk->who, &i->spec, NULL, &there, err);
}

static int run_item(struct sk_change *c, void *ctx, struct sk_err *err)
{
    struct item *i = ctx;
    const char *etag = NULL;
    struct sk_identity identity;
    const char *device = i->spec.device ? i->spec.device : "";
    switch (i->mode) {
    case MODE_CREATE:
        return create(c, i, err);
    case MODE_CREATE_OR_UPDATE:
        return create_or_update(c, i, err);
    case MODE_UPDATE_IF_MATCH:
        if (read_etag(i, "eTag", &etag, err) < 0)
            return -1;
        return sk_identity_update_in(c, i->bulk->who, &i->spec, etag, &identity, err);
    case MODE_UPDATE:
        return sk_identity_update_in(c, i->bulk->who, &i->spec, NULL, &identity, err);
    case MODE_DELETE_IF_MATCH:
        if (read_etag(i, "eTag", &etag, err) < 0)
            return -1;
        return sk_identity_delete_in(c, i->bulk->who, device, sk_module_of(i->spec.module), etag,
                                     err);
    case MODE_DELETE:
        return sk_identity_delete_in(c, i->bulk->who, device, sk_module_of(i->spec.module), NULL,
                                     err);
    case MODE_TWIN_IF_MATCH:
        if (read_etag(i, "twinETag", &etag, err) < 0)
            return -1;
        return change_twin(c, i, etag, err);
    default:
        return change_twin(c, i, NULL, err);
    }
}

static void end_item(void *ctx, const struct sk_err *failed)
{
    struct item *i = ctx;
    struct bulk *b = i->bulk;
    i->has_failed = failed != NULL;
    if (failed)
        i->err = *failed;
    SK_LOCK(&b->mutex);
    b->left--;
    (void)pthread_cond_signal(&b->changed);
}

static void push_item(struct sk_devices *d, struct bulk *b, struct item *i,
                      const struct sk_json *json)
{
    i->bulk = b;
    i->json = json;
    i->has_failed = read_item(json, i, &i->err) < 0;
    if (i->has_failed)
        return;
    {
        SK_LOCK(&b->mutex);
        b->left++;
    }
    struct sk_err err = SK_ERR_INIT;
    if (sk_devices_push(d, run_item, end_item, i, &err) < 0)
        end_item(i, &err);
}

/* ---- the answer ---- */

/* The name in front of an error's text, and what follows it. */
static struct sk_view error_name(const struct sk_err *err, const char **text)
{
    const char *colon = strstr(err->text, ": ");
    size_t len = colon ? (size_t)(colon - err->text) : 0;
    *text = err->text;
    if (len == 0 || strcspn(err->text, " '") < len)
        return sk_view_of(err->code == SK_DENIED ? "IotHubUnauthorizedAccess" : "ServerError");
    *text = colon + 2;
    return (struct sk_view){ err->text, len };
}

static void add_error(const struct item *i, struct sk_buf *out)
{
    const char *text;
    struct sk_view name = error_name(&i->err, &text);
    const char *device = i->spec.device ? i->spec.device : sk_json_get_text(i->json, "id", "");
    sk_buf_str(out, "{\"deviceId\":");
    sk_buf_json_str(out, device);
    if (sk_module_of(i->spec.module)[0]) {
        sk_buf_str(out, ",\"moduleId\":");
        sk_buf_json_str(out, i->spec.module);
    }
    sk_buf_str(out, ",\"errorCode\":");
    sk_buf_json(out, name.ptr, name.len);
    sk_buf_str(out, ",\"errorStatus\":");
    sk_buf_json_str(out, text);
    sk_buf_chr(out, '}');
}

static int write_result(const struct bulk *b, struct sk_buf *out, bool *ok, struct sk_err *err)
{
    size_t failed = 0;
    for (size_t i = 0; i < b->count; i++)
        failed += b->items[i].has_failed;
    sk_buf_fmt(out, "{\"isSuccessful\":%s,\"errors\":[", failed == 0 ? "true" : "false");
    for (size_t i = 0, done = 0; i < b->count; i++) {
        if (!b->items[i].has_failed)
            continue;
        if (done++ > 0)
            sk_buf_chr(out, ',');
        add_error(&b->items[i], out);
    }
    sk_buf_str(out, "],\"warnings\":[]}");
    *ok = failed == 0;
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

int sk_identity_bulk(struct sk_devices *d, const struct sk_who *who, const struct sk_json *array,
                     struct sk_buf *out, bool *ok, struct sk_err *err)
{
    struct bulk b = { .who = who,
                      .mutex = PTHREAD_MUTEX_INITIALIZER,
                      .count = sk_json_count(array) };
    SK_OWN(free) struct item *items = NULL;
    if (sk_json_type(array) != SK_JSON_ARRAY || b.count == 0)
        return sk_fail(err, SK_INVALID, "ArgumentInvalid: expected an array of devices");
    if (b.count > SK_BULK_MAX)
        return sk_fail(err, SK_LIMIT, "TooManyDevices: %zu devices at once, over %d", b.count,
                       SK_BULK_MAX);
    items = calloc(b.count, sizeof *items);
    if (!items)
        return sk_nomem(err);
    b.items = items;
    if (sk_cond_init(&b.changed, err) < 0)
        return -1;
    for (size_t i = 0; i < b.count; i++)
        push_item(d, &b, &items[i], sk_json_at(array, i));
    {
        SK_LOCK(&b.mutex);
        while (b.left > 0)
            (void)sk_cond_wait_until(&b.changed, &b.mutex, UINT64_MAX);
    }
    (void)pthread_cond_destroy(&b.changed);
    (void)pthread_mutex_destroy(&b.mutex);
    return write_result(&b, out, ok, err);
}
