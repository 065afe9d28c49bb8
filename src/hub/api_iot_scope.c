/*
 * api_iot_scope.c - what an edgeHub asks about the identities that may connect to it.
 *
 *     GET .../devicesAndModulesInDeviceScope?deviceCount=&continuationToken=
 *     GET .../deviceAndModuleInDeviceScope?targetDeviceId=&targetModuleId=
 *     -> {"devices":[..],"modules":[..],"continuationLink":".."}
 *
 * In the scope of an edge device are itself, the devices that have its scope, and the modules of
 * both. Keys are with them: the edgeHub checks tokens by itself while the hub is out of reach. A
 * page ends after deviceCount devices, at a row id.
 */
#include "hub/api_iot_priv.h"

#include "base/str.h"

#include <string.h>

enum {
    ROWS = 1000, /* of devices that are looked at, in one read */
    MODULES_BYTES = 64 << 20
};

struct scope {
    struct sk_devices *devices_of_hub;
    struct sk_identity edge;
    struct sk_buf *devices;
    struct sk_buf modules;
    uint64_t count, max;
    int64_t last;
    unsigned seen;
    bool is_full;
};

static bool is_inside(const struct scope *s, const struct sk_identity *i)
{
    const char *scope = s->edge.scope;
    if (strcmp(i->device, s->edge.device) == 0)
        return true;
    return scope[0] && (strcmp(i->scope, scope) == 0 || strcmp(i->parent_scope, scope) == 0);
}

static int add(struct sk_buf *out, const struct sk_identity *i, struct sk_err *err)
{
    if (out->len > 0 && out->data[out->len - 1] == '}')
        sk_buf_chr(out, ',');
    sk_identity_json(i, true, out);
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

static int add_module(void *ctx, const struct sk_identity *i, struct sk_err *err)
{
    struct scope *s = ctx;
    return add(&s->modules, i, err);
}

static int add_device(void *ctx, const struct sk_identity *i, struct sk_err *err)
{
    struct scope *s = ctx;
    if (s->is_full)
        return 0;
    s->seen++;
    s->last = i->id;
    if (!is_inside(s, i))
        return 0;
    s->is_full = ++s->count >= s->max;
    if (add(s->devices, i, err) < 0)
        return -1;
    return sk_identity_modules(s->devices_of_hub, i->device, add_module, s, err);
}

static int begin(struct sk_hub_call *call, struct scope *s, struct sk_err *err)
{
    s->devices_of_hub = call->hub->iot->devices;
    s->devices = sk_http_out(call->req);
    if (strcmp(call->parts[1], "$edgeHub") != 0)
        return sk_fail(err, SK_DENIED, "only $edgeHub asks what is in the scope of its device");
    if (sk_identity_get(s->devices_of_hub, call->parts[0], "", &s->edge, err) < 0)
        return -1;
    if (!s->edge.is_edge)
        return sk_fail(err, SK_INVALID, "InvalidOperation: device '%.128s' is no edge device",
                       s->edge.device);
    sk_buf_str(s->devices, "{\"devices\":[");
    return 0;
}

static int finish(struct sk_hub_call *call, struct scope *s, struct sk_err *err)
{
    struct sk_buf *out = s->devices;
    sk_buf_str(out, "],\"modules\":[");
    if (!sk_buf_ok(&s->modules))
        return sk_buf_fail(&s->modules, err);
    sk_buf_add(out, s->modules.data ? s->modules.data : "", s->modules.len);
    sk_buf_str(out, "],\"continuationLink\":");
    if (!s->is_full) {
        sk_buf_str(out, "null}");
        return 0;
    }
    /* Ids need no escapes that JSON would see; the path is the one that was asked, encoded again */
    SK_AUTO(sk_buf_done) struct sk_buf link = SK_BUF_INIT(2048);
    sk_buf_str(&link, "/devices/");
    for (const char *p = call->parts[0]; *p; p++)
        sk_buf_fmt(&link, strchr("%?#+", *p) ? "%%%02X" : "%c", (unsigned char)*p);
    sk_buf_fmt(&link,
               "/modules/$edgeHub/devicesAndModulesInDeviceScope?deviceCount=%llu"
               "&continuationToken=%lld&api-version=2018-08-30-preview",
               (unsigned long long)s->max, (long long)s->last);
    if (!sk_buf_ok(&link))
        return sk_buf_fail(&link, err);
    sk_buf_json_str(out, link.data);
    sk_buf_chr(out, '}');
    return 0;
}

static int write_scope(struct sk_hub_call *call, struct scope *s, struct sk_err *err)
{
    const char *count = sk_http_query(call->req, "deviceCount");
    const char *token = sk_http_query(call->req, "continuationToken");
    uint64_t after = 0;
    s->max = SK_HUB_IOT_TOP;
    if ((count && *count &&
         sk_parse_u64("deviceCount", count, 1, SK_HUB_IOT_TOP, &s->max, err) < 0) ||
        (token && *token &&
         sk_parse_u64("continuationToken", token, 0, INT64_MAX, &after, err) < 0) ||
        begin(call, s, err) < 0)
        return -1;
    s->last = (int64_t)after;
    do {
        s->seen = 0;
        if (sk_identity_list(s->devices_of_hub, s->last, ROWS, add_device, s, err) < 0)
            return -1;
    } while (s->seen == ROWS && !s->is_full);
    return finish(call, s, err);
}

void sk_hub_iot_scope(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    struct scope s = { .modules = SK_BUF_INIT(MODULES_BYTES) };
    sk_hub_iot_answer(call, write_scope(call, &s, &err), 200, &err);
    sk_buf_done(&s.modules);
}

/* ---- one ---- */

static int write_target(struct sk_hub_call *call, struct scope *s, struct sk_err *err)
{
    const char *device = sk_http_query(call->req, "targetDeviceId");
    const char *module = sk_http_query(call->req, "targetModuleId");
    struct sk_identity i, m;
    if (begin(call, s, err) < 0)
        return -1;
    if (!device)
        return sk_fail(err, SK_INVALID, "ArgumentNull: targetDeviceId is missing");
    if (sk_identity_get(s->devices_of_hub, device, "", &i, err) < 0 && err->code != SK_NOT_FOUND)
        return -1;
    /* not there and not its own: the same answer */
    if (err->code == SK_NOT_FOUND || !is_inside(s, &i))
        return sk_fail(err, SK_NOT_FOUND,
                       "DeviceNotFound: '%.128s' is not in the scope of '%.128s'", device,
                       s->edge.device);
    if (add(s->devices, &i, err) < 0)
        return -1;
    if (module && *module &&
        (sk_identity_get(s->devices_of_hub, device, module, &m, err) < 0 ||
         add(&s->modules, &m, err) < 0))
        return -1;
    return finish(call, s, err);
}

void sk_hub_iot_scope_one(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    struct scope s = { .modules = SK_BUF_INIT(MODULES_BYTES) };
    sk_hub_iot_answer(call, write_target(call, &s, &err), 200, &err);
    sk_buf_done(&s.modules);
}
