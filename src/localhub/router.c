/*
 * router.c - the routes of $edgeHub's desired properties, and where a message goes by them.
 *
 *     {"schemaVersion":"1.1",
 *      "routes":{"up":"FROM /messages INTO $upstream",
 *                "x":{"route":"...","priority":0,"timeToLiveSecs":60}},
 *      "storeAndForwardConfiguration":{"timeToLiveSecs":7200}}
 *
 * They are taken or refused as a whole; those that were refused leave the ones before in place.
 */
#include "localhub/localhub_priv.h"

#include "base/log.h"

#include <string.h>
#include <strings.h>

enum {
    ROUTES_MAX = 1000
};

/* ---- the table ---- */

struct sk_lh_routes *sk_lh_routes_ref(struct sk_lh_routes *r)
{
    if (r)
        atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
    return r;
}

void sk_lh_routes_unref(struct sk_lh_routes *r)
{
    if (!r || atomic_fetch_sub(&r->refs, 1) != 1)
        return;
    for (size_t i = 0; i < r->count; i++) {
        sk_route_free(r->items[i].route);
        free(r->items[i].name);
    }
    free(r->items);
    free(r);
}

static int check_schema(const struct sk_json *desired, struct sk_err *err)
{
    static const char *const known[] = { "1.0", "1.1", "1.2", "1.3", "1" };
    const char *version = sk_json_get_text(desired, "schemaVersion", "1.0");
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(version, known[i]) == 0)
            return 0;
    return sk_fail(err, SK_INVALID, "schemaVersion '%s' is not known; 1.0 to 1.3 are", version);
}

static void name_endpoint(struct sk_lh_route *r)
{
    if (sk_route_is_upstream(r->route))
        (void)snprintf(r->endpoint, sizeof r->endpoint, "$upstream");
    else
        (void)snprintf(r->endpoint, sizeof r->endpoint, "%s/%s", sk_route_module(r->route),
                       sk_route_input(r->route));
}

static int add_route(struct sk_lh_routes *r, const char *name, const struct sk_json *value,
                     struct sk_err *err)
{
    int64_t priority = SK_SPOOL_PRIORITIES - 1, ttl = 0;
    const char *text = sk_json_text(value, NULL);
    if (sk_json_type(value) == SK_JSON_OBJECT &&
        (sk_json_want_text(value, "route", &text, err) < 0 ||
         sk_json_want_int(value, "priority", 0, SK_SPOOL_PRIORITIES - 1, &priority, err) < 0 ||
         sk_json_want_int(value, "timeToLiveSecs", 0, UINT32_MAX, &ttl, err) < 0))
        return -1;
    if (!text)
        return sk_fail(err, SK_INVALID, "expected a text or {\"route\":..}");
    if (!*text)
        return 0; /* turned off */
    struct sk_lh_route *to = &r->items[r->count];
    if (sk_route_parse(text, &to->route, err) < 0)
        return -1;
    if (!sk_route_is_upstream(to->route) &&
        strlen(sk_route_module(to->route)) + strlen(sk_route_input(to->route)) + 2 >
            sizeof to->endpoint) {
        sk_route_free(SK_TAKE(to->route));
        return sk_fail(err, SK_LIMIT, "module and input have more than %d bytes",
                       SK_SPOOL_ENDPOINT_MAX - 2);
    }
    to->name = strdup(name);
    to->priority = (unsigned)priority;
    to->ttl_s = ttl;
    name_endpoint(to);
    r->count++;
    return to->name ? 0 : sk_nomem(err);
}

/* A put has so many targets at most. */
static int check_endpoints(const struct sk_lh_routes *r, struct sk_err *err)
{
    size_t distinct = 0;
    for (size_t i = 0; i < r->count; i++) {
        size_t k = 0;
        while (k < i && strcmp(r->items[k].endpoint, r->items[i].endpoint) != 0)
            k++;
        distinct += k == i;
    }
    if (distinct > SK_SPOOL_TARGETS_MAX)
        return sk_fail(err, SK_LIMIT, "routes lead to %zu endpoints; at most %d are possible",
                       distinct, SK_SPOOL_TARGETS_MAX);
    return 0;
}

static int read_store(const struct sk_json *desired, struct sk_lh_routes *r, struct sk_err *err)
{
    const struct sk_json *store = NULL;
    if (sk_json_want_object(desired, "storeAndForwardConfiguration", &store, err) < 0)
        return -1;
    if (sk_json_want_int(store, "timeToLiveSecs", INT32_MIN, UINT32_MAX, &r->ttl_s, err) < 0)
        return sk_wrap(err, "storeAndForwardConfiguration");
    return 0;
}

int sk_lh_routes_parse(const struct sk_json *desired, struct sk_lh_routes **out, struct sk_err *err)
{
    const struct sk_json *routes = NULL;
    if (check_schema(desired, err) < 0 || sk_json_want_object(desired, "routes", &routes, err) < 0)
        return -1;
    const size_t count = sk_json_count(routes);
    if (count > ROUTES_MAX)
        return sk_fail(err, SK_LIMIT, "%zu routes; at most %d are possible", count, ROUTES_MAX);
    SK_OWN(sk_lh_routes_unref) struct sk_lh_routes *r = calloc(1, sizeof *r);
    if (!r)
        return sk_nomem(err);
    atomic_init(&r->refs, 1);
    r->ttl_s = SK_LH_TTL_S;
    r->items = calloc(count ? count : 1, sizeof *r->items);
    if (!r->items)
        return sk_nomem(err);
    if (read_store(desired, r, err) < 0)
        return -1;
    for (void *it = sk_json_first(routes); it; it = sk_json_next(routes, it))
        if (add_route(r, sk_json_key(it), sk_json_value(it), err) < 0)
            return sk_wrap(err, "route '%s'", sk_json_key(it));
    if (check_endpoints(r, err) < 0)
        return -1;
    *out = SK_TAKE(r);
    return 0;
}

/* ---- a message as conditions see it ---- */

struct seen {
    const struct sk_iot_bag *bag;
    const char *device, *module;
};

static const char *value_of(const struct sk_iot_bag *bag, const char *name)
{
    for (size_t i = 0; i < bag->count; i++)
        if (sk_view_eq_nocase(bag->items[i].name, name))
            return bag->items[i].has_value ? bag->items[i].value.ptr : "";
    return NULL;
}

static const char *property(void *ctx, const char *name)
{
    const struct seen *s = ctx;
    if (sk_starts_with(name, "$.") || sk_iot_property_is_stamp(sk_view_of(name)))
        return NULL;
    return value_of(s->bag, name);
}

static const char *system_property(void *ctx, const char *name)
{
    static const struct {
        const char *name, *wire;
    } rows[] = {
        { "messageId", "$.mid" },
        { "cid", "$.cid" },
        { "correlationId", "$.cid" },
        { "userId", "$.uid" },
        { "contentType", "$.ct" },
        { "contentEncoding", "$.ce" },
        { "to", "$.to" },
        { "outputName", "$.on" },
        { "creationTime", "$.ctime" },
        { "messageSchema", "$.schema" },
        { "dt-subject", "$.sub" },
        { "iothub-interface-id", "$.ifid" },
        { "absolute-expiry-time", "$.exp" },
    };
    const struct seen *s = ctx;
    if (strcasecmp(name, "connectionDeviceId") == 0)
        return s->device;
    if (strcasecmp(name, "connectionModuleId") == 0)
        return *s->module ? s->module : NULL;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcasecmp(name, rows[i].name) == 0)
            return value_of(s->bag, rows[i].wire);
    const struct sk_iot_system *row = sk_iot_system_by_name(sk_view_of(name));
    return row ? value_of(s->bag, row->wire) : NULL;
}

static void write_source(const char *module, const char *output, struct sk_buf *out)
{
    sk_buf_str(out, "/messages");
    if (!*module)
        return;
    sk_buf_str(out, "/modules/");
    sk_buf_str(out, module);
    if (!*output)
        return;
    sk_buf_str(out, "/outputs/");
    sk_buf_str(out, output);
}

/* ---- routing ---- */

static void add_target(struct sk_spool_target *out, size_t *count, const struct sk_lh_route *r,
                       int64_t expires_ms)
{
    for (size_t i = 0; i < *count; i++)
        if (strcmp(out[i].endpoint, r->endpoint) == 0) {
            if (r->priority < out[i].priority) {
                out[i].priority = r->priority;
                out[i].expires_ms = expires_ms;
            }
            return;
        }
    if (*count < SK_SPOOL_TARGETS_MAX)
        out[(*count)++] = (struct sk_spool_target){ .endpoint = r->endpoint,
                                                    .priority = r->priority,
                                                    .expires_ms = expires_ms };
}

size_t sk_lh_route(const struct sk_lh_routes *r, const char *module, const char *device,
                   const char *output, const struct sk_iot_bag *bag, struct sk_view body,
                   int64_t now_ms, struct sk_spool_target out[SK_SPOOL_TARGETS_MAX])
{
    SK_AUTO(sk_buf_done) struct sk_buf source = SK_BUF_INIT(4096);
    struct seen seen = { .bag = bag, .device = device, .module = module };
    size_t count = 0;
    write_source(module, output, &source);
    if (!r || !sk_buf_ok(&source))
        return 0;
    const struct sk_route_message m = { .source = source.data,
                                        .body = body,
                                        .property = property,
                                        .system = system_property,
                                        .ctx = &seen };
    for (size_t i = 0; i < r->count; i++) {
        const struct sk_lh_route *route = &r->items[i];
        const int64_t ttl = route->ttl_s != 0 ? route->ttl_s : r->ttl_s;
        if (sk_route_matches(route->route, &m))
            add_target(out, &count, route, ttl < 0 ? 0 : now_ms + ttl * 1000);
    }
    return count;
}

/* ---- taking new ones ---- */

static int parse_desired(struct sk_lh *h, struct sk_lh_routes **out, struct sk_err *err)
{
    const char *text = h->hub_id->twin.desired;
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    if (sk_json_parse(text, strlen(text), NULL, &doc, err) < 0)
        return -1;
    return sk_lh_routes_parse(doc, out, err);
}

/* So that those that are good are there after a restart, though worse ones came behind them. */
static void keep_text(struct sk_lh *h)
{
    const char *text = h->hub_id->twin.desired;
    if (h->routes_text && strcmp(h->routes_text, text) == 0)
        return;
    char *copy = strdup(text);
    if (!copy)
        return; /* they are in use, and in the twin */
    free(h->routes_text);
    h->routes_text = copy;
    sk_lh_files_sessions(h, NULL);
}

void sk_lh_routes_take(struct sk_lh *h)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_lh_routes *routes = NULL;
    const int64_t version = h->hub_id ? h->hub_id->twin.desired_version : 0;
    if (!h->hub_id || !h->hub_id->twin.is_seen || version == h->routes_version)
        return;
    if (parse_desired(h, &routes, &err) < 0) {
        sk_log(SK_WARN, "routes_refused", "version=%lld error=\"%s\" next=\"%s\"",
               (long long)version, err.text, h->routes ? "the old ones stay" : "none are there");
        if (!h->routes) { /* messages are dropped and counted, rather than clients locked out */
            h->routes = calloc(1, sizeof *h->routes);
            if (h->routes) {
                atomic_init(&h->routes->refs, 1);
                h->routes->ttl_s = SK_LH_TTL_S;
            }
        }
    } else {
        sk_log(SK_INFO, "routes_taken", "version=%lld routes=%zu", (long long)version,
               routes->count);
        sk_lh_routes_unref(h->routes);
        h->routes = routes;
        keep_text(h);
        for (size_t i = 0; i < routes->count; i++)
            sk_lh_pump_endpoint(h, routes->items[i].endpoint);
    }
    h->routes_version = version;
    h->routes_err = err;
    sk_lh_report(h);
}
